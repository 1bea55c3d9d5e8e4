/**
 * A double of the outside world: it records what is done and undone, by idempotency key and in order, and knows what must not
 * happen. Let the test doubles of your services write to it, and run the saga as often as you like.
 */
import { Context, Effect, Layer } from "effect"

/**
 * What must not happen to the outside world.
 *
 * - `Doubled`: done a second time while it stood, under another key or under none
 * - `Redone`: done again under its key after it was undone
 * - `UndoneWithoutDo`: undone although it was never done
 * - `UndoneOutOfOrder`: undone while something that was done later still stood
 */
export interface Violation {
  readonly _tag: "Doubled" | "Redone" | "UndoneWithoutDo" | "UndoneOutOfOrder"
  readonly what: string
  readonly message: string
}

/** An effect, and what became of it. */
export interface Entry {
  readonly what: string
  readonly key: string | undefined
  /** The path of the step during whose action it was done, where a test kit has said so. */
  readonly step: string | undefined
  readonly standing: boolean
}

/** A call of `do` or `undo`, whether or not it changed anything. */
export interface Call {
  readonly _tag: "Do" | "Undo"
  readonly what: string
  readonly key: string | undefined
  /** What the call answered. */
  readonly changed: boolean
}

/** The world, as services write to it and tests read it. */
export interface Service {
  /**
   * Does something, named so that its undo can name it too. Asked again under the same key it does nothing, as a service that
   * honours keys; without a key it is done each time. Answers whether it was done now.
   */
  readonly do: (what: string, key?: string) => Effect.Effect<boolean>
  /**
   * Undoes what was done last under this name, or, given the key of its action (`actionIdempotencyKey`), what was done under
   * that key; a second time it does nothing. Answers whether it was undone now.
   */
  readonly undo: (what: string, actionKey?: string) => Effect.Effect<boolean>
  /** Whether something was done under this key, and stands: what a `verify` asks. */
  readonly has: (key: string) => Effect.Effect<boolean>
  /** Everything that was ever done, in order. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  /** What stands, by name, in the order in which it was done. */
  readonly standing: Effect.Effect<ReadonlyArray<string>>
  /** Every call of `do` and `undo`, in order, also those that changed nothing. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /** What has happened that must not. */
  readonly violations: Effect.Effect<ReadonlyArray<Violation>>
}

/** A double of the outside world. */
export class Ledger extends Context.Tag("effect-saga/testing/Ledger")<Ledger, Service>() {}

/** @internal The step whose action or compensation is running. */
export class CurrentStep extends Context.Reference<CurrentStep>()("effect-saga/testing/CurrentStep", {
  defaultValue: (): string | undefined => undefined
}) {}

/**
 * Makes an empty ledger. `follows` says whether one step can only run after another, so that its effect has to be undone first;
 * left out, what was done later always has to.
 */
export const make = (
  follows: (later: string | undefined, earlier: string | undefined) => boolean = () => true
): Effect.Effect<Service> =>
  Effect.sync(() => {
    const entries: Array<{ -readonly [K in keyof Entry]: Entry[K] }> = []
    const calls: Array<Call> = []
    const violations: Array<Violation> = []
    const called = (_tag: Call["_tag"], what: string, key: string | undefined, changed: boolean) => {
      calls.push({ _tag, what, key, changed })
      return changed
    }
    const violate = (_tag: Violation["_tag"], what: string, message: string) => {
      if (!violations.some((known) => known.message === message)) violations.push({ _tag, what, message })
    }
    const last = (what: string) => entries.filter((entry) => entry.what === what).pop()
    return {
      do: (what, key) =>
        Effect.map(CurrentStep, (step) => {
          const known = key === undefined
            ? undefined
            : entries.find((entry) => entry.key === key && entry.what === what)
          if (known !== undefined) {
            if (!known.standing) violate("Redone", what, `"${what}" was done again under its key after it was undone`)
            return called("Do", what, key, false)
          }
          if (last(what)?.standing === true) {
            violate(
              "Doubled",
              what,
              `"${what}" was done twice, ${key === undefined ? "without a key" : "under two keys"}`
            )
          }
          entries.push({ what, key, step, standing: true })
          return called("Do", what, key, true)
        }),
      undo: (what, actionKey) =>
        Effect.sync(() => {
          const entry = actionKey === undefined
            ? last(what)
            : entries.find((entry) => entry.key === actionKey && entry.what === what)
          if (entry === undefined) {
            const under = actionKey === undefined ? "" : ` under the key "${actionKey}"`
            violate("UndoneWithoutDo", what, `"${what}" was undone, and had never been done${under}`)
            return called("Undo", what, actionKey, false)
          }
          if (!entry.standing) return called("Undo", what, actionKey, false)
          const later = entries.slice(entries.indexOf(entry) + 1)
            .find((other) => other.standing && other.what !== what && follows(other.step, entry.step))
          if (later !== undefined) {
            violate("UndoneOutOfOrder", what, `"${what}" was undone while "${later.what}", done later, still stood`)
          }
          // Each time that it was done without a key, it stands for itself.
          entry.standing = false
          return called("Undo", what, actionKey, true)
        }),
      has: (key) => Effect.sync(() => entries.some((entry) => entry.key === key && entry.standing)),
      entries: Effect.sync(() => entries.map((entry) => ({ ...entry }))),
      standing: Effect.sync(() => entries.flatMap(({ standing, what }) => standing ? [what] : [])),
      calls: Effect.sync(() => calls.slice()),
      violations: Effect.sync(() => violations.slice())
    }
  })

/** An empty ledger. */
export const layer: Layer.Layer<Ledger> = Layer.effect(Ledger, make())
