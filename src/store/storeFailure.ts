import { Cause, Option } from "effect"
import { CheckpointError } from "../SagaError.ts"

/** A store that dies in an append has not said what it did, as little as one that fails. */
export const diedAppending = (executionId: string, cause: Cause.Cause<unknown>): CheckpointError =>
  new CheckpointError({
    reason: "Unavailable",
    operation: "append",
    executionId,
    detail: Cause.pretty(cause).split("\n", 1)[0] ?? "",
    cause: Cause.squash(cause)
  })

/** Why one commit of a group is not known to be stored. */
export const storeFailure = (executionId: string, cause: Cause.Cause<CheckpointError>): CheckpointError =>
  Option.match(Cause.failureOption(cause), {
    onSome: ({ cause, detail, reason }) =>
      new CheckpointError({
        reason,
        operation: "append",
        executionId,
        detail,
        ...(cause === undefined ? {} : { cause })
      }),
    onNone: () => diedAppending(executionId, cause)
  })
