/**
 * Reads a plan: finds everything that is wrong with it, or makes its program. Each part of the document is read by itself, so
 * that what is wrong with one does not hide what is wrong with another.
 */
import { Effect, Either, Option, Schema } from "effect"
import type { Definition, NodeDefinition, Program, StepDefinition } from "../definition/definition.ts"
import * as Message from "../definition/messages.ts"
import { make } from "../definition/program.ts"
import { brokenRules } from "../definition/rules.ts"
import type { ExecutionState } from "../Journal.ts"
import { decodeAll } from "../values/decode.ts"
import { frozen, notJson } from "../values/json.ts"
import { inputOf, sayCalls, sayMissingTools } from "./calls.ts"
import { type Document, Part, Retry } from "./document.ts"
import { decode, findPart, type Found, type FoundStep, has, listOf, memberOf, type Say, textOf } from "./parts.ts"
import type { Problem } from "./problems.ts"
import { retryOf, stepOf } from "./steps.ts"
import type { Service } from "./ToolExecutor.ts"

type Tools = Pick<Service, "describe">

export interface Read {
  readonly document: Document
  readonly program: Program
}

/**
 * The program of a document, or everything that is wrong with it, ordered by place. A document that is stored has been accepted
 * before, by tools that may have changed since: of it only the form is read, and whether those that it still needs are there.
 */
export const read = (
  given: unknown,
  tools: Tools,
  stored: ExecutionState | undefined
): Either.Either<Read, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const say: Say = (_tag, at, message) => void problems.push({ _tag, at, message })
  const json = plainCopy(given, say)
  const header = problems.length > 0 ? undefined : decode(Part.Header, json, "", say)
  const parts = listOf(json, "steps").map((part, index) => findPart(part, `/steps/${index}`, say))
  const steps = parts.flatMap((part) => "siblings" in part ? part.siblings : [part])
  const input = stored !== undefined ? Schema.Unknown : inputOf(steps.flatMap(({ step }) => step ?? []), tools)
  const definition = definitionOf(json, parts, input, tools)
  if (json !== undefined) sayRules(definition, parts, json, say)
  if (stored !== undefined) sayMissingTools(parts, stored, tools, say)
  else {
    // In a parallel block a Final is refused whatever it says.
    sayPolicies(parts.flatMap((part) => "siblings" in part ? part.siblings.filter(isReversible) : [part]), tools, say)
    sayCalls(parts, tools, say)
  }
  if (header === undefined || problems.length > 0) return Either.left(problems.sort(byPlace))
  const document = { version: 1, ...(json as object) } as unknown as Document
  return Either.right({ document, program: make({ ...definition, plan: document }) })
}

/** What is given may change later, and must not change what was checked. */
const plainCopy = (given: unknown, say: Say): unknown => {
  try {
    const unfit = given === undefined ? "the plan is undefined" : notJson(given, "the plan")
    if (unfit === undefined) return frozen(given)
    say("Malformed", "", `${unfit}, which is not plain JSON`)
  } catch (thrown) {
    say("Malformed", "", `the plan cannot be read: ${String(thrown)}`)
  }
  return undefined
}

const collator = new Intl.Collator("en", { numeric: true })
const byPlace = (a: Problem, b: Problem) => collator.compare(a.at, b.at)

/** What can be held against the rules: every step that has a name and a classification, whatever else is wrong with it. */
const definitionOf = (
  json: unknown,
  parts: ReadonlyArray<Found>,
  input: Definition["input"],
  tools: Tools
): Definition => {
  const version = Option.getOrElse(memberOf(json, "version"), () => 1)
  return {
    name: textOf(json, "name") ?? "unnamed",
    version: typeof version === "number" ? version : 1,
    onCompensationFailure: textOf(json, "onCompensationFailure") === "stop" ? "stop" : "continue",
    defaults: {},
    input,
    nodes: parts.flatMap((part): ReadonlyArray<NodeDefinition> => {
      if (!("siblings" in part)) return nodeOf(part, tools)
      const nodes = part.siblings.flatMap((step) => nodeOf(step, tools))
      return [{ _tag: "Parallel", concurrency: part.block?.concurrency, unwind: part.block?.unwind, nodes }]
    }),
    project: ({ outputs }) => outputs
  }
}

const nodeOf = (found: FoundStep, tools: Tools): ReadonlyArray<StepDefinition> => {
  const { classification, json, name, step } = found
  if (step !== undefined) return [stepOf(step, tools)]
  if (name === undefined || classification === undefined) return []
  const never = () => Effect.dieMessage("a malformed step is never run")
  const retry = (member: string) =>
    Option.getOrUndefined(Option.map(memberOf(json, member), (retry) => {
      const decoded = decodeAll(Retry, retry, { exact: true })
      return Either.isRight(decoded) ? retryOf(decoded.right) : { times: 0 }
    }))
  return [{
    _tag: "Step",
    name,
    classification,
    action: never,
    compensate: has(json, "compensation") ? never : undefined,
    inDoubt: textOf(json, "inDoubt") === "verify" ? "verify" : undefined,
    verify: has(json, "verify") ? never : undefined,
    retry: retry("retry"),
    compensationRetry: retry("compensationRetry")
  }]
}

const sayRules = (definition: Definition, parts: ReadonlyArray<Found>, json: unknown, say: Say) => {
  const isNode = (step: FoundStep) => step.name !== undefined && step.classification !== undefined
  const nodes = parts.filter((part) => "siblings" in part || isNode(part))
  const isEmpty = Option.exists(memberOf(json, "steps"), (steps) => Array.isArray(steps) && steps.length === 0)
  for (const { message, rule, where: [index, sibling] } of brokenRules(definition)) {
    const part = index === undefined ? undefined : nodes[index]
    const block = part !== undefined && "siblings" in part ? part : undefined
    // A list that is malformed, or whose every step is, is not empty.
    if (rule === "NoSteps" && !isEmpty) continue
    if (rule === "EmptyParallel" && block?.block?.parallel.length !== 0) continue
    const place = block === undefined || sibling === undefined ? part : block.siblings.filter(isNode)[sibling]
    say(rule, place?.at ?? headerPlace[rule] ?? "", message)
  }
}

const headerPlace: { readonly [rule: string]: string } = {
  InvalidSagaName: "/name",
  InvalidVersion: "/version",
  NoSteps: "/steps"
}

const isReversible = ({ classification }: FoundStep) => classification !== "Final"

/** What a builder's saga owes by its type, and a run refuses. */
const sayPolicies = (steps: ReadonlyArray<FoundStep>, tools: Tools, say: Say) => {
  let committed = false
  for (const { at, calls, classification, json, name = "" } of steps) {
    if (classification === undefined || classification === "ReadOnly") continue
    const tool = calls.find(({ role }) => role === "action")?.tool
    const inDoubt = has(json, "inDoubt") || (tool !== undefined && tools.describe(tool)?.inDoubt !== undefined)
    if (!inDoubt && classification === "Final") say("MissingInDoubt", at, Message.missingFinalInDoubt(name))
    if (!inDoubt && classification === "Compensatable" && has(json, "timeout")) {
      say("MissingInDoubt", at, Message.missingInDoubt(name))
    }
    if (has(json, "verify") && textOf(json, "inDoubt") !== "verify") say("UnusedVerify", at, Message.unusedVerify(name))
    if (classification !== "Final") continue
    if (committed && !has(json, "retry")) say("MissingRetry", at, Message.missingRetry(name))
    committed = true
  }
}
