/** Checks what somebody says to have found out about a step in doubt. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { nodeAt } from "../definition/lists.ts"
import * as Journal from "../Journal.ts"
import { type DrivingError, StepNotInDoubt } from "../SagaError.ts"
import { encodeValue } from "./codec.ts"
import type { Finding } from "./run.ts"

/** A finding must be about a step in doubt, and must be storable, before anything is done with it. */
export const checkFinding = (
  program: Program,
  executionId: string,
  state: Journal.ExecutionState,
  finding: Finding | undefined
): Effect.Effect<void, DrivingError> => {
  if (finding === undefined) return Effect.void
  const saga = program.name
  const node = nodeAt(program, finding.step)
  const step = node?._tag === "Step" ? node : undefined
  const recorded = state.steps.get(finding.step)
  if (step === undefined || recorded === undefined || state.direction === "Back" || !Journal.isInDoubt(recorded)) {
    return Effect.fail(new StepNotInDoubt({ saga, executionId, step: finding.step }))
  }
  const value = `what was found of step "${step.path}"`
  return finding.happened
    ? Effect.asVoid(encodeValue(step.success, finding.output, () => ({ saga, executionId, value })))
    : Effect.void
}
