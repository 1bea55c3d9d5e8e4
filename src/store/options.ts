/** Checks the numbers among a store's options: one that is no number would delete journals, or keep a process waiting for ever. */
import { Duration, Effect, Option } from "effect"
import { CheckpointError } from "../SagaError.ts"

/** The milliseconds of an option, or an error that says why it is none. */
export const checkDuration = (
  name: string,
  input: Duration.DurationInput,
  range: "longer than zero" | "zero or longer"
): Effect.Effect<number, CheckpointError> => {
  const milliseconds = Option.map(isNumber(input) ? Duration.decodeUnknown(input) : Option.none(), Duration.toMillis)
  return Option.isSome(milliseconds) && (range === "zero or longer" || milliseconds.value > 0)
    ? Effect.succeed(milliseconds.value)
    : Effect.fail(
      new CheckpointError({
        reason: "InvalidOption",
        operation: "open",
        detail: `${name} is ${inWords(input)}, and must be a duration of ${range}, like "30 seconds"`
      })
    )
}

// Duration takes what is no number, or is below zero, for zero.
const isNumber = (input: Duration.DurationInput): boolean =>
  typeof input === "number" ? input >= 0 : typeof input !== "string" || !input.startsWith("-")

const inWords = (input: unknown): string =>
  Duration.isDuration(input) ? Duration.format(input) : typeof input === "string" ? `"${input}"` : String(input)
