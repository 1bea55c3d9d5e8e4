/** The parts of a plan, each read by itself, as far as it can be. */
import { Option, type Schema } from "effect"
import type { Classification } from "../Journal.ts"
import { withoutValues } from "../values/issues.ts"
import { decodeStrictlyNow, problemsOf } from "../values/schema.ts"
import { Part } from "./document.ts"
import type { Report } from "./reports.ts"
import { type Role, roles, type Step } from "./steps.ts"

/** A call, as far as it could be read. */
export interface FoundCall {
  readonly role: Role
  readonly tool: string | undefined
  /** None if the call has none. */
  readonly arguments: Option.Option<unknown>
}

/** A step, as far as it could be read. */
export interface FoundStep {
  readonly at: string
  readonly json: unknown
  readonly name: string | undefined
  readonly classification: Classification | undefined
  readonly calls: ReadonlyArray<FoundCall>
  /** The whole step; undefined if anything in it is malformed. */
  readonly step: Step | undefined
}

/** A parallel block, as far as it could be read. */
interface FoundBlock {
  readonly at: string
  readonly block: typeof Part.Block.Type | undefined
  readonly siblings: ReadonlyArray<FoundStep>
}

export type Found = FoundStep | FoundBlock

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const memberOf = (value: unknown, name: string): Option.Option<unknown> =>
  isRecord(value) && Object.hasOwn(value, name) ? Option.some(value[name]) : Option.none()

export const has = (value: unknown, name: string): boolean => Option.isSome(memberOf(value, name))

export const listOf = (value: unknown, name: string): ReadonlyArray<unknown> =>
  Option.getOrElse(Option.filter(memberOf(value, name), Array.isArray), () => [])

export const textOf = (value: unknown, name: string): string | undefined =>
  Option.getOrUndefined(Option.filter(memberOf(value, name), (text) => typeof text === "string"))

export const pointerTo = (at: string, path: ReadonlyArray<PropertyKey>) =>
  [at, ...path.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1"))].join("/")

export const decode = <A>(schema: Schema.Schema<A, any>, json: unknown, at: string, report: Report): A | undefined => {
  const decoded = decodeStrictlyNow(schema, json, { exact: true })
  if ("value" in decoded) return decoded.value
  // Arguments in the wrong place may be what a tool would keep secret.
  const refusal = "issue" in decoded ? { issue: withoutValues(decoded.issue) } : decoded
  for (const { path, reason } of problemsOf(refusal)) report("Malformed", pointerTo(at, path), reason)
  return undefined
}

export const findPart = (json: unknown, at: string, report: Report): Found => {
  if (!has(json, "parallel")) return findStep(json, at, report)
  return {
    at,
    block: decode(Part.Block, json, at, report),
    siblings: listOf(json, "parallel").map((sibling, index) => findStep(sibling, `${at}/parallel/${index}`, report))
  }
}

/** All steps, those in parallel blocks too. */
export const stepsOf = (parts: ReadonlyArray<Found>): ReadonlyArray<FoundStep> =>
  parts.flatMap((part) => "siblings" in part ? part.siblings : [part])

const findStep = (json: unknown, at: string, report: Report): FoundStep => {
  const kind = isRecord(json) ? { classification: json.classification } : json
  const classification = decode(Part.Classified, kind, at, report)?.classification
  // Without a valid classification the rest is checked as if it were Compensatable, which allows the most members.
  const classified = classification === undefined && isRecord(json)
    ? { ...json, classification: "Compensatable" }
    : json
  const schema = Part.Step[classification ?? "Compensatable"] as Schema.Schema<Step, any>
  const step = isRecord(json) ? decode(schema, classified, at, report) : undefined
  const calls = roles.flatMap((role): ReadonlyArray<FoundCall> =>
    Option.match(memberOf(json, role), {
      onNone: () => [],
      onSome: (call) => [{ role, tool: textOf(call, "tool"), arguments: memberOf(call, "arguments") }]
    })
  )
  return { at, json, name: textOf(json, "name"), classification, calls, step: classification && step }
}
