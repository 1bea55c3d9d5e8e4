/** S20: waiting costs nothing and forgets nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError, Signal } from "effect-saga"
import { eventsOf } from "../support/store.ts"

const Approval = Signal.make("approval", { success: Schema.Struct({ clerk: Schema.String }) })
const approved = { clerk: "Ada" }

/** An order that waits for a person between two steps with a side effect; `log` hears of these. */
const order = (log: Array<string>) =>
  Saga.make("Order")
    .compensatable("reserve", {
      success: Schema.String,
      action: () => Effect.sync(() => (log.push("reserve"), "lot 1")),
      compensate: () => Effect.sync(() => void log.push("free"))
    })
    .wait("approve", Approval)
    .final("charge", {
      success: Schema.String,
      inDoubt: "retry",
      action: ({ outputs }) => Effect.sync(() => (log.push("charge"), `charged, approved by ${outputs.approve.clerk}`))
    })
    .build(({ outputs }) => outputs.charge)

const id = { executionId: "1" }
const to = { ...id, by: "clerk 1" }

const tagsOf = Effect.flatMap(
  Checkpoint.Checkpoint,
  (store) => Effect.map(eventsOf(store, "1"), (events) => events.map(({ _tag }) => _tag))
)

const statusOf = (saga: Saga.Any) => Effect.map(Saga.inspect(saga, "1"), ({ status }) => status)

/** Lets everything run that needs no time. */
const settle = Effect.repeatN(Effect.yieldNow(), 200)

describe("S20: an execution that waits for a signal", () => {
  it.effect("has no driver, and goes on when the signal comes", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      const store = yield* Checkpoint.Checkpoint
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      expect(yield* statusOf(saga)).toBe("Waiting")
      expect(store.findDriven("1")).toBe(undefined)
      expect(log).toEqual(["reserve"])
      yield* Signal.deliver(Approval, to, approved)
      expect(yield* Fiber.join(call)).toBe("charged, approved by Ada")
      expect(log).toEqual(["reserve", "charge"])
      expect(yield* tagsOf).toEqual([
        "Started",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "Waiting",
        "Resumed",
        "SignalReceived",
        "StepSucceeded",
        "StepStarted",
        "StepSucceeded",
        "Finished"
      ])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("sleeps for a day of the TestClock, and goes on by itself", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Nap").sleep("night", "1 day").final("wake", {
        inDoubt: "retry",
        action: () => Effect.void
      }).build(() => "awake")
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      yield* TestClock.adjust("23 hours")
      expect(yield* statusOf(saga)).toBe("Waiting")
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(call)).toBe("awake")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is undone when it is cancelled", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      const call = yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, id)))
      yield* settle
      yield* Saga.cancel("1", { by: "clerk 2" })
      const exit = yield* Fiber.join(call)
      expect(
        Exit.isFailure(exit) && SagaError.is("Cancelled")(exit.cause._tag === "Fail" ? exit.cause.error : undefined)
      ).toBe(true)
      expect(log).toEqual(["reserve", "free"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
