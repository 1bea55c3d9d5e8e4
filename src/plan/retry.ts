/** The retries and time-outs of a plan's steps, within the limits. */
import { Duration, Schedule } from "effect"
import type { RetryPolicy } from "../definition/Step.ts"
import { millisOf, type Retry } from "./document.ts"
import type { InMillis } from "./limits.ts"

/** No timer counts further, about 24 days: a longer time would never end. */
export const longestMillis = 2 ** 31 - 1

/**
 * When a call is made again. A stored plan was accepted under the limits of its day: those of today hold for it all the same. A retry
 * that asks for neither a number nor a pause is left as it is, for the rules to refuse.
 */
export const retryOf = (
  retry: Retry | undefined,
  limits: InMillis
): RetryPolicy<unknown, number, never> | undefined => {
  if (retry === undefined) return undefined
  const { delay, factor, maxDelay, times } = retry
  const first = delay === undefined ? 0 : millisOf(delay)
  const longest = maxDelay === undefined ? longestMillis : millisOf(maxDelay)
  const pauses = first > 0 && longest > 0
  if (times === undefined && !pauses) return {}
  const bounded = { times: Math.min(times ?? Infinity, limits.maxRetries) }
  const schedule = scheduleOf(
    pauses ? { first, factor: factor ?? 1, longest } : { first: 0, factor: 1, longest },
    limits
  )
  return schedule === undefined ? bounded : { ...bounded, schedule }
}

interface Pauses {
  readonly first: number
  readonly factor: number
  readonly longest: number
}

const scheduleOf = (
  { factor, first, longest }: Pauses,
  { minDelay }: InMillis
): Schedule.Schedule<unknown> | undefined => {
  const atMost = Math.max(Math.min(longest, longestMillis), minDelay)
  const start = Math.min(Math.max(first, minDelay), atMost)
  if (start === 0) return undefined
  if (factor === 1) return Schedule.spaced(start)
  return Schedule.modifyDelay(
    Schedule.exponential(first, factor),
    (_, delay) => Duration.millis(Math.min(Math.max(Duration.toMillis(delay), minDelay), atMost))
  )
}

/** When a call is cut off. */
export const timeoutOf = (timeout: string | undefined, limits: InMillis): Duration.Duration | undefined => {
  const asked = timeout === undefined ? Infinity : Math.max(millisOf(timeout), limits.minTimeout)
  const millis = Math.min(asked, limits.maxTimeout)
  return millis === Infinity ? undefined : Duration.millis(millis)
}
