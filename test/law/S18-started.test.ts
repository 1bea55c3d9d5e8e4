/** S18: a start that is acknowledged is stored. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { makeLog } from "../support/observed.ts"
import { reserve, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {}

describe("S18: a start that is acknowledged", () => {
  it.effect("is stored before the first step, and the execution goes on in this process", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Started").readOnly("look", {
        success: Text,
        action: () => Effect.as(Deferred.await(goOn), "seen")
      }).compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(({ outputs }) => outputs.look)
      yield* Saga.start(saga, undefined, { executionId: "1" })
      expect((yield* eventsOf(store, "1")).map(({ _tag }) => _tag)).toEqual(["Started"])
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Saga.await(saga, "1")).toBe("seen")
      expect(world.log).toEqual(["+hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("gives its result to those who wait for it here as it is, without reading the journal back", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const goOn = yield* Deferred.make<void>()
      const declined = new Declined({ card: "empty" })
      const saga = Saga.make("Started").readOnly("look", {
        success: Text,
        error: Declined,
        action: () => Effect.zipRight(Deferred.await(goOn), declined)
      }).build()
      let loads = 0
      const counting: Checkpoint.Service = { ...store, load: (id) => Effect.suspend(() => (loads++, store.load(id))) }
      yield* Effect.gen(function*() {
        yield* Saga.start(saga, undefined, { executionId: "1" })
        const before = loads
        const waiter = yield* Effect.fork(Effect.exit(Saga.await(saga, "1")))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(goOn, undefined)
        expect(failureOf(yield* Fiber.join(waiter))).toBe(declined)
        expect(loads).toBe(before)
      }).pipe(Effect.provideService(Checkpoint.Checkpoint, counting))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("that could not be stored is none: the caller is told, and nothing has happened", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const full = new SagaError.CheckpointError({ reason: "Full", operation: "append", detail: "the disk is full" })
      const exit = yield* Effect.exit(
        Saga.start(reserve(world).build(), undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, { ...store, append: () => Effect.fail(full) })
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "Full" })
      expect(world.log).toEqual([])
      expect(yield* store.load("1")).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("twice is the same execution, once; with another input it is refused, and so is another saga", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Twice", { input: Schema.String }).compensatable("hotel", {
        success: Text,
        action: world.do("hotel"),
        compensate: world.undo("hotel")
      }).build(({ outputs }) => outputs.hotel)
      const { layer, lines } = makeLog()
      const start = (input: string) => Effect.provide(Saga.start(saga, input, { executionId: "1" }), layer)
      yield* Effect.all([start("a"), start("a")], { concurrency: 2 })
      expect(yield* Saga.await(saga, "1")).toBe("hotel-output")
      yield* start("a")
      expect(world.log).toEqual(["+hotel"])
      expect(failureOf(yield* Effect.exit(start("b")))).toMatchObject({ reason: "OtherInput" })
      const other = Effect.provide(Saga.start(reserve(world).build(), undefined, { executionId: "1" }), layer)
      expect(failureOf(yield* Effect.exit(other))).toMatchObject({ _tag: "ExecutionConflict" })
      // Nothing is left by a start that was refused, and nobody is warned that it is.
      expect(lines).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is finished by the next process where its own can do no more, which says so in its log", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = reserve(world).build(({ outputs }) => outputs.flight)
      const { layer, lines } = makeLog()
      yield* Effect.scoped(Effect.gen(function*() {
        const service = failingStore(yield* Checkpoint.make(store), { failAt: 1 })
        yield* Effect.provideService(Saga.start(saga, undefined, { executionId: "1" }), Checkpoint.Checkpoint, service)
      })).pipe(Effect.provide(layer))
      expect(JSON.stringify(lines)).toContain("Reserve 1 is left for recovery: ")
      expect(world.log).toEqual([])
      expect(yield* process(store, recoverAll([saga]))).toMatchObject([{ _tag: "Succeeded", output: "flight-output" }])
    }))

  it.effect("of a saga that fails is undone, and the result says why", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", {
        success: Text,
        action: world.refuse("check"),
        error: "asRecoveredFailure"
      }).build()
      yield* Saga.start(saga, undefined, { executionId: "1" })
      yield* Effect.exit(Saga.await(saga, "1"))
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
