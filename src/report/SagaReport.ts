/**
 * What a run of a saga did, as data: one entry a step, one a compensation, and a sentence.
 */
import { type Cause, Schema } from "effect"
import { Classification, ParkedReason, Status } from "../Journal.ts"
import type * as SagaError from "../SagaError.ts"

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

/**
 * A report as plain JSON, for logs, files and other programs. It has neither inputs nor outputs nor errors as values, only what is
 * said of them in words. `stands` lists the steps with a side effect that is in effect.
 */
export const Json = Schema.Struct({
  _tag: Schema.Literal("Succeeded", "Undone", "PartlyUndone", "FailedAfterCommit", "OutcomeUnknown", "Recorded"),
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
