/** Opens a database that has the store's tables already, for a tool that must not make them in a database of somebody else. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, type Redacted } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Checkpoint } from "../store/Checkpoint.ts"
import type { Dialect } from "./dialect.ts"
import { toCheckpointError } from "./effectSql.ts"
import { areDue } from "./migrations.ts"
import { loaded, thrown } from "./optional.ts"
import { postgres } from "./postgresDialect.ts"
import { sqlite } from "./sqliteDialect.ts"

const optional = <A>(name: string, load: () => Promise<A>): Effect.Effect<A, CheckpointError> =>
  Effect.mapError(
    loaded(name, load),
    (cause) => new CheckpointError({ reason: "Unavailable", operation: "open", detail: cause.message, cause })
  )

/** Fails unless the tables of this release are there. Changes nothing. */
const look = (sql: SqlClient.SqlClient, dialect: Dialect, place: string): Effect.Effect<void, CheckpointError> =>
  Effect.matchEffect(areDue(sql, dialect), {
    onFailure: (error) => Effect.fail(toCheckpointError(dialect, "open", error)),
    onSuccess: (due) =>
      due
        ? Effect.fail(
          new CheckpointError({
            reason: "Unavailable",
            operation: "open",
            detail: `${place} has no tables of effect-saga, or those of another release: ` +
              "an application brings them up to date when it opens the database as its checkpoint"
          })
        )
        : Effect.void
  })

/** A SQLite file that exists and has the tables. */
export const sqliteFile = (filename: string): Layer.Layer<Checkpoint, CheckpointError> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const { layer } = yield* optional(
      "@effect/sql-sqlite-node",
      () => import("@effect/sql-sqlite-node/SqliteClient").catch(thrown)
    )
    const { SqlClient } = yield* optional("@effect/sql", () => import("@effect/sql/SqlClient").catch(thrown))
    const SqliteCheckpoint = yield* Effect.promise(() => import("./SqliteCheckpoint.ts"))
    // Read-only, so that no file is made by a name that was misspelt.
    const looking = Effect.flatMap(SqlClient, (sql) => look(sql, sqlite, filename))
    yield* Effect.scoped(Effect.provide(looking, Layer.orDie(layer({ filename, readonly: true, disableWAL: true }))))
      .pipe(
        // The driver throws if it cannot open the file.
        Effect.catchAllDefect((error) => Effect.fail(toCheckpointError(sqlite, "open", error)))
      )
    return SqliteCheckpoint.layer({ filename })
  }))

/** A PostgreSQL database that has the tables. */
export const postgresUrl = (url: Redacted.Redacted): Layer.Layer<Checkpoint, CheckpointError> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const PgClient = yield* optional("@effect/sql-pg", () => import("@effect/sql-pg/PgClient").catch(thrown))
    const { SqlClient } = yield* optional("@effect/sql", () => import("@effect/sql/SqlClient").catch(thrown))
    const SqlCheckpoint = yield* Effect.promise(() => import("./SqlCheckpoint.ts"))
    const client = Layer.mapError(PgClient.layer({ url }), (error) => toCheckpointError(postgres, "open", error))
    const looking = Effect.flatMap(SqlClient, (sql) => look(sql, postgres, "the database"))
    return Layer.provide(Layer.flatMap(Layer.effectDiscard(looking), () => SqlCheckpoint.layer()), client)
  }))
