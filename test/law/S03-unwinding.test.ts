/** S3: what fails before the point of no return unwinds, newest first. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve } from "../support/sagas.ts"
import { makeWorld, Refused } from "../support/world.ts"

describe("S3: what fails before the point of no return unwinds, newest first", () => {
  it.effect("after a failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", { action: world.refuse("check") }).build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight", "-hotel"])
    }))

  it.effect("after a defect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", { action: () => Effect.die("boom") }).build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.standing()).toEqual([])
    }))

  it.effect("after a step's function that throws instead of returning an effect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", {
        action: () => {
          throw new Error("thrown")
        }
      }).build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(world.standing()).toEqual([])
    }))

  it.effect("a step that failed is not undone itself, and ReadOnly steps are skipped", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Skip")
        .readOnly("look", { action: () => world.note("look") })
        .compensatable("hotel", { action: world.refuse("hotel"), compensate: world.undo("hotel") })
        .build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.log).toEqual(["look", "!hotel"])
    }))

  it.effect("a second interruption while unwinding does not abandon the compensations", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const undoing = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Stubborn")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", {
          action: world.do("flight"),
          compensate: (context) =>
            Deferred.succeed(undoing, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.andThen(world.undo("flight")(context))
            )
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(undoing)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight", "-hotel"])
    }))

  it.effect("each compensation has its own retries, apart from its action's", () =>
    Effect.gen(function*() {
      const attempts: Array<string> = []
      const saga = Saga.make("Retries")
        .compensatable("hotel", {
          action: ({ attempt }) => {
            attempts.push(`do ${attempt}`)
            return attempt < 3 ? Effect.fail(new Refused({ step: "hotel" })) : Effect.succeed(1)
          },
          compensate: ({ attempt }) => {
            attempts.push(`undo ${attempt}`)
            return attempt < 2 ? Effect.fail("not yet") : Effect.void
          },
          retry: { times: 2 },
          compensationRetry: { times: 1 }
        })
        .readOnly("check", { action: () => Effect.fail(new Refused({ step: "check" })) })
        .build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(failureOf(exit)).toEqual(new Refused({ step: "check" }))
      expect(attempts).toEqual(["do 1", "do 2", "do 3", "undo 1", "undo 2"])
    }))
})
