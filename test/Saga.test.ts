import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { failureOf } from "./support/exit.ts"
import { makeWorld, Refused } from "./support/world.ts"

const step = { action: () => Effect.void }
const undoable = { action: () => Effect.void, compensate: () => Effect.void }

/** What a JavaScript author, or one who casts, gets to see. */
const problemsOf = (build: () => unknown): ReadonlyArray<string> => {
  try {
    build()
  } catch (error) {
    if (error instanceof SagaError.InvalidSaga) return error.problems
    throw error
  }
  return []
}

describe("build() refuses what the compiler could not see, in the compiler's words", () => {
  // Without its types, as JavaScript has it.
  const make: any = Saga.make

  it("a saga without steps, without a name, of a version that is no positive integer, all at once", () => {
    expect(problemsOf(() => make("", { version: 1.5 }).build())).toEqual([
      "a saga needs a name: stored executions are found by it",
      "version 1.5 is not a positive integer",
      "a saga needs at least one step"
    ])
    for (const version of [0, -1, NaN, Infinity, 2 ** 60]) {
      expect(problemsOf(() => make("Trip", { version }).readOnly("a", step).build())).toEqual([
        `version ${version} is not a positive integer`
      ])
    }
  })

  it("step names that are empty, reserved or used twice", () => {
    const problems = problemsOf(() =>
      make("Trip").readOnly("", step).readOnly("a/b", step).readOnly("__proto__", step).readOnly("c", step)
        .compensatable("c", undoable).build()
    )
    expect(problems).toEqual([
      "a step needs a name: it identifies the step in the journal and in idempotency keys",
      `step "a/b" cannot have this name: "/" separates the parts of a path, and "__proto__" is no ordinary property`,
      `step "__proto__" cannot have this name: "/" separates the parts of a path, and "__proto__" is no ordinary property`,
      `step "c" is already declared in this saga`
    ])
    expect(problemsOf(() => make("Trip").readOnly("\ud800", step).build()).length).toBe(1)
  })

  it("parallel blocks and nested sagas that break the rules", () => {
    const pay = Saga.make("Pay").final("charge", step).build()
    const problems = problemsOf(() =>
      make("Trip")
        .readOnly("a", step)
        .parallel((branch: any) => branch)
        .parallel((branch: any) => branch.readOnly("a", step).readOnly("b", step), { concurrency: 0 })
        .parallel((branch: any) => branch.saga("p", pay, { input: () => {} }))
        .saga("payment", pay, { input: () => {} })
        .readOnly("late", step)
        .saga("again", pay, { input: () => {} })
        .build()
    )
    expect(problems).toEqual([
      "a parallel block needs at least one step",
      "concurrency 0 is not a positive integer",
      `step "a" is already declared in this saga`,
      `"p" has a Final step: in a parallel block its siblings could still fail, and not be undone`,
      `ReadOnly step "late" stands after Final step "payment": after the point of no return only Final steps may follow`,
      `nested saga "again" stands after Final step "payment": after the point of no return only Final steps may follow`
    ])
  })

  it("steps after a Final, missing functions, and a retry without an end or a pause", () => {
    const problems = problemsOf(() =>
      make("Trip")
        .final("charge", { ...step, inDoubt: "verify", error: "asRecoveredFailure" })
        .readOnly("look", { ...step, retry: { while: () => true } })
        .compensatable("book", step)
        .build()
    )
    expect(problems).toEqual([
      `step "charge" says inDoubt: "verify" but has no verify function`,
      `ReadOnly step "look" stands after Final step "charge": after the point of no return only Final steps may follow`,
      `the retry of step "look" needs times or a schedule: without both it would try for ever, without a pause`,
      `Compensatable step "book" stands after Final step "charge": after the point of no return only Final steps may follow`,
      `Compensatable step "book" has no compensation`
    ])
  })

  it("and says it in one message", () => {
    expect(new SagaError.InvalidSaga({ saga: "Trip", problems: ["a", "b"] }).message).toBe(
      `saga "Trip" cannot be built: a; b`
    )
  })
})

describe("a builder", () => {
  it.effect("is left as it was by its methods, so that two sagas can begin alike", () =>
    Effect.gen(function*() {
      const begin = Saga.make("Begin").readOnly("a", { action: () => Effect.succeed(1) })
      const one = begin.readOnly("b", { action: () => Effect.succeed(2) }).build()
      const other = begin.readOnly("c", { action: () => Effect.succeed(3) }).build()
      expect(yield* Saga.run(one, undefined)).toEqual({ a: 1, b: 2 })
      expect(yield* Saga.run(other, undefined)).toEqual({ a: 1, c: 3 })
    }))

  it("makes a saga that tells its name, its version and its steps", () => {
    const saga = Saga.make("Trip", { version: 4 }).readOnly("a", step).compensatable("b", undoable).final("c", step)
      .build()
    expect([saga.name, saga.version]).toEqual(["Trip", 4])
    expect(saga.steps).toEqual([
      { name: "a", classification: "ReadOnly" },
      { name: "b", classification: "Compensatable" },
      { name: "c", classification: "Final" }
    ])
  })
})

describe("Saga.run", () => {
  const Positive = Schema.Struct({ seats: Schema.Int.pipe(Schema.positive()) })

  it.effect("refuses input that does not match its schema before anything runs or is stored", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order", { input: Positive })
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const runs = [
        Saga.run(saga, { seats: 0 }),
        Saga.execute(saga, { seats: 0 }, { executionId: "1" }),
        Effect.scoped(Saga.scoped(saga, { seats: 0 }))
      ]
      for (const run of runs) {
        expect(failureOf(yield* Effect.exit(run))).toMatchObject({ _tag: "ParseError" })
      }
      expect(yield* Saga.report(saga, { seats: 0 })).toMatchObject({
        _tag: "Undone",
        steps: [{ step: "hotel", status: "NotStarted" }],
        summary: "Order failed with ParseError; there was nothing to undo"
      })
      expect(world.log).toEqual([])
      expect(yield* Effect.flatMap(Checkpoint.Checkpoint, (store) => store.load("1"))).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("can be run again, also at the same time, for it keeps nothing between runs", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Again", { input: Schema.Boolean })
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .readOnly("check", { action: ({ input }) => input ? Effect.yieldNow() : Effect.fail("no") })
        .build()
      const exits = yield* Effect.all([true, false, true, false].map((input) => Effect.exit(Saga.run(saga, input))), {
        concurrency: "unbounded"
      })
      expect(exits.map((exit) => exit._tag)).toEqual(["Success", "Failure", "Success", "Failure"])
      expect(world.standing()).toEqual(["hotel", "hotel"])
    }))

  it.effect("of a thousand steps neither overflows nor forgets", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let builder: any = Saga.make("Long")
      for (let index = 0; index < 1000; index++) {
        builder = builder.compensatable(`step${index}`, {
          action: world.do(`step${index}`),
          compensate: world.undo(`step${index}`)
        })
      }
      const saga: Saga.Saga<void, unknown, string, never> = builder
        .readOnly("check", { action: () => Effect.fail("no") })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga, undefined)))).toBe("no")
      expect(world.log.length).toBe(2000)
      expect(world.log.slice(1000)).toEqual(world.log.slice(0, 1000).reverse().map((line) => line.replace("+", "-")))
    }))
})

describe("Saga.report", () => {
  const make = (fails: boolean) =>
    Saga.make("Trip")
      .readOnly("quote", { action: () => Effect.delay(Effect.succeed(5), "1 second") })
      .compensatable("hotel", {
        action: ({ attempt }) => Effect.delay(attempt < 2 ? Effect.fail("busy") : Effect.succeed("h"), "2 seconds"),
        compensate: () => Effect.delay(Effect.void, "3 seconds"),
        retry: { times: 1 }
      })
      .final("charge", {
        action: () => fails ? Effect.fail(new Refused({ step: "charge" })) : Effect.succeed("paid"),
        error: "asRecoveredFailure"
      })
      .build(({ outputs }) => outputs.charge)

  const reported = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(effect)
      yield* TestClock.adjust("1 minute")
      return yield* Fiber.join(fiber)
    })

  it.effect("of a success: every step with its times and attempts, and the output", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1000)
      const report = yield* reported(Saga.report(make(false), undefined))
      expect(report).toMatchObject({
        _tag: "Succeeded",
        output: "paid",
        saga: "Trip",
        version: 1,
        startedAt: 1000,
        duration: 5000,
        steps: [
          {
            step: "quote",
            classification: "ReadOnly",
            status: "Succeeded",
            attempts: 1,
            startedAt: 1000,
            duration: 1000
          },
          {
            step: "hotel",
            classification: "Compensatable",
            status: "Succeeded",
            attempts: 2,
            startedAt: 2000,
            duration: 4000
          },
          { step: "charge", classification: "Final", status: "Succeeded", attempts: 1, startedAt: 6000, duration: 0 }
        ],
        compensations: [],
        summary: "Trip succeeded: 3 steps took effect"
      })
    }))

  it.effect("of a failure: also every compensation, and a sentence", () =>
    Effect.gen(function*() {
      const report = yield* reported(Saga.report(make(true), undefined))
      expect(report).toMatchObject({
        _tag: "Undone",
        cause: Cause.fail(new Refused({ step: "charge" })),
        duration: 8000,
        steps: [{ status: "Succeeded" }, { status: "Succeeded" }, { step: "charge", status: "Failed", attempts: 1 }],
        compensations: [{
          step: "hotel",
          status: "Undone",
          attempts: 1,
          startedAt: 5000,
          duration: 3000,
          cause: undefined
        }],
        summary: `Trip failed with Refused at step "charge"; undone: "hotel"`
      })
    }))

  it.effect("of what could not be undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Trip", { onCompensationFailure: "stop" })
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", { action: world.do("flight"), compensate: world.refuse("undo") })
        .compensatable("car", { action: world.do("car"), compensate: world.undo("car") })
        .readOnly("check", { action: () => Effect.die(new Error("boom")) })
        .readOnly("never", { action: () => Effect.void })
        .build()
      expect(yield* Saga.report(saga, undefined)).toMatchObject({
        _tag: "PartlyUndone",
        error: { _tag: "PartlyUndone", undone: ["car"], notTried: ["hotel"], parked: false },
        steps: [{}, {}, {}, { step: "check", status: "Failed" }, { step: "never", status: "NotStarted", attempts: 0 }],
        compensations: [
          { step: "car", status: "Undone" },
          { step: "flight", status: "Failed", cause: Cause.fail(new Refused({ step: "undo" })) },
          { step: "hotel", status: "NotTried", attempts: 0 }
        ],
        summary: `Trip died at step "check"; undone: "car"; still in effect: "flight", "hotel"`
      })
    }))

  it.effect("of a failure after the point of no return", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .final("charge", { action: world.do("charge") })
        .final("email", { action: world.refuse("email"), retry: { times: 1 } })
        .build()
      expect(yield* Saga.report(saga, undefined)).toMatchObject({
        _tag: "FailedAfterCommit",
        error: { step: "email", stands: ["charge"] },
        steps: [{ status: "Succeeded" }, { status: "Failed", attempts: 2 }],
        compensations: [],
        summary: `Trip failed with Refused at step "email" after its point of no return; in effect: "charge"`
      })
    }))

  it.effect("of an outcome nobody knows", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .final("charge", { action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "?" })), inDoubt: "park" })
        .build()
      expect(yield* Saga.report(saga, undefined)).toMatchObject({
        _tag: "OutcomeUnknown",
        error: { step: "charge", parked: false },
        steps: [{ status: "Succeeded" }, { status: "InDoubt" }],
        compensations: [{ step: "hotel", status: "Undone" }],
        summary: `nobody knows whether step "charge" of Trip happened; undone: "hotel"`
      })
    }))

  it.effect("an interruption goes on after it has undone what was done", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
        .readOnly("look", { action: () => Effect.andThen(Deferred.succeed(inside, undefined), Effect.never) })
        .build()
      const fiber = yield* Effect.fork(Saga.report(saga, undefined))
      yield* Deferred.await(inside)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))
})

describe("Saga.execute", () => {
  const trip = (fails: boolean) => {
    const world = makeWorld()
    const reserve = (name: string) => ({
      success: Schema.String,
      action: world.do(name),
      compensate: world.undo(name)
    })
    return Saga.make("Trip")
      .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
      .compensatable("flight", reserve("flight"))
      .compensatable("hotel", reserve("hotel"))
      .compensatable("car", reserve("car"))
      .final("charge", {
        success: Schema.String,
        action: (context) => fails ? Effect.fail("declined") : world.do("charge")(context),
        inDoubt: "retry",
        error: "asRecoveredFailure"
      })
      .build()
  }
  const commits = (fails: boolean) =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* Effect.exit(Saga.execute(trip(fails), undefined, { executionId: "1" }))
      return (yield* store.load("1")).length
    })

  for (
    const [where, layer] of [
      ["in memory", Checkpoint.layerMemory],
      ["on SQLite", SqliteCheckpoint.layer({ filename: ":memory:" })]
    ] as const
  ) {
    it.effect(`makes 5 commits for 1 ReadOnly, 3 Compensatable and 1 Final step, ${where}`, () =>
      Effect.gen(function*() {
        expect(yield* commits(false)).toBe(5)
      }).pipe(Effect.provide(layer)))

    it.effect(`makes 8 when the Final fails and three steps are undone, ${where}`, () =>
      Effect.gen(function*() {
        expect(yield* commits(true)).toBe(8)
      }).pipe(Effect.provide(layer)))
  }

  it.effect("makes one for a saga of ReadOnly steps, whose end is all there is to store", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Look").readOnly("look", { success: Schema.Number, action: () => Effect.succeed(7) })
        .build()
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({ look: 7 })
      expect((yield* (yield* Checkpoint.Checkpoint).load("1")).length).toBe(1)
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({ look: 7 })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("refuses what JSON would lose, before anything happens where it is the input", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Dates", { input: Schema.Struct({ when: Schema.Unknown }) })
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, { when: new Date() }, { executionId: "1" })))
      expect(error).toMatchObject({
        _tag: "NotStorable",
        value: "the input",
        problem: "after encoding, value.when is a Date, which is not plain JSON"
      })
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("brings a typed error back from the journal through the step's error schema, a defect by name", () =>
    Effect.gen(function*() {
      class Declined extends Schema.TaggedError<Declined>()("Declined", { amount: Schema.Number }) {}
      const saga = (failure: Effect.Effect<never, Declined>) =>
        Saga.make("Errors")
          .final("charge", { error: Declined, action: () => failure, inDoubt: "retry" })
          .build()
      const declined = saga(Effect.fail(new Declined({ amount: 5 })))
      yield* Effect.exit(Saga.execute(declined, undefined, { executionId: "1" }))
      const restored = failureOf(yield* Effect.exit(Saga.resume(declined, "1")))
      expect(restored).toBeInstanceOf(Declined)
      expect(restored).toMatchObject({ amount: 5 })
      const died = saga(Effect.die(new TypeError("x is not a function")))
      yield* Effect.exit(Saga.execute(died, undefined, { executionId: "2" }))
      const exit = yield* Effect.exit(Saga.resume(died, "2"))
      const [defect] = Array.from(Exit.isFailure(exit) ? Cause.defects(exit.cause) : [])
      expect(String(defect)).toBe("TypeError: x is not a function")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
