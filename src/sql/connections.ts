/** How the store uses the connections of its client. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Cause, Clock, Duration, Effect, type Exit, Option, Schedule, type Scope } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Dialect, Statement } from "./dialect.ts"
import { outsideTransactions, toCheckpointError } from "./effectSql.ts"

type Operation = CheckpointError["operation"]
type Rows = ReadonlyArray<any>

/** Runs statements, and waits while another process holds the database. */
export interface Database {
  readonly dialect: Dialect
  /** Runs one statement by itself. */
  readonly perform: (
    operation: Operation,
    statement: Statement,
    executionId?: string
  ) => Effect.Effect<Rows, CheckpointError>
  /** Runs statements that count together or not at all, and returns the rows of all. */
  readonly performAll: (
    operation: Operation,
    statements: ReadonlyArray<Statement>
  ) => Effect.Effect<Rows, CheckpointError>
  /** Runs one statement, which is given as text. */
  readonly query: (
    operation: Operation,
    text: string,
    ...parameters: ReadonlyArray<unknown>
  ) => Effect.Effect<Rows, CheckpointError>
}

export const makeDatabase = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  options: { readonly dedicated: boolean; readonly whileLocked: WhileLocked }
): Effect.Effect<Database, CheckpointError, Scope.Scope> =>
  Effect.map(connections(sql, dialect, options.dedicated), ({ inTransaction, once }) => {
    const execute = (connection: Connection, { parameters, text }: Statement) =>
      connection.execute(dialect.prepare(text), parameters, undefined)
    const attempt = <A>(
      operation: Operation,
      effect: Effect.Effect<A, SqlError | CheckpointError>,
      executionId?: string
    ): Effect.Effect<A, CheckpointError> =>
      options.whileLocked(effect, (cause) => {
        // A lost connection can surface as a defect of the client.
        if (Cause.isInterruptedOnly(cause)) return cause as Cause.Cause<never>
        const error = Cause.squash(cause)
        return Cause.fail(
          error instanceof CheckpointError ? error : toCheckpointError(dialect, operation, error, executionId)
        )
      })
    const perform: Database["perform"] = (operation, statement, executionId) =>
      attempt(operation, once((connection) => execute(connection, statement)), executionId)
    return {
      dialect,
      perform,
      performAll: (operation, statements) =>
        statements.length === 1 ? perform(operation, statements[0]!) : attempt(
          operation,
          inTransaction((connection) =>
            Effect.map(Effect.forEach(statements, (statement) => execute(connection, statement)), (rows) => rows.flat())
          )
        ),
      query: (operation, text, ...parameters) => perform(operation, { text, parameters })
    }
  })

type Use = <A, E>(
  use: (connection: Connection) => Effect.Effect<A, E | SqlError>
) => Effect.Effect<A, E | SqlError | CheckpointError>

interface Connect {
  /** For one statement. */
  readonly once: Use
  /** For several that count together or not at all, without statements of others between them. */
  readonly inTransaction: Use
}

/** Straight to the connection: through the client a statement costs ten times as much. */
const connections = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  dedicated: boolean
): Effect.Effect<Connect, CheckpointError, Scope.Scope> =>
  Effect.gen(function*() {
    if (dedicated) {
      const connection = yield* Effect.orDie(sql.reserve)
      return {
        once: (use) => use(connection),
        // The driver answers at once, so that nothing comes between two statements of a fiber that does not yield.
        inTransaction: (use) =>
          Effect.withMaxOpsBeforeYield(
            Effect.uninterruptible(transaction(connection, dialect, Effect.suspend(() => use(connection)))),
            Infinity
          )
      }
    }
    const once: Use = (use) =>
      // A client of PostgreSQL that is interrupted while it waits for a connection would lose that connection.
      outsideTransactions(Effect.uninterruptible(Effect.scoped(Effect.flatMap(sql.reserve, use))))
    return { once, inTransaction: (use) => once((connection) => transaction(connection, dialect, use(connection))) }
  })

const transaction = <A, E>(connection: Connection, dialect: Dialect, effect: Effect.Effect<A, E>) => {
  const say = (text: string) => connection.execute(text, [], undefined)
  return Effect.zipRight(
    say(dialect.begin),
    Effect.onExit(
      Effect.zipLeft(effect, say("COMMIT")),
      (exit: Exit.Exit<A, E | SqlError>) => exit._tag === "Success" ? Effect.void : Effect.ignore(say("ROLLBACK"))
    )
  )
}

export type WhileLocked = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  causeOf: (cause: Cause.Cause<E>) => Cause.Cause<CheckpointError>
) => Effect.Effect<A, CheckpointError, R>

/**
 * Tries again while another process holds the database. SQLite's own waiting would block this process. In real time, also under
 * a `TestClock`: the other process lives in real time.
 */
export const retryWhileLocked = (lockTimeout: Duration.DurationInput = "5 seconds"): WhileLocked => {
  const times = Math.ceil(Duration.toMillis(lockTimeout) / 50)
  const schedule = Schedule.spaced("50 millis")
  const live = Effect.withClock(Clock.make())
  return (effect, causeOf) =>
    Effect.catchAllCause(effect, (failed) => {
      const cause = causeOf(failed)
      return times > 0 && Option.exists(Cause.failureOption(cause), isLocked)
        ? live(Effect.retry(Effect.mapErrorCause(effect, causeOf), { schedule, times, while: isLocked }))
        : Effect.failCause(cause)
    })
}

const isLocked = ({ reason }: CheckpointError) => reason === "Locked"
