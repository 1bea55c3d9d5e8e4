/** What can be an attribute: a plain value under a name, which an index of every store can hold. */
import { Effect } from "effect"
import { said } from "./numbers.ts"

const mostAttributes = 32
const longestName = 64
// PostgreSQL limits an index entry to about 2,700 bytes, and a character of JSON may take six.
const longestText = 400

const isText = (text: string): boolean => {
  try {
    encodeURIComponent(text)
    return !text.includes("\0")
  } catch {
    return false
  }
}

/** What is wrong with an attribute; undefined if nothing is. Says nothing of its value, which may be meant for nobody. */
export const attributeProblem = (name: string, value: unknown): string | undefined => {
  if (name === "" || name.length > longestName || name === "__proto__" || !isText(name)) {
    return `${said(name)} is no name of an attribute: it must be well-formed text of 1 to ${longestName} characters`
  }
  const whose = `attribute ${said(name)}`
  switch (typeof value) {
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${whose} is ${value}, and must be a finite number`
    case "string":
      if (value.length > longestText) return `${whose} has ${value.length} characters, and may have ${longestText}`
      return isText(value) ? undefined : `${whose} is no well-formed text, or holds U+0000`
    case "object":
    case "undefined":
    case "bigint":
    case "symbol":
    case "function":
      return `${whose} is ${article(value)}, and must be a text, a finite number or a boolean`
  }
}

const article = (value: unknown): string =>
  value === null || value === undefined ? String(value) : typeof value === "object" ? "an object" : `a ${typeof value}`

/**
 * What a value is that is no object with members of its own; undefined if it is one. A promise or a map would count as an object
 * without any.
 */
export const notPlain = (given: unknown): string | undefined => {
  if (typeof given !== "object" || given === null) return said(given)
  if (Array.isArray(given)) return "an array"
  if (typeof (given as { readonly then?: unknown }).then === "function") return "a promise"
  if (Effect.isEffect(given)) return "an effect"
  return Symbol.iterator in given ? "a collection" : given instanceof Date ? "a date" : undefined
}

/** The attributes that are there, or what is wrong with them. Those that are undefined are left out. */
export const plainAttributes = (
  given: unknown
): { readonly attributes: { readonly [name: string]: string | number | boolean } } | { readonly problem: string } => {
  const kind = notPlain(given)
  if (kind !== undefined) return { problem: `they are ${kind}, and must be an object of plain values` }
  const entries = Object.entries(given as object).filter(([, value]) => value !== undefined)
  if (entries.length > mostAttributes) {
    return { problem: `they are ${entries.length}, and may be ${mostAttributes}` }
  }
  for (const [name, value] of entries) {
    const problem = attributeProblem(name, value)
    if (problem !== undefined) return { problem }
  }
  return { attributes: Object.fromEntries(entries) }
}
