/** S7: an outcome that nobody knows is settled by the step's policy. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { commitOf } from "../support/commit.ts"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { failingStore } from "../support/store.ts"
import { makeWorld, Refused } from "../support/world.ts"

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

describe("S7: a doubt is a person's", () => {
  it.effect("of a Final without a policy, which only a caller without types can run: after a crash it waits", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const untyped = reserve(world).final("charge", { success: Text, action: world.do("charge") }).build()
      const saga = untyped as Saga.Saga<void, unknown, never, never, `${string}.final`>
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      const log = ["+hotel", "+flight", "+charge"]
      expect(world.log).toEqual(log)
      const error = failureOf(yield* Effect.exit(Saga.resume(saga, "1")))
      expect(error).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", parked: true })
      expect(world.log).toEqual(log)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  // This library decides nothing over a doubt, but the table lets a journal say so.
  it.effect("and not to be settled where the execution goes back: nothing would be done with the answer", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const saga = reserve(world).build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      const claim = yield* store.claim({ executionId: "1", saga: "Reserve" })
      const body = Journal.encodeCommit([{ _tag: "UnwindingStarted", failures: [], at: 0 }])
      yield* store.append(
        commitOf({ ...claim, executionId: "1", saga: "Reserve", sequence: 1, status: "Unwinding", body })
      )
      const found = { step: "hotel", happened: true, output: "room 7" } as const
      const exit = yield* Effect.exit(Saga.resume(saga, "1", { found }))
      expect(failureOf(exit)).toMatchObject({ _tag: "StepNotInDoubt", step: "hotel" })
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
          ...(inDoubt === undefined ? {} : { inDoubt }),
          error: "asRecoveredFailure"
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
          Effect.provide(
            Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }),
            Checkpoint.layerMemory
          )
        )
        yield* TestClock.adjust("500 millis")
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("5 seconds")
        const exit = yield* Fiber.join(interruption)
        expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", parked: true })
        expect(world.standing()).toEqual(["hotel", "flight", "charge"])
      }
    }))

  it.effect("and where the execution is left for recovery, it ends as interrupted, not as parked", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world).final("charge", {
        success: Text,
        action: (context) =>
          Effect.andThen(Effect.delay(world.do("charge")(context), "1 second"), Effect.as(unknown, "")),
        inDoubt: "park"
      }).build()
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      yield* TestClock.adjust("500 millis")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("5 seconds")
      const exit = yield* Fiber.join(interruption)
      expect(failureOf(exit)).toBeUndefined()
      expect(yield* Saga.inspect(saga, "1")).toMatchObject({ status: "Running", parked: undefined })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
