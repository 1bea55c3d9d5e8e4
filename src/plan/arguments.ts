/** What is wrong with the calls of a plan: their references, and their arguments as far as those are known. */
import { Either, Option, type ParseResult, SchemaAST } from "effect"
import { decodeAll, told, type Wrong } from "../values/decode.ts"
import type { Call } from "./document.ts"
import { type Reference, referencesIn, substitute } from "./reference.ts"
import type { Description } from "./ToolExecutor.ts"

/** What is known of a reference's value, if anything is. */
export type Find = (tokens: ReadonlyArray<string>) => Option.Option<unknown>

/** What is wrong with arguments, as far as it does not depend on references that nothing is found for yet. */
export const wrongArguments = (
  { arguments: template }: Pick<Call, "arguments">,
  description: Description | undefined,
  find: Find
): ReadonlyArray<Wrong> => {
  if (description?.parameters === undefined) return []
  const open = referencesIn(template).filter(({ tokens }) => tokens === undefined || Option.isNone(find(tokens)))
  const decoded = decodeAll(description.parameters, substitute(template, find))
  if (Either.isRight(decoded)) return []
  if (typeof decoded.left === "string") {
    // A schema that throws may have stumbled over a reference.
    return open.length > 0 ? [] : [{ path: [], reason: decoded.left }]
  }
  return wrongIn(decoded.left, [], open)
}

const isWithin = (path: ReadonlyArray<PropertyKey>, outer: ReadonlyArray<PropertyKey>) =>
  outer.every((part, index) => path.length > index && String(path[index]) === String(part))

const wrongIn = (
  issue: ParseResult.ParseIssue,
  path: ReadonlyArray<PropertyKey>,
  open: ReadonlyArray<Reference>
): ReadonlyArray<Wrong> => {
  const inside = open.filter((reference) => isWithin(reference.path, path))
  if (inside.length === 0 && !hasForbidden(issue)) return told(issue, path)
  switch (issue._tag) {
    case "Pointer": {
      const further = path.concat(issue.path as PropertyKey | Array<PropertyKey>)
      const isReference = open.some((reference) =>
        isWithin(further, reference.path) &&
        // A member that should not be there is wrong whatever stands in it.
        (further.length > reference.path.length || issue.issue._tag !== "Unexpected")
      )
      return isReference ? [] : wrongIn(issue.issue, further, open)
    }
    case "Composite": {
      // Which member of a union is meant may hang on what a reference will find.
      if (SchemaAST.isUnion(issue.ast) && inside.length > 0) return []
      const issues = Array.isArray(issue.issues) ? issue.issues : [issue.issues as ParseResult.ParseIssue]
      return issues.flatMap((issue) => wrongIn(issue, path, open))
    }
    case "Refinement":
    case "Transformation":
      // What is said of the whole may be otherwise with what a reference will find.
      return issue.kind === "From" || issue.kind === "Encoded" ? wrongIn(issue.issue, path, open) : []
    case "Forbidden":
      return []
    case "Unexpected":
      return told(issue, path)
    default:
      return inside.some((reference) => reference.path.length === path.length) ? [] : told(issue, path)
  }
}

/** Whether a schema needs time to say something: it says it when the call is made. */
const hasForbidden = (issue: ParseResult.ParseIssue): boolean => {
  switch (issue._tag) {
    case "Forbidden":
      return true
    case "Pointer":
    case "Refinement":
    case "Transformation":
      return hasForbidden(issue.issue)
    case "Composite":
      return (Array.isArray(issue.issues) ? issue.issues : [issue.issues as ParseResult.ParseIssue]).some(hasForbidden)
    default:
      return false
  }
}
