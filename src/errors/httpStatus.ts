/** The HTTP status of each error, by its tag and, where that does not tell enough, by what it says. */
import type { Conflict } from "./sentences.ts"

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
  InvalidOption: failed
}

/** A key that was used for something else is the caller's mistake; an execution that is driven elsewhere is there a moment later. */
const ofConflict: { readonly [Reason in Conflict["reason"]]: number } = {
  OtherSaga: unprocessable,
  OtherInput: unprocessable,
  OtherDriver: conflict,
  WaitsForItself: failed,
  LeaseLost: unavailable
}

export const statuses = {
  InvalidExecutionId: () => badRequest,
  ExecutionNotFound: () => notFound,
  ExecutionConflict: ({ reason }: Pick<Conflict, "reason">) => ofConflict[reason],
  StepNotInDoubt: () => conflict,
  CheckpointError: ({ reason }: { readonly reason: keyof typeof ofStore }) => ofStore[reason],
  // An input is the caller's. An output is not: the steps have happened.
  NotStorable: (error: { readonly step?: string | undefined; readonly everyStepDone?: true | undefined }) =>
    error.step === undefined && error.everyStepDone === undefined ? unprocessable : failed,
  // Another version of the program may be there still, or again.
  DefinitionChanged: () => unavailable,
  JournalCorrupt: () => failed,
  // A person has to act, and the same request again gets the same answer.
  PartlyUndone: () => failed,
  FailedAfterCommit: () => failed,
  OutcomeUnknown: () => failed,
  KeepsFailing: () => failed,
  // Everything is undone; nobody knows any more whether the caller or a service was at fault.
  RecoveredFailure: () => failed
}
