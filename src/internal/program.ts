/**
 * The frozen tree that every back end reads: steps, parallel blocks and nested sagas. The builder makes it, and nothing else
 * knows how a saga was written.
 */
import type { Duration, Effect, Option, Schema } from "effect"
import type { Classification } from "../Journal.ts"
import { InvalidSaga } from "../SagaError.ts"
import type { ActionContext, CompensationContext, InDoubtPolicy, RetryPolicy } from "../Step.ts"
import * as Message from "./messages.ts"

// The builder has checked these types; from here on a step's values are opaque, so `any` stands for "whatever the step says".
type Opaque = any

/** What a function that looks back is given: a condition, the input of a nested saga, a projection. */
export interface Earlier {
  readonly input: Opaque
  readonly outputs: Opaque
}

/** Policies that hold for each step of a saga that has none of its own. */
export interface Defaults {
  readonly retry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly inDoubt?: Exclude<InDoubtPolicy, "verify"> | undefined
  readonly compensationRetry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly compensationTimeout?: Duration.DurationInput | undefined
}

/** What the builder says of a step. */
export interface StepDefinition extends Omit<Defaults, "inDoubt"> {
  readonly _tag: "Step"
  readonly name: string
  readonly classification: Classification
  readonly action: (context: ActionContext<Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>
  readonly compensate?:
    | ((context: CompensationContext<Opaque, Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>)
    | undefined
  readonly when?: ((earlier: Earlier) => boolean) | undefined
  readonly success?: Schema.Schema<Opaque, Opaque> | undefined
  readonly error?: Schema.Schema<Opaque, Opaque> | undefined
  readonly inDoubt?: InDoubtPolicy | undefined
  readonly verify?:
    | ((context: ActionContext<Opaque, Opaque>) => Effect.Effect<Option.Option<unknown>, unknown, Opaque>)
    | undefined
  readonly interruptible?: boolean | undefined
}

export interface StepNode extends StepDefinition {
  /** The names from the outermost saga down to the step, joined by "/": it identifies the step in the journal. */
  readonly path: string
  /** The path as a part of an idempotency key. */
  readonly key: string
}

/** How a parallel block runs and unwinds. */
export interface ParallelOptions {
  readonly concurrency?: number | "unbounded" | undefined
  readonly unwind?: "sequential" | "parallel" | undefined
}

/** Steps, and nested sagas, none of which waits for another. */
export interface Parallel<Node> extends ParallelOptions {
  readonly _tag: "Parallel"
  readonly nodes: ReadonlyArray<Node>
}

/** A saga as a step of another. */
export interface Nested {
  readonly _tag: "Nested"
  readonly name: string
  readonly path: string
  /** No error of its own. */
  readonly error?: undefined
  /** Its steps have their whole paths. */
  readonly program: Program
  readonly nestedInput: (earlier: Earlier) => unknown
}

/** What stands in one row: a step or a nested saga. */
export type NodeDefinition = StepDefinition | Nested | Parallel<StepDefinition | Nested>
export type Node = StepNode | Nested | Parallel<StepNode | Nested>

/** What to do when a compensation fails for good: undo the older steps all the same, or leave them. */
export type OnCompensationFailure = "continue" | "stop"

interface Header {
  readonly name: string
  readonly version: number
  readonly input: Schema.Schema<Opaque, Opaque> | undefined
  readonly onCompensationFailure: OnCompensationFailure
  readonly project: (earlier: Earlier) => unknown
}

/** What the builder says of a saga. */
export interface Definition extends Header {
  readonly defaults: Defaults
  readonly nodes: ReadonlyArray<NodeDefinition>
}

export interface Program extends Header {
  readonly nodes: ReadonlyArray<Node>
  /** All steps, of parallel blocks and nested sagas too, in declared order. */
  readonly steps: ReadonlyArray<StepNode>
  /** Tells definitions apart, and is readable, so that a difference can be named. */
  readonly fingerprint: string
  /** Whether any of its steps may run at the same time. */
  readonly hasParallel: boolean
}

const problemsOf = (definition: Definition): Array<string> => {
  const problems: Array<string> = []
  const names = new Set<string>()
  let final: string | undefined
  const check = (node: StepDefinition | Nested) => {
    if (node.name === "") problems.push(Message.emptyStepName)
    else if (node.name.includes("/") || node.name === "__proto__" || !isWellFormed(node.name)) {
      problems.push(Message.reservedStepName(node.name))
    }
    if (names.has(node.name)) problems.push(Message.duplicateStep(node.name))
    names.add(node.name)
    const kind = node._tag === "Nested" ? "nested saga" : `${node.classification} step`
    const isFinal = finalOf(node) !== undefined
    if (final !== undefined && (node._tag === "Nested" || !isFinal)) {
      problems.push(Message.stepAfterFinal(kind, node.name, final))
    }
    if (isFinal) final ??= node.name
    if (node._tag === "Step") problems.push(...problemsOfStep(node))
  }
  if (definition.name === "") problems.push(Message.emptySagaName)
  else if (!isWellFormed(definition.name)) problems.push(Message.unfitSagaName)
  if (!Number.isSafeInteger(definition.version) || definition.version < 1) {
    problems.push(Message.invalidVersion(definition.version))
  }
  if (definition.nodes.length === 0) problems.push(Message.noSteps)
  for (const node of definition.nodes) {
    if (node._tag !== "Parallel") {
      check(node)
      continue
    }
    if (node.nodes.length === 0) problems.push(Message.emptyParallel)
    if (typeof node.concurrency === "number" && !(Number.isInteger(node.concurrency) && node.concurrency > 0)) {
      problems.push(Message.invalidConcurrency(node.concurrency))
    }
    for (const sibling of node.nodes) {
      if (finalOf(sibling) !== undefined) problems.push(Message.finalInParallel(sibling.name))
      else check(sibling)
    }
  }
  return problems
}

// PostgreSQL has an entry of an index in a third of a page at most.
const longest = 800

/** Fit to be part of a key, and to be stored everywhere: not empty, not too long, no lone surrogate in it, and no U+0000. */
export const isWellFormed = (name: string): boolean => {
  try {
    return encodeURIComponent(name) !== "" && name.length <= longest && !name.includes("\0")
  } catch {
    return false
  }
}

const problemsOfStep = (step: StepDefinition): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (step.classification === "Compensatable" && step.compensate === undefined) {
    problems.push(Message.missingCompensation(step.name))
  }
  if (step.inDoubt === "verify" && step.verify === undefined) problems.push(Message.missingVerify(step.name))
  for (const retry of [step.retry, step.compensationRetry]) {
    if (retry !== undefined && retry.times === undefined && retry.schedule === undefined) {
      problems.push(Message.endlessRetry(step.name))
    }
  }
  return problems
}

/** The first Final in a node, if it has one. */
const finalOf = (node: StepDefinition | Nested): string | undefined =>
  node._tag === "Step"
    ? node.classification === "Final" ? node.name : undefined
    : node.program.steps.find(({ classification }) => classification === "Final")?.path

/** Checks the rules that hold for every saga, however it was written, and freezes it. Throws `InvalidSaga`. */
export const make = ({ defaults, ...definition }: Definition): Program => {
  const problems = problemsOf({ defaults, ...definition })
  if (problems.length > 0) throw new InvalidSaga({ saga: definition.name, problems })
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
  const { _tag, action, classification, compensate, error, interruptible, name, success, verify, when } = step
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
    case "Nested":
      return node.program.nodes.flatMap(describeNode)
    case "Parallel":
      return ["a parallel block", ...node.nodes.flatMap(describeNode), "its end"]
  }
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
    return JSON.parse(fingerprint) as ReadonlyArray<string>
  } catch {
    return [fingerprint]
  }
}
