/** The state of an execution: the sum of its events. */
import type {
  Classification,
  ItemsListed,
  ParkedReason,
  SignalReceived,
  Started,
  StepSkipped,
  StepStarted,
  StoredFailure,
  WaitStarted
} from "./events.ts"
import { classifications, type Status, type StepStatus, stepStatuses } from "./statuses.ts"

/** What the journal knows of one step. */
export interface StepState {
  readonly step: string
  /** The place of this step among those that have started, counted from 0. */
  readonly index: number
  readonly classification: Classification
  readonly status: StepStatus
  readonly output: unknown
  readonly startedAt: number
  /** When the action ended, whichever way. */
  readonly endedAt: number | undefined
  readonly attempts: number
  readonly failures: ReadonlyArray<StoredFailure>
  readonly doubt: string | undefined
  readonly undoStartedAt: number | undefined
  readonly undoEndedAt: number | undefined
  readonly undoAttempts: number
  readonly undoFailures: ReadonlyArray<StoredFailure>
}

/** An item of a `forEach`, as the input schema of its saga encodes it, and the key by which its steps are known. */
export type ListedItem = (typeof ItemsListed.Type)["items"][number]
/** A signal that has come. */
export type Signal = typeof SignalReceived.Type

/** Tells a signal that is sent again from another one: by its id, its name and the step that it names. Undefined if it has no id. */
export const idOfSignal = (
  { id, signal, step }: {
    readonly signal: string
    readonly step?: string | undefined
    readonly id?: string | undefined
  }
): string | undefined => id === undefined ? undefined : JSON.stringify([signal, step ?? null, id])

/** The step for which an execution waits: for a signal, until a time in epoch milliseconds, or for whichever comes first. */
export type Waits = Pick<typeof WaitStarted.Type, "step" | "signal" | "until">

/** What the journal knows of an execution: the sum of its events. */
export interface ExecutionState {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  /** The document, where the execution is one of a plan. */
  readonly plan: unknown
  readonly input: unknown
  readonly status: Status
  /** Which way it goes, or went when it was parked. */
  readonly direction: "Forward" | "Back"
  /** By step, in the order in which they started. */
  readonly steps: ReadonlyMap<string, StepState>
  /** The items of each `forEach` whose list is known, by its path. */
  readonly lists: ReadonlyMap<string, ReadonlyArray<ListedItem>>
  /** Why it was unwound, or is parked where no step says why. */
  readonly failures: ReadonlyArray<StoredFailure>
  readonly parked: ParkedReason | undefined
  /** Who has cancelled it and why, from when its driver takes the request on. */
  readonly cancellation: { readonly by: string; readonly reason: string | undefined } | undefined
  /** The number of the last message that a driver has taken; 0 if none. */
  readonly taken: number
  /** The step that waits, from its begin to its end. There is one at the most: a parallel block has none. */
  readonly waits: Waits | undefined
  /** The signals that no step has used, in the order in which they came. */
  readonly signals: ReadonlyArray<Signal>
  /** The ids of the signals that have come. */
  readonly delivered: ReadonlyArray<string>
  /** How often it had been claimed without a new event when it was parked for that. */
  readonly claims: number
  /** The output of the saga, as its `success` schema encodes it; undefined where none is stored. */
  readonly output: { readonly value?: unknown } | undefined
  readonly startedAt: number
  readonly endedAt: number | undefined
}

/** The steps of an execution in the order in which they started. */
export const steps = (state: ExecutionState): ReadonlyArray<StepState> => Array.from(state.steps.values())

/** Whether a step's action has succeeded, whatever became of it later. */
export const tookEffect = ({ status }: StepState): boolean => stepStatuses[status].tookEffect

/** The Final that has taken effect first, if one has: from then on the execution only goes forward. */
export const committedFinal = (state: ExecutionState): StepState | undefined =>
  steps(state).find((step) => classifications[step.classification].commits && step.status === "Succeeded")

/** Whether a step's action has started, and nobody has said how it ended. */
export const isInDoubt = ({ classification, status }: StepState): boolean =>
  classifications[classification].hasSideEffect && stepStatuses[status].isOpen

export const none: ReadonlyArray<StoredFailure> = []
const noSignals: ReadonlyArray<Signal> = []
const noIds: ReadonlyArray<string> = []

/** The signal that a step uses, if one is there. */
export const signalFor = ({ signals }: Pick<ExecutionState, "signals">, { signal, step }: Waits): Signal | undefined =>
  signal === undefined
    ? undefined
    : signals.find((given) => given.signal === signal && (given.step === undefined || given.step === step))

/** One for all executions without a `forEach`: most have none. */
export const noLists: ReadonlyMap<string, ReadonlyArray<ListedItem>> = new Map()

/** A state that is this module's own, and so may be changed in place. Of classes, for the reason that `emptyList` gives. */
export class Draft implements ExecutionState {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  readonly input: unknown
  status: Status = "Running"
  direction: "Forward" | "Back" = "Forward"
  steps: Map<string, StepDraft> = new Map()
  lists: ReadonlyMap<string, ReadonlyArray<ListedItem>> = noLists
  failures: ReadonlyArray<StoredFailure> = none
  parked: ParkedReason | undefined = undefined
  cancellation: ExecutionState["cancellation"] = undefined
  taken = 0
  waits: Waits | undefined = undefined
  signals: ReadonlyArray<Signal> = noSignals
  delivered: ReadonlyArray<string> = noIds
  claims = 0
  output: ExecutionState["output"] = undefined
  readonly startedAt: number
  endedAt: number | undefined = undefined

  constructor(started: typeof Started.Type) {
    this.saga = started.saga
    this.version = started.version
    this.fingerprint = started.fingerprint
    this.plan = started.plan
    this.input = started.input
    this.startedAt = started.at
  }
}

export class StepDraft implements StepState {
  readonly step: string
  readonly index: number
  readonly classification: Classification
  status: StepState["status"]
  output: unknown = undefined
  readonly startedAt: number
  endedAt: number | undefined = undefined
  attempts: number
  failures: ReadonlyArray<StoredFailure> = none
  doubt: string | undefined
  undoStartedAt: number | undefined = undefined
  undoEndedAt: number | undefined = undefined
  undoAttempts = 0
  undoFailures: ReadonlyArray<StoredFailure> = none

  constructor(
    event: typeof StepStarted.Type | typeof StepSkipped.Type | typeof WaitStarted.Type,
    known: StepState | undefined,
    index: number
  ) {
    this.step = event.step
    this.index = known?.index ?? index
    // A step that waits has no side effect.
    this.classification = event._tag === "WaitStarted" ? "ReadOnly" : event.classification
    this.status = event._tag === "StepSkipped" ? "Skipped" : "Started"
    this.startedAt = known?.startedAt ?? event.at
    this.attempts = known?.attempts ?? 0
    this.doubt = known?.doubt
  }
}

export const draftOf = (state: ExecutionState): Draft => ({
  ...state,
  steps: new Map(Array.from(state.steps, ([path, step]) => [path, { ...step }])),
  lists: state.lists.size === 0 ? noLists : new Map(state.lists)
})
