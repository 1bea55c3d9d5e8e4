import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Schedule, Schema, Stream, TestClock } from "effect"
import { Checkpoint, Recovery, Saga, SagaError } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { abandon, recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Text = Schema.String

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
          waiting: 0,
          leftAsItWas: 0,
          elsewhere: 0,
          unregistered: 0,
          goesOn: 0
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

describe("Recovery until an execution is committed", () => {
  /** An execution that was left while a Final, a compensation or a ReadOnly step is tried again and again. */
  const endless = (where: "email" | "undo" | "look") => {
    const world = makeWorld()
    const isDown = { value: true }
    const retry = { schedule: Schedule.spaced("1 minute") }
    const refusedAt = (step: string) => Effect.suspend(() => isDown.value ? world.refuse(step)() : Effect.void)
    const begun = Saga.make("Trip").compensatable("hotel", {
      success: Text,
      action: world.do("hotel"),
      compensate: (context) =>
        where === "undo"
          ? Effect.zipRight(refusedAt("undo"), world.undo("hotel")(context))
          : world.undo("hotel")(context),
      compensationRetry: retry
    }).readOnly("look", {
      success: Text,
      error: "asRecoveredFailure",
      retry,
      action: () => where === "look" ? Effect.as(refusedAt("look"), "seen") : Effect.succeed("seen")
    })
    const saga = where === "undo"
      ? begun.readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" }).build(() => "")
      : begun.final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          success: Text,
          error: "asRecoveredFailure",
          retry,
          inDoubt: "retry",
          action: (context) =>
            Effect.zipRight(where === "email" ? refusedAt("email") : Effect.void, world.do("email")(context))
        }).build(({ outputs }) => outputs.email)
    return { saga: saga as Saga.Saga<void, string, never, never>, isDown, world }
  }

  for (const where of ["email", "undo"] as const) {
    it.effect(`does not wait for a retry without end of ${where === "email" ? "a Final" : "a compensation"}: it goes on by itself`, () =>
      Effect.gen(function*() {
        const { isDown, saga } = endless(where)
        const call = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.interrupt(call)
        expect(yield* Recovery.run([saga], { until: "committed" })).toMatchObject({
          goesOn: 1,
          succeeded: 0,
          undone: 0
        })
        isDown.value = false
        yield* TestClock.adjust("1 minute")
        const exit = yield* Effect.exit(Saga.await(saga, "1"))
        expect(Exit.isSuccess(exit)).toBe(where === "email")
        expect(yield* Saga.inspect(saga, "1")).toMatchObject({ status: where === "email" ? "Succeeded" : "Undone" })
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }

  it.effect("waits before the point of no return, and, interrupted, leaves the execution for the next", () =>
    Effect.gen(function*() {
      const { isDown, saga, world } = endless("look")
      const call = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(call)
      const recovery = yield* Effect.fork(Recovery.run([saga], { until: "committed" }))
      yield* TestClock.adjust("10 minutes")
      expect(recovery.unsafePoll()).toBe(null)
      yield* Fiber.interrupt(recovery)
      isDown.value = false
      yield* TestClock.adjust("10 minutes")
      expect(world.log.filter((line) => line !== "!look")).toEqual(["+hotel"])
      expect(yield* Recovery.run([saga], { until: "committed" })).toMatchObject({ goesOn: 0, succeeded: 1 })
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
