/// <reference types="node" />
/**
 * Journals as JSON Lines in a chain of hashes: each line holds the hash of the one before and its own, so that a line that was changed,
 * left out or moved is found. The last hash, kept elsewhere, vouches for all of them.
 */
import { Schema } from "effect"
import { createHash } from "node:crypto"
import type * as Journal from "../Journal.ts"
import { canonical } from "../values/json.ts"

/** The `previous` of the first line. */
export const beginning = "0".repeat(64)

const Line = Schema.Struct({
  executionId: Schema.String,
  number: Schema.Number,
  event: Schema.Unknown,
  previous: Schema.String,
  hash: Schema.String
})
type Line = typeof Line.Type

const hashOf = (line: Omit<Line, "hash">): string => createHash("sha256").update(canonical(line)).digest("hex")

/** The line of an event, which is the `number`th of its execution, from 0. */
export const lineOf = (executionId: string, number: number, event: Journal.Event, previous: string): Line => {
  const line = { executionId, number, event, previous }
  return { ...line, hash: hashOf(line) }
}

const read = Schema.decodeUnknownOption(Schema.parseJson(Line))

/**
 * How many lines hold, and the last hash; or what is wrong with the first line that does not. A line must be as it was written, letter by
 * letter: two texts can mean the same to one reader and not to another.
 */
export const verify = (
  lines: Iterable<string>,
  expected?: string
): { readonly lines: number; readonly last: string } | { readonly line: number; readonly problem: string } => {
  let previous = beginning
  let count = 0
  for (const text of lines) {
    count++
    const line = read(text)
    if (line._tag === "None") return { line: count, problem: "it is no line of an export" }
    const { event, executionId, number } = line.value
    if (line.value.previous !== previous) return { line: count, problem: "the line before it is another one" }
    const written = lineOf(executionId, number, event as Journal.Event, previous)
    if (JSON.stringify(written) !== text) return { line: count, problem: "it was changed" }
    previous = written.hash
  }
  return expected !== undefined && expected !== previous
    ? { line: count, problem: `it is the last one, and its hash is ${previous} instead of ${expected}` }
    : { lines: count, last: previous }
}
