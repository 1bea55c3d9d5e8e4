/** Reads the results of stored executions: nothing here drives one, or sets it going. */
import { Effect, Exit, Option } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { isDriven, isWaiting } from "../journal/statuses.ts"
import type { DrivingError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { asRecorded } from "./durable.ts"
import { type Driven, type DrivenExit, pause, waitingForAnother } from "./join.ts"
import { loadKnown } from "./load.ts"
import type { AnyEffect } from "./run.ts"

/** The result of a stored execution, whoever drives it (S26). This neither drives it nor sets it going. */
export const awaitResult = (program: Program, executionId: string): AnyEffect =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) => {
    const result = (leavePlace: () => void): AnyEffect => {
      const look = (turn: number): AnyEffect =>
        Effect.suspend((): AnyEffect => {
          const driven = store.findDriven(executionId)
          if (driven === undefined) return unlessUnfinished(turn)
          return Effect.flatMap(
            driven.exit,
            (exit): AnyEffect => sharedExit(program, driven, exit as DrivenExit) ?? unlessUnfinished(turn)
          )
        })
      const unlessUnfinished = (turn: number): AnyEffect =>
        Effect.flatMap(recordedResult(store, program, executionId), (recorded): AnyEffect => {
          if (recorded !== undefined) return recorded.exit
          leavePlace()
          return Effect.zipRight(pause(turn), look(turn + 1))
        })
      return look(0)
    }
    return waitingForAnother(store, program, executionId, result)
  })

/** How an execution has ended that this process drove by this definition: there is no need to read it back. */
const sharedExit = (
  program: Program,
  driven: Checkpoint.DrivenExecution,
  exit: DrivenExit
): Exit.Exit<unknown, unknown> | undefined =>
  Exit.isSuccess(exit) && !isDriven(exit.value.status) && !isWaiting(exit.value.status) &&
    difference(program, driven) === undefined
    ? exit.value.exit
    : undefined

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
