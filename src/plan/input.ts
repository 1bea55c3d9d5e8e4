/** The input of a plan: plain JSON, which has what the plan refers to. */
import { Option, type Schema } from "effect"
import * as Message from "../definition/messages.ts"
import { frozen, notJson } from "../values/json.ts"
import { checkedCopy } from "../values/schema.ts"
import { argumentProblems, type Find } from "./arguments.ts"
import type { Call } from "./document.ts"
import { firstProblems } from "./problems.ts"
import { lookUp, type Reference, referencesIn } from "./reference.ts"
import { callsOf, type Step } from "./steps.ts"
import type { Service } from "./ToolExecutor.ts"

/** A call whose arguments refer to the input. */
interface Dependent {
  readonly step: string
  readonly call: Call
  readonly references: ReadonlyArray<Reference>
}

/**
 * The schema of a plan's input. The input must have all that the plan refers to, and give arguments that the tools take. The schema
 * makes a frozen copy of it, so that nobody can change the input of a plan that runs.
 */
export const inputOf = (steps: ReadonlyArray<Step>, tools: Pick<Service, "describe">): Schema.Schema<unknown> => {
  const dependents = steps.flatMap((step) => callsOf(step).flatMap(({ call }) => dependentOn(step.name, call)))
  return checkedCopy("the input of the plan", (input) => {
    const unfit = input === undefined ? undefined : notJson(input, "the input")
    if (unfit !== undefined) return { problems: [`${unfit}, which is not plain JSON`] }
    const value = input === undefined ? undefined : frozen(input)
    const problems = firstProblems(dependents.flatMap((dependent) => problemsOf(dependent, value, tools)))
    return problems.length === 0 ? { value } : { problems }
  })
}

const dependentOn = (step: string, call: Call): ReadonlyArray<Dependent> => {
  const references = referencesIn(call.arguments).filter(({ tokens }) => tokens?.[0] === "input")
  return references.length === 0 ? [] : [{ step, call, references }]
}

const problemsOf = (
  { call, references, step }: Dependent,
  input: unknown,
  tools: Pick<Service, "describe">
): ReadonlyArray<string> => {
  const find: Find = ([root, ...inside]) => root === "input" ? lookUp(input, inside) : Option.none()
  const missing = references.filter(({ tokens }) => Option.isNone(find(tokens!)))
  return missing.length > 0
    ? missing.map(({ pointer }) => Message.unresolvedReference(step, pointer, "and the input has nothing there"))
    : argumentProblems(call, tools.describe(call.tool), find)
      .map(({ reason }) => Message.invalidArguments(step, call.tool, reason))
}
