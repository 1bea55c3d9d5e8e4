/** Makes of a plan's steps what the builder makes of those that are written in code: calls of the `ToolExecutor`. */
import { Duration, Effect, Option, Schedule, Schema } from "effect"
import type { StepDefinition } from "../definition/definition.ts"
import type { ActionContext, CompensationContext, RetryPolicy } from "../definition/Step.ts"
import { OutcomeUnknown } from "../SagaError.ts"
import { copied } from "../values/json.ts"
import type * as Document from "./document.ts"
import { UnresolvedReference } from "./problems.ts"
import { lookUp, substitute } from "./reference.ts"
import { InvalidArguments, type Role, type Service, ToolExecutor, ToolFailed, UnknownTool } from "./ToolExecutor.ts"

/** How a step's errors are stored. */
const Failure = Schema.Union(ToolFailed, UnknownTool, InvalidArguments, UnresolvedReference, OutcomeUnknown)

/** What `verify` has to return. */
const Answer = Schema.Union(
  Schema.Struct({ happened: Schema.Literal(true), output: Schema.Unknown }),
  Schema.Struct({ happened: Schema.Literal(false) })
)

/** A step that is well-formed; whether it keeps the rules is checked afterwards. */
export type Step = typeof Document.Part.Step[keyof typeof Document.Part.Step]["Type"]

/** What a call is for; the name of the step's member, too. */
export type { Role }

/** A call of a step. */
export interface StepCall {
  readonly role: Role
  readonly call: Document.Call
}

export const roles = ["action", "compensation", "verify"] as const

export const callsOf = (step: Step): ReadonlyArray<StepCall> =>
  roles.flatMap((role) => {
    const call = (step as { readonly [Member in Role]?: Document.Call })[role]
    return call === undefined ? [] : [{ role, call }]
  })

/** What a step of a plan says, and what its tool says where the step does not. */
export const inDoubtOf = (step: Step, tools: Pick<Service, "describe">) =>
  step.classification === "ReadOnly" ? undefined : step.inDoubt ?? tools.describe(step.action.tool)?.inDoubt

export const stepOf = (step: Step, tools: Pick<Service, "describe">): StepDefinition => {
  const { action, classification, name, retry, timeout } = step
  const policies = {
    _tag: "Step" as const,
    name,
    classification,
    success: Schema.Unknown,
    error: Failure,
    timeout: durationOf(timeout),
    action: (context: ActionContext<unknown, unknown>) => call(step, action, "action", context),
    // These come without a call, and so say nothing about the one before.
    isAnswer: (error: unknown) =>
      !(error instanceof UnknownTool || error instanceof InvalidArguments || error instanceof UnresolvedReference)
  }
  if (step.classification === "ReadOnly") {
    return {
      ...policies,
      retry: retryOf(retry),
      // Without a side effect there is nothing to be in doubt about.
      action: (context) =>
        Effect.catchTag(
          call(step, action, "action", context),
          "OutcomeUnknown",
          ({ _tag: tag, reason }) => Effect.fail(new ToolFailed({ tool: action.tool, tag, reason }))
        )
    }
  }
  const { verify } = step
  const inDoubt = inDoubtOf(step, tools)
  const withSideEffect = {
    ...policies,
    // A tool may end with OutcomeUnknown whatever the plan says, and without any policy that would count as a failure.
    retry: retryOf(retry) ?? (inDoubt === undefined ? { times: 0 } : undefined),
    inDoubt,
    verify: verify &&
      ((context: ActionContext<unknown, unknown>) =>
        Effect.flatMap(call(step, verify, "verify", context), (answer) =>
          Effect.map(
            Schema.decodeUnknown(Answer, { exact: true })(answer),
            (answer) => answer.happened ? Option.some(answer.output) : Option.none()
          )))
  }
  if (step.classification === "Final") return withSideEffect
  const { compensation, compensationRetry, compensationTimeout } = step
  return {
    ...withSideEffect,
    compensate: compensation &&
      ((context: CompensationContext<unknown, unknown, unknown>) => call(step, compensation, "compensation", context)),
    compensationRetry: retryOf(compensationRetry),
    compensationTimeout: durationOf(compensationTimeout)
  }
}

const durationOf = (text: string | undefined) =>
  text === undefined ? undefined : Duration.decode(text as Duration.DurationInput)

export const retryOf = (retry: Document.Retry | undefined): RetryPolicy<unknown, number, never> | undefined => {
  if (retry === undefined) return undefined
  const { delay, factor, maxDelay, times } = retry
  const first = durationOf(delay)
  const longest = durationOf(maxDelay)
  // A pause of no length is none.
  const pauses = [first, longest ?? first].every((pause) => pause !== undefined && Duration.toMillis(pause) > 0)
  const growing: Schedule.Schedule<unknown> | undefined = first === undefined || !pauses
    ? undefined
    : factor === undefined
    ? Schedule.spaced(first)
    : Schedule.exponential(first, factor)
  const schedule = growing && (longest === undefined
    ? growing
    : Schedule.modifyDelay(growing, (_, delay) => Duration.min(delay, longest)))
  return {
    ...times === undefined ? undefined : { times },
    ...schedule === undefined ? undefined : { schedule }
  }
}

/** Calls a tool with its references resolved; where one finds nothing, it does not. */
const call = (
  { name }: Step,
  { arguments: template, tool }: Document.Call,
  role: Role,
  context: ActionContext<unknown, unknown> | CompensationContext<unknown, unknown, unknown>
): Effect.Effect<unknown, typeof Failure.Type, ToolExecutor> =>
  Effect.flatMap(ToolExecutor, ({ execute }): Effect.Effect<unknown, typeof Failure.Type> => {
    const { attempt, executionId, idempotencyKey, input, outputs } = context
    const missing: Array<string> = []
    const find = ([root, ...path]: ReadonlyArray<string>): Option.Option<unknown> => {
      if (root === "input") return lookUp(input, path)
      // Only a compensation sees its own step's output.
      return "output" in context && path[0] === name
        ? lookUp(context.output, path.slice(1))
        : lookUp(outputs, path)
    }
    const resolved = substitute(template, (tokens, pointer) => {
      const found = find(tokens)
      if (Option.isNone(found)) missing.push(pointer)
      return found
    })
    const [reference] = missing
    return reference === undefined
      ? execute({
        tool,
        // A copy: what a tool does to it must not change what later calls are given.
        arguments: copied(resolved),
        role,
        step: name,
        executionId,
        idempotencyKey,
        actionIdempotencyKey: "output" in context ? context.actionIdempotencyKey : idempotencyKey,
        attempt
      })
      : Effect.fail(new UnresolvedReference({ step: name, reference }))
  })
