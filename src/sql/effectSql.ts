/** The parts of `@effect/sql` that differ in Effect 4: the tag of a transaction, and how a driver's error is read. */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import { Effect, Option, Scope, Stream } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Dialect } from "./dialect.ts"

/**
 * Refuses a call that is made inside a transaction of its caller: a commit could be taken back with that transaction, nobody else
 * would see it meanwhile, and the writer and the transaction would wait for each other.
 */
export const outsideTransactions = <A, E, R>(
  operation: CheckpointError["operation"],
  effect: Effect.Effect<A, E, R>,
  executionId?: string,
  detail = "the call is inside a transaction of its caller, where only Saga.enqueue may be"
): Effect.Effect<A, E | CheckpointError, R> =>
  Effect.flatMap(
    Effect.serviceOption(SqlClient.TransactionConnection),
    (transaction): Effect.Effect<A, E | CheckpointError, R> =>
      Option.isNone(transaction) ? effect : Effect.fail(inTransaction(operation, detail, executionId))
  )

/** A call that is refused where it is made. */
export const inTransaction = (
  operation: CheckpointError["operation"],
  detail: string,
  executionId: string | undefined
): CheckpointError =>
  new CheckpointError({
    reason: "InTransaction",
    operation,
    detail,
    ...(executionId === undefined ? {} : { executionId })
  })

/** The connection of the transaction that the caller is in. */
export const transactionConnection: Effect.Effect<Connection | undefined> = Effect.map(
  Effect.serviceOption(SqlClient.TransactionConnection),
  (transaction) => Option.isNone(transaction) ? undefined : transaction.value[0]
)

/** Runs an effect as one of a transaction on this connection: the statements of every client in it are sent there. */
export const onConnection = <A, E, R>(effect: Effect.Effect<A, E, R>, connection: Connection): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, SqlClient.TransactionConnection, [connection, 0]) as Effect.Effect<A, E, R>

/** The same connection, which tells of each statement that fails. */
export const noting = (connection: Connection, note: (error: SqlError) => void): Connection => {
  const noted = <A>(statement: Effect.Effect<A, SqlError>) =>
    Effect.tapError(statement, (error) => Effect.sync(() => note(error)))
  const same: Connection = {
    execute: (text, parameters, transform) => noted(connection.execute(text, parameters, transform)),
    executeRaw: (text, parameters) => noted(connection.executeRaw(text, parameters)),
    executeValues: (text, parameters) => noted(connection.executeValues(text, parameters)),
    executeUnprepared: (text, parameters, transform) =>
      noted(connection.executeUnprepared(text, parameters, transform)),
    executeStream: (text, parameters, transform) =>
      Stream.tapError(connection.executeStream(text, parameters, transform), (error) => Effect.sync(() => note(error)))
  }
  originals.set(same, originalOf(connection))
  return same
}

const originals = new WeakMap<Connection, Connection>()

/** The connection of the client, of one that also tells of failures. */
export const originalOf = (connection: Connection): Connection => originals.get(connection) ?? connection

/** Takes a connection of a client into a scope: for PostgreSQL one of its pool, for SQLite the only one, once it is free. */
export const reserveIn = (sql: SqlClient.SqlClient, scope: Scope.Scope): Effect.Effect<Connection, SqlError> =>
  Scope.extend(sql.reserve, scope)

/**
 * Runs a statement. The client of SQLite keeps a failed preparation for ten minutes, also when the table that was missing has been
 * made or the lock is free: such a statement is prepared anew.
 */
export const execute = (
  connection: Connection,
  text: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<any>, SqlError> =>
  Effect.catchAll(
    connection.execute(text, parameters, undefined),
    (error) =>
      error.message.startsWith(failedPreparation)
        ? failing(Effect.suspend(() => connection.executeUnprepared(text, parameters, undefined)))
        : Effect.fail(error)
  )

const failedPreparation = "Failed to prepare statement"

/** Runs one statement without keeping it, or its failure, prepared. */
export const executeOnce = (sql: SqlClient.SqlClient, text: string): Effect.Effect<ReadonlyArray<object>, SqlError> =>
  failing(sql.unsafe<object>(text).unprepared)

/** The client of SQLite throws what fails while a statement is prepared that it does not keep. */
const failing = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.catchAllDefect(effect, (cause) => Effect.fail(new SqlError({ cause, message: failedPreparation })))

/** What other sessions notify a channel of; nothing where the client cannot listen. */
export const notificationsOf = (sql: SqlClient.SqlClient, channel: string): Stream.Stream<unknown, SqlError> => {
  const { listen } = sql as { readonly listen?: (channel: string) => Stream.Stream<unknown, SqlError> }
  return typeof listen === "function" ? listen(channel) : Stream.empty
}

/** The code and the message of the error that the driver threw, however deep it is wrapped. */
export const innermostOf = (error: unknown): { readonly code: string; readonly detail: string } => {
  let innermost = error
  for (let depth = 0; depth < 5; depth++) {
    const { cause, errors } = (innermost ?? {}) as { readonly cause?: unknown; readonly errors?: unknown }
    // If a host has several addresses, the driver throws one error for each that cannot be reached.
    const next = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
    if (next === undefined) break
    innermost = next
  }
  const { code, message } = (innermost ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  return {
    code: typeof code === "string" ? code : "",
    detail: typeof message === "string" && message !== "" ? message : String(innermost)
  }
}

export const toCheckpointError = (
  dialect: Pick<Dialect, "reasonOf">,
  operation: CheckpointError["operation"],
  error: unknown,
  executionId?: string
): CheckpointError => {
  const { code, detail } = innermostOf(error)
  return new CheckpointError({
    reason: dialect.reasonOf(code) ?? "Unavailable",
    operation,
    detail,
    cause: error,
    ...(executionId === undefined ? {} : { executionId })
  })
}

/** Whether the tables are missing or half made. */
export const isAboutTables = (error: unknown): boolean => {
  const { code, detail } = innermostOf(error)
  return /no such table|already exists/.test(detail) || ["42P01", "42P07", "23505"].includes(code)
}

/** The driver's session behind a connection to PostgreSQL, which `@effect/sql-pg` does not type. SQLite has none. */
export const sessionOf = (connection: Connection): { readonly end: () => void } | undefined => {
  const { pg } = originalOf(connection) as { readonly pg?: { readonly end?: unknown } }
  return typeof pg?.end === "function" ? pg as { readonly end: () => void } : undefined
}

/** The settings with which a client of PostgreSQL was made; undefined if the client does not tell. */
export const settingsOf = (sql: SqlClient.SqlClient): PgClientConfig | undefined => {
  const { config } = sql as { readonly config?: PgClientConfig }
  return typeof config === "object" && config !== null ? config : undefined
}
