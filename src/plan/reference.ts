/**
 * References in the arguments of a plan: `{ "$ref": "/outputs/draft/path" }` stands for what a JSON Pointer (RFC 6901) finds in
 * `{ "input": ..., "outputs": { step: ... } }`, and `{ "$literal": ... }` for its member as it is, whatever it looks like.
 */
import { Option, type Schema, SchemaAST } from "effect"

export interface Reference {
  /** Where it stands in the arguments. */
  readonly path: ReadonlyArray<string>
  readonly pointer: string
  /** The parts of the pointer, or undefined where it is none into what a plan can see. */
  readonly tokens: ReadonlyArray<string> | undefined
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What an object with the member `$ref` or `$literal` has to be: that member alone. */
const marked = (value: Readonly<Record<string, unknown>>): "$ref" | "$literal" | undefined =>
  Object.hasOwn(value, "$ref") ? "$ref" : Object.hasOwn(value, "$literal") ? "$literal" : undefined

/** Reads a pointer, or answers undefined where it is none that begins with `/input` or `/outputs/<step>`. */
const tokensOf = (pointer: unknown): ReadonlyArray<string> | undefined => {
  if (typeof pointer !== "string" || !/^(\/([^~/]|~[01])*)+$/.test(pointer)) return undefined
  const tokens = pointer.slice(1).split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"))
  return tokens[0] === "input" || (tokens[0] === "outputs" && tokens.length > 1) ? tokens : undefined
}

/** All references in arguments, in the order in which they stand. */
export const referencesIn = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<Reference> => {
  if (Array.isArray(value)) return value.flatMap((member, index) => referencesIn(member, [...path, String(index)]))
  if (!isObject(value)) return []
  const mark = marked(value)
  const members = Object.entries(value)
  if (mark === undefined) return members.flatMap(([name, member]) => referencesIn(member, [...path, name]))
  if (members.length > 1) return [{ path, pointer: JSON.stringify(value), tokens: undefined }]
  if (mark === "$literal") return []
  const { $ref } = value
  return [{ path, pointer: typeof $ref === "string" ? $ref : JSON.stringify($ref), tokens: tokensOf($ref) }]
}

/** Arguments with each reference replaced by what `find` finds for it, and left as it is where that is nothing. */
export const substitute = (
  value: unknown,
  find: (tokens: ReadonlyArray<string>, pointer: string) => Option.Option<unknown>
): unknown => {
  if (Array.isArray(value)) return value.map((member) => substitute(member, find))
  if (!isObject(value)) return value
  switch (marked(value)) {
    case "$ref": {
      const tokens = tokensOf(value.$ref)
      return tokens === undefined ? value : Option.getOrElse(find(tokens, String(value.$ref)), () => value)
    }
    case "$literal":
      return value.$literal
    default:
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, substitute(member, find)]))
  }
}

/** What a pointer finds in a JSON value, which has no members that are undefined. */
export const lookUp = (value: unknown, tokens: ReadonlyArray<string>): Option.Option<unknown> => {
  let found = value
  for (const token of tokens) {
    const inside = Array.isArray(found) ? /^(0|[1-9]\d*)$/.test(token) : isObject(found)
    if (!inside || !Object.hasOwn(found as object, token)) return Option.none()
    found = (found as Readonly<Record<string, unknown>>)[token]
  }
  return found === undefined ? Option.none() : Option.some(found)
}

/** Whether a pointer may find something in what a schema encodes to. */
export const mayFind = (schema: Schema.Schema<any, any>, tokens: ReadonlyArray<string>): boolean =>
  mayHave(SchemaAST.encodedAST(schema.ast), tokens)

const mayHave = (ast: SchemaAST.AST, tokens: ReadonlyArray<string>): boolean => {
  const [token, ...rest] = tokens
  if (token === undefined) return true
  switch (ast._tag) {
    case "TypeLiteral": {
      const property = ast.propertySignatures.find(({ name }) => name === token)
      if (property !== undefined) return mayHave(property.type, rest)
      const isAnyObject = ast.propertySignatures.length + ast.indexSignatures.length === 0
      return isAnyObject || ast.indexSignatures.some(({ type }) => mayHave(type, rest))
    }
    case "TupleType": {
      if (!/^(0|[1-9]\d*)$/.test(token)) return false
      const element = ast.elements[Number(token)]
      return element === undefined ? ast.rest.some(({ type }) => mayHave(type, rest)) : mayHave(element.type, rest)
    }
    case "Union":
      return ast.types.some((type) => mayHave(type, tokens))
    case "Suspend":
      return mayHave(SchemaAST.encodedAST(ast.f()), tokens)
    case "AnyKeyword":
    case "UnknownKeyword":
    case "ObjectKeyword":
    case "Declaration":
    case "Refinement":
    case "Transformation":
      return true
    default:
      return false
  }
}
