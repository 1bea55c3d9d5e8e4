/** S20 on real databases, by real time, between two processes that share one. */
import { PgClient } from "@effect/sql-pg"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Redacted, Schedule, Schema, type Scope } from "effect"
import { Checkpoint, Executions, Recovery, Saga, type SagaError, Signal, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describePostgres, freshDatabase } from "../support/postgres.ts"
import { eventsOf } from "../support/store.ts"

const Approval = Signal.make("approval", { success: Schema.String })

const order = (log: Array<string>) =>
  Saga.make("Order", { input: Schema.String })
    .compensatable("reserve", {
      success: Schema.String,
      action: ({ input }) => Effect.sync(() => (log.push(`+reserve ${input}`), input)),
      compensate: ({ input }) => Effect.sync(() => void log.push(`-reserve ${input}`))
    })
    .sleep("rest", "30 millis")
    .wait("approve", Approval)
    .final("charge", {
      success: Schema.String,
      inDoubt: "retry",
      action: ({ input, outputs }) => Effect.sync(() => (log.push(`+charge ${input}`), outputs.approve))
    })
    .build(({ outputs }) => outputs.charge)

/** One process: it has a lease of its own. */
type Connect = Effect.Effect<Checkpoint.Service, SagaError.CheckpointError, Scope.Scope>

const at = (store: Checkpoint.Service) => Effect.provideService(Checkpoint.Checkpoint, store)

/** Waits until as many executions wait for their signal. */
const untilWaiting = (count: number) =>
  Effect.flatMap(
    Executions.list({ status: "Waiting" }),
    ({ executions }) => executions.length === count ? Effect.void : Effect.fail("not yet")
  ).pipe(
    Effect.zipRight(Effect.succeed(undefined)),
    Effect.retry(Schedule.spaced("10 millis"))
  )

const laws = (open: Effect.Effect<Connect, SagaError.CheckpointError, Scope.Scope>) => {
  it.scopedLive("an execution waits while no process has it, and goes on in the one that is there", () =>
    Effect.gen(function*() {
      const connect = yield* open
      const log: Array<string> = []
      const saga = order(log)
      const other = yield* connect
      yield* Effect.scoped(Effect.gen(function*() {
        const first = yield* connect
        yield* at(first)(Effect.zipRight(Saga.start(saga, "a", { executionId: "1" }), untilWaiting(1)))
      }))
      expect(log).toEqual(["+reserve a"])
      const exit = yield* at(other)(Effect.gen(function*() {
        const call = yield* Effect.fork(Saga.execute(saga, "a", { executionId: "1" }))
        yield* Effect.sleep("100 millis")
        yield* Signal.deliver(Approval, { executionId: "1", by: "clerk" }, "Ada")
        return yield* Effect.exit(Fiber.join(call))
      }))
      expect(exit).toEqual(Exit.succeed("Ada"))
      expect(log).toEqual(["+reserve a", "+charge a"])
    }))

  it.scopedLive("a call hears of a signal that another process has sent", () =>
    Effect.gen(function*() {
      const connect = yield* open
      const [here, there] = [yield* connect, yield* connect]
      const call = yield* Effect.fork(at(here)(Saga.execute(order([]), "a", { executionId: "1" })))
      yield* at(there)(untilWaiting(1))
      yield* at(there)(Effect.retry(
        Signal.deliver(Approval, { executionId: "1", by: "clerk", id: "7" }, "Ada"),
        { times: 3 }
      ))
      expect(yield* Fiber.join(call)).toBe("Ada")
    }))

  it.scopedLive("two workers go on with each execution once, when it is due and when its signal comes", () =>
    Effect.gen(function*() {
      const connect = yield* open
      const log: Array<string> = []
      const saga = order(log)
      const stores = [yield* connect, yield* connect]
      for (const store of stores) yield* at(store)(Layer.build(Worker.layer([saga], { interval: "50 millis" })))
      const ids = Array.from({ length: 40 }, (_, index) => `e${index}`)
      yield* at(stores[0]!)(Effect.forEach(ids, (executionId) => Saga.enqueue(saga, executionId, { executionId })))
      const send = (executionId: string, store: Checkpoint.Service) =>
        at(store)(Signal.deliver(Approval, { executionId, by: "clerk", id: "7" }, executionId))
      // Both send it, at any moment.
      yield* Effect.forEach(ids, (executionId, index) =>
        Effect.delay(
          Effect.all(stores.map((store) => send(executionId, store)), { concurrency: 2 }),
          (index * 7) % 100
        ), { concurrency: "unbounded" })
      for (const executionId of ids) {
        expect(yield* at(stores[1]!)(Saga.await(saga, executionId))).toBe(executionId)
      }
      expect([...log].sort()).toEqual(ids.flatMap((id) => [`+charge ${id}`, `+reserve ${id}`]).sort())
      for (const executionId of ids) {
        const events = yield* eventsOf(stores[0]!, executionId)
        expect(events.filter(({ _tag }) => _tag === "StepSucceeded")).toHaveLength(4)
      }
    }))

  it.scopedLive("a recovery leaves what is not due, and undoes what was cancelled while it waited", () =>
    Effect.gen(function*() {
      const connect = yield* open
      const log: Array<string> = []
      const saga = order(log)
      const store = yield* connect
      const program = Effect.gen(function*() {
        yield* Saga.start(saga, "a", { executionId: "1" })
        yield* Effect.retry(
          Effect.filterOrFail(Recovery.run([saga]), ({ waiting }) => waiting === 1, () => "not yet"),
          Schedule.spaced("10 millis")
        )
        const { waiting: again } = yield* Recovery.run([saga])
        expect(again).toBe(0)
        yield* Saga.cancel("1", { by: "clerk" })
        expect((yield* Recovery.run([saga])).undone).toBe(1)
        expect(log).toEqual(["+reserve a", "-reserve a"])
      })
      yield* at(store)(program)
    }))
}

describe("S20: on a file", () => {
  laws(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder): Connect =>
      Effect.flatMap(SqliteCheckpoint.make({ filename: join(folder, "sagas.db") }), (store) => Checkpoint.make(store))
  ))
})

describePostgres("S20: two clients", () => {
  laws(Effect.map(freshDatabase, (url): Connect =>
    Effect.flatMap(
      Effect.flatMap(
        Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url) }))),
        (client) => Effect.provide(SqlCheckpoint.make(), client)
      ),
      (store) => Checkpoint.make(store)
    )))

  it.scopedLive("a worker hears at once of a signal and of a cancellation that another process has sent", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const layer = SqlCheckpoint.layer().pipe(
        Layer.provide(Layer.orDie(PgClient.layer({ url: Redacted.make(url) })))
      )
      const [here, there] = [yield* Layer.build(layer), yield* Layer.build(layer)]
      const ask = Saga.make("Ask").wait("answer", Approval).build(({ outputs }) => outputs.answer)
      // By its interval it would look again in an hour.
      yield* Effect.provide(Layer.build(Worker.layer([ask], { interval: "1 hour" })), here)
      const program = Effect.gen(function*() {
        for (const executionId of ["1", "2"]) yield* Saga.enqueue(ask, undefined, { executionId })
        yield* untilWaiting(2)
        yield* Signal.deliver(Approval, { executionId: "1", by: "clerk" }, "Ada")
        expect(yield* Saga.await(ask, "1")).toBe("Ada")
        yield* Saga.cancel("2", { by: "clerk" })
        expect((yield* Effect.flip(Saga.await(ask, "2")))._tag).toBe("Cancelled")
      })
      yield* Effect.provide(program, there)
    }))
})
