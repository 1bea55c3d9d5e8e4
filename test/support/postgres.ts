/** PostgreSQL for tests: each has a database of its own, empty at first and gone afterwards. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { describe, inject } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { needsPostgres } from "./postgresServer.ts"

const server = inject("postgres")

/** Skipped where there is no server, which the end of the run tells; with REQUIRE_POSTGRES=1 its tests fail instead. */
export const describePostgres = (name: string, tests: () => void) =>
  describe.skipIf("missing" in server && process.env.REQUIRE_POSTGRES !== "1")(needsPostgres + name, tests)

const serverUrl = Effect.suspend(() =>
  "url" in server ? Effect.succeed(server.url) : Effect.dieMessage(`There is no PostgreSQL: ${server.missing}`)
)

const administrate = (statement: string) =>
  Effect.flatMap(serverUrl, (url) =>
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
      Effect.orDie
    ))

/** The url of a database of its own, to hand to other processes or to a client with settings of its own. */
export const freshDatabase = Effect.gen(function*() {
  const url = new URL(yield* serverUrl)
  const name = `effect_saga_${randomUUID().replaceAll("-", "")}`
  yield* Effect.acquireRelease(
    // Nobody can be connected to template0, which would make this fail.
    administrate(`CREATE DATABASE ${name} TEMPLATE template0`),
    () => administrate(`DROP DATABASE ${name} WITH (FORCE)`)
  )
  url.pathname = name
  return url.href
})

/** A client of a database of its own: another one each time it is provided. */
export const freshClient = Layer.unwrapScoped(
  Effect.map(freshDatabase, (url) => Layer.orDie(PgClient.layer({ url: Redacted.make(url) })))
)
