/** S20: waiting costs nothing: what waits and is not due is not read, however much there is of it. */
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import type { Checkpoint } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import type { Dialect, Statement } from "../../src/sql/dialect.ts"
import { unfinished } from "../../src/sql/journals.ts"
import { list } from "../../src/sql/listing.ts"
import { postgres } from "../../src/sql/postgresDialect.ts"
import { sqlite } from "../../src/sql/sqliteDialect.ts"
import { commitOf } from "../support/commit.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"

const hour = 3_600_000

/** Many that wait, and a few that are due or run. */
const fill = (store: Checkpoint.Store, many: number) =>
  Effect.gen(function*() {
    const token = yield* store.acquire({ milliseconds: hour })
    const waits = (executionId: string, wakeIn: number | undefined) =>
      commitOf({ executionId, token, status: "Waiting", wakeIn })
    for (let from = 0; from < many; from += 500) {
      const ids = Array.from({ length: 500 }, (_, index) => from + index)
      yield* store.append(ids.map((id) => waits(`later ${id}`, id % 2 === 0 ? hour : undefined)))
    }
    yield* store.append(["due 1", "due 2"].map((id) => waits(id, -1000)))
    yield* store.append(["runs 1", "runs 2"].map((executionId) => commitOf({ executionId, token })))
    yield* store.release(token)
    return yield* store.acquire({ milliseconds: hour })
  })

/** The statements by which executions are found that are to be driven, or that run. */
const statementsOf = (dialect: Dialect, token: Checkpoint.Token) =>
  Effect.gen(function*() {
    const statements: Array<Statement> = []
    const note = (statement: Statement) => Effect.sync(() => (statements.push(statement), []))
    const database = {
      dialect,
      query: (_: unknown, text: string, ...parameters: ReadonlyArray<unknown>) => note({ text, parameters }),
      perform: (_: unknown, statement: Statement) => note(statement)
    } as unknown as Parameters<typeof unfinished>[0]
    for (const which of [{ parked: false }, { parked: true }, { parked: true, withMessages: true }]) {
      yield* Stream.runDrain(unfinished(database, which))
    }
    const nothing = { saga: undefined, attributes: undefined, since: undefined, until: undefined, before: undefined }
    yield* list(database)({ ...nothing, statuses: ["Running", "Unwinding", "Parked"], limit: 10 })
    statements.push(
      dialect.claimNext({ sagas: [{ name: "Trip", version: 1 }], plans: true, except: [], limit: 10 }, token)
    )
    return statements
  })

const explained = (dialect: Dialect, { parameters, text }: Statement, how: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql.unsafe<Record<string, unknown>>(`${how} ${dialect.prepare(text)}`, parameters)
  )

/** Finds all nodes of a plan of PostgreSQL that read the unfinished executions. */
const readsIn = (plan: unknown): ReadonlyArray<Record<string, unknown>> => {
  if (typeof plan !== "object" || plan === null) return []
  if (Array.isArray(plan)) return plan.flatMap(readsIn)
  const node = plan as Record<string, unknown>
  const inside = Object.values(node).flatMap(readsIn)
  return node["Relation Name"] === "effect_saga_unfinished" && node["Node Type"] !== "ModifyTable"
    ? [node, ...inside]
    : inside
}

const claimed = (store: Checkpoint.Store, token: Checkpoint.Token) =>
  Effect.map(
    store.claimNext({ sagas: [{ name: "Trip", version: 1 }], plans: false, except: [], limit: 10 }, token),
    (executions) => executions.map(({ executionId }) => executionId)
  )

describe("S20: in SQLite", () => {
  it.scopedLive("the statements of workers, recoveries and lists read an index without what waits and is not due", () =>
    Effect.gen(function*() {
      const store = yield* SqlCheckpoint.make()
      const token = yield* fill(store, 5000)
      for (const statement of yield* statementsOf(sqlite, token)) {
        const plan = yield* explained(sqlite, statement, "EXPLAIN QUERY PLAN")
        const reads = plan.map(({ detail }) => String(detail)).filter((line) =>
          /(SCAN|SEARCH) (effect_saga_)?unfinished/.test(line)
        )
        expect(reads.length).toBeGreaterThan(0)
        for (const read of reads) {
          // By an index of few, or one row by its number.
          expect(read).toMatch(/INDEX effect_saga_unfinished_(ready|due)|INTEGER PRIMARY KEY \(rowid=\?\)/)
        }
      }
      expect(yield* claimed(store, token)).toEqual(["due 1", "due 2", "runs 1", "runs 2"])
    }).pipe(Effect.provide(Layer.orDie(SqliteClient.layer({ filename: ":memory:" })))))
})

describePostgres("S20: in its tables", () => {
  it.scopedLive("the statements of workers, recoveries and lists read an index without what waits and is not due", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SqlCheckpoint.make()
      const token = yield* fill(store, 20_000)
      yield* sql`ANALYZE`
      for (const statement of yield* statementsOf(postgres, token)) {
        const plan = yield* explained(postgres, statement, "EXPLAIN (ANALYZE, FORMAT JSON)")
        const reads = readsIn(plan)
        expect(reads.length).toBeGreaterThan(0)
        for (const read of reads) {
          const removed = Number(read["Rows Removed by Filter"] ?? 0)
          const rows = Number(read["Actual Rows"]) * Number(read["Actual Loops"])
          expect(removed + rows, JSON.stringify(read)).toBeLessThan(20)
        }
      }
    }).pipe(Effect.provide(freshClient)))
})
