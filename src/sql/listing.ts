/** Lists and counts stored executions. */
import { Effect, type Scope } from "effect"
import type { Status } from "../Journal.ts"
import { holders, isFinished, isWaiting } from "../journal/statuses.ts"
import type { CheckpointError } from "../SagaError.ts"
import {
  type Attributes,
  type ExecutionCount,
  inRealTime,
  type Listing,
  type Store,
  type StoredExecution
} from "../store/Checkpoint.ts"
import type { Database } from "./connections.ts"
import { type Dialect, endOf, finished, type Statement, statusOf, withStatus } from "./dialect.ts"

/** The numbers among which a listing looks; both ends are left out. */
interface Range {
  readonly above: number | undefined
  readonly below: number | undefined
}

export const list = (database: Database): Store["list"] => (listing) =>
  Effect.gen(function*() {
    const { dialect, perform } = database
    if (listing.statuses?.length === 0) return []
    const rows = yield* perform("list", pageOf(dialect, listing, yield* rangeOf(database, listing)))
    return rows.map((row): StoredExecution => ({
      number: Number(row.id),
      executionId: row.execution_id,
      saga: row.saga,
      version: Number(row.version),
      status: row.status,
      attributes: row.attributes === null ? {} : JSON.parse(row.attributes) as Attributes,
      startedAt: Number(row.started_at),
      endedAt: row.ended_at === null ? undefined : Number(row.ended_at)
    }))
  })

/** Finished ones are counted when they finish; unfinished ones are counted here. */
export const count = ({ query }: Database): Store["count"] => (saga) => {
  const [where, parameters] = saga === undefined ? ["", []] : ["WHERE saga = ?", [saga, saga]]
  return Effect.map(
    query(
      "list",
      `SELECT saga, status, SUM(executions) AS executions FROM (
        SELECT saga, status, executions FROM effect_saga_count ${where}
        UNION ALL
        SELECT saga, status, COUNT(*) AS executions FROM effect_saga_unfinished ${where} GROUP BY saga, status
      ) AS counted
      GROUP BY saga, status HAVING SUM(executions) > 0`,
      ...parameters
    ),
    (rows) => rows.map(({ executions, saga, status }): ExecutionCount => ({ saga, status, count: Number(executions) }))
  )
}

/** Sums up the counts now and then, if the database does not keep them so. If that fails they are the same, and more to read. */
export const foldCountsInBackground = ({ dialect, query }: Database): Effect.Effect<void, never, Scope.Scope> => {
  if (dialect.foldCounts === undefined) return Effect.void
  // Over the connection of the lease and with its patience: it is there already, and a store that closes waits for it.
  const fold = Effect.catchAllCause(
    query("lease", dialect.foldCounts),
    (cause) => Effect.logDebug("the counts of executions could not be summed up", cause)
  )
  return Effect.asVoid(
    Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(fold, inRealTime(Effect.sleep("1 minute"))))))
  )
}

/** Numbers are given in the order of time, but for what two processes at once and a clock that is set make of it. */
const disorder = 10_000

const rangeOf = (database: Database, { before, since, until }: Listing): Effect.Effect<Range, CheckpointError> =>
  Effect.gen(function*() {
    const above = since === undefined ? undefined : yield* lastBefore(database, since - disorder)
    const end = until === undefined ? undefined : 1 + (yield* lastBefore(database, until + disorder))
    return { above, below: end === undefined || before === undefined ? before ?? end : Math.min(before, end) }
  })

/** The highest number of those that started before a time, by bisection: an index over the times would cost each start. */
const lastBefore = ({ query }: Database, time: number): Effect.Effect<number, CheckpointError> =>
  Effect.map(
    query(
      "list",
      `WITH RECURSIVE search (low, step) AS (
        SELECT CAST(0 AS BIGINT), CAST(4503599627370496 AS BIGINT)
        UNION ALL
        SELECT CASE WHEN (
          SELECT started_at FROM effect_saga_execution WHERE id >= low + step ORDER BY id LIMIT 1
        ) < ? THEN low + step ELSE low END, step / 2
        FROM search WHERE step > 0
      )
      SELECT MAX(low) AS low FROM search`,
      time
    ),
    ([{ low }]) => Number(low)
  )

/** Conditions and their parameters, joined by AND. */
class Conditions {
  private text = ""
  private readonly parameters: Array<unknown> = []

  add(condition: string, ...parameters: ReadonlyArray<unknown>): this {
    this.text += this.text === "" ? condition : ` AND ${condition}`
    this.parameters.push(...parameters)
    return this
  }

  addRange(column: string, { above, below }: Range): this {
    if (above !== undefined) this.add(`${column} > ?`, above)
    if (below !== undefined) this.add(`${column} < ?`, below)
    return this
  }

  addTimes({ since, until }: Listing): this {
    if (since !== undefined) this.add("execution.started_at >= ?", since)
    if (until !== undefined) this.add("execution.started_at < ?", until)
    return this
  }

  /** The numbers of the newest rows that fulfil them. */
  select(column: string, from: string, limit: number): Statement {
    const where = this.text === "" ? "" : `WHERE ${this.text}`
    return {
      text: `SELECT ${column} AS id FROM ${from} ${where} ORDER BY ${column} DESC LIMIT ?`,
      parameters: [...this.parameters, limit]
    }
  }
}

const all = Object.keys(holders) as ReadonlyArray<Status>

const pageOf = (dialect: Dialect, listing: Listing, range: Range): Statement => {
  const parts = partsOf(dialect, listing, range)
  const numbers = parts.map(({ text }, index) => `SELECT id FROM (${text}) AS part${index}`).join(" UNION ALL ")
  return {
    // CROSS JOIN keeps the order of the joins in SQLite.
    text: `WITH page AS (${numbers} ORDER BY id DESC LIMIT ?)
      SELECT execution.id, execution.execution_id, execution.saga, execution.version, execution.started_at,
        ${statusOf} AS status, ${endOf} AS ended_at, ${dialect.attributesText} AS attributes
      FROM page CROSS JOIN effect_saga_execution AS execution
      ${withStatus}
      WHERE execution.id = page.id
      ORDER BY page.id DESC`,
    parameters: [...parts.flatMap(({ parameters }) => parameters), listing.limit]
  }
}

/** Selects of which each is read along an index, newest first, and which have the page together. */
const partsOf = (dialect: Dialect, listing: Listing, range: Range): ReadonlyArray<Statement> => {
  const { attributes, limit, saga, statuses } = listing
  const [first, ...others] = Object.entries(attributes ?? {})
  if (first !== undefined) return [byAttributes(dialect, first, others, listing, range)]
  if (saga === undefined && statuses === undefined) {
    const conditions = new Conditions().addRange("execution.id", range).addTimes(listing)
    return [conditions.select("execution.id", "effect_saga_execution AS execution", limit)]
  }
  // Only words of this library become part of the text.
  const wanted = all.filter((status) => statuses?.includes(status) ?? true)
  const ended = wanted.filter(isFinished)
  const asleep = wanted.filter(isWaiting)
  const driven = wanted.filter((status) => !isFinished(status) && !isWaiting(status))
  return [
    ...driven.length === 0 ? [] : [unfinishedPart(driven, listing, range, "AND unfinished.wake_at IS NULL")],
    ...asleep.length === 0 ? [] : [unfinishedPart(asleep, listing, range, "")],
    ...ended.flatMap((
      status
    ) => [endedPart(dialect, status, listing, range), endedAtOncePart(dialect, status, listing, range)])
  ]
}

const asList = (statuses: ReadonlyArray<Status>) => `(${statuses.map((status) => `'${status}'`).join(", ")})`

const withExecution = (table: string, alias: string, { since, until }: Listing, conditions: Conditions): string => {
  if (since === undefined && until === undefined) return `${table} AS ${alias}`
  conditions.add(`execution.id = ${alias}.execution`)
  return `${table} AS ${alias} CROSS JOIN effect_saga_execution AS execution`
}

/** `and`: of those that do not wait there may be few among many that do, and an index has these alone. */
const unfinishedPart = (
  statuses: ReadonlyArray<Status>,
  listing: Listing,
  range: Range,
  and: string
): Statement => {
  const conditions = new Conditions().add(`unfinished.status IN ${asList(statuses)} ${and}`)
  if (listing.saga !== undefined) conditions.add("unfinished.saga = ?", listing.saga)
  conditions.addRange("unfinished.execution", range).addTimes(listing)
  const from = withExecution("effect_saga_unfinished", "unfinished", listing, conditions)
  return conditions.select("unfinished.execution", from, listing.limit)
}

const endedPart = (dialect: Dialect, status: Status, listing: Listing, range: Range): Statement => {
  const conditions = new Conditions().add(`ended.status = '${status}' AND ended.ended_at IS NOT NULL`)
    .addRange("ended.execution", range).addTimes(listing)
  const from = withExecution("effect_saga_commit", "ended", listing, conditions)
  return ofSaga(dialect, status, listing, conditions, "ended.saga", "ended.execution", from)
}

/** Those that finished with their first commit. */
const endedAtOncePart = (dialect: Dialect, status: Status, listing: Listing, range: Range): Statement => {
  const conditions = new Conditions().add(`execution.status = '${status}' AND execution.status IN ${finished}`)
    .addRange("execution.id", range).addTimes(listing)
  return ofSaga(
    dialect,
    status,
    listing,
    conditions,
    "execution.saga",
    "execution.id",
    "effect_saga_execution AS execution"
  )
}

/** Of one saga, or the newest of each: an index over all of them would cost each end as much again. */
const ofSaga = (
  dialect: Dialect,
  status: Status,
  { limit, saga }: Listing,
  conditions: Conditions,
  sagaColumn: string,
  column: string,
  from: string
): Statement => {
  if (saga !== undefined) return conditions.add(`${sagaColumn} = ?`, saga).select(column, from, limit)
  const { parameters, text } = conditions.add(`${sagaColumn} = counted.saga`).select(column, from, limit)
  return { text: dialect.ofEachSaga(status, text), parameters }
}

const byAttributes = (
  dialect: Dialect,
  [name, value]: readonly [string, unknown],
  others: ReadonlyArray<readonly [string, unknown]>,
  listing: Listing,
  range: Range
): Statement => {
  const conditions = new Conditions()
    .add(`found.name = ? AND found.value = ${dialect.attributeValue}`, name, JSON.stringify([value]))
    .addRange("found.execution", range)
    .add("execution.id = found.execution")
    .addTimes(listing)
  if (listing.saga !== undefined) conditions.add("execution.saga = ?", listing.saga)
  if (listing.statuses !== undefined) {
    const wanted = all.filter((status) => listing.statuses?.includes(status))
    conditions.add(`${statusOf} IN ${asList(wanted)}`)
  }
  for (const [name, value] of others) {
    conditions.add(
      `EXISTS (SELECT 1 FROM effect_saga_attribute AS other
        WHERE other.name = ? AND other.value = ${dialect.attributeValue} AND other.execution = found.execution)`,
      name,
      JSON.stringify([value])
    )
  }
  const from = `effect_saga_attribute AS found CROSS JOIN effect_saga_execution AS execution ${withStatus}`
  return conditions.select("found.execution", from, listing.limit)
}
