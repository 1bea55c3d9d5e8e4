/// <reference types="node" />
/** Runs the command line. An error is a sentence on standard error, and the exit code 1. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect, Layer, Logger, LogLevel } from "effect"
import { createRequire } from "node:module"
import { describe } from "../values/describe.ts"
import { visible } from "../values/visible.ts"
import { command } from "./commands.ts"

const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string }

const run = Command.run(command, { name: "effect-saga", version })

const quiet = Logger.minimumLogLevel(LogLevel.Error)

export const main = (): void =>
  NodeRuntime.runMain(
    Effect.catchAllCause(Effect.suspend(() => run(process.argv)), (cause) => {
      const error = Cause.squash(cause)
      const fails = Effect.sync(() => {
        process.exitCode = 1
      })
      // The command line has said already what is wrong with how it was called.
      return Cause.isInterruptedOnly(cause) || ValidationError.isValidationError(error)
        ? fails
        : Effect.zipRight(Console.error(visible(describe(error).message)), fails)
    }).pipe(
      Effect.provide(Layer.mergeAll(NodeContext.layer, CliConfig.layer({ showBuiltIns: false }), quiet))
    ),
    // A code that a command has set stays.
    { disableErrorReporting: true, teardown: (_, onExit) => onExit(Number(process.exitCode ?? 0)) }
  )
