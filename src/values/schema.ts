/**
 * Calls of users' schemas, all of them: a schema that throws or dies has refused, as one that fails has. Where a schema answers at
 * once, as nearly all do, the answer is an `Exit`.
 */
import { Cause, Effect, Either, Exit, Option, ParseResult, Schema } from "effect"
import { describe } from "./describe.ts"
import { withoutSecrets } from "./secrets.ts"

type AnySchema = Schema.Schema<any, any>

/** Decodes plain JSON; fails with why it cannot be, in words without secrets. */
export const decode = (schema: AnySchema, value: unknown): Effect.Effect<any, string> =>
  answerOf(() => ParseResult.decodeUnknown(schema)(value))

/** Encodes a value; fails with why it cannot be, in words without secrets. */
export const encode = (schema: AnySchema, value: unknown): Effect.Effect<unknown, string> =>
  answerOf(() => ParseResult.encodeUnknown(schema)(value))

/** Encodes a value where its schema does that at once, and can. */
export const encodeNow = (schema: AnySchema, value: unknown): Option.Option<unknown> => now(encode(schema, value))

/** Decodes a value where its schema does that at once, and can. */
export const decodeNow = (schema: AnySchema, value: unknown): Option.Option<unknown> => now(decode(schema, value))

const now = <A>(answer: Effect.Effect<A, string>): Option.Option<A> =>
  hasSucceeded(answer) ? Option.some(answer.value) : Option.none()

/** Validates a value. Unlike Effect's own, the error never prints a value that the schema redacts. */
export const validate = <A>(
  schema: Schema.Schema<A, any, never>,
  value: unknown
): Effect.Effect<A, ParseResult.ParseError> => mapError(exitOf(Schema.validate(schema)(value)), withoutSecrets)

const answerOf = <A>(
  ask: () => Effect.Effect<A, ParseResult.ParseIssue>
): Effect.Effect<A, string> => {
  try {
    const answer = exitOf(ask())
    if (isEnded(answer)) return mapError(answer, (issue) => problemOf(Cause.fail(issue)))
    return Effect.catchAllCause(
      answer,
      (cause) =>
        Cause.isInterrupted(cause) ? Effect.failCause(cause as Cause.Cause<never>) : Effect.fail(problemOf(cause))
    )
  } catch (thrown) {
    return Exit.fail(describe(thrown).message)
  }
}

const problemOf = (cause: Cause.Cause<ParseResult.ParseIssue>): string =>
  describe(
    Option.match(Cause.failureOption(cause), {
      onNone: () => Cause.squash(cause),
      onSome: ParseResult.parseError
    })
  ).message

/** The effect as an `Exit` where it has ended already: the schemas of Effect 3 answer at once with an `Either`. */
const exitOf = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  if (!Either.isEither(effect)) return effect
  return Either.isRight(effect) ? Exit.succeed(effect.right as A) : Exit.fail(effect.left as E)
}

const isEnded = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** Whether an effect is an `Exit` that has succeeded. */
export const hasSucceeded = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** `Effect.flatMap` that goes on at once where the first effect has ended already. */
export const andThen = <A, E, R, A2, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  next: (value: A) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A2, E | E2, R | R2> => {
  if (!Exit.isExit(effect)) return Effect.flatMap(effect, next)
  return Exit.isSuccess(effect) ? next(effect.value as A) : effect as Exit.Exit<any, any>
}

/** `Effect.mapError` that leaves an effect that has succeeded already as it is. */
export const mapError = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  change: (error: E) => E2
): Effect.Effect<A, E2, R> =>
  hasSucceeded(effect) ? effect as Exit.Exit<A, never> : Exit.isExit(effect)
    ? Exit.mapError(effect as Exit.Exit<A, E>, change)
    : Effect.mapError(effect, change)

/** `Effect.match` that answers at once where the effect has ended already. */
export const match = <A, E, R, B, C>(
  effect: Effect.Effect<A, E, R>,
  on: { readonly onFailure: (error: E) => B; readonly onSuccess: (value: A) => C }
): Effect.Effect<B | C, never, R> =>
  hasSucceeded(effect) ? Exit.succeed(on.onSuccess(effect.value)) : Effect.match(effect, on)
