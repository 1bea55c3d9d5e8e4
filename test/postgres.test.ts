import { PgClient } from "@effect/sql-pg"
import { expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Redacted, Schedule, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { checkpointLaws } from "./support/checkpointLaws.ts"
import { commitOf } from "./support/commit.ts"
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
        SqlCheckpoint.layer(),
        Layer.orDie(PgClient.layer({ url: Redacted.make(url), maxConnections: 3 }))
      )
      yield* Effect.gen(function*() {
        const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        if (Exit.isFailure(exit)) {
          expect(Cause.squash(exit.cause)).toMatchObject({ _tag: "CheckpointError", reason: "Unavailable" })
        }
        const settled = yield* Effect.retry(Saga.resume(saga, "1"), {
          times: 400,
          schedule: Schedule.spaced("50 millis")
        })
        expect(settled).toBe("charge-output")
      }).pipe(Effect.provide(journals))
      expect(world.standing()).toEqual(["flight", "hotel", "charge"])
    }))
})

describePostgres("between its look and its write", () => {
  /** A store whose session is slow to read the clock, so that others come between. */
  const slowAndFast = Effect.gen(function*() {
    const url = yield* freshDatabase
    const storeAt = (url: string) =>
      Effect.flatMap(
        Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url) }))),
        (client) => Effect.map(Effect.provide(SqlCheckpoint.make(), client), (store) => ({ client, store }))
      )
    const { client, store: fast } = yield* storeAt(url)
    yield* Context.get(client, PgClient.PgClient).unsafe(
      `CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared(1); RETURN pg_catalog.clock_timestamp(); END $$`
    )
    const slow = yield* storeAt(`${url}?options=${encodeURIComponent("-c search_path=public,pg_catalog")}`)
    /** Keeps the slow one from reading the clock for as long as something else is done. */
    const meanwhile = <A, B, E, F>(slowly: Effect.Effect<A, E>, quickly: Effect.Effect<B, F>) =>
      Effect.gen(function*() {
        const sql = Context.get(client, PgClient.PgClient)
        const connection = yield* sql.reserve
        yield* connection.execute("SELECT pg_advisory_lock(1)", [], undefined)
        const waiting = yield* Effect.fork(slowly)
        const stands = Effect.map(
          sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
          (rows) => rows.length > 0
        )
        yield* Effect.repeat(stands, { until: (stands) => stands, schedule: Schedule.spaced("5 millis") })
        const quick = yield* quickly
        yield* connection.execute("SELECT pg_advisory_unlock(1)", [], undefined)
        return { quick, slow: yield* Fiber.join(waiting) }
      })
    return { fast, slow: slow.store, meanwhile }
  })
  const commit = (token: Checkpoint.Token, sequence: number) => commitOf({ executionId: "a", sequence, token })
  const minute = { milliseconds: 60_000 }

  it.scopedLive("a claim that another has come before is refused, although its lease is younger than the look", () =>
    Effect.gen(function*() {
      const { fast, meanwhile, slow } = yield* slowAndFast
      const dead = yield* fast.acquire(minute)
      yield* fast.append([commit(dead, 0)])
      yield* fast.release(dead)
      const late = yield* slow.acquire(minute)
      expect(
        yield* meanwhile(
          slow.claim("a", late),
          Effect.flatMap(fast.acquire(minute), (token) => fast.claim("a", token))
        )
      ).toEqual({ quick: 1, slow: undefined })
    }))

  it.scopedLive("a commit and a claim by another do not both succeed", () =>
    Effect.gen(function*() {
      const { fast, meanwhile, slow } = yield* slowAndFast
      const first = yield* fast.acquire(minute)
      yield* fast.append([commit(first, 0)])
      const { quick, slow: stored } = yield* meanwhile(
        slow.append([commit(first, 1)]),
        Effect.gen(function*() {
          yield* fast.release(first)
          const claimed = yield* Effect.flatMap(fast.acquire(minute), (token) => fast.claim("a", token))
          return { claimed, commits: (yield* fast.load("a")).length }
        })
      )
      expect({ quick, stored }).toEqual({ quick: { claimed: 1, commits: 1 }, stored: [false] })
      expect((yield* fast.load("a")).length).toBe(1)
    }))
})

describePostgres("a value that the database refuses", () => {
  it.scopedLive("fails its own commit, and none of those that share the write", () =>
    Effect.gen(function*() {
      const service = yield* Checkpoint.make(yield* postgresStore)
      const token = yield* service.token
      const append = (executionId: string) =>
        Effect.exit(service.append(commitOf({ executionId, version: Number.MAX_SAFE_INTEGER, token })))
      const exits = yield* Effect.all(["a", "b\0", "c", "d"].map(append), { concurrency: "unbounded" })
      expect(exits.map(({ _tag }) => _tag)).toEqual(["Success", "Failure", "Success", "Success"])
      expect(exits[1]).toMatchObject({ cause: { error: { _tag: "CheckpointError", reason: "Rejected" } } })
    }))
})
