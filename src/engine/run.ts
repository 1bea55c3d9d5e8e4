/** One execution while it is driven: what the parts of the interpreter share. */
import type { Cause, Effect } from "effect"
import type * as Journal from "../Journal.ts"
import type { OutcomeUnknown } from "../SagaError.ts"
import { type Program, type StepNode } from "../definition/definition.ts"
import { emptyList } from "../values/emptyList.ts"
import type { Recorder } from "./recorder.ts"

// What users' functions return has been checked by the builder; in here it is opaque.
export type AnyEffect<A = unknown> = Effect.Effect<A, unknown, any>

/** What somebody found out about a step in doubt. */
export type Finding =
  | { readonly step: string; readonly happened: true; readonly output: unknown }
  | { readonly step: string; readonly happened: false }

/** What an earlier process left: the sum of its journal, with what it stored made readable again. */
export interface Past {
  readonly state: Journal.ExecutionState
  /** By path. */
  readonly outputs: ReadonlyMap<string, unknown>
  /** Why it was unwound. */
  readonly cause: Cause.Cause<unknown>
  /** Why a step failed. */
  readonly causeOf: (step: Journal.StepState) => Cause.Cause<unknown>
  readonly finding: Finding | undefined
}

/** A compensation that is owed. No literal, see {@link emptyList}. */
export class Armed {
  readonly _tag = "Armed"
  readonly step: StepNode
  readonly frame: Frame
  readonly output: unknown

  constructor(step: StepNode, frame: Frame, output: unknown) {
    this.step = step
    this.frame = frame
    this.output = output
  }
}

/** Compensations that are run at the same time, a lane each. */
export interface ArmedLanes {
  readonly _tag: "Lanes"
  readonly lanes: ReadonlyArray<ArmedList>
}

/** Oldest first. */
export type ArmedList = Array<Armed | ArmedLanes>

/** What the steps of one saga, or of one branch, see of each other. */
export interface Frame {
  readonly input: unknown
  readonly outputs: Record<string, unknown>
  readonly armed: ArmedList
}

/** Where the way forward ended: a step, or a nested saga whose input or output could not be made. */
export type FailedAt = Pick<StepNode, "path" | "error">

/** A class also because spreading the options costs as much as ten steps. */
export class Run implements Frame {
  readonly program: Program
  readonly executionId: string
  readonly input: unknown
  readonly recorder: Recorder | undefined
  readonly past: Past | undefined
  /** Leave an interrupted execution as it is, for recovery, instead of unwinding it (S17). */
  readonly suspend: boolean
  /** The execution's part of its idempotency keys. */
  readonly key: string
  readonly outputs: Record<string, unknown> = {}
  readonly armed: ArmedList = emptyList()
  /** The Finals that have taken effect. Once there is one, there is no way back. */
  readonly committed: Array<string> = emptyList()
  /** The steps that ended the way forward, and why, where the run has to name them. */
  readonly failed: Array<{ readonly step: FailedAt; readonly cause: Cause.Cause<unknown> }> = emptyList()
  /** What is in doubt and could not be settled. */
  readonly doubts: Array<OutcomeUnknown> = emptyList()
  restore: <A>(effect: AnyEffect<A>) => AnyEffect<A> = (effect) => effect

  constructor(options: {
    readonly program: Program
    readonly executionId: string
    readonly input: unknown
    readonly recorder?: Recorder | undefined
    readonly past?: Past | undefined
    readonly suspend?: boolean
  }) {
    this.program = options.program
    this.executionId = options.executionId
    this.input = options.input
    this.recorder = options.recorder
    this.past = options.past
    this.suspend = options.suspend === true
    this.key = encodeURIComponent(options.executionId)
  }
}
