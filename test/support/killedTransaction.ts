/**
 * A process that runs an order in transactions, and is killed by SIGKILL at the statement that it is told: before the statement, or
 * between it and its answer. Every statement counts that any part of the process sends to its database.
 *
 * Argument: JSON of what to do.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import Sqlite from "better-sqlite3"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { createRequire } from "node:module"
import { order } from "./transactional.ts"

export const Task = Schema.parseJson(Schema.Struct({
  database: Schema.Union(
    Schema.TaggedStruct("sqlite", { filename: Schema.String }),
    Schema.TaggedStruct("postgres", { url: Schema.String })
  ),
  statement: Schema.Number,
  moment: Schema.Literal("before", "after"),
  declined: Schema.Boolean
}))
export type Task = typeof Task.Type

let count = 0
let isCounting = false

const killAt = ({ moment, statement }: Task) => {
  const die = () => process.kill(process.pid, "SIGKILL")
  /** Runs a statement, unless the process dies before it. */
  const at = <A>(send: (answered: () => void) => A): A => {
    const isMine = isCounting && count++ === statement
    // The signal may take a moment to arrive, in which nothing must be sent.
    if (isMine && moment === "before") { for (;;) die() }
    return send(() => {
      if (isMine) { for (;;) die() }
    })
  }
  const connections = Sqlite.prototype as any
  const prepare = connections.prepare
  connections.prepare = function(this: unknown, text: string) {
    const made = prepare.call(this, text)
    for (const method of ["run", "all"] as const) {
      const call = made[method]
      made[method] = (...parameters: ReadonlyArray<unknown>) =>
        at((answered) => {
          const answer = call.apply(made, parameters)
          answered()
          return answer
        })
    }
    return made
  }
  // The same module as that of the client, which is not a part of the bundle.
  const Client = createRequire(import.meta.url)("pg").Client
  const query = Client.prototype.query
  Client.prototype.query = function(this: unknown, ...given: ReadonlyArray<any>) {
    return at((answered) => {
      const last = given[given.length - 1]
      if (typeof last !== "function") return query.apply(this, given)
      const heard = (...answer: ReadonlyArray<unknown>) => (answered(), last(...answer))
      return query.apply(this, [...given.slice(0, -1), heard])
    })
  }
}

const main = Effect.gen(function*() {
  const task = yield* Schema.decodeUnknown(Task)(process.argv[2])
  killAt(task)
  const { database, declined } = task
  const live = database._tag === "sqlite"
    ? SqliteCheckpoint.layerWithClient({ filename: database.filename, durability: "process" })
    : SqlCheckpoint.layer({ lease: "1 second" }).pipe(
      Layer.provideMerge(Layer.orDie(PgClient.layer({ url: Redacted.make(database.url) })))
    )
  const run = Effect.gen(function*() {
    isCounting = true
    yield* Effect.exit(Saga.execute(order, { sku: "lamp", declined }, { executionId: "o-1" }))
    isCounting = false
  })
  yield* Effect.provide(run, live)
})

void Effect.runPromise(main)
