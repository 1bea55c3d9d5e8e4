/** Brings the tables up to date, step by step. A released migration is never changed. */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Effect } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Dialect } from "./dialect.ts"
import { innermostOf, isAboutTables, toCheckpointError } from "./effectSql.ts"

const migrate = (dialect: Dialect) =>
  Migrator.make({})({
    table: "effect_saga_migration",
    loader: Migrator.fromRecord({
      "0001_initial": Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => Effect.forEach(dialect.tables, (statement) => sql.unsafe(statement), { discard: true })
      )
    })
  })

/** Makes the tables that are missing. */
export const open = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<void, CheckpointError> =>
  migrate(dialect).pipe(
    // The migrator takes any failure of its own bookkeeping for "another process does it", and goes on: so look.
    Effect.zipRight(sql`SELECT 1 FROM effect_saga_commit LIMIT 1`),
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
