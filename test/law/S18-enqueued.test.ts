/** S18: what is enqueued is stored, and happens; within a transaction of the caller it exists if and only if that commits. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { Checkpoint, Recovery, Saga, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failureOf } from "../support/exit.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"
import { reserve, step, Text } from "../support/sagas.ts"
import { eventsOf, process } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

const orderOf = (world: World) =>
  Saga.make("Order", { input: Schema.Struct({ amount: Schema.Number }) })
    .compensatable("hotel", step(world, "hotel"))
    .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
    .build(({ outputs }) => outputs.charge)

describe("S18: what is enqueued", () => {
  it.effect("is stored, with none of its steps, until somebody drives it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const order = orderOf(world)
      yield* process(store, Saga.enqueue(order, { amount: 5 }, { executionId: "1" }))
      expect((yield* eventsOf(store, "1")).map(({ _tag }) => _tag)).toEqual(["Started"])
      expect(world.log).toEqual([])
      expect(yield* process(store, Recovery.run([order]))).toMatchObject({ succeeded: 1 })
      expect(world.log).toEqual(["+hotel", "+charge"])
      expect(yield* process(store, Saga.await(order, "1"))).toBe("charge-output")
    }))

  it.effect("is started too by a call for the same id, and is the same execution", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const order = orderOf(world)
      yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
      yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
      expect(yield* Saga.execute(order, { amount: 5 }, { executionId: "1" })).toBe("charge-output")
      yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
      expect(world.log).toEqual(["+hotel", "+charge"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is refused under an id that is taken by another input, saga or definition, or that is none", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const order = orderOf(world)
      const refusal = (effect: Effect.Effect<void, unknown, Checkpoint.Checkpoint>) =>
        Effect.map(Effect.exit(effect), failureOf)
      yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
      expect(yield* refusal(Saga.enqueue(order, { amount: 6 }, { executionId: "1" }))).toMatchObject({
        _tag: "ExecutionConflict",
        reason: "OtherInput"
      })
      expect(yield* refusal(Saga.enqueue(reserve(world).build(), undefined, { executionId: "1" }))).toMatchObject({
        _tag: "ExecutionConflict",
        reason: "OtherSaga"
      })
      const changed = Saga.make("Order", { input: Schema.Struct({ amount: Schema.Number }) })
        .compensatable("other", step(world, "other")).build()
      expect(yield* refusal(Saga.enqueue(changed, { amount: 5 }, { executionId: "1" }))).toMatchObject({
        _tag: "DefinitionChanged"
      })
      expect(yield* refusal(Saga.enqueue(order, { amount: 5 }, { executionId: "" }))).toMatchObject({
        _tag: "InvalidExecutionId"
      })
      expect(yield* refusal(Saga.enqueue(order, { amount: "five" } as never, { executionId: "2" }))).toMatchObject({
        _tag: "ParseError"
      })
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is what was given at that moment", () =>
    Effect.gen(function*() {
      const amounts: Array<number> = []
      const saga = Saga.make("Pay", { input: Schema.Struct({ amount: Schema.Number }) })
        .final("charge", {
          action: ({ input }) => Effect.sync(() => void amounts.push(input.amount)),
          inDoubt: "retry"
        })
        .build(() => undefined)
      const input = { amount: 5 }
      yield* Saga.enqueue(saga, input, { executionId: "1" })
      input.amount = 500
      yield* Recovery.run([saga])
      expect(amounts).toEqual([5])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

/** An application's table beside the journals, in the same database. */
const inTransactions = (client: Layer.Layer<SqlClient.SqlClient, unknown>) => {
  const live = SqlCheckpoint.layer().pipe(Layer.provideMerge(Layer.orDie(client)))
  const make = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE orders (id TEXT PRIMARY KEY)`
    const world = makeWorld()
    const order = orderOf(world)
    const place = (id: string) =>
      Effect.zipRight(
        sql`INSERT INTO orders (id) VALUES (${id})`,
        Saga.enqueue(order, { amount: 5 }, { executionId: id })
      )
    const orders = Effect.map(sql`SELECT id FROM orders ORDER BY id`, (rows) => rows.map(({ id }) => id))
    return { sql, world, order, place, orders }
  })

  it.effect("an order and its saga exist together", () =>
    Effect.gen(function*() {
      const { order, orders, place, sql, world } = yield* make
      yield* sql.withTransaction(place("1"))
      expect(yield* orders).toEqual(["1"])
      expect(yield* Recovery.run([order])).toMatchObject({ succeeded: 1 })
      expect(world.log).toEqual(["+hotel", "+charge"])
    }).pipe(Effect.provide(live)))

  it.effect("or not at all", () =>
    Effect.gen(function*() {
      const { order, orders, place, sql, world } = yield* make
      const exit = yield* Effect.exit(sql.withTransaction(Effect.zipRight(place("1"), Effect.fail("changed my mind"))))
      expect(failureOf(exit)).toBe("changed my mind")
      expect(yield* orders).toEqual([])
      expect(failureOf(yield* Effect.exit(Saga.poll(order, "1")))).toMatchObject({ _tag: "ExecutionNotFound" })
      expect(yield* Recovery.run([order])).toMatchObject({ succeeded: 0, leftAsItWas: 0 })
      yield* sql.withTransaction(place("1"))
      yield* Recovery.run([order])
      expect(world.log).toEqual(["+hotel", "+charge"])
    }).pipe(Effect.provide(live)))

  it.effect("asked for again in the same transaction, it is the same; with another input it is refused, and the rest stays", () =>
    Effect.gen(function*() {
      const { order, orders, place, sql } = yield* make
      const refused = yield* sql.withTransaction(Effect.gen(function*() {
        yield* place("1")
        yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
        return failureOf(yield* Effect.exit(Saga.enqueue(order, { amount: 6 }, { executionId: "1" })))
      }))
      expect(refused).toMatchObject({ _tag: "ExecutionConflict", reason: "OtherInput" })
      expect(yield* orders).toEqual(["1"])
      expect(yield* Recovery.run([order])).toMatchObject({ succeeded: 1 })
    }).pipe(Effect.provide(live)))

  it.effect("nothing else of a saga may be done there, and it says so", () =>
    Effect.gen(function*() {
      const { order, sql, world } = yield* make
      const exit = yield* Effect.exit(sql.withTransaction(Saga.execute(order, { amount: 5 }, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "InTransaction" })
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(live)))
}

describe("S18: within a transaction, on SQLite", () => {
  inTransactions(Layer.unwrapScoped(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    ),
    (directory) => SqliteClient.layer({ filename: join(directory, "application.db") })
  )))

  it.scoped("a store with a file of its own refuses it: it could not be part of it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const sql = Context.get(yield* Layer.build(SqliteClient.layer({ filename: ":memory:" })), SqlClient.SqlClient)
      const enqueued = Saga.enqueue(orderOf(world), { amount: 5 }, { executionId: "1" })
      expect(failureOf(yield* Effect.exit(sql.withTransaction(enqueued)))).toMatchObject({
        _tag: "CheckpointError",
        reason: "InTransaction"
      })
      expect(failureOf(yield* Effect.exit(Saga.poll(orderOf(world), "1")))).toMatchObject({ _tag: "ExecutionNotFound" })
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: ":memory:" }))))
})

describePostgres("S18: within a transaction", () => {
  inTransactions(freshClient)

  it.live("a second one under the same id waits for the first, and is the same execution if that commits", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const world = makeWorld()
      const order = orderOf(world)
      const enqueue = (amount: number) => Saga.enqueue(order, { amount }, { executionId: "1" })
      for (const commits of [false, true]) {
        const inside = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const first = yield* Effect.fork(Effect.exit(sql.withTransaction(Effect.gen(function*() {
          yield* enqueue(5)
          yield* Deferred.succeed(inside, undefined)
          yield* Deferred.await(goOn)
          if (!commits) yield* Effect.fail("changed my mind")
        }))))
        yield* Deferred.await(inside)
        const second = yield* Effect.fork(Effect.exit(sql.withTransaction(enqueue(commits ? 6 : 5))))
        yield* Deferred.succeed(goOn, undefined)
        expect(Exit.isSuccess(yield* Fiber.join(first))).toBe(commits)
        const exit = yield* Fiber.join(second)
        if (commits) expect(failureOf(exit)).toMatchObject({ reason: "OtherInput" })
        else expect(Exit.isSuccess(exit)).toBe(true)
        if (!commits) yield* sql`DELETE FROM effect_saga_execution`
      }
    }).pipe(Effect.provide(SqlCheckpoint.layer().pipe(Layer.provideMerge(Layer.orDie(freshClient))))))

  it.live("a worker hears of it when it commits, without looking", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const world = makeWorld()
      const order = orderOf(world)
      yield* Layer.build(Worker.layer([order], { interval: "1 hour" }))
      // Until it listens, nobody can tell it.
      const listens = Effect.flatMap(
        sql`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()`,
        (rows) => rows.length > 0 ? Effect.void : Effect.fail("not yet")
      )
      yield* Effect.retry(Effect.delay(listens, "20 millis"), { times: 500 })
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* Saga.enqueue(order, { amount: 5 }, { executionId: "1" })
        expect(world.log).toEqual([])
      }))
      expect(yield* Saga.await(order, "1")).toBe("charge-output")
    }).pipe(
      Effect.scoped,
      Effect.provide(SqlCheckpoint.layer().pipe(Layer.provideMerge(Layer.orDie(freshClient))))
    ))
})
