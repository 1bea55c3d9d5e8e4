/** S15: the same `executionId` twice is one execution, or a conflict. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, recoverAll } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

describe("S15: the same executionId twice", () => {
  const counting = (runs: { count: number }) =>
    Saga.make("Once", { input: Schema.Struct({ n: Schema.Number }) })
      .compensatable("hotel", {
        success: Schema.Number,
        action: ({ input }) => Effect.sync(() => (runs.count++, input.n * 2)).pipe(Effect.delay("1 second")),
        compensate: () => Effect.void
      })
      .build(({ outputs }) => outputs.hotel)

  it.effect("joins the execution while it runs", () =>
    Effect.gen(function*() {
      const runs = { count: 0 }
      const saga = counting(runs)
      const both = yield* Effect.fork(Effect.all([
        Saga.execute(saga, { n: 1 }, { executionId: "1" }),
        Saga.execute(saga, { n: 1 }, { executionId: "1" }),
        Effect.exit(Saga.execute(saga, { n: 2 }, { executionId: "1" }))
      ], { concurrency: "unbounded" }))
      yield* TestClock.adjust("2 seconds")
      const [first, second, other] = yield* Fiber.join(both)
      expect([first, second, runs.count]).toEqual([2, 2, 1])
      expect(failureOf(other)).toMatchObject({ _tag: "ExecutionConflict", reason: "OtherInput" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("joins what recovery drives, and still refuses another input, or another definition", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const saga = counting({ count: 0 })
      const failing = yield* Effect.fork(Effect.exit(
        Saga.execute(saga, { n: 1 }, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      ))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(failing)
      const recovery = yield* Effect.fork(recoverAll([saga]))
      yield* Effect.yieldNow()
      const second = Saga.make("Once", { input: Schema.Struct({ n: Schema.Number }), version: 2 })
        .compensatable("hotel", {
          success: Schema.Number,
          action: () => Effect.succeed(0),
          compensate: () => Effect.void
        })
        .build(({ outputs }) => outputs.hotel)
      const joined = yield* Effect.fork(Effect.all([
        Effect.exit(Saga.execute(saga, { n: 1 }, { executionId: "1" })),
        Effect.exit(Saga.execute(saga, { n: 1000 }, { executionId: "1" })),
        Effect.exit(Saga.execute(second, { n: 1 }, { executionId: "1" }))
      ], { concurrency: "unbounded" }))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(recovery)
      const [same, otherInput, otherVersion] = yield* Fiber.join(joined)
      expect(same).toEqual(Exit.succeed(2))
      expect(failureOf(otherInput)).toMatchObject({ _tag: "ExecutionConflict", reason: "OtherInput" })
      expect(failureOf(otherVersion)).toMatchObject({ _tag: "DefinitionChanged" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("whoever joined a call that is interrupted asks the journal what came of it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Charge").final("charge", {
        success: Text,
        action: (context) => Effect.delay(world.do("charge")(context), "1 second"),
        inDoubt: "retry"
      }).build(({ outputs }) => outputs.charge)
      const driver = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* TestClock.adjust("500 millis")
      const joiner = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Effect.yieldNow()
      const interruption = yield* Effect.fork(Fiber.interrupt(driver))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      expect(yield* Fiber.join(joiner)).toBe("charge-output")
      expect(world.log).toEqual(["+charge"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("whoever joined a call that is interrupted, and leaves the execution for recovery, goes on with it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Charge")
        .readOnly("look", { action: () => Effect.sleep("1 second") })
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.charge)
      const driver = yield* Effect.fork(
        Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" })
      )
      yield* TestClock.adjust("500 millis")
      const joiner = yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(driver)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(joiner)).toEqual(Exit.succeed("charge-output"))
      expect(world.log).toEqual(["+charge"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("and so does whoever joined one that is interrupted before it has loaded the journal", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).build(({ outputs }) => outputs.hotel)
      const store = yield* Checkpoint.makeMemory
      let loads = 0
      const service = yield* Checkpoint.make({
        ...store,
        load: (executionId) => ++loads === 1 ? Effect.never : store.load(executionId)
      })
      const execute = Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, service)
      )
      const driver = yield* Effect.fork(execute)
      yield* TestClock.adjust("1 second")
      expect(loads).toBe(1)
      const joiner = yield* Effect.fork(Effect.exit(execute))
      yield* TestClock.adjust("1 second")
      expect(loads).toBe(1)
      yield* Fiber.interrupt(driver)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(joiner)).toEqual(Exit.succeed("hotel-output"))
      expect(world.log).toEqual(["+hotel", "+flight"])
    }).pipe(Effect.scoped))

  it.effect("the order of an input's members makes it no other input", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Record", { input: Schema.Record({ key: Schema.String, value: Schema.Number }) })
        .readOnly("look", { success: Schema.Number, action: () => Effect.succeed(1) })
        .build()
      yield* Saga.execute(saga, { a: 1, b: 2 }, { executionId: "1" })
      expect(yield* Saga.execute(saga, { b: 2, a: 1 }, { executionId: "1" })).toEqual({ look: 1 })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("returns the recorded result afterwards, also a failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        success: Text,
        error: Text,
        action: () => Effect.fail("no"),
        inDoubt: "retry"
      }).build()
      const first = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      const log = [...world.log]
      expect(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))).toEqual(first)
      expect(yield* Effect.exit(Saga.resume(saga, "1"))).toEqual(first)
      expect(world.log).toEqual(log)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  class NoStock extends Schema.TaggedError<NoStock>()("NoStock", { item: Schema.String }) {}
  const NoStockSchema: Schema.Schema<NoStock, any> = NoStock

  /** A saga for each kind of step: it fails with an error that is stored as given. */
  const failing = (error: typeof NoStockSchema | "asRecoveredFailure") => {
    const fail = () => Effect.fail(new NoStock({ item: "chair" }))
    const kinds = {
      ReadOnly: Saga.make("Order").readOnly("check", { error, action: fail }).build(() => "done"),
      Compensatable: Saga.make("Order").compensatable("check", { error, action: fail, compensate: () => Effect.void })
        .build(() => "done"),
      Final: Saga.make("Order").final("check", { error, action: fail, inDoubt: "retry" }).build(() => "done")
    }
    return Object.entries(kinds)
  }

  /** The error of the first call, and those of the later ones. */
  const asked = (saga: ReturnType<typeof failing>[number][1], executionId: string) =>
    Effect.gen(function*() {
      const first = yield* Effect.flip(Saga.execute(saga, undefined, { executionId }))
      const polled = yield* Effect.exit(Saga.poll(saga, executionId))
      return {
        first,
        polled,
        later: [
          yield* Effect.flip(Saga.execute(saga, undefined, { executionId })),
          yield* Effect.flip(Saga.resume(saga, executionId)),
          yield* Effect.flip(Saga.await(saga, executionId))
        ]
      }
    })

  const noStock = new NoStock({ item: "chair" })

  it.effect("gives each later call the error of the first one, where the step has a schema for it", () =>
    Effect.gen(function*() {
      for (const [kind, saga] of failing(NoStockSchema)) {
        const { first, later, polled } = yield* asked(saga, kind)
        expect(first).toEqual(noStock)
        expect(later).toEqual([noStock, noStock, noStock])
        expect(later.every((error) => error instanceof NoStock)).toBe(true)
        expect(JSON.stringify(polled)).toContain(`"_tag":"NoStock"`)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("gives each later call RecoveredFailure, where the step declines a schema", () =>
    Effect.gen(function*() {
      for (const [kind, saga] of failing("asRecoveredFailure")) {
        const { first, later, polled } = yield* asked(saga, kind)
        expect(first).toEqual(noStock)
        for (const error of later) expect(error).toMatchObject({ _tag: "RecoveredFailure", tag: "NoStock" })
        expect(JSON.stringify(polled)).toContain(`"_tag":"RecoveredFailure"`)
        expect(yield* Effect.flip(Saga.run(saga, undefined))).toEqual(noStock)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("stores the same, whether a step declines a schema for its error or never had one", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      // As code without types may leave it out.
      const without = failing(undefined as never)
      const declined = failing("asRecoveredFailure")
      for (const [index, [kind, saga]] of declined.entries()) {
        yield* Effect.exit(Saga.execute(saga, undefined, { executionId: `${kind} declined` }))
        yield* Effect.exit(Saga.execute(without[index]![1], undefined, { executionId: `${kind} without` }))
        const events = yield* eventsOf(store, `${kind} declined`)
        expect(events).toEqual(yield* eventsOf(store, `${kind} without`))
        expect(events.map(({ _tag }) => _tag)).toContain("StepFailed")
        expect(JSON.stringify(events)).not.toContain("encoded")
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("knows a stored execution again after its step was given a schema for its error, or has declined it", () =>
    Effect.gen(function*() {
      const withSchema = failing(NoStockSchema)
      for (const [index, [kind, declining]] of failing("asRecoveredFailure").entries()) {
        const typed = withSchema[index]![1]
        yield* Effect.exit(Saga.execute(declining, undefined, { executionId: `${kind} declined` }))
        expect(yield* Effect.flip(Saga.resume(typed, `${kind} declined`))).toMatchObject({ _tag: "RecoveredFailure" })
        yield* Effect.exit(Saga.execute(typed, undefined, { executionId: `${kind} typed` }))
        expect(yield* Effect.flip(Saga.resume(declining, `${kind} typed`))).toMatchObject({ _tag: "RecoveredFailure" })
        expect(yield* Effect.flip(Saga.resume(typed, `${kind} typed`))).toEqual(noStock)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("refuses another input, another saga, and an id that cannot be one", () =>
    Effect.gen(function*() {
      const saga = counting({ count: 0 })
      const fiber = yield* Effect.fork(Saga.execute(saga, { n: 1 }, { executionId: "1" }))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      const reason = (exit: Exit.Exit<unknown, unknown>) => (failureOf(exit) as SagaError.ExecutionConflict).reason
      expect(reason(yield* Effect.exit(Saga.execute(saga, { n: 2 }, { executionId: "1" })))).toBe("OtherInput")
      const other = reserve(makeWorld()).build()
      expect(reason(yield* Effect.exit(Saga.execute(other, undefined, { executionId: "1" })))).toBe("OtherSaga")
      expect(failureOf(yield* Effect.exit(Saga.execute(other, undefined, { executionId: "" })))).toMatchObject({
        _tag: "InvalidExecutionId"
      })
      expect(failureOf(yield* Effect.exit(Saga.execute(other, undefined, { executionId: "\ud800" })))).toMatchObject({
        _tag: "InvalidExecutionId"
      })
      expect(failureOf(yield* Effect.exit(Saga.execute(other, undefined, { executionId: "a\0" })))).toMatchObject({
        _tag: "InvalidExecutionId"
      })
      for (const executionId of ["", "\ud800", "a\0"]) {
        expect(failureOf(yield* Effect.exit(Saga.resume(other, executionId)))).toMatchObject({
          _tag: "ExecutionNotFound"
        })
      }
      expect(failureOf(yield* Effect.exit(Saga.resume(other, "unknown")))).toMatchObject({ _tag: "ExecutionNotFound" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what somebody has found out is not lost where another call drives: it is taken afterwards", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Doubt")
        .final("charge", {
          success: Text,
          action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
          inDoubt: "verify",
          verify: () => Effect.delay(Effect.fail("the bank is closed"), "1 second")
        })
        .build(({ outputs }) => outputs.charge)
      const found = { step: "charge", happened: true, output: "receipt" } as const
      const all = yield* Effect.fork(Effect.gen(function*() {
        yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        return yield* Effect.all([
          Effect.exit(Saga.resume(saga, "1")),
          Effect.zipRight(Effect.sleep("500 millis"), Effect.exit(Saga.resume(saga, "1", { found })))
        ], { concurrency: "unbounded" })
      }))
      yield* TestClock.adjust("5 seconds")
      const [again, told] = yield* Fiber.join(all)
      expect(failureOf(again)).toMatchObject({ _tag: "OutcomeUnknown", step: "charge" })
      expect(told).toEqual(Exit.succeed("receipt"))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
