/** Checks of numbers and durations that people give as options. */
import { Duration, Option } from "effect"

type Range = "longer than zero" | "zero or longer"

/** The milliseconds of a duration within this range, if it is one. */
export const millisOf = (duration: unknown, range: Range): Option.Option<number> => {
  // Effect takes every number that is none, or is below zero, for no time at all.
  const isNone = typeof duration === "number"
    ? !(duration >= 0)
    : typeof duration === "string" && duration.startsWith("-")
  return Option.filter(
    Option.map(isNone ? Option.none() : Duration.decodeUnknown(duration), Duration.toMillis),
    (milliseconds) => range === "zero or longer" || milliseconds > 0
  )
}

/** What is wrong with a duration that has to be longer than zero; undefined if nothing is. */
export const durationProblem = (duration: unknown): string | undefined =>
  Option.isSome(millisOf(duration, "longer than zero"))
    ? undefined
    : `${said(duration)} is no duration longer than zero`

/** What is wrong with a number that has to be whole, and within bounds; undefined if nothing is. */
export const countProblem = (count: unknown, atLeast: number): string | undefined =>
  typeof count === "number" && (Number.isInteger(count) || count === Infinity) && count >= atLeast
    ? undefined
    : `${said(count)} is no whole number of at least ${atLeast}`

/** Text as it is; of any other value that stands where a text should, what it is. */
export const textOrKind = (value: unknown): string => typeof value === "string" ? value : `(no text: ${said(value)})`

/** A value of any kind, short, for an error. */
export const said = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.slice(0, 60))
    case "number":
    case "bigint":
    case "boolean":
    case "undefined":
      return `${value}`
    case "object":
      return Duration.isDuration(value) ? Duration.format(value) : value === null ? "null" : "an object"
    case "function":
    case "symbol":
      return `a ${typeof value}`
  }
}
