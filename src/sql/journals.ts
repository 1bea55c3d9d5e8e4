/** Stores, reads, lists and deletes journals. */
import { Chunk, Effect, Option, Stream } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import { type Store, Token, type UnfinishedExecution } from "../store/Checkpoint.ts"
import type { Reaches } from "./callersTransaction.ts"
import type { Database } from "./connections.ts"
import { numberOf, type Statement } from "./dialect.ts"
import { inTransaction, outsideTransactions, toCheckpointError, transactionConnection } from "./effectSql.ts"

const pageSize = 500

export const append = (database: Database): Store["append"] => (commits) =>
  Effect.map(database.performAll("append", database.dialect.append(commits)), (rows) => {
    if (rows.length === commits.length) return commits.map(() => true)
    const keyOf = (executionId: string, sequence: number) => `${sequence} ${executionId}`
    const stored = new Set(rows.map(({ execution_id, sequence }) => keyOf(execution_id, Number(sequence))))
    // Of identical commits in one group only one is stored.
    return commits.map(({ executionId, sequence }) => stored.delete(keyOf(executionId, sequence)))
  })

export const load = ({ perform }: Database): Store["load"] => (executionId) =>
  Effect.map(
    perform("load", {
      text: `SELECT 0 AS sequence, body FROM effect_saga_execution WHERE execution_id = ?
        UNION ALL
        SELECT later.sequence, later.body FROM effect_saga_commit AS later
        WHERE later.execution = ${numberOf}
        ORDER BY sequence`,
      parameters: [executionId, executionId]
    }, executionId),
    (rows) => rows.map(({ body, sequence }) => ({ body, sequence: Number(sequence) }))
  )

export const unfinished = (
  database: Database,
  { parked, withMessages = false }: Parameters<Store["unfinished"]>[0]
): Stream.Stream<UnfinishedExecution, CheckpointError> => {
  const { dialect: { nowOnce, unfinishedBy } } = database
  const ready = pages(database, [0], ([after]) => ({
    text: `FROM ${unfinishedBy("ready")}
      JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution`,
    condition: `unfinished.wake_at IS NULL AND unfinished.execution > ? AND unfinished.status ${
      parked ? "=" : "<>"
    } 'Parked'
        ${withMessages ? "AND unfinished.last_message IS NOT NULL" : ""}
      ORDER BY unfinished.execution`,
    parameters: [after]
  }))
  // Of these none has a message.
  if (parked || withMessages) return ready
  const due = pages(database, [0, 0], ([id, wakeAt]) => ({
    text: `FROM ${unfinishedBy("due")}
      JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution`,
    condition: `unfinished.wake_at IS NOT NULL AND unfinished.wake_at <= ${nowOnce}
        AND (unfinished.wake_at, unfinished.execution) > (?, ?)
      ORDER BY unfinished.wake_at, unfinished.execution`,
    parameters: [wakeAt, id]
  }))
  return Stream.concat(ready, due)
}

/** Unfinished executions in pages. The next one is asked for from the `id` and `wake_at` of the last row on. */
const pages = (
  { dialect: { now }, query }: Database,
  from: ReadonlyArray<unknown>,
  next: (from: ReadonlyArray<unknown>) => {
    readonly text: string
    readonly condition: string
    readonly parameters: ReadonlyArray<unknown>
  }
): Stream.Stream<UnfinishedExecution, CheckpointError> =>
  Stream.paginateChunkEffect(from, (from) => {
    const { condition, parameters, text } = next(from)
    return Effect.map(
      query(
        "list",
        `SELECT unfinished.execution AS id, execution.execution_id, execution.saga, execution.version, execution.is_plan,
          unfinished.status, unfinished.token, unfinished.fence, unfinished.wake_at, lease.expires_at - ${now} AS leased_for
        ${text}
        LEFT JOIN effect_saga_lease AS lease ON lease.token = unfinished.token AND lease.expires_at > ${now}
        WHERE ${condition} LIMIT ${pageSize}`,
        ...parameters
      ),
      (rows) => {
        const last = rows[rows.length - 1]
        return [
          Chunk.map(Chunk.unsafeFromArray(rows), (row): UnfinishedExecution => ({
            executionId: row.execution_id,
            saga: row.saga,
            version: Number(row.version),
            isPlan: Boolean(row.is_plan),
            status: row.status,
            leasedFor: row.leased_for === null ? 0 : Math.max(1, Number(row.leased_for)),
            token: row.token === null ? undefined : Token(Number(row.token)),
            fence: Number(row.fence)
          })),
          rows.length < pageSize ? Option.none() : Option.some([last.id, last.wake_at])
        ]
      }
    )
  })

/**
 * Stores a start: on the caller's connection within a transaction of the caller, where that reaches the store's tables. `reaches` is
 * undefined if no transaction of a caller can.
 */
export const enqueue = (database: Database, reaches: Reaches | undefined): Store["enqueue"] => (start) => {
  const { executionId } = start
  const stored = (perform: (statement: Statement) => ReturnType<Database["perform"]>) =>
    Effect.flatMap(
      perform(database.dialect.enqueue(start)),
      ([row]) =>
        row !== undefined ? Effect.succeed(undefined) : Effect.map(
          perform({ text: "SELECT body FROM effect_saga_execution WHERE execution_id = ?", parameters: [executionId] }),
          // Gone meanwhile: then the answer is that of a text which is no start.
          ([known]): string => known?.body ?? ""
        )
    )
  const alone = stored((statement) => database.perform("enqueue", statement, executionId))
  if (reaches === undefined) return outsideTransactions("enqueue", alone, executionId, ofOtherDatabase)
  return Effect.flatMap(transactionConnection, (connection) => {
    if (connection === undefined) return alone
    const within = stored((statement) => database.performOn(connection, "enqueue", statement, executionId))
    return Effect.flatMap(
      Effect.mapError(
        reaches(connection),
        (error) => toCheckpointError(database.dialect, "enqueue", error, executionId)
      ),
      (isOurs) => isOurs ? within : Effect.fail(inTransaction("enqueue", ofOtherDatabase, executionId))
    )
  })
}

const ofOtherDatabase =
  "the call is inside a transaction of another database than that of the journals, and the start could not be part of it"

export const send = ({ dialect, perform }: Database): Store["send"] => ({ body, executionId }) =>
  Effect.map(
    perform("send", { text: dialect.send, parameters: [body, executionId] }, executionId),
    ([sent]) => sent === undefined ? undefined : Number(sent.number)
  )

export const messages = ({ query }: Database): Store["messages"] => (executionId) =>
  Effect.map(
    query(
      "load",
      `SELECT number, body FROM effect_saga_message WHERE execution = ${numberOf} ORDER BY number`,
      executionId
    ),
    (rows) => rows.map(({ body, number }) => ({ number: Number(number), body }))
  )

export const withMessages = ({ query }: Database): Store["withMessages"] => (token) =>
  Effect.map(
    query(
      "list",
      `SELECT execution.execution_id FROM effect_saga_unfinished AS unfinished
      JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution
      WHERE unfinished.token = ? AND unfinished.last_message IS NOT NULL`,
      token
    ),
    (rows) => rows.map(({ execution_id }) => execution_id)
  )

/** A page of finished executions with the times at which they ended, in order of start. */
const finishedAfter = ({ query }: Database, after: unknown) =>
  query(
    "prune",
    `SELECT execution.id, execution.started_at, COALESCE(last.ended_at, execution.started_at) AS ended_at
    FROM effect_saga_execution AS execution
    LEFT JOIN effect_saga_commit AS last ON last.execution = execution.id AND last.sequence = (
      SELECT MAX(sequence) FROM effect_saga_commit AS any_of WHERE any_of.execution = execution.id
    )
    WHERE execution.id > ? AND NOT EXISTS (
      SELECT 1 FROM effect_saga_unfinished AS unfinished WHERE unfinished.execution = execution.id
    )
    ORDER BY execution.id LIMIT ${pageSize}`,
    after
  )

export const prune = (database: Database): Store["prune"] => ({ milliseconds }) =>
  Effect.gen(function*() {
    const { dialect, perform, query } = database
    const [time] = yield* query("prune", `SELECT ${dialect.now} AS now`)
    const before = Number(time.now) - milliseconds
    let pruned = 0
    let page = yield* finishedAfter(database, 0)
    // Executions that started later than that cannot have ended before.
    while (page.some(({ started_at }) => Number(started_at) < before)) {
      const old = page.filter(({ ended_at }) => Number(ended_at) < before)
      if (old.length > 0) yield* perform("prune", dialect.remove(old.map(({ id }) => id)))
      pruned += old.length
      page = yield* finishedAfter(database, page[page.length - 1].id)
    }
    return pruned
  })
