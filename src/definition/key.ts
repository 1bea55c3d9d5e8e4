/** Idempotency keys. */
import type { IdempotencyKey } from "./Step.ts"
import type { StepNode } from "./definition.ts"

/** S10. Each part is percent-encoded, so that a key is ASCII and two keys are the same only if their parts are. */
export const keyOf = (execution: string, step: StepNode, role: "action" | "compensation") =>
  `${execution}/${step.key}/${role}` as IdempotencyKey
