/** Keeps what a schema redacts out of what is said when a value does not match. */
import { Option, ParseResult, Redacted, Schema, SchemaAST } from "effect"

/**
 * Checks a value against its schema. The error has no redacted value in it, as Effect's own has: of a secret that is too long it
 * says what it is.
 */
export const validate = <A>(schema: Schema.Schema<A, any, never>, value: unknown) =>
  ParseResult.mapError(Schema.validate(schema)(value), withoutSecrets)

/** The same error, with the values left out that its schema redacts. */
export const withoutSecrets = ({ issue }: ParseResult.ParseError): ParseResult.ParseError =>
  new ParseResult.ParseError({ issue: cut(issue) })

const cut = (issue: ParseResult.ParseIssue): ParseResult.ParseIssue => {
  switch (issue._tag) {
    case "Pointer":
      return new ParseResult.Pointer(issue.path, issue.actual, cut(issue.issue))
    case "Missing":
    case "Unexpected":
      return issue
  }
  if (isSecret(issue.ast)) return new ParseResult.Type(issue.ast, Redacted.make(undefined))
  switch (issue._tag) {
    case "Composite": {
      const { issues } = issue
      const rest = isMany(issues) ? [cut(issues[0]), ...issues.slice(1).map(cut)] as const : cut(issues)
      return new ParseResult.Composite(issue.ast, issue.actual, rest, issue.output)
    }
    case "Refinement":
      return new ParseResult.Refinement(issue.ast, issue.actual, issue.kind, cut(issue.issue))
    case "Transformation":
      return new ParseResult.Transformation(issue.ast, issue.actual, issue.kind, cut(issue.issue))
    default:
      return issue
  }
}

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
