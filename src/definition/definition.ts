/**
 * The definition of a saga as its author wrote it, and the frozen tree that is made of it: steps, parallel blocks, nested
 * sagas and lists.
 */
import type { DateTime, Duration, Effect, Option, Schema } from "effect"
import type { Classification, ListedItem } from "../Journal.ts"
import type { InvalidItems } from "../SagaError.ts"
import type {
  ActionContext,
  CompensatableStep,
  CompensationContext,
  FinalStep,
  InDoubtPolicy,
  ReadOnlyStep,
  RetryPolicy
} from "./Step.ts"

// The builder has checked these types; from here on a step's values are opaque, so `any` stands for "whatever the step says".
type Opaque = any

/** The context of a condition, of the input of a nested saga, and of a projection. */
export interface Earlier {
  readonly input: Opaque
  readonly outputs: Opaque
}

/** Policies for each step of a saga that has none of its own. */
export interface Defaults {
  readonly retry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly inDoubt?: Exclude<InDoubtPolicy, "verify"> | undefined
  readonly compensationRetry?: RetryPolicy<Opaque, number, Opaque> | undefined
  readonly compensationTimeout?: Duration.DurationInput | undefined
}

/** A step as the builder or a plan describes it. */
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
  /** Whether action and compensation run in one transaction each with their outcomes (S24). */
  readonly transaction?: true | undefined
  /** Whether an error proves that no call under this key had an effect. Without this function every typed error does. */
  readonly isAnswer?: ((error: unknown) => boolean) | undefined
}

/** Each option that a user can give to a step has a member in {@link StepDefinition}: one that has not does not compile. */
export type StepOption = Covered<
  keyof StepDefinition,
  | keyof ReadOnlyStep<any, any, any, any, any, any, any, any, any, any>
  | keyof CompensatableStep<any, any, any, any, any, any, any, any, any, any, any, any, any>
  | keyof FinalStep<any, any, any, any, any, any, any, any, any, any, any, any, any>
>

/** `Options`, which must all be among `All`. */
export type Covered<All, Options extends All> = Options

/**
 * A step with its place in the tree. No member is optional, so that code that makes one and forgets a member of
 * {@link StepDefinition} does not compile.
 */
export type StepNode = { readonly [Member in keyof StepDefinition]-?: StepDefinition[Member] } & {
  /** The names from the outermost saga down to the step, joined by "/": it identifies the step in the journal. */
  readonly path: string
  /** The path as a part of an idempotency key. */
  readonly key: string
}

/** How long something lasts, or when it ends. */
export type UntilDefinition = Duration.DurationInput | DateTime.DateTime

/** A step that waits, as the builder describes it: for a signal, until a time, or for whichever comes first. */
export interface WaitDefinition {
  readonly _tag: "Wait"
  readonly name: string
  /** Undefined where it only sleeps. */
  readonly signal: { readonly name: string; readonly success: Schema.Schema<Opaque, Opaque> } | undefined
  /** When it ends at the latest; undefined if it waits as long as it takes. Asked once in an execution. */
  readonly until: UntilDefinition | ((earlier: Earlier) => UntilDefinition) | undefined
  /** Whether the step fails at that time, or ends with this value. */
  readonly onTimeout: "fail" | { readonly value: unknown }
}

/** A step that waits, with its place in the tree. */
export interface Wait extends WaitDefinition {
  /** The step as which it is known: one that only reads. Nobody calls its action. */
  readonly step: StepNode
}

/** How a parallel block runs and unwinds. */
export interface ParallelOptions {
  readonly concurrency?: number | "unbounded" | undefined
  readonly unwind?: "sequential" | "parallel" | undefined
}

/** Steps and nested sagas, none of which waits for another. */
export interface Parallel<Sibling> extends ParallelOptions {
  readonly _tag: "Parallel"
  readonly nodes: ReadonlyArray<Sibling>
}

/** A saga as a step of another. */
export interface Nested {
  readonly _tag: "Nested"
  readonly name: string
  readonly path: string
  /** A nested saga has no `error` schema: its steps have. */
  readonly error: undefined
  /** The paths of its steps start at the outermost saga. */
  readonly program: Program
  readonly nestedInput: (earlier: Earlier) => unknown
}

/** A list: a saga that runs once for each item. Its items are known at run time only. */
export interface ForEach extends ParallelOptions {
  readonly _tag: "ForEach"
  readonly name: string
  readonly path: string
  /** How the refusal of its list is stored. */
  readonly error: typeof InvalidItems
  /** The saga of every item: in the paths of its steps `(item)` stands for the key of the item. */
  readonly program: Program
  /** The saga of the item of this key, at its place. */
  readonly programOf: (key: string) => Program
  readonly items: (earlier: Earlier) => unknown
  readonly keyOf: ((item: Opaque, index: number) => unknown) | undefined
  /** The sagas of the items, where the list is known: see {@link Program.listed}. */
  readonly listed: ReadonlyArray<Program> | undefined
}

/** One entry of a saga: a step, a step that waits, a nested saga, a parallel block or a list. */
export type NodeDefinition = StepDefinition | WaitDefinition | Nested | Parallel<StepDefinition | Nested> | ForEach
export type Node = StepNode | Wait | Nested | Parallel<StepNode | Nested> | ForEach

/** What to do when a compensation fails for good: undo the older steps all the same, or leave them. */
export type OnCompensationFailure = "continue" | "stop"

interface Header {
  readonly name: string
  readonly version: number
  readonly input: Schema.Schema<Opaque, Opaque> | undefined
  readonly onCompensationFailure: OnCompensationFailure
  /** After how long an execution that has not passed its point of no return is cancelled. Nobody asks for that of a nested saga. */
  readonly deadline: Duration.DurationInput | undefined
  /** Makes the attributes by which its executions are found; only a durable start of this saga itself asks. */
  readonly attributes: ((given: Pick<Earlier, "input">) => unknown) | undefined
  readonly project: (earlier: Earlier) => unknown
  /** How the output that `project` makes is stored with the end of an execution. Nobody asks for that of a nested saga. */
  readonly success: Schema.Schema<Opaque, Opaque> | undefined
  /** The plan's document, plain JSON. It is stored with each execution, so that one can be resumed without the code that made it. */
  readonly plan?: unknown
}

/** A saga as the builder or a plan describes it. */
export interface Definition extends Header {
  readonly defaults: Defaults
  readonly nodes: ReadonlyArray<NodeDefinition>
}

/** The frozen tree of a saga. Members that need a walk through all nested sagas are made when they are first read. */
export interface Program extends Header {
  readonly nodes: ReadonlyArray<Node>
  /**
   * All steps, of parallel blocks, nested sagas and lists too, in declared order. Those of a list whose items are not known stand there
   * once, with `(item)` for the key.
   */
  readonly steps: ReadonlyArray<StepNode>
  /** Tells definitions apart, and is readable, so that a difference can be named. */
  readonly fingerprint: string
  /** Whether any of its steps may run at the same time. */
  readonly hasParallel: boolean
  /** Whether it has a list, at any depth. */
  readonly hasLists: boolean
  /** The path of its first step with `transaction: true`, if it has one. */
  readonly firstTransaction: string | undefined
  /** The path of its first Final step, if it has one, from this saga down. */
  readonly firstFinal: string | undefined
  /** The path of its first step that waits, if it has one, from this saga down. */
  readonly firstWait: string | undefined
  /** The same saga at another place: `path` and `key` are the beginnings of the paths and keys of its steps. */
  readonly at: (place: { readonly path: string; readonly key: string }) => Program
  /** The saga with each of its steps replaced by one of the same path. */
  readonly mapSteps: (replace: (step: StepNode) => StepNode) => Program
  /**
   * The saga of one execution: its `steps` are also those of each item of the lists that are known, which are given by the path of the
   * `forEach`. Only for looking steps up: it is not placed anew.
   */
  readonly listed: (lists: Lists) => Program
}

/** The items of lists, by the path of the `forEach`. */
export type Lists = ReadonlyMap<string, ReadonlyArray<Pick<ListedItem, "key">>>

/** Begins the entry of a nested plan in a fingerprint. */
export const planEntry = "the plan "
