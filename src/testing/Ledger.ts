/**
 * A double of the outside world: it records each effect and each undoing, by idempotency key and in order, and knows what must not
 * happen. Let the test doubles of your services write to it, and run the saga as often as you like.
 */
import { Context, Effect, Layer } from "effect"
import { CurrentStep } from "./currentStep.ts"

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

/** An effect, and whether it stands. */
export interface Entry {
  readonly what: string
  readonly key: string | undefined
  /** The path of the step whose action did it, if the run was annotated by a test kit. */
  readonly step: string | undefined
  readonly standing: boolean
}

/** A call of `do` or `undo`, whether or not it changed anything. */
export interface Call {
  readonly _tag: "Do" | "Undo"
  readonly what: string
  readonly key: string | undefined
  /** The answer of the call. */
  readonly changed: boolean
}

/** The world, as services write to it and tests read it. */
export interface Service {
  /**
   * Does something, named so that its undo can name it too. Called again under the same key it does nothing, like a service that
   * honours keys; without a key it is done each time. Answers whether it was done now.
   */
  readonly do: (what: string, key?: string) => Effect.Effect<boolean>
  /**
   * Undoes the last effect of this name, or, given the key of its action (`actionIdempotencyKey`), the effect under that key; a
   * second time it does nothing. Answers whether it was undone now.
   */
  readonly undo: (what: string, actionKey?: string) => Effect.Effect<boolean>
  /** Whether something was done under this key, and stands: the question of a `verify`. */
  readonly has: (key: string) => Effect.Effect<boolean>
  /** Every effect, in order. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  /** The names of the effects that stand, in the order in which they were done. */
  readonly standing: Effect.Effect<ReadonlyArray<string>>
  /** Every call of `do` and `undo`, in order, also those that changed nothing. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /** Everything that happened and must not. */
  readonly violations: Effect.Effect<ReadonlyArray<Violation>>
}

/** A double of the outside world. */
export class Ledger extends Context.Tag("effect-saga/testing/Ledger")<Ledger, Service>() {}

/** Whether one step can only run after another, so that its effect has to be undone first. */
type Follows = (later: string | undefined, earlier: string | undefined) => boolean

/**
 * Makes an empty ledger. `follows` says whether one step can only run after another, so that its effect has to be undone first. By
 * default every later effect has to be undone first.
 */
export const make = (follows: Follows = () => true): Effect.Effect<Service> =>
  Effect.sync(() => {
    const book = new Book(follows)
    return {
      do: (what, key) => Effect.map(CurrentStep, (step) => book.do(what, key, step)),
      undo: (what, actionKey) => Effect.sync(() => book.undo(what, actionKey)),
      has: (key) => Effect.sync(() => book.entries.some((entry) => entry.key === key && entry.standing)),
      entries: Effect.sync(() => book.entries.map((entry) => ({ ...entry }))),
      standing: Effect.sync(() => book.entries.flatMap(({ standing, what }) => standing ? [what] : [])),
      calls: Effect.sync(() => book.calls.slice()),
      violations: Effect.sync(() => book.violations.slice())
    }
  })

class Book {
  readonly entries: Array<{ -readonly [K in keyof Entry]: Entry[K] }> = []
  readonly calls: Array<Call> = []
  readonly violations: Array<Violation> = []
  private readonly follows: Follows

  constructor(follows: Follows) {
    this.follows = follows
  }

  do(what: string, key: string | undefined, step: string | undefined): boolean {
    const known = key === undefined ? undefined : this.under(what, key)
    if (known !== undefined) {
      if (!known.standing) this.violate("Redone", what, `"${what}" was done again under its key after it was undone`)
      return this.note("Do", what, key, false)
    }
    if (this.last(what)?.standing === true) {
      const how = key === undefined ? "without a key" : "under two keys"
      this.violate("Doubled", what, `"${what}" was done twice, ${how}`)
    }
    // Without a key every `do` is an effect of its own.
    this.entries.push({ what, key, step, standing: true })
    return this.note("Do", what, key, true)
  }

  undo(what: string, actionKey: string | undefined): boolean {
    const entry = actionKey === undefined ? this.last(what) : this.under(what, actionKey)
    if (entry === undefined) {
      const under = actionKey === undefined ? "" : ` under the key "${actionKey}"`
      this.violate("UndoneWithoutDo", what, `"${what}" was undone, and had never been done${under}`)
      return this.note("Undo", what, actionKey, false)
    }
    if (!entry.standing) return this.note("Undo", what, actionKey, false)
    const later = this.entries.slice(this.entries.indexOf(entry) + 1)
      .find((other) => other.standing && other.what !== what && this.follows(other.step, entry.step))
    if (later !== undefined) {
      this.violate("UndoneOutOfOrder", what, `"${what}" was undone while "${later.what}", done later, still stood`)
    }
    entry.standing = false
    return this.note("Undo", what, actionKey, true)
  }

  private under(what: string, key: string) {
    return this.entries.find((entry) => entry.key === key && entry.what === what)
  }

  private last(what: string) {
    return this.entries.filter((entry) => entry.what === what).pop()
  }

  private note(_tag: Call["_tag"], what: string, key: string | undefined, changed: boolean): boolean {
    this.calls.push({ _tag, what, key, changed })
    return changed
  }

  private violate(_tag: Violation["_tag"], what: string, message: string): void {
    if (!this.violations.some((known) => known.message === message)) this.violations.push({ _tag, what, message })
  }
}

/** An empty ledger. */
export const layer: Layer.Layer<Ledger> = Layer.effect(Ledger, make())
