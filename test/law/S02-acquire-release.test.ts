/** S2: an action and the arming of its compensation are one act. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { everyMinute, reserve, Text } from "../support/sagas.ts"
import { makeWorld, Refused } from "../support/world.ts"

describe("S2: an interruption arrives before an action or after its compensation is armed, never between", () => {
  it.effect("an interruption during a Compensatable action waits for it, and then undoes it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Slow")
        .compensatable("hotel", {
          action: (context) =>
            Deferred.succeed(inside, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.andThen(world.do("hotel")(context))
            ),
          compensate: world.undo("hotel")
        })
        .compensatable("flight", { action: world.do("flight"), compensate: world.undo("flight") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      const exit = yield* Fiber.join(interruption)
      expect(Exit.isInterrupted(exit)).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))

  it.effect("an interruption during a ReadOnly action ends it at once", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = reserve(world)
        .readOnly("look", { action: () => Effect.andThen(Deferred.succeed(inside, undefined), Effect.never) })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
    }))

  it.effect("an interruption in the pause between two attempts ends the saga with nothing done in that step", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = reserve(world)
        .compensatable("car", {
          action: () => Effect.andThen(Deferred.succeed(inside, undefined), world.refuse("car")()),
          compensate: world.undo("car"),
          retry: { times: 5, schedule: everyMinute }
        })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "-flight", "-hotel"])
    }))

  it.effect("an interruption during an attempt that succeeds waits for it, and then undoes it, also under a retry", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = reserve(world)
        .compensatable("car", {
          action: (context) =>
            context.attempt === 1
              ? world.refuse("car")()
              : Deferred.succeed(inside, undefined).pipe(
                Effect.andThen(Deferred.await(goOn)),
                Effect.andThen(world.do("car")(context))
              ),
          compensate: world.undo("car"),
          retry: { times: 1 }
        })
        .compensatable("guide", { action: world.do("guide"), compensate: world.undo("guide") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "+car", "-car", "-flight", "-hotel"])
    }))

  it.effect("an interruption during the last step is in time to undo it", () =>
    Effect.gen(function*() {
      for (const durable of [false, true]) {
        const world = makeWorld()
        const saga = Saga.make("Last")
          .compensatable("hotel", {
            success: Text,
            compensate: world.undo("hotel"),
            action: (context) => Effect.delay(world.do("hotel")(context), "1 second")
          })
          .build()
        const run = durable
          ? Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" })
          : Saga.run(saga, undefined)
        const fiber = yield* Effect.fork(Effect.provide(run, Checkpoint.layerMemory))
        yield* TestClock.adjust("500 millis")
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 second")
        expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
        expect(world.log).toEqual(["+hotel", "-hotel"])
      }
    }))

  it.effect("Saga.scoped keeps the compensations armed until the surrounding scope fails", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(world.note("open"), () => world.note("close"))
        yield* Saga.scoped(reserve(world).build(), undefined)
        yield* Effect.acquireRelease(world.note("lock"), () => world.note("unlock"))
        return yield* new Refused({ step: "after" })
      })))
      expect(failureOf(exit)).toEqual(new Refused({ step: "after" }))
      expect(world.log).toEqual(["open", "+hotel", "+flight", "lock", "unlock", "-flight", "-hotel", "close"])
    }))

  it.effect("Saga.scoped undoes nothing when the surrounding scope succeeds", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      yield* Effect.scoped(Saga.scoped(reserve(world).build(), undefined))
      expect(world.standing()).toEqual(["hotel", "flight"])
    }))

  it.effect("Saga.scoped reports a compensation that fails as a defect beside the original failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Broken")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.refuse("undo hotel") })
        .build()
      const exit = yield* Effect.exit(
        Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), new Refused({ step: "after" })))
      )
      expect(failureOf(exit)).toEqual(new Refused({ step: "after" }))
      const [defect] = Array.from(Exit.isFailure(exit) ? Cause.defects(exit.cause) : [])
      expect(defect).toBeInstanceOf(SagaError.PartlyUndone)
    }))
})

describe("S2, where another saga fails in the same scope", () => {
  it.effect("its PartlyUndone is not taken for one's own", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const broken = Saga.make("Broken")
        .compensatable("car", { action: world.do("car"), compensate: world.refuse("undo car") })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const exit = yield* Effect.exit(Effect.scoped(
        Effect.andThen(Saga.scoped(reserve(world).build(), undefined), Saga.run(broken, undefined))
      ))
      expect(failureOf(exit)).toMatchObject({ _tag: "PartlyUndone", saga: "Broken" })
      expect(Exit.isFailure(exit) && Array.from(Cause.defects(exit.cause))).toEqual([])
      const report = yield* Saga.report(
        Saga.make("Outer")
          .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
          .readOnly("inner", { action: () => Saga.run(broken, undefined) })
          .build(),
        undefined
      )
      expect(report).toMatchObject({ _tag: "Undone", saga: "Outer" })
    }))
})
