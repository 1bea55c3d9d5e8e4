/**
 * The frozen tree that every back end reads. The builder makes it, and nothing else knows how a saga was written.
 */
import type { Effect, Option, Schema } from "effect"
import type { Classification } from "../Journal.ts"
import { InvalidSaga } from "../SagaError.ts"
import type { ActionContext, CompensationContext, InDoubtPolicy, RetryPolicy } from "../Step.ts"
import * as Message from "./messages.ts"

// The builder has checked these types; from here on a step's values are opaque, so `any` stands for "whatever the step says".
type Opaque = any

export interface StepNode {
  readonly _tag: "Step"
  readonly name: string
  /** The name as a part of an idempotency key. */
  readonly key: string
  readonly classification: Classification
  readonly action: (context: ActionContext<Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>
  readonly compensate?:
    | ((context: CompensationContext<Opaque, Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>)
    | undefined
  readonly success?: Schema.Schema<Opaque, Opaque> | undefined
  readonly error?: Schema.Schema<Opaque, Opaque> | undefined
  readonly retry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly compensationRetry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly inDoubt?: InDoubtPolicy | undefined
  readonly verify?:
    | ((context: ActionContext<Opaque, Opaque>) => Effect.Effect<Option.Option<unknown>, unknown, Opaque>)
    | undefined
}

/** What the builder says of a step. */
export type StepDefinition = Omit<StepNode, "_tag" | "key">

/** What the builder says of a saga. */
export interface Definition extends Omit<Program, "fingerprint" | "steps"> {
  readonly steps: ReadonlyArray<StepDefinition>
}

/** What to do when a compensation fails for good: undo the older steps all the same, or leave them. */
export type OnCompensationFailure = "continue" | "stop"

export interface Program {
  readonly name: string
  readonly version: number
  readonly input: Schema.Schema<Opaque, Opaque> | undefined
  readonly onCompensationFailure: OnCompensationFailure
  readonly steps: ReadonlyArray<StepNode>
  readonly project: (context: { readonly input: Opaque; readonly outputs: Opaque }) => unknown
  /** Tells definitions apart, and is readable, so that a difference can be named. */
  readonly fingerprint: string
}

const problemsOf = (program: Definition): Array<string> => {
  const problems: Array<string> = []
  if (program.name === "") problems.push(Message.emptySagaName)
  if (!Number.isSafeInteger(program.version) || program.version < 1) {
    problems.push(Message.invalidVersion(program.version))
  }
  if (program.steps.length === 0) problems.push(Message.noSteps)
  const names = new Set<string>()
  let final: string | undefined
  for (const step of program.steps) {
    if (step.name === "") problems.push(Message.emptyStepName)
    if (step.name.includes("/") || step.name === "__proto__") problems.push(Message.reservedStepName(step.name))
    if (names.has(step.name)) problems.push(Message.duplicateStep(step.name))
    names.add(step.name)
    if (step.classification === "Final") final ??= step.name
    else if (final !== undefined) problems.push(Message.stepAfterFinal(step.name, step.classification, final))
    if (step.classification === "Compensatable" && step.compensate === undefined) {
      problems.push(Message.missingCompensation(step.name))
    }
    if (step.inDoubt === "verify" && step.verify === undefined) problems.push(Message.missingVerify(step.name))
    for (const retry of [step.retry, step.compensationRetry]) {
      if (retry !== undefined && retry.times === undefined && retry.schedule === undefined) {
        problems.push(Message.endlessRetry(step.name))
      }
    }
  }
  return problems
}

const fingerprintOf = (steps: ReadonlyArray<StepDefinition>): string =>
  JSON.stringify(steps.map((step) => [step.name, step.classification]))

/** Checks the rules that hold for every saga, however it was written, and freezes it. Throws `InvalidSaga`. */
export const make = (definition: Definition): Program => {
  const problems = problemsOf(definition)
  if (problems.length > 0) throw new InvalidSaga({ saga: definition.name, problems })
  const steps = definition.steps.map((step): StepNode =>
    Object.freeze({ ...step, _tag: "Step", key: encodeURIComponent(step.name) })
  )
  return Object.freeze({ ...definition, steps: Object.freeze(steps), fingerprint: fingerprintOf(definition.steps) })
}

/** Says where a stored definition and this one part, or nothing where they are the same. */
export const difference = (
  program: Program,
  stored: { readonly version: number; readonly fingerprint: string }
): string | undefined => {
  if (stored.version !== program.version) {
    return `it has version ${stored.version}, this definition has version ${program.version}`
  }
  if (stored.fingerprint === program.fingerprint) return undefined
  const before = describeSteps(stored.fingerprint)
  const now = describeSteps(program.fingerprint)
  const at = before.findIndex((step, index) => step !== now[index])
  if (at === -1) return `this definition has more steps: ${now.slice(before.length).join(", ")}`
  return `step ${at + 1} was ${before[at]} and is ${now[at] ?? "gone"}`
}

const describeSteps = (fingerprint: string): ReadonlyArray<string> => {
  try {
    return (JSON.parse(fingerprint) as Array<[string, string]>).map(([name, classification]) =>
      `${classification} "${name}"`
    )
  } catch {
    return [fingerprint]
  }
}
