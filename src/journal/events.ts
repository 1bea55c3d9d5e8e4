/** The events of a journal: what happened to one execution, in order, as plain JSON. */
import { Schema } from "effect"

const Timestamp = Schema.Number

/** A failure, defect, interruption or cancellation as it is stored. `encoded` is there when the step's `error` schema encoded it. */
export const StoredFailure = Schema.Union(
  Schema.Struct({
    kind: Schema.Literal("Fail"),
    step: Schema.String,
    tag: Schema.String,
    message: Schema.String,
    encoded: Schema.optional(Schema.Unknown)
  }),
  Schema.Struct({ kind: Schema.Literal("Die"), tag: Schema.String, message: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("Interrupt") }),
  Schema.Struct({ kind: Schema.Literal("Cancel"), by: Schema.String, reason: Schema.optional(Schema.String) })
)
export type StoredFailure = typeof StoredFailure.Type

/** How a step is classified: what can be done about it once it has happened. */
export const Classification = Schema.Literal("ReadOnly", "Compensatable", "Final")
export type Classification = typeof Classification.Type

/** Why an execution waits for a person or a retry: the tag of the error that says what stands. */
export const ParkedReason = Schema.Literal("PartlyUndone", "FailedAfterCommit", "OutcomeUnknown", "KeepsFailing")
export type ParkedReason = typeof ParkedReason.Type

const Failures = Schema.Array(StoredFailure)
const Attempts = Schema.Number

/** The execution exists from here on. Always the first event, and only the first. */
export const Started = Schema.TaggedStruct("Started", {
  saga: Schema.String,
  version: Schema.Number,
  fingerprint: Schema.String,
  /** The document of a plan, by which it can be resumed. */
  plan: Schema.optional(Schema.Unknown),
  input: Schema.optional(Schema.Unknown),
  at: Timestamp
})
/** The intent to run a step's action. For a step with a side effect it is on disk before the action starts. */
export const StepStarted = Schema.TaggedStruct("StepStarted", {
  step: Schema.String,
  classification: Classification,
  at: Timestamp
})
/** The action succeeded. `output` is as the step's `success` schema encodes it. */
export const StepSucceeded = Schema.TaggedStruct("StepSucceeded", {
  step: Schema.String,
  output: Schema.optional(Schema.Unknown),
  attempts: Attempts,
  at: Timestamp
})
/** The step's condition did not hold: its action is not run, now or on any resume. */
export const StepSkipped = Schema.TaggedStruct("StepSkipped", {
  step: Schema.String,
  classification: Classification,
  at: Timestamp
})
/**
 * The items of a `forEach`, before the first of them has begun: no resume makes the list again. `list` is the path of the `forEach`;
 * `item` is as the `input` schema of its saga encodes it.
 */
export const ItemsListed = Schema.TaggedStruct("ItemsListed", {
  list: Schema.String,
  items: Schema.Array(Schema.Struct({ key: Schema.String, item: Schema.optional(Schema.Unknown) })),
  at: Timestamp
})
/** The action failed and had no effect. */
export const StepFailed = Schema.TaggedStruct("StepFailed", {
  step: Schema.String,
  failures: Failures,
  attempts: Attempts,
  at: Timestamp
})
/** The action ended without anybody knowing whether it had an effect. */
export const StepInDoubt = Schema.TaggedStruct("StepInDoubt", {
  step: Schema.String,
  reason: Schema.String,
  attempts: Attempts,
  at: Timestamp
})
/** The decision to go back, on disk before the first compensation starts. From here on the execution never goes forward. */
export const UnwindingStarted = Schema.TaggedStruct("UnwindingStarted", { failures: Failures, at: Timestamp })
/** The intent to run a step's compensation, on disk before it starts. */
export const CompensationStarted = Schema.TaggedStruct("CompensationStarted", { step: Schema.String, at: Timestamp })
/** The step is undone. */
export const CompensationSucceeded = Schema.TaggedStruct("CompensationSucceeded", {
  step: Schema.String,
  attempts: Attempts,
  at: Timestamp
})
/** The compensation failed for good; the step's effect stands. */
export const CompensationFailed = Schema.TaggedStruct("CompensationFailed", {
  step: Schema.String,
  failures: Failures,
  attempts: Attempts,
  at: Timestamp
})
/** Who asked for a cancellation and why; `message` is the number of the message that asked, where a message did. */
const asked = {
  by: Schema.String,
  reason: Schema.optional(Schema.String),
  message: Schema.optional(Schema.Number),
  at: Timestamp
}
/**
 * The driver has taken a request to cancel the execution, which goes back once no step is in doubt. It is stored together with
 * `UnwindingStarted`, or with `Parked` where a doubt keeps the execution from going back.
 */
export const CancellationRequested = Schema.TaggedStruct("CancellationRequested", asked)
/**
 * A step that waits has begun: for a signal, for a time, or for whichever comes first. `until` is fixed here, in epoch milliseconds, and
 * stays the same however often the execution is resumed.
 */
export const WaitStarted = Schema.TaggedStruct("WaitStarted", {
  step: Schema.String,
  signal: Schema.optional(Schema.String),
  until: Schema.optional(Schema.Number),
  at: Timestamp
})
/** Nobody drives the execution from here on, until its time has come or a message is there. */
export const Waiting = Schema.TaggedStruct("Waiting", { at: Timestamp })
/**
 * The driver has taken a signal. It is kept until a step uses it: the next one that waits for it, or the one that `step` names. `value`
 * is as the signal's schema encodes it; `message` is the number of the message that brought it. One whose `id` has come before counts
 * as taken, and is not kept.
 */
export const SignalReceived = Schema.TaggedStruct("SignalReceived", {
  signal: Schema.String,
  step: Schema.optional(Schema.String),
  value: Schema.optional(Schema.Unknown),
  by: Schema.String,
  id: Schema.optional(Schema.String),
  message: Schema.Number,
  at: Timestamp
})
/** Why a request to cancel is refused: the point of no return was passed, the execution went back already, or was to be cancelled. */
export const RefusedReason = Schema.Literal("Committed", "Unwinding", "Requested")
export type RefusedReason = typeof RefusedReason.Type
/**
 * The driver has refused a request to cancel the execution: also one that it had taken, if a Final which was in doubt turned out to
 * have taken effect.
 */
export const CancellationRefused = Schema.TaggedStruct("CancellationRefused", { ...asked, why: RefusedReason })
/**
 * The execution waits for a person or a retry. `failures` says why where no step does; `claims` counts the claims without a new
 * event before it, where they are why.
 */
export const Parked = Schema.TaggedStruct("Parked", {
  reason: ParkedReason,
  failures: Schema.optional(Failures),
  claims: Schema.optional(Schema.Number),
  at: Timestamp
})
/** Somebody set a parked execution going again, in the direction it had, or a driver goes on with one that has waited. */
export const Resumed = Schema.TaggedStruct("Resumed", { at: Timestamp })
/**
 * The end: everything took effect, or everything was undone. Nothing follows. `output` is there where the saga has a `success`
 * schema; its `value` is as that encodes the saga's output, and is missing where that is `undefined`.
 */
export const Finished = Schema.TaggedStruct("Finished", {
  result: Schema.Literal("Succeeded", "Undone"),
  output: Schema.optional(Schema.Struct({ value: Schema.optional(Schema.Unknown) })),
  at: Timestamp
})

/** One thing that happened to an execution. Its encoded form is its own form: `JSON.stringify` stores it. */
export const Event = Schema.Union(
  Started,
  StepStarted,
  StepSkipped,
  StepSucceeded,
  StepFailed,
  StepInDoubt,
  ItemsListed,
  UnwindingStarted,
  CompensationStarted,
  CompensationSucceeded,
  CompensationFailed,
  CancellationRequested,
  CancellationRefused,
  Parked,
  WaitStarted,
  Waiting,
  SignalReceived,
  Resumed,
  Finished
)
export type Event = typeof Event.Type
