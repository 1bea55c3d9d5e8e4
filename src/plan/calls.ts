/** Holds the calls of a plan against the tools that there are, and against what their references can find. */
import { Option, Schema } from "effect"
import * as Message from "../definition/messages.ts"
import { type ExecutionState, tookEffect } from "../Journal.ts"
import { notJson } from "../values/json.ts"
import { type Find, wrongArguments } from "./arguments.ts"
import { type Found, type FoundCall, type FoundStep, pointerTo, type Say } from "./parts.ts"
import { lookUp, mayFind, type Reference, referencesIn } from "./reference.ts"
import { callsOf, type Role, type Step } from "./steps.ts"
import type { Description, Service } from "./ToolExecutor.ts"

type Tools = Pick<Service, "describe">

/** The outputs that a step may refer to, with what is known of them, and why it may not refer to another. */
interface Visible {
  readonly find: (step: string) => Option.Option<Description | undefined>
  readonly why: (step: string) => string
}

/** Says what is wrong with the calls of all steps. */
export const sayCalls = (parts: ReadonlyArray<Found>, tools: Tools, say: Say): void => {
  const outputs = new Map<string, Description | undefined>()
  const names = new Set(parts.flatMap((part) => "siblings" in part ? part.siblings : [part]).map(({ name }) => name))
  const descriptionOf = ({ calls }: FoundStep) => {
    const tool = calls.find(({ role }) => role === "action")?.tool
    return tool === undefined ? undefined : tools.describe(tool)
  }
  const find = (step: string) => outputs.has(step) ? Option.some(outputs.get(step)) : Option.none()
  for (const part of parts) {
    const block = "siblings" in part ? part.siblings : [part]
    for (const step of block) {
      const why = (name: string) =>
        name === step.name
          ? "which is what it returns itself, and only its compensation sees that"
          : block.some((sibling) => sibling.name === name)
          ? `but step "${name}" runs at the same time`
          : names.has(name)
          ? `but step "${name}" comes later`
          : `but there is no step "${name}"`
      const findOwn = (name: string) => name === step.name ? Option.some(descriptionOf(step)) : find(name)
      for (const called of step.calls) {
        sayCall(step, called, { find: called.role === "compensation" ? findOwn : find, why }, tools, say)
      }
    }
    for (const step of block) {
      // Of two steps of one name the first is the one that a reference means: the second is refused.
      if (step.name !== undefined && !outputs.has(step.name)) outputs.set(step.name, descriptionOf(step))
    }
  }
}

const sayCall = (
  { at, classification, name = "" }: FoundStep,
  { arguments: given, role, tool }: FoundCall,
  visible: Visible,
  tools: Tools,
  say: Say
) => {
  const here = pointerTo(at, [role])
  const description = tool === undefined ? undefined : tools.describe(tool)
  if (tool !== undefined) {
    if (description === undefined) say("UnknownTool", `${here}/tool`, Message.unknownTool(name, tool))
    const reads = role === "verify" || (role === "action" && classification === "ReadOnly")
    if (reads && description?.readOnly === false) say("NotReadOnly", `${here}/tool`, Message.notReadOnly(name, tool))
    const success = description?.success
    if (role === "verify" && success !== undefined && !mayFind(success, ["happened"])) {
      say("InvalidVerify", `${here}/tool`, Message.invalidVerify(name, tool))
    }
  }
  if (Option.isNone(given)) return
  const template = { arguments: given.value }
  for (const reference of referencesIn(given.value)) {
    const problem = whyUnresolved(reference, visible)
    if (problem !== undefined) {
      const place = pointerTo(`${here}/arguments`, reference.path)
      say("UnresolvedReference", place, Message.unresolvedReference(name, reference.pointer, problem))
    }
  }
  for (const { path, reason } of wrongArguments(template, description, () => Option.none())) {
    const place = pointerTo(`${here}/arguments`, path)
    say("InvalidArguments", place, Message.invalidArguments(name, tool ?? "", reason))
  }
}

const whyUnresolved = ({ tokens }: Reference, { find, why }: Visible): string | undefined => {
  if (tokens === undefined) {
    return "and a reference is {\"$ref\": pointer} and nothing else, where the pointer begins with \"/input\" or \"/outputs/<step>\""
  }
  const [root, step = "", ...inside] = tokens
  if (root === "input") return undefined
  const found = find(step)
  if (Option.isNone(found)) return why(step)
  const schema = found.value?.success
  return schema === undefined || mayFind(schema, inside) ? undefined : `but step "${step}" returns nothing of that kind`
}

/** Says which tools an execution may still have to call, and are not there. */
export const sayMissingTools = (parts: ReadonlyArray<Found>, state: ExecutionState, tools: Tools, say: Say): void => {
  if (state.status === "Succeeded" || state.status === "Undone") return
  for (const { at, calls, name = "" } of parts.flatMap((part) => "siblings" in part ? part.siblings : [part])) {
    const recorded = state.steps.get(name)
    const isDone = recorded !== undefined && (tookEffect(recorded) || recorded.status === "Skipped")
    const isOwed = (role: Role) =>
      role === "compensation"
        ? state.direction === "Forward" || (isDone && recorded.status !== "Undone")
        : state.direction === "Forward" && !isDone
    for (const { role, tool } of calls) {
      if (tool !== undefined && isOwed(role) && tools.describe(tool) === undefined) {
        say("UnknownTool", `${pointerTo(at, [role])}/tool`, Message.unknownTool(name, tool))
      }
    }
  }
}

/** The input of a plan: it has what the plan refers to, and with it the calls are what their tools take. */
export const inputOf = (steps: ReadonlyArray<Step>, tools: Tools): Schema.Schema<unknown> => {
  const calls = steps.flatMap((step) =>
    callsOf(step).flatMap(({ call }) => {
      const pointers = referencesIn(call.arguments).filter(({ tokens }) => tokens?.[0] === "input")
      return pointers.length === 0 ? [] : [{ step, call, pointers }]
    })
  )
  const problems = (input: unknown): ReadonlyArray<string> => {
    const unfit = input === undefined ? undefined : notJson(input, "the input")
    if (unfit !== undefined) return [`${unfit}, which is not plain JSON`]
    const find: Find = ([root, ...inside]) => root === "input" ? lookUp(input, inside) : Option.none()
    return calls.flatMap(({ call, pointers, step: { name } }) => {
      const missing = pointers.filter(({ tokens }) => Option.isNone(find(tokens!)))
      return missing.length > 0
        ? missing.map(({ pointer }) => Message.unresolvedReference(name, pointer, "and the input has nothing there"))
        : wrongArguments(call, tools.describe(call.tool), find)
          .map(({ reason }) => Message.invalidArguments(name, call.tool, reason))
    })
  }
  return Schema.Unknown.pipe(
    Schema.filter((input) => problems(input).map((message) => ({ path: [], message })))
  ).annotations({ title: "the input of the plan" })
}
