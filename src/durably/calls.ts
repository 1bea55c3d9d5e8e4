/** The ways to run a saga durably. `Saga` exports them. */
import type { Effect, Exit, Option, ParseResult } from "effect"
import type { Any, Saga } from "../definition/built.ts"
import type { NotBuilt, ReadyToExecute } from "../definition/owed.ts"
import { programOf } from "../definition/saga.ts"
import { cancel as requestCancellation } from "../engine/cancellation.ts"
import * as durable from "../engine/durable.ts"
import * as results from "../engine/results.ts"
import type { Finding } from "../engine/run.ts"
import * as work from "../engine/work.ts"
import type {
  CancellationRefused,
  Cancelled,
  CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  FailedAfterCommit,
  InvalidExecutionId,
  JournalCorrupt,
  KeepsFailing,
  NotStorable,
  OutcomeUnknown,
  PartlyUndone,
  RecoveredFailure,
  StepNotInDoubt
} from "../SagaError.ts"
import type { Checkpoint } from "../store/Checkpoint.ts"

/** The errors that leave everything undone. */
export type Undoable<Error> = Exclude<Error, FailedAfterCommit<any>>

/** A `FailedAfterCommit` restored from the journal may have a `RecoveredFailure` as its cause. */
type Restored<Error> = Error extends FailedAfterCommit<infer E> ? FailedAfterCommit<E | RecoveredFailure> : Error

/** How a durable run is started. */
export interface ExecuteOptions {
  /** Identifies the execution, for good: the same id with the same input joins it or returns what came of it. */
  readonly executionId: string
  /**
   * Says how an interruption of the call acts on the execution. Left out, not at all: the call ends, the execution goes on. `"cancel"`
   * cancels it as {@link cancel} does, and the call ends when it is undone, however long that takes: a server that is stopped meanwhile
   * waits for it too, longer than `shutdown.grace`. Past the point of no return the execution goes on, and the call ends. If another process drives it, the call ends once the request is stored. `"suspend"`
   * leaves it at its next safe point, for `Saga.resume` or `Recovery`.
   */
  readonly onInterrupt?: "cancel" | "suspend"
}

/**
 * Runs a saga durably: every side effect is in the journal before it starts, so that after a crash `Saga.resume` or
 * `Recovery` finishes the execution, forward or backward.
 *
 * An execution is stored from the intent of its first side effect on. Called again with the same `executionId` and input, this
 * joins the execution, resumes it, or returns its recorded result; of a parked execution it returns the error, and leaves it
 * parked. An error that is recorded comes back as it was if its step has an `error` schema, and as `RecoveredFailure` if
 * the step says `error: "asRecoveredFailure"`.
 *
 * The execution belongs to the {@link Checkpoint}, not to the call: a call that is interrupted stops waiting, and the execution
 * goes on in this process until the layer of the checkpoint closes, unless `onInterrupt` says otherwise. If another process drives
 * the execution, the call waits for it. So it does where a step waits for a signal or a time: then it goes on with the execution, if
 * nobody else is faster.
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
  | PartlyUndone<Undoable<Error> | RecoveredFailure | Cancelled>
  | RecoveredFailure
  | OutcomeUnknown
  | Cancelled
  | KeepsFailing
  | CheckpointError
  | ExecutionConflict
  | InvalidExecutionId
  | NotStorable
  | DefinitionChanged
  | JournalCorrupt,
  Requirements | Checkpoint
> =>
  durable.execute(programOf(saga as Any), input, {
    // Code without types may leave the options out: then the id is refused.
    executionId: options?.executionId,
    onInterrupt: options?.onInterrupt
  }) as Effect.Effect<any, any, any>

/**
 * Starts a saga durably, and succeeds once the start is stored: from then on it happens, or is undone, whichever process dies. This
 * process drives it, and logs if it has to leave it for recovery. Called again with the same `executionId` and input, it does
 * nothing where the execution is driven or has ended, and goes on with it where no process drives it. Once a step waits, a `Worker` goes
 * on with the execution, or a call that waits for it.
 *
 * It costs one commit more than {@link execute}, which stores the start with the intent of the first side effect.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Saga.start(trip, { card: "full" }, { executionId: "trip-17" })
 *   console.log(yield* Saga.await(trip, "trip-17"))
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => receipt 1
 * ```
 */
export const start = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  input: NoInfer<Input>,
  options: Pick<ExecuteOptions, "executionId">
): Effect.Effect<
  void,
  | Extract<Error, ParseResult.ParseError>
  | CheckpointError
  | ExecutionConflict
  | InvalidExecutionId
  | NotStorable
  | DefinitionChanged
  | JournalCorrupt,
  Requirements | Checkpoint
> => durable.start(programOf(saga as Any), input, { executionId: options?.executionId }) as Effect.Effect<any, any, any>

/**
 * Stores the start of an execution, for the next `Worker` to drive, in whatever process. It needs none of the saga's services.
 * Called again with the same `executionId` and input it does nothing.
 *
 * Within a transaction of the same database (`sql.withTransaction`, where the `Checkpoint` is that of `SqlCheckpoint`) the start is
 * stored with the transaction or not at all: an order and its saga exist together. Within a transaction of another database it fails
 * with `CheckpointError` (`InTransaction`) and stores nothing; so it does with a `SqliteCheckpoint`, which has a file of its own.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Saga.enqueue(trip, { card: "full" }, { executionId: "trip-17" })
 *   console.log(yield* Saga.await(trip, "trip-17"))
 * })
 * const live = Worker.layer([trip]).pipe(Layer.provideMerge(Checkpoint.layerMemory))
 * await Effect.runPromise(Effect.provide(program, live))
 * // => receipt 1
 * ```
 */
export const enqueue = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  input: NoInfer<Input>,
  options: Pick<ExecuteOptions, "executionId">
): Effect.Effect<
  void,
  | Extract<Error, ParseResult.ParseError>
  | CheckpointError
  | ExecutionConflict
  | InvalidExecutionId
  | NotStorable
  | DefinitionChanged
  | JournalCorrupt,
  Checkpoint
> => work.enqueue(programOf(saga as Any), input, { executionId: options?.executionId }) as Effect.Effect<any, any, any>

/**
 * Waits for the result of a stored execution, in whatever process it is driven, and ends as {@link execute} does: with its
 * output, with its error where it was undone, or with the error that says why it is parked. It needs none of the saga's
 * services, and neither drives the execution nor sets it going: one that no process drives is waited for until one does.
 * An execution of this process is heard of at once, one of another process within a second.
 *
 * A finished execution is read whichever version of the saga has run it, if it was undone, or if both that version and the one that
 * asks have a `success` schema ({@link BuildOptions}).
 */
export const awaitResult = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  executionId: string
): Effect.Effect<
  Output,
  | Restored<Error>
  | PartlyUndone<Undoable<Error> | RecoveredFailure | Cancelled>
  | RecoveredFailure
  | OutcomeUnknown
  | Cancelled
  | KeepsFailing
  | CheckpointError
  | ExecutionConflict
  | DefinitionChanged
  | JournalCorrupt
  | ExecutionNotFound,
  Checkpoint
> => results.awaitResult(programOf(saga as Any), executionId) as Effect.Effect<any, any, any>

/** With what the result of a stored execution can fail. */
type StoredError<Error> =
  | Restored<Error>
  | PartlyUndone<Undoable<Error> | RecoveredFailure | Cancelled>
  | RecoveredFailure
  | OutcomeUnknown
  | Cancelled
  | KeepsFailing
  | CheckpointError
  | ExecutionConflict
  | DefinitionChanged
  | JournalCorrupt
  | ExecutionNotFound

/**
 * The result of a stored execution if it has one, as {@link Saga.await} would end: none while it is running or unwinding.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-17" }))
 *   console.log(yield* Saga.poll(trip, "trip-17"))
 * })
 * ```
 */
export const poll = <Input, Output, Error, Requirements, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Saga<Input, Output, Error, Requirements, Owed>, Owed>,
  executionId: string
): Effect.Effect<
  Option.Option<Exit.Exit<Output, StoredError<Error>>>,
  CheckpointError | ExecutionConflict | DefinitionChanged | JournalCorrupt | ExecutionNotFound,
  Checkpoint
> => results.pollResult(programOf(saga as Any), executionId) as Effect.Effect<any, any, any>

/** The author and the reason of a cancellation. Both are stored, and all who wait for the execution are told of them. */
export interface CancelOptions {
  /** Names who cancels it: 1 to 400 characters. */
  readonly by: string
  /** At most 4000 characters. */
  readonly reason?: string
}

/**
 * Cancels a stored execution, in whatever process it is driven, and succeeds once the request is stored. It needs neither the saga nor
 * its services. The driver takes the request at once in this process, within a second in another one; one that no process drives
 * is undone by the next that does, and so is a parked one.
 *
 * Before its point of no return the execution is undone: ReadOnly actions and pauses are interrupted, actions with a side effect end
 * first, and a step in doubt is settled first. Calls that wait for the execution fail with `Cancelled`. A Final that is being
 * called at that moment decides: if it takes effect, the request is refused, which is recorded, and the execution goes forward.
 *
 * Fails with `ExecutionNotFound` where nothing is stored: an execution of {@link execute} is stored with the intent of its first side
 * effect. Fails with `CancellationRefused`, and changes nothing, where the execution has ended, is past its point of no return, is being
 * undone, or was cancelled before.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Saga.start(trip, { card: "full" }, { executionId: "trip-17" })
 *   const answer = yield* Effect.either(Saga.cancel("trip-17", { by: "clerk 4", reason: "the customer called" }))
 *   console.log(answer._tag) // Right if the request came before the card was charged
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * ```
 */
export const cancel = (
  executionId: string,
  options: CancelOptions
): Effect.Effect<void, CancellationRefused | ExecutionNotFound | JournalCorrupt | CheckpointError, Checkpoint> =>
  // Code without types may leave the options out: then nobody is named.
  requestCancellation(executionId, { by: options?.by, reason: options?.reason })

/** How a stored execution is resumed. */
export interface ResumeOptions extends Pick<ExecuteOptions, "onInterrupt"> {
  /**
   * A finding about the step in doubt: that it happened, with its output (as the action would have returned
   * it), or that it did not, and then it runs again. Fails with `StepNotInDoubt`, and does nothing, if the step is not in doubt.
   */
  readonly found?: Finding
}

/**
 * Goes on with one stored execution, forward or backward as its journal says: recorded outcomes are taken from the journal,
 * everything after them runs. A parked execution is set going again. One that waits is waited for, as {@link execute} does. A finished one
 * returns its recorded result.
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
  | PartlyUndone<Undoable<Error> | RecoveredFailure | Cancelled>
  | RecoveredFailure
  | OutcomeUnknown
  | Cancelled
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
    onInterrupt: options?.onInterrupt,
    finding: options?.found ?? undefined
  }) as Effect.Effect<any, any, any>
