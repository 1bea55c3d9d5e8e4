/** The errors of a plan besides those of its tools. `Plan` gives these to users. */
import { Data, Schema } from "effect"
import type { Rule } from "../definition/rules.ts"
import { visible } from "../values/visible.ts"

/**
 * The kinds of problems of a plan.
 *
 * - `Malformed`: it is not the JSON document that a plan is
 * - `UnknownTool`, `InvalidArguments`: a call that the `ToolExecutor` would refuse
 * - `UnresolvedReference`: a reference to what is not there, or not yet
 * - `NotReadOnly`: a ReadOnly step, or a `verify`, whose tool does not say that it only reads
 * - `WrongClassification`: a step that is Compensatable or Final, and its tool is something else by its owner's word
 * - `WrongCompensation`: a compensation by a tool that does not undo the other, by their owners' word
 * - `InvalidVerify`, `UnusedVerify`: a `verify` that cannot answer, or is never asked
 * - `MissingInDoubt`, `MissingRetry`: a policy that a run of it needs
 * - `BeyondLimit`: a policy that goes further than the owner of the tool, or the host of plans, allows
 * - the others are the rules of every saga
 */
export type ProblemTag =
  | Rule
  | "Malformed"
  | "UnknownTool"
  | "InvalidArguments"
  | "UnresolvedReference"
  | "NotReadOnly"
  | "WrongClassification"
  | "WrongCompensation"
  | "InvalidVerify"
  | "UnusedVerify"
  | "MissingInDoubt"
  | "MissingRetry"
  | "BeyondLimit"

/** One thing that is wrong with a plan. Plain JSON, fit to be handed back to the model that wrote it. */
export interface Problem {
  readonly _tag: ProblemTag
  /** The place in the document, as a JSON Pointer (RFC 6901); empty for the plan as a whole. */
  readonly at: string
  /** One line, of at most 500 characters. */
  readonly message: string
}

/**
 * The plan cannot be run: `problems` names what is wrong with it, ordered by place. There are at most 100, and `more` says how many
 * are left out. Nothing was run. The author of the plan must act.
 */
export class InvalidPlan extends Data.TaggedError("InvalidPlan")<{
  readonly problems: ReadonlyArray<Problem>
  readonly more: number
}> {
  override get message() {
    const problems = this.problems.map(({ at, message }) => at === "" ? message : `${at}: ${message}`)
    return visible(`this plan cannot be run: ${[...problems, ...moreIn(this.more)].join("; ")}`)
  }
}

/** The most problems that an error lists. */
export const mostProblems = 100

/** The end of a list of problems, if some are left out. */
export const moreIn = (count: number): ReadonlyArray<string> =>
  count === 0 ? [] : [`and ${count} more ${count === 1 ? "problem" : "problems"}`]

/** The first problems, and how many more there are. */
export const firstProblems = (problems: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...problems.slice(0, mostProblems).map(shortened),
  ...moreIn(Math.max(0, problems.length - mostProblems))
]

const longestMessage = 500

/** A sentence in one line, without its middle where it is too long: its end says why. */
export const shortened = (sentence: string): string => {
  if (sentence.length <= longestMessage) return visible(sentence)
  const half = longestMessage / 2 - 2
  return visible(`${sentence.slice(0, half)} … ${sentence.slice(-half)}`)
}

/**
 * A reference in a step's arguments found nothing in what an earlier step returned, so that its tool was not called. The author of
 * the plan must act.
 */
export class UnresolvedReference extends Schema.TaggedError<UnresolvedReference>("effect-saga/UnresolvedReference")(
  "UnresolvedReference",
  { step: Schema.String, reference: Schema.String }
) {
  override get message() {
    return shortened(`step "${this.step}" refers to ${JSON.stringify(this.reference)}, and nothing is there`)
  }
}
