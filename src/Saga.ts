/**
 * Define a saga, and run it: in process, within a scope, as a report, or durably.
 */
import { Effect, type Scope } from "effect"
import type { Any, Saga } from "./definition/built.ts"
import type { InputArgument, NotBuilt, ReadyToRun, ReadyToScope } from "./definition/owed.ts"
import { programOf } from "./definition/saga.ts"
import type { Undoable } from "./durably/calls.ts"
import * as inProcess from "./engine/inProcess.ts"
import { stateOf } from "./engine/load.ts"
import * as fromRun from "./report/fromRun.ts"
import type * as SagaReport from "./report/SagaReport.ts"
import type {
  CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  JournalCorrupt,
  PartlyUndone
} from "./SagaError.ts"
import type { Checkpoint } from "./store/Checkpoint.ts"

export type { Any, BuildOptions, Error, Output, Requirements, Saga } from "./definition/built.ts"
export { type Defaults, make, type Options } from "./definition/make.ts"
export { isSaga } from "./definition/saga.ts"
export {
  // A bundler that makes two statements of this could not name it by itself.
  awaitResult as await,
  cancel,
  type CancelOptions,
  enqueue,
  execute,
  type ExecuteOptions,
  poll,
  resume,
  type ResumeOptions,
  start
} from "./durably/calls.ts"
export type { Finding } from "./engine/run.ts"

/**
 * Runs a saga in this process; nothing is stored.
 *
 * Succeeds with the saga's output. When a step fails, dies or is interrupted before the point of no return, everything that
 * was done is undone, newest first, and the original error, defect or interruption comes out unchanged. Where that is not
 * the whole truth, the error says so: `PartlyUndone`, `FailedAfterCommit`, `OutcomeUnknown`.
 *
 * @example
 * ```ts prelude=trip
 * console.log(await Effect.runPromise(Saga.run(trip, { card: "full" })))
 * // => receipt 1
 *
 * const error = await Effect.runPromise(Effect.flip(Saga.run(trip, { card: "empty" })))
 * console.log(error) // the step's own error: everything is undone
 * // => cancel LH 400
 * // => declined
 * ```
 */
export const run = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToRun<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  ...[input]: InputArgument<Input>
): Effect.Effect<Output, Error | PartlyUndone<Undoable<Error>>, Requirements> =>
  inProcess.run(programOf(saga as Any), input) as Effect.Effect<any, any, any>

/**
 * Runs a saga in this process and leaves its compensations armed until the surrounding scope closes: if that closes with a
 * failure, the saga is undone, newest first, in its place among the scope's other finalizers.
 *
 * A compensation that fails then cannot be reported as an error, for a finalizer has none: it is a defect,
 * `PartlyUndone`, in the cause with which the scope's owner ends. Refused by type for a saga with a Final step.
 *
 * @example
 * ```ts prelude=trip
 * const reserve = Saga.make("Reserve")
 *   .compensatable("seat", {
 *     action: () => Effect.succeed("12A"),
 *     compensate: ({ output }) => Effect.sync(() => console.log(`free ${output}`))
 *   })
 *   .build()
 *
 * const checkIn = Effect.scoped(Effect.zipRight(Saga.scoped(reserve), Effect.fail("the gate is closed")))
 * console.log(await Effect.runPromise(Effect.flip(checkIn)))
 * // => free 12A
 * // => the gate is closed
 * ```
 */
export const scoped = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToScope<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  ...[input]: InputArgument<Input>
): Effect.Effect<Output, Error | PartlyUndone<Undoable<Error>>, Requirements | Scope.Scope> =>
  inProcess.scoped(programOf(saga as Any), input) as Effect.Effect<any, any, any>

/**
 * Runs a saga in this process and reports, whatever happens: never fails, and tells every way a run can end apart by `_tag`.
 * Interrupted, it is undone and ends as interrupted: there is no caller left to receive a report.
 *
 * @example
 * ```ts prelude=trip
 * const report = await Effect.runPromise(Saga.report(trip, { card: "empty" }))
 * console.log(report._tag, report.summary)
 * for (const { status, step } of report.steps) console.log(step, status)
 * // => cancel LH 400
 * // => Undone Trip failed with declined at step "charge"; undone: "flight"
 * // => flight Succeeded
 * // => charge Failed
 * ```
 */
export const report = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToRun<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  ...[input]: InputArgument<Input>
): Effect.Effect<SagaReport.SagaReport<Output, Error>, never, Requirements> => {
  const program = programOf(saga as Any)
  return Effect.flatMap(inProcess.recorded(program, input), ({ executionId, now, run, state }) =>
    Effect.map(
      Effect.exit(run),
      (exit) => fromRun.reportOf({ program, executionId, state: state(), exit, endedAt: now() })
    )) as Effect.Effect<any, never, any>
}

/**
 * Looks at a stored execution and changes nothing: what is recorded of each step and compensation, whether or not it is finished.
 * Works on an execution that is driven at this moment, and shows it as of its last commit.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-17" }))
 *   const { status, summary } = yield* Saga.inspect(trip, "trip-17")
 *   console.log(status, summary)
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => cancel LH 400
 * // => Undone Trip was undone: step "charge" failed with declined
 * ```
 */
export const inspect = (
  saga: Any,
  executionId: string
): Effect.Effect<
  SagaReport.Recorded,
  CheckpointError | ExecutionConflict | DefinitionChanged | JournalCorrupt | ExecutionNotFound,
  Checkpoint
> => {
  const program = programOf(saga)
  return Effect.map(stateOf(program, executionId), (state) => fromRun.recordedOf(program, executionId, state))
}
