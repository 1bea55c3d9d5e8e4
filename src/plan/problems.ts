/** What a plan can fail with besides its tools. `Plan` gives these to users. */
import { Data, Schema } from "effect"
import type { Rule } from "../definition/rules.ts"

/**
 * What can be wrong with a plan.
 *
 * - `Malformed`: it is not the JSON document that a plan is
 * - `UnknownTool`, `InvalidArguments`: a call that the `ToolExecutor` would refuse
 * - `UnresolvedReference`: a reference to what is not there, or not yet
 * - `NotReadOnly`: a ReadOnly step, or a `verify`, whose tool does not say that it only reads
 * - `InvalidVerify`, `UnusedVerify`: a `verify` that cannot answer, or is never asked
 * - `MissingInDoubt`, `MissingRetry`: a policy that a run of it needs
 * - the others are the rules of every saga
 */
export type ProblemTag =
  | Rule
  | "Malformed"
  | "UnknownTool"
  | "InvalidArguments"
  | "UnresolvedReference"
  | "NotReadOnly"
  | "InvalidVerify"
  | "UnusedVerify"
  | "MissingInDoubt"
  | "MissingRetry"

/** One thing that is wrong with a plan. Plain JSON, fit to be handed back to the model that wrote it. */
export interface Problem {
  readonly _tag: ProblemTag
  /** Where in the document, as a JSON Pointer (RFC 6901); empty for the plan as a whole. */
  readonly at: string
  readonly message: string
}

/**
 * This is no plan that can be run: `problems` names everything that is wrong with it, ordered by place. Nothing was
 * run. Whoever wrote the plan must act.
 */
export class InvalidPlan extends Data.TaggedError("InvalidPlan")<{ readonly problems: ReadonlyArray<Problem> }> {
  override get message() {
    return `this plan cannot be run: ${
      this.problems.map(({ at, message }) => at === "" ? message : `${at}: ${message}`).join("; ")
    }`
  }
}

/**
 * A reference in a step's arguments found nothing in what an earlier step returned, so that its tool was not called. Whoever
 * wrote the plan must act.
 */
export class UnresolvedReference extends Schema.TaggedError<UnresolvedReference>("effect-saga/UnresolvedReference")(
  "UnresolvedReference",
  { step: Schema.String, reference: Schema.String }
) {
  override get message() {
    return `step "${this.step}" refers to ${JSON.stringify(this.reference)}, and nothing is there`
  }
}
