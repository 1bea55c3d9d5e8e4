/** Stores journals in a SQLite file of their own, through `@effect/sql-sqlite-node`. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Context, Effect, Layer, type Scope } from "effect"
import { CheckpointError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { checkOneOf } from "../store/options.ts"
import { said } from "../values/numbers.ts"
import { toCheckpointError } from "./effectSql.ts"
import { onClient } from "./onClient.ts"
import { isGone, thisProcess } from "./owner.ts"
import type * as SqlCheckpoint from "./SqlCheckpoint.ts"
import { sqlite } from "./sqliteDialect.ts"
import * as sqlStore from "./sqlStore.ts"
import { watchFile } from "./watchedFile.ts"

/** Which file, and what a stored commit survives. */
export interface Options extends SqlCheckpoint.Options {
  /** The database file; `":memory:"` for one that ends with the process. */
  readonly filename: string
  /**
   * What a stored commit survives: `"power-loss"` (SQLite's `synchronous=FULL`) or `"process"` (`NORMAL`: a killed process,
   * not a power cut; several times faster when one saga runs alone). `"power-loss"` by default.
   */
  readonly durability?: "power-loss" | "process"
}

/** The store alone, without what {@link Checkpoint.make} adds. */
export const make = (
  options: Pick<Options, "filename" | "durability" | "lockTimeout">
): Effect.Effect<Checkpoint.Store, CheckpointError, Scope.Scope> =>
  orCheckpointError(Effect.flatMap(openClient(options), (client) => Effect.provide(storeOn(options, true), client)))

const storeOn = (
  { filename, lockTimeout }: Pick<Options, "filename" | "lockTimeout">,
  dedicated: boolean
): Effect.Effect<Checkpoint.Store, CheckpointError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.map(
    sqlStore.make({ lockTimeout, owner: thisProcess(), isGone, dedicated }),
    (store) => watchFile(store, filename)
  )

const openClient = (options: Pick<Options, "filename" | "durability">) =>
  Effect.gen(function*() {
    // SQLite takes a blank name for a temporary database, which nobody finds again.
    if (typeof options.filename !== "string" || options.filename.trim() === "") {
      const given = typeof options.filename === "string" ? "blank" : said(options.filename)
      const detail = `filename is ${given}: name the file of the database, or ":memory:"`
      return yield* new CheckpointError({ reason: "InvalidOption", operation: "open", detail })
    }
    const durability = yield* checkOneOf("durability", options.durability ?? "power-loss", ["power-loss", "process"])
    const client = yield* Layer.build(SqliteClient.layer({ filename: options.filename }))
    const sql = Context.get(client, SqlClient.SqlClient)
    yield* sql.unsafe(`PRAGMA synchronous = ${durability === "process" ? "NORMAL" : "FULL"}`)
    // SQLite waits by blocking the process; the store waits by sleeping.
    yield* sql.unsafe("PRAGMA busy_timeout = 20")
    const [{ synchronous }] = (yield* sql`PRAGMA synchronous`) as unknown as [{ synchronous: number }]
    const [{ journal_mode }] = (yield* sql`PRAGMA journal_mode`) as unknown as [{ journal_mode: string }]
    yield* Effect.annotateLogs(Effect.logDebug("journals are stored"), {
      filename: options.filename,
      journal_mode,
      synchronous: ["OFF", "NORMAL", "FULL", "EXTRA"][synchronous]
    })
    return client
  })

/** The driver throws if it cannot open the file, which arrives as a defect. */
const orCheckpointError = <A, R>(opening: Effect.Effect<A, unknown, R>): Effect.Effect<A, CheckpointError, R> =>
  Effect.catchAllCause(opening, (cause) => {
    const error = Cause.squash(cause)
    return Effect.fail(error instanceof CheckpointError ? error : toCheckpointError(sqlite, "open", error))
  })

/**
 * Stores journals in a SQLite file, in WAL mode. Making the layer creates the file and its tables if they are missing, and
 * fails with `CheckpointError` if the file is something else, is held by another process or is out of reach.
 *
 * Several processes of one machine may share the file: each execution is driven by one of them at a time. The
 * executions of a process that has died are free for the others at once on Linux, elsewhere when its lease runs out.
 */
export const layer = (options: Options): Layer.Layer<Checkpoint.Checkpoint, CheckpointError> =>
  Checkpoint.layer(make(options), options)

/**
 * Stores journals as {@link layer} does, and provides the client of the file: for the application's own tables, and for steps that say
 * `transaction: true`, whose actions run on it.
 *
 * The store and the application share one connection, on which one transaction runs at a time: while an action holds one, commits and
 * other statements of this process wait, and those of other processes fail as `Locked` after `lockTimeout`. With `durability: "process"` a
 * saga of three steps takes twice as long as with {@link layer} where it runs alone, and a sixth longer where 64 run at a time. A statement
 * of the application's own, outside of steps, that finds the file locked by another process fails with `SqlError` after 20
 * milliseconds; it is the application's to try it again.
 */
export const layerWithClient = (
  options: Options
): Layer.Layer<Checkpoint.Checkpoint | Checkpoint.Transactions | SqlClient.SqlClient, CheckpointError> =>
  Layer.provideMerge(
    onClient(orCheckpointError(storeOn(options, false)), options),
    Layer.scopedContext(orCheckpointError(openClient(options)))
  )
