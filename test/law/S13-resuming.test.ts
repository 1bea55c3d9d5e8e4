/** S13: resuming is the same interpreter. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { failingStore } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

describe("S13: resuming is the same interpreter", () => {
  it.effect("recorded outcomes are taken from the journal, and what follows runs", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = Saga.make("Resume", { input: Schema.DateFromString })
        .readOnly("quote", { success: Schema.Number, action: () => Effect.as(world.note("quote"), 7) })
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build(({ input, outputs }) => [input.getTime(), outputs.quote, outputs.hotel, outputs.charge])
      yield* Effect.exit(
        Saga.execute(saga, new Date(5), { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(yield* Saga.resume(saga, "1")).toEqual([5, 7, "hotel-output", "charge-output"])
      // The outcome of the flight was not stored, so it was in doubt and ran again under its key.
      expect(world.log).toEqual(["quote", "+hotel", "+flight", "+flight", "+charge"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("compensations are armed again from the journal", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          error: Schema.Literal("declined"),
          action: () => Effect.fail("declined" as const),
          inDoubt: "retry"
        })
        .build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(world.log).toEqual(["+hotel", "+flight"])
      expect(yield* Effect.exit(Saga.resume(saga, "1"))).toEqual(Exit.fail("declined"))
      expect(world.log).toEqual(["+hotel", "+flight", "+flight", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an execution parked on a failed compensation retries only what remains", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let works = false
      const saga = Saga.make("Parked")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", {
          success: Text,
          action: world.do("flight"),
          compensate: (context) => works ? world.undo("flight")(context) : world.refuse("undo flight")()
        })
        .compensatable("car", { success: Text, action: world.do("car"), compensate: world.undo("car") })
        .readOnly("check", { error: Text, action: () => Effect.fail("no") })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "PartlyUndone", undone: ["car", "hotel"], parked: true })
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject({
        _tag: "PartlyUndone",
        cause: Cause.fail("no"),
        undone: ["car", "hotel"],
        failed: [{ step: "flight" }]
      })
      works = true
      world.log.length = 0
      expect(yield* Effect.exit(Saga.resume(saga, "1"))).toEqual(Exit.fail("no"))
      expect(world.log).toEqual(["-flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a compensation that was under way is called again with the output of its step, and with those before it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const seen: Array<unknown> = []
      const saga = Saga.make("Undoing")
        .compensatable("hotel", {
          success: Text,
          action: () => Effect.succeed("room 7"),
          compensate: () => Effect.void
        })
        .compensatable("flight", {
          success: Text,
          action: () => Effect.succeed("seat 1A"),
          compensate: ({ output, outputs }) => Effect.sync(() => void seen.push(output, outputs.hotel))
        })
        .readOnly("check", { error: Text, action: () => Effect.fail("no") })
        .build()
      // Both intents, and the decision to unwind with the intent of the first compensation.
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(seen.splice(0)).toEqual(["seat 1A", "room 7"])
      expect(yield* Effect.exit(Saga.resume(saga, "1"))).toEqual(Exit.fail("no"))
      expect(seen).toEqual(["seat 1A", "room 7"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
