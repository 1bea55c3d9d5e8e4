/** S25: an execution that makes no progress stops being tried. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { isWaiting } from "../journal/statuses.ts"
import { type CheckpointRecorder, stored } from "./checkpointRecorder.ts"
import { failAsParked } from "./endings.ts"
import type { Driven, Driving } from "./join.ts"
import type { Loaded } from "./load.ts"
import type { AnyEffect } from "./run.ts"
import { warnParked } from "./unwind.ts"

/** Parks an execution that was claimed so often without a new event. */
export const parkAsKeepsFailing = (
  program: Program,
  { past }: Loaded,
  recorder: CheckpointRecorder,
  claims: number
): Driving => {
  const { executionId } = recorder
  // Each time it had waited, its driver ended before it had stored that it goes on.
  if (isWaiting(past.state.status)) recorder.record({ _tag: "Resumed", at: recorder.now() })
  recorder.record({ _tag: "Parked", reason: "KeepsFailing", claims, at: recorder.now() })
  const parked: AnyEffect = Effect.suspend(() =>
    Effect.tapErrorCause(
      failAsParked(program, executionId, { ...past, state: recorder.state() ?? past.state }),
      (cause) => warnParked({ executionId, program }, cause)
    )
  )
  return stored(
    recorder,
    Effect.map(Effect.exit(parked), (exit): Driven => ({ status: "Parked", exit, wakesAt: undefined }))
  )
}
