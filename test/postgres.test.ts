import { PgClient } from "@effect/sql-pg"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlCheckpoint } from "effect-saga/sql"
import { checkpointLaws } from "./support/checkpointLaws.ts"
import { describePostgres, freshClient, freshDatabase } from "./support/postgres.ts"

describePostgres("databases of their own", () => {
  it.effect("give back text to the letter", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const text = `"quoted" 'too' \\ ☃ 😀 \n`
      expect(yield* sql`SELECT ${text}::text AS text`).toEqual([{ text }])
    }).pipe(Effect.provide(freshClient)))

  it.effect("do not see each other, and are gone afterwards", () =>
    Effect.gen(function*() {
      const mine = yield* PgClient.PgClient
      const createTable = Effect.flatMap(PgClient.PgClient, (sql) => sql`CREATE TABLE things (name TEXT)`)
      const databases = Effect.map(
        mine<{ datname: string }>`SELECT datname FROM pg_database`,
        (rows) => rows.map(({ datname }) => datname)
      )
      yield* createTable
      yield* Effect.provide(createTable, freshClient)
      const gone = yield* Effect.scoped(Effect.gen(function*() {
        const url = yield* freshDatabase
        const name = new URL(url).pathname.slice(1)
        expect(yield* databases).toContain(name)
        yield* Effect.provide(createTable, PgClient.layer({ url: Redacted.make(url) }))
        return name
      }))
      expect(yield* databases).not.toContain(gone)
    }).pipe(Effect.provide(freshClient)))
})

const postgresStore = Effect.flatMap(Layer.build(freshClient), (client) => Effect.provide(SqlCheckpoint.make(), client))

describePostgres("a store", () => checkpointLaws(postgresStore))
