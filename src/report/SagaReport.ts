/**
 * What a run of a saga did, as data: one entry a step, one a compensation, and a sentence.
 */
import { Cause, Exit, Option, Schema } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import { describe } from "../values/describe.ts"
import { printable } from "../values/visible.ts"
import {
  Classification,
  type ExecutionState,
  ParkedReason,
  Status,
  type StepState,
  type StoredFailure,
  tookEffect
} from "../Journal.ts"
import { CompensationFailed, FailedAfterCommit, OutcomeUnknown } from "../SagaError.ts"

/** What became of one step's action. Durations are in milliseconds. */
export interface StepReport {
  readonly step: string
  readonly classification: Classification
  /**
   * - `NotStarted`: the run ended before it
   * - `Started`: its end is not recorded, of an execution that was looked at while it ran, or before it was recovered
   * - `Skipped`: its condition did not hold
   * - `Succeeded`: it took effect (and was undone, if a compensation says so)
   * - `Failed`: it ended with an error, a defect or an interruption
   * - `InDoubt`: nobody knows
   */
  readonly status: "NotStarted" | "Started" | "Skipped" | "Succeeded" | "Failed" | "InDoubt"
  /** Calls of the action. */
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined
  readonly duration: number | undefined
  /** Why it failed or is in doubt, in words. */
  readonly reason: string | undefined
}

/** What became of one compensation. Durations are in milliseconds. */
export interface CompensationReport {
  readonly step: string
  /** `Started`: as of a step. */
  readonly status: "Undone" | "Failed" | "NotTried" | "Started"
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined
  readonly duration: number | undefined
  /** Why it failed, in words. */
  readonly reason: string | undefined
  /** Why it failed, in a report of a run. */
  readonly cause: Cause.Cause<unknown> | undefined
}

/** What every report tells. Durations are in milliseconds. */
export interface ReportDetails {
  readonly saga: string
  readonly version: number
  readonly executionId: string
  /** One entry a step, in declared order. */
  readonly steps: ReadonlyArray<StepReport>
  /** One entry a compensation that was owed, newest first. Empty when nothing was unwound. */
  readonly compensations: ReadonlyArray<CompensationReport>
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly duration: number
  /** One sentence: what happened. */
  readonly summary: string
}

/** Everything took effect. */
export interface Succeeded<out Output> extends ReportDetails {
  readonly _tag: "Succeeded"
  readonly output: Output
}

/** The saga failed, was interrupted or died, and everything was undone. */
export interface Undone<out Error> extends ReportDetails {
  readonly _tag: "Undone"
  readonly cause: Cause.Cause<Error>
}

/** The saga failed, and some of it could not be undone: `error` says what stands. */
export interface PartlyUndone<out Error> extends ReportDetails {
  readonly _tag: "PartlyUndone"
  readonly error: CompensationFailed<Error>
}

/** A Final failed after another took effect: `error` says what stands. */
export interface CommittedThenFailed<out Error> extends ReportDetails {
  readonly _tag: "CommittedThenFailed"
  readonly error: Error
}

/** Nobody knows whether a step happened; the steps before it were undone. */
export interface InDoubt extends ReportDetails {
  readonly _tag: "InDoubt"
  readonly error: OutcomeUnknown
}

/** What the journal of a stored execution says, finished or not. */
export interface Recorded extends ReportDetails {
  readonly _tag: "Recorded"
  readonly status: Status
  /** Why it is parked, if it is. */
  readonly parked: ParkedReason | undefined
}

/** Every way a run can end. */
export type SagaReport<Output, Error> =
  | Succeeded<Output>
  | Undone<Exclude<Error, FailedAfterCommit<any>>>
  | PartlyUndone<Exclude<Error, FailedAfterCommit<any>>>
  | CommittedThenFailed<Extract<Error, FailedAfterCommit<any>> | FailedAfterCommit<never>>
  | InDoubt

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
  UndoFailed: "Failed",
  Undoing: "Started"
}

const compensationReport = (
  state: StepState,
  error: CompensationFailed<unknown> | undefined
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
  const isDoubt = Option.exists(Cause.failureOption(cause), (error) => error instanceof OutcomeUnknown)
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

const names = (steps: ReadonlyArray<{ readonly step: string }>) => steps.map(({ step }) => `"${step}"`).join(", ")

/** What is recorded of an execution, in declared order. */
const detailsOf = (
  program: Program,
  executionId: string,
  state: ExecutionState,
  endedAt: number,
  partly: CompensationFailed<unknown> | undefined
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

/** @internal What is recorded of a stored execution. */
export const ofState = (program: Program, executionId: string, state: ExecutionState): Recorded => {
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
  const is = `${program.name} ${inWords[status]}${parked === undefined ? "" : ` (${parked})`}`
  const summary = why === undefined ? is : `${is}: ${why}`
  return { _tag: "Recorded", status, parked, ...detailsOf(program, executionId, state, endedAt, undefined), summary }
}

const withTag = ([first]: ReadonlyArray<StoredFailure>) =>
  first === undefined ? "" : first.kind === "Interrupt"
    ? ", for it was interrupted"
    : ` with ${first.tag === "string" ? tagOf(first.message) : first.tag}`

const inWords: { readonly [Kind in Status]: string } = {
  Running: "is running",
  Unwinding: "is being undone",
  Parked: "is parked",
  Succeeded: "succeeded",
  Undone: "was undone"
}

/** Makes the report of a run from the sum of what was recorded and from how it ended. */
export const make = (options: {
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
  const partly = error instanceof CompensationFailed ? error : undefined
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
    ? `undone: ${names(undone)}`
    : compensations.length === 0
    ? "there was nothing to undo"
    : "nothing could be undone"
  if (partly !== undefined) {
    const stand = compensations.filter(({ status }) => status !== "Undone")
    return {
      _tag: "PartlyUndone",
      error: partly,
      ...details(`${sayWhy(program, steps, partly.cause)}; ${whatWasUndone}; still in effect: ${names(stand)}`)
    }
  }
  if (error instanceof FailedAfterCommit) {
    return {
      _tag: "CommittedThenFailed",
      error: error as FailedAfterCommit<never>,
      ...details(
        `${sayWhy(program, steps, error.cause)} after its point of no return; ` +
          `in effect: ${error.stands.map((step) => `"${step}"`).join(", ")}`
      )
    }
  }
  if (error instanceof OutcomeUnknown && error.step !== undefined && error.happened === undefined) {
    return {
      _tag: "InDoubt",
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

const optional = <A>(schema: Schema.Schema<A>) => Schema.optionalWith(schema, { exact: true })

const times = {
  attempts: Schema.Number,
  startedAt: optional(Schema.Number),
  duration: optional(Schema.Number),
  reason: optional(Schema.String)
}

/**
 * A report as plain JSON, for logs, files and other programs. It has neither inputs nor outputs nor errors as values, only what is
 * said of them in words. `stands` lists the steps with a side effect that is in effect.
 */
export const Json = Schema.Struct({
  _tag: Schema.Literal("Succeeded", "Undone", "PartlyUndone", "CommittedThenFailed", "InDoubt", "Recorded"),
  saga: Schema.String,
  version: Schema.Number,
  executionId: Schema.String,
  summary: Schema.String,
  startedAt: Schema.Number,
  duration: Schema.Number,
  /** Of a stored execution. */
  status: optional(Status),
  parked: optional(ParkedReason),
  steps: Schema.Array(Schema.Struct({
    step: Schema.String,
    classification: Classification,
    status: Schema.Literal("NotStarted", "Started", "Skipped", "Succeeded", "Failed", "InDoubt"),
    ...times
  })),
  compensations: Schema.Array(Schema.Struct({
    step: Schema.String,
    status: Schema.Literal("Undone", "Failed", "NotTried", "Started"),
    ...times
  })),
  stands: Schema.Array(Schema.String)
})
export type Json = typeof Json.Type

/** See {@link Json}. */
export const toJson = (report: SagaReport<any, any> | Recorded): Json => {
  const { compensations, duration, executionId, saga, startedAt, steps, summary, version } = report
  const isUndone = (step: string) => compensations.some((other) => other.step === step && other.status === "Undone")
  const stands = steps.flatMap(({ classification, status, step }) =>
    classification !== "ReadOnly" && status === "Succeeded" && !isUndone(step) ? [step] : []
  )
  return {
    _tag: report._tag,
    saga,
    version,
    executionId,
    summary,
    startedAt,
    duration,
    ...given(report._tag === "Recorded" ? { status: report.status, parked: report.parked } : {}),
    steps: steps.map(({ attempts, classification, status, step, ...rest }) => ({
      step,
      classification,
      status,
      attempts,
      ...given({ startedAt: rest.startedAt, duration: rest.duration, reason: rest.reason })
    })),
    compensations: compensations.map(({ attempts, status, step, ...rest }) => ({
      step,
      status,
      attempts,
      ...given({ startedAt: rest.startedAt, duration: rest.duration, reason: rest.reason })
    })),
    stands
  }
}

/** Without what is undefined, which JSON has no word for. */
const given = <A extends object>(values: A) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    readonly [Key in keyof A]?: Exclude<A[Key], undefined>
  }
