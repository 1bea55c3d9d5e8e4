/** A transaction of the caller that is on another database than the journals, and calls that may not be made in any. */
import { PgClient } from "@effect/sql-pg"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted, Stream } from "effect"
import { Checkpoint, Executions, Saga, SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failureOf } from "./support/exit.ts"
import { describePostgres, freshClient, freshDatabase } from "./support/postgres.ts"
import { reserve } from "./support/sagas.ts"
import { makeWorld } from "./support/world.ts"

type Client = Layer.Layer<SqlClient.SqlClient, unknown>

const sqliteFile: Client = Layer.unwrapScoped(Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => SqliteClient.layer({ filename: join(directory, "application.db") })
))

const clientOf = (client: Client) => Effect.map(Layer.build(Layer.orDie(client)), Context.get(SqlClient.SqlClient))

const checkpointOf = (sql: SqlClient.SqlClient) =>
  Effect.map(
    Layer.build(Layer.provide(SqlCheckpoint.layer(), Layer.succeed(SqlClient.SqlClient, sql))),
    Context.get(Checkpoint.Checkpoint)
  )

const within = (client: Client) =>
  Effect.gen(function*() {
    const sql = yield* clientOf(client)
    return { sql, checkpoint: yield* checkpointOf(sql) }
  })

const saga = reserve(makeWorld()).build()
const enqueue = (checkpoint: Checkpoint.Service, executionId = "1") =>
  Effect.provideService(Saga.enqueue(saga, undefined, { executionId }), Checkpoint.Checkpoint, checkpoint)
const isStored = (checkpoint: Checkpoint.Service, executionId = "1") =>
  Effect.map(checkpoint.load(executionId), (commits) => commits.length > 0)

const refused = {
  _tag: "CheckpointError",
  reason: "InTransaction",
  operation: "enqueue",
  executionId: "1",
  message:
    "the store could not store the start of execution 1 (InTransaction): the call is inside a transaction of another " +
    "database than that of the journals, and the start could not be part of it. Nothing was done: make the call outside of the " +
    "transaction"
}

/** Journals in one database, and a transaction on another one that has the tables too, and goes on afterwards. */
const refusesOther = (journals: Client, other: Client, hasTables: boolean) =>
  Effect.gen(function*() {
    const { checkpoint } = yield* within(journals)
    const sql = yield* clientOf(other)
    const theirs = hasTables ? yield* checkpointOf(sql) : undefined
    yield* sql`CREATE TABLE orders (id TEXT)`
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`INSERT INTO orders (id) VALUES ('1')`
      expect(failureOf(yield* Effect.exit(enqueue(checkpoint)))).toMatchObject(refused)
      expect(failureOf(yield* Effect.exit(enqueue(checkpoint)))).toMatchObject(refused)
      yield* sql`INSERT INTO orders (id) VALUES ('2')`
    }))
    expect(yield* sql`SELECT id FROM orders ORDER BY id`).toEqual([{ id: "1" }, { id: "2" }])
    expect(yield* isStored(checkpoint)).toBe(false)
    if (theirs !== undefined) expect(yield* isStored(theirs)).toBe(false)
    // And without a transaction it is stored where it belongs.
    yield* enqueue(checkpoint)
    expect(yield* isStored(checkpoint)).toBe(true)
  })

describe("S18: within a transaction of another database", () => {
  for (const hasTables of [true, false]) {
    const tables = hasTables ? "with the tables" : "without them"
    it.scoped(`nothing is enqueued: SQLite and SQLite, ${tables}`, () =>
      refusesOther(sqliteFile, sqliteFile, hasTables))
  }
  it.scoped("nothing is enqueued: two databases in memory", () => {
    const memory = SqliteClient.layer({ filename: ":memory:" })
    return refusesOther(Layer.fresh(memory), Layer.fresh(memory), true)
  })

  it.scoped("but it is within one of another client of the same file", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
      )
      const file = () => Layer.fresh(SqliteClient.layer({ filename: join(directory, "application.db") }))
      const { checkpoint } = yield* within(file())
      const other = yield* clientOf(file())
      yield* other.withTransaction(enqueue(checkpoint))
      expect(yield* isStored(checkpoint)).toBe(true)
      const exit = yield* Effect.exit(
        other.withTransaction(Effect.zipRight(enqueue(checkpoint, "2"), Effect.fail("changed my mind")))
      )
      expect(failureOf(exit)).toBe("changed my mind")
      expect(yield* isStored(checkpoint, "2")).toBe(false)
    }))
})

describePostgres("S18: within a transaction of another database", () => {
  for (const hasTables of [true, false]) {
    const tables = hasTables ? "with the tables" : "without them"
    it.scopedLive(`nothing is enqueued: PostgreSQL and PostgreSQL, ${tables}`, () =>
      refusesOther(Layer.fresh(freshClient), Layer.fresh(freshClient), hasTables))
    it.scopedLive(`nothing is enqueued: journals in PostgreSQL, a transaction of SQLite, ${tables}`, () =>
      refusesOther(freshClient, sqliteFile, hasTables))
    it.scopedLive(`nothing is enqueued: journals in SQLite, a transaction of PostgreSQL, ${tables}`, () =>
      refusesOther(sqliteFile, freshClient, hasTables))
  }

  it.scopedLive("another client of the same database is as good, whatever it sets for itself, and is asked for its place once", () =>
    Effect.gen(function*() {
      const url = Redacted.make(yield* freshDatabase)
      const { checkpoint } = yield* within(PgClient.layer({ url }))
      const other = yield* clientOf(Layer.fresh(PgClient.layer({ url, maxConnections: 1, minConnections: 1 })))
      const statementsOf = (executionId: string) =>
        other.withTransaction(Effect.gen(function*() {
          const statements: Array<string> = []
          const [connection] = Option.getOrThrow(yield* Effect.serviceOption(SqlClient.TransactionConnection))
          const { execute } = connection
          Object.assign(connection, {
            execute: (text: string, ...others: [ReadonlyArray<unknown>, undefined]) => {
              statements.push(text)
              return execute.call(connection, text, ...others)
            }
          })
          yield* enqueue(checkpoint, executionId)
          return statements.length
        }))
      expect(yield* statementsOf("1")).toBe(2)
      expect(yield* statementsOf("2")).toBe(1)
      expect(yield* isStored(checkpoint, "1")).toBe(true)
      expect(yield* isStored(checkpoint, "2")).toBe(true)
      yield* other`CREATE ROLE clerk`.pipe(Effect.ignore)
      yield* other`GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk`
      yield* other`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO clerk`
      const third = yield* clientOf(Layer.fresh(PgClient.layer({ url, maxConnections: 1 })))
      yield* third.withTransaction(Effect.zipRight(
        Effect.zipRight(third`SET LOCAL ROLE clerk`, third`SET LOCAL TIME ZONE 'Asia/Tokyo'`),
        enqueue(checkpoint, "3")
      ))
      expect(yield* isStored(checkpoint, "3")).toBe(true)
      // A role that owns something cannot be dropped.
      yield* other`DROP OWNED BY clerk`
      yield* Effect.ignore(other`DROP ROLE clerk`)
    }))

  it.scopedLive("a schema that hides the tables is another place", () =>
    Effect.gen(function*() {
      const { checkpoint, sql } = yield* within(freshClient)
      yield* sql`CREATE SCHEMA tenant`
      const exit = yield* Effect.exit(
        sql.withTransaction(Effect.zipRight(sql`SET LOCAL search_path TO tenant`, enqueue(checkpoint)))
      )
      expect(failureOf(exit)).toMatchObject(refused)
      // The session is not remembered as one of another database.
      yield* sql.withTransaction(enqueue(checkpoint))
      expect(yield* isStored(checkpoint)).toBe(true)
    }))
})

const refusesAllElse = (client: Client) =>
  Effect.gen(function*() {
    const { checkpoint, sql } = yield* within(client)
    const calls: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>]> = [
      ["load the journal of execution 1", Saga.execute(saga, undefined, { executionId: "1" })],
      ["load the journal of execution 1", Saga.start(saga, undefined, { executionId: "1" })],
      ["load the journal of execution 1", Saga.resume(saga, "1")],
      ["load the journal of execution 1", Saga.poll(saga, "1")],
      ["load the journal of execution 1", Saga.await(saga, "1")],
      ["load the journal of execution 1", Saga.cancel("1", { by: "clerk" })],
      ["load the journal of execution 1", Executions.history("1")],
      ["list executions", Executions.list()],
      ["list executions", Executions.count()],
      ["list executions", Stream.runDrain(Executions.stream())],
      ["delete finished executions", checkpoint.prune("1 day")],
      ["give or end the lease", checkpoint.token],
      ["store the message of execution 1", checkpoint.send({ executionId: "1", body: "{}" })]
    ]
    for (const [attempt, call] of calls) {
      const exit = yield* Effect.exit(
        sql.withTransaction(Effect.provideService(call, Checkpoint.Checkpoint, checkpoint))
      )
      const error = failureOf(exit)
      expect(error).toBeInstanceOf(SagaError.CheckpointError)
      expect((error as SagaError.CheckpointError).message).toBe(
        `the store could not ${attempt} (InTransaction): the call is inside a transaction of its caller, where only Saga.enqueue may ` +
          "be. Nothing was done: make the call outside of the transaction"
      )
    }
  })

describe("a call inside a transaction of its caller says what was asked for, and that nothing was done", () => {
  it.scoped("on SQLite", () => refusesAllElse(sqliteFile))
})

describePostgres("a call inside a transaction of its caller says what was asked for, and that nothing was done", () => {
  it.scopedLive("on PostgreSQL", () => refusesAllElse(freshClient))
})
