/** One execution while it is driven: the state that the parts of the engine share. */
import type { Cause, Fiber } from "effect"
import type { ForEach, Program, StepNode } from "../definition/definition.ts"
import * as Journal from "../Journal.ts"
import type { OutcomeUnknown } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import type { AnyEffect } from "../values/anyEffect.ts"
import { emptyList } from "../values/emptyList.ts"
import type { Halt } from "./halt.ts"
import type { Recorder } from "./recorder.ts"

export type { AnyEffect } from "../values/anyEffect.ts"

/** A finding about a step in doubt: it happened, with this output, or it did not happen. */
export type Finding =
  | { readonly step: string; readonly happened: true; readonly output: unknown }
  | { readonly step: string; readonly happened: false }

/** The journal of an earlier process: its sum, with outputs and failures decoded. */
export interface Past {
  readonly state: Journal.ExecutionState
  /** By path. */
  readonly outputs: ReadonlyMap<string, unknown>
  /** The items of lists, by the path of the `forEach`. */
  readonly items: ReadonlyMap<string, ReadonlyArray<unknown>>
  /** The output of the saga, where it is stored. */
  readonly output: { readonly value: unknown } | undefined
  /** Why it was unwound. */
  readonly cause: Cause.Cause<unknown>
  /** Why a step failed. */
  readonly causeOf: (step: Journal.StepState) => Cause.Cause<unknown>
  readonly finding: Finding | undefined
}

/** A compensation to run if the saga unwinds. A class, not a literal: see {@link emptyList}. */
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

/** Compensations that run at the same time, one lane for each sibling, in declared order. */
export class ArmedLanes {
  readonly _tag = "Lanes"
  readonly lanes: ReadonlyArray<ArmedList>
  /** How many lanes run at a time. */
  readonly concurrency: number | "unbounded"

  constructor(lanes: ReadonlyArray<ArmedList>, concurrency: number | "unbounded") {
    this.lanes = lanes
    this.concurrency = concurrency
  }
}

/** Oldest first. */
export type ArmedList = Array<Armed | ArmedLanes>

/** The input and outputs that the steps of one saga, or of one branch, see. */
export interface Frame {
  readonly input: unknown
  readonly outputs: Record<string, unknown>
  readonly armed: ArmedList
}

/** What failed: a step, a nested saga whose `input` or projection threw, or a list whose items were refused. */
export type FailedAt = Pick<StepNode | ForEach, "path" | "error">

const never = () => false
const nothing = () => {}

/** A class: spreading the options cost 4.4 µs a run. */
export class Run implements Frame {
  readonly program: Program
  readonly executionId: string
  readonly input: unknown
  readonly recorder: Recorder | undefined
  readonly past: Past | undefined
  /** Whether the execution is to be left for recovery at the next safe point (S17). */
  readonly isSuspended: () => boolean
  /** Interrupts the fiber that drives it. */
  readonly interrupt: () => void
  /** Hears of each pause between two calls, if somebody wants to. */
  readonly whenPausing: ((pause: Checkpoint.Pause) => void) | undefined
  /** Names another fiber that drives it from now on. */
  readonly moveTo: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** The execution's part of its idempotency keys. */
  readonly key: string
  readonly outputs: Record<string, unknown> = {}
  readonly armed: ArmedList = emptyList()
  /** The Finals that have taken effect. Once there is one, there is no way back. */
  readonly committed: Array<string> = emptyList()
  /** The steps that failed, and why. Filled only if the run has to name them. */
  readonly failed: Array<{ readonly step: FailedAt; readonly cause: Cause.Cause<unknown> }> = emptyList()
  /** The doubts that could not be settled. */
  readonly doubts: Array<OutcomeUnknown> = emptyList()
  /** Requests to cancel it that are neither recorded nor refused yet (S19). */
  requests: ReadonlyArray<Checkpoint.CancelRequest> = emptyList()
  /** The number of the last message that was read for it. */
  read: number
  /** How many steps a cancellation has to wait for: a Final while it is called, and each step in doubt. */
  busy: number
  /** Why the run stopped where it was, if it did. */
  halt: Halt | undefined = undefined
  restore: <A>(effect: AnyEffect<A>) => AnyEffect<A> = (effect) => effect

  constructor(options: {
    readonly program: Program
    readonly executionId: string
    readonly input: unknown
    readonly recorder?: Recorder | undefined
    readonly past?: Past | undefined
    readonly driven?:
      | Pick<Checkpoint.DrivenExecution, "isSuspended" | "interrupt" | "whenPausing" | "begin">
      | undefined
  }) {
    const { driven } = options
    this.program = options.program
    this.executionId = options.executionId
    this.input = options.input
    this.recorder = options.recorder
    this.past = options.past
    this.isSuspended = driven === undefined ? never : () => driven.isSuspended()
    this.interrupt = driven === undefined ? nothing : () => driven.interrupt()
    this.whenPausing = driven?.whenPausing
    this.moveTo = driven === undefined ? nothing : (fiber) => driven.begin(fiber)
    this.read = options.past?.state.taken ?? 0
    this.busy = options.past === undefined ? 0 : Journal.steps(options.past.state).filter(Journal.isInDoubt).length
    this.key = encodeURIComponent(options.executionId)
  }
}
