/** Explains a plan: as data, and as text. `Plan` gives these to users. */
import { Option } from "effect"
import type { Classification } from "../Journal.ts"
import { printable } from "../values/visible.ts"
import type { Call, CompensatableStep, Document, FinalStep, ReadOnlyStep } from "./document.ts"
import { lookUp, substitute } from "./reference.ts"

/** A call as it would be made. References that only a run can resolve are left in place. */
export interface ExplainedCall {
  readonly tool: string
  readonly arguments: unknown
}

/** A step's calls, and its policies as the plan has them; the limits of its tools and of the host hold besides. */
export interface ExplainedStep extends Pick<FinalStep, "inDoubt" | "retry" | "timeout"> {
  readonly name: string
  readonly classification: Classification
  readonly action: ExplainedCall
  /** Undefined where there is nothing to undo, or no way to. */
  readonly compensation: ExplainedCall | undefined
  /** The call that would ask whether the action happened, when nobody knows. */
  readonly verify: ExplainedCall | undefined
  /** The number of the parallel block that it stands in, counted from 1. */
  readonly block: number | undefined
}

/** The steps of a plan and its point of no return, for a program or a person who has to agree. */
export interface Explanation {
  readonly name: string
  readonly version: number
  readonly description: string | undefined
  readonly stepCount: number
  /** How many steps there are of each classification. */
  readonly counts: { readonly [Kind in Classification]: number }
  /** In declared order. */
  readonly steps: ReadonlyArray<ExplainedStep>
  /** The steps that would be undone if the last step before the point of no return failed, in the order of the undoing. */
  readonly undoOrder: ReadonlyArray<string>
  /** The step after which there is no way back; undefined if there always is one. */
  readonly pointOfNoReturn: string | undefined
}

/** Explains a document, with an input or with any. */
export const explain = (document: Document, input: Option.Option<unknown>): Explanation => {
  const explained = (call: Call): ExplainedCall => ({
    tool: call.tool,
    arguments: substitute(
      call.arguments,
      ([root, ...inside]) => root === "input" ? Option.flatMap(input, (input) => lookUp(input, inside)) : Option.none()
    )
  })
  let blocks = 0
  const steps = document.steps.flatMap((part) => {
    const block = "parallel" in part ? ++blocks : undefined
    const inside: ReadonlyArray<ReadOnlyStep | CompensatableStep | FinalStep> = "parallel" in part
      ? part.parallel
      : [part]
    return inside.map((step): ExplainedStep => {
      const { action, classification, name, retry, timeout } = step
      return {
        name,
        classification,
        action: explained(action),
        compensation: step.classification === "Compensatable" ? explained(step.compensation) : undefined,
        verify: step.classification === "ReadOnly" || step.verify === undefined ? undefined : explained(step.verify),
        block,
        ...step.classification === "ReadOnly" || step.inDoubt === undefined ? {} : { inDoubt: step.inDoubt },
        ...retry === undefined ? {} : { retry },
        ...timeout === undefined ? {} : { timeout }
      }
    })
  })
  const count = (kind: Classification) => steps.filter(({ classification }) => classification === kind).length
  const names = (kind: Classification) =>
    steps.flatMap(({ classification, name }) => classification === kind ? [name] : [])
  return {
    name: document.name,
    version: document.version ?? 1,
    description: document.description,
    stepCount: steps.length,
    counts: { ReadOnly: count("ReadOnly"), Compensatable: count("Compensatable"), Final: count("Final") },
    steps,
    undoOrder: names("Compensatable").reverse(),
    pointOfNoReturn: names("Final")[0]
  }
}

/**
 * An explanation as text of several lines, for a terminal or a person who has to agree. Names and descriptions are the plan's: control
 * characters in them are left out, so that they cannot forge a line.
 */
export const pretty = (explanation: Explanation): string => {
  const { counts, description, name, pointOfNoReturn, stepCount, steps, undoOrder, version } = explanation
  const kinds = Object.entries(counts).flatMap(([kind, number]) => number === 0 ? [] : [`${number} ${kind}`])
  const numbered = String(stepCount).length
  const longest = (texts: ReadonlyArray<string>) => Math.max(...texts.map(({ length }) => length))
  const names = longest(steps.map(({ name }) => printable(name)))
  const indent = " ".repeat(numbered + names + 4)
  const line = (step: ExplainedStep, index: number): ReadonlyArray<string> => {
    const { action, block, classification, compensation, inDoubt, name, retry, timeout, verify } = step
    const policies = [
      ...block === undefined ? [] : [`in parallel block ${block}`],
      ...timeout === undefined ? [] : [`for at most ${timeout}`],
      ...retry === undefined ? [] : [`retried ${JSON.stringify(retry)}`],
      ...inDoubt === undefined ? [] : [`in doubt: ${inDoubt}`]
    ]
    return [
      ...name === pointOfNoReturn
        ? [`${"─".repeat(numbered + 2)} the point of no return: what is done after it is not undone`]
        : [],
      `${String(index + 1).padStart(numbered)}. ${printable(name).padEnd(names)}  ${classification}: ${
        [called(action), ...policies].join(", ")
      }`,
      ...verify === undefined ? [] : [`${indent}asked by ${called(verify)}`],
      ...compensation === undefined ? [] : [`${indent}undone by ${called(compensation)}`]
    ]
  }
  return [
    `${printable(name)}, version ${version}: ${stepCount} ${stepCount === 1 ? "step" : "steps"} (${kinds.join(", ")})`,
    ...description === undefined ? [] : [printable(description)],
    ...steps.flatMap(line),
    undoOrder.length === 0
      ? "Nothing in it would be undone."
      : `If it fails before ${
        pointOfNoReturn === undefined ? "its end" : "the point of no return"
      }, what was done is undone, newest ` +
        `first: ${printable(undoOrder.join(", "))}.`
  ].join("\n")
}

const called = ({ arguments: given, tool }: ExplainedCall) => printable(`${tool} ${JSON.stringify(given)}`)
