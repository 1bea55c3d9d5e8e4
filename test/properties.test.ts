/**
 * Random sagas with random failures, defects and doubts, in parallel blocks and nested sagas too, in process and durable, also
 * with a store that is lost at a random write.
 *
 * The sagas are those of `SagaArbitrary`, whose `check` is the law that they are held to.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck as fc, Fiber, Layer, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { failureOf } from "./support/exit.ts"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"

const { build, check: checkTheLaw, exit: exitOf } = SagaArbitrary
const programs = SagaArbitrary.program()
const reversible = SagaArbitrary.program({ finals: false })
const sleepy = SagaArbitrary.program({ sleeps: true })
const policy = fc.constantFrom("continue" as const, "stop" as const)

const lastOf = (path: string) => path.split("/").at(-1)!

const called = (tag: Ledger.Call["_tag"]) =>
  Effect.map(
    Effect.flatMap(Ledger.Ledger, ({ calls }) => calls),
    (calls) => calls.flatMap(({ _tag, what }) => _tag === tag ? [what] : [])
  )
/** Doing a thing again under its key is doing it once. */
const did = Effect.map(called("Do"), (names) => Array.from(new Set(names)))
const undid = called("Undo")

/** Siblings may be done in any order, and a compensation that failed leaves what is younger. */
const checkLedger = Effect.map(
  Effect.flatMap(Ledger.Ledger, ({ violations }) => violations),
  (violations) => expect(violations.filter(({ _tag }) => _tag !== "UndoneOutOfOrder")).toEqual([])
)

const world = Layer.merge(Checkpoint.layerMemory, Ledger.layer)

describe("whatever a saga is made of, what was done is exactly undone, newest first, or named in the error", () => {
  it.effect.prop("in process", [sleepy, policy], ([program, onCompensationFailure]) =>
    Effect.gen(function*() {
      const saga = build(program, { onCompensationFailure })
      yield* checkTheLaw(program, yield* exitOf(Saga.run(saga, undefined)))
    }).pipe(Effect.provide(Ledger.layer)), { timeout: 180_000, fastCheck: { numRuns: 500 } })

  it.effect.prop("in a scope that fails", [reversible], ([program]) =>
    Effect.gen(function*() {
      const saga = build(program)
      yield* exitOf(Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), Effect.fail("outside"))))
      const names = Array.from(SagaArbitrary.steps(program).keys())
      const stuck = Array.from(SagaArbitrary.steps(program))
        .flatMap(([name, sentence]) => / undo (fails|dies)$/.test(sentence) ? [name] : [])
      const done = yield* did
      expect(yield* undid).toEqual(
        names.filter((name) => done.includes(name)).reverse().filter((name) => !stuck.includes(name))
      )
      yield* checkLedger
    }).pipe(Effect.provide(Ledger.layer)), { timeout: 180_000, fastCheck: { numRuns: 200 } })

  it.effect.prop(
    "durably, and then the journal says the same",
    [sleepy, policy],
    ([program, onCompensationFailure]) =>
      Effect.gen(function*() {
        const ledger = yield* Ledger.Ledger
        const saga = build(program, { onCompensationFailure })
        const exit = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        yield* checkTheLaw(program, exit)
        const store = yield* Checkpoint.Checkpoint
        const state = Journal.fold(yield* eventsOf(store, "1"))
        expect(state).not.toBeInstanceOf(Journal.InvalidTransition)
        const error = failureOf(exit)
        expect((state as Journal.ExecutionState).status).toBe(
          Exit.isSuccess(exit)
            ? "Succeeded"
            : error instanceof SagaError.PartlyUndone || error instanceof SagaError.FailedAfterCommit
            ? "Parked"
            : "Undone"
        )
        // Asked again, it answers the same and does nothing.
        const calls = yield* ledger.calls
        const again = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        yield* checkTheLaw(program, again)
        if (Exit.isSuccess(exit)) expect(again).toEqual(exit)
        expect(again._tag).toBe(exit._tag)
        expect(yield* ledger.calls).toEqual(calls)
      }).pipe(Effect.provide(world)),
    { timeout: 180_000, fastCheck: { numRuns: 300 } }
  )

  it.effect.prop(
    "durably, with the store lost at any write and a recovery afterwards",
    [programs, policy, fc.nat({ max: 20 })],
    ([program, onCompensationFailure, failAt]) =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const ledger = yield* Ledger.Ledger
        const saga = build(program, { onCompensationFailure })
        const exit = yield* exitOf(
          Saga.execute(saga, undefined, { executionId: "1" }).pipe(
            Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
          )
        )
        const lost = failureOf(exit) instanceof SagaError.CheckpointError
        yield* exitOf(recoverAll([saga]))
        expect(yield* recoverAll([saga])).toEqual([])
        const stored = yield* store.load("1")
        if (stored.length === 0) {
          expect(lost).toBe(true)
          expect(yield* ledger.calls).toEqual([])
          return
        }
        const ended = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        yield* checkTheLaw(program, ended, { afterCrash: true })
      }).pipe(Effect.provide(world)),
    { timeout: 180_000, fastCheck: { numRuns: 500 } }
  )
})

describe("however often it is lost, resumed and interrupted, an execution ends with a journal that tells the truth", () => {
  it.effect.prop(
    "of the world",
    [
      sleepy,
      policy,
      fc.nat({ max: 8 }),
      fc.array(fc.record({ lostAt: fc.nat({ max: 8 }), interruptedAfter: fc.nat({ max: 25 }) }), { maxLength: 4 })
    ],
    ([program, onCompensationFailure, first, rounds]) =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const ledger = yield* Ledger.Ledger
        const saga = build(program, { onCompensationFailure })
        yield* exitOf(Effect.provideService(
          Saga.execute(saga, undefined, { executionId: "1" }),
          Checkpoint.Checkpoint,
          failingStore(store, { failAt: first })
        ))
        for (const { interruptedAfter, lostAt } of rounds) {
          const fiber = yield* Effect.fork(Effect.provideService(
            Saga.resume(saga, "1"),
            Checkpoint.Checkpoint,
            failingStore(store, { failAt: lostAt })
          ))
          for (let count = 0; count < interruptedAfter; count++) yield* Effect.yieldNow()
          const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
          yield* TestClock.adjust("1 hour")
          checkDefects(yield* Fiber.join(interruption))
        }
        checkDefects(yield* exitOf(Saga.resume(saga, "1")))
        const state = Journal.fold(yield* eventsOf(store, "1"))
        if (state === undefined) {
          expect(yield* ledger.calls).toEqual([])
          return
        }
        if (state instanceof Journal.InvalidTransition) throw new Error(state.problem)
        expect(["Succeeded", "Undone", "Parked"]).toContain(state.status)
        if (state.status === "Undone") expect(yield* ledger.standing).toEqual([])
        if (state.status === "Succeeded") expect(yield* undid).toEqual([])
        const done = Journal.steps(state).filter(({ classification, status }) =>
          classification !== "ReadOnly" && (status === "Succeeded" || status === "CompensationFailed")
        )
        if (state.status === "Parked" && !Journal.steps(state).some(Journal.isInDoubt)) {
          expect(done.map(({ step }) => lastOf(step)).sort()).toEqual([...(yield* ledger.standing)].sort())
        }
        yield* checkLedger
      }).pipe(Effect.provide(world)),
    { timeout: 180_000, fastCheck: { numRuns: 400 } }
  )
})

/** A defect is a step's own, or says what stands: never one of the library's. */
const checkDefects = (exit: Exit.Exit<unknown, unknown>) => {
  for (const defect of Exit.isFailure(exit) ? Cause.defects(exit.cause) : []) {
    if (!(defect instanceof SagaError.FailedAfterCommit)) expect(String(defect)).toMatch(/[a-z]\d* died$/)
  }
}
