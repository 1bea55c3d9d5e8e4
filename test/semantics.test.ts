/**
 * The law of unwinding, a test per rule of `docs/semantics.md` that is built.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option, Schedule, Schema, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"
import { makeWorld, Refused, type World } from "./support/world.ts"

const Text = Schema.String
const everyMinute = Schedule.spaced("1 minute")

/** hotel, then flight, then what a test adds. */
const reserve = (world: World) =>
  Saga.make("Reserve")
    .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
    .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })

const failureOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

describe("S1: steps run in declared order, each after the one before it succeeded", () => {
  it.effect("and each sees the outputs of those before it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order", { input: Schema.Int })
        .readOnly("price", { action: ({ input }) => Effect.as(world.note("price"), input * 2) })
        .compensatable("hotel", {
          action: ({ outputs }) => Effect.as(world.note("hotel"), outputs.price + 1),
          compensate: () => Effect.void
        })
        .final("charge", { action: ({ outputs }) => Effect.as(world.note("charge"), [outputs.price, outputs.hotel]) })
        .build()
      const outputs = yield* Saga.run(saga, 5)
      expect(outputs).toEqual({ price: 10, hotel: 11, charge: [10, 11] })
      expect(world.log).toEqual(["price", "hotel", "charge"])
    }))
})

describe("S2: an interruption arrives before an action or after its compensation is armed, never between", () => {
  it.effect("an interruption during a Compensatable action waits for it, and then undoes it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Slow")
        .compensatable("hotel", {
          action: (context) =>
            Deferred.succeed(inside, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.andThen(world.do("hotel")(context))
            ),
          compensate: world.undo("hotel")
        })
        .compensatable("flight", { action: world.do("flight"), compensate: world.undo("flight") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      const exit = yield* Fiber.join(interruption)
      expect(Exit.isInterrupted(exit)).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))

  it.effect("an interruption during a ReadOnly action ends it at once", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = reserve(world)
        .readOnly("look", { action: () => Effect.andThen(Deferred.succeed(inside, undefined), Effect.never) })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
    }))

  it.effect("an interruption in the pause between two attempts ends the saga with nothing done in that step", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = reserve(world)
        .compensatable("car", {
          action: () => Effect.andThen(Deferred.succeed(inside, undefined), world.refuse("car")()),
          compensate: world.undo("car"),
          retry: { times: 5, schedule: everyMinute }
        })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "-flight", "-hotel"])
    }))

  it.effect("an interruption during an attempt that succeeds waits for it, and then undoes it, also under a retry", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = reserve(world)
        .compensatable("car", {
          action: (context) =>
            context.attempt === 1
              ? world.refuse("car")()
              : Deferred.succeed(inside, undefined).pipe(
                Effect.andThen(Deferred.await(goOn)),
                Effect.andThen(world.do("car")(context))
              ),
          compensate: world.undo("car"),
          retry: { times: 1 }
        })
        .compensatable("guide", { action: world.do("guide"), compensate: world.undo("guide") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(inside)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "+car", "-car", "-flight", "-hotel"])
    }))

  it.effect("an interruption during the last step is in time to undo it", () =>
    Effect.gen(function*() {
      for (const durable of [false, true]) {
        const world = makeWorld()
        const saga = Saga.make("Last")
          .compensatable("hotel", {
            success: Text,
            compensate: world.undo("hotel"),
            action: (context) => Effect.delay(world.do("hotel")(context), "1 second")
          })
          .build()
        const run = durable ? Saga.execute(saga, undefined, { executionId: "1" }) : Saga.run(saga, undefined)
        const fiber = yield* Effect.fork(Effect.provide(run, Checkpoint.layerMemory))
        yield* TestClock.adjust("500 millis")
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 second")
        expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
        expect(world.log).toEqual(["+hotel", "-hotel"])
      }
    }))

  it.effect("Saga.scoped keeps the compensations armed until the surrounding scope fails", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        yield* Effect.acquireRelease(world.note("open"), () => world.note("close"))
        yield* Saga.scoped(reserve(world).build(), undefined)
        yield* Effect.acquireRelease(world.note("lock"), () => world.note("unlock"))
        return yield* new Refused({ step: "after" })
      })))
      expect(failureOf(exit)).toEqual(new Refused({ step: "after" }))
      expect(world.log).toEqual(["open", "+hotel", "+flight", "lock", "unlock", "-flight", "-hotel", "close"])
    }))

  it.effect("Saga.scoped undoes nothing when the surrounding scope succeeds", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      yield* Effect.scoped(Saga.scoped(reserve(world).build(), undefined))
      expect(world.standing()).toEqual(["hotel", "flight"])
    }))

  it.effect("Saga.scoped reports a compensation that fails as a defect beside the original failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Broken")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.refuse("undo hotel") })
        .build()
      const exit = yield* Effect.exit(
        Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), new Refused({ step: "after" })))
      )
      expect(failureOf(exit)).toEqual(new Refused({ step: "after" }))
      const [defect] = Array.from(Exit.isFailure(exit) ? Cause.defects(exit.cause) : [])
      expect(defect).toBeInstanceOf(SagaError.PartlyUndone)
    }))
})

describe("S2, where another saga fails in the same scope", () => {
  it.effect("its PartlyUndone is not taken for one's own", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const broken = Saga.make("Broken")
        .compensatable("car", { action: world.do("car"), compensate: world.refuse("undo car") })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const exit = yield* Effect.exit(Effect.scoped(
        Effect.andThen(Saga.scoped(reserve(world).build(), undefined), Saga.run(broken, undefined))
      ))
      expect(failureOf(exit)).toMatchObject({ _tag: "PartlyUndone", saga: "Broken" })
      expect(Exit.isFailure(exit) && Array.from(Cause.defects(exit.cause))).toEqual([])
      const report = yield* Saga.report(
        Saga.make("Outer")
          .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
          .readOnly("inner", { action: () => Saga.run(broken, undefined) })
          .build(),
        undefined
      )
      expect(report).toMatchObject({ _tag: "Undone", saga: "Outer" })
    }))
})

describe("S3: what fails before the point of no return unwinds, newest first", () => {
  it.effect("after a failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", { action: world.refuse("check") }).build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight", "-hotel"])
    }))

  it.effect("after a defect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", { action: () => Effect.die("boom") }).build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.standing()).toEqual([])
    }))

  it.effect("after a step's function that throws instead of returning an effect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).readOnly("check", {
        action: () => {
          throw new Error("thrown")
        }
      }).build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(world.standing()).toEqual([])
    }))

  it.effect("a step that failed is not undone itself, and ReadOnly steps are skipped", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Skip")
        .readOnly("look", { action: () => world.note("look") })
        .compensatable("hotel", { action: world.refuse("hotel"), compensate: world.undo("hotel") })
        .build()
      yield* Effect.exit(Saga.run(saga, undefined))
      expect(world.log).toEqual(["look", "!hotel"])
    }))

  it.effect("a second interruption while unwinding does not abandon the compensations", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const undoing = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = Saga.make("Stubborn")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", {
          action: world.do("flight"),
          compensate: (context) =>
            Deferred.succeed(undoing, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.andThen(world.undo("flight")(context))
            )
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* Deferred.await(undoing)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight", "-hotel"])
    }))

  it.effect("each compensation has its own retries, apart from its action's", () =>
    Effect.gen(function*() {
      const attempts: Array<string> = []
      const saga = Saga.make("Retries")
        .compensatable("hotel", {
          action: ({ attempt }) => {
            attempts.push(`do ${attempt}`)
            return attempt < 3 ? Effect.fail(new Refused({ step: "hotel" })) : Effect.succeed(1)
          },
          compensate: ({ attempt }) => {
            attempts.push(`undo ${attempt}`)
            return attempt < 2 ? Effect.fail("not yet") : Effect.void
          },
          retry: { times: 2 },
          compensationRetry: { times: 1 }
        })
        .readOnly("check", { action: () => Effect.fail(new Refused({ step: "check" })) })
        .build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(failureOf(exit)).toEqual(new Refused({ step: "check" }))
      expect(attempts).toEqual(["do 1", "do 2", "do 3", "undo 1", "undo 2"])
    }))
})

describe("S4: with everything undone, the original cause comes out unchanged", () => {
  const causes = {
    "a typed error": Cause.fail(new Refused({ step: "x" })),
    "a defect": Cause.die(new Error("boom")),
    "several at once": Cause.parallel(Cause.fail(new Refused({ step: "x" })), Cause.die("also"))
  }
  for (const [what, cause] of Object.entries(causes)) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const saga = reserve(makeWorld()).readOnly("check", { action: () => Effect.failCause(cause) }).build()
        expect(yield* Effect.exit(Saga.run(saga, undefined))).toEqual(Exit.failCause(cause))
      }))
  }
})

describe("S5: a compensation that fails hides nothing", () => {
  const broken = (world: World, onCompensationFailure: "continue" | "stop") =>
    Saga.make("Broken", { onCompensationFailure })
      .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
      .compensatable("flight", { action: world.do("flight"), compensate: world.refuse("undo flight") })
      .compensatable("car", { action: world.do("car"), compensate: world.undo("car") })
      .readOnly("check", { action: () => Effect.fail(new Refused({ step: "check" })) })
      .build()

  it.effect("continue: the older steps are undone all the same", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = failureOf(yield* Effect.exit(Saga.run(broken(world, "continue"), undefined)))
      expect(error).toBeInstanceOf(SagaError.PartlyUndone)
      expect(error).toMatchObject({
        cause: Cause.fail(new Refused({ step: "check" })),
        undone: ["car", "hotel"],
        failed: [{ step: "flight", cause: Cause.fail(new Refused({ step: "undo flight" })) }],
        notTried: []
      })
      expect(world.standing()).toEqual(["flight"])
    }))

  it.effect("stop: the older steps are left, and named", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = failureOf(yield* Effect.exit(Saga.run(broken(world, "stop"), undefined)))
      expect(error).toMatchObject({ undone: ["car"], failed: [{ step: "flight" }], notTried: ["hotel"] })
      expect(world.standing()).toEqual(["hotel", "flight"])
    }))

  it.effect("a compensation that dies counts as failed", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Dies")
        .compensatable("hotel", { action: () => Effect.void, compensate: () => Effect.die("undo") })
        .readOnly("check", { action: () => Effect.die("check") })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({ cause: Cause.die("check"), failed: [{ step: "hotel", cause: Cause.die("undo") }] })
    }))
})

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
        .final("email", { action: world.refuse("email"), retry: { times: 2 } })
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
          retry: { times: 1 }
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
})

describe("S7: an outcome nobody knows is settled by the step's policy", () => {
  const unknown = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))

  it.effect("retry: the action runs again under the same key", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        action: (context) => Effect.andThen(world.do("charge")(context), context.attempt === 1 ? unknown : Effect.void),
        inDoubt: "retry"
      }).build()
      yield* Saga.run(saga, undefined)
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "+charge"])
      expect(world.standing()).toEqual(["hotel", "flight", "charge"])
    }))

  it.effect("verify: Some means that it happened", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        action: (context) => Effect.andThen(world.do("charge")(context), Effect.as(unknown, "never seen")),
        inDoubt: "verify",
        verify: () => Effect.succeedSome("found")
      }).build(({ outputs }) => outputs.charge)
      expect(yield* Saga.run(saga, undefined)).toBe("found")
      expect(world.log).toEqual(["+hotel", "+flight", "+charge"])
    }))

  it.effect("verify: None means that it did not, and then it runs again", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let calls = 0
      const saga = reserve(world).final("charge", {
        action: (context) => ++calls === 1 ? Effect.as(unknown, "") : world.do("charge")(context),
        inDoubt: "verify",
        verify: () => Effect.succeedNone
      }).build(({ outputs }) => outputs.charge)
      expect(yield* Saga.run(saga, undefined)).toBe("charge-output")
    }))

  it.effect("verify: None twice is a failure like any other, and says that it did not happen", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        action: () => unknown,
        inDoubt: "verify",
        verify: () => Effect.succeedNone
      }).build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", happened: false })
      expect(world.standing()).toEqual([])
    }))

  it.effect("a retry policy does not run an action in doubt again unless the doubt is settled so", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const saga = (inDoubt: "retry" | "verify" | "park") =>
        Saga.make("Doubt").final("charge", {
          action: ({ attempt }) => {
            asked.push(`charge ${attempt}`)
            return unknown
          },
          retry: { times: 2 },
          inDoubt,
          verify: () => {
            asked.push("verify")
            return Effect.succeedNone
          }
        }).build()
      const calls = (inDoubt: "retry" | "verify" | "park") =>
        Effect.map(Effect.exit(Saga.run(saga(inDoubt), undefined)), (exit) => {
          expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "charge" })
          return asked.splice(0)
        })
      expect(yield* calls("park")).toEqual(["charge 1"])
      expect(yield* calls("retry")).toEqual(["charge 1", "charge 2", "charge 3"])
      expect(yield* calls("verify")).toEqual(["charge 1", "verify", "charge 2", "verify", "charge 3", "verify"])
    }))

  it.effect("verify that fails leaves it unknown", () =>
    Effect.gen(function*() {
      const saga = reserve(makeWorld()).final("charge", {
        action: () => unknown,
        inDoubt: "verify",
        verify: () => Effect.fail("the bank is closed")
      }).build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({ _tag: "OutcomeUnknown", step: "charge" })
      expect((error as SagaError.OutcomeUnknown).message).toContain("the bank is closed")
    }))

  it.effect("in process, what stays unknown is named, and the completed steps are undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", { action: () => unknown, inDoubt: "park" }).build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({
        _tag: "OutcomeUnknown",
        saga: "Reserve",
        step: "charge",
        idempotencyKey: expect.stringMatching(/\/charge\/action$/),
        parked: false
      })
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
    }))

  it.effect("durably, what stays unknown parks the execution with nothing undone, until somebody finds out", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        success: Text,
        action: () => Effect.as(unknown, ""),
        inDoubt: "park"
      }).build(({ outputs }) => outputs.charge)
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", parked: true })
      expect(world.standing()).toEqual(["hotel", "flight"])
      const checkpoint = yield* Checkpoint.Checkpoint
      const commits = yield* checkpoint.load("1")
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject({
        _tag: "OutcomeUnknown",
        step: "charge",
        parked: true
      })
      expect(yield* checkpoint.load("1")).toEqual(commits)
      const found = { step: "charge", happened: true, output: "receipt" } as const
      expect(yield* Saga.resume(saga, "1", { found })).toBe("receipt")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what is found out about a step that is not in doubt, or cannot be stored, is refused before anything runs", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        success: Schema.NonEmptyString,
        action: (context) => Effect.andThen(world.do("charge")(context), Effect.as(unknown, "")),
        inDoubt: "park"
      }).build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      const store = yield* Checkpoint.Checkpoint
      const commits = yield* store.load("1")
      const log = [...world.log]
      for (const step of ["Charge", "hotel", "nowhere"]) {
        const exit = yield* Effect.exit(Saga.resume(saga, "1", { found: { step, happened: false } }))
        expect(failureOf(exit)).toMatchObject({ _tag: "StepNotInDoubt", step })
      }
      const found = { step: "charge", happened: true, output: "" } as const
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1", { found })))).toMatchObject({
        _tag: "NotStorable"
      })
      expect(yield* store.load("1")).toEqual(commits)
      expect(world.log).toEqual(log)
      yield* Saga.resume(saga, "1", { found: { ...found, output: "receipt" } })
      const again = yield* Effect.exit(Saga.resume(saga, "1", { found }))
      expect(failureOf(again)).toMatchObject({ _tag: "StepNotInDoubt" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("durably, found not to have happened, it runs again", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let calls = 0
      const saga = reserve(world).final("charge", {
        success: Text,
        action: (context) => ++calls === 1 ? Effect.as(unknown, "") : world.do("charge")(context),
        inDoubt: "park"
      }).build(({ outputs }) => outputs.charge)
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(yield* Saga.resume(saga, "1", { found: { step: "charge", happened: false } })).toBe("charge-output")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S7: a doubt sticks until something settles it", () => {
  const unknown = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))

  /** Crashes after the hotel took effect and before that is stored; afterwards `then` is what booking it again does. */
  const crashed = (inDoubt: "retry" | undefined, then: Effect.Effect<string, Refused>) =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      let calls = 0
      const saga = Saga.make("Crash")
        .compensatable("first", { success: Text, action: world.do("first"), compensate: world.undo("first") })
        .compensatable("hotel", {
          success: Text,
          action: (context) => ++calls === 1 ? world.do("hotel")(context) : then,
          compensate: world.undo("hotel"),
          ...(inDoubt === undefined ? {} : { inDoubt })
        })
        .build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      const exit = yield* Effect.exit(Saga.resume(saga, "1"))
      return { error: failureOf(exit), log: world.log }
    }).pipe(Effect.provide(Checkpoint.layerMemory))

  it.effect("run again under a key that the step vouches for, a typed error says that it did not happen", () =>
    Effect.gen(function*() {
      const { error, log } = yield* crashed("retry", Effect.fail(new Refused({ step: "hotel" })))
      expect(error).toEqual(new Refused({ step: "hotel" }))
      expect(log).toEqual(["+first", "+hotel", "-first"])
    }))

  it.effect("a defect says nothing, and without a policy a typed error does not either: it waits", () =>
    Effect.gen(function*() {
      const refused = yield* crashed(undefined, Effect.fail(new Refused({ step: "hotel" })))
      expect(refused.error).toMatchObject({ _tag: "OutcomeUnknown", step: "hotel", parked: true })
      expect(refused.log).toEqual(["+first", "+hotel"])
      const died = yield* crashed("retry", Effect.die(new TypeError("bug")))
      expect(died.error).toMatchObject({
        _tag: "OutcomeUnknown",
        parked: true,
        reason: "the process ended before the outcome was stored; run again, it ended with: TypeError: bug"
      })
      expect(died.log).toEqual(["+first", "+hotel"])
    }))

  it.effect("an interruption that comes at the same time does not make it forgotten", () =>
    Effect.gen(function*() {
      for (const inDoubt of ["park", "retry"] as const) {
        const world = makeWorld()
        const saga = reserve(world).final("charge", {
          success: Text,
          action: (context) =>
            Effect.andThen(Effect.delay(world.do("charge")(context), "1 second"), Effect.as(unknown, "")),
          inDoubt
        }).build()
        const fiber = yield* Effect.fork(
          Effect.provide(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.layerMemory)
        )
        yield* TestClock.adjust("500 millis")
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("5 seconds")
        const exit = yield* Fiber.join(interruption)
        expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", parked: true })
        expect(world.standing()).toEqual(["hotel", "flight", "charge"])
      }
    }))
})

describe("S10: idempotency keys", () => {
  it.effect("differ by execution, step and role, stay the same over retries, and reach the compensation too", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const saga = Saga.make("Keys")
        .compensatable("réserver", {
          action: ({ attempt, idempotencyKey }) => {
            seen.push(idempotencyKey)
            return attempt === 1 ? Effect.fail("again") : Effect.succeed("")
          },
          compensate: ({ actionIdempotencyKey, idempotencyKey }) =>
            Effect.sync(() => void seen.push(actionIdempotencyKey, idempotencyKey)),
          retry: { times: 1 },
          success: Text
        })
        .readOnly("check", { action: () => Effect.fail("no") })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "a/b" }))
      const action = "a%2Fb/r%C3%A9server/action"
      expect(seen).toEqual([action, action, action, "a%2Fb/r%C3%A9server/compensation"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S11: the journal comes first", () => {
  it.effect("the intent of a side effect is stored before its action, the decision to unwind before the first undo", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const stored = (what: string) =>
        Effect.flatMap(eventsOf(store, "1"), (events) => {
          const last = events.at(-1)
          return world.note(`${what} after ${last?._tag}`)
        })
      const saga = Saga.make("First")
        .compensatable("hotel", { action: () => stored("do"), compensate: () => stored("undo") })
        .final("charge", { action: () => Effect.andThen(stored("charge"), Effect.fail("declined")), inDoubt: "retry" })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(world.log).toEqual([
        "do after StepStarted",
        "charge after StepStarted",
        "undo after CompensationStarted"
      ])
      const tags = (yield* eventsOf(store, "1")).map((event) => event._tag)
      expect(tags.indexOf("UnwindingStarted")).toBeLessThan(tags.indexOf("CompensationStarted"))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an intent that cannot be stored is not acted on, nothing is undone, and recovery finishes the execution", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world).build()
      // The second commit holds the outcome of the hotel and the intent of the flight.
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", operation: "append" })
      expect(world.log).toEqual(["+hotel"])
      yield* recoverAll([saga])
      expect(world.standing()).toEqual(["hotel", "flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a decision to unwind that cannot be stored is not acted on", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world).readOnly("check", { action: world.refuse("check") }).build()
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(world.log).toEqual(["+hotel", "+flight", "!check"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("once the decision to unwind is stored, recovery never goes forward", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let works = false
      const saga = reserve(world).readOnly("check", {
        success: Text,
        action: () => works ? Effect.succeed("fine") : world.refuse("check")()
      }).build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight"])
      works = true
      const [recovered] = yield* recoverAll([saga])
      expect(recovered).toMatchObject({
        _tag: "Undone",
        cause: Cause.fail(new SagaError.RecoveredFailure({ tag: "Refused", detail: "Refused" }))
      })
      expect(world.standing()).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor does it ask the condition of a step that it had not come to", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let asked = 0
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          success: Text,
          action: (context) => Effect.delay(world.do("hotel")(context), "1 second"),
          compensate: world.undo("hotel")
        })
        .compensatable("flight", {
          success: Text,
          action: world.do("flight"),
          compensate: world.undo("flight"),
          when: () => ++asked > 0
        })
        .build()
      const fiber = yield* Effect.fork(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      yield* TestClock.adjust("500 millis")
      fiber.unsafeInterruptAsFork(fiber.id())
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(fiber)
      expect(world.log).toEqual(["+hotel", "-hotel"])
      asked = 0
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone" }])
      expect(asked).toBe(0)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S11, where only the projection failed", () => {
  it.effect("the decision to unwind is stored, and a projection that works by now does not overturn it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let works = false
      const saga = reserve(world).build(({ outputs }) => {
        if (!works) throw new Error("projection")
        return outputs.hotel
      })
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(world.log).toEqual(["+hotel", "+flight", "-flight"])
      works = true
      const exit = yield* Effect.exit(Saga.resume(saga, "1"))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      // That the flight was undone could not be stored, so it is undone again under its key.
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

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
})

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
})

describe("S16: a stored execution that does not fit is reported and left untouched", () => {
  const unfinished = Effect.gen(function*() {
    const store = yield* Checkpoint.Checkpoint
    yield* Effect.exit(
      Saga.execute(reserve(makeWorld()).build(), undefined, { executionId: "old" }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
      )
    )
    return store
  })
  type Changed = Saga.Saga<void, unknown, never, never>
  const changes: Record<string, (world: World) => Changed> = {
    "a renamed step": (world: World) =>
      Saga.make("Reserve")
        .compensatable("room", { action: () => Effect.void, compensate: () => Effect.void })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .build(),
    "reordered steps": (world: World) =>
      Saga.make("Reserve")
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(),
    "a removed step": (world: World) =>
      Saga.make("Reserve")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(),
    "an added step": (world: World) => reserve(world).readOnly("check", { action: () => Effect.void }).build(),
    "another version": (world: World) =>
      Saga.make("Reserve", { version: 2 })
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .build()
  }
  const differences: Record<string, string> = {
    "a renamed step": `step 1 was Compensatable "hotel" and is Compensatable "room"`,
    "reordered steps": `step 1 was Compensatable "hotel" and is Compensatable "flight"`,
    "a removed step": `step 2 was Compensatable "flight" and is gone`,
    "an added step": `this definition has more steps: ReadOnly "check"`,
    "another version": `it has version 1, this definition has version 2`
  }
  for (const [what, change] of Object.entries(changes)) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const store = yield* unfinished
        const before = yield* store.load("old")
        const world = makeWorld()
        const error = failureOf(yield* Effect.exit(Saga.resume(change(world), "old")))
        expect(error).toMatchObject({
          _tag: "DefinitionChanged",
          difference: differences[what]
        })
        expect(world.log).toEqual([])
        expect(yield* store.load("old")).toEqual(before)
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }

  it.effect("an output that its schema cannot read, and a journal that is none", () =>
    Effect.gen(function*() {
      const store = yield* unfinished
      const changed = Saga.make("Reserve")
        .compensatable("hotel", {
          success: Schema.Number,
          action: () => Effect.succeed(1),
          compensate: () => Effect.void
        })
        .compensatable("flight", { success: Text, action: () => Effect.succeed(""), compensate: () => Effect.void })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.resume(changed, "old")))
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect((error as Error).message).toContain(`the output of step "hotel"`)
      const commit = {
        executionId: "garbage",
        saga: "Reserve",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0
      } as const
      yield* store.append({ ...commit, body: "{" })
      const newer = JSON.stringify({ format: 2, events: [{ _tag: "Unheard" }] })
      yield* store.append({ ...commit, executionId: "newer", body: newer })
      yield* store.append({
        ...commit,
        executionId: "headless",
        body: Journal.encodeCommit([{ _tag: "Finished", result: "Undone", at: 0 }])
      })
      const saga = reserve(makeWorld()).build()
      for (const executionId of ["garbage", "newer", "headless"]) {
        const error = failureOf(yield* Effect.exit(Saga.resume(saga, executionId)))
        expect(error).toMatchObject({ _tag: "JournalCorrupt", executionId })
        expect((error as Error).message.length).toBeLessThan(300)
      }
      expect(String(failureOf(yield* Effect.exit(Saga.resume(saga, "newer"))))).toContain(
        "it has format 2, and this release reads up to 1"
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("and does not stop the recovery of the others", () =>
    Effect.gen(function*() {
      const store = yield* unfinished
      yield* store.append({
        executionId: "garbage",
        saga: "Reserve",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0,
        body: "not json"
      })
      yield* store.append({
        executionId: "stranger",
        saga: "Unheard",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0,
        body: "not json"
      })
      const recovered = yield* recoverAll([reserve(makeWorld()).build()])
      expect(Object.fromEntries(recovered.map(({ _tag, executionId }) => [executionId, _tag]))).toEqual({
        old: "Succeeded",
        garbage: "LeftAsItWas",
        stranger: "Unregistered"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S17: interrupting a durable run", () => {
  const waiting = (world: World, inside: Deferred.Deferred<void>, goOn: Effect.Effect<unknown>) =>
    reserve(world)
      .readOnly("look", {
        success: Text,
        action: () => Effect.as(Effect.andThen(Deferred.succeed(inside, undefined), goOn), "seen")
      })
      .build(({ outputs }) => outputs.look)

  it.effect("unwinds it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = waiting(world, inside, Effect.never)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
      // Whoever asks later has not been interrupted: to them it is an error like any other.
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toMatchObject({
        _tag: "RecoveredFailure",
        tag: "Interrupted"
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

  it.effect("after the point of no return it is left for recovery in any case", () =>
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
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.email)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      works = true
      yield* recoverAll([saga])
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "!email", "+email"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
