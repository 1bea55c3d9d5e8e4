/**
 * What each classification and each status means, as tables with a row for every one: code that treats them differently asks
 * these tables, so that a new one does not compile before somebody has said what it means.
 */
import { Schema } from "effect"
import type { Classification } from "./events.ts"

/**
 * Where an execution is.
 *
 * - `Running`: it goes forward
 * - `Unwinding`: it goes back
 * - `Parked`: it waits for a person or a retry
 * - `Waiting`: it waits for a signal or for a time, as its definition says
 * - `Succeeded`, `Undone`: it is finished
 */
export const Status = Schema.Literal("Running", "Unwinding", "Parked", "Waiting", "Succeeded", "Undone")
export type Status = typeof Status.Type

/** Where a step is. */
export type StepStatus =
  | "Skipped"
  | "Started"
  | "InDoubt"
  | "Succeeded"
  | "Failed"
  | "Undoing"
  | "Undone"
  | "CompensationFailed"

export const classifications: {
  readonly [Name in Classification]: {
    /** Its action changes something outside: its intent is stored first, and it can be in doubt. */
    readonly hasSideEffect: boolean
    /** A compensation reverses it. */
    readonly isUndoable: boolean
    /** Once it has taken effect the saga can only go forward. */
    readonly commits: boolean
  }
} = {
  ReadOnly: { hasSideEffect: false, isUndoable: false, commits: false },
  Compensatable: { hasSideEffect: true, isUndoable: true, commits: false },
  Final: { hasSideEffect: true, isUndoable: false, commits: true }
}

/**
 * Who has an execution of each status: a driver, under a claim; nobody, until a person or a retry sets it going again; nobody,
 * until its time has come or a message is there; or nobody, for good.
 */
export const holders: { readonly [Name in Status]: "driver" | "nobody yet" | "nobody for now" | "nobody" } = {
  Running: "driver",
  Unwinding: "driver",
  Parked: "nobody yet",
  Waiting: "nobody for now",
  Succeeded: "nobody",
  Undone: "nobody"
}

/** Whether the store lets an execution be of this status only once its driver has taken all messages. */
export const leavesNoMessage = (status: Status): boolean =>
  holders[status] === "nobody" || holders[status] === "nobody for now"
export const isWaiting = (status: Status): boolean => holders[status] === "nobody for now"
export const isDriven = (status: Status): boolean => holders[status] === "driver"
export const isFinished = (status: Status): status is "Succeeded" | "Undone" => holders[status] === "nobody"

export const stepStatuses: {
  readonly [Name in StepStatus]: {
    /** Its action has succeeded, whatever became of it later. */
    readonly tookEffect: boolean
    /** Its action has started, and its outcome is not known. */
    readonly isOpen: boolean
    /** Its action may start, or start again. */
    readonly mayStart: boolean
    /** Its compensation may start, or start again. */
    readonly mayBeUndone: boolean
    /** The execution may end with it, where it ends so. */
    readonly endsAs: { readonly Succeeded: boolean; readonly Undone: boolean }
  }
} = {
  Skipped: {
    tookEffect: false,
    isOpen: false,
    mayStart: false,
    mayBeUndone: false,
    endsAs: { Succeeded: true, Undone: true }
  },
  Started: {
    tookEffect: false,
    isOpen: true,
    mayStart: true,
    mayBeUndone: false,
    endsAs: { Succeeded: false, Undone: false }
  },
  InDoubt: {
    tookEffect: false,
    isOpen: true,
    mayStart: true,
    mayBeUndone: false,
    endsAs: { Succeeded: false, Undone: false }
  },
  Succeeded: {
    tookEffect: true,
    isOpen: false,
    mayStart: false,
    mayBeUndone: true,
    endsAs: { Succeeded: true, Undone: false }
  },
  Failed: {
    tookEffect: false,
    isOpen: false,
    mayStart: true,
    mayBeUndone: false,
    endsAs: { Succeeded: false, Undone: true }
  },
  Undoing: {
    tookEffect: true,
    isOpen: false,
    mayStart: false,
    mayBeUndone: true,
    endsAs: { Succeeded: false, Undone: false }
  },
  Undone: {
    tookEffect: true,
    isOpen: false,
    mayStart: false,
    mayBeUndone: false,
    endsAs: { Succeeded: false, Undone: true }
  },
  CompensationFailed: {
    tookEffect: true,
    isOpen: false,
    mayStart: false,
    mayBeUndone: true,
    endsAs: { Succeeded: false, Undone: false }
  }
}
