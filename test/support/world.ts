/**
 * The outside world of the tests: remembers what was done and undone, in order and under which key, and can be told to
 * fail. Doing a thing twice under one key does it once, as with a service that honours keys.
 */
import { Data, Effect } from "effect"
import type { Step } from "effect-saga"

export class Refused extends Data.TaggedError("Refused")<{ readonly step: string }> {}

export const makeWorld = () => {
  const log: Array<string> = []
  const keys: Array<string> = []
  const standing = new Map<string, string>()
  return {
    /** `+flight` for done, `-flight` for undone, in order. */
    log,
    /** The keys of all calls, in order. */
    keys,
    /** What stands: step by key. */
    standing: () => Array.from(standing.values()),
    has: (key: string) => standing.has(key),
    do: (step: string) => (context: { readonly idempotencyKey: Step.IdempotencyKey }) =>
      Effect.sync(() => {
        log.push(`+${step}`)
        keys.push(context.idempotencyKey)
        standing.set(context.idempotencyKey, step)
        return `${step}-output`
      }),
    undo:
      (step: string) =>
      (context: { readonly idempotencyKey: Step.IdempotencyKey; readonly actionIdempotencyKey: Step.IdempotencyKey }) =>
        Effect.sync(() => {
          log.push(`-${step}`)
          keys.push(context.idempotencyKey)
          standing.delete(context.actionIdempotencyKey)
        }),
    refuse: (step: string) => () =>
      Effect.suspend(() => {
        log.push(`!${step}`)
        return Effect.fail(new Refused({ step }))
      }),
    note: (what: string) => Effect.sync(() => void log.push(what))
  }
}

export type World = ReturnType<typeof makeWorld>
