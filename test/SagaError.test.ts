import { describe, expect, it } from "@effect/vitest"
import { Cause, ParseResult, Schema } from "effect"
import { SagaError } from "effect-saga"

const whose = { saga: "Trip", executionId: "7" }

describe("every message says what is true now and who must act", () => {
  const compensationFailed = {
    ...whose,
    cause: Cause.fail(new Error("declined")),
    undone: ["car"],
    failed: [{ step: "flight", cause: Cause.die(new Error("airline is down")) }],
    notTried: ["hotel"]
  }
  const failedAfterCommit = {
    ...whose,
    step: "email",
    cause: Cause.fail(new Error("mail is down")),
    stands: ["hotel", "charge"]
  }
  const messages: Record<string, readonly [{ readonly message: string }, string]> = {
    "PartlyUndone in process": [
      new SagaError.PartlyUndone({ ...compensationFailed, parked: false }),
      `Trip (7) was unwound because of Error: declined. Undone: "car". Not undone, and still in effect: "flight" (Error: ` +
      `airline is down), "hotel" (not tried). A person must undo the rest by hand`
    ],
    "PartlyUndone, parked": [
      new SagaError.PartlyUndone({ ...compensationFailed, undone: [], notTried: [], parked: true }),
      `Trip (7) was unwound because of Error: declined. Undone: nothing. Not undone, and still in effect: "flight" (Error: ` +
      `airline is down). The execution is parked: mend the cause, then Saga.resume tries the remaining compensations again`
    ],
    "FailedAfterCommit in process": [
      new SagaError.FailedAfterCommit({ ...failedAfterCommit, parked: false }),
      `Trip (7) failed at step "email", after its point of no return: Error: mail is down. In effect, and not to be ` +
      `undone: "hotel", "charge". A person must finish the rest by hand`
    ],
    "FailedAfterCommit, parked": [
      new SagaError.FailedAfterCommit({ ...failedAfterCommit, parked: true }),
      `Trip (7) failed at step "email", after its point of no return: Error: mail is down. In effect, and not to be ` +
      `undone: "hotel", "charge". The execution is parked: Saga.resume goes on from there`
    ],
    "FailedAfterCommit of a projection": [
      new SagaError.FailedAfterCommit({ ...failedAfterCommit, step: undefined, parked: false }),
      `Trip (7) failed while its output was made, after its point of no return: Error: mail is down. In effect, and not to ` +
      `be undone: "hotel", "charge". A person must finish the rest by hand`
    ],
    "OutcomeUnknown as an action fails with it": [
      new SagaError.OutcomeUnknown({ reason: "no reply" }),
      "the outcome is unknown: no reply"
    ],
    "OutcomeUnknown in process": [
      new SagaError.OutcomeUnknown({
        ...whose,
        step: "charge",
        idempotencyKey: "k",
        reason: "no reply",
        parked: false
      }),
      `nobody knows whether step "charge" of Trip (7) happened: no reply. The completed steps before it were unwound: find ` +
      `out by the idempotency key k, and undo it by hand if it happened`
    ],
    "OutcomeUnknown, parked": [
      new SagaError.OutcomeUnknown({ ...whose, step: "charge", idempotencyKey: "k", reason: "no reply", parked: true }),
      `nobody knows whether step "charge" of Trip (7) happened: no reply. The execution is parked and nothing was undone: ` +
      `find out by the idempotency key k, then call Saga.resume with the finding`
    ],
    "OutcomeUnknown, verified not to have happened": [
      new SagaError.OutcomeUnknown({ ...whose, step: "charge", reason: "no reply", happened: false }),
      `step "charge" of Trip (7) gave no answer, and verify says that it did not happen: no reply`
    ],
    "CheckpointError of a write": [
      new SagaError.CheckpointError({ reason: "Full", operation: "append", executionId: "7", detail: "disk is full" }),
      `the store could not append the journal of execution 7 (Full): disk is full. The execution stopped where it was; ` +
      `if something is stored of it, that stays for Saga.resume or Recovery`
    ],
    "CheckpointError of the opening": [
      new SagaError.CheckpointError({ reason: "NotADatabase", operation: "open", detail: "file is not a database" }),
      "the store could not open the journal (NotADatabase): file is not a database. No execution was touched"
    ],
    "CheckpointError inside a transaction": [
      new SagaError.CheckpointError({ reason: "InTransaction", operation: "list", detail: "it is inside" }),
      "the store could not list executions (InTransaction): it is inside. Nothing was done: make the call outside of the transaction"
    ],
    "CheckpointError of a start that is enqueued": [
      new SagaError.CheckpointError({
        reason: "Unavailable",
        operation: "enqueue",
        executionId: "7",
        detail: "it is gone"
      }),
      "the store could not store the start of execution 7 (Unavailable): it is gone. Whether it was stored is not known: ask again"
    ],
    "CheckpointError of a claim": [
      new SagaError.CheckpointError({ reason: "Locked", operation: "lease", executionId: "7", detail: "busy" }),
      "the store could not give or end the lease of execution 7 (Locked): busy. No journal was touched"
    ],
    "CheckpointError of a deletion": [
      new SagaError.CheckpointError({ reason: "Locked", operation: "prune", detail: "busy" }),
      "the store could not delete finished executions (Locked): busy. Those that were not deleted stay: ask again"
    ],
    "NotStorable": [
      new SagaError.NotStorable({ ...whose, value: "the input", problem: "it is odd" }),
      "the input cannot be stored: it is odd. The journal of execution 7 of Trip is as it was"
    ],
    "NotStorable of a saga's output": [
      new SagaError.NotStorable({ ...whose, value: "the output", problem: "it is odd", everyStepDone: true }),
      "the output cannot be stored: it is odd. All steps of execution 7 of Trip have happened, and their outcomes are stored; the " +
      "execution is not finished: the author of the success schema that build() was given must act, then Saga.resume finishes it"
    ],
    "StepNotInDoubt": [
      new SagaError.StepNotInDoubt({ ...whose, step: "charge" }),
      `step "charge" of execution 7 of Trip is not in doubt: there is nothing to settle, and nothing was done`
    ],
    "ExecutionConflict, OtherDriver": [
      new SagaError.ExecutionConflict({ ...whose, reason: "OtherDriver" }),
      "execution 7 of Trip is driven by another process, or was when this call asked for it: this call has stopped; call again later for the result"
    ],
    "ExecutionConflict, OtherInput": [
      new SagaError.ExecutionConflict({ ...whose, reason: "OtherInput" }),
      "execution 7 of Trip was started with another input: choose another executionId"
    ],
    "ExecutionConflict, OtherSaga": [
      new SagaError.ExecutionConflict({ ...whose, reason: "OtherSaga" }),
      "execution 7 belongs to another saga than Trip: choose another executionId"
    ],
    "ExecutionConflict, HasMessages": [
      new SagaError.ExecutionConflict({ ...whose, reason: "HasMessages" }),
      "a message for execution 7 of Trip came before its end could be stored: its driver takes the message and goes on"
    ],
    "Cancelled": [
      new SagaError.Cancelled({ ...whose, by: "clerk 4", reason: "the customer called" }),
      "Trip (7) was cancelled by clerk 4: the customer called"
    ],
    "CancellationRefused": [
      new SagaError.CancellationRefused({ executionId: "7", reason: "Committed" }),
      "execution 7 was not cancelled: it has passed its point of no return, and only goes forward. Wait for its end with Saga.await"
    ],
    "CancellationRefused, for its reason": [
      new SagaError.CancellationRefused({ executionId: "7", reason: "InvalidReason" }),
      "execution 7 was not cancelled: its reason must be well-formed text of at most 4000 characters. Nothing was done: call again " +
      "with another reason, or with none"
    ],
    "Cancelled, for a reason that says nothing": [
      new SagaError.Cancelled({ ...whose, by: "clerk 4", reason: " " }),
      "Trip (7) was cancelled by clerk 4"
    ],
    "CheckpointError of a message": [
      new SagaError.CheckpointError({ reason: "Locked", operation: "send", executionId: "7", detail: "busy" }),
      "the store could not store the message of execution 7 (Locked): busy. Whether it was stored is not known: ask again"
    ],
    "InvalidExecutionId": [
      new SagaError.InvalidExecutionId({ saga: "Trip", executionId: "" }),
      `"" cannot be an executionId of Trip: it must be well-formed text of 1 to 800 characters, without U+0000`
    ],
    "ExecutionNotFound": [new SagaError.ExecutionNotFound(whose), "no execution 7 of Trip is stored"],
    "ExecutionNotFound, of any saga": [
      new SagaError.ExecutionNotFound({ executionId: "7" }),
      "no execution 7 is stored"
    ],
    "ExecutionNotFound, of a plan": [
      new SagaError.ExecutionNotFound({ executionId: "7", plan: true }),
      "no execution 7 of a plan is stored"
    ],
    "ExecutionNotFound, of an id that is empty": [
      new SagaError.ExecutionNotFound({ executionId: "" }),
      "no execution \"\" is stored"
    ],
    "InvalidQuery": [
      new SagaError.InvalidQuery({ problem: "limit is 0, and must be a whole number from 1 to 1000" }),
      "executions cannot be asked for so: limit is 0, and must be a whole number from 1 to 1000. The store was not asked: mend " +
      "the query"
    ],
    "DefinitionChanged": [
      new SagaError.DefinitionChanged({ ...whose, difference: "step 1 is gone" }),
      "execution 7 was started by another definition of Trip: step 1 is gone. It was left untouched: resume it with the " +
      "definition that started it"
    ],
    "DefinitionChanged, of one that has ended": [
      new SagaError.DefinitionChanged({ ...whose, difference: "step 1 is gone", finished: true }),
      "execution 7 was started by another definition of Trip: step 1 is gone. It has ended, and was left untouched: read it with the " +
      "definition that started it, or give this one a success schema that reads its output"
    ],
    "JournalCorrupt": [
      new SagaError.JournalCorrupt({ executionId: "7", problem: "commit 3 is missing" }),
      "the journal of execution 7 cannot be read: commit 3 is missing. It was left untouched"
    ],
    "RecoveredFailure": [
      new SagaError.RecoveredFailure({ tag: "CardDeclined", detail: "no money" }),
      "CardDeclined: no money (restored from the journal)"
    ]
  }
  for (const [what, [error, message]] of Object.entries(messages)) {
    it(what, () => expect(error.message).toBe(message))
  }
})

describe("an id of a million characters", () => {
  const executionId = "x".repeat(1_000_000)
  const start = `"${"x".repeat(60)}"…`
  const messages: ReadonlyArray<readonly [{ readonly message: string }, string]> = [
    [
      new SagaError.InvalidExecutionId({ saga: "Trip", executionId }),
      `${start} cannot be an executionId of Trip: it must be well-formed text of 1 to 800 characters, without U+0000`
    ],
    [new SagaError.ExecutionNotFound({ executionId }), `no execution ${start} is stored`],
    [
      new SagaError.CancellationRefused({ executionId, reason: "Unnamed" }),
      `execution ${start} was not cancelled: by must be well-formed text of 1 to 400 characters that names who cancels. ` +
      "Nothing was done: call again with a name"
    ],
    [
      new SagaError.StepNotInDoubt({ ...whose, step: executionId }),
      `step ${start} of execution 7 of Trip is not in doubt: there is nothing to settle, and nothing was done`
    ]
  ]
  for (const [error, message] of messages) {
    it(`is not all of the message of ${error.constructor.name}`, () => expect(error.message).toBe(message))
  }
})

describe("the HTTP status of an error says who can act", () => {
  const conflict = (reason: SagaError.ExecutionConflict["reason"]) =>
    new SagaError.ExecutionConflict({ ...whose, reason })
  const refused = (reason: SagaError.CancellationRefused["reason"]) =>
    new SagaError.CancellationRefused({ reason, executionId: "7" })
  const ofStore = (reason: SagaError.CheckpointError["reason"]) =>
    new SagaError.CheckpointError({ reason, operation: "load", detail: "" })
  const notStorable = { ...whose, value: "", problem: "" }
  const standing = { ...whose, cause: Cause.empty, stands: [], parked: true }
  const statuses: Record<string, readonly [number, ReadonlyArray<Parameters<typeof SagaError.httpStatus>[0]>]> = {
    "the caller, with another key or another request": [400, [
      new SagaError.InvalidExecutionId({ saga: "Trip", executionId: "" }),
      refused("Unnamed"),
      refused("InvalidReason"),
      new SagaError.InvalidQuery({ problem: "" }),
      ParseResult.parseError(new ParseResult.Type(Schema.Void.ast, undefined))
    ]],
    "the caller, who asks for what is not there": [404, [new SagaError.ExecutionNotFound(whose)]],
    "the caller, who looks again": [409, [
      conflict("OtherDriver"),
      refused("Finished"),
      refused("Committed"),
      refused("Unwinding"),
      refused("Requested"),
      new SagaError.Cancelled({ ...whose, by: "clerk" }),
      new SagaError.StepNotInDoubt({ ...whose, step: "charge" })
    ]],
    "the caller, whose value or key is not fit for it": [422, [
      conflict("OtherInput"),
      conflict("OtherSaga"),
      ofStore("Rejected"),
      new SagaError.NotStorable(notStorable)
    ]],
    "nobody: the same request may succeed later": [503, [
      conflict("LeaseLost"),
      conflict("HasMessages"),
      ofStore("Unavailable"),
      ofStore("Locked"),
      ofStore("ReadOnly"),
      ofStore("Full"),
      ofStore("NotADatabase"),
      new SagaError.DefinitionChanged({ ...whose, difference: "" })
    ]],
    "a person behind the server": [500, [
      conflict("WaitsForItself"),
      ofStore("InTransaction"),
      ofStore("InvalidOption"),
      new SagaError.NotStorable({ ...notStorable, step: "charge" }),
      new SagaError.NotStorable({ ...notStorable, everyStepDone: true }),
      new SagaError.JournalCorrupt({ executionId: "7", problem: "" }),
      new SagaError.DefinitionChanged({ ...whose, difference: "", finished: true }),
      new SagaError.PartlyUndone({ ...whose, cause: Cause.empty, undone: [], failed: [], notTried: [], parked: true }),
      new SagaError.FailedAfterCommit({ ...standing, step: "email" }),
      new SagaError.OutcomeUnknown({ reason: "" }),
      new SagaError.KeepsFailing({ ...whose, claims: 11, stands: [] }),
      new SagaError.RecoveredFailure({ tag: "", detail: "" })
    ]]
  }
  for (const [who, [status, errors]] of Object.entries(statuses)) {
    it(`${status}: ${who}`, () => expect(errors.map(SagaError.httpStatus)).toEqual(errors.map(() => status)))
  }
})
