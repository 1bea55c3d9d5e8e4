/** Checks what executions are asked for by: a filter that is dropped in silence would list those of everybody. */
import { type Brand, Effect } from "effect"
import { isWellFormed } from "../definition/rules.ts"
import * as Journal from "../Journal.ts"
import { InvalidQuery } from "../SagaError.ts"
import type { Attributes, Listing } from "../store/Checkpoint.ts"
import { attributeProblem, notPlain } from "../values/attribute.ts"
import { said } from "../values/numbers.ts"

/** Where a page ends: a text that is handed back for the next page, and means nothing to anybody else. */
export type Cursor = string & Brand.Brand<"effect-saga/Cursor">

/** Which executions are asked for: those that fit all options. An option that is left out excludes none. */
export interface Filter {
  /** The name of the saga. */
  readonly saga?: string | undefined
  /** A status, or several of which one fits. */
  readonly status?: Journal.Status | ReadonlyArray<Journal.Status> | undefined
  /** An execution must have all of these, and may have others. The most specific one first is the fastest. */
  readonly attributes?: Attributes | undefined
  /** Those that started at this time or later, in epoch milliseconds or as a date. */
  readonly since?: number | Date | undefined
  /** Those that started before this time. */
  readonly until?: number | Date | undefined
  /** The `next` of a page: those that come after it. */
  readonly cursor?: string | undefined
}

/** Which executions a page has, and how many at most. */
export interface ListOptions extends Filter {
  /** 100 by default, 1000 at most. */
  readonly limit?: number | undefined
}

export const mostListed = 1000
const listedByDefault = 100

/** The text for a place: a letter that says how it is written, so that it can be written otherwise one day. */
export const cursorOf = (number: number): Cursor => `a${number.toString(36)}` as Cursor

const numberOf = (cursor: string): number | undefined => {
  const number = /^a[0-9a-z]{1,11}$/.test(cursor) ? parseInt(cursor.slice(1), 36) : NaN
  return Number.isSafeInteger(number) && cursorOf(number) === cursor ? number : undefined
}

/** What the store is asked for, or what is wrong with it. */
export const listingOf = (options: ListOptions): Effect.Effect<Listing, InvalidQuery> =>
  Effect.suspend(() => {
    const { attributes, cursor, limit = listedByDefault, saga } = options
    const statuses = typeof options.status === "string" ? [options.status] : options.status
    const [since, until] = [options.since, options.until].map(wholeTime)
    const before = cursor === undefined ? undefined : numberOf(String(cursor))
    const problem = sagaProblem(saga) ?? statusProblem(statuses) ?? attributesProblem(attributes) ??
      timeProblem("since", since) ?? timeProblem("until", until) ?? orderProblem(since, until) ??
      (cursor !== undefined && before === undefined
        ? `the cursor ${said(cursor)} is none that a page has given`
        : undefined) ??
      limitProblem(limit)
    return problem === undefined
      ? Effect.succeed({ saga, statuses, attributes, since, until, before, limit })
      : Effect.fail(new InvalidQuery({ problem }))
  })

const sagaProblem = (saga: unknown): string | undefined =>
  saga === undefined || (typeof saga === "string" && isWellFormed(saga))
    ? undefined
    : `${said(saga)} is no name of a saga`

const statusProblem = (statuses: ReadonlyArray<unknown> | undefined): string | undefined => {
  if (statuses === undefined) return undefined
  if (!Array.isArray(statuses)) return `${said(statuses)} is no status`
  if (statuses.length === 0) return "status is an empty list, which no execution fits: name one at least"
  const known: ReadonlyArray<unknown> = Journal.Status.literals
  const unknown = statuses.find((status) => !known.includes(status))
  return unknown === undefined && statuses.every((status) => status !== undefined)
    ? undefined
    : `${said(unknown)} is no status: there are ${known.map(said).join(", ")}`
}

const attributesProblem = (attributes: Attributes | undefined): string | undefined => {
  if (attributes === undefined) return undefined
  const kind = notPlain(attributes)
  if (kind !== undefined) return `attributes is ${kind}, and must be an object of plain values`
  for (const [name, value] of Object.entries(attributes)) {
    const problem = attributeProblem(name, value)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Executions start at whole milliseconds: none of them lies between a time and the next of these. */
const wholeTime = (time: number | Date | undefined): number | undefined => {
  const given = time instanceof Date ? time.getTime() : time
  return typeof given === "number" ? Math.ceil(given) : given
}

const timeProblem = (option: string, time: unknown): string | undefined =>
  // Beyond that there are no dates.
  time === undefined || (typeof time === "number" && Math.abs(time) <= 8.64e15)
    ? undefined
    : `${option} is ${said(time)}, and must be a date or a time in epoch milliseconds`

const orderProblem = (since: number | undefined, until: number | undefined): string | undefined =>
  since !== undefined && until !== undefined && since > until
    ? `since (${new Date(since).toISOString()}) is after until (${new Date(until).toISOString()})`
    : undefined

const limitProblem = (limit: unknown): string | undefined =>
  typeof limit === "number" && Number.isInteger(limit) && limit >= 1 && limit <= mostListed
    ? undefined
    : `limit is ${said(limit)}, and must be a whole number from 1 to ${mostListed}`
