/** S17: interrupting a durable run unwinds it, or leaves it for recovery. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { everyMinute, reserve, Text } from "../support/sagas.ts"
import { recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

describe("S17: interrupting a durable run", () => {
  const waiting = (world: World, inside: Deferred.Deferred<void>, goOn: Effect.Effect<unknown>) =>
    reserve(world)
      .readOnly("look", {
        success: Text,
        action: () => Effect.as(Effect.andThen(Deferred.succeed(inside, undefined), goOn), "seen")
      })
      .build(({ outputs }) => outputs.look)

  it.effect("unwinds it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Effect.never)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
      // Whoever asks later has not been interrupted: to them it is an error like any other.
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toMatchObject({
        _tag: "RecoveredFailure",
        tag: "Interrupted"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("onInterrupt: suspend leaves it for recovery, with what it knows", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Deferred.await(goOn))
      const fiber = yield* Effect.fork(
        Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" })
      )
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log).toEqual(["+hotel", "+flight"])
      yield* Deferred.succeed(goOn, undefined)
      const [recovered] = yield* recoverAll([saga])
      expect(recovered).toMatchObject({ _tag: "Succeeded", output: "seen" })
      expect(world.log).toEqual(["+hotel", "+flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("after the point of no return it is left for recovery in any case", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      let works = false
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          success: Text,
          action: (context) =>
            works
              ? world.do("email")(context)
              : Effect.andThen(Deferred.succeed(inside, undefined), world.refuse("email")()),
          retry: { schedule: everyMinute },
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.email)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      works = true
      yield* recoverAll([saga])
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "!email", "+email"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an action that it puts in doubt is settled by its policy in the next process, and waits for nobody", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      let calls = 0
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          action: (context) =>
            ++calls === 1
              ? Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never)
              : world.do("charge")(context),
          interruptible: true,
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.charge)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log).toEqual(["+hotel", "+flight"])
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Succeeded", output: "charge-output" }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
