/**
 * Reports of runs and of stored executions, as data: one entry for each step, one for each compensation, and a summary.
 */
import { type Cause, Schema } from "effect"
import { Classification, ParkedReason, Status } from "../Journal.ts"
import type * as SagaError from "../SagaError.ts"

/** How one step's action ended. Durations are in milliseconds. */
export interface StepReport {
  readonly step: string
  readonly classification: Classification
  /**
   * - `NotStarted`: the run ended before it
   * - `Started`: no end is recorded yet: the execution is running, or waits for recovery
   * - `Waiting`: it waits for a signal or for a time; `reason` says for which
   * - `Skipped`: its condition did not hold
   * - `Succeeded`: it took effect (and was undone, if a compensation says so)
   * - `Failed`: it ended with an error, a defect or an interruption
   * - `InDoubt`: nobody knows whether it took effect
   */
  readonly status: "NotStarted" | "Started" | "Waiting" | "Skipped" | "Succeeded" | "Failed" | "InDoubt"
  /** Calls of the action. */
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined
  readonly duration: number | undefined
  /** Why it failed or is in doubt, or on what it waits, in words. */
  readonly reason: string | undefined
}

/** How one compensation ended. Durations are in milliseconds. */
export interface CompensationReport {
  readonly step: string
  /** `NotTried`: the unwinding has not come to it. `Started`: no end is recorded yet. */
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

/** The members of every report. Durations are in milliseconds. */
export interface ReportDetails {
  readonly saga: string
  readonly version: number
  readonly executionId: string
  /** One entry for each step, in declared order. */
  readonly steps: ReadonlyArray<StepReport>
  /** One entry for each compensation that was owed, newest first. Empty when nothing was unwound. */
  readonly compensations: ReadonlyArray<CompensationReport>
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly duration: number
  /** What happened, in one line that is safe to print. */
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
  readonly error: SagaError.PartlyUndone<Error>
}

/** A Final failed after another took effect: `error` says what stands. */
export interface FailedAfterCommit<out Error> extends ReportDetails {
  readonly _tag: "FailedAfterCommit"
  readonly error: Error
}

/** Nobody knows whether a step happened; the steps before it were undone. */
export interface OutcomeUnknown extends ReportDetails {
  readonly _tag: "OutcomeUnknown"
  readonly error: SagaError.OutcomeUnknown
}

/** The report of a stored execution, finished or not, from its journal. */
export interface Recorded extends ReportDetails {
  readonly _tag: "Recorded"
  readonly status: Status
  /** Why it is parked, if it is. */
  readonly parked: ParkedReason | undefined
}

/** Every way a run can end. */
export type SagaReport<Output, Error> =
  | Succeeded<Output>
  | Undone<Exclude<Error, SagaError.FailedAfterCommit<any>>>
  | PartlyUndone<Exclude<Error, SagaError.FailedAfterCommit<any>>>
  | FailedAfterCommit<Extract<Error, SagaError.FailedAfterCommit<any>> | SagaError.FailedAfterCommit<never>>
  | OutcomeUnknown

const optional = <A>(schema: Schema.Schema<A>) => Schema.optionalWith(schema, { exact: true })

const times = {
  attempts: Schema.Number,
  startedAt: optional(Schema.Number),
  duration: optional(Schema.Number),
  reason: optional(Schema.String)
}

const details = {
  saga: Schema.String,
  version: Schema.Number,
  executionId: Schema.String,
  summary: Schema.String,
  startedAt: Schema.Number,
  duration: Schema.Number,
  steps: Schema.Array(Schema.Struct({
    step: Schema.String,
    classification: Classification,
    status: Schema.Literal("NotStarted", "Started", "Waiting", "Skipped", "Succeeded", "Failed", "InDoubt"),
    ...times
  })),
  compensations: Schema.Array(Schema.Struct({
    step: Schema.String,
    status: Schema.Literal("Undone", "Failed", "NotTried", "Started"),
    ...times
  })),
  stands: Schema.Array(Schema.String)
}

/**
 * A report as plain JSON, for logs, files and other programs. It has neither inputs nor outputs, and errors only as text. `stands`
 * lists the steps with a side effect that is in effect. `Recorded` is the report of a stored execution.
 */
export const Json = Schema.Union(
  Schema.Struct({
    _tag: Schema.Literal("Succeeded", "Undone", "PartlyUndone", "FailedAfterCommit", "OutcomeUnknown"),
    ...details
  }),
  Schema.Struct({ _tag: Schema.Literal("Recorded"), status: Status, parked: optional(ParkedReason), ...details })
)
export type Json = typeof Json.Type

/** Turns a report into plain JSON, see {@link Json}. */
export const toJson = (report: SagaReport<any, any> | Recorded): Json => {
  const json = detailsOf(report)
  return report._tag === "Recorded"
    ? { _tag: report._tag, status: report.status, ...given({ parked: report.parked }), ...json }
    : { _tag: report._tag, ...json }
}

const detailsOf = (report: ReportDetails) => {
  const { compensations, duration, executionId, saga, startedAt, steps, summary, version } = report
  const undone = new Set(compensations.flatMap(({ status, step }) => status === "Undone" ? [step] : []))
  return {
    saga,
    version,
    executionId,
    summary,
    startedAt,
    duration,
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
    stands: steps.flatMap(({ classification, status, step }) =>
      classification !== "ReadOnly" && status === "Succeeded" && !undone.has(step) ? [step] : []
    )
  }
}

/** Drops members that are undefined: JSON has no such value. */
const given = <A extends object>(values: A) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    readonly [Key in keyof A]?: Exclude<A[Key], undefined>
  }
