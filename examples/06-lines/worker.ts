/** A process that drives orders until it gets a SIGTERM. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer } from "effect"
import { Worker } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { order } from "./saga.ts"

const Live = Layer.unwrapEffect(Effect.map(Config.string("DATABASE"), (filename) =>
  // The client too, of the same file: the steps that say `transaction: true` use it.
  SqliteCheckpoint.layerWithClient({ filename })))

NodeRuntime.runMain(Layer.launch(Layer.provide(Worker.layer([order], { concurrency: 1 }), Live)))
