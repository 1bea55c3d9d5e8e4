/** Options of runs and of stores that only code without types can give: each is refused before anything is done. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Layer } from "effect"
import { Checkpoint, Executions, Plan, Recovery, Saga, SagaError, ToolExecutor } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { failureOf } from "./support/exit.ts"
import { reserve, Text } from "./support/sagas.ts"
import { makeWorld } from "./support/world.ts"

describe("an executionId that is no text", () => {
  const ids: ReadonlyArray<readonly [unknown, string]> = [
    [undefined, "(no text: undefined)"],
    [null, "(no text: null)"],
    [17, "(no text: 17)"],
    [{}, "(no text: an object)"]
  ]
  it.effect("starts nothing: InvalidExecutionId", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).build()
      for (const [executionId, shown] of ids) {
        const options = { executionId } as never
        const runs: ReadonlyArray<Effect.Effect<unknown, SagaError.DurableError, Checkpoint.Checkpoint>> = [
          Saga.execute(saga, undefined, options),
          Saga.start(saga, undefined, options),
          Saga.enqueue(saga, undefined, options)
        ]
        for (const run of runs) {
          const error = failureOf(yield* Effect.exit(run))
          expect(error).toMatchObject({ _tag: "InvalidExecutionId", executionId: shown })
          expect(error?.message).toContain(
            `"${shown}" cannot be an executionId of Reserve: it must be well-formed text`
          )
        }
      }
      for (const call of [Saga.execute, Saga.start, Saga.enqueue]) {
        const run: (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, any, any> = call as never
        expect(yield* Effect.flip(run(saga, undefined))).toMatchObject({ _tag: "InvalidExecutionId" })
      }
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is that of no stored execution: ExecutionNotFound", () =>
    Effect.gen(function*() {
      const saga = reserve(makeWorld()).build()
      for (const [id, executionId] of ids as ReadonlyArray<readonly [never, string]>) {
        const asked: ReadonlyArray<Effect.Effect<unknown, unknown, Checkpoint.Checkpoint | ToolExecutor.ToolExecutor>> =
          [
            Saga.resume(saga, id),
            Saga.await(saga, id),
            Saga.poll(saga, id),
            Saga.inspect(saga, id),
            Saga.cancel(id, { by: "clerk" }),
            Executions.history(id),
            Executions.inspect(id),
            Plan.resume(id)
          ]
        for (const ask of asked) {
          expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "ExecutionNotFound", executionId })
        }
      }
    }).pipe(Effect.provide(Layer.merge(Checkpoint.layerMemory, ToolExecutor.layer({})))))
})

describe("an onInterrupt that nobody knows", () => {
  it.effect("is a defect before anything is done", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world).build()
      for (const [onInterrupt, shown] of [["foo", "\"foo\""], [null, "null"], [true, "true"]] as const) {
        const options = { executionId: "1", onInterrupt } as never
        const runs: ReadonlyArray<Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>> = [
          Saga.execute(saga, undefined, options),
          Saga.resume(saga, "1", options)
        ]
        for (const run of runs) {
          const cause = yield* Effect.flip(Effect.sandbox(run))
          expect(Cause.isDie(cause)).toBe(true)
          expect(Cause.pretty(cause)).toContain(
            `the onInterrupt of this call cannot be followed: ${shown} is none of "cancel", "suspend"`
          )
        }
      }
      expect(world.log).toEqual([])
      expect(yield* store.load("1")).toEqual([])
      expect(store.findDriven("1")).toBe(undefined)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("a finding that says neither yes nor no", () => {
  it.effect("is a defect before anything is done", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const unknown = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          action: (context) => Effect.zipRight(world.do("charge")(context), unknown),
          inDoubt: "park"
        })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      const [log, commits] = [[...world.log], yield* store.load("1")]
      const output = "receipt"
      for (
        const [happened, shown] of [["yes", "\"yes\""], [1, "1"], [null, "null"], [undefined, "undefined"]] as const
      ) {
        const found = { step: "charge", happened, output } as never
        const cause = yield* Effect.flip(Effect.sandbox(Saga.resume(saga, "1", { found })))
        expect(Cause.isDie(cause)).toBe(true)
        expect(Cause.pretty(cause)).toContain(
          `the happened of this finding cannot be followed: ${shown} is none of true, false`
        )
      }
      // One of a step that is no text is of no step.
      const nowhere = { step: 17, happened: true, output } as never
      expect(yield* Effect.flip(Saga.resume(saga, "1", { found: nowhere }))).toMatchObject({
        _tag: "StepNotInDoubt",
        step: "(no text: 17)"
      })
      expect(world.log).toEqual(log)
      expect(yield* store.load("1")).toEqual(commits)
      expect(yield* Saga.resume(saga, "1", { found: { step: "charge", happened: true, output } })).toMatchObject({
        charge: output
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("an option of a layer that nobody knows", () => {
  const refused = <A, E>(layer: Layer.Layer<A, E>) => Effect.flip(Effect.scoped(Layer.build(layer)))

  it.effect("durability", () =>
    Effect.gen(function*() {
      for (const durability of ["foo", true]) {
        const layer = SqliteCheckpoint.layer({ filename: ":memory:", durability: durability as never })
        expect(yield* refused(layer)).toMatchObject({
          _tag: "CheckpointError",
          reason: "InvalidOption",
          detail: `durability is ${JSON.stringify(durability)}, and must be "power-loss" or "process"`
        })
      }
      for (const durability of ["power-loss", "process"] as const) {
        yield* Effect.scoped(Layer.build(SqliteCheckpoint.layer({ filename: ":memory:", durability })))
      }
    }))

  it.effect("filename", () =>
    Effect.gen(function*() {
      expect(yield* refused(SqliteCheckpoint.layer({} as never))).toMatchObject({
        _tag: "CheckpointError",
        reason: "InvalidOption",
        detail: `filename is undefined: name the file of the database, or ":memory:"`
      })
    }))

  it.effect("parked, of a recovery", () =>
    Effect.gen(function*() {
      const saga = reserve(makeWorld()).build()
      expect(yield* Effect.flip(Recovery.run([saga], { parked: "yes" as never }))).toMatchObject({
        _tag: "CheckpointError",
        reason: "InvalidOption",
        detail: `parked is "yes", and must be true or false`
      })
      expect(yield* Recovery.run([saga], { parked: true })).toMatchObject({ succeeded: 0 })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
