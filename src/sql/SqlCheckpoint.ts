/**
 * Stores journals through any `@effect/sql` `SqlClient`; today its statements are SQLite's.
 *
 * It makes its own tables, named `effect_saga_*`, so that journals can live beside an application's data.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Chunk, Duration, Effect, Layer, Option, Schedule, Stream } from "effect"
import * as Checkpoint from "../Checkpoint.ts"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import { migrate } from "./migrations.ts"

/** How the store behaves. */
export interface Options {
  /** How long a write waits for another process that holds the database, before it fails as `Locked`. 5 seconds by default. */
  readonly lockTimeout?: Duration.DurationInput
}

const pageSize = 500

const make = (options?: Options) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const whileLocked = retryWhileLocked(options)
    // The migrator takes any failure of its own bookkeeping for "another process does it", and goes on: so look.
    yield* migrate.pipe(
      Effect.zipRight(sql`SELECT 1 FROM effect_saga_unfinished LIMIT 1`),
      Effect.catchAllCause((cause) => {
        const error = toCheckpointError("open", Cause.squash(cause))
        const { detail, operation } = error
        return Effect.fail(
          /no such table/.test(detail) ? new CheckpointError({ reason: "Locked", operation, detail }) : error
        )
      }),
      whileLocked
    )

    const append: Checkpoint.Store["append"] = ({ body, executionId, saga, sequence, status, version }) =>
      // One statement: it inserts nothing where the sequence is taken or the commit before it is missing.
      sql<{ sequence: number }>`
        INSERT INTO effect_saga_commit (execution_id, sequence, saga, version, status, body)
        SELECT ${executionId}, ${sequence}, ${saga}, ${version}, ${status}, ${body}
        WHERE ${sequence} = 0 OR EXISTS (
          SELECT 1 FROM effect_saga_commit WHERE execution_id = ${executionId} AND sequence = ${sequence - 1}
        )
        ON CONFLICT (execution_id, sequence) DO NOTHING
        RETURNING sequence`.withoutTransform.pipe(
        Effect.mapError((error) => toCheckpointError("append", error, executionId)),
        whileLocked,
        Effect.flatMap((rows) =>
          rows.length === 1
            ? Effect.void
            : Effect.fail(new ExecutionConflict({ reason: "OtherDriver", saga, executionId }))
        ),
        outsideTransactions(executionId)
      )

    const load: Checkpoint.Store["load"] = (executionId) =>
      sql<Checkpoint.StoredCommit>`
        SELECT sequence, body FROM effect_saga_commit WHERE execution_id = ${executionId} ORDER BY sequence`
        .withoutTransform.pipe(
          Effect.mapError((error) => toCheckpointError("load", error, executionId)),
          whileLocked,
          // With `SafeIntegers` a client returns bigints.
          Effect.map((rows) => rows.map(({ body, sequence }) => ({ body, sequence: Number(sequence) })))
        )

    interface Row {
      readonly id: number
      readonly executionId: string
      readonly saga: string
      readonly version: number
      readonly status: Checkpoint.UnfinishedExecution["status"]
    }
    const page = (after: number) =>
      sql<Row>`
        SELECT id, execution_id AS ${sql("executionId")}, saga, version, status FROM effect_saga_unfinished
        WHERE id > ${after} ORDER BY id LIMIT ${pageSize}`.withoutTransform.pipe(
        Effect.mapError((error) => toCheckpointError("list", error)),
        whileLocked
      )
    const unfinished: Checkpoint.Store["unfinished"] = Stream.paginateChunkEffect(0, (after) =>
      Effect.map(page(after), (rows) => [
        Chunk.map(Chunk.unsafeFromArray(rows), ({ executionId, saga, status, version }) => ({
          executionId,
          saga,
          status,
          version: Number(version)
        })),
        rows.length < pageSize ? Option.none() : Option.some(rows[rows.length - 1]!.id)
      ]))

    return Checkpoint.make({ append, load, unfinished })
  })

/** In a transaction of its caller a commit would be taken back with it, and nobody else would see it meanwhile. */
const outsideTransactions = (executionId: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Effect.serviceOption(SqlClient.TransactionConnection),
    Option.match({
      onNone: (): Effect.Effect<A, E | CheckpointError, R> => effect,
      onSome: () =>
        Effect.fail(
          new CheckpointError({
            reason: "InTransaction",
            operation: "append",
            executionId,
            detail: "a journal cannot be kept inside a transaction of its caller"
          })
        )
    })
  )

/** Waits without blocking the process, where SQLite's own waiting would. */
const retryWhileLocked = (options: Options | undefined) => {
  const times = Math.ceil(Duration.toMillis(options?.lockTimeout ?? "5 seconds") / 50)
  const schedule = Schedule.spaced("50 millis")
  return <A, R>(effect: Effect.Effect<A, CheckpointError, R>): Effect.Effect<A, CheckpointError, R> =>
    Effect.retry(effect, { schedule, times, while: (error) => error.reason === "Locked" })
}

/**
 * Stores journals through the `SqlClient` of the application. Making the layer brings its tables up to date, and fails with
 * `CheckpointError` where the database cannot be used.
 *
 * How much a stored commit survives is the client's setting: `@effect/sql-sqlite-node` leaves SQLite at
 * `synchronous=NORMAL`, which a power cut can undo; `SqliteCheckpoint` sets `FULL`.
 */
export const layer = (options?: Options): Layer.Layer<Checkpoint.Checkpoint, CheckpointError, SqlClient.SqlClient> =>
  Layer.effect(Checkpoint.Checkpoint, make(options))

const reasons: ReadonlyArray<readonly [code: string, reason: CheckpointError["reason"]]> = [
  ["SQLITE_BUSY", "Locked"],
  ["SQLITE_LOCKED", "Locked"],
  ["SQLITE_READONLY", "ReadOnly"],
  ["SQLITE_FULL", "Full"],
  ["SQLITE_NOTADB", "NotADatabase"],
  ["SQLITE_CORRUPT", "NotADatabase"]
]

/** Finds the reason in what the driver threw, however deep it is wrapped. */
export const toCheckpointError = (
  operation: CheckpointError["operation"],
  error: unknown,
  executionId?: string
): CheckpointError => {
  let innermost = error
  for (let depth = 0; depth < 5; depth++) {
    const cause = (innermost as { readonly cause?: unknown } | null)?.cause
    if (cause === undefined || cause === null) break
    innermost = cause
  }
  const { code, message } = innermost as { readonly code?: unknown; readonly message?: unknown }
  const found = reasons.find(([prefix]) => typeof code === "string" && code.startsWith(prefix))
  return new CheckpointError({
    reason: found?.[1] ?? "Unavailable",
    operation,
    detail: typeof message === "string" ? message : String(innermost),
    cause: error,
    ...(executionId === undefined ? {} : { executionId })
  })
}
