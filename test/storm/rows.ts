/** What is stored, by plain SQL: the library has no part in it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import Sqlite from "better-sqlite3"
import { Effect, Redacted } from "effect"
import type { Place } from "./messages.ts"

/** An event of a journal; what else it says depends on its tag. */
export interface Event {
  readonly _tag: string
  readonly at: number
  readonly [member: string]: unknown
}

export interface Stored {
  readonly executionId: string
  readonly saga: string
  /** The last status that a commit has set. */
  readonly status: string
  /** The status among those that are not finished; undefined where it is not among them. */
  readonly unfinished: string | undefined
  /** The leases under which the commits were written, one after the other, without repetitions. */
  readonly tokens: ReadonlyArray<number>
  readonly events: ReadonlyArray<Event>
  /** What is wrong with the rows themselves. */
  readonly problems: ReadonlyArray<string>
}

const executions = "SELECT id, execution_id, saga, status, token, body FROM effect_saga_execution ORDER BY id"
const commits = "SELECT execution, sequence, status, token, body FROM effect_saga_commit ORDER BY execution, sequence"
const unfinished = "SELECT execution, status FROM effect_saga_unfinished"

type Rows = ReadonlyArray<Record<string, unknown>>

const fromSqlite = (filename: string): ReadonlyArray<Rows> => {
  const database = new Sqlite(filename, { readonly: true })
  try {
    return [executions, commits, unfinished].map((text) => database.prepare(text).all() as Rows)
  } finally {
    database.close()
  }
}

const fromPostgres = (url: string): Promise<ReadonlyArray<Rows>> =>
  Effect.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) =>
      Effect.forEach([executions, commits, unfinished], (text) => sql.unsafe<Record<string, unknown>>(text))).pipe(
        Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
      )
  )

export const readRows = async (place: Place): Promise<ReadonlyArray<Stored>> => {
  const [executionRows, commitRows, unfinishedRows] = place._tag === "sqlite"
    ? fromSqlite(place.filename)
    : await fromPostgres(place.url)
  const open = new Map(unfinishedRows!.map(({ execution, status }) => [Number(execution), String(status)]))
  const later = new Map<number, Array<Rows[number]>>()
  for (const row of commitRows!) {
    const execution = Number(row.execution)
    later.set(execution, [...later.get(execution) ?? [], row])
  }
  return executionRows!.map((row) => {
    const rows = [{ sequence: 0, ...row } as Record<string, unknown>, ...later.get(Number(row.id)) ?? []]
    const tokens: Array<number> = []
    const events: Array<Event> = []
    const problems: Array<string> = []
    let status = ""
    for (const [index, { body, sequence, status: set, token }] of rows.entries()) {
      if (Number(sequence) !== index) problems.push(`commit ${index} is missing`)
      if (tokens.at(-1) !== Number(token)) tokens.push(Number(token))
      if (typeof set === "string") status = set
      events.push(...JSON.parse(String(body)).events)
    }
    return {
      executionId: String(row.execution_id),
      saga: String(row.saga),
      status,
      unfinished: open.get(Number(row.id)),
      tokens,
      events,
      problems
    }
  })
}
