/**
 * The rules that hold for every saga, however it was written: those that the builder's types state, checked where there are
 * no types.
 */
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { classifications } from "../journal/statuses.ts"
import { countProblem, durationProblem, said } from "../values/numbers.ts"
import { unstorablePart } from "../values/storable.ts"
import type {
  Definition,
  ForEach,
  Nested,
  Parallel,
  ParallelOptions,
  Program,
  StepDefinition,
  WaitDefinition
} from "./definition.ts"
import * as Message from "./messages.ts"
import { waitProblems } from "./waitRules.ts"

/** The name of a rule, for programs; its sentence is for people. */
export type Rule =
  | "InvalidSagaName"
  | "InvalidVersion"
  | "NoSteps"
  | "InvalidStepName"
  | "DuplicateStep"
  | "InvalidStepOrder"
  | "FinalInParallel"
  | "FinalInList"
  | "WaitInList"
  | "ListInParallel"
  | "NotBuilt"
  | "WaitInParallel"
  | "InvalidWait"
  | "InvalidDeadline"
  | "EmptyParallel"
  | "InvalidConcurrency"
  | "MissingCompensation"
  | "MissingVerify"
  | "NeverInDoubt"
  | "EndlessRetry"
  | "InvalidRetry"
  | "InvalidTimeout"
  | "UnknownPolicy"
  | "NoFunction"
  | "NoSchema"
  | "NotStorable"

export interface BrokenRule {
  readonly rule: Rule
  readonly message: string
  /** The index of the node, and within a parallel block that of the sibling; empty for the saga as a whole. */
  readonly where: ReadonlyArray<number>
}

const ofDefaults = "the defaults of this saga"

type Policies = Pick<StepDefinition, "retry" | "timeout" | "compensationRetry" | "compensationTimeout">

/** Says why a retry is no policy of any kind; undefined if it is one. */
const retryProblem = (policy: unknown): string | undefined => {
  if (typeof policy !== "object" || policy === null) return `${said(policy)} is no object with times or a schedule`
  const { schedule, while: worthIt } = policy as { readonly schedule?: unknown; readonly while?: unknown }
  if (schedule !== undefined && !Schedule.isSchedule(schedule)) return `schedule ${said(schedule)} is no Schedule`
  if (worthIt !== undefined && typeof worthIt !== "function") return `while ${said(worthIt)} is no function`
  return undefined
}

/** The rules about policies, of a step or of the defaults of a saga; `of` names which. */
const policyRules: ReadonlyArray<{
  readonly rule: Rule
  readonly problemOf: (policies: Policies, of: string) => string | undefined
}> = [
  {
    rule: "InvalidRetry",
    problemOf: ({ compensationRetry, retry }, of) => {
      for (const policy of [retry, compensationRetry]) {
        const problem = policy === undefined ? undefined : retryProblem(policy)
        if (problem !== undefined) return Message.unknownRetry(of, problem)
      }
      return undefined
    }
  },
  {
    rule: "EndlessRetry",
    problemOf: ({ compensationRetry, retry }, of) => {
      for (const policy of [retry, compensationRetry]) {
        if (policy === undefined || retryProblem(policy) !== undefined || policy.schedule !== undefined) continue
        if (policy.times === undefined) return Message.endlessRetry(of)
        if (policy.times > 1000) return Message.relentlessRetry(of)
      }
      return undefined
    }
  },
  {
    rule: "InvalidRetry",
    problemOf: ({ compensationRetry, retry }, of) => {
      for (const times of [retry?.times, compensationRetry?.times]) {
        const problem = times === undefined ? undefined : countProblem(times, 0)
        if (problem !== undefined) return Message.invalidRetry(of, problem)
      }
      return undefined
    }
  },
  {
    rule: "InvalidTimeout",
    problemOf: ({ compensationTimeout, timeout }, of) => {
      for (const duration of [timeout, compensationTimeout]) {
        const problem = duration === undefined ? undefined : durationProblem(duration)
        if (problem !== undefined) return Message.invalidTimeout(of, problem)
      }
      return undefined
    }
  }
]

/** The words that each policy knows: where there are no types, one that is misspelt would be taken for another. */
const words: {
  readonly [Policy in "inDoubt" | "onCompensationFailure" | "unwind" | "interruptible" | "transaction"]: ReadonlyArray<
    unknown
  >
} = {
  inDoubt: ["retry", "verify", "park"],
  onCompensationFailure: ["continue", "stop"],
  unwind: ["sequential", "parallel"],
  interruptible: [true, false],
  transaction: [true]
}

const wordProblem = (
  policy: keyof typeof words,
  of: string,
  given: unknown,
  known: ReadonlyArray<unknown> = words[policy]
): string | undefined =>
  given === undefined || known.includes(given)
    ? undefined
    : Message.unknownPolicy(policy, of, said(given), known.map(said))

/** The rules about a step by itself. */
const stepRules: ReadonlyArray<{
  readonly rule: Rule
  readonly problemOf: (step: StepDefinition) => string | undefined
}> = [
  {
    rule: "MissingCompensation",
    problemOf: ({ classification, compensate, name }) =>
      classifications[classification].isUndoable && compensate === undefined
        ? Message.missingCompensation(name)
        : undefined
  },
  {
    rule: "MissingVerify",
    problemOf: ({ inDoubt, name, verify }) =>
      inDoubt === "verify" && verify === undefined ? Message.missingVerify(name) : undefined
  },
  {
    rule: "NeverInDoubt",
    problemOf: ({ classification, inDoubt, interruptible, name, transaction, verify }) => {
      if (transaction === undefined) return undefined
      if (!classifications[classification].hasSideEffect) return Message.readOnlyTransaction(name)
      const idle = Object.entries({ inDoubt, verify, interruptible }).find(([, option]) => option !== undefined)
      return idle === undefined ? undefined : Message.neverInDoubt(name, idle[0])
    }
  },
  {
    rule: "UnknownPolicy",
    problemOf: ({ name, transaction }) => wordProblem("transaction", `step "${name}"`, transaction)
  },
  {
    rule: "UnknownPolicy",
    problemOf: ({ inDoubt, name }) => wordProblem("inDoubt", `step "${name}"`, inDoubt)
  },
  {
    rule: "UnknownPolicy",
    problemOf: ({ interruptible, name }) => wordProblem("interruptible", `step "${name}"`, interruptible)
  },
  {
    rule: "UnknownPolicy",
    problemOf: ({ error, name }) =>
      error === undefined || Schema.isSchema(error)
        ? undefined
        : Message.unknownPolicy("error", `step "${name}"`, said(error), ["a schema", said("asRecoveredFailure")])
  },
  ...policyRules.map(({ problemOf, rule }) => ({
    rule,
    problemOf: (step: StepDefinition) => problemOf(step, `step "${step.name}"`)
  })),
  ...(["action", "compensate", "verify", "when"] as const).map((option) => ({
    rule: "NoFunction" as const,
    problemOf: (step: StepDefinition) =>
      functionProblem(option, `step "${step.name}"`, step[option], option === "action")
  })),
  {
    rule: "NoSchema",
    problemOf: ({ name, success }) => schemaProblem("success", `step "${name}"`, success)
  },
  {
    rule: "NotStorable",
    problemOf: ({ name, success }) => {
      const part = unstorablePartOf(success)
      return part === undefined ? undefined : Message.unstorableSuccess(name, part)
    }
  }
]

const functionProblem = (option: string, of: string, given: unknown, isNeeded: boolean): string | undefined =>
  typeof given === "function" || (given === undefined && !isNeeded)
    ? undefined
    : Message.noFunction(option, of, said(given))

const schemaProblem = (option: string, of: string, given: unknown): string | undefined =>
  given === undefined || Schema.isSchema(given) ? undefined : Message.noSchema(option, of, said(given))

const unstorablePartOf = (schema: unknown): string | undefined =>
  Schema.isSchema(schema) ? unstorablePart(schema) : undefined

/** Lists the faults of a saga's own schemas and of its projection. */
const valueProblems = (
  { deadline, input, project, success }: Definition
): ReadonlyArray<readonly [Rule, string | undefined]> => {
  const [inputPart, outputPart] = [unstorablePartOf(input), unstorablePartOf(success)]
  const problem = deadline === undefined ? undefined : durationProblem(deadline)
  return [
    ["InvalidDeadline", problem === undefined ? undefined : Message.invalidDeadline(problem)],
    ["NoSchema", schemaProblem("input", "this saga", input)],
    ["NoFunction", functionProblem("projection", "this saga", project, true)],
    ["NoSchema", schemaProblem("success", "this saga", success)],
    ["NotStorable", inputPart === undefined ? undefined : Message.unstorableInput(inputPart)],
    ["NotStorable", outputPart === undefined ? undefined : Message.unstorableOutput(outputPart)]
  ]
}

/** Says why a step cannot have this name; undefined if it can. */
const nameProblem = (name: unknown): string | undefined => {
  if (typeof name !== "string") return Message.noStepName(said(name))
  if (name === "") return Message.emptyStepName
  if (name.includes("/") || name === "__proto__") return Message.reservedStepName(name)
  return isWellFormed(name) ? undefined : Message.unfitStepName(name)
}

/** Every rule that a definition breaks. */
export const brokenRules = (definition: Definition): ReadonlyArray<BrokenRule> => {
  const { defaults, name, nodes, onCompensationFailure, version } = definition
  const broken: Array<BrokenRule> = []
  const breaks = (where: ReadonlyArray<number>, rule: Rule, message: string) => broken.push({ rule, message, where })
  const names = new Set<string>()
  let final: string | undefined
  const check = (node: StepDefinition | WaitDefinition | Nested | ForEach, where: ReadonlyArray<number>) => {
    const unfit = nameProblem(node.name)
    if (unfit !== undefined) breaks(where, "InvalidStepName", unfit)
    if (names.has(node.name)) breaks(where, "DuplicateStep", Message.duplicateStep(node.name))
    names.add(node.name)
    if (node._tag === "Wait") {
      return waitProblems(node, final).forEach((message) => breaks(where, "InvalidWait", message))
    }
    const kind = kindOf(node)
    const isFinal = node._tag !== "ForEach" && finalOf(node) !== undefined
    if (final !== undefined && (node._tag !== "Step" || !isFinal)) {
      breaks(where, "InvalidStepOrder", Message.stepAfterFinal(kind, node.name, final))
    }
    if (isFinal) final ??= node.name
    if (node._tag === "Step") checkStep(node, where)
    if (node._tag === "ForEach") { for (const [rule, message] of listProblems(node)) breaks(where, rule, message) }
  }
  const checkStep = (step: StepDefinition, where: ReadonlyArray<number>) => {
    for (const { rule, problemOf } of stepRules) {
      const message = problemOf(step)
      if (message !== undefined) breaks(where, rule, message)
    }
  }
  const checkParallel = (block: Parallel<StepDefinition | Nested>, where: ReadonlyArray<number>) => {
    if (block.nodes.length === 0) breaks(where, "EmptyParallel", Message.emptyParallel)
    for (const [rule, message] of blockProblems(block, "a parallel block")) breaks(where, rule, message)
    block.nodes.forEach((sibling: StepDefinition | Nested | ForEach, index) => {
      const here = [...where, index]
      if (sibling._tag === "ForEach") breaks(here, "ListInParallel", Message.listInParallel(sibling.name))
      else if (waits(sibling)) breaks(here, "WaitInParallel", Message.waitInParallel(sibling.name))
      else if (finalOf(sibling) === undefined) check(sibling, here)
      else breaks(here, "FinalInParallel", Message.finalInParallel(sibling.name))
    })
  }
  if (name === "") breaks([], "InvalidSagaName", Message.emptySagaName)
  else if (!isWellFormed(name)) breaks([], "InvalidSagaName", Message.unfitSagaName)
  if (!Number.isSafeInteger(version) || version < 1) breaks([], "InvalidVersion", Message.invalidVersion(version))
  if (nodes.length === 0) breaks([], "NoSteps", Message.noSteps)
  for (const { problemOf, rule } of policyRules) {
    const message = problemOf(defaults, ofDefaults)
    if (message !== undefined) breaks([], rule, message)
  }
  const unknown = [
    wordProblem("inDoubt", ofDefaults, defaults.inDoubt, ["retry", "park"]),
    wordProblem("onCompensationFailure", "this saga", onCompensationFailure)
  ]
  for (const message of unknown) if (message !== undefined) breaks([], "UnknownPolicy", message)
  for (const [rule, message] of valueProblems(definition)) if (message !== undefined) breaks([], rule, message)
  nodes.forEach((node, index) => node._tag === "Parallel" ? checkParallel(node, [index]) : check(node, [index]))
  return broken
}

type Problems = ReadonlyArray<readonly [Rule, string]>

/** The problems of a block, or of a list; `of` says which. */
const blockProblems = ({ concurrency, unwind }: ParallelOptions, of: string): Problems => {
  const isMany = concurrency === undefined || concurrency === "unbounded" ||
    (Number.isInteger(concurrency) && concurrency > 0)
  const unknown = wordProblem("unwind", of, unwind)
  return [
    ...isMany ? [] : [["InvalidConcurrency", Message.invalidConcurrency(said(concurrency))] as const],
    ...unknown === undefined ? [] : [["UnknownPolicy", unknown] as const]
  ]
}

const listProblems = (list: ForEach): Problems => {
  const of = `list "${list.name}"`
  const notFunctions = [functionProblem("items", of, list.items, true), functionProblem("key", of, list.keyOf, false)]
  // Where there are no types, the step may be anything.
  const program = list.program as Program | undefined
  return [
    ...blockProblems(list, of),
    ...notFunctions.flatMap((problem) => problem === undefined ? [] : [["NoFunction", problem] as const]),
    ...program === undefined ? [["NotBuilt", Message.notBuilt(list.name)] as const] : [],
    ...program?.firstFinal === undefined ? [] : [["FinalInList", Message.finalInList(list.name)] as const],
    ...program?.firstWait === undefined ? [] : [["WaitInList", Message.waitInList(list.name)] as const]
  ]
}

const kindOf = (node: StepDefinition | Nested | ForEach): string => {
  switch (node._tag) {
    case "Step":
      return `${node.classification} step`
    case "Nested":
      return "nested saga"
    case "ForEach":
      return "list"
  }
}
/** Whether a sibling waits: where there are no types, it may be a step of that kind. */
const waits = (node: StepDefinition | WaitDefinition | Nested): boolean =>
  node._tag === "Wait" || (node._tag === "Nested" && node.program.firstWait !== undefined)

/** The first Final in a node, if it has one. */
const finalOf = (node: StepDefinition | Nested): string | undefined =>
  node._tag === "Step"
    ? classifications[node.classification].commits ? node.name : undefined
    : node.program.firstFinal

/** Why a name cannot be part of a path and of a key, as the end of a sentence; undefined if it can. */
export const keyProblem = (key: unknown): string | undefined => {
  if (typeof key !== "string") return `is ${said(key)}, and must be text`
  if (key === "") return "is empty"
  if (key.includes("/")) return `is ${said(key)}, and "/" separates the parts of a path`
  return isWellFormed(key)
    ? undefined
    : "cannot be stored: it must be well-formed text of at most 800 characters, without U+0000"
}

// PostgreSQL limits an index entry to a third of a page, about 2,700 bytes.
const longest = 800

/** Whether a name can be part of a key, and be stored everywhere: not empty, not too long, no lone surrogate, no U+0000. */
export const isWellFormed = (name: unknown): name is string => {
  try {
    return typeof name === "string" && encodeURIComponent(name) !== "" && name.length <= longest && !name.includes("\0")
  } catch {
    return false
  }
}
