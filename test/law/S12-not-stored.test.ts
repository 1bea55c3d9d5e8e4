/** S12: what happened and cannot be stored is never called failed. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { failingStore } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

describe("S12: an outcome that happened but cannot be stored is never reported as failed", () => {
  it.effect("a charge whose outcome is not stored leaves the execution in doubt, and nothing is undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.charge)
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(world.standing()).toEqual(["hotel", "flight", "charge"])
      expect(yield* Saga.resume(saga, "1")).toBe("charge-output")
      expect(world.standing()).toEqual(["hotel", "flight", "charge"])
      expect(world.keys.slice(-2)).toEqual(["1/charge/action", "1/charge/action"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor is an output that its schema cannot encode", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .compensatable("car", {
          success: Schema.NonEmptyString,
          action: (context) => Effect.as(world.do("car")(context), ""),
          compensate: world.undo("car")
        })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "NotStorable" })
      expect((error as Error).message).toContain(`the output of step "car" cannot be stored`)
      expect(world.standing()).toEqual(["hotel", "flight", "car"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S12, where storing does not fail but dies", () => {
  class Odd extends Schema.TaggedError<Odd>()("Odd", {}) {}
  const throwing = <A>(schema: Schema.Schema<A>): Schema.Schema<A> =>
    Schema.transformOrFail(schema, schema, {
      decode: (value) => Effect.succeed(value) as never,
      encode: () => {
        throw new RangeError("encode")
      }
    })

  it.effect("an output whose encoding throws leaves the execution in doubt, and nothing is undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { success: throwing(Text), action: world.do("charge"), inDoubt: "retry" })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "NotStorable" })
      expect(world.standing()).toEqual(["hotel", "flight", "charge"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor does an output that contains itself", () =>
    Effect.gen(function*() {
      const cycle: Record<string, unknown> = {}
      cycle["self"] = cycle
      const saga = Saga.make("Cycle")
        .compensatable("a", {
          success: Schema.Unknown,
          action: () => Effect.succeed(cycle),
          compensate: () => Effect.void
        })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "NotStorable" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an error whose encoding throws does not keep the saga from unwinding", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .readOnly("check", { error: throwing(Schema.typeSchema(Odd)), action: () => Effect.fail(new Odd()) })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toEqual(new Odd())
      expect(world.standing()).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor does one that JSON cannot hold: it is stored by its tag and message", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .readOnly("check", { error: Schema.BigIntFromSelf, action: () => Effect.fail(7n) })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toBe(7n)
      expect(world.standing()).toEqual([])
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject({
        _tag: "RecoveredFailure",
        tag: "bigint",
        detail: "7"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a store that dies is a store that failed", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      for (const moment of ["before", "after"] as const) {
        const world = makeWorld()
        const executionId = moment
        let appends = 0
        const dying: Checkpoint.Service = {
          ...store,
          append: (commit) =>
            appends++ !== 2
              ? store.append(commit)
              : moment === "before"
              ? Effect.die("gone")
              : Effect.andThen(store.append(commit), Effect.die("gone"))
        }
        const saga = reserve(world)
          .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
          .build(({ outputs }) => outputs.charge)
        const exit = yield* Effect.exit(
          Saga.execute(saga, undefined, { executionId }).pipe(Effect.provideService(Checkpoint.Checkpoint, dying))
        )
        expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "Unavailable" })
        expect(world.log).toEqual(["+hotel", "+flight"])
        expect(yield* Saga.resume(saga, executionId)).toBe("charge-output")
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
