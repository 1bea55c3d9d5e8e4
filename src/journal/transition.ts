/** The transition table: which event may follow which state. */
import { Data } from "effect"
import type {
  CancellationRefused,
  CancellationRequested,
  CompensationFailed,
  CompensationStarted,
  CompensationSucceeded,
  Event,
  Finished,
  ItemsListed,
  Resumed,
  SignalReceived,
  StepFailed,
  StepInDoubt,
  StepSkipped,
  StepStarted,
  StepSucceeded,
  WaitStarted
} from "./events.ts"
import {
  committedFinal,
  Draft,
  draftOf,
  type ExecutionState,
  idOfSignal,
  noLists,
  none,
  signalFor,
  StepDraft,
  type StepState
} from "./state.ts"
import { classifications, isFinished, stepStatuses } from "./statuses.ts"

/** An event that cannot follow the state it was applied to: the journal was not written by this library, or is damaged. */
export class InvalidTransition extends Data.TaggedClass("InvalidTransition")<{
  readonly event: Event["_tag"]
  readonly problem: string
}> {}

const invalid = (event: Event, problem: string) => new InvalidTransition({ event: event._tag, problem })

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
 * Adds up events as `transition` does, but changes one state in place: a copy for each event would cost more than
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
  if (isFinished(state.status)) return invalid(event, "the execution is finished")

  if (event._tag === "Resumed") return resumed(state, event)
  if (state.status === "Parked") return invalid(event, "the execution is parked")
  if (state.status === "Waiting") return invalid(event, "the execution waits")

  switch (event._tag) {
    case "StepStarted":
    case "StepSkipped":
    case "WaitStarted":
      return stepStarted(state, event)
    case "StepSucceeded":
    case "StepFailed":
    case "StepInDoubt":
      return stepEnded(state, event)
    case "ItemsListed":
      return itemsListed(state, event)
    case "CompensationStarted":
    case "CompensationSucceeded":
    case "CompensationFailed":
      return compensation(state, event)
    case "UnwindingStarted": {
      const problem = whyNotBack(state, event)
      if (problem !== undefined) return problem
      state.status = "Unwinding"
      state.direction = "Back"
      state.failures = event.failures
      state.waits = undefined
      return state
    }
    case "Waiting":
      if (state.waits === undefined) return invalid(event, "no step waits")
      state.status = "Waiting"
      return state
    case "SignalReceived":
      return signalReceived(state, event)
    case "CancellationRequested":
    case "CancellationRefused":
      return cancellation(state, event)
    case "Parked":
      state.status = "Parked"
      state.parked = event.reason
      state.claims = event.claims ?? 0
      state.failures = event.failures ?? state.failures
      return state
    case "Finished":
      return finished(state, event)
  }
}

const resumed = (state: Draft, event: typeof Resumed.Type): Draft | InvalidTransition => {
  if (state.status !== "Parked" && state.status !== "Waiting") {
    return invalid(event, "the execution is neither parked nor waiting")
  }
  state.parked = undefined
  state.claims = 0
  if (state.direction === "Forward") {
    state.status = "Running"
    state.failures = none
  } else state.status = "Unwinding"
  return state
}

const signalReceived = (state: Draft, event: typeof SignalReceived.Type): Draft => {
  state.taken = Math.max(state.taken, event.message)
  const id = idOfSignal(event)
  if (id !== undefined) {
    if (state.delivered.includes(id)) return state
    state.delivered = [...state.delivered, id]
  }
  state.signals = [...state.signals, event]
  return state
}

const cancellation = (
  state: Draft,
  event: typeof CancellationRequested.Type | typeof CancellationRefused.Type
): Draft | InvalidTransition => {
  if (event._tag === "CancellationRequested") {
    const problem = whyNotBack(state, event)
    if (problem !== undefined) return problem
    if (state.cancellation !== undefined) return invalid(event, "the execution was cancelled before")
    state.cancellation = { by: event.by, reason: event.reason }
  } else if (event.why === "Committed") {
    // Also one that was accepted while it was not known whether a Final has taken effect.
    state.cancellation = undefined
  }
  state.taken = Math.max(state.taken, event.message ?? 0)
  return state
}

/** Why an execution must not begin to go back. */
const whyNotBack = (state: Draft, event: Event): InvalidTransition | undefined => {
  if (state.direction === "Back") return invalid(event, "the execution is being unwound already")
  const committed = committedFinal(state)
  return committed === undefined ? undefined : invalid(event, `Final step "${committed.step}" has taken effect`)
}
const finished = (state: Draft, event: typeof Finished.Type): Draft | InvalidTransition => {
  if ((event.result === "Succeeded") !== (state.direction === "Forward")) {
    return invalid(event, `an execution that goes ${state.direction.toLowerCase()} cannot end ${event.result}`)
  }
  for (const step of state.steps.values()) {
    if (!isClosed(step, event.result)) return invalid(event, `step "${step.step}" is ${step.status}`)
  }
  if (event.result === "Undone" && event.output !== undefined) {
    return invalid(event, "an execution that was undone has no output")
  }
  state.status = event.result
  state.output = event.output
  state.endedAt = event.at
  return state
}

/** Whether an execution may end so with this step. What only reads has nothing that could stand. */
const isClosed = (step: StepState, result: "Succeeded" | "Undone"): boolean =>
  stepStatuses[step.status].endsAs[result] ||
  (result === "Undone" && !classifications[step.classification].hasSideEffect)

const stepStarted = (
  state: Draft,
  event: typeof StepStarted.Type | typeof StepSkipped.Type | typeof WaitStarted.Type
): Draft | InvalidTransition => {
  if (state.direction === "Back") return invalid(event, "the execution is being unwound")
  const known = state.steps.get(event.step)
  if (known !== undefined && !stepStatuses[known.status].mayStart) {
    return invalid(event, `step "${event.step}" is ${known.status}`)
  }
  if (event._tag === "WaitStarted") {
    if (state.waits !== undefined) return invalid(event, `step "${state.waits.step}" waits already`)
    const { signal, step, until } = event
    state.waits = { step, signal, until }
  }
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
  if (!stepStatuses[step.status].isOpen) {
    return invalid(event, `step "${event.step}" is ${step.status}`)
  }
  step.endedAt = event.at
  step.attempts = event.attempts
  if (state.waits !== undefined) stopWaiting(state, event)
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

const itemsListed = (state: Draft, event: typeof ItemsListed.Type): Draft | InvalidTransition => {
  if (state.direction === "Back") return invalid(event, "the execution is being unwound")
  const { items, list } = event
  if (state.lists.has(list)) return invalid(event, `the items of "${list}" are known already`)
  if (new Set(items.map(({ key }) => key)).size < items.length) {
    return invalid(event, `two items of "${list}" have the same key`)
  }
  // The map is this draft's own, unless it is the one that all share.
  if (state.lists === noLists) state.lists = new Map([[list, items]])
  else (state.lists as Map<string, typeof items>).set(list, items)
  return state
}

/** A step that waits uses the first signal that it can, whatever else ends its wait. */
const stopWaiting = (state: Draft, { step }: { readonly step: string }): void => {
  const { waits } = state
  if (waits === undefined || waits.step !== step) return
  const used = signalFor(state, waits)
  if (used !== undefined) state.signals = state.signals.filter((signal) => signal !== used)
  state.waits = undefined
}

const compensation = (
  state: Draft,
  event: typeof CompensationStarted.Type | typeof CompensationSucceeded.Type | typeof CompensationFailed.Type
): Draft | InvalidTransition => {
  if (state.direction === "Forward") return invalid(event, "no decision to unwind has been stored")
  const step = state.steps.get(event.step)
  if (step === undefined) return invalid(event, `step "${event.step}" has not started`)
  if (event._tag === "CompensationStarted") {
    if (!classifications[step.classification].isUndoable || !stepStatuses[step.status].mayBeUndone) {
      return invalid(event, `${step.classification} step "${event.step}" is ${step.status}`)
    }
    step.status = "Undoing"
    step.undoStartedAt ??= event.at
    return state
  }
  if (step.status !== "Undoing") return invalid(event, `step "${event.step}" is ${step.status}`)
  const failed = event._tag === "CompensationFailed"
  step.status = failed ? "CompensationFailed" : "Undone"
  step.undoEndedAt = event.at
  step.undoAttempts = event.attempts
  step.undoFailures = failed ? event.failures : none
  return state
}
