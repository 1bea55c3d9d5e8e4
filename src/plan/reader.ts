/**
 * Reads a plan: finds everything that is wrong with it, or makes its program. Each part of the document is read by itself, so
 * that what is wrong with one does not hide what is wrong with another.
 */
import { Effect, Option, Schema } from "effect"
import type { Definition, NodeDefinition, Program, StepDefinition } from "../definition/definition.ts"
import { make } from "../definition/program.ts"
import { type BrokenRule, brokenRules } from "../definition/rules.ts"
import type { ExecutionState } from "../Journal.ts"
import { describe } from "../values/describe.ts"
import { frozen, notJson } from "../values/json.ts"
import { decodeStrictlyNow } from "../values/schema.ts"
import { checkCalls, checkToolsExist } from "./calls.ts"
import { type Document, Part, Retry } from "./document.ts"
import { inputOf } from "./input.ts"
import { limitsOf } from "./limits.ts"
import { decode, findPart, type Found, type FoundStep, has, listOf, memberOf, stepsOf, textOf } from "./parts.ts"
import { checkPolicies } from "./policies.ts"
import type { Problem } from "./problems.ts"
import { Problems, type Report } from "./reports.ts"
import { retryOf } from "./retry.ts"
import { stepOf } from "./steps.ts"
import type { Service } from "./ToolExecutor.ts"

type Tools = Pick<Service, "describe" | "limits">

/** A plan that can be run. */
interface Accepted {
  readonly _tag: "Accepted"
  readonly document: Document
  readonly program: Program
}

interface Refused {
  readonly _tag: "Refused"
  readonly problems: ReadonlyArray<Problem>
  /** How many problems are left out. */
  readonly more: number
}

/**
 * The program of a document, or what is wrong with it, ordered by place. A stored document was accepted before: only its form, and
 * the tools that it still needs, are checked again.
 */
export const read = (given: unknown, tools: Tools, stored: ExecutionState | undefined): Accepted | Refused => {
  const problems = new Problems()
  const { report } = problems
  const json = plainCopy(given, report)
  const header = problems.isEmpty ? decode(Part.Header, json, "", report) : undefined
  const parts = listOf(json, "steps").map((part, index) => findPart(part, `/steps/${index}`, report))
  const input = stored !== undefined ? Schema.Unknown : inputOf(stepsOf(parts).flatMap(({ step }) => step ?? []), tools)
  const definition = definitionOf(json, parts, input, tools)
  if (json !== undefined) checkRules(definition, parts, json, report)
  if (stored !== undefined) checkToolsExist(parts, stored, tools, report)
  else {
    checkPolicies(parts, tools, report)
    checkCalls(parts, tools, report)
  }
  if (header === undefined || !problems.isEmpty) return { _tag: "Refused", ...problems.all() }
  const document = { version: 1, ...(json as object) } as unknown as Document
  return { _tag: "Accepted", document, program: make({ ...definition, plan: document }) }
}

/** A copy of the document that is checked: the one that was given may change later. */
const plainCopy = (given: unknown, report: Report): unknown => {
  try {
    const unfit = given === undefined ? "the plan is undefined" : notJson(given, "the plan")
    if (unfit === undefined) return frozen(given)
    report("Malformed", "", `${unfit}, which is not plain JSON`)
  } catch (thrown) {
    const { message, tag } = describe(thrown)
    report("Malformed", "", `the plan cannot be read: ${tag}: ${message}`)
  }
  return undefined
}

/** The definition to check the rules on: every step with a name and a classification, even if it is malformed otherwise. */
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
    attributes: undefined,
    deadline: undefined,
    defaults: {},
    input,
    nodes: parts.flatMap((part): ReadonlyArray<NodeDefinition> => {
      if (!("siblings" in part)) return nodeOf(part, tools)
      const nodes = part.siblings.flatMap((step) => nodeOf(step, tools))
      return [{ _tag: "Parallel", concurrency: part.block?.concurrency, unwind: part.block?.unwind, nodes }]
    }),
    project: ({ outputs }) => outputs,
    success: undefined
  }
}

const nodeOf = (found: FoundStep, tools: Tools): ReadonlyArray<StepDefinition> => {
  const { classification, json, name, step } = found
  if (step !== undefined) return [stepOf(step, tools)]
  if (name === undefined || classification === undefined) return []
  const never = () => Effect.dieMessage("a malformed step is never run")
  const limits = limitsOf(tools, "")
  const retry = (member: string) =>
    Option.getOrUndefined(Option.map(memberOf(json, member), (retry) => {
      const decoded = decodeStrictlyNow(Retry, retry, { exact: true })
      return "value" in decoded ? retryOf(decoded.value, limits) : { times: 0 }
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

const checkRules = (definition: Definition, parts: ReadonlyArray<Found>, json: unknown, report: Report) => {
  const isEmpty = Option.exists(memberOf(json, "steps"), (steps) => Array.isArray(steps) && steps.length === 0)
  const isNode = (step: FoundStep) => step.name !== undefined && step.classification !== undefined
  const nodes = parts.filter((part) => "siblings" in part || isNode(part))
  const isRight = ({ rule }: BrokenRule, part: Found | undefined) => {
    // A list that is malformed, or whose every step is, is not empty.
    if (rule === "NoSteps") return isEmpty
    // The policies have named the member.
    if (rule === "InvalidTimeout") return false
    if (rule === "EmptyParallel") return part !== undefined && "siblings" in part && part.block?.parallel.length === 0
    return true
  }
  for (const broken of brokenRules(definition)) {
    const { message, rule, where: [index, sibling] } = broken
    const part = index === undefined ? undefined : nodes[index]
    if (!isRight(broken, part)) continue
    const place = part === undefined || !("siblings" in part) || sibling === undefined
      ? part
      : part.siblings.filter(isNode)[sibling]
    report(rule, place?.at ?? headerPlace[rule] ?? "", message)
  }
}

const headerPlace: { readonly [rule: string]: string } = {
  InvalidSagaName: "/name",
  InvalidVersion: "/version",
  NoSteps: "/steps"
}
