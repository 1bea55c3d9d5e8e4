/** S4: with everything undone, the original cause comes out unchanged. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { Saga } from "effect-saga"
import { reserve } from "../support/sagas.ts"
import { makeWorld, Refused } from "../support/world.ts"

describe("S4: with everything undone, the original cause comes out unchanged", () => {
  const causes = {
    "a typed error": Cause.fail(new Refused({ step: "x" })),
    "a defect": Cause.die(new Error("boom")),
    "several at once": Cause.parallel(Cause.fail(new Refused({ step: "x" })), Cause.die("also"))
  }
  for (const [what, cause] of Object.entries(causes)) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const saga = reserve(makeWorld()).readOnly("check", { action: () => Effect.failCause(cause) }).build()
        expect(yield* Effect.exit(Saga.run(saga, undefined))).toEqual(Exit.failCause(cause))
      }))
  }
})
