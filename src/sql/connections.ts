/** How the store uses the connections of a client: none of its calls waits without a bound. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Cause, Clock, Effect, type Exit, Option, type Scope } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Dialect, Statement } from "./dialect.ts"
import { execute, outsideTransactions, sessionOf, toCheckpointError } from "./effectSql.ts"

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
  /** Runs one statement on a connection of the caller's, within its transaction. */
  readonly performOn: (
    connection: Connection,
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

export interface DatabaseOptions {
  readonly whileLocked: WhileLocked
  /** Whether nobody else uses the client, so that the store can keep one connection. */
  readonly dedicated: boolean
  /** Prepares a session before its first statement. Only for a client of the store's own: others would inherit the setting. */
  readonly prepareSession: string | undefined
  /** For how many milliseconds a statement may run before its connection is given up. */
  readonly patience: (operation: Operation) => number
}

export const makeDatabase = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  options: DatabaseOptions
): Effect.Effect<Database, CheckpointError, Scope.Scope> =>
  Effect.map(connections(sql, dialect, options), ({ inTransaction, once }) => {
    const run = (connection: Connection, { parameters, text }: Statement) =>
      execute(connection, dialect.prepare(text), parameters)
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
      attempt(operation, once(operation, (connection) => run(connection, statement), executionId), executionId)
    return {
      dialect,
      perform,
      // Not tried again: after a failure the transaction has ended on PostgreSQL.
      performOn: (connection, operation, statement, executionId) =>
        Effect.mapError(
          run(connection, statement),
          (error) => toCheckpointError(dialect, operation, error, executionId)
        ),
      performAll: (operation, statements) =>
        statements.length === 1 ? perform(operation, statements[0]!) : attempt(
          operation,
          inTransaction(operation, (connection) =>
            Effect.map(
              Effect.forEach(statements, (statement) => run(connection, statement)),
              (rows) => rows.flat()
            ))
        ),
      query: (operation, text, ...parameters) => perform(operation, { text, parameters })
    }
  })

type Use = <A>(
  operation: Operation,
  use: (connection: Connection) => Effect.Effect<A, SqlError>,
  executionId?: string
) => Effect.Effect<A, SqlError | CheckpointError>

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
  options: DatabaseOptions
): Effect.Effect<Connect, CheckpointError, Scope.Scope> =>
  Effect.gen(function*() {
    if (options.dedicated) {
      const connection = yield* Effect.orDie(sql.reserve)
      return {
        once: (_, use) => use(connection),
        // The driver answers at once, so that nothing comes between two statements of a fiber that does not yield.
        inTransaction: (_, use) =>
          Effect.withMaxOpsBeforeYield(
            Effect.uninterruptible(transaction(connection, dialect, Effect.suspend(() => use(connection)))),
            Infinity
          )
      }
    }
    const prepare = preparing(options.prepareSession)
    const once: Use = (operation, use, executionId) =>
      outsideTransactions(
        operation,
        // A client of PostgreSQL that is interrupted while it waits for a connection would lose that connection.
        Effect.uninterruptible(Effect.scoped(Effect.flatMap(sql.reserve, (connection) =>
          withPatience(
            connection,
            operation,
            options.patience(operation),
            Effect.zipRight(prepare(connection), use(connection))
          )))),
        executionId
      )
    return {
      once,
      inTransaction: (operation, use) =>
        once(operation, (connection) => transaction(connection, dialect, use(connection)))
    }
  })

/** Runs a statement once in each session. */
const preparing = (statement: string | undefined) => {
  const prepared = new WeakSet<object>()
  return (connection: Connection): Effect.Effect<void, SqlError> => {
    const session = sessionOf(connection)
    if (statement === undefined || (session !== undefined && prepared.has(session))) return Effect.void
    return Effect.map(execute(connection, statement, []), () => {
      if (session !== undefined) prepared.add(session)
    })
  }
}

const ticksOfPatience = 4

/**
 * Gives a connection up that does not answer: one whose other end is gone would keep its caller waiting for ever. Ending the session
 * makes the driver fail the statement, and keeps the connection from being used again. In real time, as is the other end.
 */
export const withPatience = <A>(
  connection: Connection,
  operation: Operation,
  milliseconds: number,
  effect: Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError | CheckpointError> =>
  Effect.suspend(() => {
    const session = sessionOf(connection)
    if (session === undefined) return effect
    let ticks = 0
    let givenUp = false
    // In ticks, of which a pause of this process takes one at most: the answer may have come meanwhile, and be unread.
    const timer = setInterval(() => {
      if (++ticks < ticksOfPatience) return
      clearInterval(timer)
      givenUp = true
      session.end()
    }, milliseconds / ticksOfPatience)
    return Effect.onExit(effect, () => Effect.sync(() => clearInterval(timer))).pipe(
      Effect.mapErrorCause((cause): Cause.Cause<SqlError | CheckpointError> =>
        givenUp
          ? Cause.fail(
            new CheckpointError({
              reason: "Unavailable",
              operation,
              detail: `the database gave no answer for ${milliseconds} ms, and its connection was given up`
            })
          )
          : cause
      )
    )
  })

const transaction = <A>(connection: Connection, dialect: Dialect, effect: Effect.Effect<A, SqlError>) => {
  const say = (text: string) => execute(connection, text, [])
  return Effect.zipRight(
    say(dialect.begin),
    Effect.onExit(
      Effect.zipLeft(effect, say("COMMIT")),
      (exit: Exit.Exit<A, SqlError>) => exit._tag === "Success" ? Effect.void : Effect.ignore(say("ROLLBACK"))
    )
  )
}

export type WhileLocked = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  causeOf: (cause: Cause.Cause<E>) => Cause.Cause<CheckpointError>
) => Effect.Effect<A, CheckpointError, R>

/**
 * Tries again while another process holds the database, for `lockTimeout` milliseconds. SQLite's own waiting would block this
 * process; PostgreSQL waits itself, and is asked again only if it ended the wait early. In real time, also under a `TestClock`: the
 * other process lives in real time.
 */
export const retryWhileLocked = (lockTimeout: number): WhileLocked => {
  const live = Effect.withClock(Clock.make())
  return <A, E, R>(effect: Effect.Effect<A, E, R>, causeOf: (cause: Cause.Cause<E>) => Cause.Cause<CheckpointError>) =>
    Effect.suspend(() => {
      const until = performance.now() + lockTimeout
      const attempt: Effect.Effect<A, CheckpointError, R> = Effect.catchAllCause(effect, (failed) => {
        const cause = causeOf(failed)
        return Option.exists(Cause.failureOption(cause), isLocked) && performance.now() < until
          ? live(Effect.zipRight(Effect.sleep(50), attempt))
          : Effect.failCause(cause)
      })
      return attempt
    })
}

const isLocked = ({ reason }: CheckpointError) => reason === "Locked"
