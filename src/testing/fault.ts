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

/** One mishap. */
export type Fault =
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
  /**
   * The process dies at its n-th commit, counted from 0: before it is stored, or before it is acknowledged. A second crash happens to
   * the next process.
   */
  | { readonly _tag: "Crash"; readonly commit: number; readonly moment: "before" | "after" }
