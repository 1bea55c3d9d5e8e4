/**
 * The names by which metrics know a saga and its steps. A model may write the names in a plan, so each plan would add series for
 * ever: every name from a plan counts as `(plan)`.
 */
import type { Nested, Program, StepNode, Wait } from "../definition/definition.ts"

export interface MetricNames {
  readonly saga: string
  readonly step: (path: string) => string
}

const plan = "(plan)"

/** The paths of the nested sagas that are plans, each with a "/" after it. */
const plansIn = (node: StepNode | Wait | Nested): ReadonlyArray<string> => {
  switch (node._tag) {
    case "Step":
    case "Wait":
      return []
    case "Nested":
      return node.program.plan === undefined ? plansOf(node.program) : [`${node.path}/`]
  }
}

const plansOf = ({ nodes }: Program): ReadonlyArray<string> =>
  nodes.flatMap((node) => node._tag === "Parallel" ? node.nodes.flatMap(plansIn) : plansIn(node))

const known = new WeakMap<Program, MetricNames>()

export const metricNamesOf = (program: Program): MetricNames => {
  const before = known.get(program)
  if (before !== undefined) return before
  const names = program.plan === undefined ? namesOf(program) : { saga: plan, step: () => plan }
  known.set(program, names)
  return names
}

const namesOf = (program: Program): MetricNames => {
  const plans = plansOf(program)
  return {
    saga: program.name,
    step: (path) => {
      const inside = plans.find((beginning) => path.startsWith(beginning))
      return inside === undefined ? path : `${inside}${plan}`
    }
  }
}
