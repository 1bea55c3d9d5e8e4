/** Looks into the issues of schemas: why a value does not match. Their shapes are those of Effect 3: no other file knows them. */
import { Redacted, SchemaAST } from "effect"
import * as Effect3 from "effect"
import { hasSecret } from "./ast.ts"
import { visible } from "./visible.ts"

export type Issue = Effect3.ParseResult.ParseIssue

type Path = ReadonlyArray<PropertyKey>

/** One thing that is wrong with a value. */
export interface ValueProblem {
  readonly path: Path
  /** In one line. Names the place, too. */
  readonly reason: string
}

/**
 * The same issue; and if a schema in it has a secret, without any value. A secret may be anywhere then: a transformation has moved
 * it, or the author of the value has put it into the wrong place.
 */
export const withoutSecretsIn = (issue: Issue): Issue => isOfSecret(issue) ? withoutValues(issue) : issue

const isOfSecret = (issue: Issue): boolean => {
  switch (issue._tag) {
    case "Pointer":
      return isOfSecret(issue.issue)
    case "Missing":
    case "Unexpected":
      return false
    case "Type":
    case "Forbidden":
      return hasSecret(issue.ast)
    case "Composite":
      return hasSecret(issue.ast) || issuesOf(issue).some(isOfSecret)
    case "Refinement":
    case "Transformation":
      return hasSecret(issue.ast) || isOfSecret(issue.issue)
  }
}

const hidden = Redacted.make(undefined)

/** An issue without the values that it is about, and without the texts of users' functions, which may quote them. */
export const withoutValues = (issue: Issue): Issue => {
  switch (issue._tag) {
    case "Pointer":
      return new Effect3.ParseResult.Pointer(issue.path, hidden, withoutValues(issue.issue))
    case "Missing":
      return issue
    case "Unexpected":
      return new Effect3.ParseResult.Unexpected(hidden, issue.message)
    case "Type":
      return new Effect3.ParseResult.Type(issue.ast, hidden)
    case "Forbidden":
      return new Effect3.ParseResult.Forbidden(issue.ast, hidden)
    case "Composite": {
      const [first, ...others] = issuesOf(issue).map(withoutValues)
      return new Effect3.ParseResult.Composite(issue.ast, hidden, others.length === 0 ? first! : [first!, ...others])
    }
    case "Refinement":
      return new Effect3.ParseResult.Refinement(issue.ast, hidden, issue.kind, withoutValues(issue.issue))
    case "Transformation":
      return new Effect3.ParseResult.Transformation(issue.ast, hidden, issue.kind, withoutValues(issue.issue))
  }
}

const issuesOf = ({ issues }: Effect3.ParseResult.Composite): ReadonlyArray<Issue> =>
  Array.isArray(issues) ? issues : [issues as Issue]

/** Everything that an issue says is wrong. */
export const problemsIn = (issue: Issue, at: Path = []): ReadonlyArray<ValueProblem> =>
  format(issue).map(({ message, path: inside }) => {
    const path = [...at, ...inside]
    return { path, reason: visible(path.length === 0 ? message : `${path.map(String).join(".")} ${message}`) }
  })

const format = (issue: Issue): ReadonlyArray<{ readonly message: string; readonly path: Path }> => {
  try {
    return Effect3.ParseResult.ArrayFormatter.formatIssueSync(issue)
  } catch {
    // A schema's own message may throw.
    return [{ path: [], message: "does not match its schema" }]
  }
}

/** The problems of a value that do not depend on its parts at the open paths, which are not known yet. */
export const problemsBeside = (open: ReadonlyArray<Path>, issue: Issue, at: Path = []): ReadonlyArray<ValueProblem> => {
  const inside = open.filter((path) => isWithin(path, at))
  if (inside.length === 0 && !needsTime(issue)) return problemsIn(issue, at)
  switch (issue._tag) {
    case "Pointer": {
      const further = at.concat(issue.path as PropertyKey | Array<PropertyKey>)
      const isOpen = open.some((path) =>
        isWithin(further, path) &&
        // A member that should not be there is wrong whatever stands in it.
        (further.length > path.length || issue.issue._tag !== "Unexpected")
      )
      return isOpen ? [] : problemsBeside(open, issue.issue, further)
    }
    case "Composite": {
      // Which member of a union is meant may depend on the open parts.
      if (SchemaAST.isUnion(issue.ast) && inside.length > 0) return []
      return issuesOf(issue).flatMap((issue) => problemsBeside(open, issue, at))
    }
    case "Refinement":
    case "Transformation":
      // A problem of the whole value may disappear once its open parts are known.
      return issue.kind === "From" || issue.kind === "Encoded" ? problemsBeside(open, issue.issue, at) : []
    case "Forbidden":
      return []
    case "Unexpected":
      return problemsIn(issue, at)
    case "Missing":
    case "Type":
      return inside.some((path) => path.length === at.length) ? [] : problemsIn(issue, at)
  }
}

const isWithin = (path: Path, outer: Path) =>
  outer.every((part, index) => path.length > index && String(path[index]) === String(part))

/** Whether the schema is asynchronous, so that asked at once it can say nothing. */
export const needsTime = (issue: Issue): boolean => {
  switch (issue._tag) {
    case "Forbidden":
      return true
    case "Pointer":
    case "Refinement":
    case "Transformation":
      return needsTime(issue.issue)
    case "Composite":
      return issuesOf(issue).some(needsTime)
    case "Missing":
    case "Unexpected":
    case "Type":
      return false
  }
}
