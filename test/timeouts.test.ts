/** Timeouts of actions and of compensations. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FiberRef, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { bothWays, forAMinute, slow, step, Text } from "./support/sagas.ts"
import { failingStore } from "./support/store.ts"
import { makeWorld, Refused, type World } from "./support/world.ts"

describe("timeouts", () => {
  const charge = (
    world: World,
    inDoubt: "retry" | "verify" | "park",
    times: ReadonlyArray<"1 second" | "9 seconds">
  ) => {
    let calls = 0
    return Saga.make("Slow")
      .compensatable("hotel", step(world, "hotel"))
      .final("charge", {
        success: Text,
        action: (context) =>
          Effect.suspend(() => Effect.delay(world.do("charge")(context), times[calls++] ?? "9 seconds")),
        timeout: "5 seconds",
        inDoubt,
        verify: () => Effect.succeedSome("found")
      })
      .build(({ outputs }) => outputs.charge)
  }

  it.effect("an action with a side effect that takes too long is cut off and in doubt", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const error = failureOf(yield* forAMinute(bothWays(charge(world, "park", []))[way]))
        expect(error).toMatchObject({
          _tag: "OutcomeUnknown",
          step: "charge",
          reason: "it took longer than 5s",
          parked: way === "durably"
        })
        expect(world.log).toEqual(way === "durably" ? ["+hotel"] : ["+hotel", "-hotel"])
      }
    }))

  it.effect("and its doubt is settled by its policy", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      expect(yield* forAMinute(Saga.run(charge(world, "verify", []), undefined))).toEqual(Exit.succeed("found"))
      expect(yield* forAMinute(Saga.run(charge(world, "retry", ["9 seconds", "1 second"]), undefined))).toEqual(
        Exit.succeed("charge-output")
      )
    }))

  it.effect("bound verify too, which then could not tell: the doubt remains", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        let asked = 0
        let cut = 0
        const saga = Saga.make("Slow")
          .compensatable("hotel", step(world, "hotel"))
          .final("charge", {
            success: Text,
            action: () => Effect.never,
            timeout: "5 seconds",
            inDoubt: "verify",
            verify: () => (asked++, Effect.onInterrupt(Effect.never, () => Effect.sync(() => cut++)))
          })
          .build(({ outputs }) => outputs.charge)
        const error = failureOf(yield* forAMinute(bothWays(saga)[way]))
        expect(error).toMatchObject({
          _tag: "OutcomeUnknown",
          step: "charge",
          reason: "it took longer than 5s; verify could not tell: TimeoutException: it took longer than 5s",
          parked: way === "durably"
        })
        expect([asked, cut]).toEqual([1, 1])
        expect(world.log).toEqual(way === "durably" ? ["+hotel"] : ["+hotel", "-hotel"])
      }
    }))

  it.effect("bound verify after a crash, too; one in time tells", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      let calls = 0
      let pause: "1 second" | "9 seconds" = "9 seconds"
      const saga = Saga.make("Slow")
        .final("charge", {
          success: Text,
          action: () => Effect.sync(() => `charge ${++calls}`),
          timeout: "5 seconds",
          inDoubt: "verify",
          verify: () => Effect.delay(Effect.succeedSome("found"), pause)
        })
        .build(({ outputs }) => outputs.charge)
      // Its intent is stored, and not its outcome.
      yield* Effect.exit(Effect.provideService(
        Saga.execute(saga, undefined, { executionId: "1" }),
        Checkpoint.Checkpoint,
        failingStore(store, { failAt: 1 })
      ))
      expect(failureOf(yield* forAMinute(Saga.resume(saga, "1")))).toMatchObject({
        _tag: "OutcomeUnknown",
        reason: expect.stringContaining("verify could not tell: TimeoutException: it took longer than 5s")
      })
      pause = "1 second"
      expect(yield* forAMinute(Saga.resume(saga, "1"))).toEqual(Exit.succeed("found"))
      expect(calls).toBe(1)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("in time is in time", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      expect(yield* forAMinute(Saga.run(charge(world, "park", ["1 second"]), undefined))).toEqual(
        Exit.succeed("charge-output")
      )
    }))

  it.effect("the condition of a retry is asked about the action's errors only, and one that throws hides no doubt", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const asked: Array<unknown> = []
      const saga = Saga.make("While")
        .compensatable("first", step(world, "first"))
        .compensatable("book", {
          ...step(world, "book"),
          action: ({ attempt }) =>
            attempt === 2 ? Effect.fail(new Refused({ step: "book" })) : Effect.as(Effect.never, ""),
          timeout: "1 second",
          inDoubt: "retry",
          retry: {
            times: 2,
            while: (error) => {
              asked.push(error)
              return error.step.length > 0
            }
          },
          error: "asRecoveredFailure"
        })
        .build()
      const exit = yield* forAMinute(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", parked: true })
      expect(asked).toEqual([new Refused({ step: "book" })])
      expect(world.log).toEqual(["+first"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what a guarded action sets in its fiber is set for the steps after it", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake("before")
      const saga = Saga.make("Fiber")
        .compensatable("set", {
          action: () => FiberRef.set(ref, "after"),
          compensate: () => Effect.void,
          timeout: "1 second",
          inDoubt: "park"
        })
        .readOnly("get", { action: () => FiberRef.get(ref) })
        .build(({ outputs }) => outputs.get)
      expect(yield* Saga.run(saga, undefined)).toBe("after")
    }))

  it.effect("an interruption from outside does not reach the action that the timeout guards", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Guarded")
        .compensatable("hotel", { ...slow(world, "hotel", "3 seconds"), timeout: "5 seconds", inDoubt: "park" })
        .compensatable("flight", step(world, "flight"))
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))

  it.effect("nor the compensation that one guards", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Guarded")
        .compensatable("hotel", {
          ...step(world, "hotel"),
          compensate: (context) => Effect.delay(world.undo("hotel")(context), "2 seconds"),
          compensationTimeout: "5 seconds"
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "!check", "-hotel"])
    }))

  it.effect("a ReadOnly action that takes too long fails with TimeoutException, each attempt by itself", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Look")
        .compensatable("hotel", step(world, "hotel"))
        .readOnly("look", {
          action: ({ attempt }) => Effect.delay(world.note(`look ${attempt}`), attempt < 3 ? "9 seconds" : "1 second"),
          timeout: "5 seconds",
          retry: { times: 1, while: () => false }
        })
        .build()
      const exit = yield* forAMinute(Saga.run(saga, undefined))
      expect(failureOf(exit)).toBeInstanceOf(Cause.TimeoutException)
      expect(world.log).toEqual(["+hotel", "-hotel"])
      const report = yield* forAMinute(Saga.report(saga, undefined))
      expect(report).toMatchObject({ value: { steps: [{}, { step: "look", attempts: 2 }] } })
    }))

  it.effect("a compensation that takes too long has failed, and is tried again as its own retry says", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = (duration: (attempt: number) => "1 second" | "9 seconds") =>
        Saga.make("Undo")
          .compensatable("hotel", {
            ...step(world, "hotel"),
            compensate: (context) => Effect.delay(world.undo("hotel")(context), duration(context.attempt)),
            compensationTimeout: "5 seconds",
            compensationRetry: { times: 1 }
          })
          .readOnly("check", { action: world.refuse("check") })
          .build()
      const stuck = failureOf(yield* forAMinute(Saga.run(saga(() => "9 seconds"), undefined)))
      expect(stuck).toMatchObject({ _tag: "PartlyUndone", failed: [{ step: "hotel" }] })
      const again = yield* forAMinute(Saga.run(saga((attempt) => attempt === 1 ? "9 seconds" : "1 second"), undefined))
      expect(failureOf(again)).toEqual(new Refused({ step: "check" }))
    }))
})
