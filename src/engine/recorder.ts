/**
 * Records the events of a run. A run without a recorder records nothing and pays nothing.
 */
import { type Effect, Exit } from "effect"
import type { ForEach, StepNode } from "../definition/definition.ts"
import type * as Journal from "../Journal.ts"
import { Sum } from "../journal/transition.ts"
import type { AnyEffect } from "../values/anyEffect.ts"
import type { Observer } from "../watch/observer.ts"
import type { Captured } from "./codec.ts"
import type { Halt } from "./halt.ts"

export interface Recorder {
  /** Whether the events outlive the process, so that an execution can wait there. */
  readonly durable: boolean
  /** The sum of the events. */
  readonly state: () => Journal.ExecutionState | undefined
  /**
   * Notes an event. It is not stored before the next `commit`. `output` is that of the event, where it is text already. `isTold`:
   * the observer has heard of it.
   */
  readonly record: (event: Journal.Event, output?: string, isTold?: boolean) => void
  /** Stores the noted events, then runs `next`. One effect does both, because every step pays for each. */
  readonly commit: <A, E, R>(next: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E | Halt, R>
  /**
   * Runs a call in one transaction with the commit of what it came to, and of what is noted (S24): if the call fails, nothing of it
   * is stored or noted. Undefined where nothing is stored, or the store cannot.
   */
  readonly transact: ((call: AnyEffect<Outcome>) => AnyEffect) | undefined
  /** The output of a step, or of the saga, as it is stored, and as later steps, or the caller, see it. */
  readonly captureOutput: (step: StepNode | undefined, output: unknown) => Effect.Effect<Captured, Halt>
  /** An item of a list as it is stored, and as its steps see it. */
  readonly captureItem: (list: ForEach, key: string, item: unknown) => Effect.Effect<Captured, Halt>
  readonly observer: Observer | undefined
  /** Runs a call of a user's code, unless this process may not drive the execution any more: then it dies of a `Halt`. */
  readonly whileDriving: (call: () => AnyEffect) => AnyEffect
  /** The end of this process's lease in epoch milliseconds, if it has an end. */
  readonly leaseEndsAt: () => number | undefined
  readonly now: () => number
  /** When an execution that begins to wait is due, in epoch milliseconds; undefined if only a message wakes it. */
  wakesAt: number | undefined
}

/** What a call in a transaction came to. */
export interface Outcome {
  /** What its step is handed. */
  readonly value: unknown
  readonly events: ReadonlyArray<{ readonly event: Journal.Event; readonly output?: string | undefined }>
}

/** Adds an event to the sum of a run. */
export const add = (sum: Sum, event: Journal.Event): void => {
  const invalid = sum.add(event)
  // A bug in this library: throw rather than store an invalid journal.
  if (invalid !== undefined) throw new Error(`${invalid.event}: ${invalid.problem}`)
}

/** Keeps the sum of the events in this process, for a report. */
export const makeMemoryRecorder = (now: () => number, observer: Observer | undefined): Recorder => {
  const sum = new Sum(undefined)
  return {
    durable: false,
    observer,
    state: () => sum.state,
    record: (event, _, isTold) => {
      add(sum, event)
      if (isTold !== true) observer?.tell(event, sum.state!)
    },
    transact: undefined,
    commit: (next) => next(),
    captureOutput: (_, output) => Exit.succeed({ encoded: output, value: output, text: undefined }),
    captureItem: (_list, _key, item) => Exit.succeed({ encoded: item, value: item, text: undefined }),
    whileDriving: (call) => call(),
    leaseEndsAt: () => undefined,
    wakesAt: undefined,
    now
  }
}
