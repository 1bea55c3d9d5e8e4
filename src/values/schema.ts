/**
 * Calls of users' schemas, all of them: a schema that throws or dies has refused, as one that fails has. Where a schema answers at
 * once, as nearly all do, the answer is an `Exit`.
 */
import { Cause, Effect, Exit, Option, Schema } from "effect"
import * as Effect3 from "effect"
import { holdsSecret } from "./ast.ts"
import { describe } from "./describe.ts"
import { type Issue, problemsBeside, problemsIn, type ValueProblem, withoutSecretsIn, withoutValues } from "./issues.ts"

type AnySchema = Schema.Schema<any, any>

/** Decodes plain JSON; fails with why it cannot be, in words without secrets. */
export const decode = (schema: AnySchema, value: unknown): Effect.Effect<any, string> =>
  answerOf(schema, () => Effect3.ParseResult.decodeUnknown(schema)(value))

/** Encodes a value; fails with why it cannot be, in words without secrets. */
export const encode = (schema: AnySchema, value: unknown): Effect.Effect<unknown, string> =>
  answerOf(schema, () => Effect3.ParseResult.encodeUnknown(schema)(value))

/** Decodes what is stored, or will be; fails with where and why it cannot be, in words without any value: they are logged. */
export const decodeStored = (schema: AnySchema, value: unknown): Effect.Effect<any, string> =>
  mapError(ask(schema, () => Effect3.ParseResult.decodeUnknown(schema)(value)), withoutAnyValue)

/** Encodes a value to store it; fails like {@link decodeStored}. */
export const encodeToStore = (schema: AnySchema, value: unknown): Effect.Effect<unknown, string> =>
  mapError(ask(schema, () => Effect3.ParseResult.encodeUnknown(schema)(value)), withoutAnyValue)

const withoutAnyValue = (refusal: Refusal): string =>
  "issue" in refusal
    ? Effect3.ParseResult.TreeFormatter.formatIssueSync(withoutValues(refusal.issue))
    : `the schema threw: ${refusal.tag}`

/** Encodes a value where its schema does that at once, and can. */
export const encodeNow = (schema: AnySchema, value: unknown): Option.Option<unknown> => now(encode(schema, value))

/** Decodes a value where its schema does that at once, and can. */
export const decodeNow = (schema: AnySchema, value: unknown): Option.Option<unknown> => now(decode(schema, value))

const now = <A>(answer: Effect.Effect<A, string>): Option.Option<A> =>
  hasSucceeded(answer) ? Option.some(answer.value) : Option.none()

/**
 * Validates a value, and returns it as it is; or the copy of it that a schema of {@link checkedCopy} makes. Unlike Effect's own, the
 * error never prints a value that the schema redacts.
 */
export const validate = <A>(
  schema: Schema.Schema<A, any, never>,
  value: unknown
): Effect.Effect<A, Effect3.ParseResult.ParseError> => {
  const answer = ask(schema, () => Effect3.ParseResult.validate(schema)(value))
  const isCopy = copying.has(schema)
  if (hasSucceeded(answer)) return Exit.succeed(isCopy ? answer.value : value as A)
  const validated = mapError(answer, (refusal) => errorOf(schema, refusal))
  return isCopy ? validated : andThen(validated, () => Exit.succeed(value as A))
}

const errorOf = (schema: AnySchema, refusal: Refusal): Effect3.ParseResult.ParseError =>
  Effect3.ParseResult.parseError(
    "issue" in refusal
      ? refusal.issue
      : new Effect3.ParseResult.Type(schema.ast, undefined, `the schema threw: ${refusal.threw}`)
  )

const copying = new WeakSet<AnySchema>()

/** Why a schema refused a value: what is wrong with it, without secrets; or where the schema itself threw or died, of what. */
export type Refusal = { readonly issue: Issue } | { readonly threw: string; readonly tag: string }

const strictly = { errors: "all", onExcessProperty: "error" } as const

/** Decodes what somebody wrote, and finds everything that is wrong with it, members that should not be there included. */
export const decodeStrictly = <A>(schema: Schema.Schema<A, any>, value: unknown): Effect.Effect<A, Refusal> =>
  ask(schema, () => Effect3.ParseResult.decodeUnknown(schema, strictly)(value))

/** The same at once: a problem that only time could tell is not found. */
export const decodeStrictlyNow = <A>(
  schema: Schema.Schema<A, any>,
  value: unknown,
  options: { readonly exact?: boolean } = {}
): { readonly value: A } | Refusal =>
  Exit.match(
    ask(schema, () => Effect3.ParseResult.decodeUnknownEither(schema, { ...strictly, ...options })(value)) as Exit.Exit<
      A,
      Refusal
    >,
    { onSuccess: (value) => ({ value }), onFailure: (cause) => Cause.squash(cause) as Refusal }
  )

/** Everything that a refusal says is wrong. */
export const problemsOf = (refusal: Refusal): ReadonlyArray<ValueProblem> =>
  "issue" in refusal ? problemsIn(refusal.issue) : [{ path: [], reason: `the schema threw: ${refusal.threw}` }]

/** The same without what depends on the parts of the value at the open paths. */
export const problemsBesideOpen = (
  refusal: Refusal,
  open: ReadonlyArray<ReadonlyArray<PropertyKey>>
): ReadonlyArray<ValueProblem> => {
  if ("issue" in refusal) return problemsBeside(open, refusal.issue)
  // A schema that throws may have stumbled over an open part.
  return open.length > 0 ? [] : problemsOf(refusal)
}

const answerOf = <A>(schema: AnySchema, call: () => Effect.Effect<A, Issue>): Effect.Effect<A, string> =>
  mapError(
    ask(schema, call),
    (refusal) => "issue" in refusal ? describe(Effect3.ParseResult.parseError(refusal.issue)).message : refusal.threw
  )

/** Calls a schema; a schema that throws or dies has refused. */
const ask = <A>(schema: AnySchema, call: () => Effect.Effect<A, Issue>): Effect.Effect<A, Refusal> => {
  try {
    const answer = exitOf(call())
    if (isEnded(answer)) return mapError(answer, refusedWith)
    return Effect.catchAllCause(answer, (cause) => {
      if (Cause.isInterrupted(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      return Effect.fail(Option.match(Cause.failureOption(cause), {
        onNone: () => threw(schema, Cause.squash(cause)),
        onSome: refusedWith
      }))
    })
  } catch (thrown) {
    return Exit.fail(threw(schema, thrown))
  }
}

const refusedWith = (issue: Issue): Refusal => ({ issue: withoutSecretsIn(issue) })

/** An error that a schema threw may quote the value that it was given. */
const threw = (schema: AnySchema, error: unknown): Refusal => {
  const { message, tag } = describe(error)
  return { threw: holdsSecret(schema) ? tag : message, tag }
}

/** The effect as an `Exit` where it has ended already: the schemas of Effect 3 answer at once with an `Either`. */
const exitOf = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  if (!Effect3.Either.isEither(effect)) return effect
  return Effect3.Either.isRight(effect) ? Exit.succeed(effect.right as A) : Exit.fail(effect.left as E)
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

/** A schema of any value that a function accepts; it decodes to, encodes to and validates as the copy that the function makes. */
export const checkedCopy = (
  title: string,
  check: (value: unknown) => { readonly value: unknown } | { readonly problems: ReadonlyArray<string> }
): Schema.Schema<unknown> => {
  const parse = (given: unknown, _: unknown, ast: ConstructorParameters<typeof Effect3.ParseResult.Type>[0]) => {
    const checked = check(given)
    if ("value" in checked) return Effect3.ParseResult.succeed(checked.value)
    // The problems say what there is to say of the value.
    const [first, ...others] = checked.problems.map((problem) => new Effect3.ParseResult.Type(ast, undefined, problem))
    return Effect3.ParseResult.fail(new Effect3.ParseResult.Composite(ast, undefined, [first!, ...others]))
  }
  const typeConstructor = { _tag: "effect-saga/CheckedCopy" }
  const schema = Schema.declare([], { decode: () => parse, encode: () => parse }, { title, typeConstructor })
  copying.add(schema)
  return schema
}
