/** Tells the observer of a run when an action or a compensation will be called again. Without an observer nothing is added. */
import { type Cause, Effect, Schedule } from "effect"
import * as Effect3 from "effect"
import type { RetryPolicy } from "../definition/Step.ts"
import { committedFinal } from "../Journal.ts"
import type { Calls, Role } from "../watch/observer.ts"
import { storeCause } from "./codec.ts"
import type { Recorder } from "./recorder.ts"
import type { AnyEffect, Run } from "./run.ts"

/** The retries of one action or compensation, as an observer hears of them. */
export interface ObservedRetries {
  /** Notes why the last call failed. */
  readonly failed: (cause: Cause.Cause<unknown>) => void
  /** Tells that the next call follows at once. */
  readonly now: () => void
  /** A schedule that also tells when the next call follows. */
  readonly on: <Out, In, R>(schedule: Schedule.Schedule<Out, In, R>) => Schedule.Schedule<Out, In, R>
}

export const observedRetries = (run: Run, role: Role, calls: Calls): ObservedRetries | undefined => {
  const { recorder, whenPausing } = run
  return recorder === undefined || (recorder.observer === undefined && whenPausing === undefined)
    ? undefined
    : makeObservedRetries(recorder, whenPausing, role, calls)
}

const makeObservedRetries = (
  recorder: Recorder,
  whenPausing: Run["whenPausing"],
  role: Role,
  calls: Calls
): ObservedRetries => {
  let last: Cause.Cause<unknown> | undefined
  const tell = (nextAt: number) => {
    const cause = last
    const at = recorder.now()
    const failures = () => cause === undefined ? [] : storeCause(undefined, cause)
    recorder.observer?.tellRetry(role, calls, { failures, at, nextAt: Math.max(at, nextAt) })
    if (whenPausing === undefined) return
    const state = recorder.state()
    const isDecided = state !== undefined && (state.direction === "Back" || committedFinal(state) !== undefined)
    whenPausing({ milliseconds: Math.max(0, nextAt - at), isDecided })
  }
  return {
    failed: (cause) => {
      last = cause
    },
    now: () => tell(recorder.now()),
    on: (schedule) =>
      Schedule.onDecision(schedule, (_, decision) =>
        Effect.sync(() => {
          if (Effect3.ScheduleDecision.isContinue(decision)) tell(Effect3.ScheduleIntervals.start(decision.intervals))
        }))
  }
}

export const retryOptions = (policy: RetryPolicy<any, number, any>) => policy as Effect.Retry.Options<unknown>

/** `Effect.retry` that tells an observer of each retry. */
export const retryAs = (
  effect: AnyEffect,
  policy: RetryPolicy<any, number, any>,
  observed: ObservedRetries | undefined
): AnyEffect =>
  observed === undefined
    ? Effect.retry(effect, retryOptions(policy))
    : Effect.retry(
      Effect.tapErrorCause(effect, (cause) => Effect.sync(() => observed.failed(cause))),
      observed.on(scheduleOf(policy))
    )

/** The schedule that `Effect.retry` makes of such a policy. Only as a whole does it know whether another call follows. */
const scheduleOf = ({ schedule = Schedule.forever, times, while: isWorthIt }: RetryPolicy<any, number, any>) => {
  const whileWorthIt: Schedule.Schedule<unknown, any, any> = isWorthIt === undefined
    ? schedule
    : Schedule.whileInput(schedule, isWorthIt)
  return times === undefined ? whileWorthIt : Schedule.intersect(whileWorthIt, Schedule.recurs(times))
}
