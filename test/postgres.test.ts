import { PgClient } from "@effect/sql-pg"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Redacted, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { checkpointLaws } from "./support/checkpointLaws.ts"
import { describePostgres, freshClient, freshDatabase } from "./support/postgres.ts"
import { makeWorld } from "./support/world.ts"

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

describePostgres("a commit that meets a claim", () => {
  it.scopedLive("waits for it, and is refused", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(freshClient)
      const store = yield* Effect.provide(SqlCheckpoint.make(), context)
      const sql = Context.get(context, PgClient.PgClient)
      const [token, other] = [
        yield* store.acquire({ milliseconds: 60_000 }),
        yield* store.acquire({ milliseconds: 60_000 })
      ]
      const commit = (sequence: number) =>
        store.append([{ executionId: "1", saga: "Trip", version: 1, sequence, status: "Running", body: "{}", token }])
      expect(yield* commit(0)).toEqual([true])
      const writing = yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`UPDATE effect_saga_unfinished SET token = ${other}`
        // Outside of the transaction, as another process would.
        const fiber = yield* Effect.forkDaemon(
          Effect.mapInputContext(commit(1), Context.omit(SqlClient.TransactionConnection)) as ReturnType<typeof commit>
        )
        yield* Effect.sleep("100 millis")
        return fiber
      }))
      expect(yield* Fiber.join(writing)).toEqual([false])
      expect((yield* store.load("1")).length).toBe(1)
    }))
})

describePostgres("a connection that is lost", () => {
  /** Ends all connections but the one that asks for it. */
  const loseConnections = (url: string) =>
    Effect.provide(
      Effect.flatMap(
        PgClient.PgClient,
        (sql) =>
          sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()`
      ),
      Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
    )

  it.scopedLive("between any two writes ends a run with a typed error at most, and everything stands in the end", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const world = makeWorld()
      const losing = (name: string, again = false) => {
        let lost = false
        return {
          success: Schema.String,
          action: (context: Parameters<ReturnType<typeof world.do>>[0]) =>
            Effect.zipRight(
              Effect.suspend(() => {
                const already = lost && !again
                lost = true
                return already ? Effect.void : Effect.orDie(Effect.asVoid(loseConnections(url)))
              }),
              world.do(name)(context)
            ),
          compensate: world.undo(name)
        }
      }
      const saga = Saga.make("Trip")
        .compensatable("flight", losing("flight"))
        .compensatable("hotel", losing("hotel"))
        .final("charge", { ...losing("charge"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.charge)
      const journals = Layer.provide(
        SqlCheckpoint.layer({ lease: "2 seconds" }),
        Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 3 }))
      )
      yield* Effect.gen(function*() {
        const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        if (Exit.isFailure(exit)) {
          expect(Cause.squash(exit.cause)).toMatchObject({ _tag: "CheckpointError", reason: "Unavailable" })
        }
        const settled = yield* Effect.retry(Saga.resume(saga, "1"), {
          times: 10,
          schedule: Schedule.spaced("50 millis")
        })
        expect(settled).toBe("charge-output")
      }).pipe(Effect.provide(journals))
      expect(world.standing()).toEqual(["flight", "hotel", "charge"])
    }))
})
