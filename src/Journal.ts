/**
 * The journal of one execution: what happened, in order, as plain JSON.
 *
 * The format is the library's own. It holds step inputs and outputs as the user's schemas encode them, never an encoded
 * `Exit` or `Cause` of Effect, and so outlives its major versions. Times are epoch milliseconds. One pure table,
 * {@link transition}, says which event may follow which state; any other event is an error.
 */
import { Data, Effect, ParseResult, Schema } from "effect"

/** The number of the format that this release writes. */
export const format = 1

const Timestamp = Schema.Number

/** A failure, defect or interruption as it is stored. `encoded` is there when the step's `error` schema encoded it. */
export const StoredFailure = Schema.Union(
  Schema.Struct({
    kind: Schema.Literal("Fail"),
    step: Schema.String,
    tag: Schema.String,
    message: Schema.String,
    encoded: Schema.optional(Schema.Unknown)
  }),
  Schema.Struct({ kind: Schema.Literal("Die"), tag: Schema.String, message: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("Interrupt") })
)
export type StoredFailure = typeof StoredFailure.Type

/** How a step is classified: what can be done about it once it has happened. */
export const Classification = Schema.Literal("ReadOnly", "Compensatable", "Final")
export type Classification = typeof Classification.Type

/** Why an execution waits for a person or a retry. */
export const ParkedReason = Schema.Literal("CompensationFailed", "FailedAfterCommit", "OutcomeUnknown")
export type ParkedReason = typeof ParkedReason.Type

const Failures = Schema.Array(StoredFailure)
const Attempts = Schema.Number

/** The execution exists from here on. Always the first event, and only the first. */
export const Started = Schema.TaggedStruct("Started", {
  saga: Schema.String,
  version: Schema.Number,
  fingerprint: Schema.String,
  /** The document of a plan, by which it can be resumed. */
  plan: Schema.optional(Schema.Unknown),
  input: Schema.optional(Schema.Unknown),
  at: Timestamp
})
/** The intent to run a step's action. For a step with a side effect it is on disk before the action starts. */
export const StepStarted = Schema.TaggedStruct("StepStarted", {
  step: Schema.String,
  classification: Classification,
  at: Timestamp
})
/** The action succeeded. `output` is as the step's `success` schema encodes it. */
export const StepSucceeded = Schema.TaggedStruct("StepSucceeded", {
  step: Schema.String,
  output: Schema.optional(Schema.Unknown),
  attempts: Attempts,
  at: Timestamp
})
/** The step's condition did not hold: its action is not run, now or on any resume. */
export const StepSkipped = Schema.TaggedStruct("StepSkipped", {
  step: Schema.String,
  classification: Classification,
  at: Timestamp
})
/** The action failed and had no effect. */
export const StepFailed = Schema.TaggedStruct("StepFailed", {
  step: Schema.String,
  failures: Failures,
  attempts: Attempts,
  at: Timestamp
})
/** The action ended without anybody knowing whether it had an effect. */
export const StepInDoubt = Schema.TaggedStruct("StepInDoubt", {
  step: Schema.String,
  reason: Schema.String,
  attempts: Attempts,
  at: Timestamp
})
/** The decision to go back, on disk before the first compensation starts. From here on the execution never goes forward. */
export const UnwindingStarted = Schema.TaggedStruct("UnwindingStarted", { failures: Failures, at: Timestamp })
/** The intent to run a step's compensation, on disk before it starts. */
export const CompensationStarted = Schema.TaggedStruct("CompensationStarted", { step: Schema.String, at: Timestamp })
/** The step is undone. */
export const CompensationSucceeded = Schema.TaggedStruct("CompensationSucceeded", {
  step: Schema.String,
  attempts: Attempts,
  at: Timestamp
})
/** The compensation failed for good; the step's effect stands. */
export const CompensationFailed = Schema.TaggedStruct("CompensationFailed", {
  step: Schema.String,
  failures: Failures,
  attempts: Attempts,
  at: Timestamp
})
/** The execution waits for a person or a retry. `failures` says why where no step does. */
export const Parked = Schema.TaggedStruct("Parked", {
  reason: ParkedReason,
  failures: Schema.optional(Failures),
  at: Timestamp
})
/** Somebody set a parked execution going again, in the direction it had. */
export const Resumed = Schema.TaggedStruct("Resumed", { at: Timestamp })
/** The end: everything took effect, or everything was undone. Nothing follows. */
export const Finished = Schema.TaggedStruct("Finished", {
  result: Schema.Literal("Succeeded", "Undone"),
  at: Timestamp
})

/** One thing that happened to an execution. Its encoded form is its own form: `JSON.stringify` stores it. */
export const Event = Schema.Union(
  Started,
  StepStarted,
  StepSkipped,
  StepSucceeded,
  StepFailed,
  StepInDoubt,
  UnwindingStarted,
  CompensationStarted,
  CompensationSucceeded,
  CompensationFailed,
  Parked,
  Resumed,
  Finished
)
export type Event = typeof Event.Type

/**
 * Where an execution is.
 *
 * - `Running`: it goes forward
 * - `Unwinding`: it goes back
 * - `Parked`: it waits for a person or a retry
 * - `Succeeded`, `Undone`: it is finished
 */
export const Status = Schema.Literal("Running", "Unwinding", "Parked", "Succeeded", "Undone")
export type Status = typeof Status.Type

/** What the journal knows of one step. */
export interface StepState {
  readonly step: string
  /** The place of this step among those that have started, counted from 0. */
  readonly index: number
  readonly classification: Classification
  readonly status: "Skipped" | "Started" | "InDoubt" | "Succeeded" | "Failed" | "Undoing" | "Undone" | "UndoFailed"
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
  /** Why it was unwound, or is parked where no step says why. */
  readonly failures: ReadonlyArray<StoredFailure>
  readonly parked: ParkedReason | undefined
  readonly startedAt: number
  readonly endedAt: number | undefined
}

/** An event that cannot follow the state it was applied to: the journal was not written by this library, or is damaged. */
export class InvalidTransition extends Data.TaggedClass("InvalidTransition")<{
  readonly event: Event["_tag"]
  readonly problem: string
}> {}

const invalid = (event: Event, problem: string) => new InvalidTransition({ event: event._tag, problem })

/** The steps of an execution in the order in which they started. */
export const steps = (state: ExecutionState): ReadonlyArray<StepState> => Array.from(state.steps.values())

/** Whether a step's action has succeeded, whatever became of it later. */
export const tookEffect = ({ status }: StepState): boolean =>
  status === "Succeeded" || status === "Undoing" || status === "Undone" || status === "UndoFailed"

/** Whether a step's action has started, and nobody has said how it ended. */
export const isInDoubt = ({ classification, status }: StepState): boolean =>
  classification !== "ReadOnly" && (status === "Started" || status === "InDoubt")

const none: ReadonlyArray<StoredFailure> = []

/** A state that is this module's own, and so may be changed in place. Of classes, for the reason that `emptyList` gives. */
class Draft implements ExecutionState {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  readonly input: unknown
  status: Status = "Running"
  direction: "Forward" | "Back" = "Forward"
  steps: Map<string, StepDraft> = new Map()
  failures: ReadonlyArray<StoredFailure> = none
  parked: ParkedReason | undefined = undefined
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

class StepDraft implements StepState {
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

  constructor(event: typeof StepStarted.Type | typeof StepSkipped.Type, known: StepState | undefined, index: number) {
    this.step = event.step
    this.index = known?.index ?? index
    this.classification = event.classification
    this.status = event._tag === "StepStarted" ? "Started" : "Skipped"
    this.startedAt = known?.startedAt ?? event.at
    this.attempts = known?.attempts ?? 0
    this.doubt = known?.doubt
  }
}

const draftOf = (state: ExecutionState): Draft => ({
  ...state,
  steps: new Map(Array.from(state.steps, ([path, step]) => [path, { ...step }]))
})

/**
 * The transition table: the state after an event, or what is wrong with it.
 *
 * Pure, and the only place that says what a journal may hold. The interpreter passes every event through it before the
 * event is stored, and a resume folds the stored ones with it.
 */
export const transition = (
  state: ExecutionState | undefined,
  event: Event
): ExecutionState | InvalidTransition => advance(state === undefined ? undefined : draftOf(state), event)

/** The state after all events, or what is wrong with the first that does not fit. `undefined` for no events. */
export const fold = (events: Iterable<Event>): ExecutionState | InvalidTransition | undefined => {
  const sum = new Sum(undefined)
  for (const event of events) {
    const problem = sum.add(event)
    if (problem !== undefined) return problem
  }
  return sum.state
}

/**
 * @internal Adds up events as `transition` does, but changes one state in place: a copy for each event would cost more than
 * what the event says.
 */
export class Sum {
  private draft: Draft | undefined
  constructor(initial: ExecutionState | undefined) {
    this.draft = initial === undefined ? undefined : draftOf(initial)
  }
  get state(): ExecutionState | undefined {
    return this.draft
  }
  add(event: Event): InvalidTransition | undefined {
    const next = advance(this.draft, event)
    if (next instanceof InvalidTransition) return next
    this.draft = next
  }
}

/** The table itself. Changes the draft it is given, and only where the event fits. */
const advance = (state: Draft | undefined, event: Event): Draft | InvalidTransition => {
  if (event._tag === "Started") {
    if (state !== undefined) return invalid(event, "the execution has started before")
    return new Draft(event)
  }
  if (state === undefined) return invalid(event, "the journal does not begin with Started")
  if (state.status === "Succeeded" || state.status === "Undone") return invalid(event, "the execution is finished")

  if (event._tag === "Resumed") {
    if (state.status !== "Parked") return invalid(event, "the execution is not parked")
    state.parked = undefined
    if (state.direction === "Forward") {
      state.status = "Running"
      state.failures = none
    } else state.status = "Unwinding"
    return state
  }
  if (state.status === "Parked") return invalid(event, "the execution is parked")

  switch (event._tag) {
    case "StepStarted":
    case "StepSkipped":
      return stepStarted(state, event)
    case "StepSucceeded":
    case "StepFailed":
    case "StepInDoubt":
      return stepEnded(state, event)
    case "CompensationStarted":
    case "CompensationSucceeded":
    case "CompensationFailed":
      return compensation(state, event)
    case "UnwindingStarted": {
      if (state.direction === "Back") return invalid(event, "the execution is being unwound already")
      const committed = committedFinal(state)
      if (committed !== undefined) return invalid(event, `Final step "${committed.step}" has taken effect`)
      state.status = "Unwinding"
      state.direction = "Back"
      state.failures = event.failures
      return state
    }
    case "Parked":
      state.status = "Parked"
      state.parked = event.reason
      state.failures = event.failures ?? state.failures
      return state
    case "Finished": {
      if ((event.result === "Succeeded") !== (state.direction === "Forward")) {
        return invalid(event, `an execution that goes ${state.direction.toLowerCase()} cannot end ${event.result}`)
      }
      for (const step of state.steps.values()) {
        if (!isClosed(step, event.result)) return invalid(event, `step "${step.step}" is ${step.status}`)
      }
      state.status = event.result
      state.endedAt = event.at
      return state
    }
  }
}

const committedFinal = (state: ExecutionState): StepState | undefined =>
  steps(state).find((step) => step.classification === "Final" && step.status === "Succeeded")

const isClosed = (step: StepState, result: "Succeeded" | "Undone"): boolean => {
  if (step.status === "Skipped") return true
  if (result === "Succeeded") return step.status === "Succeeded"
  if (step.classification === "ReadOnly") return true
  return step.status === "Undone" || step.status === "Failed"
}

const stepStarted = (
  state: Draft,
  event: typeof StepStarted.Type | typeof StepSkipped.Type
): Draft | InvalidTransition => {
  if (state.direction === "Back") return invalid(event, "the execution is being unwound")
  const known = state.steps.get(event.step)
  const open = known === undefined || known.status === "Started" || known.status === "InDoubt" ||
    known.status === "Failed"
  if (!open) return invalid(event, `step "${event.step}" is ${known.status}`)
  state.steps.set(event.step, new StepDraft(event, known, state.steps.size))
  return state
}

const stepEnded = (
  state: Draft,
  event: typeof StepSucceeded.Type | typeof StepFailed.Type | typeof StepInDoubt.Type
): Draft | InvalidTransition => {
  if (state.direction === "Back") return invalid(event, "the execution is being unwound")
  const step = state.steps.get(event.step)
  if (step === undefined) return invalid(event, `step "${event.step}" has not started`)
  if (step.status !== "Started" && step.status !== "InDoubt") {
    return invalid(event, `step "${event.step}" is ${step.status}`)
  }
  step.endedAt = event.at
  step.attempts = event.attempts
  switch (event._tag) {
    case "StepSucceeded":
      step.status = "Succeeded"
      step.output = event.output
      return state
    case "StepFailed":
      step.status = "Failed"
      step.failures = event.failures
      return state
    case "StepInDoubt":
      step.status = "InDoubt"
      step.doubt = event.reason
      return state
  }
}

const compensation = (
  state: Draft,
  event: typeof CompensationStarted.Type | typeof CompensationSucceeded.Type | typeof CompensationFailed.Type
): Draft | InvalidTransition => {
  if (state.direction === "Forward") return invalid(event, "no decision to unwind has been stored")
  const step = state.steps.get(event.step)
  if (step === undefined) return invalid(event, `step "${event.step}" has not started`)
  if (event._tag === "CompensationStarted") {
    const armed = step.status === "Succeeded" || step.status === "UndoFailed" || step.status === "Undoing"
    if (step.classification !== "Compensatable" || !armed) {
      return invalid(event, `${step.classification} step "${event.step}" is ${step.status}`)
    }
    step.status = "Undoing"
    step.undoStartedAt ??= event.at
    return state
  }
  if (step.status !== "Undoing") return invalid(event, `step "${event.step}" is ${step.status}`)
  const failed = event._tag === "CompensationFailed"
  step.status = failed ? "UndoFailed" : "Undone"
  step.undoEndedAt = event.at
  step.undoAttempts = event.attempts
  step.undoFailures = failed ? event.failures : none
  return state
}

/** The events that one commit adds to a journal, with the number of their format. */
export const Commit = Schema.parseJson(Schema.Struct({
  format: Schema.Number,
  events: Schema.Array(Event)
}))

/** The text that is stored for a commit. */
export const encodeCommit = (events: ReadonlyArray<Event>): string => JSON.stringify({ format, events })

const formatOf = Schema.decodeUnknown(Schema.parseJson(Schema.Struct({ format: Schema.Number })))

/** Reads the text of a commit, or says in one line why it cannot be read. */
export const decodeCommit = (body: string): Effect.Effect<ReadonlyArray<Event>, string> =>
  Effect.flatMap(Effect.mapError(formatOf(body), firstProblem), (commit) =>
    // First the number: what a newer format holds is nobody's business here.
    commit.format > format
      ? Effect.fail(`it has format ${commit.format}, and this release reads up to ${format}`)
      : Effect.mapBoth(Schema.decodeUnknown(Commit)(body), {
        onSuccess: ({ events }) => events,
        onFailure: firstProblem
      }))

/** The first thing that is wrong, in one line: a whole report repeats the schema for each kind of event. */
const firstProblem = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return issue === undefined
    ? "it does not match"
    : `${issue.message.split("\n", 1)[0]} at ${issue.path.join(".") || "its root"}`
}
