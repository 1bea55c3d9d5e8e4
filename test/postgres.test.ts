import { PgClient } from "@effect/sql-pg"
import { expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Schedule, Schema, Scope } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { createRequire } from "node:module"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { makeBlackHole } from "./support/blackHole.ts"
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

// It has no types of its own.
const { Pool } = createRequire(import.meta.url)("pg")

const errorOf = <A, E>(exit: Exit.Exit<A, E>) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

const clientOf = (url: string, options?: Partial<PgClient.PgClientConfig>) =>
  Effect.map(
    Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url), ...options }))),
    (context) => ({ context, sql: Context.get(context, PgClient.PgClient) })
  )

/** Another session, which runs these statements in a transaction and then does nothing until its scope closes. */
const anotherSession = (url: string, ...statements: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { sql } = yield* clientOf(url)
    const connection = yield* sql.reserve
    yield* Effect.addFinalizer(() => Effect.orDie(connection.execute("ROLLBACK", [], undefined)))
    for (const statement of ["BEGIN", ...statements]) yield* connection.execute(statement, [], undefined)
  })

describePostgres("a lock of another session", () => {
  it.scopedLive("makes a commit fail as Locked, and no step runs whose intent is not stored", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const { context } = yield* clientOf(url)
      const journals = yield* Effect.provide(Layer.build(SqlCheckpoint.layer({ lockTimeout: "200 millis" })), context)
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .final("charge", { success: Schema.String, action: world.do("charge"), inDoubt: "retry" })
        .build()
      const execute = Effect.provide(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })), journals)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* anotherSession(url, "LOCK TABLE effect_saga_execution IN SHARE MODE")
        expect(errorOf(yield* execute)).toMatchObject({
          _tag: "CheckpointError",
          reason: "Locked",
          operation: "append",
          executionId: "1"
        })
      }))
      expect(world.log).toEqual([])
      expect(Exit.isSuccess(yield* execute)).toBe(true)
    }))

  it.scopedLive("keeps no layer from opening whose tables are up to date: a backup may read them meanwhile", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const { context } = yield* clientOf(url)
      const renaming = yield* clientOf(url, { transformResultNames: (name) => name.toUpperCase() })
      const open = (options?: SqlCheckpoint.Options, within = context) =>
        Effect.exit(Effect.scoped(Effect.provide(Layer.build(SqlCheckpoint.layer(options)), within)))
      yield* open()
      yield* Effect.scoped(Effect.gen(function*() {
        yield* anotherSession(
          url,
          "LOCK TABLE effect_saga_migration, effect_saga_execution, effect_saga_commit IN ACCESS SHARE MODE"
        )
        expect(Exit.isSuccess(yield* open({ lockTimeout: 0 }))).toBe(true)
        expect(Exit.isSuccess(yield* open({ lockTimeout: 0 }, renaming.context))).toBe(true)
      }))
      yield* anotherSession(url, "LOCK TABLE effect_saga_commit IN ACCESS EXCLUSIVE MODE")
      expect(errorOf(yield* open({ lockTimeout: "100 millis" }))).toMatchObject({ reason: "Locked", operation: "open" })
    }))
})

describePostgres("a connection whose other end has fallen silent", () => {
  it.scopedLive("ends the run with a typed error, and the layer closes", () =>
    Effect.gen(function*() {
      const url = new URL(yield* freshDatabase)
      const hole = yield* makeBlackHole({ host: url.hostname, port: Number(url.port) })
      const direct = yield* clientOf(url.href)
      url.port = String(hole.port)
      const scope = yield* Scope.make()
      const through = yield* Scope.extend(clientOf(url.href), scope)
      const journals = yield* Scope.extend(
        Effect.provide(Layer.build(SqlCheckpoint.layer({ lease: "3 seconds" })), through.context),
        scope
      )
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          success: Schema.String,
          action: (context) => Effect.zipRight(Effect.sync(hole.fallSilent), world.do("hotel")(context)),
          compensate: world.undo("hotel")
        })
        .final("charge", { success: Schema.String, action: world.do("charge"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.charge)
      const exit = yield* Effect.exit(Effect.provide(Saga.execute(saga, undefined, { executionId: "1" }), journals))
      expect((errorOf(exit) as { readonly _tag: string })._tag).toMatch(/^(CheckpointError|ExecutionConflict)$/)
      expect(world.log).toEqual(["+hotel"])
      yield* Scope.close(scope, Exit.void)
      // Nobody has released its lease: it ends by itself, and then another process goes on.
      const others = yield* Effect.provide(Layer.build(SqlCheckpoint.layer()), direct.context)
      const settled = yield* Effect.retry(Effect.provide(Saga.resume(saga, "1"), others), {
        schedule: Schedule.spaced("200 millis"),
        while: (error) => error._tag === "ExecutionConflict"
      })
      expect(settled).toBe("charge-output")
    }))
})

describePostgres("an application that keeps all connections of its pool busy", () => {
  it.scopedLive("loses neither its lease nor a commit", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const { context, sql } = yield* clientOf(url, { maxConnections: 2 })
      const other = yield* clientOf(url)
      const journals = yield* Effect.provide(Layer.build(SqlCheckpoint.layer({ lease: "2 seconds" })), context)
      const service = Context.get(journals, Checkpoint.Checkpoint)
      const token = yield* service.token
      yield* sql.reserve
      yield* sql.reserve
      const endsAt = Effect.map(
        other.sql<{ at: string }>`SELECT expires_at AS at FROM effect_saga_lease WHERE token = ${token}`,
        ([row]) => Number(row!.at)
      )
      const began = yield* endsAt
      yield* Effect.repeat(endsAt, { until: (at) => at > began + 2500, schedule: Schedule.spaced("100 millis") })
      expect(service.isValid(token)).toBe(true)
      yield* service.append(commitOf({ executionId: "a", token }))
      expect((yield* service.load("a")).length).toBe(1)
    }))

  it.scopedLive("is warned where the store has to share them, for a hook of the pool leads to other tables", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const { sql } = yield* clientOf(url)
      yield* sql`CREATE SCHEMA journals`
      const lines: Array<string> = []
      const pool = Effect.acquireRelease(
        Effect.sync(() => {
          const pool = new Pool({ connectionString: url })
          pool.on("connect", (client: any) => void client.query("SET search_path = journals"))
          return pool
        }),
        (pool) => Effect.promise(() => pool.end())
      )
      const context = yield* Layer.build(PgClient.layerFromPool({ acquire: pool }))
      const journals = yield* Effect.provide(Layer.build(SqlCheckpoint.layer()), context).pipe(
        Effect.provide(
          Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void lines.push(String(message))))
        )
      )
      const service = Context.get(journals, Checkpoint.Checkpoint)
      yield* service.append(commitOf({ executionId: "a", token: yield* service.token }))
      expect(yield* sql`SELECT execution_id FROM journals.effect_saga_execution`).toEqual([{ execution_id: "a" }])
      expect(lines).toEqual([expect.stringMatching(/^the store shares the connections of its client/)])
    }))
})

describePostgres("many large outputs at once", () => {
  const megabytes = (count: number) =>
    JSON.stringify(
      Array.from({ length: count * 8300 }, (_, index) => ({ "a \"key\"": `${index} \\ ${"x".repeat(96)}` }))
    )

  it.scopedLive("neither block the event loop for seconds nor lose the lease, and all are stored", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(freshClient)
      const store = yield* Effect.provide(SqlCheckpoint.make(), client)
      const service = yield* Checkpoint.make(store, { lease: "10 seconds" })
      const token = yield* service.token
      const ids = Array.from({ length: 20 }, (_, index) => `e${index}`)
      const body = megabytes(5)
      expect(body.length).toBeGreaterThan(5_000_000)
      const delay = monitorEventLoopDelay({ resolution: 10 })
      delay.enable()
      for (const sequence of [0, 1]) {
        yield* Effect.forEach(ids, (executionId) => service.append(commitOf({ executionId, token, sequence, body })), {
          concurrency: "unbounded"
        })
      }
      delay.disable()
      expect(delay.max / 1e6).toBeLessThan(2000)
      expect(service.isValid(token)).toBe(true)
      expect(yield* store.renew(token)).toBe(true)
      expect((yield* store.load("e19")).map((commit) => commit.body === body)).toEqual([true, true])
    }))
})

describePostgres("two processes that start the same executions at once", () => {
  it.scopedLive("wait for each other in one order: neither is ended for a deadlock", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const { context, sql } = yield* clientOf(url)
      const store = () => Effect.provide(SqlCheckpoint.make({ lockTimeout: "10 seconds" }), context)
      const [one, two] = [yield* store(), yield* store()]
      const [first, second] = [
        yield* one.acquire({ milliseconds: 60_000 }),
        yield* two.acquire({ milliseconds: 60_000 })
      ]
      // Each row takes so long that both are in the midst of their group. A sequence counts on where a transaction is taken back.
      yield* sql`CREATE SEQUENCE rows`
      yield* sql.unsafe(
        `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          PERFORM pg_sleep(0.3), nextval('rows'); RETURN NEW;
        END $$`
      )
      yield* sql.unsafe(
        "CREATE TRIGGER slow BEFORE INSERT ON effect_saga_execution FOR EACH ROW EXECUTE FUNCTION slow()"
      )
      const ids = ["a", "b", "c"]
      const group = (token: Checkpoint.Token, ids: ReadonlyArray<string>) =>
        ids.map((executionId) => commitOf({ executionId, token }))
      const [stored, alsoStored] = yield* Effect.all(
        [one.append(group(first, ids)), two.append(group(second, [...ids].reverse()))],
        { concurrency: 2 }
      )
      expect([...stored, ...alsoStored].filter((stored) => stored).length).toBe(3)
      expect(new Set(stored).size).toBe(1)
      // The loser of a deadlock would be tried again, row by row.
      expect(yield* sql`SELECT last_value::int AS rows FROM rows`).toEqual([{ rows: 6 }])
    }))
})
