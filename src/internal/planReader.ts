/**
 * Reads a plan: finds everything that is wrong with it, or makes its program. Each part of the document is read by itself, so
 * that what is wrong with one does not hide what is wrong with another.
 */
import { Effect, Either, Option, ParseResult, Schema } from "effect"
import type { Classification } from "../Journal.ts"
import { Call, type Document, Part } from "../PlanDocument.ts"
import type { Problem } from "../PlanError.ts"
import { type Description, problemsOf, type Service } from "../ToolExecutor.ts"
import type { Definition, NodeDefinition, Program, StepDefinition } from "./definition.ts"
import { notJson } from "./json.ts"
import * as Message from "./messages.ts"
import { callsOf, inDoubtOf, roles, type Step, type StepCall, stepOf } from "./planSteps.ts"
import { make } from "./program.ts"
import { lookUp, mayFind, type Reference, referencesIn, substitute } from "./reference.ts"
import { brokenRules } from "./rules.ts"

type Tools = Pick<Service, "describe">

/** A step, as far as it could be read: its name, its classification, or all of it. */
interface FoundStep {
  readonly at: string
  readonly name: string | undefined
  readonly classification: Classification | undefined
  readonly step: Step | undefined
  /** Those of its calls that are well-formed. */
  readonly calls: ReadonlyArray<StepCall>
}

/** A parallel block, as far as it could be read. */
interface FoundBlock {
  readonly at: string
  readonly block: typeof Part.Block.Type | undefined
  readonly siblings: ReadonlyArray<FoundStep>
}

type Found = FoundStep | FoundBlock

type Say = (tag: Problem["_tag"], at: string, message: string) => void

export interface Read {
  readonly document: Document
  readonly program: Program
}

/** The program of a document, or everything that is wrong with it, in the order of the document. */
export const read = (json: unknown, tools: Tools): Either.Either<Read, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const say: Say = (_tag, at, message) => void problems.push({ _tag, at, message })
  const unfit = notJson(json, "the plan")
  if (unfit !== undefined) {
    say("Malformed", "", `${unfit}, which is not plain JSON`)
    return Either.left(problems)
  }
  const header = decode(Part.Header, json, "", say)
  const parts = listOf(json, "steps").map((part, index) => findPart(part, `/steps/${index}`, say))
  const steps = parts.flatMap((part) => "siblings" in part ? part.siblings : [part])
  const read = steps.flatMap(({ step }) => step ?? [])
  const definition = definitionOf(json, parts, inputOf(read, tools), tools)
  sayRules(definition, parts, Array.isArray(member(json, "steps")) && parts.length === 0, say)
  // In a parallel block a Final is refused whatever it says.
  sayFinals(parts.flatMap((part) => "siblings" in part ? part.siblings.filter(isReversible) : [part]), tools, say)
  sayCalls(parts, tools, say)
  if (header === undefined || problems.length > 0) return Either.left(problems.sort(inOrder))
  const document = {
    ...header,
    steps: parts.map((part) =>
      "siblings" in part ? { ...part.block, parallel: part.siblings.map(({ step }) => step) } : part.step
    )
  } as unknown as Document
  return Either.right({ document, program: make({ ...definition, plan: document }) })
}

const collator = new Intl.Collator("en", { numeric: true })
const inOrder = (a: Problem, b: Problem) => collator.compare(a.at, b.at)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const member = (value: unknown, name: string): unknown =>
  isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined

const listOf = (value: unknown, name: string): ReadonlyArray<unknown> => {
  const list = member(value, name)
  return Array.isArray(list) ? list : []
}

const textOf = (value: unknown, name: string): string | undefined => {
  const text = member(value, name)
  return typeof text === "string" ? text : undefined
}

const pointerTo = (at: string, path: ReadonlyArray<PropertyKey>) =>
  [at, ...path.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1"))].join("/")

const decode = <A>(schema: Schema.Schema<A, any>, json: unknown, at: string, say: Say): A | undefined =>
  Either.getOrElse(
    ParseResult.decodeUnknownEither(schema, { errors: "all", onExcessProperty: "error", exact: true })(json),
    (issue) => {
      for (const { path, reason } of problemsOf(issue)) say("Malformed", pointerTo(at, path), reason)
      return undefined
    }
  )

const findPart = (json: unknown, at: string, say: Say): Found => {
  if (!isRecord(json) || !Object.hasOwn(json, "parallel")) return findStep(json, at, say)
  return {
    at,
    block: decode(Part.Block, json, at, say),
    siblings: listOf(json, "parallel").map((sibling, index) => findStep(sibling, `${at}/parallel/${index}`, say))
  }
}

const findStep = (json: unknown, at: string, say: Say): FoundStep => {
  const kind = isRecord(json) ? { classification: json.classification } : json
  const classification = decode(Part.Classified, kind, at, say)?.classification
  // What is wrong besides is told by the classification that allows most.
  const classified = classification === undefined && isRecord(json)
    ? { ...json, classification: "Compensatable" }
    : json
  const schema = Part.Step[classification ?? "Compensatable"] as Schema.Schema<Step, any>
  const step = isRecord(json) ? decode(schema, classified, at, say) : undefined
  const calls = roles.flatMap((role) =>
    Option.match(decodeCall(member(json, role)), { onNone: () => [], onSome: (call) => [{ role, call }] })
  )
  return { at, name: textOf(json, "name"), classification, step: classification && step, calls }
}

const decodeCall = Schema.decodeUnknownOption(Call, { exact: true })

/** What can be held against the rules: every step that has a name and a classification, whatever else is wrong with it. */
const definitionOf = (
  json: unknown,
  parts: ReadonlyArray<Found>,
  input: Definition["input"],
  tools: Tools
): Definition => {
  const version = member(json, "version")
  return {
    name: textOf(json, "name") ?? "unnamed",
    version: typeof version === "number" ? version : 1,
    onCompensationFailure: member(json, "onCompensationFailure") === "stop" ? "stop" : "continue",
    defaults: {},
    input,
    nodes: parts.flatMap((part): ReadonlyArray<NodeDefinition> =>
      "siblings" in part
        ? [{
          _tag: "Parallel",
          concurrency: part.block?.concurrency,
          unwind: part.block?.unwind,
          nodes: part.siblings.flatMap((step) => nodeOf(step, tools))
        }]
        : nodeOf(part, tools)
    ),
    project: ({ outputs }) => outputs
  }
}

const nodeOf = ({ classification, name, step }: FoundStep, tools: Tools): ReadonlyArray<StepDefinition> => {
  if (step !== undefined) return [stepOf(step, tools)]
  if (name === undefined || classification === undefined) return []
  const never = () => Effect.dieMessage("a malformed step is never run")
  return [{ _tag: "Step", name, classification, action: never, compensate: never }]
}

const sayRules = (definition: Definition, parts: ReadonlyArray<Found>, isEmpty: boolean, say: Say) => {
  const isNode = (step: FoundStep) => step.name !== undefined && step.classification !== undefined
  const nodes = parts.filter((part) => "siblings" in part || isNode(part))
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
const sayFinals = (steps: ReadonlyArray<FoundStep>, tools: Tools, say: Say) => {
  let committed = false
  for (const { at, step } of steps) {
    if (step === undefined || step.classification === "ReadOnly") continue
    const { classification, name, retry, timeout } = step
    if (inDoubtOf(step, tools) === undefined) {
      if (classification === "Final") say("MissingInDoubt", at, Message.missingFinalInDoubt(name))
      else if (timeout !== undefined) say("MissingInDoubt", at, Message.missingInDoubt(name))
    }
    if (classification !== "Final") continue
    if (committed && retry === undefined) say("MissingRetry", at, Message.missingRetry(name))
    committed = true
  }
}

/** The outputs that a step may refer to, with what is known of them, and why it may not refer to the others. */
interface Visible {
  readonly outputs: ReadonlyMap<string, Description | undefined>
  readonly why: (step: string) => string
}

const sayCalls = (parts: ReadonlyArray<Found>, tools: Tools, say: Say) => {
  const outputs = new Map<string, Description | undefined>()
  const names = new Set(parts.flatMap((part) => "siblings" in part ? part.siblings : [part]).map(({ name }) => name))
  const descriptionOf = ({ calls }: FoundStep) => {
    const action = calls.find(({ role }) => role === "action")
    return action && tools.describe(action.call.tool)
  }
  for (const part of parts) {
    const block = "siblings" in part ? part.siblings : [part]
    for (const step of block) {
      const isSibling = (name: string) => block.some((sibling) => sibling.name === name)
      const why = (name: string) =>
        name === step.name
          ? "which is what it returns itself, and only its compensation sees that"
          : isSibling(name)
          ? `but step "${name}" runs at the same time`
          : names.has(name)
          ? `but step "${name}" comes later`
          : `but there is no step "${name}"`
      for (const called of step.calls) {
        const own = called.role === "compensation" && step.name !== undefined
        const seen = own ? new Map([...outputs, [step.name, descriptionOf(step)] as const]) : outputs
        sayCall(step, called, { outputs: seen, why }, tools, say)
      }
    }
    for (const step of block) if (step.name !== undefined) outputs.set(step.name, descriptionOf(step))
  }
}

const sayCall = ({ at, name = "" }: FoundStep, { call, role }: StepCall, visible: Visible, tools: Tools, say: Say) => {
  const here = pointerTo(at, [role])
  const description = tools.describe(call.tool)
  if (description === undefined) say("UnknownTool", `${here}/tool`, Message.unknownTool(name, call.tool))
  for (const reference of referencesIn(call.arguments)) {
    const problem = whyUnresolved(reference, visible)
    if (problem !== undefined) {
      const place = pointerTo(`${here}/arguments`, reference.path)
      say("UnresolvedReference", place, Message.unresolvedReference(name, reference.pointer, problem))
    }
  }
  for (const { path, reason } of wrongArguments(call.arguments, () => Option.none(), description)) {
    const place = pointerTo(`${here}/arguments`, path)
    say("InvalidArguments", place, Message.invalidArguments(name, call.tool, reason))
  }
}

const whyUnresolved = ({ tokens }: Reference, { outputs, why }: Visible): string | undefined => {
  if (tokens === undefined) {
    return "and a reference is {\"$ref\": pointer} and nothing else, where the pointer begins with \"/input\" or \"/outputs/<step>\""
  }
  const [root, step = "", ...inside] = tokens
  if (root === "input") return undefined
  if (!outputs.has(step)) return why(step)
  const schema = outputs.get(step)?.success
  return schema === undefined || mayFind(schema, inside) ? undefined : `but step "${step}" returns nothing of that kind`
}

type Find = (tokens: ReadonlyArray<string>) => Option.Option<unknown>

/** What is wrong with arguments, as far as it does not depend on references that nothing is found for yet. */
const wrongArguments = (template: unknown, find: Find, description: Description | undefined) => {
  if (description?.parameters === undefined) return []
  const decoded = ParseResult.decodeUnknownEither(description.parameters, { errors: "all", onExcessProperty: "error" })(
    substitute(template, find)
  )
  // A schema that needs time says nothing before the call.
  if (Either.isRight(decoded) || decoded.left._tag === "Forbidden") return []
  const open = referencesIn(template).filter(({ tokens }) => tokens === undefined || Option.isNone(find(tokens)))
  return problemsOf(decoded.left).filter(({ path }) =>
    !open.some((reference) => path.every((part, index) => String(part) === (reference.path[index] ?? String(part))))
  )
}

/** The input of a plan: it has what the plan refers to, and with it the calls are what their tools take. */
const inputOf = (steps: ReadonlyArray<Step>, tools: Tools): Schema.Schema<unknown> => {
  const calls = steps.flatMap((step) => callsOf(step).map(({ call }) => ({ step, call })))
  const problems = (input: unknown) => {
    const find: Find = ([root, ...inside]) => root === "input" ? lookUp(input, inside) : Option.none()
    return calls.flatMap(({ call, step }) => {
      const missing = referencesIn(call.arguments).filter(({ tokens }) =>
        tokens?.[0] === "input" && Option.isNone(find(tokens))
      )
      return missing.length > 0
        ? missing.map(({ pointer }) =>
          Message.unresolvedReference(step.name, pointer, "and the input has nothing there")
        )
        : wrongArguments(call.arguments, find, tools.describe(call.tool))
          .map(({ reason }) => Message.invalidArguments(step.name, call.tool, reason))
    }).map((message) => ({ path: [], message }))
  }
  return Schema.Unknown.pipe(Schema.filter((input) => problems(input))).annotations({ title: "the input of the plan" })
}
