/** A store over a `SqlClient`, whatever its database. The dialects have the statements that differ. */
import * as SqlClient from "@effect/sql/SqlClient"
import { type Duration, Effect, type Scope, Stream } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { checkDuration } from "../store/options.ts"
import { type Reaches, reachesPostgres, reachesSqlite } from "./callersTransaction.ts"
import { type Database, type DatabaseOptions, makeDatabase, retryWhileLocked } from "./connections.ts"
import type { Dialect } from "./dialect.ts"
import { notificationsOf, toCheckpointError } from "./effectSql.ts"
import { groupedLoads } from "./groupedLoads.ts"
import * as journals from "./journals.ts"
import * as leases from "./leases.ts"
import * as listing from "./listing.ts"
import { open } from "./migrations.ts"
import { openOwnClients } from "./ownClients.ts"
import { arrivalsChannel, postgres } from "./postgresDialect.ts"
import { sqlite } from "./sqliteDialect.ts"
import { transactionsOf } from "./transactions.ts"

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
    const lockTimeout = yield* checkDuration("lockTimeout", options.lockTimeout ?? "5 seconds", "zero or longer")
    const sql = yield* SqlClient.SqlClient
    const patience = new Patience()
    const opening = { lockTimeout, patience, dedicated: options.dedicated === true }
    const databases = yield* sql.onDialectOrElse({
      sqlite: () => openSqlite(sql, opening),
      pg: () => openPostgres(sql, opening),
      orElse: () =>
        Effect.fail(
          new CheckpointError({
            reason: "Unavailable",
            operation: "open",
            detail: "journals are kept in SQLite or PostgreSQL, and this client's database is neither"
          })
        )
    })
    yield* listing.foldCountsInBackground(databases.forLeases)
    return storeOver(
      databases,
      options.dedicated === true ? undefined : transactionsOf(sql, {
        dialect: databases.forJournals.dialect,
        lockTimeout,
        patience: (operation) => patience.of(operation)
      }),
      patience,
      options
    )
  })

interface Databases {
  readonly forJournals: Database
  readonly forLeases: Database
  readonly arrivals: Checkpoint.Store["arrivals"]
  /** Undefined if the store has its database for itself. */
  readonly reaches: Reaches | undefined
}

interface Opening {
  readonly lockTimeout: number
  readonly patience: Patience
  readonly dedicated: boolean
}

type Opened = Effect.Effect<Databases, CheckpointError, Scope.Scope>

const databaseOptions = ({ dedicated, lockTimeout, patience }: Opening): DatabaseOptions => ({
  dedicated,
  whileLocked: retryWhileLocked(lockTimeout),
  prepareSession: undefined,
  patience: (operation) => patience.of(operation)
})

const openSqlite = (sql: SqlClient.SqlClient, opening: Opening): Opened =>
  Effect.gen(function*() {
    const options = databaseOptions(opening)
    yield* openTables(sql, sqlite, options)
    const database = yield* makeDatabase(sql, sqlite, options)
    const reaches = opening.dedicated ? undefined : yield* reachesSqlite(sql, database)
    return { forJournals: database, forLeases: database, arrivals: Stream.empty, reaches }
  })

const openPostgres = (sql: SqlClient.SqlClient, opening: Opening): Opened =>
  Effect.gen(function*() {
    const clients = yield* Effect.mapError(
      openOwnClients(sql),
      (error) => toCheckpointError(postgres, "open", error)
    )
    const options = {
      ...databaseOptions(opening),
      prepareSession: clients.shared ? undefined : postgres.boundLocks(opening.lockTimeout)
    }
    const forLeases = yield* makeDatabase(clients.leases, postgres, options)
    // The one session of this client has its bound from here on, and the migrations run in it.
    yield* forLeases.query("open", "SELECT 1")
    yield* openTables(clients.leases, postgres, options)
    const arrivals = Stream.mapBoth(notificationsOf(clients.leases, arrivalsChannel), {
      onSuccess: () => {},
      onFailure: (error) => toCheckpointError(postgres, "list", error)
    })
    const reaches = yield* reachesPostgres(clients.leases, forLeases)
    return { forLeases, forJournals: yield* makeDatabase(clients.journals, postgres, options), arrivals, reaches }
  })

const openTables = (sql: SqlClient.SqlClient, dialect: Dialect, { whileLocked }: DatabaseOptions) =>
  whileLocked(open(sql, dialect), (cause) => cause)

const storeOver = (
  { arrivals, forJournals, forLeases, reaches }: Databases,
  transactions: Checkpoint.StoreTransactions | undefined,
  patience: Patience,
  { isGone, owner = "" }: Options
): Checkpoint.Store => {
  const tidy = leases.tidy(forLeases, isGone)
  const acquire = leases.acquire(forLeases, owner)
  const renew = leases.renew(forLeases)
  return {
    append: journals.append(forJournals),
    enqueue: journals.enqueue(forJournals, reaches),
    load: forJournals.dialect.loadsInGroups ? groupedLoads(forJournals) : journals.load(forJournals),
    transactions,
    unfinished: (which) => {
      const pages = journals.unfinished(forJournals, which)
      // Delete dead leases first, so that their executions are listed as free; if that fails they expire anyway.
      return which.parked ? pages : Stream.unwrap(Effect.as(Effect.ignore(tidy), pages))
    },
    acquire: (lease) =>
      Effect.suspend(() => {
        patience.lease = lease.milliseconds
        return Effect.zipRight(tidy, acquire(lease))
      }),
    renew: (token) => Effect.zipLeft(renew(token), Effect.ignore(tidy)),
    // Not over the connection of the lease: a claim may wait for a lock.
    release: (token, claims) => leases.release(claims === undefined ? forLeases : forJournals)(token, claims),
    claim: leases.claim(forJournals),
    claimNext: leases.claimNext(forJournals),
    arrivals,
    send: journals.send(forJournals),
    messages: journals.messages(forJournals),
    withMessages: journals.withMessages(forJournals),
    list: listing.list(forJournals),
    count: listing.count(forJournals),
    prune: journals.prune(forJournals)
  }
}

/** For how long a call waits for an answer of the database: what a lease depends on must fail in time to be tried again. */
class Patience {
  lease = 30_000

  of(operation: CheckpointError["operation"]): number {
    switch (operation) {
      case "append":
      case "enqueue":
      case "send":
      case "lease":
        return Math.min(Math.max(Math.ceil(this.lease / 2), 1000), 30_000)
      case "open":
      case "load":
      case "list":
      case "prune":
        return 60_000
    }
  }
}
