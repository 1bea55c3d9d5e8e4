/** The steps of lists in a picture: one box for a step of every item, with counts in the place of its status. */
import type { Program } from "../../definition/definition.ts"
import { withoutKeys } from "../../definition/lists.ts"
import type { CompensationReport, StepReport } from "../SagaReport.ts"
import { type Kind, signs } from "../words.ts"
import type { Drawn } from "./drawn.ts"

/** How many of an item's steps, or of their compensations, have which status. */
export type Counts<Status> = ReadonlyMap<Status, number>

/** The status that a box shows: the first one that an item has. */
const stepStatuses: ReadonlyArray<StepReport["status"]> = [
  "Failed",
  "InDoubt",
  "Started",
  "Succeeded",
  "Skipped",
  "NotStarted"
]
const compensationStatuses: ReadonlyArray<CompensationReport["status"]> = ["Failed", "Started", "NotTried", "Undone"]

/** The report with one entry for each step of a list, which counts its items. */
export const countItems = (program: Program, report: Drawn): Drawn => {
  if (!program.hasLists) return report
  const nameOf = withoutKeys(program)
  return {
    ...report,
    steps: counted(report.steps, nameOf, stepStatuses),
    compensations: counted(report.compensations, nameOf, compensationStatuses)
  }
}

interface Entry<Status> {
  readonly step: string
  readonly status: Status
}

const counted = <Status, E extends Entry<Status>>(
  entries: ReadonlyArray<E>,
  nameOf: (path: string) => string,
  order: ReadonlyArray<Status>
): ReadonlyArray<E & { readonly counts?: Counts<Status> }> => {
  const all = new Map<string, { readonly first: E; readonly counts: Map<Status, number> }>()
  for (const entry of entries) {
    const step = nameOf(entry.step)
    const { counts } = all.get(step) ?? all.set(step, { first: entry, counts: new Map() }).get(step)!
    counts.set(entry.status, (counts.get(entry.status) ?? 0) + 1)
  }
  return Array.from(all, ([step, { counts, first }]) =>
    step === first.step ? first : {
      ...first,
      step,
      status: order.find((status) => counts.has(status)) ?? first.status,
      attempts: 1,
      duration: undefined,
      counts: new Map(order.flatMap((status) => counts.has(status) ? [[status, counts.get(status)!] as const] : []))
    })
}

/** The caption of a box of a list: a count for each status. */
export const countsInWords = <Status extends Kind>(
  counts: Counts<Status>,
  words: { readonly [K in Status]: string }
): string => Array.from(counts, ([status, count]) => `${signs[status].unicode} ${count} ${words[status]}`).join(", ")
