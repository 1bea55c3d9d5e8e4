/** Compares a stored definition with this one. */
import { Schema } from "effect"
import { Classification, type ExecutionState } from "../Journal.ts"
import { canonical } from "../values/json.ts"
import { planEntry, type Program } from "./definition.ts"
import { anyKey } from "./lists.ts"
import { pathOfWait } from "./wait.ts"

/** The first difference between a stored definition and this one, as a sentence; undefined if there is none. */
export const difference = (
  program: Program,
  stored: { readonly version: number; readonly fingerprint: string; readonly plan: unknown }
): string | undefined => {
  if (stored.version !== program.version) {
    return `it has version ${stored.version}, this definition has version ${program.version}`
  }
  if ((stored.plan === undefined) !== (program.plan === undefined)) {
    return stored.plan === undefined
      ? "it was not started from a plan, and this definition is one"
      : "it was started from a plan, and this definition is not one"
  }
  if (stored.fingerprint === program.fingerprint) return differenceOfPlans(stored.plan, program.plan)
  const before = describeSteps(stored.fingerprint)
  const now = describeSteps(program.fingerprint)
  const at = before.findIndex((step, index) => step !== now[index])
  if (at === -1) return `this definition has more steps: ${now.slice(before.length).map(nameOf).join(", ")}`
  const [was, is] = [nameOf(before[at]), nameOf(now[at])]
  return was === is ? `the document of ${was} has changed` : `step ${at + 1} was ${was} and is ${is ?? "gone"}`
}

interface PlanDocument {
  readonly name: string
  readonly steps: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Names the step and the members that differ, never their values, which may be secret. */
const differenceOfPlans = (stored: unknown, plan: unknown): string | undefined => {
  if (stored === plan || canonical(stored) === canonical(plan)) return undefined
  const [before, now] = [stored as PlanDocument, plan as PlanDocument]
  const at = before.steps.findIndex((step, index) => canonical(step) !== canonical(now.steps[index]))
  const [was, is] = [before.steps[at], now.steps[at]]
  if (was === undefined || is === undefined) return "its plan differs outside its steps"
  const members = Array.from(new Set([...Object.keys(was), ...Object.keys(is)]))
    .filter((member) => canonical(was[member]) !== canonical(is[member]))
  return `step ${at + 1} of its plan has another ${members.join(", ")}`
}

/** An entry of a fingerprint as an error shows it: of a nested plan only its name. */
const nameOf = (step: string | undefined): string | undefined =>
  step?.startsWith(planEntry) === true
    ? `plan "${(JSON.parse(step.slice(planEntry.length)) as PlanDocument).name}"`
    : step

interface NamedStep {
  readonly path: string
  readonly classification: Classification
}

/**
 * The steps that a fingerprint names, in declared order, those of all items of these lists too. Enough for a report of an execution
 * whose definition is not at hand; what this release does not know as a step is left out.
 */
export const namedSteps = (fingerprint: string, lists: ExecutionState["lists"]): ReadonlyArray<NamedStep> =>
  stepsIn(describeSteps(fingerprint), lists)

const stepsIn = (entries: ReadonlyArray<string>, lists: ExecutionState["lists"]): ReadonlyArray<NamedStep> => {
  const steps: Array<NamedStep> = []
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at]!
    const list = /^for each "([^]*)"$/.exec(entry)?.[1]
    if (list === undefined) steps.push(...stepOf(entry))
    else {
      const begin = at + 1
      at = endOf(entries, at)
      for (const step of stepsOfItems(list, entries.slice(begin, at), lists)) steps.push(step)
    }
  }
  return steps
}

const stepsOfItems = (list: string, entries: ReadonlyArray<string>, lists: ExecutionState["lists"]) => {
  const items = lists.get(list)
  if (items === undefined) return stepsIn(entries, lists)
  const any = `"${list}/${anyKey}/`
  return items.flatMap(({ key }) =>
    stepsIn(entries.map((entry) => entry.replace(any, () => `"${list}/${key}/`)), lists)
  )
}

const stepOf = (entry: string): ReadonlyArray<NamedStep> => {
  const waits = pathOfWait(entry)
  if (waits !== undefined) return [{ path: waits, classification: "ReadOnly" }]
  const [, classification, path] = /^(\w+) "([^]*)"$/.exec(entry) ?? []
  return path !== undefined && isClassification(classification) ? [{ path, classification }] : []
}

const isClassification = Schema.is(Classification)

/** Where the block or the list ends that begins here. */
const endOf = (entries: ReadonlyArray<string>, begin: number): number => {
  let open = 0
  for (let at = begin; at < entries.length; at++) {
    if (entries[at] === "a parallel block" || entries[at]!.startsWith("for each ")) open++
    else if (entries[at] === "its end" && --open === 0) return at
  }
  return entries.length
}

const describeSteps = (fingerprint: string): ReadonlyArray<string> => {
  try {
    return JSON.parse(fingerprint) as ReadonlyArray<string>
  } catch {
    return [fingerprint]
  }
}
