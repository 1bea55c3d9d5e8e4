/** Numbers, durations and schemas that `build()` refuses, before any saga runs with them. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Schedule, Schema } from "effect"
import { Saga, SagaError, type Step } from "effect-saga"

type Policies = {
  readonly retry?: Step.RetryPolicy<unknown, number, never>
  readonly compensationRetry?: Step.RetryPolicy<unknown, number, never>
  readonly timeout?: Duration.DurationInput
  readonly compensationTimeout?: Duration.DurationInput
}

const saga = (policies: Policies) =>
  Saga.make("Pay").compensatable("hotel", {
    action: () => Effect.void,
    compensate: () => Effect.void,
    inDoubt: "retry",
    ...policies
  })

const problemsOf = (build: () => unknown): ReadonlyArray<string> => {
  try {
    build()
    return []
  } catch (error) {
    return (error as SagaError.InvalidSaga).problems
  }
}

describe("build() refuses a retry", () => {
  for (const [times, said] of [[NaN, "NaN"], [-1, "-1"], [1.5, "1.5"], ["3" as never, "\"3\""]] as const) {
    it(`of ${said} times, of an action and of a compensation`, () => {
      const problem = `the retry of step "hotel" cannot be followed: times ${said} is no whole number of at least 0`
      const schedule = Schedule.spaced("1 second")
      expect(problemsOf(() => saga({ retry: { times, schedule } }).build())).toEqual([problem])
      expect(problemsOf(() => saga({ compensationRetry: { times, schedule } }).build())).toEqual([problem])
    })
  }
  it("that would try more than 1000 times without a pause", () => {
    const problem =
      `the retry of step "hotel" needs a schedule: without one it tries again without a pause, and may at most 1000 times`
    expect(problemsOf(() => saga({ retry: { times: 1001 } }).build())).toEqual([problem])
    expect(problemsOf(() => saga({ retry: { times: Infinity } }).build())).toEqual([problem])
    expect(problemsOf(() => saga({ compensationRetry: { times: 9e15 } }).build())).toEqual([problem])
    expect(problemsOf(() => saga({ retry: { times: 1000 } }).build())).toEqual([])
    expect(problemsOf(() => saga({ retry: { times: Infinity, schedule: Schedule.spaced(1) } }).build())).toEqual([])
  })
})

describe("build() refuses a timeout", () => {
  const wrong: ReadonlyArray<readonly [Duration.DurationInput, string]> = [
    [NaN, "NaN"],
    [0, "0"],
    [-5, "-5"],
    [Duration.zero, "0"],
    ["5 secs" as never, "\"5 secs\""],
    [undefined as never, "none"]
  ]
  for (const [duration, said] of wrong) {
    it(`of ${said}`, () => {
      const problem = said === "none"
        ? []
        : [`the timeout of step "hotel" cannot be kept: ${said} is no duration longer than zero`]
      expect(problemsOf(() => saga({ timeout: duration }).build())).toEqual(problem)
      expect(problemsOf(() => saga({ compensationTimeout: duration }).build())).toEqual(problem)
    })
  }
  it("also among the defaults, once", () => {
    const defaults = { timeout: NaN, inDoubt: "retry", retry: { times: NaN, schedule: Schedule.spaced(1) } } as const
    const problems = problemsOf(() =>
      Saga.make("Pay", { defaults }).readOnly("a", { action: () => Effect.void })
        .readOnly("b", { action: () => Effect.void }).build()
    )
    expect(problems).toEqual([
      "the retry of the defaults of this saga cannot be followed: times NaN is no whole number of at least 0",
      "the timeout of the defaults of this saga cannot be kept: NaN is no duration longer than zero"
    ])
  })
})

describe("build() refuses a policy that it does not know, as code without types may name one", () => {
  const nothing = { action: () => Effect.void, compensate: () => Effect.void }
  const foo = "foo" as never
  const unknown: ReadonlyArray<readonly [string, () => unknown, string]> = [
    [
      "inDoubt",
      () => Saga.make("Pay").compensatable("hotel", { ...nothing, inDoubt: foo }).build(),
      `the inDoubt of step "hotel" cannot be followed: "foo" is none of "retry", "verify", "park"`
    ],
    [
      "inDoubt of a Final in a nested saga",
      () =>
        Saga.make("Pay").saga(
          "n",
          Saga.make("N").final("charge", { action: () => Effect.void, inDoubt: null as never }).build(),
          { input: () => undefined }
        ).build(),
      `the inDoubt of step "charge" cannot be followed: null is none of "retry", "verify", "park"`
    ],
    [
      "inDoubt of a step in a parallel block",
      () => Saga.make("Pay").parallel((block) => block.compensatable("hotel", { ...nothing, inDoubt: foo })).build(),
      `the inDoubt of step "hotel" cannot be followed: "foo" is none of "retry", "verify", "park"`
    ],
    [
      "inDoubt among the defaults",
      () => Saga.make("Pay", { defaults: { inDoubt: "verify" as never } }).compensatable("hotel", nothing).build(),
      `the inDoubt of the defaults of this saga cannot be followed: "verify" is none of "retry", "park"`
    ],
    [
      "error",
      () => Saga.make("Pay").compensatable("hotel", { ...nothing, error: "asRecovered" as never }).build(),
      `the error of step "hotel" cannot be followed: "asRecovered" is none of a schema, "asRecoveredFailure"`
    ],
    [
      "error of a ReadOnly step",
      () => Saga.make("Pay").readOnly("look", { action: () => Effect.void, error: { declined: 402 } as never }).build(),
      `the error of step "look" cannot be followed: an object is none of a schema, "asRecoveredFailure"`
    ],
    [
      "interruptible",
      () => Saga.make("Pay").compensatable("hotel", { ...nothing, interruptible: "yes" as never }).build(),
      `the interruptible of step "hotel" cannot be followed: "yes" is none of true, false`
    ],
    [
      "onCompensationFailure",
      () => Saga.make("Pay", { onCompensationFailure: foo }).compensatable("hotel", nothing).build(),
      `the onCompensationFailure of this saga cannot be followed: "foo" is none of "continue", "stop"`
    ],
    [
      "unwind",
      () => Saga.make("Pay").parallel((block) => block.compensatable("hotel", nothing), { unwind: foo }).build(),
      `the unwind of a parallel block cannot be followed: "foo" is none of "sequential", "parallel"`
    ],
    [
      "concurrency",
      () => Saga.make("Pay").parallel((block) => block.compensatable("hotel", nothing), { concurrency: foo }).build(),
      `concurrency "foo" is not a positive integer`
    ]
  ]
  for (const [name, build, problem] of unknown) {
    it(name, () => {
      expect(problemsOf(build)).toEqual([problem])
      expect(build).toThrow(SagaError.InvalidSaga)
    })
  }

  it("and takes each that it knows, and none at all", () => {
    for (const inDoubt of ["retry", "park", undefined] as const) {
      for (const unwind of ["sequential", "parallel", undefined] as const) {
        for (const concurrency of [1, 2, "unbounded", undefined] as const) {
          for (const onCompensationFailure of ["continue", "stop"] as const) {
            const build = () =>
              Saga.make("Pay", { onCompensationFailure, defaults: { inDoubt: "park" } })
                .parallel(
                  (block) => block.compensatable("hotel", { ...nothing, ...inDoubt === undefined ? {} : { inDoubt } }),
                  { ...unwind === undefined ? {} : { unwind }, ...concurrency === undefined ? {} : { concurrency } }
                )
                .build()
            expect(problemsOf(build)).toEqual([])
          }
        }
      }
    }
  })
})

describe("build() refuses what is of another kind, as code without types may give it", () => {
  const action = () => Effect.void
  const compensate = () => Effect.void
  const wrong: Record<string, readonly [() => unknown, string]> = {
    "a retry that is null": [
      () => saga({ retry: null as never }).build(),
      `the retry of step "hotel" cannot be followed: null is no object with times or a schedule`
    ],
    "a retry that is a number": [
      () => saga({ compensationRetry: 3 as never }).build(),
      `the retry of step "hotel" cannot be followed: 3 is no object with times or a schedule`
    ],
    "a retry among the defaults that is null": [
      () => Saga.make("Pay", { defaults: { retry: null as never } }).readOnly("a", { action }).build(),
      "the retry of the defaults of this saga cannot be followed: null is no object with times or a schedule"
    ],
    "a schedule that is text": [
      () => saga({ retry: { schedule: "1 second" as never } }).build(),
      `the retry of step "hotel" cannot be followed: schedule "1 second" is no Schedule`
    ],
    "a condition of a retry that is a boolean": [
      () => saga({ retry: { times: 1, while: true as never } }).build(),
      `the retry of step "hotel" cannot be followed: while true is no function`
    ],
    "an action that is missing": [
      () => Saga.make("Pay").readOnly("a", { action: undefined as never }).build(),
      `the action of step "a" must be a function, and is undefined`
    ],
    "an action that is an effect": [
      () => Saga.make("Pay").readOnly("a", { action: Effect.void as never }).build(),
      `the action of step "a" must be a function, and is an object`
    ],
    "a compensation that is null": [
      () => Saga.make("Pay").compensatable("a", { action, compensate: null as never }).build(),
      `the compensate of step "a" must be a function, and is null`
    ],
    "a condition that is a boolean": [
      () => Saga.make("Pay").readOnly("a", { action, when: true as never }).build(),
      `the when of step "a" must be a function, and is true`
    ],
    "a verify that is text": [
      () => Saga.make("Pay").final("a", { action, inDoubt: "verify", verify: "ask" as never }).build(),
      `the verify of step "a" must be a function, and is "ask"`
    ],
    "a success schema that is the name of one": [
      () => Saga.make("Pay").readOnly("a", { action, success: "string" as never }).build(),
      `the success of step "a" must be a schema, and is "string"`
    ],
    "an input of fields": [
      () => Saga.make("Pay", { input: { amount: Schema.Int } as never }).readOnly("a", { action }).build(),
      "the input of this saga must be a schema, and is an object"
    ],
    "options in the place of the projection": [
      () => Saga.make("Pay").readOnly("a", { action }).build({ success: Schema.String } as never),
      "the projection of this saga must be a function, and is an object"
    ],
    "a success schema of the saga that is a number": [
      () => Saga.make("Pay").readOnly("a", { action }).build(() => 1, { success: 1 as never }),
      "the success of this saga must be a schema, and is 1"
    ],
    "a name of a step that is a number": [
      () => Saga.make("Pay").readOnly(5 as unknown as "a", { action }).build(),
      "the name of a step must be text, and is 5"
    ],
    "a name of a saga that is missing": [
      () => Saga.make(undefined as never).compensatable("a", { action, compensate }).build(),
      "a saga's name must be well-formed text of at most 800 characters, without U+0000, or it could not be stored"
    ]
  }
  for (const [name, [build, problem]] of Object.entries(wrong)) {
    it(name, () => expect(problemsOf(build)).toEqual([problem]))
  }
})

describe("build() refuses a schema whose values could never be stored", () => {
  const problemOf = (success: Schema.Schema<any, any>) =>
    problemsOf(() => Saga.make("Pay").readOnly("look", { success, action: () => Effect.void as never }).build())
  const never: ReadonlyArray<readonly [string, Schema.Schema<any, any>, string]> = [
    ["a Date", Schema.DateFromSelf, "value is a DateFromSelf"],
    ["a Date within a struct", Schema.Struct({ at: Schema.DateFromSelf }), "value.at is a DateFromSelf"],
    ["a valid Date", Schema.ValidDateFromSelf, "value is a DateFromSelf"],
    ["a list of bigints", Schema.Array(Schema.BigIntFromSelf), "value[…] is a bigint"],
    ["nothing but what cannot be", Schema.Union(Schema.DateFromSelf, Schema.SymbolFromSelf), "value is a DateFromSelf"],
    ["a bigint as a literal", Schema.Literal(1n), "value is a bigint"],
    ["a pair with a symbol", Schema.Tuple(Schema.String, Schema.SymbolFromSelf), "value[1] is a symbol"],
    ["an Option of its own kind", Schema.OptionFromSelf(Schema.String), "value is an Option"]
  ]
  for (const [name, schema, part] of never) {
    it(`: ${name}`, () => {
      expect(problemOf(schema)).toEqual([
        `the output of step "look" could never be stored: as its success schema encodes it, ${part}, which JSON cannot hold`
      ])
    })
  }
  it("and of the input", () => {
    expect(
      problemsOf(() =>
        Saga.make("Pay", { input: Schema.BigIntFromSelf }).readOnly("a", { action: () => Effect.void }).build()
      )
    ).toEqual([
      "the input of this saga could never be stored: as its schema encodes it, value is a bigint, which JSON cannot hold"
    ])
  })
  it("and of the output of the saga", () => {
    const build = (success: Schema.Schema<any, any>) => () =>
      Saga.make("Pay").readOnly("a", { action: () => Effect.void }).build(() => undefined, { success })
    expect(problemsOf(build(Schema.Struct({ at: Schema.DateFromSelf })))).toEqual([
      "the output of this saga could never be stored: as its success schema encodes it, value.at is a DateFromSelf, which JSON " +
      "cannot hold"
    ])
    expect(problemsOf(build(Schema.Struct({ at: Schema.Date })))).toEqual([])
  })
  interface Tree {
    readonly branches: ReadonlyArray<Tree>
  }
  const Tree: Schema.Schema<Tree> = Schema.Struct({ branches: Schema.Array(Schema.suspend(() => Tree)) })
  const fit: ReadonlyArray<readonly [string, Schema.Schema<any, any>]> = [
    ["a date as text", Schema.Date],
    ["a bigint as text", Schema.BigInt],
    ["anything", Schema.Unknown],
    ["what may be left out", Schema.Struct({ at: Schema.optional(Schema.DateFromSelf) })],
    ["an element that may be left out", Schema.Tuple(Schema.String, Schema.optionalElement(Schema.DateFromSelf))],
    ["a union with a member that can be", Schema.Union(Schema.DateFromSelf, Schema.String)],
    ["what its author declares", Schema.declare((value): value is { readonly a: 1 } => value !== undefined)],
    ["nothing", Schema.Void],
    ["a tree", Tree],
    ["a class", class A extends Schema.Class<A>("A")({ a: Schema.NumberFromString }) {}]
  ]
  for (const [name, schema] of fit) it(`but not ${name}`, () => expect(problemOf(schema)).toEqual([]))
})

describe("build() refuses a name", () => {
  it("that is too long or no text, in a sentence of its own", () => {
    const long = "a".repeat(801)
    const problems = problemsOf(() => Saga.make("Pay").readOnly(long as "a", { action: () => Effect.void }).build())
    expect(problems).toEqual([
      `step "${
        "a".repeat(59)
      }… cannot have this name: it must be well-formed text of at most 800 characters, without U+0000, ` +
      "or it could not be stored"
    ])
    const lone = problemsOf(() => Saga.make("Pay").readOnly("a\ud800", { action: () => Effect.void }).build())
    expect(lone).toEqual([
      `step "a\\ud800" cannot have this name: it must be well-formed text of at most 800 characters, without U+0000, or it could ` +
      "not be stored"
    ])
  })
})

it("a saga that is nested a thousand deep is built in a moment, and its innermost step has its whole path", () => {
  let nested: Saga.Saga<void, unknown, never, never> = Saga.make("S0").readOnly("look", {
    action: () => Effect.succeed("found")
  }).build() as never
  for (let depth = 1; depth <= 1000; depth++) {
    nested = Saga.make(`S${depth}`).saga("n", nested, { input: () => undefined }).build() as never
  }
  expect(nested.steps).toEqual([{ name: `${"n/".repeat(1000)}look`, classification: "ReadOnly" }])
})
