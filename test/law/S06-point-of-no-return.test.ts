/** S6: after the first Final that took effect a saga goes forward only. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { interruptedAt } from "../support/interruptedAt.ts"
import { reserve, step, Text } from "../support/sagas.ts"
import { makeWorld, Refused } from "../support/world.ts"

describe("S6: the point of no return", () => {
  it.effect("the first Final that fails unwinds like any step", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", { action: world.refuse("charge") }).build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga, undefined)))).toEqual(new Refused({ step: "charge" }))
      expect(world.standing()).toEqual([])
    }))

  it.effect("a Final that fails after another took effect is tried again, and nothing is ever undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { action: world.do("charge") })
        .final("email", { action: world.refuse("email"), retry: { times: 2 }, error: "asRecoveredFailure" })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toBeInstanceOf(SagaError.FailedAfterCommit)
      expect(error).toMatchObject({
        step: "email",
        cause: Cause.fail(new Refused({ step: "email" })),
        stands: ["hotel", "flight", "charge"]
      })
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "!email", "!email", "!email"])
    }))

  it.effect("an interruption after it waits until the saga is through", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = reserve(world)
        .final("charge", {
          action: (context) =>
            Deferred.succeed(inside, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.andThen(world.do("charge")(context))
            )
        })
        .final("email", { action: world.do("email") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interruption)
      expect(world.standing()).toEqual(["hotel", "flight", "charge", "email"])
    }))

  it.effect("also where the later Finals have a retry: they are tried at least once", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { action: (context) => Effect.delay(world.do("charge")(context), "1 second") })
        .final("email", { action: world.do("email"), retry: { times: 3 }, inDoubt: "retry" })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* TestClock.adjust("500 millis")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      expect(world.standing()).toEqual(["hotel", "flight", "charge", "email"])
    }))

  it.effect("a later Final that ends with an interruption of its own making has failed, and nobody was interrupted", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", { action: () => Effect.interrupt, inDoubt: "retry" })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "FailedAfterCommit", step: "email", parked: true })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("durably, a projection that throws after it says the same when it is asked again", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Projection")
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build((): string => {
          throw new TypeError("projection")
        })
      const defects = (exit: Exit.Exit<unknown, unknown>) =>
        Array.from(Exit.isFailure(exit) ? Cause.defects(exit.cause) : [], (defect) => (defect as Error).message)
      const first = defects(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(first).toEqual([expect.stringContaining("TypeError: projection")])
      expect(defects(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toEqual(first)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a projection that throws after it is no reason to undo either", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", { action: world.do("charge") }).build(() => {
        throw new Error("projection")
      })
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      const [defect] = Array.from(Exit.isFailure(exit) ? Cause.defects(exit.cause) : [])
      expect(defect).toMatchObject({
        _tag: "FailedAfterCommit",
        step: undefined,
        stands: ["hotel", "flight", "charge"]
      })
      expect(world.standing()).toEqual(["hotel", "flight", "charge"])
    }))

  it.effect("a projection that throws before it is", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).build(() => {
        throw new Error("projection")
      })
      expect(Exit.isFailure(yield* Effect.exit(Saga.run(saga, undefined)))).toBe(true)
      expect(world.standing()).toEqual([])
    }))

  it.effect("durably: the execution is parked, and resuming goes forward only", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let works = false
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          success: Text,
          action: (context) => works ? world.do("email")(context) : world.refuse("email")(),
          inDoubt: "retry",
          retry: { times: 1 },
          error: "asRecoveredFailure"
        })
        .build(({ outputs }) => outputs.email)
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "FailedAfterCommit", step: "email", parked: true })
      const again = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(again).toMatchObject({ _tag: "FailedAfterCommit", step: "email", stands: ["hotel", "flight", "charge"] })
      works = true
      expect(yield* Saga.resume(saga, "1")).toBe("email-output")
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "!email", "!email", "+email"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("resumed behind it, an interruption at any moment of the replay undoes nothing", () =>
    Effect.gen(function*() {
      let reached = true
      for (let n = 1; reached; n++) {
        yield* Effect.gen(function*() {
          const world = makeWorld()
          let works = false
          const saga = Saga.make("Skips")
            .parallel((branch) =>
              branch
                .compensatable("hotel", step(world, "hotel"))
                .compensatable("car", { ...step(world, "car"), when: () => false }), { concurrency: 1 })
            .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
            .final("email", {
              success: Text,
              action: (context) => Effect.suspend(() => works ? world.do("email")(context) : world.refuse("email")()),
              inDoubt: "retry",
              retry: { times: 0 },
              error: "asRecoveredFailure"
            })
            .build()
          yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
          works = true
          const run = yield* interruptedAt(n, Saga.resume(saga, "1"))
          reached = run.reached
          if (Exit.isFailure(run.exit)) expect(Cause.isInterruptedOnly(run.exit.cause)).toBe(true)
          yield* Saga.resume(saga, "1")
          expect(world.log.filter((line) => line.startsWith("-"))).toEqual([])
          expect(world.standing()).toEqual(["hotel", "charge", "email"])
        }).pipe(Effect.provide(Checkpoint.layerMemory))
      }
    }))

  it.effect("a doubt behind it says what stands, and says the same when it is asked again", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
          inDoubt: "park",
          retry: { times: 1 }
        })
        .build()
      const told = {
        _tag: "FailedAfterCommit",
        step: "email",
        stands: ["hotel", "flight", "charge"],
        parked: true,
        cause: { _tag: "Fail", error: { _tag: "OutcomeUnknown", step: "email", reason: "no reply" } }
      }
      for (let asked = 1; asked <= 2; asked++) {
        expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject(told)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
