/**
 * What a saga is: what its author says of it, and the frozen tree that is made of it: steps, parallel blocks and nested sagas.
 */
import type { Duration, Effect, Option, Schema } from "effect"
import type { Classification } from "../Journal.ts"
import type { ActionContext, CompensationContext, InDoubtPolicy, RetryPolicy } from "./Step.ts"

// The builder has checked these types; from here on a step's values are opaque, so `any` stands for "whatever the step says".
type Opaque = any

/** What a function that looks back is given: a condition, the input of a nested saga, a projection. */
export interface Earlier {
  readonly input: Opaque
  readonly outputs: Opaque
}

/** Policies that hold for each step of a saga that has none of its own. */
export interface Defaults {
  readonly retry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly inDoubt?: Exclude<InDoubtPolicy, "verify"> | undefined
  readonly compensationRetry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly compensationTimeout?: Duration.DurationInput | undefined
}

/** What the builder says of a step. */
export interface StepDefinition extends Omit<Defaults, "inDoubt"> {
  readonly _tag: "Step"
  readonly name: string
  readonly classification: Classification
  readonly action: (context: ActionContext<Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>
  readonly compensate?:
    | ((context: CompensationContext<Opaque, Opaque, Opaque>) => Effect.Effect<unknown, unknown, Opaque>)
    | undefined
  readonly when?: ((earlier: Earlier) => boolean) | undefined
  readonly success?: Schema.Schema<Opaque, Opaque> | undefined
  readonly error?: Schema.Schema<Opaque, Opaque> | undefined
  readonly inDoubt?: InDoubtPolicy | undefined
  readonly verify?:
    | ((context: ActionContext<Opaque, Opaque>) => Effect.Effect<Option.Option<unknown>, unknown, Opaque>)
    | undefined
  readonly interruptible?: boolean | undefined
  /** Whether an error says that the action had no effect, under any earlier call of this key too; all do without it. */
  readonly isAnswer?: ((error: unknown) => boolean) | undefined
}

export interface StepNode extends StepDefinition {
  /** The names from the outermost saga down to the step, joined by "/": it identifies the step in the journal. */
  readonly path: string
  /** The path as a part of an idempotency key. */
  readonly key: string
}

/** How a parallel block runs and unwinds. */
export interface ParallelOptions {
  readonly concurrency?: number | "unbounded" | undefined
  readonly unwind?: "sequential" | "parallel" | undefined
}

/** Steps, and nested sagas, none of which waits for another. */
export interface Parallel<Node> extends ParallelOptions {
  readonly _tag: "Parallel"
  readonly nodes: ReadonlyArray<Node>
}

/** A saga as a step of another. */
export interface Nested {
  readonly _tag: "Nested"
  readonly name: string
  readonly path: string
  /** No error of its own. */
  readonly error?: undefined
  /** Its steps have their whole paths. */
  readonly program: Program
  readonly nestedInput: (earlier: Earlier) => unknown
}

/** What stands in one row: a step or a nested saga. */
export type NodeDefinition = StepDefinition | Nested | Parallel<StepDefinition | Nested>
export type Node = StepNode | Nested | Parallel<StepNode | Nested>

/** What to do when a compensation fails for good: undo the older steps all the same, or leave them. */
export type OnCompensationFailure = "continue" | "stop"

interface Header {
  readonly name: string
  readonly version: number
  readonly input: Schema.Schema<Opaque, Opaque> | undefined
  readonly onCompensationFailure: OnCompensationFailure
  readonly project: (earlier: Earlier) => unknown
  /** The document that it was made of, plain JSON: it is stored with each execution, which can be resumed by it alone. */
  readonly plan?: unknown
}

/** What the builder says of a saga. */
export interface Definition extends Header {
  readonly defaults: Defaults
  readonly nodes: ReadonlyArray<NodeDefinition>
}

export interface Program extends Header {
  readonly nodes: ReadonlyArray<Node>
  /** All steps, of parallel blocks and nested sagas too, in declared order. */
  readonly steps: ReadonlyArray<StepNode>
  /** Tells definitions apart, and is readable, so that a difference can be named. */
  readonly fingerprint: string
  /** Whether any of its steps may run at the same time. */
  readonly hasParallel: boolean
}
