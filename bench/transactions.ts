/**
 * A step in one transaction with its outcome, against the same step whose doubt `verify` settles. `npm run bench -- transactions`.
 *
 * Both write two rows of an application's table through its own SqliteClient, on which the journals are too, and take turns on one
 * file. The step with `verify` writes in a transaction of its own, and keeps its key in the rows.
 */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, ManagedRuntime, Option, Schema } from "effect"
import { Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { median } from "./order.ts"

const rounds = 5
const milliseconds = 400

const input = Schema.Struct({ amount: Schema.Int })

const move = (id: string, amount: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`UPDATE account SET balance = balance + ${amount} WHERE id = 1`
    yield* sql`INSERT INTO entry (id, amount) VALUES (${id}, ${amount})`
    return amount
  })

const inTransaction = Saga.make("InTransaction", { input })
  .final("move", {
    success: Schema.Int,
    error: "asRecoveredFailure",
    transaction: true,
    action: ({ idempotencyKey, input }) => move(idempotencyKey, input.amount)
  })
  .build(({ outputs }) => outputs.move)

const verified = Saga.make("Verified", { input })
  .final("move", {
    success: Schema.Int,
    error: "asRecoveredFailure",
    inDoubt: "verify",
    action: ({ idempotencyKey, input }) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(move(idempotencyKey, input.amount))),
    verify: ({ idempotencyKey, input }) =>
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) =>
          Effect.map(sql`SELECT 1 FROM entry WHERE id = ${idempotencyKey}`, ({ length }) =>
            length === 0 ? Option.none() : Option.some(input.amount))
      )
  })
  .build(({ outputs }) => outputs.move)

/** Prints a row for each setting and concurrency: the median time of a saga, and the ratio of the two. */
export const transactions = async (print: (row: string) => void): Promise<void> => {
  for (const synchronous of ["FULL", "NORMAL"]) {
    const directory = mkdtempSync(join(tmpdir(), "effect-saga-bench-"))
    const client = SqliteClient.layer({ filename: join(directory, "app.db") })
    const runtime = ManagedRuntime.make(Layer.provideMerge(SqlCheckpoint.layer(), client))
    try {
      await runtime.runPromise(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql.unsafe(`PRAGMA synchronous = ${synchronous}`)
        yield* sql`CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`
        yield* sql`CREATE TABLE entry (id TEXT PRIMARY KEY, amount INTEGER NOT NULL)`
        yield* sql`INSERT INTO account VALUES (1, 0)`
      }))
      let number = 0
      const timeOf = async (saga: typeof inTransaction | typeof verified, concurrency: number) => {
        const start = performance.now()
        let sagas = 0
        do {
          const ids = Array.from({ length: concurrency }, () => `${synchronous}-${number++}`)
          await runtime.runPromise(Effect.forEach(
            ids,
            (executionId) => Saga.execute(saga, { amount: 1 }, { executionId }),
            { concurrency: "unbounded", discard: true }
          ))
          sagas += concurrency
        } while (performance.now() - start < milliseconds)
        return (performance.now() - start) / sagas
      }
      for (const concurrency of [1, 8, 64]) {
        const times = { ours: [] as Array<number>, other: [] as Array<number> }
        for (let round = 0; round <= rounds; round++) {
          const [ours, other] = [await timeOf(inTransaction, concurrency), await timeOf(verified, concurrency)]
          // The first round warms up.
          if (round === 0) continue
          times.ours.push(ours)
          times.other.push(other)
        }
        const [ours, other] = [median(times.ours), median(times.other)]
        const [{ entries, balance }] = await runtime.runPromise(Effect.flatMap(
          SqlClient.SqlClient,
          (sql) =>
            sql<
              { entries: number; balance: number }
            >`SELECT COUNT(*) AS entries, (SELECT balance FROM account) AS balance FROM entry`
        )) as [{ entries: number; balance: number }]
        if (entries !== number || balance !== number) throw new Error("a transfer is missing, or was made twice")
        print(
          `${synchronous.padEnd(6)} ${String(concurrency).padStart(3)} at a time: transaction ${ours.toFixed(3)} ms, ` +
            `verify ${other.toFixed(3)} ms, transaction ÷ verify ${(ours / other).toFixed(2)}`
        )
      }
    } finally {
      await runtime.dispose()
      rmSync(directory, { recursive: true })
    }
  }
}
