/** What recovery found an execution to be, or brought it to. */
import { Cause, Exit, Option } from "effect"
import type { Driven } from "../engine/join.ts"
import type { GoesOn } from "../engine/work.ts"
import { isWaiting } from "../journal/statuses.ts"
import type { DrivingError } from "../SagaError.ts"

/**
 * What became of one execution.
 *
 * - `Succeeded`: it went forward to its end
 * - `Undone`: it failed, and everything is undone
 * - `Parked`: it waits for a person or a retry
 * - `Waiting`: it went on, and waits again for a signal or a time
 * - `LeftAsItWas`: it could not be driven, or not to its end, and stays for another time
 * - `Elsewhere`: another process was first, and drives it
 * - `GoesOn`: it is decided, and goes on in this process by itself, see `Recovery.Options.until`
 * - `Unregistered`: no saga of its name is among those given
 *
 * `output` and `cause` are those with which `Saga.resume` ends.
 */
export type Recovered<Output = unknown> =
  & { readonly executionId: string; readonly saga: string; readonly version: number }
  & (
    | { readonly _tag: "Succeeded"; readonly output: Output }
    | { readonly _tag: "Undone" | "Parked" | "LeftAsItWas"; readonly cause: Cause.Cause<unknown> }
    | { readonly _tag: "Elsewhere" | "Unregistered" | "GoesOn" | "Waiting" }
  )

/** How many executions came to what, see {@link Recovered}. */
export interface Summary {
  readonly succeeded: number
  readonly undone: number
  readonly parked: number
  readonly waiting: number
  readonly leftAsItWas: number
  readonly elsewhere: number
  readonly unregistered: number
  readonly goesOn: number
}

type Became =
  | { readonly _tag: "Succeeded"; readonly output: unknown }
  | { readonly _tag: "Undone" | "Parked" | "LeftAsItWas"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Elsewhere" | "GoesOn" | "Waiting" }

/**
 * What became of an execution: by its journal, never by the error that it ended with, which may be another execution's. An
 * execution that could not be driven is left as it was, whatever the reason.
 */
export const becameOf = (driving: Exit.Exit<Driven | GoesOn, DrivingError>): Became => {
  if (Exit.isFailure(driving)) {
    const error = Option.getOrUndefined(Cause.failureOption(driving.cause))
    return error?._tag === "ExecutionConflict" && error.reason === "OtherDriver"
      ? { _tag: "Elsewhere" }
      : { _tag: "LeftAsItWas", cause: driving.cause }
  }
  if ("_tag" in driving.value) return driving.value
  const { exit, status } = driving.value
  if (isWaiting(status)) return { _tag: "Waiting" }
  if (Exit.isSuccess(exit)) return { _tag: "Succeeded", output: exit.value }
  const { cause } = exit
  switch (status) {
    case "Undone":
    case "Parked":
      return { _tag: status, cause }
    // A projection that throws now leaves what succeeded as it was.
    case "Succeeded":
    case "Running":
    case "Unwinding":
    case "Waiting":
      return { _tag: "LeftAsItWas", cause }
  }
}
