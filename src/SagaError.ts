/**
 * Every error that a saga can end with, besides the errors of its own steps.
 *
 * A step's own error in the error channel means that everything was undone. Anything less has one of these tags, and its
 * message says what is true now and who must act.
 */
import { type Cause, Data, Schema } from "effect"
import { oneLine } from "./values/describe.ts"

const quoted = (names: ReadonlyArray<string>): string => names.map((name) => `"${name}"`).join(", ")

/**
 * Thrown by `build()` when a definition breaks a rule that the compiler could not see, for instance because the saga was
 * written in JavaScript. Nothing was built. The author of the saga must act; `problems` names every broken rule.
 */
export class InvalidSaga extends Data.TaggedError("InvalidSaga")<{
  readonly saga: string
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return `saga "${this.saga}" cannot be built: ${this.problems.join("; ")}`
  }
}

/**
 * Thrown by `Diagram` for a record of another saga, or of this one with other steps; `difference` says where they part. Nothing
 * was drawn. Whoever draws must act: with the definition that the execution was run with.
 */
export class OtherSaga extends Data.TaggedError("OtherSaga")<{
  readonly saga: string
  readonly difference: string
}> {
  override get message() {
    return `what happened did not happen to saga "${this.saga}" as it is defined here: ${this.difference}. ` +
      "Draw it with the definition that it was run with"
  }
}

/** A compensation that failed for good, and why. */
export interface FailedCompensation {
  readonly step: string
  readonly cause: Cause.Cause<unknown>
}

/**
 * The saga failed and could not be undone completely. The effects of the steps in `failed` and `notTried` still stand.
 *
 * `cause` is why the saga was unwound, as it was; `undone` lists what was undone, in the order in which it happened;
 * `failed` what could not be, with its cause; `notTried` what was left alone because the saga says
 * `onCompensationFailure: "stop"`. A durable execution is `parked`: `Saga.resume` tries again what remains. In process
 * somebody must undo it by hand.
 */
export class PartlyUndone<out E> extends Data.TaggedError("PartlyUndone")<{
  readonly saga: string
  readonly executionId: string
  readonly cause: Cause.Cause<E>
  readonly undone: ReadonlyArray<string>
  readonly failed: ReadonlyArray<FailedCompensation>
  readonly notTried: ReadonlyArray<string>
  readonly parked: boolean
}> {
  override get message() {
    const failed = this.failed.map(({ cause, step }) => `"${step}" (${oneLine(cause)})`)
    const notTried = this.notTried.map((step) => `"${step}" (not tried)`)
    return `${this.saga} (${this.executionId}) was unwound because of ${oneLine(this.cause)}. ` +
      `Undone: ${quoted(this.undone) || "nothing"}. Not undone, and still in effect: ${
        [...failed, ...notTried].join(", ")
      }. ` +
      (this.parked
        ? "The execution is parked: mend the cause, then Saga.resume tries again what remains"
        : "Somebody must undo the rest by hand")
  }
}

/**
 * A Final step failed after another Final had taken effect. Nothing is unwound, for the saga could no longer go back: the
 * effects of all steps in `stands` stand, the step `step` and those after it have not happened. Where it was the function
 * given to `build` that threw, `step` is undefined, everything has happened, and the error is a defect.
 *
 * A durable execution is `parked`: `Saga.resume` tries the step again. In process somebody must finish the rest by hand.
 */
export class FailedAfterCommit<out E> extends Data.TaggedError("FailedAfterCommit")<{
  readonly saga: string
  readonly executionId: string
  readonly step: string | undefined
  readonly cause: Cause.Cause<E>
  readonly stands: ReadonlyArray<string>
  readonly parked: boolean
}> {
  override get message() {
    const where = this.step === undefined ? "while its output was made," : `at step "${this.step}",`
    return `${this.saga} (${this.executionId}) failed ${where} after its point of no return: ${oneLine(this.cause)}. ` +
      `In effect, and not to be undone: ${quoted(this.stands)}. ` +
      (this.parked
        ? "The execution is parked: Saga.resume goes on from there"
        : "Somebody must finish the rest by hand")
  }
}

/**
 * Nobody knows whether an action happened.
 *
 * An action fails with it when it cannot tell: a reply was lost, a connection broke after the request was sent. The step's
 * `inDoubt` policy then settles it. When it comes out of a run, it could not be settled: `saga`, `executionId` and `step`
 * say which step. `parked: true`: the execution waits, nothing was undone, and `Saga.resume` settles it. `parked: false`: in
 * process, the completed steps before it were unwound. Neither: in process, after the point of no return.
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("effect-saga/OutcomeUnknown")("OutcomeUnknown", {
  reason: Schema.String,
  saga: Schema.optional(Schema.String),
  executionId: Schema.optional(Schema.String),
  step: Schema.optional(Schema.String),
  /** The key under which the action was called: ask by it. */
  idempotencyKey: Schema.optional(Schema.String),
  parked: Schema.optional(Schema.Boolean),
  /** `false` when `verify` says that it did not happen, and running it again gave no answer either. */
  happened: Schema.optional(Schema.Literal(false))
}) {
  override get message() {
    if (this.step === undefined) return `the outcome is unknown: ${this.reason}`
    if (this.happened === false) {
      return `step "${this.step}" of ${this.saga} (${this.executionId}) gave no answer, also when it was run again, and ` +
        `verify says that it did not happen: ${this.reason}`
    }
    const unknown =
      `nobody knows whether step "${this.step}" of ${this.saga} (${this.executionId}) happened: ${this.reason}. `
    const findOut = `find out by the idempotency key ${this.idempotencyKey}`
    if (this.parked === undefined) return unknown + `Somebody must ${findOut}, and finish the rest by hand`
    return unknown + (this.parked
      ? `The execution is parked and nothing was undone: ${findOut}, then call Saga.resume with what you found`
      : `The completed steps before it were unwound: ${findOut}, and undo it by hand if it happened`)
  }
}

/**
 * The store could not do what it was asked to.
 *
 * - `Unavailable`: the store cannot be reached or opened
 * - `Locked`: another process holds the database, longer than the store waits
 * - `ReadOnly`: the database cannot be written to
 * - `Full`: no room is left
 * - `NotADatabase`: the file is something else, or is damaged
 * - `InTransaction`: the caller is in a transaction of the same database, which could take the journal back; whoever wrote
 *   the call must make it outside
 * - `Rejected`: the database does not take this input or output: it is too large, or holds text that the database cannot
 *   represent; the author of the saga must act
 *
 * No step was started whose intent is not stored, and nothing was undone after a decision that is not stored: what the
 * execution had stored stays for `Saga.resume` or `Recovery`. Whoever runs the store must act.
 */
export class CheckpointError extends Schema.TaggedError<CheckpointError>("effect-saga/CheckpointError")(
  "CheckpointError",
  {
    reason: Schema.Literal("Unavailable", "Locked", "ReadOnly", "Full", "NotADatabase", "InTransaction", "Rejected"),
    operation: Schema.Literal("open", "append", "load", "list", "lease", "prune"),
    executionId: Schema.optional(Schema.String),
    detail: Schema.String,
    cause: Schema.optional(Schema.Defect)
  }
) {
  override get message() {
    const whose = this.executionId === undefined ? "" : ` of execution ${this.executionId}`
    return `the store could not ${this.operation} the journal${whose} (${this.reason}): ${this.detail}. ` +
      (this.operation === "append"
        ? "The execution stopped where it was; what is stored of it stays for Saga.resume or Recovery"
        : "The execution was not touched")
  }
}

/**
 * This call may not drive this execution, or not any longer; it has stopped, and what is stored stays.
 *
 * - `OtherSaga`, `OtherInput`: the id is taken by an execution of another saga, or of this one with another input; the
 *   caller must choose another id
 * - `OtherDriver`: another process drives the execution; this call has done nothing to it, or has stopped. The caller may ask
 *   again later for what came of it
 * - `LeaseLost`: this process was paused, or out of touch with the store, for longer than its lease lasts; this call has
 *   stopped. What is stored stays for recovery, and another process may have gone on with it
 */
export class ExecutionConflict extends Schema.TaggedError<ExecutionConflict>("effect-saga/ExecutionConflict")(
  "ExecutionConflict",
  {
    reason: Schema.Literal("OtherSaga", "OtherInput", "OtherDriver", "LeaseLost"),
    saga: Schema.String,
    executionId: Schema.String
  }
) {
  override get message() {
    switch (this.reason) {
      case "OtherSaga":
        return `execution ${this.executionId} belongs to another saga than ${this.saga}: choose another executionId`
      case "OtherInput":
        return `execution ${this.executionId} of ${this.saga} was started with another input: choose another executionId`
      case "OtherDriver":
        return `execution ${this.executionId} of ${this.saga} is driven by another process, or was when this call asked for it: ` +
          "this call has stopped, and may ask again later what came of it"
      case "LeaseLost":
        return `this process has lost its lease on execution ${this.executionId} of ${this.saga}: this call has stopped, and what ` +
          "is stored stays for recovery, by whichever process comes first"
    }
  }
}

/**
 * The id cannot identify an execution: it is empty, longer than 800 characters, not well-formed text, or holds U+0000. Nothing
 * was done. The caller must choose another id.
 */
export class InvalidExecutionId extends Schema.TaggedError<InvalidExecutionId>("effect-saga/InvalidExecutionId")(
  "InvalidExecutionId",
  { saga: Schema.String, executionId: Schema.String }
) {
  override get message() {
    return `"${this.executionId}" cannot be an executionId of ${this.saga}: it must be well-formed text of 1 to 800 characters, ` +
      "without U+0000"
  }
}

/**
 * A value cannot be stored: its schema does not encode it, or not to plain JSON. `value` says which value of the execution it is,
 * `problem` why. An input or a finding is refused before anything is done; a step whose output cannot be stored is left in
 * doubt (S12). The author of the schema, or whoever gave the value, must act.
 */
export class NotStorable extends Schema.TaggedError<NotStorable>("effect-saga/NotStorable")("NotStorable", {
  saga: Schema.String,
  executionId: Schema.String,
  value: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.value} cannot be stored: ${this.problem}. The journal of execution ${this.executionId} of ${this.saga} is as it was`
  }
}

/**
 * `Saga.resume` was told what somebody found out about a step that is not in doubt. Nothing was done. The caller must look at the
 * execution again.
 */
export class StepNotInDoubt extends Schema.TaggedError<StepNotInDoubt>("effect-saga/StepNotInDoubt")("StepNotInDoubt", {
  saga: Schema.String,
  executionId: Schema.String,
  step: Schema.String
}) {
  override get message() {
    return `step "${this.step}" of execution ${this.executionId} of ${this.saga} is not in doubt: there is nothing to settle, and ` +
      "nothing was done"
  }
}

/**
 * No execution of this id is stored, so there is nothing to resume. `saga` is undefined if an execution of any plan was asked for:
 * there may be one of a saga. The caller must check the id.
 */
export class ExecutionNotFound extends Schema.TaggedError<ExecutionNotFound>("effect-saga/ExecutionNotFound")(
  "ExecutionNotFound",
  { saga: Schema.optional(Schema.String), executionId: Schema.String }
) {
  override get message() {
    return `no execution ${this.executionId} of ${this.saga ?? "a plan"} is stored`
  }
}

/**
 * The stored execution was started by another definition of the saga: `difference` says where they part. It was left
 * untouched. Run it with the definition that started it, or register both versions with `Recovery`.
 */
export class DefinitionChanged extends Schema.TaggedError<DefinitionChanged>("effect-saga/DefinitionChanged")(
  "DefinitionChanged",
  { saga: Schema.String, executionId: Schema.String, difference: Schema.String }
) {
  override get message() {
    return `execution ${this.executionId} was started by another definition of ${this.saga}: ${this.difference}. ` +
      "It was left untouched: resume it with the definition that started it"
  }
}

/**
 * The stored journal cannot be read as one: `problem` says what is wrong and where. It was left untouched. Whoever runs
 * the store must act.
 */
export class JournalCorrupt extends Schema.TaggedError<JournalCorrupt>("effect-saga/JournalCorrupt")("JournalCorrupt", {
  executionId: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `the journal of execution ${this.executionId} cannot be read: ${this.problem}. It was left untouched`
  }
}

/**
 * The error of a step, as the journal has it, when the step has no `error` schema to restore the original with; or the
 * interruption (`tag` is `Interrupted`) of whoever drove the execution before. It means what the original meant: everything
 * was undone. `tag` is the original's `_tag` or name.
 */
export class RecoveredFailure extends Schema.TaggedError<RecoveredFailure>("effect-saga/RecoveredFailure")(
  "RecoveredFailure",
  { tag: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `${this.tag}: ${this.detail} (restored from the journal)`
  }
}

/**
 * The errors that are about driving a stored execution, and say nothing of what became of it: it is as its journal says. Each
 * of them means that this call has stopped, and that the execution is left for another time.
 */
export type DrivingError =
  | CheckpointError
  | ExecutionConflict
  | ExecutionNotFound
  | InvalidExecutionId
  | NotStorable
  | StepNotInDoubt
  | DefinitionChanged
  | JournalCorrupt

/** The errors that say what stands of a saga that has ended, or that waits for a person. `E` is of its own steps. */
export type StandingError<E> = PartlyUndone<E> | FailedAfterCommit<E> | OutcomeUnknown

/** Every error of this library with which a durable run can end, besides the own errors of its steps. */
export type DurableError<E = unknown> = DrivingError | StandingError<E> | RecoveredFailure

/** What `_tag` says of any value, also one of another copy of this package, or one whose `_tag` throws. */
const tagOf = (value: unknown): unknown => {
  try {
    return typeof value === "object" && value !== null ? (value as { readonly _tag?: unknown })._tag : undefined
  } catch {
    return undefined
  }
}

/** Whether a value is this library's error of that tag: by its `_tag`, for its class may be that of another copy of the package. */
export const is = <Tag extends DurableError["_tag"]>(
  tag: Tag
): (value: unknown) => value is Extract<DurableError, { readonly _tag: Tag }> =>
(value): value is Extract<DurableError, { readonly _tag: Tag }> => tagOf(value) === tag

const driving: { readonly [Tag in DrivingError["_tag"]]: true } = {
  CheckpointError: true,
  ExecutionConflict: true,
  ExecutionNotFound: true,
  InvalidExecutionId: true,
  NotStorable: true,
  StepNotInDoubt: true,
  DefinitionChanged: true,
  JournalCorrupt: true
}

/** Whether a value is a {@link DrivingError}. */
export const isDrivingError = (value: unknown): value is DrivingError => {
  const tag = tagOf(value)
  return typeof tag === "string" && Object.hasOwn(driving, tag)
}
