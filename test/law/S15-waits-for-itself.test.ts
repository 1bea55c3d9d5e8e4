/** S15: a call for an execution by one of its own steps would wait for itself. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"

const waitsForItself = { _tag: "ExecutionConflict", reason: "WaitsForItself" }

describe("S15: an execution that asks for its own id", () => {
  const calls = (name: string, inner: () => Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>) =>
    Saga.make(name)
      .compensatable("call", {
        action: () => Effect.asVoid(inner()),
        compensate: () => Effect.void,
        error: "asRecoveredFailure"
      })
      .build(() => name)

  it.effect("itself, is refused at once, and undone", () =>
    Effect.gen(function*() {
      const saga: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "A",
        () => Saga.execute(saga, undefined, { executionId: "a" })
      )
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "a" }))
      expect(failureOf(exit)).toMatchObject({ ...waitsForItself, executionId: "a" })
      expect(yield* Saga.inspect(saga, "a")).toMatchObject({ status: "Undone" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("by awaiting its own result, or that of another which awaits it, is refused at once", () =>
    Effect.gen(function*() {
      const a: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls("A", () => Saga.await(a, "a"))
      const exit = yield* Effect.exit(Saga.execute(a, undefined, { executionId: "a" }))
      expect(failureOf(exit)).toMatchObject({ ...waitsForItself, executionId: "a" })
      const b: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "B",
        () => Saga.execute(c, undefined, { executionId: "c" })
      )
      const c: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls("C", () => Saga.await(b, "b"))
      const other = yield* Effect.exit(Saga.execute(b, undefined, { executionId: "b" }))
      expect(failureOf(other)).toMatchObject({ ...waitsForItself, executionId: "b" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("by way of another, too, also where a fiber of the step asks, or it resumes", () =>
    Effect.gen(function*() {
      const a: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "A",
        () => Saga.execute(b, undefined, { executionId: "b" })
      )
      const b: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "B",
        () => Effect.flatMap(Effect.forkDaemon(Saga.resume(a, "a")), (fiber) => Effect.flatten(fiber.await))
      )
      const exit = yield* Effect.exit(Saga.execute(a, undefined, { executionId: "a" }))
      expect(failureOf(exit)).toMatchObject({ ...waitsForItself, executionId: "a" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("as one of two that were begun apart and ask for each other", () =>
    Effect.gen(function*() {
      const begun = yield* Effect.makeLatch()
      let count = 0
      const both = Effect.suspend(() => ++count === 2 ? begun.open : Effect.void).pipe(Effect.zipRight(begun.await))
      const a: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "A",
        () => Effect.zipRight(both, Saga.execute(b, undefined, { executionId: "b" }))
      )
      const b: Saga.Saga<void, string, unknown, Checkpoint.Checkpoint> = calls(
        "B",
        () => Effect.zipRight(both, Saga.execute(a, undefined, { executionId: "a" }))
      )
      const exits = yield* Effect.all([
        Effect.exit(Saga.execute(a, undefined, { executionId: "a" })),
        Effect.exit(Saga.execute(b, undefined, { executionId: "b" }))
      ], { concurrency: 2 })
      expect(exits.map(failureOf)).toContainEqual(expect.objectContaining(waitsForItself))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("while one that another step drives is joined as ever", () =>
    Effect.gen(function*() {
      const shared = Saga.make("Shared").readOnly("look", {
        success: Schema.String,
        action: () => Effect.as(Effect.yieldNow(), "seen")
      }).build(({ outputs }) => outputs.look)
      const both = Saga.make("Both").parallel((branch) =>
        branch
          .readOnly("x", {
            success: Schema.String,
            action: () => Saga.execute(shared, undefined, { executionId: "s" }),
            error: "asRecoveredFailure"
          })
          .readOnly("y", {
            success: Schema.String,
            action: () => Saga.execute(shared, undefined, { executionId: "s" }),
            error: "asRecoveredFailure"
          })
      ).build()
      expect(yield* Saga.execute(both, undefined, { executionId: "b" })).toEqual({ x: "seen", y: "seen" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
