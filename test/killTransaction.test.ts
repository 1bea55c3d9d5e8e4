/**
 * A real process, a real database, a real SIGKILL: at every statement in turn of a saga whose steps are transactions, before it and
 * between it and its answer. The effect of a step and its outcome in the journal never part (S24).
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Checkpoint, Journal } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "./support/bundle.ts"
import type { Task } from "./support/killedTransaction.ts"
import { describePostgres, freshDatabase } from "./support/postgres.ts"
import { eventsOf, recoverAll } from "./support/store.ts"
import { makeTables, order } from "./support/transactional.ts"

// The drivers must be the modules that the process patches.
const driver = await bundle(new URL("./support/killedTransaction.ts", import.meta.url), { packages: "external" })
afterAll(() => rmSync(driver))

const runToItsEnd = (task: Task) =>
  Effect.async<NodeJS.Signals | number>((resume) => {
    const child = spawn(process.execPath, [driver, JSON.stringify(task)], { stdio: ["ignore", "ignore", "inherit"] })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? code ?? -1)))
  })

/** What the tables of the application say, and what the journal does. */
const standing = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const orders = yield* sql`SELECT id FROM orders`
  const letters = yield* sql<{ body: string }>`SELECT body FROM outbox`
  const [stock] = yield* sql<{ available: number }>`SELECT available FROM stock WHERE sku = ${"lamp"}`
  const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "o-1")
  const state = Journal.fold(events)
  if (state instanceof Journal.InvalidTransition) throw new Error(state.problem)
  const stepIs = (step: string, status: Journal.StepState["status"]) => state?.steps.get(step)?.status === status
  return {
    status: state?.status,
    // Between the intent to undo it and the outcome of that there is nothing.
    open: Array.from(state?.steps.values() ?? []).filter(({ status }) => status === "Started" || status === "Undoing"),
    byJournal: {
      orders: stepIs("order", "Succeeded") ? 1 : 0,
      letter: stepIs("confirm", "Succeeded") ? ["confirmed"] : stepIs("order", "Succeeded") ? ["ordered"] : []
    },
    byTables: { orders: orders.length, letter: letters.map(({ body }) => body) },
    taken: 1_000_000 - Number(stock!.available)
  }
})

type Live = Layer.Layer<Checkpoint.Checkpoint | Checkpoint.Transactions | SqlClient.SqlClient, unknown>

/** Kills the process at each statement, until it ends by itself; answers how many executions had to be recovered. */
const atEveryStatement = (
  fresh: Effect.Effect<{ readonly database: Task["database"]; readonly live: Live }, never, any>,
  moment: Task["moment"],
  declined: boolean
) =>
  Effect.gen(function*() {
    const recovered: Array<number> = []
    for (let statement = 0;; statement++) {
      const count = yield* Effect.scoped(Effect.gen(function*() {
        const { database, live } = yield* fresh
        yield* Effect.provide(makeTables, live)
        const ended = yield* runToItsEnd({ database, moment, declined, statement })
        if (ended === 0) return undefined
        expect(ended).toBe("SIGKILL")
        return yield* Effect.gen(function*() {
          const before = yield* standing
          expect(before.byTables).toEqual(before.byJournal)
          expect(before.taken).toBe(before.byTables.orders)
          expect(before.open).toEqual([])
          const outcomes = yield* recoverAll([order])
          const after = yield* standing
          expect(after.byTables).toEqual(after.byJournal)
          expect(after.status).toBe(before.status === undefined ? undefined : declined ? "Undone" : "Succeeded")
          expect(after.byTables.orders).toBe(after.status === "Succeeded" ? 1 : 0)
          return outcomes.length
        }).pipe(Effect.provide(live))
      })) as Effect.Effect<number | undefined>
      if (count === undefined) return recovered
      recovered.push(count)
    }
  })

const onSqlite = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-kill-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => {
    const filename = join(directory, "app.db")
    return {
      database: { _tag: "sqlite" as const, filename },
      live: SqliteCheckpoint.layerWithClient({ filename, durability: "process" }) as Live
    }
  }
)

const onPostgres = Effect.map(freshDatabase, (url) => ({
  database: { _tag: "postgres" as const, url },
  live: SqlCheckpoint.layer({ lease: "1 second" }).pipe(
    Layer.provideMerge(Layer.orDie(PgClient.layer({ url: Redacted.make(url) })))
  ) as Live
}))

const tests = (
  fresh: Parameters<typeof atEveryStatement>[0],
  ways: ReadonlyArray<boolean>,
  moments: ReadonlyArray<Task["moment"]>
) => {
  for (const declined of ways) {
    for (const moment of moments) {
      it.live(
        `${declined ? "an order that is undone" : "an order"}, killed ${moment} the statement is executed`,
        () =>
          Effect.gen(function*() {
            const recovered = yield* atEveryStatement(fresh, moment, declined)
            // Begin, savepoint, three statements, release, append and commit are in each of its transactions.
            expect(recovered.length).toBeGreaterThan(16)
            expect(recovered.filter((count) => count === 1).length).toBeGreaterThan(5)
          }),
        300_000
      )
    }
  }
}

describe("on SQLite a process that is killed at any statement leaves a step whole or not at all", () => {
  tests(onSqlite, [false], ["before"])
  tests(onSqlite, [true], ["after"])
})
describePostgres(
  "on PostgreSQL a process that is killed at any statement leaves a step whole or not at all",
  // An order that is undone goes both ways, and a process dies in the same state after a statement as before the next.
  () => tests(onPostgres, [true], ["before"])
)
