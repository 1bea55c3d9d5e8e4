/** Policies that a saga gives to its steps. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { forAMinute, slow } from "./support/sagas.ts"
import { makeWorld, Refused } from "./support/world.ts"

describe("defaults of a saga", () => {
  it.effect("hold for each step that says nothing itself", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const failing = (name: string, succeedsAt: number) => ({ attempt }: { readonly attempt: number }) =>
        Effect.suspend(() => {
          calls.push(`${name} ${attempt}`)
          return attempt < succeedsAt ? Effect.fail(new Refused({ step: name })) : Effect.void
        })
      const saga = Saga.make("Defaults", { defaults: { retry: { times: 1 }, compensationRetry: { times: 2 } } })
        .compensatable("a", { action: failing("a", 2), compensate: failing("undo a", 3) })
        .compensatable("b", { action: failing("b", 3), compensate: () => Effect.void, retry: { times: 2 } })
        .readOnly("c", { action: failing("c", 9) })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga, undefined)))).toEqual(new Refused({ step: "c" }))
      expect(calls).toEqual(["a 1", "a 2", "b 1", "b 2", "b 3", "c 1", "c 2", "undo a 1", "undo a 2", "undo a 3"])
    }))

  it.effect("a timeout for all, and what a cut-off action then means", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Defaults", {
        defaults: { timeout: "2 seconds", inDoubt: "park", compensationTimeout: "1 second" }
      })
        .compensatable("quick", slow(world, "quick", "1 second"))
        .compensatable("slow", slow(world, "slow", "3 seconds"))
        .build()
      const exit = yield* forAMinute(Saga.run(saga, undefined))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "slow" })
      expect(world.log).toEqual(["+quick", "-quick"])
    }))
})
