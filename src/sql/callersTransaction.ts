/**
 * Whether a transaction of a caller reaches the tables of a store. All clients of `@effect/sql` in a process share one tag for the
 * transaction that they are in: it may be one of another database, into which the store's rows must not go.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import type { Database } from "./connections.ts"
import { execute, originalOf, sessionOf } from "./effectSql.ts"
import { answerOf } from "./ownClients.ts"

/** Whether the transaction on this connection reaches the store's tables. */
export type Reaches = (connection: Connection) => Effect.Effect<boolean, SqlError>

const sqlitePlace = "SELECT file AS place FROM pragma_database_list WHERE name = 'main'"

// The schema to which the name of the table leads, and nothing that an application may set for its transaction, as a role or a time zone.
const postgresPlace =
  `SELECT current_database() || ' ' || (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('effect_saga_execution'))
  || ' ' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS place`

/** The place that was answered; undefined where there is none, as of a database in memory. */
const placeIn = ([row]: ReadonlyArray<any>): string | undefined =>
  typeof row?.place === "string" && row.place !== "" ? row.place : undefined

/** Asks on a connection. A database that does not know the question is another one. */
const placeOf = (connection: Connection, question: string) => Effect.map(execute(connection, question, []), placeIn)

/** Another client of the same file is as good as the store's own. */
export const reachesSqlite = (
  sql: SqlClient.SqlClient,
  { query }: Database
): Effect.Effect<Reaches> =>
  Effect.gen(function*() {
    // A database that does not tell its file is reached by its own client only.
    const own = placeIn(yield* Effect.orElseSucceed(query("open", sqlitePlace), () => []))
    const connection = yield* Effect.orDie(Effect.scoped(sql.reserve))
    return (other) => {
      if (originalOf(other) === connection) return Effect.succeed(true)
      // A transaction of PostgreSQL would end by a question that it does not know.
      if (own === undefined || sessionOf(other) !== undefined) return Effect.succeed(false)
      return Effect.orElseSucceed(Effect.map(placeOf(other, sqlitePlace), (place) => place === own), () => false)
    }
  })

/** Asks each session until it has been found to reach the tables. */
export const reachesPostgres = (
  sql: SqlClient.SqlClient,
  { query }: Database
): Effect.Effect<Reaches, CheckpointError> =>
  Effect.map(query("open", postgresPlace), (rows) => {
    let own = placeIn(rows)
    const reaching = new WeakSet<object>()
    const isOwn = (place: string | undefined): Effect.Effect<boolean> => {
      if (place === undefined || place === own) return Effect.succeed(place !== undefined)
      // The server may have been started anew since the store was opened.
      return Effect.match(answerOf(sql, postgresPlace), {
        onFailure: () => false,
        onSuccess: ([values]) => {
          own = placeIn([{ place: values?.[0] }]) ?? own
          return place === own
        }
      })
    }
    return (connection) => {
      const session = sessionOf(connection)
      if (session === undefined) {
        return Effect.orElseSucceed(Effect.flatMap(placeOf(connection, postgresPlace), isOwn), () => false)
      }
      if (reaching.has(session)) return Effect.succeed(true)
      return Effect.tap(Effect.flatMap(placeOf(connection, postgresPlace), isOwn), (reaches) =>
        Effect.sync(() => void (reaches && reaching.add(session))))
    }
  })
