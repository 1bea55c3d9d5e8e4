/** S17: interrupting a call for a durable execution ends the wait; or unwinds the execution, or leaves it for recovery. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
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

  it.effect("onInterrupt: cancel unwinds it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Effect.never)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }))
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
      // A later call has not been interrupted: to its caller it is an error like any other.
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toMatchObject({
        _tag: "Cancelled",
        by: "its caller",
        reason: "the call for it was interrupted"
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

  it.effect("after the point of no return the call ends, and the execution goes on", () =>
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
          inDoubt: "retry",
          error: "asRecoveredFailure"
        })
        .build(({ outputs }) => outputs.email)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      works = true
      yield* TestClock.adjust("1 minute")
      expect(yield* Saga.await(saga, "1")).toBe("email-output")
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

  it.effect("ends the call only: the execution goes on, and its result is there for the next", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Deferred.await(goOn))
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(yield* Saga.poll(saga, "1")).toEqual(Option.none())
      const second = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      const third = yield* Effect.fork(Saga.await(saga, "1"))
      yield* Deferred.succeed(goOn, undefined)
      expect([yield* second, yield* third]).toEqual(["seen", "seen"])
      expect(yield* Saga.poll(saga, "1")).toEqual(Option.some(Exit.succeed("seen")))
      expect(world.log).toEqual(["+hotel", "+flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of two calls that wait, the one that cancels does not interrupt the other: it is told", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Effect.never)
      const cancels = yield* Effect.fork(
        Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" })
      )
      const waits = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(cancels)
      expect(failureOf(yield* Fiber.await(waits))).toMatchObject({ _tag: "Cancelled", by: "its caller" })
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S17: a checkpoint that closes", () => {
  const closing = (options?: Checkpoint.Options) =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const scope = yield* Scope.make()
      const service = yield* Scope.extend(Checkpoint.make(store, options), scope)
      const as = Effect.provideService(Checkpoint.Checkpoint, service)
      return { store, token: yield* service.token, close: Scope.close(scope, Exit.void), as }
    })

  it.effect("suspends what it drives at the next safe point: an action ends, the next does not begin", () =>
    Effect.gen(function*() {
      const { as, close, store, token } = yield* closing()
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Closing")
        .compensatable("hotel", {
          success: Text,
          action: (context) =>
            Effect.zipRight(
              Deferred.succeed(inside, undefined),
              Effect.zipRight(Deferred.await(goOn), world.do("hotel")(context))
            ),
          compensate: world.undo("hotel")
        })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .build()
      yield* as(Saga.start(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      const closed = yield* Effect.fork(close)
      yield* Effect.yieldNow()
      expect(failureOf(yield* Effect.exit(as(Saga.start(saga, undefined, { executionId: "2" }))))).toMatchObject({
        _tag: "CheckpointError",
        detail: "the store is closed"
      })
      yield* Deferred.succeed(goOn, undefined)
      yield* closed
      expect(world.log).toEqual(["+hotel"])
      // Another process goes on at once: the claim is free, and so is the lease.
      expect(yield* store.renew(token)).toBe(false)
      const other = yield* Checkpoint.make(store)
      yield* Effect.provideService(Saga.resume(saga, "1"), Checkpoint.Checkpoint, other)
      expect(world.log).toEqual(["+hotel", "+flight"])
    }).pipe(Effect.scoped))

  it.effect("does not wait for longer than its grace, and frees no execution whose action still runs", () =>
    Effect.gen(function*() {
      const { as, close, store, token } = yield* closing({ shutdown: { grace: "20 millis" } })
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          action: () => Effect.as(Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never), ""),
          inDoubt: "retry"
        })
        .build()
      yield* as(Saga.start(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      yield* close
      expect(yield* store.renew(token)).toBe(true)
      const other = yield* Checkpoint.make(store)
      const exit = yield* Effect.exit(Effect.provideService(Saga.resume(saga, "1"), Checkpoint.Checkpoint, other))
      expect(failureOf(exit)).toMatchObject({ _tag: "ExecutionConflict", reason: "OtherDriver" })
    }).pipe(Effect.scoped))

  it.effect("a grace that is no duration is refused", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const exit = yield* Effect.exit(Checkpoint.make(store, { shutdown: { grace: Number.NaN } }))
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "InvalidOption" })
    }).pipe(Effect.scoped))
})
