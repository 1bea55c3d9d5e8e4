/**
 * Stores journals in SQLite or PostgreSQL, through any `@effect/sql` `SqlClient` for them.
 *
 * It makes its own tables, named `effect_saga_*`, so that journals can live beside an application's data.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { type Duration, Effect, Layer, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { outsideTransactions } from "./effectSql.ts"
import * as sqlStore from "./sqlStore.ts"

/** How the service and its store behave. */
export interface Options extends Checkpoint.Options {
  /**
   * How long a call waits for another process that holds the database, before it fails as `Locked`. 5 seconds by default. On
   * PostgreSQL it bounds waiting for any lock.
   */
  readonly lockTimeout?: Duration.DurationInput
}

/** The store alone, without what {@link Checkpoint.make} adds. Making it brings its tables up to date. */
export const make = (
  options?: Pick<Options, "lockTimeout">
): Effect.Effect<Checkpoint.Store, CheckpointError, SqlClient.SqlClient | Scope.Scope> =>
  sqlStore.make({ lockTimeout: options?.lockTimeout })

/**
 * Stores journals in the database of the application's `SqlClient`. On PostgreSQL the store opens connections of its own with the
 * settings of that client, see `docs/stores.md`. Making the layer brings its tables up to date, and fails with
 * `CheckpointError` if the database cannot be used.
 *
 * The database's settings say what a stored commit survives. PostgreSQL's default is good. `@effect/sql-sqlite-node` leaves
 * SQLite at `synchronous=NORMAL`, which a power cut can undo; `SqliteCheckpoint` sets `FULL`.
 */
export const layer = (options?: Options): Layer.Layer<Checkpoint.Checkpoint, CheckpointError, SqlClient.SqlClient> =>
  Layer.scoped(
    Checkpoint.Checkpoint,
    Effect.gen(function*() {
      const store = yield* make(options)
      const service = yield* Checkpoint.make(store, options)
      // Here already: the writer would wait for the caller's transaction, and the transaction for the writer.
      return {
        ...service,
        append: (commit) => outsideTransactions("append", service.append(commit), commit.executionId)
      }
    })
  )
