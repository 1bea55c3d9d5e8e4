/**
 * After a restart: finds the executions that an earlier process left unfinished, and finishes them, forward or backward.
 */
import { Effect, Exit, Layer, Stream } from "effect"
import { Checkpoint, type UnfinishedExecution } from "./Checkpoint.ts"
import type { OwedToScoped } from "./internal/types.ts"
import * as Saga from "./Saga.ts"
import type { CheckpointError } from "./SagaError.ts"

/** What became of one execution. */
export interface Recovered {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  /**
   * - `Finished`: it was driven to its end; `exit` is what its run came to, undone or not
   * - `Unregistered`: no saga of its name is among those given; it was left untouched
   */
  readonly outcome:
    | { readonly _tag: "Finished"; readonly exit: Exit.Exit<unknown, unknown> }
    | { readonly _tag: "Unregistered" }
}

/** How recovery goes about it. */
export interface Options {
  /** How many executions are driven at a time. 16 by default. */
  readonly concurrency?: number
  /** Whether parked executions are set going again, which is a retry of what they are parked on. `false` by default. */
  readonly parked?: boolean
}

/** A saga that may be run durably. */
type Durable = Saga.Saga<never, unknown, unknown, unknown, OwedToScoped>

/**
 * Finishes every unfinished execution of these sagas and tells what became of each.
 *
 * One that cannot be resumed (its definition changed, its journal is corrupt) is reported with that error, left untouched,
 * and does not stop the others. Register two versions of a saga to finish the executions of both. Executions that this
 * process drives already are left to it. Interrupted, it leaves the executions as they are.
 */
export const run = <const Sagas extends ReadonlyArray<Durable>>(
  sagas: Sagas,
  options?: Options
): Effect.Effect<
  ReadonlyArray<Recovered>,
  CheckpointError,
  Checkpoint | Saga.Requirements<Sagas[number]>
> =>
  Effect.gen(function*() {
    const checkpoint = yield* Checkpoint
    const recovered = yield* checkpoint.unfinished.pipe(
      Stream.filter(({ executionId, status }) =>
        (status !== "Parked" || options?.parked === true) && !checkpoint.driven.has(executionId)
      ),
      Stream.mapEffect((execution) => recover(sagas, execution), {
        concurrency: options?.concurrency ?? 16,
        unordered: true
      }),
      Stream.runCollect
    )
    return Array.from(recovered)
  }) as Effect.Effect<any, CheckpointError, any>

const recover = (sagas: ReadonlyArray<Durable>, execution: UnfinishedExecution) =>
  Effect.gen(function*() {
    const { executionId, saga: name, version } = execution
    const found = sagas.find((saga) => saga.name === name && saga.version === version) ??
      sagas.find((saga) => saga.name === name)
    const whose = { executionId, saga: name, version }
    if (found === undefined) {
      yield* Effect.logWarning(`execution ${executionId} belongs to ${name}, which is not registered for recovery`)
      return { ...whose, outcome: { _tag: "Unregistered" } } satisfies Recovered
    }
    const exit = yield* Effect.exit(Saga.resume(found, executionId, { onInterrupt: "suspend" }))
    return { ...whose, outcome: { _tag: "Finished", exit } } satisfies Recovered
  })

/**
 * Recovers in the background from when the layer is made, and logs what became of each execution. Closing the layer leaves
 * what is not finished for the next start.
 */
export const layer = <const Sagas extends ReadonlyArray<Durable>>(
  sagas: Sagas,
  options?: Options
): Layer.Layer<never, never, Checkpoint | Saga.Requirements<Sagas[number]>> =>
  Layer.scopedDiscard(Effect.forkScoped(
    run(sagas, options).pipe(
      Effect.flatMap((recovered) => Effect.forEach(recovered, log, { discard: true })),
      Effect.catchAllCause((cause) => Effect.logError("recovery stopped", cause))
    )
  ))

const log = ({ executionId, outcome, saga }: Recovered) =>
  outcome._tag === "Unregistered"
    ? Effect.void
    : Exit.match(outcome.exit, {
      onSuccess: () => Effect.logInfo(`recovered ${saga} ${executionId}: it succeeded`),
      onFailure: (cause) => Effect.logWarning(`recovered ${saga} ${executionId}: it did not succeed`, cause)
    })
