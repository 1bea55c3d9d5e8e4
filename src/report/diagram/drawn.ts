/** The part of a report that is drawn. */
import type { ParkedReason, Status } from "../../Journal.ts"
import type { CompensationReport, Json, StepReport } from "../SagaReport.ts"

export type Drawn =
  & {
    readonly duration: number
    readonly steps: ReadonlyArray<
      Timed & Counted<StepReport["status"]> & Pick<StepReport, "step" | "classification" | "status">
    >
    readonly compensations: ReadonlyArray<
      Timed & Counted<CompensationReport["status"]> & Pick<CompensationReport, "step" | "status">
    >
  }
  & (
    | { readonly _tag: Exclude<Json["_tag"], "Recorded"> }
    | { readonly _tag: "Recorded"; readonly status: Status; readonly parked?: ParkedReason | undefined }
  )

/** How often something was called, and how long it took. */
export interface Timed {
  readonly attempts: number
  readonly duration?: number | undefined
}

/** Of a step of a list. */
interface Counted<Status> {
  /** Where the entry stands for the step of every item of a list. */
  readonly counts?: ReadonlyMap<Status, number> | undefined
}
