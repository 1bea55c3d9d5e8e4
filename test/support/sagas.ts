/** Steps and sagas that do something to a world, and ways to run them. */
import { Effect, Fiber, Schedule, Schema, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import type { World } from "./world.ts"

export const Text = Schema.String
export const everyMinute = Schedule.spaced("1 minute")

export const step = (world: World, name: string) => ({
  success: Text,
  action: world.do(name),
  compensate: world.undo(name)
})

/** A step that takes this long. */
export const slow = (world: World, name: string, duration: string) => ({
  ...step(world, name),
  action: (context: Parameters<ReturnType<World["do"]>>[0]) =>
    Effect.delay(world.do(name)(context), duration as "1 second")
})

/** A step that is refused after this long. */
export const refusing = (world: World, name: string, duration: string) => ({
  ...step(world, name),
  action: () => Effect.delay(world.refuse(name)(), duration as "1 second")
})

/** hotel, then flight, then what a test adds. */
export const reserve = (world: World) =>
  Saga.make("Reserve").compensatable("hotel", step(world, "hotel")).compensatable("flight", step(world, "flight"))

/** Runs an effect while a minute passes. */
export const forAMinute = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(effect))
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  })

/** In process, and durably with a store in memory. */
export const bothWays = <A, E, R>(saga: Saga.Saga<void, A, E, R, `${string}.final`>) => ({
  "in process": Saga.run(saga, undefined),
  durably: Effect.provide(
    Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }),
    Checkpoint.layerMemory
  )
})
