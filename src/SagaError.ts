/**
 * Every error that a saga can end with, besides the errors of its own steps.
 *
 * A step's own error in the error channel means that everything was undone. Any other end has one of these tags. Each message says
 * what is true now and who must act, in one line that is safe to print: control characters in names are shown as their pictures.
 */
import { type Cause, Data, type ParseResult, Schema } from "effect"
import { statuses } from "./errors/httpStatus.ts"
import { sayUnknown, someOf } from "./errors/sentences.ts"
import { oneLine, sayCancelled } from "./values/describe.ts"
import { visible } from "./values/visible.ts"

import type {
  CancellationRefused,
  CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  InvalidExecutionId,
  InvalidQuery,
  JournalCorrupt,
  NotStorable,
  StepNotInDoubt
} from "./errors/driving.ts"
import type { SignalRefused } from "./errors/signals.ts"

export * from "./errors/driving.ts"
export * from "./errors/signals.ts"

const quoted = (names: ReadonlyArray<string>): string => someOf(names.map((name) => `"${name}"`))

/**
 * Thrown by `build()` when a definition breaks a rule that the compiler could not see, for instance because the saga was
 * written in JavaScript. Nothing was built. The author of the saga must act; `problems` names every broken rule.
 */
export class InvalidSaga extends Data.TaggedError("InvalidSaga")<{
  readonly saga: string
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return visible(`saga "${this.saga}" cannot be built: ${this.problems.join("; ")}`)
  }
}

/**
 * Thrown by `Diagram` for a record of another saga, or of this one with other steps; `difference` names the difference. Nothing was
 * drawn. The caller must act: draw the record with the definition that the execution was run with.
 */
export class OtherSaga extends Data.TaggedError("OtherSaga")<{
  readonly saga: string
  readonly difference: string
}> {
  override get message() {
    return visible(
      `this is no record of saga "${this.saga}" as it is defined here: ${this.difference}. Nothing was drawn: draw the record ` +
        "with the definition that it was run with"
    )
  }
}

/**
 * The list of a `forEach` was refused: two of its items have the same key, or the key of one is no name; `problem` says which. None of
 * its items has begun. In the error channel of a run it means that everything was undone. The author of the saga must act, or
 * whoever gave it such items.
 */
export class InvalidItems extends Schema.TaggedError<InvalidItems>("effect-saga/InvalidItems")("InvalidItems", {
  saga: Schema.String,
  executionId: Schema.String,
  /** The path of the `forEach`. */
  list: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return visible(
      `the items of "${this.list}" of ${this.saga} (${this.executionId}) are refused: ${this.problem}. None of them has begun: ` +
        "give each item a key of its own"
    )
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
 * `cause` is the original cause of the unwinding; `undone` lists the steps that were undone, in the order in which it happened;
 * `failed` lists those whose compensation failed, with its cause; `notTried` lists those that were left alone because the saga says
 * `onCompensationFailure: "stop"`. A durable execution is `parked`: `Saga.resume` tries the remaining compensations again. In
 * process a person must undo the rest by hand.
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
    const stands = someOf([...failed, ...notTried])
    return visible(
      `${this.saga} (${this.executionId}) was unwound because of ${oneLine(this.cause)}. ` +
        `Undone: ${quoted(this.undone) || "nothing"}. Not undone, and still in effect: ${stands}. ` +
        (this.parked
          ? "The execution is parked: mend the cause, then Saga.resume tries the remaining compensations again"
          : "A person must undo the rest by hand")
    )
  }
}

/**
 * A Final step failed, or is in doubt (then its `cause` is `OutcomeUnknown`), after another Final had taken effect. Nothing is unwound, for the saga could no longer go back: the
 * effects of all steps in `stands` stand, the step `step` and those after it have not happened. If the function given to `build`
 * threw, `step` is undefined, every step has happened, and the error is a defect.
 *
 * A durable execution is `parked`: `Saga.resume` tries the step again. In process a person must finish the rest by hand.
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
    return visible(
      `${this.saga} (${this.executionId}) failed ${where} after its point of no return: ${oneLine(this.cause)}. ` +
        `In effect, and not to be undone: ${quoted(this.stands)}. ` +
        (this.parked
          ? "The execution is parked: Saga.resume goes on from there"
          : "A person must finish the rest by hand")
    )
  }
}

/**
 * Nobody knows whether an action happened.
 *
 * An action fails with it when it cannot tell: a reply was lost, a connection broke after the request was sent. The step's
 * `inDoubt` policy then settles it. A run ends with it when the policy could not: `saga`, `executionId` and `step` name the step.
 * `parked: true`: the execution waits, nothing was undone, and `Saga.resume` settles it. `parked: false`: in process, the completed
 * steps before it were unwound. `parked` undefined: in process, after the point of no return.
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
    return visible(sayUnknown(this))
  }
}

/**
 * An execution was claimed again and again, and nothing new was stored of it: its processes end, or its step's outcome cannot be
 * stored. It is parked so that it cannot keep a service from starting; nothing was undone. `claims` counts the claims since the
 * last stored event; `step` is the step that was started and has no outcome, if there is one; the effects of the steps in `stands`
 * stand. A person must find out why: then `Saga.resume` goes on.
 */
export class KeepsFailing extends Schema.TaggedError<KeepsFailing>("effect-saga/KeepsFailing")("KeepsFailing", {
  saga: Schema.String,
  executionId: Schema.String,
  claims: Schema.Number,
  step: Schema.optional(Schema.String),
  stands: Schema.Array(Schema.String)
}) {
  override get message() {
    return visible(
      `${this.saga} (${this.executionId}) was tried ${this.claims} times${
        this.step === undefined ? "" : ` at step "${this.step}"`
      }, ` +
        "and nothing new was stored of it. " +
        `The execution is parked; in effect: ${quoted(this.stands) || "nothing"}. ` +
        "Find out what ends its process, or why its outcome cannot be stored: then Saga.resume goes on"
    )
  }
}

/**
 * The execution was cancelled, by `by` and for `reason`, and everything that it had done is undone. It is the cause of a
 * `PartlyUndone` where not everything could be undone.
 */
export class Cancelled extends Schema.TaggedError<Cancelled>("effect-saga/Cancelled")("Cancelled", {
  saga: Schema.String,
  executionId: Schema.String,
  by: Schema.String,
  reason: Schema.optional(Schema.String)
}) {
  override get message() {
    return visible(`${this.saga} (${this.executionId}) was ${sayCancelled(this)}`)
  }
}

/**
 * The error of a step, as the journal has it, when the step has no `error` schema to restore the original with; or the interruption
 * (`tag` is `Interrupted`) with which a step ended by itself. It means what the original meant: everything was undone. `tag`
 * is the original's `_tag` or name.
 */
export class RecoveredFailure extends Schema.TaggedError<RecoveredFailure>("effect-saga/RecoveredFailure")(
  "RecoveredFailure",
  { tag: Schema.String, detail: Schema.String }
) {
  override get message() {
    return visible(`${this.tag}: ${this.detail} (restored from the journal)`)
  }
}

/**
 * The errors of driving a stored execution. They do not say how the execution ended: its journal does. Each of them means that this
 * call has stopped, and that the execution is left for another time.
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

/** The errors that say what stands of a saga that has ended or waits for a person. `E` is of its own steps. */
export type StandingError<E> = PartlyUndone<E> | FailedAfterCommit<E> | OutcomeUnknown | KeepsFailing | Cancelled

/** Every error of this library with which a durable run can end, besides the own errors of its steps. */
export type DurableError<E = unknown> = DrivingError | StandingError<E> | RecoveredFailure

/** Each error has a status, for each of its reasons: one that has none does not compile. */
const statusOf: { readonly [Tag in Answered["_tag"]]: (error: Extract<Answered, { _tag: Tag }>) => number } = statuses

type Answered = DurableError | CancellationRefused | SignalRefused | InvalidQuery | ParseResult.ParseError

/**
 * The HTTP status with which a server answers when a durable run, or a look at one, has ended with this error: 400, 404, 409 or 422 where
 * the caller can act, 503 where the same request may succeed later, 500 where a person has to act first. The errors of a saga's own
 * steps have the statuses that their author gives them; a `ParseError` is taken for that of an input, so that steps which fail with one
 * should give it a name of their own.
 */
export const httpStatus = (
  error: DurableError | CancellationRefused | SignalRefused | InvalidQuery | ParseResult.ParseError
): number => (statusOf[error._tag] as (error: Answered) => number)(error)

/** The `_tag` of any value, also of one whose getter throws. */
const tagOf = (value: unknown): unknown => {
  try {
    return typeof value === "object" && value !== null ? (value as { readonly _tag?: unknown })._tag : undefined
  } catch {
    return undefined
  }
}

/** Whether a value is this library's error of that tag: by its `_tag`, because its class may come from another copy of the package. */
export const is = <Tag extends DurableError["_tag"]>(
  tag: Tag
): (value: unknown) => value is Extract<DurableError, { readonly _tag: Tag }> =>
(value): value is Extract<DurableError, { readonly _tag: Tag }> => tagOf(value) === tag
