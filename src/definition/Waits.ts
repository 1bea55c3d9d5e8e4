/** The options of steps that wait: for a signal, or for a time. */
import type { DateTime, Duration } from "effect"
import type { FailingWaitAfterFinal } from "./messages.ts"
import type { Earlier } from "./Step.ts"

/** A duration from when the step begins, or a point in time. */
export type Until = Duration.DurationInput | DateTime.DateTime

/**
 * How long a step waits: a duration or a point in time, or a pure function that gives one. It is asked once in an execution, and the
 * time that it gives is stored.
 */
export type HowLong<Input, Outputs> = Until | ((earlier: Earlier<Input, Outputs>) => Until)

/** What a step that waits for a signal does when nobody sends it in time. */
export interface WithTimeout<Input, Outputs, OnTimeout> {
  /** How long it waits at the most. */
  readonly timeout: HowLong<Input, Outputs>
  /** `"fail"`: the step fails with `SignalTimeout`; `{ value }`: it ends with this value. `"fail"` by default. */
  readonly onTimeout?: OnTimeout
}

/** A step that waits for a signal as long as it takes. */
export interface WithoutTimeout {
  readonly timeout?: undefined
  readonly onTimeout?: undefined
}

/** The value with which a step ends. */
export type Value<A> = { readonly value: A }

/** A timeout after a Final: the step must not fail. */
export interface WithTimeoutValue<Input, Outputs, Output> {
  /** How long it waits at the most. */
  readonly timeout: HowLong<Input, Outputs>
  /** The value with which the step ends when nobody sends the signal in time. */
  readonly onTimeout: Value<Output> | FailingWaitAfterFinal
}
