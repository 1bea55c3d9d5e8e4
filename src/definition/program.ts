/**
 * Makes the frozen tree that every back end reads. The builder and plans do, and nothing else knows how a saga was written.
 */
import { InvalidSaga } from "../SagaError.ts"
import type {
  Defaults,
  Definition,
  Nested,
  Node,
  NodeDefinition,
  Program,
  StepDefinition,
  StepNode
} from "./definition.ts"
import { canonical } from "../values/json.ts"
import { brokenRules } from "./rules.ts"

/** Checks the rules that hold for every saga, however it was written, and freezes it. Throws `InvalidSaga`. */
export const make = ({ defaults, ...definition }: Definition): Program => {
  const problems = brokenRules({ defaults, ...definition })
  if (problems.length > 0) {
    throw new InvalidSaga({ saga: definition.name, problems: problems.map(({ message }) => message) })
  }
  return finish({
    ...definition,
    nodes: definition.nodes.map((node) => mapNode(node, (step) => place(step, defaults)))
  })
}

const finish = (program: Omit<Program, "steps" | "fingerprint" | "hasParallel">): Program =>
  Object.freeze({
    ...program,
    nodes: Object.freeze(program.nodes),
    steps: Object.freeze(program.nodes.flatMap(stepsOf)),
    fingerprint: JSON.stringify(program.nodes.flatMap(describeNode)),
    hasParallel: program.nodes.some((node) =>
      node._tag === "Parallel" || (node._tag === "Nested" && node.program.hasParallel)
    )
  })

const place = (step: StepDefinition, defaults: Defaults): StepNode => {
  const { _tag, action, classification, compensate, error, interruptible, isAnswer, name, success, verify, when } = step
  // All steps have one shape: the interpreter is faster where it sees no other.
  return Object.freeze({
    _tag,
    name,
    classification,
    action,
    compensate,
    when,
    success,
    error,
    verify,
    interruptible,
    isAnswer,
    retry: step.retry ?? defaults.retry,
    timeout: step.timeout ?? defaults.timeout,
    inDoubt: step.inDoubt ?? (classification === "ReadOnly" ? undefined : defaults.inDoubt),
    compensationRetry: step.compensationRetry ?? defaults.compensationRetry,
    compensationTimeout: step.compensationTimeout ?? defaults.compensationTimeout,
    path: name,
    key: encodeURIComponent(name)
  })
}

/** The program with each of its steps replaced by one of the same path. */
export const mapSteps = (program: Program, replace: (step: StepNode) => StepNode): Program => {
  const inside = (node: StepNode | Nested): StepNode | Nested =>
    node._tag === "Step" ? replace(node) : { ...node, program: mapSteps(node.program, replace) }
  return finish({
    ...program,
    nodes: program.nodes.map((node) =>
      node._tag === "Parallel" ? { ...node, nodes: node.nodes.map(inside) } : inside(node)
    )
  })
}

/** A node with its steps replaced; the steps of a nested saga get its name before their path. */
const mapNode = (node: NodeDefinition, replace: (step: StepDefinition) => StepNode): Node => {
  switch (node._tag) {
    case "Step":
      return replace(node)
    case "Nested":
      return nest(node)
    case "Parallel":
      return Object.freeze({
        ...node,
        nodes: Object.freeze(node.nodes.map((sibling) => sibling._tag === "Step" ? replace(sibling) : nest(sibling)))
      })
  }
}

const nest = (nested: Nested): Nested => {
  const inside = (node: Node): Node => {
    switch (node._tag) {
      case "Step":
        return insideStep(node)
      case "Nested":
        return insideNested(node)
      case "Parallel":
        return Object.freeze({
          ...node,
          nodes: node.nodes.map((sibling) => sibling._tag === "Step" ? insideStep(sibling) : insideNested(sibling))
        })
    }
  }
  const insideStep = (step: StepNode): StepNode =>
    Object.freeze({
      ...step,
      path: `${nested.name}/${step.path}`,
      key: `${encodeURIComponent(nested.name)}/${step.key}`
    })
  const insideNested = (node: Nested): Nested =>
    Object.freeze({
      ...node,
      path: node === nested ? node.name : `${nested.name}/${node.path}`,
      program: finish({ ...node.program, nodes: node.program.nodes.map(inside) })
    })
  return insideNested(nested)
}

const stepsOf = (node: Node): ReadonlyArray<StepNode> => {
  switch (node._tag) {
    case "Step":
      return [node]
    case "Nested":
      return node.program.steps
    case "Parallel":
      return node.nodes.flatMap(stepsOf)
  }
}

const describeNode = (node: Node): ReadonlyArray<string> => {
  switch (node._tag) {
    case "Step":
      return [`${node.classification} "${node.path}"`]
    case "Nested": {
      const { nodes, plan } = node.program
      return [...plan === undefined ? [] : [planned + canonical(plan)], ...nodes.flatMap(describeNode)]
    }
    case "Parallel":
      return ["a parallel block", ...node.nodes.flatMap(describeNode), "its end"]
  }
}

/** Says where a stored definition and this one part, or nothing where they are the same. */
export const difference = (
  program: Program,
  stored: { readonly version: number; readonly fingerprint: string; readonly plan: unknown }
): string | undefined => {
  if (stored.version !== program.version) {
    return `it has version ${stored.version}, this definition has version ${program.version}`
  }
  if ((stored.plan === undefined) !== (program.plan === undefined)) {
    return stored.plan === undefined
      ? "it is of no plan, and this definition is one"
      : "it is of a plan, and this definition is none"
  }
  if (stored.fingerprint === program.fingerprint) return differenceOfPlans(stored.plan, program.plan)
  const before = describeSteps(stored.fingerprint)
  const now = describeSteps(program.fingerprint)
  const at = before.findIndex((step, index) => step !== now[index])
  if (at === -1) return `this definition has more steps: ${now.slice(before.length).map(told).join(", ")}`
  const [was, is] = [told(before[at]), told(now[at])]
  return was === is ? `the document of ${was} is another` : `step ${at + 1} was ${was} and is ${is ?? "gone"}`
}

interface PlanDocument {
  readonly name: string
  readonly steps: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Names the step and the members that differ, and not what is in them: that may be secret. */
const differenceOfPlans = (stored: unknown, plan: unknown): string | undefined => {
  if (stored === plan || canonical(stored) === canonical(plan)) return undefined
  const [before, now] = [stored as PlanDocument, plan as PlanDocument]
  const at = before.steps.findIndex((step, index) => canonical(step) !== canonical(now.steps[index]))
  const [was, is] = [before.steps[at], now.steps[at]]
  if (was === undefined || is === undefined) return "its plan has the same steps, and differs elsewhere"
  const members = Array.from(new Set([...Object.keys(was), ...Object.keys(is)]))
    .filter((member) => canonical(was[member]) !== canonical(is[member]))
  return `step ${at + 1} of its plan has another ${members.join(", ")}`
}

const planned = "the plan "

/** A step as it may be told: a nested plan by its name. */
const told = (step: string | undefined): string | undefined =>
  step?.startsWith(planned) === true ? `plan "${(JSON.parse(step.slice(planned.length)) as PlanDocument).name}"` : step

const describeSteps = (fingerprint: string): ReadonlyArray<string> => {
  try {
    return JSON.parse(fingerprint) as ReadonlyArray<string>
  } catch {
    return [fingerprint]
  }
}
