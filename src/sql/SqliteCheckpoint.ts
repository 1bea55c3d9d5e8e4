/** Stores journals in a SQLite file of their own, through `@effect/sql-sqlite-node`. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Effect, Layer } from "effect"
import type { Checkpoint } from "../Checkpoint.ts"
import { CheckpointError } from "../SagaError.ts"
import * as SqlCheckpoint from "./SqlCheckpoint.ts"

/** Which file, and how much it survives. */
export interface Options extends SqlCheckpoint.Options {
  /** The database file; `":memory:"` for one that ends with the process. */
  readonly filename: string
  /**
   * What a stored commit survives: `"power-loss"` (SQLite's `synchronous=FULL`) or `"process"` (`NORMAL`: a killed process,
   * not a power cut; several times faster when one saga runs alone). `"power-loss"` by default.
   */
  readonly durability?: "power-loss" | "process"
}

/**
 * Stores journals in a SQLite file, in WAL mode. Making the layer creates the file and its tables where they are missing, and
 * fails with `CheckpointError` where the file is something else, read-only, held by another process or out of reach.
 */
export const layer = (options: Options): Layer.Layer<Checkpoint, CheckpointError> => {
  const settings = Layer.effectDiscard(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe(`PRAGMA synchronous = ${options.durability === "process" ? "NORMAL" : "FULL"}`)
    // SQLite waits by blocking the process; the store waits by sleeping.
    yield* sql.unsafe("PRAGMA busy_timeout = 20")
    const [{ synchronous }] = (yield* sql`PRAGMA synchronous`) as unknown as [{ synchronous: number }]
    const [{ journal_mode }] = (yield* sql`PRAGMA journal_mode`) as unknown as [{ journal_mode: string }]
    yield* Effect.annotateLogs(Effect.logDebug("journals are stored"), {
      filename: options.filename,
      journal_mode,
      synchronous: ["OFF", "NORMAL", "FULL", "EXTRA"][synchronous]
    })
  }))
  return SqlCheckpoint.layer(options).pipe(
    Layer.provide(settings),
    Layer.provide(SqliteClient.layer({ filename: options.filename })),
    // The driver opens the file with a throw, which arrives as a defect.
    Layer.catchAllCause((cause) => {
      const error = Cause.squash(cause)
      return Layer.fail(error instanceof CheckpointError ? error : SqlCheckpoint.toCheckpointError("open", error))
    })
  )
}
