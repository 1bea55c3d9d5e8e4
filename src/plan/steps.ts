/** Turns the steps of a plan into step definitions that call the `ToolExecutor`. */
import { Effect, Option, Schema } from "effect"
import type { StepDefinition } from "../definition/definition.ts"
import type { ActionContext, CompensationContext, InDoubtPolicy } from "../definition/Step.ts"
import { OutcomeUnknown } from "../SagaError.ts"
import { copied } from "../values/json.ts"
import * as schemas from "../values/schema.ts"
import type * as Document from "./document.ts"
import { limitsOf, settledInDoubt, type Tools } from "./limits.ts"
import { UnresolvedReference } from "./problems.ts"
import { resolve } from "./reference.ts"
import { storable } from "./results.ts"
import { retryOf, timeoutOf } from "./retry.ts"
import { InvalidArguments, type Role, ToolExecutor, ToolFailed, UnknownTool } from "./ToolExecutor.ts"

/** The schema by which a step's errors are stored. */
const Failure = Schema.Union(ToolFailed, UnknownTool, InvalidArguments, UnresolvedReference, OutcomeUnknown)

/** The answer that `verify` has to return. */
const Answer = Schema.Union(
  Schema.Struct({ happened: Schema.Literal(true), output: Schema.Unknown }),
  Schema.Struct({ happened: Schema.Literal(false) })
)

/** A step that is well-formed. Whether it keeps the rules is checked afterwards. */
export type Step = typeof Document.Part.Step[keyof typeof Document.Part.Step]["Type"]

/** The role of a call, and the name of the step's member that has it. */
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

/** Whether a text is a policy for doubts. */
export const isPolicy = (text: string | undefined): text is InDoubtPolicy =>
  text === "retry" || text === "verify" || text === "park"

/** How a doubt about a step is settled. */
const inDoubtOf = (step: Exclude<Step, Document.ReadOnlyStep>, tools: Tools): InDoubtPolicy | undefined =>
  settledInDoubt(tools.describe(step.action.tool)?.inDoubt, step.inDoubt)

export const stepOf = (step: Step, tools: Tools): StepDefinition => {
  switch (step.classification) {
    case "ReadOnly":
      return { ...policiesOf(step, tools), action: (context) => readOnlyCall(step, context) }
    case "Compensatable": {
      const { compensation, compensationRetry, compensationTimeout } = step
      const limits = limitsOf(tools, compensation?.tool ?? "")
      return {
        ...policiesOf(step, tools),
        ...doubtOf(step, tools),
        compensate: compensation && ((context) => call(step, compensation, "compensation", context)),
        compensationRetry: retryOf(compensationRetry, limits),
        compensationTimeout: timeoutOf(compensationTimeout, limits)
      }
    }
    case "Final":
      return { ...policiesOf(step, tools), ...doubtOf(step, tools) }
  }
}

const policiesOf = (step: Step, tools: Tools) => {
  const { action, classification, name } = step
  const limits = limitsOf(tools, action.tool)
  return {
    _tag: "Step" as const,
    name,
    classification,
    success: Schema.Unknown,
    error: Failure,
    timeout: timeoutOf(step.timeout, limits),
    retry: retryOf(step.retry, limits),
    action: (context: ActionContext<unknown, unknown>) => call(step, action, "action", context),
    // These errors come before the call, so they say nothing about an earlier call under the key.
    isAnswer: (error: unknown) => !isBeforeCall(error)
  }
}

const beforeCall = [Schema.is(UnknownTool), Schema.is(InvalidArguments), Schema.is(UnresolvedReference)]

const isBeforeCall = (error: unknown): boolean => beforeCall.some((is) => is(error))

/** Without a side effect there is nothing to be in doubt about: then the call has failed. */
const readOnlyCall = (step: Document.ReadOnlyStep, context: ActionContext<unknown, unknown>) =>
  Effect.catchTag(
    call(step, step.action, "action", context),
    "OutcomeUnknown",
    ({ _tag: tag, reason }) => Effect.fail(new ToolFailed({ tool: step.action.tool, tag, reason }))
  )

const doubtOf = (step: Exclude<Step, Document.ReadOnlyStep>, tools: Tools) => {
  const { verify } = step
  const inDoubt = inDoubtOf(step, tools)
  return {
    inDoubt,
    // A tool may end with OutcomeUnknown whatever the plan says, and without any policy that would count as a failure.
    ...step.retry === undefined && inDoubt === undefined ? { retry: { times: 0 } } : {},
    verify: verify &&
      ((context: ActionContext<unknown, unknown>) =>
        Effect.flatMap(call(step, verify, "verify", context), (answer) =>
          Effect.map(
            schemas.decodeStored(Answer, answer),
            (answer: typeof Answer.Type) => answer.happened ? Option.some(answer.output) : Option.none()
          )))
  }
}

/** Calls a tool with its references resolved; fails before the call where one finds nothing. */
const call = (
  { name }: Step,
  { arguments: template, tool }: Document.Call,
  role: Role,
  context: ActionContext<unknown, unknown> | CompensationContext<unknown, unknown, unknown>
): Effect.Effect<unknown, typeof Failure.Type, ToolExecutor> =>
  Effect.flatMap(ToolExecutor, ({ execute }): Effect.Effect<unknown, typeof Failure.Type> => {
    const { attempt, executionId, idempotencyKey } = context
    const { missing, resolved } = resolve(name, template, context)
    if (missing !== undefined) return Effect.fail(new UnresolvedReference({ step: name, reference: missing }))
    const toCall = {
      tool,
      // A copy: what a tool does to it must not change what later calls are given.
      arguments: copied(resolved),
      role,
      step: name,
      executionId,
      idempotencyKey,
      actionIdempotencyKey: "output" in context ? context.actionIdempotencyKey : idempotencyKey,
      attempt
    }
    return Effect.flatMap(execute(toCall), (result) => storable(toCall, result))
  })
