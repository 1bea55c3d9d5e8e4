/** The test kit explores sagas whose steps are transactions: what they need not honour, it does not ask for. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { Faults, Ledger, SagaTest } from "effect-saga/testing"
import { memoryTransactions } from "../src/testing/transactions.ts"
import { failureOf } from "./support/exit.ts"

/** Rows, which know nothing of keys. */
class Rows extends Context.Tag("Rows")<Rows, {
  readonly insert: (what: string) => Effect.Effect<string>
  readonly remove: (what: string) => Effect.Effect<void>
}>() {
  static readonly layer = Layer.effect(
    Rows,
    Effect.map(Ledger.Ledger, (ledger) => ({
      insert: (what) => Effect.as(ledger.do(what), what),
      remove: (what) => Effect.asVoid(ledger.undo(what))
    }))
  )
}

const row = (what: string) => ({
  success: Schema.String,
  action: () => Effect.flatMap(Rows, ({ insert }) => insert(what)),
  compensate: () => Effect.flatMap(Rows, ({ remove }) => remove(what))
})

const begun = Saga.make("Rows")
  .compensatable("order", { ...row("order"), transaction: true, timeout: "1 second" })
  .parallel((branch) =>
    branch
      .compensatable("stock", { ...row("stock"), transaction: true })
      .compensatable("letter", { ...row("letter"), transaction: true })
  )
  .final("entry", {
    success: Schema.String,
    action: () => Effect.flatMap(Rows, ({ insert }) => insert("entry")),
    transaction: true
  })

const rows = begun
  .final("receipt", {
    success: Schema.String,
    action: () => Effect.flatMap(Rows, ({ insert }) => insert("receipt")),
    transaction: true,
    retry: { schedule: Schedule.spaced("1 minute") }
  })
  .build()

const options = { input: undefined, layer: Rows.layer }

describe("a saga of transactions", () => {
  it.effect("has no violations, whatever goes wrong, though nothing in it honours a key", () =>
    Effect.gen(function*() {
      const { scenarios, summary } = yield* SagaTest.explore(rows, { ...options, limits: { pairs: 40 } })
      expect(summary).toContain(" 0 with violations")
      expect(summary).not.toContain("no service wrote to the Ledger")
      expect(scenarios.length).toBeGreaterThan(60)
      const names = scenarios.map(({ name }) => name)
      expect(names.filter((name) => /crash/i.test(name)).length).toBeGreaterThan(10)
      // Nothing is asked of a transaction that only a key, or a doubt, could give.
      expect(names.filter((name) => /twice|reply/i.test(name))).toEqual([])
    }), 120_000)

  it.effect("is wrong without its transactions", () =>
    Effect.gen(function*() {
      const unkeyed = Saga.make("Rows")
        .compensatable("order", row("order"))
        .final("entry", { success: Schema.String, action: row("entry").action, inDoubt: "retry" })
        .build()
      expect((yield* SagaTest.explore(unkeyed, { ...options, limits: { pairs: 0 } })).violations.length)
        .toBeGreaterThan(0)
    }), 120_000)

  it.effect("has no violations in process", () =>
    Effect.gen(function*() {
      // Without the later Final, which an interruption in its pauses would leave undone: in process nobody goes on with it.
      expect((yield* SagaTest.exploreInProcess(begun.build(), options)).summary).toContain(" 0 with violations")
    }), 120_000)
})

describe("a store whose process crashes at the commit of a transaction", () => {
  const runs = (moment: "before" | "after") =>
    Effect.gen(function*() {
      const memory = yield* Checkpoint.makeMemory
      const store = { ...memory, transactions: memoryTransactions(memory) }
      const crashing = yield* Checkpoint.make(Faults.crashAt(store, 1, moment))
      const exit = yield* Effect.exit(
        Effect.provideService(
          Saga.execute(rows, undefined, { executionId: "1" }),
          Checkpoint.Checkpoint,
          crashing
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      return (yield* memory.load("1")).length
    }).pipe(
      Effect.provide(Rows.layer),
      Effect.provideServiceEffect(Checkpoint.Transactions, Effect.map(Checkpoint.makeMemory, memoryTransactions)),
      Effect.provideServiceEffect(Ledger.Ledger, Ledger.make()),
      Effect.scoped
    )

  it.effect("has the commits before it, and that one only if the process died after it", () =>
    Effect.gen(function*() {
      expect(yield* runs("before")).toBe(1)
      expect(yield* runs("after")).toBe(2)
    }))
})
