/**
 * Stores journals in SQLite or PostgreSQL, through any `@effect/sql` `SqlClient` of theirs.
 *
 * It makes its own tables, named `effect_saga_*`, so that journals can live beside an application's data.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { type Duration, Effect, Layer, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as sqlStore from "./sqlStore.ts"

/** How the store behaves. */
export interface Options extends Checkpoint.Options {
  /** How long a call waits for another process that holds the database, before it fails as `Locked`. 5 seconds by default. */
  readonly lockTimeout?: Duration.DurationInput
}

/** The store alone, without what {@link Checkpoint.make} puts around it. Making it brings its tables up to date. */
export const make = (
  options?: Pick<Options, "lockTimeout">
): Effect.Effect<Checkpoint.Store, CheckpointError, SqlClient.SqlClient | Scope.Scope> =>
  sqlStore.make({ lockTimeout: options?.lockTimeout })

/**
 * Stores journals through the `SqlClient` of the application. Making the layer brings its tables up to date, and fails with
 * `CheckpointError` where the database cannot be used.
 *
 * How much a stored commit survives is the database's setting. PostgreSQL's own is good. `@effect/sql-sqlite-node` leaves
 * SQLite at `synchronous=NORMAL`, which a power cut can undo; `SqliteCheckpoint` sets `FULL`.
 */
export const layer = (options?: Options): Layer.Layer<Checkpoint.Checkpoint, CheckpointError, SqlClient.SqlClient> =>
  Layer.scoped(
    Checkpoint.Checkpoint,
    Effect.gen(function*() {
      const store = yield* make(options)
      const service = yield* Checkpoint.make(store, options)
      // What waits for the writer in a transaction of the same client would keep it waiting.
      return { ...service, append: (commit) => sqlStore.outsideTransactions(service.append(commit)) }
    })
  )
