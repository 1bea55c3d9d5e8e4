/** The errors of driving, finding and cancelling a stored execution. None of them says how it ended: its journal does. */
import { Schema } from "effect"
import { visible } from "../values/visible.ts"
import { inQuotes, shownId } from "./sentences.ts"

/**
 * `Saga.cancel` was refused, and has changed nothing.
 *
 * - `Finished`: the execution has ended; its result is there for `Saga.await`
 * - `Committed`: the execution has passed its point of no return, and only goes forward
 * - `Unwinding`: the execution is being undone already
 * - `Requested`: somebody has asked for its cancellation before
 * - `Unnamed`: `by` is no well-formed text of 1 to 400 characters; the caller must act
 * - `InvalidReason`: `reason` is no well-formed text of at most 4000 characters; the caller must act
 */
export class CancellationRefused extends Schema.TaggedError<CancellationRefused>("effect-saga/CancellationRefused")(
  "CancellationRefused",
  {
    reason: Schema.Literal("Finished", "Committed", "Unwinding", "Requested", "Unnamed", "InvalidReason"),
    executionId: Schema.String
  }
) {
  override get message() {
    return visible(`execution ${shownId(this.executionId)} was not cancelled: ${refusals[this.reason]}`)
  }
}

const refusals: { readonly [Reason in CancellationRefused["reason"]]: string } = {
  Finished: "it has ended. Read its result with Saga.await or Saga.poll",
  Committed: "it has passed its point of no return, and only goes forward. Wait for its end with Saga.await",
  Unwinding: "it is being undone already. Wait for its end with Saga.await",
  Requested: "somebody has asked for its cancellation before. Wait for its end with Saga.await",
  Unnamed:
    "by must be well-formed text of 1 to 400 characters that names who cancels. Nothing was done: call again with a name",
  InvalidReason:
    "its reason must be well-formed text of at most 4000 characters. Nothing was done: call again with another reason, or with none"
}

/**
 * The store could not do what it was asked to.
 *
 * - `Unavailable`: the store cannot be reached or opened
 * - `Locked`: another process holds the database, longer than the store waits
 * - `ReadOnly`: the database cannot be written to
 * - `Full`: no room is left
 * - `NotADatabase`: the file is something else, or is damaged
 * - `InTransaction`: the call was made inside a transaction, whose rollback could take back what is stored, or (`Saga.enqueue`) whose
 *   database is another one than that of the journals; nothing was done, and the author of the call must make it outside
 * - `Rejected`: the database does not take this input or output: it is too large, or holds text that the database cannot
 *   represent; the author of the saga must act
 * - `NoTransactions`: a step says `transaction: true`, and the store has no database that its action could use; the author of the
 *   layer must act
 * - `InvalidOption`: an option of the store is no usable number, or none of its words; the author of the layer must act
 *
 * No step was started whose intent is not stored, and nothing was undone before the decision to unwind was stored: the stored
 * execution stays for `Saga.resume` or `Recovery`. The operator of the store must act.
 */
export class CheckpointError extends Schema.TaggedError<CheckpointError>("effect-saga/CheckpointError")(
  "CheckpointError",
  {
    reason: Schema.Literal(
      "Unavailable",
      "Locked",
      "ReadOnly",
      "Full",
      "NotADatabase",
      "InTransaction",
      "Rejected",
      "NoTransactions",
      "InvalidOption"
    ),
    operation: Schema.Literal("open", "append", "enqueue", "send", "load", "list", "lease", "prune"),
    executionId: Schema.optional(Schema.String),
    detail: Schema.String,
    cause: Schema.optional(Schema.Defect)
  }
) {
  override get message() {
    const { detail, executionId, operation, reason } = this
    const whose = executionId === undefined ? "" : ` of execution ${shownId(executionId)}`
    const consequence = reason === "InTransaction"
      ? "Nothing was done: make the call outside of the transaction"
      : consequences[operation]
    return visible(`the store could not ${attempts[operation]}${whose} (${reason}): ${detail}. ${consequence}`)
  }
}

type Operation = CheckpointError["operation"]

const attempts: { readonly [Of in Operation]: string } = {
  open: "open the journal",
  append: "append the journal",
  enqueue: "store the start",
  send: "store the message",
  load: "load the journal",
  list: "list executions",
  lease: "give or end the lease",
  prune: "delete finished executions"
}

const unknown = "Whether it was stored is not known: ask again"

const consequences: { readonly [Of in Operation]: string } = {
  open: "No execution was touched",
  append: "The execution stopped where it was; if something is stored of it, that stays for Saga.resume or Recovery",
  enqueue: unknown,
  send: unknown,
  load: "The execution was not touched",
  list: "No execution was touched",
  lease: "No journal was touched",
  prune: "Those that were not deleted stay: ask again"
}

/**
 * This call may not drive this execution, or not any longer. The call has stopped, and the stored execution stays.
 *
 * - `OtherSaga`, `OtherInput`: the id is taken by an execution of another saga, or of this one with another input; the
 *   caller must choose another id
 * - `OtherDriver`: another process drives the execution; this call has done nothing to it, or has stopped. The caller may wait for
 *   the result with `Saga.await`, as `Saga.execute` does by itself
 * - `WaitsForItself`: the call was made by a step of the same execution, directly or through other executions, and would wait
 *   for itself; the author of the saga must act
 * - `LeaseLost`: this process was paused, or could not reach the store, for longer than its lease lasts; this call has stopped. The
 *   stored execution stays for recovery, and another process may have gone on with it
 * - `HasMessages`: a message for the execution came before its end could be stored. Its driver takes the message and goes on by
 *   itself, so that no call ends with this
 */
export class ExecutionConflict extends Schema.TaggedError<ExecutionConflict>("effect-saga/ExecutionConflict")(
  "ExecutionConflict",
  {
    reason: Schema.Literal("OtherSaga", "OtherInput", "OtherDriver", "WaitsForItself", "LeaseLost", "HasMessages"),
    saga: Schema.String,
    executionId: Schema.String
  }
) {
  override get message() {
    return visible(sayConflict(this))
  }
}

const sayConflict = ({ executionId, reason, saga }: ExecutionConflict): string => {
  switch (reason) {
    case "OtherSaga":
      return `execution ${executionId} belongs to another saga than ${saga}: choose another executionId`
    case "OtherInput":
      return `execution ${executionId} of ${saga} was started with another input: choose another executionId`
    case "OtherDriver":
      return `execution ${executionId} of ${saga} is driven by another process, or was when this call asked for it: this call has ` +
        "stopped; call again later for the result"
    case "WaitsForItself":
      return `execution ${executionId} of ${saga} was asked for by one of its own steps, and would wait for itself: this call has ` +
        "done nothing; give the inner call another executionId"
    case "LeaseLost":
      return `this process has lost its lease on execution ${executionId} of ${saga}: this call has stopped, and the stored ` +
        "execution stays for recovery by any process"
    case "HasMessages":
      return `a message for execution ${executionId} of ${saga} came before its end could be stored: its driver takes the message and ` +
        "goes on"
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
    return visible(
      `${
        inQuotes(this.executionId)
      } cannot be an executionId of ${this.saga}: it must be well-formed text of 1 to 800 characters, ` +
        "without U+0000"
    )
  }
}

/**
 * A value cannot be stored: its schema does not encode it, or not to plain JSON, or could not read it back; or it is no attribute.
 * `problem` says why. An input, attributes or a finding are refused before anything is done; the step of an output is left in doubt
 * (S12); an execution whose own output it is has done all its steps, and stays unfinished. The author of the schema, or of the value,
 * must act.
 */
export class NotStorable extends Schema.TaggedError<NotStorable>("effect-saga/NotStorable")("NotStorable", {
  saga: Schema.String,
  executionId: Schema.String,
  value: Schema.String,
  problem: Schema.String,
  /** The step whose output it is: its action has succeeded. */
  step: Schema.optional(Schema.String),
  /** The `forEach` of which it is an item: none of its items has begun. */
  list: Schema.optional(Schema.String),
  /** There where it is the output of the saga itself. */
  everyStepDone: Schema.optional(Schema.Literal(true))
}) {
  override get message() {
    const { everyStepDone, executionId, list, problem, saga, step, value } = this
    return visible(
      `${value} cannot be stored: ${problem}. ` + (everyStepDone === true
        ? `All steps of execution ${executionId} of ${saga} have happened, and their outcomes are stored; the execution is not finished: ` +
          "the author of the success schema that build() was given must act, then Saga.resume finishes it"
        : list !== undefined
        ? `No item of "${list}" has begun, and execution ${executionId} of ${saga} is not finished: the author of the input schema of ` +
          "its items must act, then Saga.resume goes on"
        : step === undefined
        ? `The journal of execution ${executionId} of ${saga} is as it was`
        : `The action of step "${step}" has taken effect, and by its journal execution ${executionId} of ${saga} is in doubt about it: ` +
          "the author of the schema must act before the execution is recovered")
    )
  }
}

/**
 * `Saga.resume` was given a finding about a step that is not in doubt. Nothing was done. The caller must look at the execution again.
 */
export class StepNotInDoubt extends Schema.TaggedError<StepNotInDoubt>("effect-saga/StepNotInDoubt")("StepNotInDoubt", {
  saga: Schema.String,
  executionId: Schema.String,
  step: Schema.String
}) {
  override get message() {
    return visible(
      `step ${
        inQuotes(this.step)
      } of execution ${this.executionId} of ${this.saga} is not in doubt: there is nothing to settle, and ` +
        "nothing was done"
    )
  }
}

/** No execution of this id is stored, or none of this saga, or none of a plan. The caller must check the id. */
export class ExecutionNotFound extends Schema.TaggedError<ExecutionNotFound>("effect-saga/ExecutionNotFound")(
  "ExecutionNotFound",
  { saga: Schema.optional(Schema.String), plan: Schema.optional(Schema.Literal(true)), executionId: Schema.String }
) {
  override get message() {
    const whose = this.saga ?? (this.plan === true ? "a plan" : undefined)
    return visible(`no execution ${shownId(this.executionId)}${whose === undefined ? "" : ` of ${whose}`} is stored`)
  }
}

/** Executions cannot be asked for so: `problem` says why. Nothing was asked of the store. The caller must act. */
export class InvalidQuery extends Schema.TaggedError<InvalidQuery>("effect-saga/InvalidQuery")("InvalidQuery", {
  problem: Schema.String
}) {
  override get message() {
    return visible(`executions cannot be asked for so: ${this.problem}. The store was not asked: mend the query`)
  }
}

/**
 * The stored execution was started by another definition of the saga: `difference` names the difference. It was left untouched.
 * Run it with the definition that started it, or register both versions with `Recovery`. A finished one stays readable if its saga
 * was built with a `success` schema, and the saga that asks has one that can read the output; else `finished` is true: time changes
 * nothing about it, and the author of the saga must act.
 */
export class DefinitionChanged extends Schema.TaggedError<DefinitionChanged>("effect-saga/DefinitionChanged")(
  "DefinitionChanged",
  {
    saga: Schema.String,
    executionId: Schema.String,
    difference: Schema.String,
    /** There where the execution has ended. */
    finished: Schema.optional(Schema.Literal(true))
  }
) {
  override get message() {
    return visible(
      `execution ${this.executionId} was started by another definition of ${this.saga}: ${this.difference}. ` +
        (this.finished === true
          ? "It has ended, and was left untouched: read it with the definition that started it, or give this one a success schema " +
            "that reads its output"
          : "It was left untouched: resume it with the definition that started it")
    )
  }
}

/** The stored journal cannot be read: `problem` says why and where. It was left untouched. The operator of the store must act. */
export class JournalCorrupt extends Schema.TaggedError<JournalCorrupt>("effect-saga/JournalCorrupt")("JournalCorrupt", {
  executionId: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return visible(
      `the journal of execution ${this.executionId} cannot be read: ${this.problem}. It was left untouched`
    )
  }
}
