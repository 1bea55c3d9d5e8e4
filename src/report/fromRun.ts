/** Makes reports of runs and of stored executions. */
import { Cause, Exit, Option } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import { type ExecutionState, type Status, type StepState, type StoredFailure, tookEffect } from "../Journal.ts"
import * as SagaError from "../SagaError.ts"
import { describe } from "../values/describe.ts"
import { printable } from "../values/visible.ts"
import type { CompensationReport, Recorded, ReportDetails, SagaReport, StepReport } from "./SagaReport.ts"

const stepReport = (node: StepNode, state: StepState | undefined): StepReport => ({
  step: node.path,
  classification: node.classification,
  status: state === undefined
    ? "NotStarted"
    : state.status === "Failed" || state.status === "InDoubt" || state.status === "Skipped" ||
        state.status === "Started"
    ? state.status
    : "Succeeded",
  attempts: state?.attempts ?? 0,
  startedAt: state?.startedAt,
  duration: between(state?.startedAt, state?.endedAt),
  reason: state?.status === "InDoubt" ? state.doubt : reasonOf(state?.failures)
})

const reasonOf = (failures: ReadonlyArray<StoredFailure> | undefined): string | undefined =>
  failures === undefined || failures.length === 0
    ? undefined
    : failures.map((failure) => failure.kind === "Interrupt" ? "interrupted" : inOneLine(failure)).join("; ")

const inOneLine = ({ message, tag }: { readonly tag: string; readonly message: string }) =>
  message === tag ? tag : `${tag}: ${message}`

const between = (from: number | undefined, to: number | undefined) =>
  // A clock may go back, or be another host's.
  from === undefined || to === undefined ? undefined : Math.max(0, to - from)

const compensationStatus: { readonly [Status in StepState["status"]]?: CompensationReport["status"] } = {
  Undone: "Undone",
  CompensationFailed: "Failed",
  Undoing: "Started"
}

const compensationReport = (
  state: StepState,
  error: SagaError.PartlyUndone<unknown> | undefined
): CompensationReport => ({
  step: state.step,
  status: compensationStatus[state.status] ?? "NotTried",
  attempts: state.undoAttempts,
  startedAt: state.undoStartedAt,
  duration: between(state.undoStartedAt, state.undoEndedAt),
  reason: reasonOf(state.undoFailures),
  cause: error?.failed.find(({ step }) => step === state.step)?.cause
})

const sayWhy = (program: Program, steps: ReadonlyArray<StepReport>, cause: Cause.Cause<unknown>): string => {
  const isDoubt = Option.exists(Cause.failureOption(cause), (error) => SagaError.is("OutcomeUnknown")(error))
  const failed = steps.find(({ status }) => status === (isDoubt ? "InDoubt" : "Failed")) ??
    steps.find(({ status }) => status === "Failed" || status === "InDoubt")
  const why = Cause.isInterruptedOnly(cause)
    ? "was interrupted"
    : Option.match(Cause.failureOption(cause), {
      onNone: () => "died",
      onSome: (error) => `failed with ${tagOf(error)}`
    })
  return `${program.name} ${why}${failed === undefined ? "" : ` at step "${failed.step}"`}`
}

/** The name of an error in a sentence. */
const tagOf = (error: unknown): string =>
  typeof error === "string" ? printable(error).slice(0, 100) : describe(error).tag

const namesOf = (steps: ReadonlyArray<{ readonly step: string }>) => steps.map(({ step }) => `"${step}"`).join(", ")

/** What is recorded of an execution, in declared order. */
const detailsOf = (
  program: Program,
  executionId: string,
  state: ExecutionState,
  endedAt: number,
  partly: SagaError.PartlyUndone<unknown> | undefined
): Omit<ReportDetails, "summary"> => {
  const stateOf = (step: StepNode) => state.steps.get(step.path)
  return {
    saga: program.name,
    version: program.version,
    executionId,
    steps: program.steps.map((step) => stepReport(step, stateOf(step))),
    compensations: state.direction === "Forward" ? [] : program.steps
      .flatMap((step) => {
        const stepState = step.classification === "Compensatable" ? stateOf(step) : undefined
        return stepState !== undefined && tookEffect(stepState) ? [compensationReport(stepState, partly)] : []
      })
      .reverse(),
    startedAt: state.startedAt,
    duration: Math.max(0, endedAt - state.startedAt)
  }
}

/** The report of a stored execution. */
export const recordedOf = (program: Program, executionId: string, state: ExecutionState): Recorded => {
  const { parked, status } = state
  const ends = Array.from(state.steps.values()).flatMap(({ endedAt, startedAt, undoEndedAt, undoStartedAt }) =>
    [startedAt, endedAt, undoStartedAt, undoEndedAt].filter((time) => time !== undefined)
  )
  const endedAt = state.endedAt ?? Math.max(state.startedAt, ...ends)
  const failed = program.steps.flatMap(({ path }) => state.steps.get(path) ?? [])
    .find(({ status }) => status === "Failed" || status === "InDoubt")
  const why = failed === undefined
    ? undefined
    : failed.status === "InDoubt"
    ? `nobody knows whether step "${failed.step}" happened`
    : `step "${failed.step}" failed${withTag(failed.failures)}`
  const is = `${program.name} ${statusPhrase[status]}${parked === undefined ? "" : ` (${parked})`}`
  const summary = why === undefined ? is : `${is}: ${why}`
  return { _tag: "Recorded", status, parked, ...detailsOf(program, executionId, state, endedAt, undefined), summary }
}

const withTag = ([first]: ReadonlyArray<StoredFailure>) =>
  first === undefined ? "" : first.kind === "Interrupt"
    ? ", for it was interrupted"
    : ` with ${first.tag === "string" ? tagOf(first.message) : first.tag}`

const statusPhrase: { readonly [Kind in Status]: string } = {
  Running: "is running",
  Unwinding: "is being undone",
  Parked: "is parked",
  Succeeded: "succeeded",
  Undone: "was undone"
}

/** The report of a run, from the sum of its events and from its exit. */
export const reportOf = (options: {
  readonly program: Program
  readonly executionId: string
  readonly state: ExecutionState
  readonly exit: Exit.Exit<unknown, unknown>
  /** Epoch milliseconds. */
  readonly endedAt: number
}): SagaReport<unknown, unknown> => {
  const { endedAt, executionId, exit, program, state } = options
  // A step may run another saga, and fail with its errors: only those of this execution are this run's own.
  const ended = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const error = (ended as { readonly executionId?: unknown } | undefined)?.executionId === executionId
    ? ended
    : undefined
  const partly = SagaError.is("PartlyUndone")(error) ? error : undefined
  const recorded = detailsOf(program, executionId, state, endedAt, partly)
  const { compensations, steps } = recorded
  const details = (summary: string): ReportDetails => ({ ...recorded, summary })
  if (Exit.isSuccess(exit)) {
    const skipped = steps.filter(({ status }) => status === "Skipped").length
    const took = steps.length - skipped
    const summary = `${program.name} succeeded: ${took} ${took === 1 ? "step" : "steps"} took effect` +
      (skipped === 0 ? "" : `, ${skipped} ${skipped === 1 ? "was" : "were"} skipped`)
    return { _tag: "Succeeded", output: exit.value, ...details(summary) }
  }
  const undone = compensations.filter(({ status }) => status === "Undone")
  const whatWasUndone = undone.length > 0
    ? `undone: ${namesOf(undone)}`
    : compensations.length === 0
    ? "there was nothing to undo"
    : "nothing could be undone"
  if (partly !== undefined) {
    const stand = compensations.filter(({ status }) => status !== "Undone")
    return {
      _tag: "PartlyUndone",
      error: partly,
      ...details(`${sayWhy(program, steps, partly.cause)}; ${whatWasUndone}; still in effect: ${namesOf(stand)}`)
    }
  }
  if (SagaError.is("FailedAfterCommit")(error)) {
    return {
      _tag: "FailedAfterCommit",
      error: error as SagaError.FailedAfterCommit<never>,
      ...details(
        `${sayWhy(program, steps, error.cause)} after its point of no return; ` +
          `in effect: ${error.stands.map((step) => `"${step}"`).join(", ")}`
      )
    }
  }
  if (SagaError.is("OutcomeUnknown")(error) && error.step !== undefined && error.happened === undefined) {
    return {
      _tag: "OutcomeUnknown",
      error,
      ...details(`nobody knows whether step "${error.step}" of ${program.name} happened; ${whatWasUndone}`)
    }
  }
  return {
    _tag: "Undone",
    cause: exit.cause,
    ...details(`${sayWhy(program, steps, exit.cause)}; ${whatWasUndone}`)
  }
}
