/** A store over a `SqlClient`, whatever its database: the statements that differ are in the dialects. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Cause, Chunk, Clock, Duration, Effect, type Exit, Option, Schedule, type Scope, Stream } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { type Dialect, innermostOf, type Statement } from "./dialect.ts"
import { migrate } from "./migrations.ts"
import { postgres } from "./postgresDialect.ts"
import { sqlite } from "./sqliteDialect.ts"

export interface Options {
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** Who holds the lease, as far as the store can say. */
  readonly owner?: string
  /** Whether the owner of a lease has certainly ended. */
  readonly isGone?: (owner: string) => boolean
  /** Whether nobody else uses the client, so that one connection can be kept for the store. */
  readonly dedicated?: boolean
}

const pageSize = 500
// A lease without an end has one after three thousand years.
const longest = 1e14
const numberOf = "(SELECT id FROM effect_saga_execution WHERE execution_id = ?)"

export const make = (
  options: Options
): Effect.Effect<Checkpoint.Store, CheckpointError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const dialect = sql.onDialectOrElse({ sqlite: () => sqlite, pg: () => postgres, orElse: () => undefined })
    if (dialect === undefined) {
      return yield* new CheckpointError({
        reason: "Unavailable",
        operation: "open",
        detail: "journals are kept in SQLite or PostgreSQL, and this client's database is neither"
      })
    }
    const whileLocked = retryWhileLocked(options.lockTimeout)
    yield* whileLocked(open(sql, dialect), (cause) => cause)

    const { now } = dialect
    const connect = yield* connections(sql, dialect, options.dedicated === true)
    const attempt = <A>(
      operation: CheckpointError["operation"],
      effect: Effect.Effect<A, SqlError | CheckpointError>,
      executionId?: string
    ): Effect.Effect<A, CheckpointError> =>
      whileLocked(effect, (cause) => {
        // A client may die of a connection that is lost, which is no defect of ours.
        if (Cause.isInterruptedOnly(cause)) return cause as Cause.Cause<never>
        const error = Cause.squash(cause)
        return Cause.fail(
          error instanceof CheckpointError ? error : toCheckpointError(dialect, operation, error, executionId)
        )
      })
    const execute = (connection: Connection, { parameters, text }: Statement) =>
      connection.execute(dialect.prepare(text), parameters, undefined)
    const perform = (
      operation: CheckpointError["operation"],
      statement: Statement,
      executionId?: string
    ): Effect.Effect<ReadonlyArray<any>, CheckpointError> =>
      attempt(operation, connect.once((connection) => execute(connection, statement)), executionId)
    const query = (operation: CheckpointError["operation"], text: string, ...parameters: ReadonlyArray<unknown>) =>
      perform(operation, { text, parameters })

    const append: Checkpoint.Store["append"] = (commits) => {
      const statements = dialect.append(commits)
      const rows = statements.length === 1
        ? connect.once((connection) => execute(connection, statements[0]!))
        : connect.inTransaction((connection) =>
          Effect.map(Effect.forEach(statements, (statement) => execute(connection, statement)), (rows) => rows.flat())
        )
      return Effect.map(attempt("append", rows), (rows) => {
        if (rows.length === commits.length) return commits.map(() => true)
        const keyOf = (executionId: string, sequence: number) => `${sequence} ${executionId}`
        const stored = new Set(rows.map(({ execution_id, sequence }) => keyOf(execution_id, Number(sequence))))
        // Of several that are the same, one has been stored.
        return commits.map(({ executionId, sequence }) => stored.delete(keyOf(executionId, sequence)))
      })
    }

    const load: Checkpoint.Store["load"] = (executionId) =>
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

    const pages = (parked: boolean) =>
      Stream.paginateChunkEffect(0, (after) =>
        Effect.map(
          query(
            "list",
            `SELECT unfinished.execution AS id, execution.execution_id, execution.saga, execution.version,
              unfinished.status, unfinished.token, unfinished.fence, lease.expires_at - ${now} AS leased_for
            FROM effect_saga_unfinished AS unfinished
            JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution
            LEFT JOIN effect_saga_lease AS lease ON lease.token = unfinished.token AND lease.expires_at > ${now}
            WHERE unfinished.execution > ? AND unfinished.status ${parked ? "=" : "<>"} 'Parked'
            ORDER BY unfinished.execution LIMIT ${pageSize}`,
            after
          ),
          (rows) => [
            Chunk.map(Chunk.unsafeFromArray(rows), (row): Checkpoint.UnfinishedExecution => ({
              executionId: row.execution_id,
              saga: row.saga,
              version: Number(row.version),
              status: row.status,
              leasedFor: row.leased_for === null ? 0 : Math.max(1, Number(row.leased_for)),
              token: row.token === null ? undefined : Number(row.token),
              fence: Number(row.fence)
            })),
            rows.length < pageSize ? Option.none() : Option.some(rows[rows.length - 1].id)
          ]
        ))

    /** Ends what is over: leases that have run out, and those of processes that have certainly ended. */
    const tidyLeases = Effect.gen(function*() {
      // After the clock was set back, a lease would seem to last for longer than anybody asked for.
      yield* query(
        "lease",
        `UPDATE effect_saga_lease SET expires_at = ${now} + milliseconds
        WHERE expires_at > ${now} + milliseconds`
      )
      yield* query("lease", `DELETE FROM effect_saga_lease WHERE expires_at <= ${now}`)
      const { isGone } = options
      if (isGone === undefined) return
      for (const { owner, token } of yield* query("lease", "SELECT token, owner FROM effect_saga_lease")) {
        if (isGone(owner)) yield* query("lease", "DELETE FROM effect_saga_lease WHERE token = ?", token)
      }
    })
    const unfinished: Checkpoint.Store["unfinished"] = ({ parked }) =>
      // Whoever looks for what is left wants to know who has died; where that cannot be noted, time will tell.
      parked ? pages(true) : Stream.unwrap(Effect.as(Effect.ignore(tidyLeases), pages(false)))
    const acquire: Checkpoint.Store["acquire"] = ({ milliseconds }) => {
      const length = Math.min(Math.ceil(milliseconds), longest)
      return Effect.zipRight(
        tidyLeases,
        Effect.map(
          query(
            "lease",
            `INSERT INTO effect_saga_lease (owner, milliseconds, expires_at) VALUES (?, ?, ${now} + ?) RETURNING token`,
            options.owner ?? "",
            length,
            length
          ),
          ([{ token }]) => Number(token)
        )
      )
    }
    const renew: Checkpoint.Store["renew"] = (token) =>
      Effect.zipLeft(
        Effect.map(
          query(
            "lease",
            `UPDATE effect_saga_lease SET expires_at = ${now} + milliseconds
            WHERE token = ? AND expires_at > ${now} RETURNING token`,
            token
          ),
          (rows) => rows.length === 1
        ),
        tidyLeases
      )
    const release: Checkpoint.Store["release"] = (token, claims) =>
      claims === undefined
        ? query("lease", "DELETE FROM effect_saga_lease WHERE token = ?", token)
        : Effect.forEach(
          claims,
          ({ executionId, fence }) =>
            query(
              "lease",
              `UPDATE effect_saga_unfinished SET token = NULL WHERE execution = ${numberOf} AND token = ? AND fence = ?`,
              executionId,
              token,
              fence
            ),
          { discard: true }
        )
    const claim: Checkpoint.Store["claim"] = (executionId, token) =>
      Effect.map(
        perform("lease", {
          // Where another has claimed it since this statement has looked, it must not be had: what was looked at is old.
          text: `UPDATE effect_saga_unfinished SET token = ?, fence = fence + 1
            WHERE execution = ${numberOf}
              AND fence = (SELECT seen.fence FROM effect_saga_unfinished AS seen WHERE seen.execution = ${numberOf})
              AND (token IS NULL OR token = ? OR NOT EXISTS (
                SELECT 1 FROM effect_saga_lease AS lease
                WHERE lease.token = effect_saga_unfinished.token AND lease.expires_at > ${now}
              ))
              AND EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = ? AND lease.expires_at > ${now})
            RETURNING fence`,
          parameters: [token, executionId, executionId, token, token]
        }, executionId),
        ([claimed]) => claimed === undefined ? undefined : Number(claimed.fence)
      )

    /** Of what is finished, the number and the end; in the order in which it was started. */
    const endsAfter = (after: unknown) =>
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
    const prune: Checkpoint.Store["prune"] = ({ milliseconds }) =>
      Effect.gen(function*() {
        const [time] = yield* query("prune", `SELECT ${now} AS now`)
        const before = Number(time.now) - milliseconds
        let pruned = 0
        let page = yield* endsAfter(0)
        // What was started later than that cannot have ended before.
        while (page.some(({ started_at }) => Number(started_at) < before)) {
          const old = page.filter(({ ended_at }) => Number(ended_at) < before)
          if (old.length > 0) yield* perform("prune", dialect.remove(old.map(({ id }) => id)))
          pruned += old.length
          page = yield* endsAfter(page[page.length - 1].id)
        }
        return pruned
      })

    return { append, load, unfinished, acquire, renew, release, claim, prune }
  })

/** The tables, made where they are missing. */
const open = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<void, CheckpointError> =>
  // The migrator takes any failure of its own bookkeeping for "another process does it", and goes on: so look.
  migrate(dialect).pipe(
    Effect.zipRight(sql`SELECT 1 FROM effect_saga_commit LIMIT 1`),
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catchAllCause((cause) => {
      const { code, detail } = innermostOf(Cause.squash(cause))
      const error = toCheckpointError(dialect, "open", Cause.squash(cause))
      // Of two that make the tables at once, one finds them missing still, or half made.
      return Effect.fail(
        /no such table|already exists/.test(detail) || ["42P01", "42P07", "23505"].includes(code)
          ? new CheckpointError({ reason: "Locked", operation: "open", detail })
          : error
      )
    }),
    Effect.asVoid
  )

type Use = <A, E>(
  use: (connection: Connection) => Effect.Effect<A, E | SqlError>
) => Effect.Effect<A, E | SqlError | CheckpointError>

interface Connect {
  /** For one statement. */
  readonly once: Use
  /** For several, which count together or not at all, with nobody else's between them. */
  readonly inTransaction: Use
}

/** Straight to the connection: by way of the client a statement costs ten times as much. */
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
      // Interrupted while it waits for a connection, a client of PostgreSQL would lose it.
      outsideTransactions(Effect.uninterruptible(Effect.scoped(Effect.flatMap(sql.reserve, use))))
    return { once, inTransaction: (use) => once((connection) => transaction(connection, dialect, use(connection))) }
  })

/** In a transaction of its caller a commit would be taken back with it, and nobody else would see it meanwhile. */
export const outsideTransactions = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CheckpointError, R> =>
  Effect.flatMap(
    Effect.serviceOption(SqlClient.TransactionConnection),
    (transaction): Effect.Effect<A, E | CheckpointError, R> =>
      Option.isNone(transaction) ? effect : Effect.fail(
        new CheckpointError({
          reason: "InTransaction",
          operation: "append",
          detail: "a journal cannot be kept inside a transaction of its caller"
        })
      )
  )

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

/** Waits without blocking the process, where SQLite's own waiting would; in real time, for somebody else holds the lock. */
const retryWhileLocked = (lockTimeout: Duration.DurationInput = "5 seconds") => {
  const times = Math.ceil(Duration.toMillis(lockTimeout) / 50)
  const schedule = Schedule.spaced("50 millis")
  const live = Effect.withClock(Clock.make())
  return <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    causeOf: (cause: Cause.Cause<E>) => Cause.Cause<CheckpointError>
  ): Effect.Effect<A, CheckpointError, R> =>
    Effect.catchAllCause(effect, (failed) => {
      const cause = causeOf(failed)
      return times > 0 && Option.exists(Cause.failureOption(cause), isLocked)
        ? live(Effect.retry(Effect.mapErrorCause(effect, causeOf), { schedule, times, while: isLocked }))
        : Effect.failCause(cause)
    })
}

const isLocked = ({ reason }: CheckpointError) => reason === "Locked"

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
