/** S10: each effect has an idempotency key of its own. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { Text } from "../support/sagas.ts"

describe("S10: idempotency keys", () => {
  it.effect("differ by execution, step and role, stay the same over retries, and reach the compensation too", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const saga = Saga.make("Keys")
        .compensatable("réserver", {
          action: ({ attempt, idempotencyKey }) => {
            seen.push(idempotencyKey)
            return attempt === 1 ? Effect.fail("again") : Effect.succeed("")
          },
          compensate: ({ actionIdempotencyKey, idempotencyKey }) =>
            Effect.sync(() => void seen.push(actionIdempotencyKey, idempotencyKey)),
          retry: { times: 1 },
          success: Text,
          error: "asRecoveredFailure"
        })
        .readOnly("check", { action: () => Effect.fail("no"), error: "asRecoveredFailure" })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "a/b" }))
      const action = "a%2Fb/r%C3%A9server/action"
      expect(seen).toEqual([action, action, action, "a%2Fb/r%C3%A9server/compensation"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
