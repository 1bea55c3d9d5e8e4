/** Checks what somebody says to have found out about a step in doubt. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { nodeAt } from "../definition/lists.ts"
import { unknownPolicy } from "../definition/messages.ts"
import * as Journal from "../Journal.ts"
import { type DrivingError, StepNotInDoubt } from "../SagaError.ts"
import { said, textOrKind } from "../values/numbers.ts"
import { encodeValue } from "./codec.ts"
import type { Finding } from "./run.ts"

/** A finding must be about a step in doubt, and must be storable, before anything is done with it. */
export const checkFinding = (
  program: Program,
  executionId: string,
  state: Journal.ExecutionState,
  finding: Finding | undefined
): Effect.Effect<void, DrivingError> => {
  // Code without types may leave it out as null, or say "yes".
  if (finding === undefined || finding === null) return Effect.void
  const happened: unknown = finding.happened
  if (happened !== true && happened !== false) {
    return Effect.dieMessage(unknownPolicy("happened", "this finding", said(happened), ["true", "false"]))
  }
  const saga = program.name
  const node = typeof finding.step === "string" ? nodeAt(program, finding.step) : undefined
  const step = node?._tag === "Step" ? node : undefined
  const recorded = state.steps.get(finding.step)
  if (step === undefined || recorded === undefined || state.direction === "Back" || !Journal.isInDoubt(recorded)) {
    return Effect.fail(new StepNotInDoubt({ saga, executionId, step: textOrKind(finding.step) }))
  }
  const value = `what was found of step "${step.path}"`
  return finding.happened
    ? Effect.asVoid(encodeValue(step.success, finding.output, () => ({ saga, executionId, value })))
    : Effect.void
}
