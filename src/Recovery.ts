/**
 * After a restart: finds the executions that an earlier process left unfinished, and finishes them, forward or backward.
 */
import { Cause, Effect, Exit, Layer, Option, Stream } from "effect"
import { Checkpoint, type UnfinishedExecution } from "./Checkpoint.ts"
import * as durable from "./internal/durable.ts"
import type { OwedToScoped } from "./internal/types.ts"
import * as Saga from "./Saga.ts"
import {
  CheckpointError,
  CompensationFailed,
  DefinitionChanged,
  ExecutionConflict,
  FailedAfterCommit,
  JournalCorrupt,
  OutcomeUnknown
} from "./SagaError.ts"

/**
 * What became of one execution.
 *
 * - `Succeeded`: it went forward to its end
 * - `Undone`: it failed, and everything is undone
 * - `Parked`: it waits for a person or a retry
 * - `LeftAsItWas`: it could not be driven, or not to its end, and stays for another time
 * - `Unregistered`: no saga of its name is among those given
 *
 * `output` and `cause` are those with which `Saga.resume` ends.
 */
export type Recovered<Output = unknown> =
  & { readonly executionId: string; readonly saga: string; readonly version: number }
  & (
    | { readonly _tag: "Succeeded"; readonly output: Output }
    | { readonly _tag: "Undone" | "Parked" | "LeftAsItWas"; readonly cause: Cause.Cause<unknown> }
    | { readonly _tag: "Unregistered" }
  )

/** A parked execution, and why it is. */
export interface Parked {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  /** Undefined where no saga of its name is among those given. */
  readonly error:
    | CompensationFailed<unknown>
    | FailedAfterCommit<unknown>
    | OutcomeUnknown
    | DefinitionChanged
    | JournalCorrupt
    | ExecutionConflict
    | undefined
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
 * Finishes every execution of these sagas that was left running or unwinding, and tells what became of each.
 *
 * One that cannot be resumed (its definition changed, its journal is corrupt) is reported with that error, left untouched,
 * and does not stop the others. Register two versions of a saga to finish the executions of both. Parked executions are left
 * alone unless `parked` says otherwise; {@link parked} lists them. Executions that this process drives already are left to
 * it. Interrupted, it leaves the executions as they are.
 */
export const run = <const Sagas extends ReadonlyArray<Durable>>(
  sagas: Sagas,
  options?: Options
): Effect.Effect<
  ReadonlyArray<Recovered<Saga.Output<Sagas[number]>>>,
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

/** The saga that started an execution, or one of its name, which then says how it differs. */
const sagaOf = (sagas: ReadonlyArray<Durable>, { saga: name, version }: UnfinishedExecution) =>
  sagas.find((saga) => saga.name === name && saga.version === version) ?? sagas.find((saga) => saga.name === name)

const recover = (sagas: ReadonlyArray<Durable>, execution: UnfinishedExecution) =>
  Effect.gen(function*() {
    const { executionId, saga: name, version } = execution
    const whose = { executionId, saga: name, version }
    const found = sagaOf(sagas, execution)
    if (found === undefined) return { ...whose, _tag: "Unregistered" } satisfies Recovered
    const exit = yield* Effect.exit(Saga.resume(found, executionId, { onInterrupt: "suspend" }))
    return Exit.isSuccess(exit)
      ? { ...whose, _tag: "Succeeded", output: exit.value } satisfies Recovered
      : { ...whose, _tag: tagOf(exit.cause), cause: exit.cause } satisfies Recovered
  })

const tagOf = (cause: Cause.Cause<unknown>): "Undone" | "Parked" | "LeftAsItWas" => {
  const error = Cause.squash(cause)
  const is = (...classes: ReadonlyArray<abstract new(...args: Array<never>) => unknown>) =>
    classes.some((tag) => error instanceof tag)
  if (is(CheckpointError, ExecutionConflict, DefinitionChanged, JournalCorrupt)) return "LeftAsItWas"
  if (Cause.isInterruptedOnly(cause)) return "LeftAsItWas"
  if (is(CompensationFailed, FailedAfterCommit)) return "Parked"
  return error instanceof OutcomeUnknown && error.parked === true ? "Parked" : "Undone"
}

/**
 * Lists the parked executions of the store and why each is parked, without setting any going. What to do with one:
 * `Saga.resume` tries again, or takes what somebody found out about a step in doubt.
 */
export const parked = (
  sagas: ReadonlyArray<Durable>
): Effect.Effect<ReadonlyArray<Parked>, CheckpointError, Checkpoint> =>
  Effect.gen(function*() {
    const { unfinished } = yield* Checkpoint
    const all = yield* unfinished.pipe(
      Stream.filter(({ status }) => status === "Parked"),
      Stream.mapEffect((execution) => {
        const { executionId, saga: name, version } = execution
        const found = sagaOf(sagas, execution)
        const why = found === undefined ? Effect.void : durable.inspect(Saga.programOf(found), executionId)
        return Effect.matchCauseEffect(why, {
          onSuccess: () => Effect.succeed({ executionId, saga: name, version, error: undefined }),
          onFailure: (cause) => {
            const error = Cause.squash(cause) as NonNullable<Parked["error"]> | CheckpointError
            return error instanceof CheckpointError
              ? Effect.fail(error)
              : Effect.succeed({ executionId, saga: name, version, error })
          }
        })
      }),
      Stream.runCollect
    )
    return Array.from(all)
  }) as Effect.Effect<ReadonlyArray<Parked>, CheckpointError, Checkpoint>

/**
 * Recovers in the background from when the layer is made, and logs what became of each execution and which are parked.
 * Closing the layer leaves what is not finished for the next start.
 */
export const layer = <const Sagas extends ReadonlyArray<Durable>>(
  sagas: Sagas,
  options?: Options
): Layer.Layer<never, never, Checkpoint | Saga.Requirements<Sagas[number]>> =>
  Layer.scopedDiscard(Effect.forkScoped(
    run(sagas, options).pipe(
      Effect.flatMap((recovered) => Effect.forEach(recovered, log, { discard: true })),
      Effect.andThen(parked(sagas)),
      Effect.flatMap((all) => Effect.forEach(all, logParked, { discard: true })),
      Effect.catchAllCause((cause) => Effect.logError("recovery stopped", cause))
    )
  ))

const log = (recovered: Recovered): Effect.Effect<void> => {
  const which = `${recovered.saga} ${recovered.executionId}`
  switch (recovered._tag) {
    case "Succeeded":
      return Effect.logInfo(`recovered ${which}: it succeeded`)
    case "Undone":
      return Effect.logInfo(`recovered ${which}: it is undone`, recovered.cause)
    case "LeftAsItWas":
      return Effect.logWarning(`could not recover ${which}: it is left as it was`, recovered.cause)
    case "Unregistered":
      return Effect.logWarning(`could not recover ${which}: its saga is not registered`)
    case "Parked":
      return Effect.void
  }
}

const logParked = ({ error, executionId, saga }: Parked): Effect.Effect<void> =>
  Effect.logWarning(
    `${saga} ${executionId} is parked: ${
      Option.match(Option.fromNullable(error), {
        onNone: () => "its saga is not registered",
        onSome: ({ message }) => message
      })
    }`
  )
