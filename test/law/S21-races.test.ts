/** S21, between two clients of one database: requests that come at any moment of many short executions. */
import { PgClient } from "@effect/sql-pg"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schema, type Scope } from "effect"
import { Checkpoint, Saga, type SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describePostgres, freshDatabase } from "../support/postgres.ts"
import { eventsOf } from "../support/store.ts"

const clerks = ["clerk 1", "clerk 2"]

const number = Schema.Number
const trip = (log: Array<string>) =>
  Saga.make("Raced", { input: number })
    .compensatable("hotel", {
      success: number,
      action: ({ input }) => Effect.as(Effect.yieldNow(), input),
      compensate: ({ input }) => Effect.sync(() => void log.push(`-${input}`))
    })
    .readOnly("look", { success: number, action: ({ input }) => Effect.delay(Effect.succeed(input), input % 7) })
    .final("charge", {
      success: number,
      inDoubt: "retry",
      action: ({ input }) => Effect.sync(() => (log.push(`+${input}`), input))
    })
    .build(({ outputs }) => outputs.charge)

const raced = <E>(open: Effect.Effect<Effect.Effect<Checkpoint.Service, E, Scope.Scope>, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const saga = trip(log)
    const connect = yield* open
    const driver = yield* connect
    const others = [yield* connect, driver]
    const executionIds = Array.from({ length: 150 }, (_, index) => `${index}`)
    const cancelled = (store: Checkpoint.Service, by: string, executionId: string) =>
      Effect.gen(function*() {
        yield* Effect.sleep(Math.random() * 30)
        const answer = yield* Effect.exit(
          Effect.retry(Saga.cancel(executionId, { by }), {
            times: 20,
            while: (error: { readonly _tag: string }) => error._tag === "ExecutionNotFound"
          })
        )
        return Exit.isSuccess(answer) ? [by] : []
      }).pipe(Effect.provideService(Checkpoint.Checkpoint, store))
    yield* Effect.forEach(executionIds, (executionId, index) =>
      Effect.gen(function*() {
        const [exit, ...acknowledged] = yield* Effect.all([
          Effect.exit(Effect.provideService(
            Saga.execute(saga, index, { executionId }),
            Checkpoint.Checkpoint,
            driver
          )),
          cancelled(others[0]!, clerks[0]!, executionId),
          cancelled(others[1]!, clerks[1]!, executionId)
        ], { concurrency: "unbounded" })
        const events = yield* eventsOf(driver, executionId)
        // Every execution has ended, by itself.
        expect(events.at(-1)?._tag).toBe("Finished")
        // Every request that was acknowledged is in the journal, once.
        const said = events.flatMap((event) =>
          event._tag === "CancellationRequested" || event._tag === "CancellationRefused" ? [event.by] : []
        )
        expect([...said].sort()).toEqual(acknowledged.flat().sort())
        const isUndone = events.some(({ _tag }) => _tag === "UnwindingStarted")
        expect(log.filter((line) => line.slice(1) === executionId)).toEqual([`${isUndone ? "-" : "+"}${executionId}`])
        expect(Exit.isSuccess(exit)).toBe(!isUndone)
        if (isUndone) expect(events.filter(({ _tag }) => _tag === "CancellationRequested")).toHaveLength(1)
        expect(yield* driver.messages(executionId)).toEqual([])
      }), { concurrency: 8, discard: true })
    return log
  }).pipe(Effect.scoped)

describe("S21: requests of two clients at any moment, on a file", () => {
  it.live("are taken once or refused, and every execution ends", () =>
    raced(Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      ),
      (folder): Effect.Effect<Checkpoint.Service, SagaError.CheckpointError, Scope.Scope> =>
        Effect.flatMap(SqliteCheckpoint.make({ filename: join(folder, "sagas.db") }), Checkpoint.make)
    )))
})

describePostgres("S21: requests of two clients at any moment", () => {
  it.live("are taken once or refused, and every execution ends", () =>
    raced(Effect.map(freshDatabase, (url) =>
      Effect.flatMap(
        Effect.flatMap(
          Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url) }))),
          (client) => Effect.provide(SqlCheckpoint.make(), client)
        ),
        Checkpoint.make
      ))))
})
