/** Checks of numbers and durations that people give as options. */
import { Duration, Option } from "effect"

/** What is wrong with a duration that has to be longer than zero; undefined if nothing is. */
export const durationProblem = (duration: unknown): string | undefined => {
  // Effect takes every number that is none, or is negative, for no time at all.
  const isNumber = typeof duration === "number" && !(duration > 0)
  const decoded = isNumber ? Option.none() : Option.filter(
    Duration.decodeUnknown(duration),
    (known) => Duration.toMillis(known) > 0
  )
  return Option.isSome(decoded) ? undefined : `${said(duration)} is no duration longer than zero`
}

/** What is wrong with a number that has to be whole, and within bounds; undefined if nothing is. */
export const countProblem = (count: unknown, atLeast: number): string | undefined =>
  typeof count === "number" && (Number.isInteger(count) || count === Infinity) && count >= atLeast
    ? undefined
    : `${said(count)} is no whole number of at least ${atLeast}`

const said = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : Duration.isDuration(value)
    ? Duration.format(value)
    : typeof value === "object" || typeof value === "function"
    ? `a ${typeof value}`
    : String(value)
