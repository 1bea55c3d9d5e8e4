/** Which store a command works on. */
import * as Options from "@effect/cli/Options"
import { Config, Data, Effect, Layer, Option, Redacted } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import { postgresUrl, sqliteFile } from "../sql/existing.ts"
import type { Checkpoint } from "../store/Checkpoint.ts"

/** A command was not called as it must be. */
export class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

const sqlite = Options.text("sqlite").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("the SQLite file of the journals; EFFECT_SAGA_SQLITE by default"),
  Options.withFallbackConfig(Config.string("EFFECT_SAGA_SQLITE")),
  Options.optional
)

const postgres = Options.redacted("postgres").pipe(
  Options.withPseudoName("URL"),
  Options.withDescription("the PostgreSQL database of the journals; EFFECT_SAGA_POSTGRES by default"),
  Options.withFallbackConfig(Config.redacted("EFFECT_SAGA_POSTGRES")),
  Options.optional
)

export const store = Options.all({ sqlite, postgres })

export interface Store {
  readonly sqlite: Option.Option<string>
  readonly postgres: Option.Option<Redacted.Redacted>
}

/** Runs a command on the store that it names. */
export const withStore = <A, E, R>(
  { postgres, sqlite }: Store,
  command: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Usage | CheckpointError, Exclude<R, Checkpoint>> =>
  Effect.suspend((): Effect.Effect<A, E | Usage | CheckpointError, Exclude<R, Checkpoint>> => {
    if (Option.isSome(sqlite) && Option.isSome(postgres)) {
      return new Usage({ message: "two stores are named: give --sqlite or --postgres" })
    }
    const layer: Layer.Layer<Checkpoint, CheckpointError> | undefined = Option.isSome(sqlite)
      ? sqliteFile(sqlite.value)
      : Option.isSome(postgres)
      ? postgresUrl(postgres.value)
      : undefined
    return layer === undefined
      ? new Usage({ message: "no store is named: give --sqlite FILE or --postgres URL" })
      : Effect.provide(command, layer)
  })
