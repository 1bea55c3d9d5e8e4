/** The HTTP status of each error, by its tag and, where that does not tell enough, by what it says. */
import type { CancellationRefused, ExecutionConflict } from "./driving.ts"
import type { SignalRefused } from "./signals.ts"

const badRequest = 400
const notFound = 404
const conflict = 409
const unprocessable = 422
const failed = 500
const unavailable = 503

/** The store: what the caller's own value has caused is the caller's, what a person has to mend in the program is no matter of time. */
const ofStore = {
  Unavailable: unavailable,
  Locked: unavailable,
  ReadOnly: unavailable,
  Full: unavailable,
  NotADatabase: unavailable,
  InTransaction: failed,
  Rejected: unprocessable,
  NoTransactions: failed,
  InvalidOption: failed
}

/** A key that was used for something else is the caller's mistake; an execution that is driven elsewhere is there a moment later. */
const ofConflict: { readonly [Reason in ExecutionConflict["reason"]]: number } = {
  OtherSaga: unprocessable,
  OtherInput: unprocessable,
  OtherDriver: conflict,
  WaitsForItself: failed,
  LeaseLost: unavailable,
  HasMessages: unavailable
}

/** A cancellation that comes too late finds the execution in another state. */
const ofRefusal: { readonly [Reason in CancellationRefused["reason"]]: number } = {
  Finished: conflict,
  Committed: conflict,
  Unwinding: conflict,
  Requested: conflict,
  Unnamed: badRequest,
  InvalidReason: badRequest
}

/** A signal that nobody waits for is as unknown as its execution would be; one that comes too late finds another state. */
const ofSignal: { readonly [Reason in SignalRefused["reason"]]: number } = {
  Finished: conflict,
  Unwinding: conflict,
  Answered: conflict,
  NoStep: notFound,
  Unnamed: badRequest
}

export const statuses = {
  InvalidExecutionId: () => badRequest,
  InvalidQuery: () => badRequest,
  // The input does not fit its schema.
  ParseError: () => badRequest,
  ExecutionNotFound: () => notFound,
  ExecutionConflict: ({ reason }: Pick<ExecutionConflict, "reason">) => ofConflict[reason],
  StepNotInDoubt: () => conflict,
  CheckpointError: ({ reason }: { readonly reason: keyof typeof ofStore }) => ofStore[reason],
  // An input is the caller's. An output is not: the steps have happened.
  NotStorable: (error: { readonly step?: string | undefined; readonly everyStepDone?: true | undefined }) =>
    error.step === undefined && error.everyStepDone === undefined ? unprocessable : failed,
  // Another version of the program may be there still, or again, and go on with it. What has ended stays as it is.
  DefinitionChanged: ({ finished }: { readonly finished?: true | undefined }) =>
    finished === true ? failed : unavailable,
  JournalCorrupt: () => failed,
  // A person has to act, and the same request again gets the same answer.
  PartlyUndone: () => failed,
  FailedAfterCommit: () => failed,
  OutcomeUnknown: () => failed,
  KeepsFailing: () => failed,
  CancellationRefused: ({ reason }: Pick<CancellationRefused, "reason">) => ofRefusal[reason],
  SignalRefused: ({ reason }: Pick<SignalRefused, "reason">) => ofSignal[reason],
  // Everything is undone, because somebody wanted it.
  Cancelled: () => conflict,
  // Everything is undone; nobody knows any more whether the caller or a service was at fault.
  RecoveredFailure: () => failed
}
