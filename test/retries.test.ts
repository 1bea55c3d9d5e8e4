/** Retries leave room for timers and other fibers, and end when their process does. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schedule, Schema, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { eventsOf, failingStore, process, recoverAll } from "./support/store.ts"

const failing = (call: () => void) => Effect.suspend(() => (call(), Effect.fail("busy")))

describe("a call that fails at once, again and again", () => {
  const runs: Record<string, (call: () => void) => Effect.Effect<unknown, unknown>> = {
    "a ReadOnly action": (call: () => void) =>
      Saga.run(Saga.make("Busy").readOnly("a", { action: () => failing(call), retry: { times: 200 } }).build()),
    "a Compensatable action": (call: () => void) =>
      Saga.run(
        Saga.make("Busy")
          .compensatable("a", { action: () => failing(call), compensate: () => Effect.void, retry: { times: 200 } })
          .build()
      ),
    "a compensation": (call: () => void) =>
      Saga.run(
        Saga.make("Busy")
          .compensatable("a", {
            action: () => Effect.void,
            compensate: () => failing(call),
            compensationRetry: { times: 200 }
          })
          .readOnly("b", { action: () => Effect.fail("no") })
          .build()
      )
  }
  for (const [name, run] of Object.entries(runs)) {
    it.live(`${name} lets timers run meanwhile`, () =>
      Effect.gen(function*() {
        let calls = 0
        let seen = 0
        const timer = setInterval(() => {
          seen = Math.max(seen, calls < 200 ? calls : 0)
        }, 1)
        const exit = yield* Effect.exit(run(() => calls++))
        clearInterval(timer)
        expect(Exit.isFailure(exit)).toBe(true)
        expect(calls).toBe(201)
        expect(seen).toBeGreaterThan(0)
      }))
  }
})

describe("a compensation that is retried without end", () => {
  const make = () => {
    let works = false
    let calls = 0
    const saga = Saga.make("Stubborn")
      .compensatable("a", {
        action: () => Effect.void,
        compensate: () => Effect.suspend(() => (calls++, works ? Effect.void : Effect.fail("busy"))),
        compensationRetry: { schedule: Schedule.spaced("1 hour") }
      })
      .readOnly("b", { error: Schema.String, action: () => Effect.fail("no") })
      .build()
    return { saga, calls: () => calls, mend: () => (works = true) }
  }

  for (const onInterrupt of ["suspend", "cancel"] as const) {
    it.effect(`is left in the pause between two attempts when its process closes (${onInterrupt}), and goes on in the next`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const { calls, mend, saga } = make()
        yield* process(
          store,
          Effect.gen(function*() {
            const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt }))
            yield* Effect.repeat(Effect.yieldNow(), { until: () => calls() > 0 })
            yield* Effect.yieldNow()
            const exit = yield* Fiber.interrupt(fiber)
            expect(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)).toBe(true)
            const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
            expect(events.at(-1)).toMatchObject({ _tag: "CompensationStarted", step: "a" })
          })
        )
        expect(calls()).toBe(1)
        mend()
        expect(yield* process(store, recoverAll([saga]))).toMatchObject([{ _tag: "Undone" }])
        expect(calls()).toBe(2)
      }))
  }

  it.effect("is not cut off in the middle of an attempt when its process closes, nor made again if it succeeds", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const log: Array<string> = []
      const saga = Saga.make("Slow")
        .compensatable("a", {
          action: () => Effect.void,
          compensate: () =>
            Effect.zipRight(
              Effect.sync(() => log.push("begins")),
              Effect.delay(Effect.sync(() => log.push("ends")), "1 second")
            ),
          compensationRetry: { schedule: Schedule.spaced("1 hour") }
        })
        .readOnly("b", { error: Schema.String, action: () => Effect.fail("no") })
        .build()
      yield* process(
        store,
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
          yield* Effect.repeat(Effect.yieldNow(), { until: () => log.length > 0 })
          const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(interruption)
        })
      )
      const recovery = yield* Effect.fork(process(store, recoverAll([saga])))
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(recovery)).toEqual([])
      expect(log).toEqual(["begins", "ends"])
    }))

  it.effect("of which the attempts are used up has failed, also where recovery drives it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let calls = 0
      const saga = Saga.make("Stubborn")
        .compensatable("a", {
          action: () => Effect.void,
          compensate: () => failing(() => calls++),
          compensationRetry: { times: 2 }
        })
        .readOnly("b", { error: Schema.String, action: () => Effect.fail("no") })
        .build()
      yield* process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.exit(Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1" }),
            Checkpoint.Checkpoint,
            failingStore(service, { failAt: 1 })
          )))
      )
      expect(
        yield* Effect.fork(process(store, recoverAll([saga]))).pipe(
          Effect.zipLeft(TestClock.adjust("1 second")),
          Effect.flatMap(Fiber.join)
        )
      ).toMatchObject([
        { _tag: "Parked", cause: { error: { _tag: "PartlyUndone", failed: [{ step: "a" }], undone: [] } } }
      ])
      expect(calls).toBe(3)
    }))

  for (const times of [1500, undefined]) {
    it.live(`in process ends by itself, and says what stands: ${times ?? "no number of"} times`, () =>
      Effect.gen(function*() {
        let calls = 0
        const saga = Saga.make("Stubborn")
          .compensatable("a", {
            action: () => Effect.void,
            compensate: () => failing(() => calls++),
            compensationRetry: { schedule: Schedule.spaced("0 millis"), ...times === undefined ? {} : { times } }
          })
          .readOnly("b", { action: () => Effect.fail("no") })
          .build()
        const exit = yield* Effect.exit(Saga.run(saga))
        expect(failureOf(exit)).toMatchObject({ _tag: "PartlyUndone", failed: [{ step: "a" }] })
        expect(calls).toBe(1001)
        calls = 0
        expect(yield* Saga.report(saga)).toMatchObject({ _tag: "PartlyUndone", compensations: [{ attempts: 1001 }] })
        expect(calls).toBe(1001)
      }))
  }
})
