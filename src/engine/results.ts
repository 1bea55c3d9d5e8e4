/** Reads the results of stored executions: nothing here drives one, or sets it going. */
import { Effect, Exit, Option } from "effect"
import type { Program } from "../definition/definition.ts"
import type { DrivingError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { asRecorded } from "./durable.ts"
import { type Driven, pause } from "./join.ts"
import { loadKnown } from "./load.ts"
import type { AnyEffect } from "./run.ts"

/** The result of a stored execution, whoever drives it (S26). This neither drives it nor sets it going. */
export const awaitResult = (program: Program, executionId: string): AnyEffect =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) => {
    const look = (turn: number): AnyEffect =>
      Effect.suspend((): AnyEffect => {
        const driven = store.findDriven(executionId)
        if (driven !== undefined) return Effect.zipRight(driven.exit, unlessUnfinished(turn))
        return unlessUnfinished(turn)
      })
    const unlessUnfinished = (turn: number): AnyEffect =>
      Effect.flatMap(
        recordedResult(store, program, executionId),
        (recorded): AnyEffect => recorded === undefined ? Effect.zipRight(pause(turn), look(turn + 1)) : recorded.exit
      )
    return look(0)
  })

/** The result of a stored execution if it has one: one that is parked has the error that says why. */
export const pollResult = (
  program: Program,
  executionId: string
): AnyEffect<Option.Option<Exit.Exit<unknown, unknown>>> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.map(
      recordedResult(store, program, executionId),
      (recorded) => Option.map(Option.fromNullable(recorded), ({ exit }) => exit)
    ))

const recordedResult = (
  store: Checkpoint.Service,
  program: Program,
  executionId: string
): Effect.Effect<Driven | undefined, DrivingError> =>
  Effect.flatMap(
    loadKnown(store, program, executionId),
    (loaded): Effect.Effect<Driven | undefined> =>
      asRecorded(program, loaded, { executionId }, false) ?? Effect.succeed(undefined)
  )
