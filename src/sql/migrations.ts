/** Brings the tables up to date, step by step. A released migration is never changed. */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Cause, Effect } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Dialect } from "./dialect.ts"
import { executeOnce, innermostOf, isAboutTables, toCheckpointError } from "./effectSql.ts"

const table = "effect_saga_migration"

const migrationsOf = (dialect: Dialect) => ({
  "0001_initial": Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => Effect.forEach(dialect.tables, (statement) => sql.unsafe(statement), { discard: true })
  )
})

/** Whether the tables are missing, or are those of an earlier release. Changes nothing. */
export const areDue = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<boolean, SqlError> =>
  isDue(sql, Object.keys(migrationsOf(dialect)).length)

/** Whether a migration is due. The migrator locks its table before it looks, and a backup that reads the table keeps it waiting. */
const isDue = (sql: SqlClient.SqlClient, count: number): Effect.Effect<boolean, SqlError> =>
  Effect.matchEffect(
    executeOnce(sql, `SELECT MAX(migration_id) FROM ${table}`),
    {
      onFailure: (error) => isAboutTables(error) ? Effect.succeed(true) : Effect.fail(error),
      // By its place: the client may give the column another name.
      onSuccess: ([row]) => Effect.succeed(Number(Object.values(row ?? {})[0] ?? 0) < count)
    }
  )

/** Makes the tables that are missing. */
export const open = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<void, CheckpointError> =>
  Effect.suspend(() => {
    const migrations = migrationsOf(dialect)
    const migrate = Migrator.make({})({ table, loader: Migrator.fromRecord(migrations) })
    return Effect.flatMap(
      isDue(sql, Object.keys(migrations).length),
      (due): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => due ? migrate : Effect.void
    )
  }).pipe(
    // The migrator takes any failure of its own bookkeeping for "another process does it", and goes on: so look.
    Effect.zipRight(executeOnce(sql, "SELECT 1 FROM effect_saga_commit LIMIT 1")),
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return Effect.fail(
        // When two processes make the tables at once, the slower one may see them missing or half made: try again.
        isAboutTables(error)
          ? new CheckpointError({ reason: "Locked", operation: "open", detail: innermostOf(error).detail })
          : toCheckpointError(dialect, "open", error)
      )
    }),
    Effect.asVoid
  )
