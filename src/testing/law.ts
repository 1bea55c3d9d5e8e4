/** A law of stores, and what the checks of laws have in common. */
import { Chunk, Data, Effect, Stream } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import type { Commit, Store, Token } from "../store/Checkpoint.ts"
import { canonical } from "../values/json.ts"

/** An excerpt that starts shortly before the first difference. */
const inShort = (value: unknown, other: unknown) => {
  const [text, otherText] = [Array.from(canonical(value)), Array.from(canonical(other))]
  const parts = text.findIndex((character, index) => character !== otherText[index])
  const begin = Math.max(0, (parts === -1 ? text.length : parts) - 80)
  const end = begin + 240
  return (begin === 0 ? "" : "…") + text.slice(begin, end).join("") + (end < text.length ? "…" : "")
}

/** A store has broken a law: it gave another answer than the law demands. */
export class LawBroken extends Data.TaggedError("LawBroken")<{
  readonly law: string
  readonly expected: unknown
  readonly actual: unknown
}> {
  override get message() {
    return `a store ${this.law}: expected ${inShort(this.expected, this.actual)}, but got ${
      inShort(this.actual, this.expected)
    }`
  }
}

/** A law: a sentence that begins with "a store …", and a check of a store, which must be empty. */
export interface Law {
  readonly sentence: string
  readonly check: (store: Store) => Effect.Effect<void, LawBroken | CheckpointError>
}

type Check = (store: Store, token: Token) => Effect.Effect<void, Mismatch | CheckpointError>

class Mismatch extends Data.TaggedError("Mismatch")<{ readonly expected: unknown; readonly actual: unknown }> {}

export const same = (actual: unknown, expected: unknown): Effect.Effect<void, Mismatch> =>
  canonical(actual) === canonical(expected) ? Effect.void : Effect.fail(new Mismatch({ expected, actual }))

/** Compares only the members that are expected. */
export const like = (actual: ReadonlyArray<object>, expected: ReadonlyArray<object>): Effect.Effect<void, Mismatch> =>
  same(
    actual.map((one, index) =>
      Object.fromEntries(Object.keys(expected[index] ?? one).map((key) => [key, (one as Record<string, unknown>)[key]]))
    ),
    expected
  )

export const commit = (
  token: Token,
  executionId: string,
  sequence: number,
  status: Commit["status"] = "Running",
  fence = 0
): Commit => ({
  executionId,
  saga: "Trip",
  version: 3,
  sequence,
  status,
  body: JSON.stringify(`${executionId} ${sequence} "quoted" 'too' \\ ? $1 ☃ 😀 \u0000\n`),
  token,
  fence,
  taken: 0,
  wakeIn: undefined,
  isPlan: false,
  attributes: undefined
})

export const list = (store: Store, parked = false) =>
  Effect.map(Stream.runCollect(store.unfinished({ parked })), Chunk.toReadonlyArray)

export const forAnHour = { milliseconds: 3_600_000 }

export const law = (sentence: string, check: Check): Law => ({
  sentence,
  check: (store) =>
    Effect.flatMap(store.acquire(forAnHour), (token) => check(store, token)).pipe(
      Effect.catchTag("Mismatch", ({ actual, expected }) =>
        Effect.fail(new LawBroken({ law: sentence, actual, expected })))
    )
})
