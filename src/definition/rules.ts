/**
 * The rules that hold for every saga, however it was written: those that the builder's types state, checked where there are
 * no types.
 */
import type { Definition, Nested, Parallel, StepDefinition } from "./definition.ts"
import * as Message from "./messages.ts"

/** The name of a rule, for programs; its sentence is for people. */
export type Rule =
  | "InvalidSagaName"
  | "InvalidVersion"
  | "NoSteps"
  | "InvalidStepName"
  | "DuplicateStep"
  | "InvalidStepOrder"
  | "FinalInParallel"
  | "EmptyParallel"
  | "InvalidConcurrency"
  | "MissingCompensation"
  | "MissingVerify"
  | "EndlessRetry"

export interface BrokenRule {
  readonly rule: Rule
  readonly message: string
  /** The index of the node, and within a parallel block that of the sibling; empty for the saga as a whole. */
  readonly where: ReadonlyArray<number>
}

/** Every rule that a definition breaks. */
export const brokenRules = (definition: Definition): ReadonlyArray<BrokenRule> => {
  const { name, nodes, version } = definition
  const broken: Array<BrokenRule> = []
  const breaks = (where: ReadonlyArray<number>, rule: Rule, message: string) => broken.push({ rule, message, where })
  const names = new Set<string>()
  let final: string | undefined
  const check = (node: StepDefinition | Nested, where: ReadonlyArray<number>) => {
    if (node.name === "") breaks(where, "InvalidStepName", Message.emptyStepName)
    else if (node.name.includes("/") || node.name === "__proto__") {
      breaks(where, "InvalidStepName", Message.reservedStepName(node.name))
    } else if (!isWellFormed(node.name)) breaks(where, "InvalidStepName", Message.unfitStepName(node.name))
    if (names.has(node.name)) breaks(where, "DuplicateStep", Message.duplicateStep(node.name))
    names.add(node.name)
    const kind = node._tag === "Nested" ? "nested saga" : `${node.classification} step`
    const isFinal = finalOf(node) !== undefined
    if (final !== undefined && (node._tag === "Nested" || !isFinal)) {
      breaks(where, "InvalidStepOrder", Message.stepAfterFinal(kind, node.name, final))
    }
    if (isFinal) final ??= node.name
    if (node._tag === "Step") checkStep(node, where)
  }
  const checkStep = (step: StepDefinition, where: ReadonlyArray<number>) => {
    if (step.classification === "Compensatable" && step.compensate === undefined) {
      breaks(where, "MissingCompensation", Message.missingCompensation(step.name))
    }
    if (step.inDoubt === "verify" && step.verify === undefined) {
      breaks(where, "MissingVerify", Message.missingVerify(step.name))
    }
    for (const retry of [step.retry, step.compensationRetry]) {
      if (retry !== undefined && retry.times === undefined && retry.schedule === undefined) {
        breaks(where, "EndlessRetry", Message.endlessRetry(step.name))
      }
    }
  }
  const checkParallel = (block: Parallel<StepDefinition | Nested>, where: ReadonlyArray<number>) => {
    const { concurrency } = block
    if (block.nodes.length === 0) breaks(where, "EmptyParallel", Message.emptyParallel)
    if (typeof concurrency === "number" && !(Number.isInteger(concurrency) && concurrency > 0)) {
      breaks(where, "InvalidConcurrency", Message.invalidConcurrency(concurrency))
    }
    block.nodes.forEach((sibling, index) => {
      const here = [...where, index]
      if (finalOf(sibling) === undefined) check(sibling, here)
      else breaks(here, "FinalInParallel", Message.finalInParallel(sibling.name))
    })
  }
  if (name === "") breaks([], "InvalidSagaName", Message.emptySagaName)
  else if (!isWellFormed(name)) breaks([], "InvalidSagaName", Message.unfitSagaName)
  if (!Number.isSafeInteger(version) || version < 1) breaks([], "InvalidVersion", Message.invalidVersion(version))
  if (nodes.length === 0) breaks([], "NoSteps", Message.noSteps)
  nodes.forEach((node, index) => node._tag === "Parallel" ? checkParallel(node, [index]) : check(node, [index]))
  return broken
}

/** The first Final in a node, if it has one. */
const finalOf = (node: StepDefinition | Nested): string | undefined =>
  node._tag === "Step"
    ? node.classification === "Final" ? node.name : undefined
    : node.program.firstFinal

// PostgreSQL limits an index entry to a third of a page, about 2,700 bytes.
const longest = 800

/** Whether a name can be part of a key, and be stored everywhere: not empty, not too long, no lone surrogate, no U+0000. */
export const isWellFormed = (name: string): boolean => {
  try {
    return encodeURIComponent(name) !== "" && name.length <= longest && !name.includes("\0")
  } catch {
    return false
  }
}
