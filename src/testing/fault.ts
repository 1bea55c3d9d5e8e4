/** The mishaps that a saga can be tested with. */
import { Data } from "effect"

/** The error with which an action or a compensation fails or dies where a fault says so. */
export class InjectedFault extends Data.TaggedError("InjectedFault")<{ readonly step: string }> {
  override get message() {
    return `a fault was injected into step "${this.step}"`
  }
}

/**
 * How an action goes wrong.
 *
 * - `fails`, `dies`: before it has had any effect
 * - `losesItsReply`: it takes effect, and ends with `OutcomeUnknown`
 * - `hangs`: it takes effect, and never ends, so that its timeout cuts it
 * - `isInterrupted`: the run is interrupted while it runs
 * - `isRepeated`: it is called twice under its key, as after a crash
 */
export type ActionFault = "fails" | "dies" | "losesItsReply" | "hangs" | "isInterrupted" | "isRepeated"

/** How a compensation goes wrong: before it has had any effect, or by being called twice under its key. */
export type CompensationFault = "fails" | "dies" | "isRepeated"

/** A mishap of the action or of the compensation of one step. */
export type StepFault =
  | {
    readonly _tag: "Action"
    readonly step: string
    readonly how: ActionFault
    /** How many calls go wrong, counted over all processes. */
    readonly calls: number
  }
  | {
    readonly _tag: "Compensation"
    readonly step: string
    readonly how: CompensationFault
    readonly calls: number
  }

/** A mishap at the n-th commit of a process, counted from 0: before it is stored, or once it is. */
export type CommitFault =
  /** The process dies: before the commit is stored, or before it is acknowledged. */
  | { readonly _tag: "Crash"; readonly commit: number; readonly moment: "before" | "after" }
  /** Somebody cancels the execution from another process. */
  | { readonly _tag: "Cancel"; readonly commit: number; readonly moment: "before" | "after" }
  /** The call that waits for the execution is interrupted once the commit is stored, and its caller asks again. */
  | { readonly _tag: "Disconnect"; readonly commit: number }
  /** The process closes its checkpoint in order, once the commit is stored. */
  | { readonly _tag: "Close"; readonly commit: number }

/**
 * One mishap. A process ends by a `Crash` or a `Close`: of two of these the second happens to the next process. A `Cancel` and a
 * `Disconnect` happen in the first process that comes to their commit.
 */
export type Fault = StepFault | CommitFault
