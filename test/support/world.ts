/**
 * The outside world of the tests: the library's own `Ledger`, which services that honour keys write to, and beside it a log of
 * everything that was asked for in order, refusals and notes included.
 */
import { Data, Effect } from "effect"
import type { Step } from "effect-saga"
import { Ledger } from "effect-saga/testing"

export class Refused extends Data.TaggedError("Refused")<{ readonly step: string }> {}

interface ActionKey {
  readonly idempotencyKey: Step.IdempotencyKey
}
interface CompensationKeys extends ActionKey {
  readonly actionIdempotencyKey: Step.IdempotencyKey
}

export const makeWorld = () => {
  const ledger = Effect.runSync(Ledger.make())
  const log: Array<string> = []
  const keys: Array<string> = []
  const asked = (line: string, key: string) => {
    log.push(line)
    keys.push(key)
  }
  return {
    /** `+flight` for done, `-flight` for undone, `!flight` for refused, in order. */
    log,
    /** The keys of all that was done and undone, in order. */
    keys,
    /** What stands, by step. */
    standing: () => Effect.runSync(ledger.standing),
    has: ledger.has,
    do: (step: string) => ({ idempotencyKey }: ActionKey) =>
      Effect.suspend(() => {
        asked(`+${step}`, idempotencyKey)
        return Effect.as(ledger.do(step, idempotencyKey), `${step}-output`)
      }),
    undo: (step: string) => ({ actionIdempotencyKey, idempotencyKey }: CompensationKeys) =>
      Effect.suspend(() => {
        asked(`-${step}`, idempotencyKey)
        return Effect.asVoid(ledger.undo(step, actionIdempotencyKey))
      }),
    refuse: (step: string) => () =>
      Effect.suspend(() => {
        log.push(`!${step}`)
        return Effect.fail(new Refused({ step }))
      }),
    note: (line: string) => Effect.sync(() => void log.push(line))
  }
}

export type World = ReturnType<typeof makeWorld>
