/** The laws of every store, as tests. */
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { Checkpoint, SagaError } from "effect-saga"
import { CheckpointLaws } from "effect-saga/testing"

export const checkpointLaws = (
  make: Effect.Effect<Checkpoint.Store, SagaError.CheckpointError, Scope.Scope>
) => {
  for (const { check, sentence } of CheckpointLaws.laws) {
    it.scoped(sentence, () => Effect.flatMap(make, check))
  }
}
