/** S21, between two clients of one database: signals and cancellations that come at any moment of many short executions. */
import { PgClient } from "@effect/sql-pg"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schema, type Scope } from "effect"
import { Checkpoint, Saga, type SagaError, Signal } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describePostgres, freshDatabase } from "../support/postgres.ts"
import { eventsOf } from "../support/store.ts"

const Approval = Signal.make("approval", { success: Schema.String })

const trip = (log: Array<string>) =>
  Saga.make("Raced", { input: Schema.Number })
    .compensatable("hotel", {
      success: Schema.Number,
      action: ({ input }) => Effect.as(Effect.yieldNow(), input),
      compensate: ({ input }) => Effect.sync(() => void log.push(`-${input}`))
    })
    .sleep("rest", ({ input }) => input % 5)
    .wait("approve", Approval)
    .final("charge", {
      success: Schema.String,
      inDoubt: "retry",
      action: ({ input, outputs }) => Effect.sync(() => (log.push(`+${input}`), outputs.approve))
    })
    .build(({ outputs }) => outputs.charge)

const raced = <E>(open: Effect.Effect<Effect.Effect<Checkpoint.Service, E, Scope.Scope>, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const saga = trip(log)
    const connect = yield* open
    const [driver, other] = [yield* connect, yield* connect]
    const executionIds = Array.from({ length: 80 }, (_, index) => `${index}`)
    /** At any moment, until it is stored or refused. */
    const sent = (
      store: Checkpoint.Service,
      message: Effect.Effect<void, { readonly _tag: string }, Checkpoint.Checkpoint>
    ) =>
      Effect.gen(function*() {
        yield* Effect.sleep(Math.random() * 40)
        const whenStored = {
          times: 50,
          while: (error: { readonly _tag: string }) => error._tag === "ExecutionNotFound"
        }
        return Exit.isSuccess(yield* Effect.exit(Effect.retry(Effect.delay(message, 2), whenStored)))
      }).pipe(Effect.provideService(Checkpoint.Checkpoint, store))
    yield* Effect.forEach(executionIds, (executionId, index) =>
      Effect.gen(function*() {
        const to = { executionId, by: "clerk" }
        const [exit, here, there, cancelled] = yield* Effect.all([
          Effect.exit(Effect.provideService(Saga.execute(saga, index, { executionId }), Checkpoint.Checkpoint, driver)),
          sent(driver, Signal.deliver(Approval, { ...to, id: "1" }, "here")),
          sent(other, Signal.deliver(Approval, { ...to, id: "2" }, "there")),
          // Only some: the others wait for one of the two.
          index % 3 === 0 ? sent(other, Saga.cancel(executionId, { by: "clerk" })) : Effect.succeed(false)
        ], { concurrency: "unbounded" })
        const events = yield* eventsOf(driver, executionId)
        expect(events.at(-1)?._tag).toBe("Finished")
        // Every message that was acknowledged is in the journal, once, and in no other way.
        const received = events.flatMap((event) => event._tag === "SignalReceived" ? [event.id] : [])
        expect([...received].sort((one, other) => Number(one) - Number(other))).toEqual([
          ...here ? ["1"] : [],
          ...there ? ["2"] : []
        ])
        const asked = events.filter(({ _tag }) => _tag === "CancellationRequested" || _tag === "CancellationRefused")
        expect(asked).toHaveLength(cancelled ? 1 : 0)
        const isUndone = events.some(({ _tag }) => _tag === "UnwindingStarted")
        expect(log.filter((line) => line.slice(1) === executionId)).toEqual([`${isUndone ? "-" : "+"}${executionId}`])
        // The first that came is the one that counts.
        const [first] = events.flatMap((event) => event._tag === "SignalReceived" ? [event.value] : [])
        if (!isUndone) expect(exit).toEqual(Exit.succeed(first))
        expect(yield* driver.messages(executionId)).toEqual([])
      }), { concurrency: 8, discard: true })
  }).pipe(Effect.scoped)

describe("S21: signals of two clients at any moment, on a file", () => {
  it.live("are taken once or refused, and every execution ends", () =>
    raced(Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      ),
      (folder): Effect.Effect<Checkpoint.Service, SagaError.CheckpointError, Scope.Scope> =>
        Effect.flatMap(SqliteCheckpoint.make({ filename: join(folder, "sagas.db") }), (store) => Checkpoint.make(store))
    )), 300_000)
})

describePostgres("S21: signals of two clients at any moment", () => {
  it.live(
    "are taken once or refused, and every execution ends",
    () =>
      raced(Effect.map(freshDatabase, (url) =>
        Effect.flatMap(
          Effect.flatMap(
            Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url) }))),
            (client) => Effect.provide(SqlCheckpoint.make(), client)
          ),
          (store) => Checkpoint.make(store)
        ))),
    300_000
  )
})
