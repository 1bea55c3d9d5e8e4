import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Schedule,
  Schema,
  Scope,
  Stream,
  TestClock
} from "effect"
import { Checkpoint, Recovery, Saga, SagaError } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { failingStore, recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Text = Schema.String

/** As `node --expose-gc` would give it. */
const collectGarbage: () => void = (setFlagsFromString("--expose-gc"), runInNewContext("gc"))

/** Starts an execution and loses its store after the second commit. */
const abandon = <A, E, R>(saga: Saga.Saga<void, A, E, R, `${string}.final`>, executionId: string) =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.exit(
      Saga.execute(saga, undefined, { executionId }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
      )
    ))

const make = (name: string, version = 1) => {
  const world = makeWorld()
  const reserve = (step: string) => ({ success: Text, action: world.do(step), compensate: world.undo(step) })
  const begin = Saga.make(name, { version }).compensatable("hotel", reserve("hotel")).compensatable(
    "flight",
    reserve("flight")
  )
  return { world, begin, saga: begin.compensatable("car", reserve("car")).build(({ outputs }) => outputs.car) }
}

describe("Recovery.run", () => {
  it.effect("finishes what several sagas left, and tells what became of each", () =>
    Effect.gen(function*() {
      const trip = make("Trip")
      const order = make("Order")
      const refund = order.begin.readOnly("check", { action: () => Effect.fail("no"), error: "asRecoveredFailure" })
        .build()
      yield* abandon(trip.saga, "t1")
      yield* abandon(refund, "o1")
      yield* abandon(trip.saga, "t2")
      const recovered = yield* recoverAll([trip.saga, refund])
      expect([...recovered].sort((a, b) => a.executionId < b.executionId ? -1 : 1)).toMatchObject([
        { executionId: "o1", saga: "Order", version: 1, _tag: "Undone", cause: Cause.fail("no") },
        { executionId: "t1", saga: "Trip", _tag: "Succeeded", output: "car-output" },
        { executionId: "t2", saga: "Trip", _tag: "Succeeded", output: "car-output" }
      ])
      expect(trip.world.standing()).toEqual(["hotel", "flight", "hotel", "flight", "car", "car"])
      expect(order.world.standing()).toEqual([])
      expect(yield* recoverAll([trip.saga, refund])).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("finishes the executions of two versions with the version that started them", () =>
    Effect.gen(function*() {
      const old = make("Trip", 1)
      const current = make("Trip", 2)
      yield* abandon(old.saga, "old")
      yield* abandon(current.saga, "current")
      const recovered = yield* recoverAll([current.saga, old.saga])
      expect(recovered.map(({ _tag }) => _tag)).toEqual(["Succeeded", "Succeeded"])
      expect(old.world.standing()).toContain("car")
      expect(current.world.standing()).toContain("car")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("leaves parked executions alone, unless it is asked to try them again", () =>
    Effect.gen(function*() {
      const { begin, world } = make("Trip")
      let works = false
      const saga = begin
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          action: () => works ? Effect.void : Effect.fail("mail is down"),
          retry: { times: 1 },
          inDoubt: "retry",
          error: "asRecoveredFailure"
        })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(yield* recoverAll([saga])).toEqual([])
      expect(yield* recoverAll([saga], { parked: true })).toMatchObject([{ _tag: "Parked" }])
      works = true
      expect(yield* recoverAll([saga], { parked: true })).toMatchObject([{ _tag: "Succeeded" }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("leaves what this process drives already to it", () =>
    Effect.gen(function*() {
      const { begin } = make("Trip")
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = begin.readOnly("look", {
        action: () => Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(goOn))
      }).build(() => "done")
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      expect(yield* recoverAll([saga])).toEqual([])
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Fiber.join(fiber)).toBe("done")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("interrupted, leaves the executions for the next time", () =>
    Effect.gen(function*() {
      const { begin, world } = make("Trip")
      const inside = yield* Deferred.make<void>()
      let look: Effect.Effect<void> = Effect.void
      const saga = begin.readOnly("look", { action: () => look }).build(() => "done")
      yield* abandon(saga, "1")
      look = Effect.andThen(Deferred.succeed(inside, undefined), Effect.never)
      const fiber = yield* Effect.fork(recoverAll([saga]))
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log.filter((line) => line.startsWith("-"))).toEqual([])
      look = Effect.void
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Succeeded" }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("Recovery.events", () => {
  it.effect("says of each execution that it has begun with it, and then what became of it", () =>
    Effect.gen(function*() {
      const trip = make("Trip")
      const refund = make("Order").begin.readOnly("check", {
        action: () => Effect.fail("no"),
        error: "asRecoveredFailure"
      }).build()
      yield* abandon(trip.saga, "t")
      yield* abandon(refund, "o")
      const events = yield* Stream.runCollect(Recovery.events([trip.saga, refund], { concurrency: 1 }))
      expect(Chunk.toReadonlyArray(events)).toMatchObject([
        { _tag: "Begun", executionId: "t", saga: "Trip", version: 1, status: "Running" },
        { _tag: "Succeeded", executionId: "t", output: "car-output" },
        { _tag: "Begun", executionId: "o", saga: "Order", status: "Running" },
        { _tag: "Undone", executionId: "o" }
      ])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect(
    "drives as many executions at a time as it is allowed to, of however many there are",
    () =>
      Effect.gen(function*() {
        let recovering = false
        let running = 0
        let most = 0
        const full = yield* Deferred.make<void>()
        const saga = make("Trip").begin
          .readOnly("look", {
            action: () =>
              Effect.gen(function*() {
                if (!recovering) return
                most = Math.max(most, ++running)
                if (running === 7) yield* Deferred.succeed(full, undefined)
                yield* Deferred.await(full)
                yield* Effect.repeatN(Effect.yieldNow(), 20)
                running--
              })
          })
          .build()
        const ids = Array.from({ length: 1100 }, (_, index) => `e${index}`)
        yield* Effect.forEach(ids, (id) => abandon(saga, id), { discard: true })
        recovering = true
        const counts = yield* Recovery.run([saga], { concurrency: 7 })
        expect(counts).toEqual({
          succeeded: 1100,
          undone: 0,
          parked: 0,
          leftAsItWas: 0,
          elsewhere: 0,
          unregistered: 0
        })
        expect(most).toBe(7)
        // The clock of the test stands still and the database's does not: no renewal comes, so the lease has to outlast the test.
      }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: ":memory:", lease: "1 hour" }))),
    180_000
  )

  it.effect("tries what is parked once, and what it parks itself not again", () =>
    Effect.gen(function*() {
      const { begin } = make("Trip")
      const saga = begin
        .final("charge", {
          action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "?" })),
          inDoubt: "retry"
        })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "parked" }))
      yield* abandon(saga, "running")
      expect((yield* recoverAll([saga], { parked: true })).map(({ _tag }) => _tag)).toEqual(["Parked", "Parked"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("Recovery.parked", () => {
  it.effect("lists what is parked, and why, and sets nothing going", () =>
    Effect.gen(function*() {
      const trip = make("Trip")
      const unknown = trip.begin.final("charge", {
        action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
        inDoubt: "park"
      }).build()
      const order = make("Order")
      const stuck = order.begin
        .compensatable("guide", {
          success: Text,
          action: order.world.do("guide"),
          compensate: () => Effect.fail("gone")
        })
        .readOnly("check", { action: () => Effect.fail("no"), error: "asRecoveredFailure" })
        .build()
      const other = make("Other").begin
        .final("charge", { action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "?" })), inDoubt: "park" })
        .build()
      yield* Effect.exit(Saga.execute(unknown, undefined, { executionId: "t" }))
      yield* Effect.exit(Saga.execute(stuck, undefined, { executionId: "o" }))
      yield* Effect.exit(Saga.execute(other, undefined, { executionId: "x" }))
      yield* abandon(trip.saga, "running")
      const log = [...trip.world.log]
      expect(yield* Effect.map(Stream.runCollect(Recovery.parked([unknown, stuck])), Chunk.toReadonlyArray))
        .toMatchObject([
          {
            executionId: "t",
            saga: "Trip",
            version: 1,
            error: { _tag: "OutcomeUnknown", idempotencyKey: "t/charge/action" }
          },
          { executionId: "o", saga: "Order", error: { _tag: "PartlyUndone", failed: [{ step: "guide" }] } },
          { executionId: "x", saga: "Other", error: undefined }
        ])
      expect(trip.world.log).toEqual(log)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("Recovery.layer", () => {
  it.scoped("recovers in the background when it is made, and logs what became of each execution", () =>
    Effect.gen(function*() {
      const { begin, world } = make("Trip")
      const reached = yield* Deferred.make<void>()
      const logged = yield* Deferred.make<void>()
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
        if (lines.length === 1) Deferred.unsafeDone(logged, Effect.void)
      })
      const saga = begin.readOnly("look", { action: () => Effect.asVoid(Deferred.succeed(reached, undefined)) }).build()
      yield* abandon(saga, "1")
      yield* Layer.build(Recovery.layer([saga])).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      yield* Deferred.await(reached)
      yield* Deferred.await(logged)
      expect(lines).toEqual(["recovered 1 execution: 1 succeeded"])
      expect(world.standing()).toEqual(["hotel", "flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("closed in the middle, leaves what is not finished", () =>
    Effect.gen(function*() {
      const { begin, world } = make("Trip")
      const inside = yield* Deferred.make<void>()
      let look: Effect.Effect<void> = Effect.void
      const saga = begin.readOnly("look", { action: () => look }).build()
      yield* abandon(saga, "1")
      look = Effect.andThen(Deferred.succeed(inside, undefined), Effect.never)
      const scope = yield* Scope.make()
      const context = yield* Effect.context<Checkpoint.Checkpoint>()
      yield* Layer.buildWithScope(Recovery.layer([saga]), scope).pipe(Effect.provide(context))
      yield* Deferred.await(inside)
      yield* Scope.close(scope, Exit.void)
      expect(world.standing()).toEqual(["hotel", "flight"])
      expect(Context.get(context, Checkpoint.Checkpoint).findDriven("1")).toBe(undefined)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("looks again at every interval for what processes that have died have left, and repeats no warning", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* abandon(make("Unheard").saga, "stranger")
      yield* Layer.build(Recovery.layer([saga], { interval: "10 seconds" })).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      yield* TestClock.adjust("1 second")
      expect(lines).toEqual([
        "could not recover Unheard stranger: its saga is not registered",
        "recovered 1 execution: 1 of sagas that are not registered"
      ])
      yield* abandon(saga, "1")
      yield* TestClock.adjust("10 seconds")
      expect(world.standing()).toEqual(["hotel", "flight", "car"])
      expect(lines.filter((line) => line.startsWith("could not")).length).toBe(1)
      expect(lines[lines.length - 1]).toBe("recovered 2 executions: 1 succeeded, 1 of sagas that are not registered")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("finds the others although one is tried again without end", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      let broken = true
      const saga = Saga.make("Trip", { input: Text })
        .compensatable("hotel", { action: () => Effect.void, compensate: () => Effect.void })
        .final("email", {
          action: ({ input }) =>
            broken || input === "endless" ? Effect.fail("mail is down" as const) : Effect.sync(() => done.push(input)),
          success: Schema.Number,
          inDoubt: "retry",
          retry: { schedule: Schedule.spaced("1 second") },
          error: "asRecoveredFailure"
        })
        .build(() => undefined)
      for (const executionId of ["endless", "other"]) {
        const fiber = yield* Effect.fork(Saga.execute(saga, executionId, { executionId, onInterrupt: "suspend" }))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.interrupt(fiber)
      }
      broken = false
      yield* Layer.build(Recovery.layer([saga], { concurrency: 1, interval: "10 seconds" }))
      yield* TestClock.adjust("9 seconds")
      expect(done).toEqual([])
      yield* TestClock.adjust("2 seconds")
      expect(done).toEqual(["other"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("keeps nothing of a look once it is over, however often it looks", () =>
    Effect.gen(function*() {
      const service = yield* Checkpoint.Checkpoint
      // The fiber of each look and whatever it was given: a schedule would hand it the fiber of the look before.
      const given: Array<WeakRef<object>> = []
      let looks = 0
      const seen: Checkpoint.Service = {
        ...service,
        token: Effect.withFiberRuntime((fiber) =>
          Effect.flatMap(Effect.context<never>(), ({ unsafeMap }) => {
            looks++
            for (const object of [fiber, ...unsafeMap.values()]) given.push(new WeakRef(object))
            return service.token
          })
        )
      }
      yield* Layer.build(Recovery.layer([make("Trip").saga], { interval: "1 minute" })).pipe(
        Effect.provideService(Checkpoint.Checkpoint, seen)
      )
      for (let look = 1; look <= 200; look++) yield* TestClock.adjust("1 minute")
      expect(looks).toBe(201)
      // A turn of the event loop first: until then weak references count as strong.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      collectGarbage()
      const kept = new Set(given.flatMap((reference) => reference.deref() ?? []))
      // The services that all looks share, and perhaps what the last look had.
      expect(kept.size).toBeLessThan(50)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
