/**
 * Clients of the store's own for PostgreSQL. Through the application's pool a lease would end whenever the application keeps all
 * connections busy, and a bound on waiting for locks would bind the application too.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { settingsOf } from "./effectSql.ts"
import { loaded, thrown } from "./optional.ts"

export interface Clients {
  readonly journals: SqlClient.SqlClient
  /** One connection, which nothing but the lease uses. */
  readonly leases: SqlClient.SqlClient
  /** Whether the application uses them too. */
  readonly shared: boolean
}

const mostConnections = 4
const longestConnecting = "5 seconds"

/** The settings of a client tell where it connects to, except for what its pool does by itself: so compare. */
const place = `SELECT current_database() || ' ' || current_schemas(false)::text || ' ' || current_user || ' ' ||
  pg_postmaster_start_time()::text AS place`

const placeOf = (sql: SqlClient.SqlClient): Effect.Effect<unknown, unknown> =>
  Effect.map(answerOf(sql, place), (rows) => JSON.stringify(rows))

/** The rows with which a connection of the client answers, unless none is free soon. */
export const answerOf = (
  sql: SqlClient.SqlClient,
  question: string
): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, unknown> =>
  Effect.scoped(Effect.flatMap(sql.reserve, (connection) => connection.executeValues(question, []))).pipe(
    // Disconnected, and not interrupted: a client that is interrupted while it waits for a connection would lose it.
    Effect.uninterruptible,
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeout(longestConnecting)
  )

/** Opens clients with the settings of the application's; its own, with a warning, if others cannot reach the same tables. */
export const openOwnClients = (sql: SqlClient.SqlClient): Effect.Effect<Clients, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const theirs = yield* placeOf(sql)
    const settings = settingsOf(sql)
    if (settings !== undefined) {
      const { layer } = yield* loaded("@effect/sql-pg", () => import("@effect/sql-pg/PgClient").catch(thrown))
      const client = (size: { readonly maxConnections: number; readonly minConnections: number }) =>
        Effect.map(
          Layer.build(layer({ ...settings, ...size, connectTimeout: settings.connectTimeout ?? longestConnecting })),
          (context) => Context.get(context, SqlClient.SqlClient)
        )
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
      const own = yield* Effect.exit(Scope.extend(
        Effect.gen(function*() {
          const leases = yield* client({ maxConnections: 1, minConnections: 1 })
          return { leases, place: yield* placeOf(leases) }
        }),
        scope
      ))
      if (Exit.isSuccess(own) && own.value.place === theirs) {
        const journals = yield* client({ maxConnections: mostConnections, minConnections: 0 })
        return { leases: own.value.leases, journals, shared: false }
      }
      yield* Scope.close(scope, Exit.void)
    }
    yield* Effect.logWarning(
      "the store shares the connections of its client, for its own do not reach the same tables: if the application keeps them " +
        "busy for longer than the lease, this process loses its executions. Give the store a client of its own"
    )
    return { leases: sql, journals: sql, shared: true }
  })
