/** A store over a `SqlClient`, whatever its database. The dialects have the statements that differ. */
import * as SqlClient from "@effect/sql/SqlClient"
import { type Duration, Effect, type Scope, Stream } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { makeDatabase, retryWhileLocked } from "./connections.ts"
import * as journals from "./journals.ts"
import * as leases from "./leases.ts"
import { open } from "./migrations.ts"
import { postgres } from "./postgresDialect.ts"
import { sqlite } from "./sqliteDialect.ts"

export interface Options {
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** Names the process that holds the lease, as far as the store can tell. */
  readonly owner?: string
  /** Whether the owner of a lease has certainly ended. */
  readonly isGone?: (owner: string) => boolean
  /** Whether nobody else uses the client, so that the store can keep one connection. */
  readonly dedicated?: boolean
}

export const make = (
  options: Options
): Effect.Effect<Checkpoint.Store, CheckpointError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const { dedicated = false, isGone, owner = "" } = options
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
    const database = yield* makeDatabase(sql, dialect, { dedicated, whileLocked })
    const tidy = leases.tidy(database, isGone)
    const acquire = leases.acquire(database, owner)
    const renew = leases.renew(database)
    return {
      append: journals.append(database),
      load: journals.load(database),
      unfinished: ({ parked }) => {
        const pages = journals.unfinished(database, parked)
        // Delete dead leases first, so that their executions are listed as free; if that fails they expire anyway.
        return parked ? pages : Stream.unwrap(Effect.as(Effect.ignore(tidy), pages))
      },
      acquire: (lease) => Effect.zipRight(tidy, acquire(lease)),
      renew: (token) => Effect.zipLeft(renew(token), tidy),
      release: leases.release(database),
      claim: leases.claim(database),
      prune: journals.prune(database)
    }
  })
