/**
 * The JSON document of a plan: its schemas. `Plan` gives them to users.
 */
import { Duration, Schema } from "effect"
import { Classification } from "../Journal.ts"

/** A time in words: `"100 millis"`, `"5 seconds"`, `"1.5 hours"`. */
export const DurationText = Schema.String.pipe(
  Schema.pattern(/^\d+(\.\d+)? (millis|seconds?|minutes?|hours?|days?)$/, {
    message: () => "is not a time such as \"5 seconds\"",
    description: "A time, such as \"100 millis\", \"5 seconds\" or \"1 minute\"; at most 24 days.",
    examples: ["5 seconds"]
  })
)

export const millisOf = (text: string): number => Duration.toMillis(Duration.decode(text as Duration.DurationInput))

const optionalKey = <A, I>(schema: Schema.Schema<A, I>, description?: string) =>
  Schema.optionalWith(description === undefined ? schema : schema.annotations({ description }), { exact: true })

const saying = (message: string) => ({ message: () => ({ message, override: true }) })

const wholeNumber = (minimum: number) =>
  Schema.Number.pipe(Schema.int(), Schema.greaterThanOrEqualTo(minimum)).annotations(
    saying(`must be a whole number of at least ${minimum}`)
  )

const oneOf = <const Words extends readonly [string, string, ...ReadonlyArray<string>]>(...words: Words) => {
  const [last, ...others] = words.map((word) => JSON.stringify(word)).reverse()
  return Schema.Literal(...words).annotations(saying(`must be ${others.reverse().join(", ")} or ${last}`))
}

const Text = Schema.String.annotations(saying("must be a string"))

/** A call of a tool. */
export const Call = Schema.Struct({
  tool: Schema.NonEmptyString.annotations({ description: "The name of the tool." }),
  arguments: Schema.Unknown.annotations({
    jsonSchema: {},
    description:
      "What the tool is given, as JSON. In the place of any value may stand {\"$ref\": \"/input/...\"} for a part of the " +
      "plan's input, or {\"$ref\": \"/outputs/<step>/...\"} for a part of what an earlier step returned: a JSON Pointer. A " +
      "compensation may also refer to what its own step returned. {\"$literal\": ...} stands for its member as it is."
  })
}).annotations({ identifier: "Call", description: "A tool, and what it is given." })
export type Call = typeof Call.Type

/** When to call again what failed: at most `times` more, with a pause that begins with `delay` and grows by `factor`. */
export const Retry = Schema.Struct({
  times: optionalKey(
    wholeNumber(0),
    "How many more calls after the first; without it as many as the host of plans allows."
  ),
  delay: optionalKey(
    DurationText,
    "The pause before the next call; without it the shortest that the host of plans allows."
  ),
  factor: optionalKey(
    Schema.Number.pipe(Schema.greaterThanOrEqualTo(1)).annotations(saying("must be a number of at least 1")),
    "By how much the pause grows each time; without it, not at all."
  ),
  maxDelay: optionalKey(DurationText, "The longest pause.")
}).annotations({
  identifier: "Retry",
  description: "When to call again what failed. Of times and delay at least one must be there."
})
export type Retry = typeof Retry.Type

const forEach = {
  name: Text.annotations({ description: "Names the step; no other step of the plan has this name." }),
  action: Call,
  retry: optionalKey(Retry),
  timeout: optionalKey(DurationText, "Cuts off each attempt after this time.")
}

const withSideEffect = {
  inDoubt: optionalKey(
    oneOf("retry", "verify", "park"),
    "What to do when nobody knows whether the action happened, after a crash or a lost reply. retry: call it again under the " +
      "same idempotency key; verify: ask the tool in verify, which returns {\"happened\": true, \"output\": ...} or " +
      "{\"happened\": false}; park: wait for a person."
  ),
  /** Asks whether the action happened: a tool that returns `{"happened": true, "output": ...}` or `{"happened": false}`. */
  verify: optionalKey(Call)
}

const compensating = {
  compensationRetry: optionalKey(Retry),
  compensationTimeout: optionalKey(DurationText, "Cuts off each attempt at the compensation after this time.")
}

/** A step without a side effect. */
export const ReadOnlyStep = Schema.Struct({
  classification: Schema.Literal("ReadOnly"),
  ...forEach
}).annotations({ identifier: "ReadOnlyStep", description: "A step without a side effect." })
export type ReadOnlyStep = typeof ReadOnlyStep.Type

/** A step with a side effect that its compensation reverses. */
export const CompensatableStep = Schema.Struct({
  classification: Schema.Literal("Compensatable"),
  ...forEach,
  compensation: Call,
  ...withSideEffect,
  ...compensating
}).annotations({
  identifier: "CompensatableStep",
  description: "A step with a side effect that its compensation reverses, when a later step fails."
})
export type CompensatableStep = typeof CompensatableStep.Type

/** A step with a side effect that nothing reverses. Only Final steps may follow it. */
export const FinalStep = Schema.Struct({
  classification: Schema.Literal("Final"),
  ...forEach,
  ...withSideEffect
}).annotations({
  identifier: "FinalStep",
  description: "A step with a side effect that nothing reverses. Only Final steps may follow it."
})
export type FinalStep = typeof FinalStep.Type

export const Step = Schema.Union(ReadOnlyStep, CompensatableStep, FinalStep)
export type Step = typeof Step.Type

const parallelOptions = {
  concurrency: optionalKey(wholeNumber(1), "How many of them run at a time; without it all do."),
  unwind: optionalKey(
    oneOf("sequential", "parallel"),
    "Whether they are undone one by one, as without it, or at the same time."
  )
}

/** Steps that run at the same time. None may be Final, and none sees what another returned. */
export const Parallel = Schema.Struct({
  parallel: Schema.NonEmptyArray(Schema.Union(ReadOnlyStep, CompensatableStep)),
  ...parallelOptions
}).annotations({
  identifier: "Parallel",
  description: "Steps that run at the same time. None may be Final, and none sees what another returned."
})
export type Parallel = typeof Parallel.Type

const header = {
  name: Text.annotations({ description: "Names the plan." }),
  version: optionalKey(wholeNumber(1), "Tells plans of one name apart; 1 without it."),
  description: optionalKey(Text, "What the plan is for."),
  onCompensationFailure: optionalKey(
    oneOf("continue", "stop"),
    "When a compensation fails for good: whether the older steps are undone all the same, as without it, or left as they are."
  )
}

/** A plan, as JSON. */
export const Document = Schema.Struct({
  ...header,
  steps: Schema.NonEmptyArray(Schema.Union(ReadOnlyStep, CompensatableStep, FinalStep, Parallel)).annotations({
    description:
      "What the plan does, in this order. When a step fails, the Compensatable ones before it are undone, newest first."
  })
}).annotations({
  identifier: "Plan",
  title: "Plan",
  description:
    "A sequence of tool calls that is undone, newest first, when one of them fails before the first Final step is done."
})
export type Document = typeof Document.Type

/** @internal Schemas of the parts of a document, laxer than the whole: the rules report the rest. */
export const Part = {
  Header: Schema.Struct({ ...header, version: optionalKey(Schema.Number), steps: Schema.Array(Schema.Unknown) }),
  Block: Schema.Struct({
    parallel: Schema.Array(Schema.Unknown),
    ...parallelOptions,
    // A rule checks the number.
    concurrency: optionalKey(Schema.Number)
  }),
  Classified: Schema.Struct({
    classification: Classification.annotations(
      saying("must be \"ReadOnly\", \"Compensatable\" or \"Final\"")
    )
  }),
  Step: {
    ReadOnly: ReadOnlyStep,
    Compensatable: Schema.Struct({
      ...CompensatableStep.fields,
      compensation: Schema.optionalWith(Call, { exact: true })
    }),
    Final: FinalStep
  }
} as const
