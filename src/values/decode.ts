/** Decodes what somebody wrote, and tells all that is wrong with it. */
import { Either, ParseResult, type Schema } from "effect"
import { cut } from "./secrets.ts"

/** One thing that is wrong. */
export interface Wrong {
  readonly path: ReadonlyArray<PropertyKey>
  /** Says where, too. */
  readonly reason: string
}

/** Decodes, and finds all that is wrong; a schema that throws is told by what it threw. */
export const decodeAll = <A>(
  schema: Schema.Schema<A, any>,
  value: unknown,
  options: { readonly exact?: boolean } = {}
): Either.Either<A, ParseResult.ParseIssue | string> => {
  try {
    return ParseResult.decodeUnknownEither(schema, { errors: "all", onExcessProperty: "error", ...options })(value)
  } catch (thrown) {
    return Either.left(`the schema threw ${String(thrown)}`)
  }
}

/** Each thing that an issue says is wrong. */
export const told = (
  issue: ParseResult.ParseIssue,
  at: ReadonlyArray<PropertyKey> = []
): ReadonlyArray<Wrong> =>
  ParseResult.ArrayFormatter.formatIssueSync(cut(issue)).map(({ message, path: inside }) => {
    const path = [...at, ...inside]
    return { path, reason: path.length === 0 ? message : `${path.map(String).join(".")} ${message}` }
  })
