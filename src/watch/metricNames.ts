/**
 * The names by which metrics know a saga and its steps. A model may write the names in a plan, so each plan would add series for
 * ever: every name from a plan counts as `(plan)`. The keys of a list's items are as many as its items: for each of them stands `(item)`.
 */
import type { ForEach, Nested, Program, StepNode, Wait } from "../definition/definition.ts"
import { anyKey, withoutKeys } from "../definition/lists.ts"

export interface MetricNames {
  readonly saga: string
  readonly step: (path: string) => string
  /** The name of a step in the name of its spans. Spans are no series, so steps of plans have theirs. */
  readonly span: (path: string) => string
}

const plan = "(plan)"

/** The paths of the nested sagas that are plans, each with a "/" after it. */
const plansIn = (node: StepNode | Wait | Nested | ForEach): ReadonlyArray<string> => {
  switch (node._tag) {
    case "Step":
    case "Wait":
      return []
    case "Nested":
    case "ForEach":
      return node.program.plan === undefined ? plansOf(node.program) : [beginningOf(node)]
  }
}

const beginningOf = (node: Nested | ForEach) => node._tag === "Nested" ? `${node.path}/` : `${node.path}/${anyKey}/`

const plansOf = ({ nodes }: Program): ReadonlyArray<string> =>
  nodes.flatMap((node) => node._tag === "Parallel" ? node.nodes.flatMap(plansIn) : plansIn(node))

const known = new WeakMap<Program, MetricNames>()

export const metricNamesOf = (program: Program): MetricNames => {
  const before = known.get(program)
  if (before !== undefined) return before
  const names = program.plan === undefined
    ? namesOf(program)
    : { saga: plan, step: () => plan, span: withoutKeys(program) }
  known.set(program, names)
  return names
}

const namesOf = (program: Program): MetricNames => {
  const plans = plansOf(program)
  const span = withoutKeys(program)
  return {
    saga: program.name,
    span,
    step: (path) => {
      const name = span(path)
      const inside = plans.find((beginning) => name.startsWith(beginning))
      return inside === undefined ? name : `${inside}${plan}`
    }
  }
}
