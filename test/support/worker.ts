/**
 * A process that drives executions on a store that it shares with other processes.
 *
 * Argument: JSON of what to do. Says "begun" when its first effect has happened, and "ended" with what came of it.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Effect, Exit, Layer, Option, Redacted, Schema, Stream } from "effect"
import { type Checkpoint, Recovery, Saga, type SagaError, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { isDeclined, trip } from "./trip.ts"

const Task = Schema.parseJson(Schema.Struct({
  database: Schema.Union(
    Schema.TaggedStruct("sqlite", { filename: Schema.String }),
    Schema.TaggedStruct("postgres", { url: Schema.String })
  ),
  ledger: Schema.String,
  lease: Schema.String,
  /** Whether it executes these, recovers, or works until it is killed. */
  does: Schema.Literal("execute", "recover", "work"),
  start: Schema.Array(Schema.String)
}))
export type Task = typeof Task.Type

const storeOf = ({ database, lease }: Task): Layer.Layer<Checkpoint.Checkpoint, SagaError.CheckpointError> => {
  const options = { lease: lease as "1 second" }
  return database._tag === "sqlite"
    ? SqliteCheckpoint.layer({ filename: database.filename, durability: "process", ...options })
    : SqlCheckpoint.layer(options).pipe(
      Layer.provide(Layer.orDie(PgClient.layer({ url: Redacted.make(database.url) })))
    )
}

const say = (word: string) => process.stdout.write(`${word}\n`)

const reasonOf = (cause: Cause.Cause<unknown>) => {
  const error = Option.getOrUndefined(Cause.failureOption(cause)) as { _tag?: string; reason?: string } | undefined
  return error?.reason ?? error?._tag ?? Cause.pretty(cause)
}

const main = Effect.gen(function*() {
  const task = yield* Schema.decodeUnknown(Task)(process.argv[2])
  let begun = false
  const saga = trip(task.ledger, {
    takes: "15 millis",
    onEffect: () => {
      if (!begun) say("begun")
      begun = true
    }
  })
  const work = {
    execute: Effect.forEach(
      task.start,
      (executionId) =>
        Effect.map(
          Effect.exit(Saga.execute(saga, { declined: isDeclined(executionId) }, { executionId })),
          Exit.match({ onSuccess: (output) => output, onFailure: reasonOf })
        ),
      { concurrency: "unbounded" }
    ),
    recover: Effect.map(
      Stream.runCollect(Recovery.events([saga], { concurrency: 4 })),
      (events) => Array.from(events).flatMap((event) => event._tag === "Begun" ? [] : [event._tag])
    ),
    work: Layer.launch(Worker.layer([saga], { concurrency: 32 }))
  }[task.does]
  say(
    `ended ${
      JSON.stringify(
        yield* Effect.provide(work as Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>, storeOf(task))
      )
    }`
  )
})

void Effect.runPromise(main)
