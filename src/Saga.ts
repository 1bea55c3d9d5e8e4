/**
 * Define a saga, and run it: in process, within a scope, as a report, or durably.
 */
import { type Cause, type Duration, Effect, type ParseResult, type Schema, type Scope } from "effect"
import type { Any, Saga } from "./definition/built.ts"
import type { Covered, Definition, OnCompensationFailure } from "./definition/definition.ts"
import type {
  InputArgument,
  NotBuilt,
  NotGiven,
  OwesDefaultInDoubt,
  ReadyToExecute,
  ReadyToRun,
  ReadyToScope,
  SagaName,
  Version
} from "./definition/owed.ts"
import { Builder, programOf } from "./definition/saga.ts"
import type { SagaBuilder } from "./definition/SagaBuilder.ts"
import type { RetryPolicy } from "./definition/Step.ts"
import * as durable from "./engine/durable.ts"
import * as inProcess from "./engine/inProcess.ts"
import { stateOf } from "./engine/load.ts"
import type { Finding } from "./engine/run.ts"
import * as fromRun from "./report/fromRun.ts"
import type * as SagaReport from "./report/SagaReport.ts"
import type {
  CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  FailedAfterCommit,
  InvalidExecutionId,
  JournalCorrupt,
  NotStorable,
  OutcomeUnknown,
  PartlyUndone,
  RecoveredFailure,
  StepNotInDoubt
} from "./SagaError.ts"
import type { Checkpoint } from "./store/Checkpoint.ts"

export type { Any, Error, Output, Requirements, Saga } from "./definition/built.ts"
export { isSaga } from "./definition/saga.ts"
export type { Finding } from "./engine/run.ts"

/** Policies for each step of a saga that has none of its own. */
export interface Defaults<Timeout, RetryRequirements, InDoubt> {
  readonly retry?: RetryPolicy<unknown, number, RetryRequirements>
  /** For every action. Those with a side effect are in doubt when they are cut off, so `inDoubt` must be given too. */
  readonly timeout?: Timeout
  /** Does not free a Final: before a durable run each Final must still say `inDoubt` itself. */
  readonly inDoubt?: InDoubt
  readonly compensationRetry?: RetryPolicy<unknown, number, RetryRequirements>
  readonly compensationTimeout?: Duration.DurationInput
}

/** Each default that a user can give has a member in the definition: one that has not does not compile. */
type KnownDefaults = Pick<
  Definition["defaults"],
  Covered<keyof Definition["defaults"], keyof Defaults<never, never, never>>
>

/** Refuses `{ amount: Schema.Int }` at its fields. Nothing is of this type. */
interface FieldsWithoutSchema {
  readonly [field: string]: "the input is a schema: write Schema.Struct around its fields"
  readonly [noSchema]: never
}
declare const noSchema: unique symbol

/** The options of a saga. */
export interface Options<Input, Encoded, V extends number, Timeout, RetryRequirements, InDoubt> {
  /** What a run is given; a durable run stores it. Left out, a saga takes no input. */
  readonly input?: Schema.Schema<Input, Encoded, never> | FieldsWithoutSchema
  /** Tells definitions of one name apart: a positive integer, 1 by default. Raise it when you change the steps. */
  readonly version?: Version<V>
  /**
   * What to do when a compensation fails for good: `"continue"` undoes the older steps all the same; `"stop"` leaves them as
   * they are, for sagas whose older compensations rely on the younger ones having run. `"continue"` by default. A nested saga
   * follows its parent.
   */
  readonly onCompensationFailure?: OnCompensationFailure
  /** Policies for each step that has none of its own. */
  readonly defaults?: Defaults<Timeout, RetryRequirements, InDoubt>
}

/**
 * Begins the definition of a saga. The name identifies its stored executions.
 *
 * Add steps with `readOnly`, `compensatable`, `final`, `parallel` and `saga`, and end with `build`, which throws
 * `InvalidSaga` where a rule is broken that the compiler could not see. Input that does not match its schema fails a run with
 * `ParseError` before anything has happened.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Saga } from "effect-saga"
 *
 * const trip = Saga.make("Trip", { input: Schema.Struct({ card: Schema.String }) })
 *   .compensatable("flight", {
 *     action: () => Effect.succeed("LH 400"),
 *     compensate: ({ output }) => Effect.sync(() => console.log(`cancel ${output}`))
 *   })
 *   .final("charge", {
 *     action: ({ input, outputs }) => Effect.succeed(`${outputs.flight} paid with ${input.card}`)
 *   })
 *   .build(({ outputs }) => outputs.charge)
 *
 * console.log(await Effect.runPromise(Saga.run(trip, { card: "4711" })))
 * // => LH 400 paid with 4711
 * ```
 */
export const make = <
  const Name extends string,
  Input = void,
  Encoded = NotGiven,
  const V extends number = 1,
  Timeout extends Duration.DurationInput | NotGiven = NotGiven,
  RetryRequirements = never,
  InDoubt extends "retry" | "park" | NotGiven = NotGiven
>(
  name: SagaName<Name>,
  options?: Options<Input, Encoded, V, Timeout, RetryRequirements, InDoubt>
): SagaBuilder<
  Input,
  {},
  | (NotGiven extends Encoded ? never : ParseResult.ParseError)
  | (NotGiven extends Timeout ? never : OutcomeUnknown | Cause.TimeoutException),
  RetryRequirements,
  NotGiven extends Timeout ? never : NotGiven extends InDoubt ? OwesDefaultInDoubt : never
> => {
  const header: Omit<Definition, "nodes" | "project"> = {
    name,
    version: options?.version as number | undefined ?? 1,
    input: options?.input as Definition["input"],
    onCompensationFailure: options?.onCompensationFailure ?? "continue",
    defaults: options?.defaults as KnownDefaults | undefined ?? {}
  }
  // The one cast between the public type, which tracks names, errors and what is owed, and the class that only collects.
  return new Builder(header, []) as any
}

/** The errors that leave everything undone. */
type Undoable<Error> = Exclude<Error, FailedAfterCommit<any>>

/** A `FailedAfterCommit` restored from the journal may have a `RecoveredFailure` as its cause. */
type Restored<Error> = Error extends FailedAfterCommit<infer E> ? FailedAfterCommit<E | RecoveredFailure> : Error

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

/** How a durable run is started. */
export interface ExecuteOptions {
  /** Identifies the execution, for good: the same id with the same input joins it or returns what came of it. */
  readonly executionId: string
  /**
   * What an interruption does before the point of no return: `"unwind"` undoes what was done, `"suspend"` leaves the
   * execution as it is, for `Saga.resume` or `Recovery`. `"unwind"` by default.
   */
  readonly onInterrupt?: "unwind" | "suspend"
}

/**
 * Runs a saga durably: every side effect is in the journal before it starts, so that after a crash `Saga.resume` or
 * `Recovery` finishes the execution, forward or backward.
 *
 * An execution is stored from the intent of its first side effect on. Called again with the same `executionId` and input, this
 * joins the execution, resumes it, or returns its recorded result; of a parked execution it returns the error, and leaves it
 * parked. An error that another process recorded comes back as it was if its step has an `error` schema, else as
 * `RecoveredFailure`.
 *
 * Interrupting it before the point of no return undoes it. With `onInterrupt: "suspend"` it is left for recovery instead, for
 * example at shutdown.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   console.log(yield* Saga.execute(trip, { card: "full" }, { executionId: "trip-17" }))
 *   console.log(yield* Saga.execute(trip, { card: "full" }, { executionId: "trip-17" })) // charges nothing: returns what is stored
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => receipt 1
 * // => receipt 1
 * ```
 */
export const execute = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  input: NoInfer<Input>,
  options: ExecuteOptions
): Effect.Effect<
  Output,
  | Restored<Error>
  | PartlyUndone<Undoable<Error> | RecoveredFailure>
  | RecoveredFailure
  | OutcomeUnknown
  | CheckpointError
  | ExecutionConflict
  | InvalidExecutionId
  | NotStorable
  | DefinitionChanged
  | JournalCorrupt,
  Requirements | Checkpoint
> =>
  durable.execute(programOf(saga as Any), input, {
    executionId: options.executionId,
    suspend: options.onInterrupt === "suspend"
  }) as Effect.Effect<any, any, any>

/** How a stored execution is resumed. */
export interface ResumeOptions extends Pick<ExecuteOptions, "onInterrupt"> {
  /**
   * What somebody found out about the step in doubt: that it happened, with its output (as the action would have returned
   * it), or that it did not, and then it runs again. Fails with `StepNotInDoubt`, and does nothing, if the step is not in doubt.
   */
  readonly found?: Finding
}

/**
 * Goes on with one stored execution, forward or backward as its journal says: recorded outcomes are taken from the journal,
 * everything after them runs. A parked execution is set going again. A finished one returns its recorded result.
 *
 * @example
 * ```ts prelude=trip
 * let bankIsDown = true
 * const pay = Saga.make("Pay")
 *   .final("charge", {
 *     success: Schema.String,
 *     inDoubt: "park",
 *     timeout: "10 millis",
 *     action: () => bankIsDown ? Effect.never : Effect.succeed("receipt 1")
 *   })
 *   .build(({ outputs }) => outputs.charge)
 *
 * const program = Effect.gen(function*() {
 *   const error = yield* Effect.flip(Saga.execute(pay, undefined, { executionId: "pay-17" }))
 *   console.log(error._tag) // it is parked: somebody asks the bank
 *   bankIsDown = false
 *   console.log(yield* Saga.resume(pay, "pay-17", { found: { step: "charge", happened: false } }))
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => OutcomeUnknown
 * // => receipt 1
 * ```
 */
export const resume = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  executionId: string,
  options?: ResumeOptions
): Effect.Effect<
  Output,
  | Restored<Error>
  | PartlyUndone<Undoable<Error> | RecoveredFailure>
  | RecoveredFailure
  | OutcomeUnknown
  | CheckpointError
  | ExecutionConflict
  | NotStorable
  | StepNotInDoubt
  | DefinitionChanged
  | JournalCorrupt
  | ExecutionNotFound,
  Requirements | Checkpoint
> =>
  durable.resume(programOf(saga as Any), {
    executionId,
    suspend: options?.onInterrupt === "suspend",
    finding: options?.found
  }) as Effect.Effect<any, any, any>

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
