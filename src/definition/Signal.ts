/** A signal as a definition knows it: its name, and the values that it carries. */
import type { Schema } from "effect"
import { hasProperty } from "effect/Predicate"

export const TypeId: unique symbol = Symbol.for("effect-saga/Signal")
export type TypeId = typeof TypeId

/** A signal for which steps wait, and which anybody sends. `A` is the value that it carries. */
export interface Signal<in out A> {
  readonly [TypeId]: { readonly _A: (_: A) => A }
  /** Identifies it in journals. */
  readonly name: string
  /** How its value is stored. */
  readonly success: Schema.Schema<A, any>
}

/** A signal, whatever it carries. */
export type Any = Signal<any>

/** Whether a value is a signal. */
export const isSignal = (value: unknown): value is Any => hasProperty(value, TypeId)

const carries: any = {}

/** Makes a signal, see `Signal.make`. */
export const make = <A, Encoded>(
  name: string,
  options: { readonly success: Schema.Schema<A, Encoded, never> }
): Signal<A> => ({ [TypeId]: carries, name, success: options.success })
