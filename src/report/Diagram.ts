/**
 * Pictures of a saga, and of one execution of it, as text that other programs draw.
 *
 * Both formats show the same: a box for each step with its name and classification, from top to bottom; a group for each parallel
 * block, each nested saga and each list; the point of no return as a line before the first Final; and the way back, dashed: an arrow from each
 * step that has a compensation to the step that is undone after it. A picture is made from the definition alone, or from the
 * definition and a record of one execution: nothing runs.
 */
import type { Any } from "../definition/built.ts"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { isOfList, nodeAt, withoutKeys } from "../definition/lists.ts"
import { programOf } from "../definition/saga.ts"
import type { ExecutionState } from "../Journal.ts"
import { OtherSaga } from "../SagaError.ts"
import { toDot } from "./diagram/dot.ts"
import { graphOf } from "./diagram/graph.ts"
import { toMermaid } from "./diagram/mermaid.ts"
import { recordedOf } from "./fromRun.ts"
import type * as SagaReport from "./SagaReport.ts"

/**
 * A record of one execution: the report of a run, the report of a stored execution (`Saga.inspect`), either of them as JSON, or the
 * fold of a journal.
 */
export type Recording =
  | SagaReport.SagaReport<any, any>
  | SagaReport.Recorded
  | SagaReport.Json
  | ExecutionState

/**
 * A saga as a Mermaid flowchart. GitHub draws it in a Markdown fence of the language `mermaid`.
 *
 * With a record each step has the colour and the words of its status: done, failed, in doubt, skipped, not started, undone, undo
 * failed, undo not tried; with how long it took, and the number of attempts if there were several. A record of another saga, or of
 * this one with other steps, throws `OtherSaga`: no step of it is left out in silence.
 *
 * A step of a list has one box for all items, which counts how many of them have which status.
 *
 * Names may be any text. Control characters are drawn as their pictures (`␊`). Mermaid refuses more than 500 arrows or 50,000
 * characters unless it is configured otherwise: that is about 200 steps.
 *
 * @example
 * ```ts prelude=trip
 * const report = await Effect.runPromise(Saga.report(trip, { card: "full" }))
 * console.log(Diagram.mermaid(trip).split("\n", 1)[0]) // the definition alone
 * console.log(Diagram.mermaid(trip, report).split("\n", 1)[0]) // coloured by what happened
 * // => flowchart TB
 * // => flowchart TB
 * ```
 */
export const mermaid = (saga: Any, record?: Recording): string => toMermaid(graph(saga, record))

/** The same picture as {@link mermaid}, in the language of Graphviz: `dot -Tsvg` draws it. */
export const dot = (saga: Any, record?: Recording): string => toDot(graph(saga, record))

const graph = (saga: Any, record: Recording | undefined) => {
  const program = programOf(saga)
  return graphOf(program, record === undefined ? undefined : reportOf(program, record))
}

const reportOf = (program: Program, record: Recording): Exclude<Recording, ExecutionState> => {
  const problem = record.saga === program.name
    ? "fingerprint" in record ? otherState(program, record) : otherReport(program, record)
    : `it is of saga "${record.saga}"`
  if (problem !== undefined) throw new OtherSaga({ saga: program.name, difference: problem })
  return "fingerprint" in record ? recordedOf(program, "", record) : record
}

const otherState = (program: Program, state: ExecutionState): string | undefined => {
  const unknown = Array.from(state.steps.keys()).find((path) => nodeAt(program, path)?._tag !== "Step")
  return difference(program, state) ?? (unknown === undefined ? undefined : `it has a step "${unknown}"`)
}

const otherReport = (
  program: Program,
  report: Exclude<Recording, ExecutionState>
): string | undefined => {
  const { steps, version } = program
  if (report.version !== version) return `it has version ${report.version}, this definition has version ${version}`
  const nameOf = withoutKeys(program)
  const isOfItem = isOfList(program)
  const entryOf = ({ classification, step }: Pick<SagaReport.StepReport, "classification" | "step">) =>
    `${classification} "${nameOf(step)}"`
  const known = new Set(steps.map(({ classification, path }) => entryOf({ classification, step: path })))
  // A list may have no items, or never have come to be, and its items may have skipped different steps: so these have no order.
  const unknownOfItem = report.steps.find((step) => isOfItem(step.step) && !known.has(entryOf(step)))
  if (unknownOfItem !== undefined) return `it has a step "${unknownOfItem.step}"`
  const before = report.steps.filter(({ step }) => !isOfItem(step)).map(entryOf)
  const now = steps.filter(({ path }) => !isOfItem(path)).map(({ classification, path }) =>
    `${classification} "${path}"`
  )
  const at = (before.length < now.length ? now : before).findIndex((_, index) => before[index] !== now[index])
  if (at !== -1) {
    const which = program.hasLists ? `step ${at + 1}, not counting those of lists,` : `step ${at + 1}`
    return `${which} was ${before[at] ?? "not there"} and is ${now[at] ?? "gone"}`
  }
  const unknown = report.compensations.find(({ step }) =>
    !known.has(entryOf({ classification: "Compensatable", step }))
  )
  return unknown === undefined ? undefined : `it has a compensation of "${unknown.step}"`
}
