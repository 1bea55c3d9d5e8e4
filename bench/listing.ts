/**
 * What it takes to list and count stored executions, on SQLite and on PostgreSQL: `npm run bench -- listing`.
 *
 * They are stored through the store itself, in large groups: 10 sagas, 10,000 customers, 5 countries; most have succeeded, a tenth was
 * undone, a thousandth is parked and a thousandth runs.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Checkpoint, Executions, type Journal, type SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findServer } from "../test/support/postgresServer.ts"
import { median } from "./order.ts"

// On PostgreSQL a larger group takes longer for each.
const group = 64
const rounds = 15

const statusOf = (index: number): Journal.Status =>
  index % 1000 === 7 ? "Parked" : index % 1000 === 8 ? "Running" : index % 10 === 3 ? "Undone" : "Succeeded"

const commitsOf = (token: Checkpoint.Token, index: number, sequence: 0 | 1): Checkpoint.Commit => ({
  executionId: `order-${index}`,
  saga: `Saga${index % 7 === 0 ? index % 10 : 0}`,
  version: 1,
  sequence,
  status: sequence === 0 ? "Running" : statusOf(index),
  body: JSON.stringify({ format: 1, events: [{ _tag: "Started", input: "x".repeat(300), at: index }] }),
  token,
  fence: 0,
  taken: 0,
  wakeIn: undefined,
  isPlan: false,
  attributes: sequence === 0 ? { customer: `c-${index % 10_000}`, country: "ABCDE"[index % 5]! } : undefined
})

const fill = (store: Checkpoint.Store, count: number) =>
  Effect.gen(function*() {
    const token = yield* store.acquire({ milliseconds: 3_600_000 })
    for (let from = 0; from < count; from += group) {
      const indexes = Array.from({ length: Math.min(group, count - from) }, (_, offset) => from + offset)
      for (const sequence of [0, 1] as const) {
        const stored = yield* store.append(indexes.map((index) => commitsOf(token, index, sequence)))
        if (!stored.every((one) => one)) throw new Error("a commit was refused")
      }
    }
  })

const questions = (count: number, middle: number): Record<string, Executions.ListOptions> => ({
  "all": {},
  "succeeded": { status: "Succeeded" },
  "undone": { status: "Undone" },
  "parked": { status: "Parked" },
  "a saga": { saga: "Saga3" },
  "a saga's undone": { saga: "Saga3", status: "Undone" },
  "a customer": { attributes: { customer: "c-4711" } },
  "a country": { attributes: { country: "C" } },
  "a country's undone": { attributes: { country: "D" }, status: "Undone" },
  "both": { attributes: { customer: "c-4711", country: "B" } },
  "from the middle": { cursor: `a${Math.floor(count / 2).toString(36)}` },
  "until the middle": { until: middle }
})

const ask = (count: number, print: (row: string) => void) =>
  Effect.gen(function*() {
    const measure = (name: string, question: Effect.Effect<number, unknown, Checkpoint.Checkpoint>) =>
      Effect.gen(function*() {
        const times: Array<number> = []
        let found = 0
        for (let round = 0; round <= rounds; round++) {
          const start = performance.now()
          found = yield* question
          if (round > 0) times.push(performance.now() - start)
        }
        print(`  ${name.padEnd(20)}${`${median(times).toFixed(1)} ms`.padStart(10)}${`${found} found`.padStart(14)}`)
      })
    const { executions } = yield* Executions.list({ cursor: `a${Math.floor(count / 2).toString(36)}`, limit: 1 })
    for (const [name, options] of Object.entries(questions(count, executions[0]!.startedAt))) {
      yield* measure(name, Effect.map(Executions.list(options), ({ executions }) => executions.length))
    }
    yield* measure(
      "count",
      Effect.map(Executions.count(), (counts) => counts.reduce((sum, { count }) => sum + count, 0))
    )
  })

const on = (
  store: Effect.Effect<Checkpoint.Store, SagaError.CheckpointError, Scope.Scope>,
  count: number,
  print: (row: string) => void
) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* store
    const start = performance.now()
    yield* fill(opened, count)
    print(`  stored in ${((performance.now() - start) / 1000).toFixed(0)} s`)
    const service = yield* Checkpoint.make(opened)
    yield* Effect.provideService(ask(count, print), Checkpoint.Checkpoint, service)
  }))

export const listing = async (count: number, print: (row: string) => void): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-saga-bench-"))
  try {
    print("SQLite")
    await Effect.runPromise(
      on(SqliteCheckpoint.make({ filename: join(directory, "listing.db"), durability: "process" }), count, print)
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const server = await findServer()
  if ("missing" in server) return print(`PostgreSQL was not measured: ${server.missing}`)
  try {
    print("PostgreSQL")
    const client = Layer.orDie(PgClient.layer({ url: Redacted.make(server.url) }))
    await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(
          Layer.build(client),
          (context) => on(Effect.provide(SqlCheckpoint.make(), context), count, print)
        )
      )
    )
  } finally {
    await server.stop()
  }
}
