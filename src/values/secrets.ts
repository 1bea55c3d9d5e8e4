/** Removes the values that a schema redacts from its errors. */
import { Option, ParseResult, Redacted, SchemaAST } from "effect"

/** The same error without the values that its schema redacts. */
export const withoutSecrets = ({ issue }: ParseResult.ParseError): ParseResult.ParseError =>
  new ParseResult.ParseError({ issue: cut(issue) })

/** `hides` where what is wrong is wrong with a value that may have a secret in it. */
export const cut = (issue: ParseResult.ParseIssue, hides = false): ParseResult.ParseIssue => {
  switch (issue._tag) {
    case "Pointer":
      return new ParseResult.Pointer(issue.path, issue.actual, cut(issue.issue))
    case "Missing":
    case "Unexpected":
      return issue
  }
  const { ast } = issue
  if (isSecret(ast)) return new ParseResult.Type(ast, redacted)
  const hidden = hides || hasSecret(ast, new Set())
  switch (issue._tag) {
    case "Composite": {
      const { issues } = issue
      const inside = (issue: ParseResult.ParseIssue) => cut(issue, hidden)
      const rest = isMany(issues) ? [inside(issues[0]), ...issues.slice(1).map(inside)] as const : inside(issues)
      return new ParseResult.Composite(issue.ast, issue.actual, rest, issue.output)
    }
    case "Refinement":
      return new ParseResult.Refinement(issue.ast, issue.actual, issue.kind, cut(issue.issue, hidden))
    case "Transformation":
      // What a transformation says of why it failed may quote what it was given.
      return hidden && issue.kind === "Transformation"
        ? new ParseResult.Type(ast, redacted)
        : new ParseResult.Transformation(issue.ast, issue.actual, issue.kind, cut(issue.issue, hidden))
    default:
      return hidden ? new ParseResult.Type(ast, redacted) : issue
  }
}

const redacted = Redacted.make(undefined)

const isMany = <A>(issues: ParseResult.SingleOrNonEmpty<A>): issues is readonly [A, ...Array<A>] =>
  Array.isArray(issues)

/** Whether the schema is of a secret. What matches no member of a union may have been meant for the one that is. */
const isSecret = (ast: SchemaAST.AST): boolean => {
  switch (ast._tag) {
    case "Declaration":
      return Option.exists(
        SchemaAST.getTypeConstructorAnnotation(ast),
        ({ _tag }) => _tag === "effect/Redacted"
      )
    case "Transformation":
      return isSecret(ast.to)
    case "Refinement":
      return isSecret(ast.from)
    case "Union":
      return ast.types.some(isSecret)
    default:
      return false
  }
}

/** Whether there is a secret anywhere in what the schema is of. */
const hasSecret = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST>): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  const inside = (ast: SchemaAST.AST) => hasSecret(ast, seen)
  switch (ast._tag) {
    case "Declaration":
      return isSecret(ast) || ast.typeParameters.some(inside)
    case "TypeLiteral":
      return ast.propertySignatures.some(({ type }) => inside(type)) ||
        ast.indexSignatures.some(({ type }) => inside(type))
    case "TupleType":
      return ast.elements.some(({ type }) => inside(type)) || ast.rest.some(({ type }) => inside(type))
    case "Union":
      return ast.types.some(inside)
    case "Refinement":
      return inside(ast.from)
    case "Transformation":
      return inside(ast.from) || inside(ast.to)
    case "Suspend":
      return inside(ast.f())
    default:
      return false
  }
}
