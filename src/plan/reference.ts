/**
 * References in the arguments of a plan: `{ "$ref": "/outputs/draft/path" }` stands for what a JSON Pointer (RFC 6901) finds in
 * `{ "input": ..., "outputs": { step: ... } }`, and `{ "$literal": ... }` for its member as it is, whatever it looks like.
 */
import { Option } from "effect"
import type { ActionContext, CompensationContext } from "../definition/Step.ts"

export interface Reference {
  /** Its place in the arguments. */
  readonly path: ReadonlyArray<string>
  /** The pointer as it may be shown. Of something that is no reference, only its form: it may hold anything. */
  readonly pointer: string
  /** The parts of the pointer; undefined if it is not a pointer into what a plan can see. */
  readonly tokens: ReadonlyArray<string> | undefined
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An object with the member `$ref` or `$literal` must have no other member. */
const markIn = (value: Readonly<Record<string, unknown>>): "$ref" | "$literal" | undefined =>
  Object.hasOwn(value, "$ref") ? "$ref" : Object.hasOwn(value, "$literal") ? "$literal" : undefined

/** The parts of a pointer; undefined if it does not begin with `/input` or `/outputs/<step>`. */
const tokensOf = (pointer: unknown): ReadonlyArray<string> | undefined => {
  if (typeof pointer !== "string" || !/^(\/([^~/]|~[01])*)+$/.test(pointer)) return undefined
  const tokens = pointer.slice(1).split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"))
  return tokens[0] === "input" || (tokens[0] === "outputs" && tokens.length > 1) ? tokens : undefined
}

/** All references in arguments, in the order in which they stand. */
export const referencesIn = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<Reference> => {
  if (Array.isArray(value)) return value.flatMap((member, index) => referencesIn(member, [...path, String(index)]))
  if (!isObject(value)) return []
  const mark = markIn(value)
  if (mark !== undefined && Object.keys(value).length > 1) return [{ path, pointer: formOf(value), tokens: undefined }]
  switch (mark) {
    case "$ref":
      return [{ path, pointer: formOf(value.$ref), tokens: tokensOf(value.$ref) }]
    case "$literal":
      return []
    case undefined:
      return Object.entries(value).flatMap(([name, member]) => referencesIn(member, [...path, name]))
  }
}

const formOf = (value: unknown): string =>
  typeof value === "string"
    ? /^#?\//.test(value) ? value : "…"
    : isObject(value)
    ? `{${Object.keys(value).map((name) => `${JSON.stringify(name)}: …`).join(", ")}}`
    : Array.isArray(value)
    ? "[…]"
    : String(value)

/** Arguments with each reference replaced by what `find` finds for it, and left as it is if that is nothing. */
export const substitute = (
  value: unknown,
  find: (tokens: ReadonlyArray<string>, pointer: string) => Option.Option<unknown>
): unknown => {
  if (Array.isArray(value)) return value.map((member) => substitute(member, find))
  if (!isObject(value)) return value
  switch (markIn(value)) {
    case "$ref": {
      const tokens = tokensOf(value.$ref)
      return tokens === undefined ? value : Option.getOrElse(find(tokens, String(value.$ref)), () => value)
    }
    case "$literal":
      return value.$literal
    case undefined:
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, substitute(member, find)]))
  }
}

/** Looks a pointer up in a JSON value, which has no members that are undefined. */
export const lookUp = (value: unknown, tokens: ReadonlyArray<string>): Option.Option<unknown> => {
  let found = value
  for (const token of tokens) {
    const inside = Array.isArray(found) ? /^(0|[1-9]\d*)$/.test(token) : isObject(found)
    if (!inside || !Object.hasOwn(found as object, token)) return Option.none()
    found = (found as Readonly<Record<string, unknown>>)[token]
  }
  return found === undefined ? Option.none() : Option.some(found)
}

/** Arguments with their references resolved, and the first reference that finds nothing. */
export const resolve = (
  step: string,
  template: unknown,
  context: ActionContext<unknown, unknown> | CompensationContext<unknown, unknown, unknown>
) => {
  const { input, outputs } = context
  const find = ([root, ...path]: ReadonlyArray<string>): Option.Option<unknown> => {
    if (root === "input") return lookUp(input, path)
    // Only a compensation sees its own step's output.
    return "output" in context && path[0] === step ? lookUp(context.output, path.slice(1)) : lookUp(outputs, path)
  }
  let missing: string | undefined
  const resolved = substitute(template, (tokens, pointer) => {
    const found = find(tokens)
    if (Option.isNone(found)) missing ??= pointer
    return found
  })
  return { resolved, missing }
}
