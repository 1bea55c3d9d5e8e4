/** Makes the reports of runs and of stored executions. */
import { Cause, Exit, Option } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import type { ExecutionState, Status, StepState, StoredFailure, Waits } from "../Journal.ts"
import * as SagaError from "../SagaError.ts"
import { describe, oneLine, sayCancelled } from "../values/describe.ts"
import { visible } from "../values/visible.ts"
import type { CompensationReport, Recorded, ReportDetails, SagaReport, StepReport } from "./SagaReport.ts"
import { formatTime } from "./words.ts"

const statusOfStep: { readonly [Status in StepState["status"]]: StepReport["status"] } = {
  Skipped: "Skipped",
  Started: "Started",
  InDoubt: "InDoubt",
  Failed: "Failed",
  Succeeded: "Succeeded",
  Undoing: "Succeeded",
  Undone: "Succeeded",
  CompensationFailed: "Succeeded"
}

/** What a report knows of a definition. */
export interface Reported extends Pick<Program, "name" | "version"> {
  /** The definition with the steps of all items of these lists. */
  readonly listed: (lists: ExecutionState["lists"]) => { readonly steps: ReadonlyArray<ReportedStep> }
}

type ReportedStep = Pick<StepNode, "path" | "classification">

const stepReport = (node: ReportedStep, state: StepState | undefined, waits: Waits | undefined): StepReport => ({
  step: node.path,
  classification: node.classification,
  status: state === undefined ? "NotStarted" : waits === undefined ? statusOfStep[state.status] : "Waiting",
  attempts: state?.attempts ?? 0,
  startedAt: state?.startedAt,
  duration: between(state?.startedAt, state?.endedAt),
  reason: waits !== undefined ? sayWaits(waits) : state?.status === "InDoubt" ? state.doubt : reasonOf(state?.failures)
})

/** On what a step waits. */
const sayWaits = ({ signal, until }: Waits): string =>
  [
    ...signal === undefined ? [] : [`for signal "${signal}"`],
    ...until === undefined ? [] : [`until ${formatTime(until)}`]
  ].join(" ")

const reasonOf = (failures: ReadonlyArray<StoredFailure> | undefined): string | undefined =>
  failures === undefined || failures.length === 0
    ? undefined
    : failures.map(inOneLine).join("; ")

const inOneLine = (failure: StoredFailure): string => {
  switch (failure.kind) {
    case "Fail":
    case "Die":
      return failure.message === failure.tag ? failure.tag : `${failure.tag}: ${failure.message}`
    case "Interrupt":
      return "interrupted"
    case "Cancel":
      return sayCancelled(failure)
  }
}

const between = (from: number | undefined, to: number | undefined) =>
  // A clock may go back, or be another host's.
  from === undefined || to === undefined ? undefined : Math.max(0, to - from)

/** In an execution that goes back, or went. Undefined where no compensation is owed. */
const statusOfCompensation: { readonly [Status in StepState["status"]]: CompensationReport["status"] | undefined } = {
  Skipped: undefined,
  Started: undefined,
  InDoubt: undefined,
  Failed: undefined,
  Succeeded: "NotTried",
  Undoing: "Started",
  Undone: "Undone",
  CompensationFailed: "Failed"
}

const compensationReports = (
  state: StepState | undefined,
  failed: ReadonlyMap<string, Cause.Cause<unknown>>
): ReadonlyArray<CompensationReport> => {
  const status = state?.classification === "Compensatable" ? statusOfCompensation[state.status] : undefined
  return state === undefined || status === undefined ? [] : [{
    step: state.step,
    status,
    attempts: state.undoAttempts,
    startedAt: state.undoStartedAt,
    duration: between(state.undoStartedAt, state.undoEndedAt),
    reason: reasonOf(state.undoFailures),
    cause: failed.get(state.step)
  }]
}

const sayWhy = (program: Reported, steps: ReadonlyArray<StepReport>, cause: Cause.Cause<unknown>): string => {
  const isDoubt = Option.exists(Cause.failureOption(cause), (error) => SagaError.is("OutcomeUnknown")(error))
  const doubtful = steps.filter(({ status }) => status === "InDoubt")
  const failed = steps.find(({ status }) => status === "Failed")
  const where = isDoubt && doubtful.length > 0 ? doubtful : failed === undefined ? doubtful : [failed]
  const why = Cause.isInterruptedOnly(cause)
    ? "was interrupted"
    : Option.match(Cause.failureOption(cause), {
      onNone: () => "died",
      onSome: (error) => `failed with ${tagOf(error)}`
    })
  return `${program.name} ${why}${where.length === 0 ? "" : ` at ${someSteps(where)}`}`
}

/** The name of an error in a sentence. */
const tagOf = (error: unknown): string => typeof error === "string" ? error.slice(0, 100) : describe(error).tag

const namesOf = (steps: ReadonlyArray<{ readonly step: string }>) => steps.map(({ step }) => `"${step}"`).join(", ")

const mostNamed = 10

/** Steps in a sentence: the first ones by name, and how many more there are. */
const someSteps = (steps: ReadonlyArray<{ readonly step: string }>): string => {
  return `${steps.length === 1 ? "step" : "steps"} ${firstOf(steps)}`
}

const firstOf = (steps: ReadonlyArray<{ readonly step: string }>): string => {
  const more = steps.length - mostNamed
  return `${namesOf(steps.slice(0, mostNamed))}${more > 0 ? ` and ${more} more` : ""}`
}

/** Everything but the summary, in declared order. */
const detailsOf = (
  program: Reported,
  executionId: string,
  state: ExecutionState,
  endedAt: number,
  partly: SagaError.PartlyUndone<unknown> | undefined
): Omit<ReportDetails, "summary"> => {
  const { steps } = program.listed(state.lists)
  const stateOf = (step: ReportedStep) => state.steps.get(step.path)
  const failed = new Map(partly?.failed.map(({ cause, step }) => [step, cause]))
  return {
    saga: program.name,
    version: program.version,
    executionId,
    steps: steps.map((step) =>
      stepReport(
        step,
        stateOf(step),
        state.waits?.step === step.path && state.status !== "Parked" ? state.waits : undefined
      )
    ),
    compensations: state.direction === "Forward"
      ? []
      : steps.flatMap((step) => compensationReports(stateOf(step), failed)).reverse(),
    startedAt: state.startedAt,
    duration: Math.max(0, endedAt - state.startedAt)
  }
}

/** The report of a stored execution. */
export const recordedOf = (program: Reported, executionId: string, state: ExecutionState): Recorded => {
  const { parked, status } = state
  const ends = Array.from(state.steps.values()).flatMap(({ endedAt, startedAt, undoEndedAt, undoStartedAt }) =>
    [startedAt, endedAt, undoStartedAt, undoEndedAt].filter((time) => time !== undefined)
  )
  const endedAt = state.endedAt ?? ends.reduce((last, time) => Math.max(last, time), state.startedAt)
  const why = sayWhyRecorded(program, state)
  const is = `${program.name} ${statusPhrase[status]}${parked === undefined ? "" : ` (${parked})`}`
  return {
    _tag: "Recorded",
    status,
    parked,
    ...detailsOf(program, executionId, state, endedAt, undefined),
    summary: visible(why === undefined ? is : `${is}: ${why}`)
  }
}

/** First what a person has to mend: the compensations that failed, or the steps that are in doubt; then why it was unwound. */
const sayWhyRecorded = (
  program: Reported,
  { cancellation, lists, parked, status, steps: states, waits }: ExecutionState
): string | undefined => {
  if (waits !== undefined && status === "Waiting") return `step "${waits.step}" waits ${sayWaits(waits)}`
  const recorded = program.listed(lists).steps.flatMap(({ path }) => states.get(path) ?? [])
  const stuck = recorded.filter(({ status }) => status === "CompensationFailed")
    .map(({ step, undoFailures }) => `the compensation of "${step}" failed${withTag(undoFailures)}`)
  const doubtful = recorded.filter(({ status }) => status === "InDoubt")
  const failed = recorded.find(({ status }) => status === "Failed")
  const doubt = doubtful.length === 0 ? undefined : `nobody knows whether ${someSteps(doubtful)} happened`
  const failure = failed === undefined ? undefined : `step "${failed.step}" failed${withTag(failed.failures)}`
  const cancelled = cancellation === undefined ? undefined : `it was ${sayCancelled(cancellation)}`
  const why = parked === "OutcomeUnknown" ? doubt ?? failure : cancelled ?? failure ?? doubt
  if (stuck.length === 0) return why
  return why === undefined ? stuck.join("; ") : `${stuck.join("; ")}; it was unwound because ${why}`
}

const withTag = ([first]: ReadonlyArray<StoredFailure>): string => {
  if (first === undefined) return ""
  switch (first.kind) {
    case "Fail":
    case "Die":
      return ` with ${first.tag === "string" ? tagOf(first.message) : first.tag}`
    case "Interrupt":
      return ": it was interrupted"
    case "Cancel":
      return `: it was ${sayCancelled(first)}`
  }
}

const statusPhrase: { readonly [Kind in Status]: string } = {
  Running: "is running",
  Unwinding: "is being undone",
  Parked: "is parked",
  Waiting: "is waiting",
  Succeeded: "succeeded",
  Undone: "was undone"
}

/** The report of a run, from the sum of its events and from its exit. */
export const reportOf = (options: {
  readonly program: Reported
  readonly executionId: string
  readonly state: ExecutionState
  readonly exit: Exit.Exit<unknown, unknown>
  /** Epoch milliseconds. */
  readonly endedAt: number
}): SagaReport<unknown, unknown> => {
  const { endedAt, executionId, exit, program, state } = options
  const error = Exit.isFailure(exit) ? ownError(exit.cause, executionId) : undefined
  const partly = SagaError.is("PartlyUndone")(error) ? error : undefined
  const recorded = detailsOf(program, executionId, state, endedAt, partly)
  const { compensations, steps } = recorded
  const details = (summary: string): ReportDetails => ({ ...recorded, summary: visible(summary) })
  if (Exit.isSuccess(exit)) return { _tag: "Succeeded", output: exit.value, ...details(saySucceeded(program, steps)) }
  const undone = sayUndone(compensations)
  if (partly !== undefined) {
    const stand = firstOf(compensations.filter(({ status }) => status !== "Undone"))
    const summary = `${sayWhy(program, steps, partly.cause)}; ${undone}; still in effect: ${stand}`
    return { _tag: "PartlyUndone", error: partly, ...details(summary) }
  }
  if (SagaError.is("FailedAfterCommit")(error)) {
    const stand = firstOf(error.stands.map((step) => ({ step })))
    const summary = `${sayWhy(program, steps, error.cause)} after its point of no return; in effect: ${stand}`
    return { _tag: "FailedAfterCommit", error: error as SagaError.FailedAfterCommit<never>, ...details(summary) }
  }
  if (SagaError.is("OutcomeUnknown")(error) && error.step !== undefined && error.happened === undefined) {
    const doubtful = steps.filter(({ status }) => status === "InDoubt")
    const summary = `nobody knows whether ${someSteps(doubtful)} of ${program.name} happened; ${undone}`
    return { _tag: "OutcomeUnknown", error, ...details(summary) }
  }
  if (!isAllUndone(state)) {
    // A bug in this library: die rather than say that something is undone.
    throw new Error(`${program.name} (${executionId}) failed while it was ${state.status}: ${oneLine(exit.cause)}`)
  }
  return { _tag: "Undone", cause: exit.cause, ...details(`${sayWhy(program, steps, exit.cause)}; ${undone}`) }
}

/** The error of a run, if it is this run's own: a step may run another saga, and fail with the errors of that one. */
const ownError = (cause: Cause.Cause<unknown>, executionId: string): unknown => {
  const error = Cause.squash(cause)
  return (error as { readonly executionId?: unknown } | null | undefined)?.executionId === executionId
    ? error
    : undefined
}

const isAllUndone = ({ status, steps }: ExecutionState): boolean => {
  switch (status) {
    case "Undone":
      return true
    case "Running":
      // The input was refused before the first step.
      return steps.size === 0
    case "Unwinding":
    case "Parked":
    case "Waiting":
    case "Succeeded":
      return false
  }
}

const saySucceeded = ({ name }: Reported, steps: ReadonlyArray<StepReport>): string => {
  const skipped = steps.filter(({ status }) => status === "Skipped").length
  const ran = steps.length - skipped
  return `${name} succeeded: ${ran} ${ran === 1 ? "step" : "steps"} took effect` +
    (skipped === 0 ? "" : `, ${skipped} ${skipped === 1 ? "was" : "were"} skipped`)
}

const sayUndone = (compensations: ReadonlyArray<CompensationReport>): string => {
  if (compensations.length === 0) return "there was nothing to undo"
  const undone = compensations.filter(({ status }) => status === "Undone")
  return undone.length === 0 ? "nothing could be undone" : `undone: ${firstOf(undone)}`
}
