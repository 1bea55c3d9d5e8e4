/** Steps in words, and the steps that the words describe. */
import { Effect, Schema } from "effect"
import type { StepOption } from "../definition/definition.ts"
import { OutcomeUnknown } from "../SagaError.ts"
import { Ledger } from "./Ledger.ts"

/** Simplest first: a step shrinks to one that stands before it. */
export const reversible = [
  "readOnly",
  "compensatable",
  "readOnly that fails",
  "compensatable that fails",
  "readOnly that dies",
  "compensatable that dies",
  "compensatable that is skipped",
  "compensatable that fails once",
  "compensatable that is unknown once",
  "compensatable that takes too long once",
  "compensatable whose undo fails",
  "compensatable whose undo dies",
  "compensatable whose undo fails once"
] as const
export const finals = [
  "final",
  "final that fails",
  "final that dies",
  "final that fails once",
  "final that is unknown once",
  "final that takes too long once"
] as const

/**
 * A step in words: its classification, and what goes wrong with it.
 *
 * - `fails`, `dies`: its action does, each time and before it has had any effect: with `"a failed"`, or of `"a died"`, if `a` is
 *   its name
 * - `fails once`: the first time in each process; its `retry` calls it again
 * - `is unknown once`: it takes effect, and the first time ends with `OutcomeUnknown`
 * - `takes too long once`: it takes effect, and the first time never ends; its `timeout` is a second
 * - `is skipped`: its `when` does not hold
 * - `whose undo …`: its compensation does, in the same sense
 *
 * Each honours its key, so that what has taken effect succeeds when it is called again, and is `inDoubt: "retry"`. A Final is tried
 * twice.
 */
export type Sentence = typeof reversible[number] | typeof finals[number]

type After<Word extends string, S> = S extends `${string} ${Word} ${infer Rest}` ? Rest : never

/** What goes wrong with an action. */
export type Mishap = After<"that", Sentence>

/** What goes wrong with a compensation. */
type UndoMishap = After<"whose undo", Sentence>

/** A sentence taken apart. */
export const partsOf = (sentence: Sentence) => ({
  kind: sentence.split(" ", 1)[0] as "readOnly" | "compensatable" | "final",
  mishap: sentence.split(" that ")[1] as Mishap | undefined,
  undoMishap: sentence.split(" whose undo ")[1] as UndoMishap | undefined
})

interface Keys {
  readonly idempotencyKey: string
  readonly attempt: number
}

const once = { times: 1 }

/** How a call ends that goes wrong in this way; `ok` has the effect. */
const act = (
  name: string,
  mishap: Mishap | UndoMishap | undefined,
  attempt: number,
  ok: Effect.Effect<string>
): Effect.Effect<string, unknown> => {
  switch (mishap) {
    case undefined:
    case "is skipped":
      return ok
    case "dies":
      return Effect.die(`${name} died`)
    case "fails":
      return Effect.fail(`${name} failed`)
    case "fails once":
      return attempt > 1 ? ok : Effect.fail(`${name} failed`)
    case "takes too long once":
      return attempt > 1 ? ok : Effect.zipRight(ok, Effect.never)
    case "is unknown once":
      return attempt > 1 ? ok : Effect.zipRight(ok, Effect.fail(new OutcomeUnknown({ reason: "no reply" })))
  }
}

/** The action, the compensation and the policies of a step that a sentence describes. */
export const stepOf = (name: string, sentence: Sentence) => {
  const { kind, mishap, undoMishap } = partsOf(sentence)
  return {
    success: Schema.String,
    error: Schema.String,
    inDoubt: "retry",
    verify: undefined,
    interruptible: undefined,
    transaction: undefined,
    when: mishap === "is skipped" ? () => false : undefined,
    timeout: mishap === "takes too long once" ? "1 second" : undefined,
    retry: mishap === "fails once" || kind === "final" ? once : undefined,
    compensationRetry: undoMishap === "fails once" ? once : undefined,
    compensationTimeout: undefined,
    action: ({ attempt, idempotencyKey }: Keys) =>
      kind === "readOnly"
        ? act(name, mishap, attempt, Effect.succeed(name))
        : Effect.flatMap(Ledger, (ledger) => {
          const ok = Effect.as(ledger.do(name, idempotencyKey), name)
          // A service that honours a key does not refuse what it has done under it.
          return Effect.flatMap(ledger.has(idempotencyKey), (done) => done ? ok : act(name, mishap, attempt, ok))
        }),
    compensate: ({ actionIdempotencyKey, attempt, output }: Keys & {
      readonly actionIdempotencyKey: string
      readonly output: string
    }) =>
      Effect.flatMap(
        Ledger,
        (ledger) => act(name, undoMishap, attempt, Effect.as(ledger.undo(output, actionIdempotencyKey), name))
      )
    // Every option of a step is named, so that a new one does not compile before it is thought of here.
  } satisfies { readonly [Option in StepOption]: unknown }
}
