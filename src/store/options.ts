/**
 * Checks options: a number that is none would delete journals, or keep a process waiting for ever, and a word that is misspelt would
 * be taken for another.
 */
import { type Duration, Effect, Option } from "effect"
import { CheckpointError } from "../SagaError.ts"
import { countProblem, millisOf, said } from "../values/numbers.ts"

export const invalid = (detail: string) => new CheckpointError({ reason: "InvalidOption", operation: "open", detail })

/** The milliseconds of an option, or an error that says why it is none. */
export const checkDuration = (
  name: string,
  input: Duration.DurationInput,
  range: "longer than zero" | "zero or longer"
): Effect.Effect<number, CheckpointError> =>
  Option.match(millisOf(input, range), {
    onNone: () =>
      Effect.fail(invalid(`${name} is ${said(input)}, and must be a duration of ${range}, like "30 seconds"`)),
    onSome: Effect.succeed
  })

/** An option that counts from 1, or an error that says why it does not. */
export const checkCount = (name: string, input: number): Effect.Effect<number, CheckpointError> => {
  const problem = countProblem(input, 1)
  return problem === undefined ? Effect.succeed(input) : Effect.fail(invalid(`${name} is wrong: ${problem}`))
}

/** An option that is one of a few values, or an error that says that it is none of them. */
export const checkOneOf = <const A>(
  name: string,
  input: A,
  known: ReadonlyArray<A>
): Effect.Effect<A, CheckpointError> =>
  known.includes(input)
    ? Effect.succeed(input)
    : Effect.fail(invalid(`${name} is ${said(input)}, and must be ${known.map(said).join(" or ")}`))
