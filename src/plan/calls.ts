/** Holds the calls of a plan against the tools that there are, and against what their references can find. */
import { Option } from "effect"
import * as Message from "../definition/messages.ts"
import { type ExecutionState, tookEffect } from "../Journal.ts"
import { isFinished } from "../journal/statuses.ts"
import { mayHave } from "../values/ast.ts"
import { argumentProblems } from "./arguments.ts"
import { type Found, type FoundCall, type FoundStep, pointerTo, stepsOf } from "./parts.ts"
import { type Reference, referencesIn } from "./reference.ts"
import type { Report } from "./reports.ts"
import type { Role } from "./steps.ts"
import type { Description, Service } from "./ToolExecutor.ts"
import { classificationsOf, mayBe, mayUndo } from "./trust.ts"

type Tools = Pick<Service, "describe">

/** The outputs that a step may refer to. */
interface Visible {
  /** The description of the tool that gives a step's output; none if the output may not be referred to. */
  readonly find: (step: string) => Option.Option<Description | undefined>
  /** Why a step's output may not be referred to. */
  readonly why: (step: string) => string
}

/** Checks the calls of all steps. */
export const checkCalls = (parts: ReadonlyArray<Found>, tools: Tools, report: Report): void => {
  const outputs = new Map<string, Description | undefined>()
  const names = new Set(stepsOf(parts).map(({ name }) => name))
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
        checkCall(step, called, { find: called.role === "compensation" ? findOwn : find, why }, tools, report)
      }
    }
    for (const step of block) {
      // Of two steps of one name the first is the one that a reference means: the second is refused.
      if (step.name !== undefined && !outputs.has(step.name)) outputs.set(step.name, descriptionOf(step))
    }
  }
}

/** Checks that a plan uses a tool as what it is by its owner's word. */
const checkTrust = (
  { at, calls, classification, name = "" }: FoundStep,
  { role, tool }: { readonly role: Role; readonly tool: string },
  tools: Tools,
  report: Report
) => {
  const declared = tools.describe(tool)
  if (declared === undefined) return
  const here = `${pointerTo(at, [role])}/tool`
  const is = (classificationsOf(declared) ?? []).join(" or ")
  switch (role) {
    case "verify":
      if (!mayBe(declared, "ReadOnly")) report("NotReadOnly", here, Message.notReadOnly(name, tool))
      return
    case "action":
      if (classification === undefined || mayBe(declared, classification)) return
      if (classification === "ReadOnly") report("NotReadOnly", here, Message.notReadOnly(name, tool))
      else report("WrongClassification", here, Message.wrongClassification(name, classification, tool, is))
      return
    case "compensation": {
      const done = calls.find((call) => call.role === "action")?.tool
      const action = done === undefined ? undefined : tools.describe(done)
      if (mayUndo(action, declared, tool)) return
      const by = action?.compensatedBy?.map((one) => `"${one}"`).join(" or ")
      const message = by === undefined
        ? Message.noCompensation(name, tool, is)
        : Message.wrongCompensation(name, tool, done ?? "", by)
      report("WrongCompensation", here, message)
    }
  }
}

const checkCall = (
  found: FoundStep,
  { arguments: given, role, tool }: FoundCall,
  visible: Visible,
  tools: Tools,
  report: Report
) => {
  const { at, name = "" } = found
  const here = pointerTo(at, [role])
  const description = tool === undefined ? undefined : tools.describe(tool)
  if (tool !== undefined) {
    if (description === undefined) report("UnknownTool", `${here}/tool`, Message.unknownTool(name, tool))
    checkTrust(found, { role, tool }, tools, report)
    const success = description?.success
    if (role === "verify" && success !== undefined && !mayHave(success, ["happened"])) {
      report("InvalidVerify", `${here}/tool`, Message.invalidVerify(name, tool))
    }
  }
  if (Option.isNone(given)) return
  const template = { arguments: given.value }
  for (const reference of referencesIn(given.value)) {
    const problem = whyUnresolved(reference, visible)
    if (problem !== undefined) {
      const place = pointerTo(`${here}/arguments`, reference.path)
      report("UnresolvedReference", place, Message.unresolvedReference(name, reference.pointer, problem))
    }
  }
  for (const { path, reason } of argumentProblems(template, description, () => Option.none())) {
    const place = pointerTo(`${here}/arguments`, path)
    report("InvalidArguments", place, Message.invalidArguments(name, tool ?? "", reason))
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
  return schema === undefined || mayHave(schema, inside) ? undefined : `but step "${step}" returns nothing of that kind`
}

/** Checks that every tool is there that an execution may still have to call. */
export const checkToolsExist = (
  parts: ReadonlyArray<Found>,
  state: ExecutionState,
  tools: Tools,
  report: Report
): void => {
  if (isFinished(state.status)) return
  for (const { at, calls, name = "" } of stepsOf(parts)) {
    const recorded = state.steps.get(name)
    const isDone = recorded !== undefined && (tookEffect(recorded) || recorded.status === "Skipped")
    const isOwed = (role: Role) =>
      role === "compensation"
        ? state.direction === "Forward" || (isDone && recorded.status !== "Undone")
        : state.direction === "Forward" && !isDone
    for (const { role, tool } of calls) {
      if (tool !== undefined && isOwed(role) && tools.describe(tool) === undefined) {
        report("UnknownTool", `${pointerTo(at, [role])}/tool`, Message.unknownTool(name, tool))
      }
    }
  }
}
