/** Holds the arguments of a plan's calls against what their tools take, as far as the arguments are known. */
import { Option } from "effect"
import type { ValueProblem } from "../values/issues.ts"
import { decodeStrictlyNow, problemsBesideOpen } from "../values/schema.ts"
import type { Call } from "./document.ts"
import { referencesIn, substitute } from "./reference.ts"
import type { Description } from "./ToolExecutor.ts"

/** The value of a reference, if it is known. */
export type Find = (tokens: ReadonlyArray<string>) => Option.Option<unknown>

/** The problems of arguments that do not depend on references whose values are not known yet. */
export const argumentProblems = (
  { arguments: template }: Pick<Call, "arguments">,
  description: Description | undefined,
  find: Find
): ReadonlyArray<ValueProblem> => {
  if (description?.parameters === undefined) return []
  const decoded = decodeStrictlyNow(description.parameters, substitute(template, find))
  if ("value" in decoded) return []
  const open = referencesIn(template).filter(({ tokens }) => tokens === undefined || Option.isNone(find(tokens)))
  return problemsBesideOpen(decoded, open.map(({ path }) => path))
}
