/** `SagaTest` with sagas that wait: it fails, crashes, closes and cancels them at each commit, also while they wait. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Saga, Signal } from "effect-saga"
import { Ledger, SagaTest } from "effect-saga/testing"

const Approval = Signal.make("approval", { success: Schema.String })

const step = (name: string) => ({
  success: Schema.String,
  action: ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
    Effect.as(Effect.flatMap(Ledger.Ledger, (ledger) => ledger.do(name, idempotencyKey)), name),
  compensate: ({ actionIdempotencyKey }: { readonly actionIdempotencyKey: string }) =>
    Effect.flatMap(Ledger.Ledger, (ledger) => ledger.undo(name, actionIdempotencyKey))
})

const rested = Saga.make("Order").compensatable("reserve", step("reserve")).sleep("rest", "200 days")

const order = (timeout: "100 days" | undefined) =>
  (timeout === undefined
    ? rested.wait("approve", Approval)
    : rested.wait("approve", Approval, { timeout, onTimeout: { value: "nobody" } }))
    .compensatable("pack", step("pack"))
    .final("charge", { success: Schema.String, inDoubt: "retry", retry: { times: 3 }, action: step("charge").action })
    .build()

describe("an exploration of a saga that waits", () => {
  it.live(
    "finds nothing wrong with one that is right, at whichever commit it fails, ends or is cancelled",
    () =>
      Effect.gen(function*() {
        const { scenarios, summary, violations } = yield* SagaTest.explore(order(undefined), {
          input: undefined,
          layer: Layer.empty,
          signals: [{ signal: Approval, value: "Ada" }],
          limits: { pairs: 40 }
        })
        expect(violations, summary).toEqual([])
        const ended = (name: string) => scenarios.find((scenario) => scenario.name === name)?.ended
        expect(ended("nothing")).toBe(undefined)
        const all = scenarios.map(({ name }) => name)
        expect(all.some((name) => name.includes("\"rest\"") || name.includes("\"approve\""))).toBe(false)
        // The commits are: the first intent, to rest, to wait, the next intents, and the end.
        const ends = new Map(scenarios.map(({ ended, name }) => [name, ended]))
        expect(ends.get("cancel after commit 1 is stored")).toBe("Undone")
        expect(ends.get("cancel after commit 2 is stored")).toBe("Undone")
        expect(ends.get("crash after commit 1 is stored")).toBe("Succeeded")
        expect(ends.get("crash before commit 2 is stored")).toBe("Succeeded")
        expect(ends.get("close after commit 2 is stored")).toBe("Succeeded")
        expect(ends.get("disconnect after commit 1 is stored")).toBe("Succeeded")
      }),
    120_000
  )

  it.live("lets the timeout pass where nobody sends the signal", () =>
    Effect.gen(function*() {
      const { summary, violations } = yield* SagaTest.explore(order("100 days"), {
        input: undefined,
        layer: Layer.empty,
        limits: { pairs: 0 }
      })
      expect(violations, summary).toEqual([])
    }), 120_000)

  it.live("says that it comes to no end where it waits for ever", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Forgotten").wait("approve", Approval).build()
      const { violations } = yield* SagaTest.explore(saga, { input: undefined, layer: Layer.empty })
      expect(violations[0]?.violations).toMatchObject([{ _tag: "Stuck" }])
    }), 120_000)

  it.live("finds that a step is undone by what is no longer there", () =>
    Effect.gen(function*() {
      const forgetful = Saga.make("Forgetful")
        .compensatable("reserve", { ...step("reserve"), compensate: () => Effect.void })
        .wait("approve", Approval, { timeout: "1 day" })
        .build()
      const { violations } = yield* SagaTest.explore(forgetful, { input: undefined, layer: Layer.empty })
      expect(violations.flatMap(({ violations }) => violations).map(({ _tag }) => _tag)).toContain("Orphaned")
    }), 120_000)
})
