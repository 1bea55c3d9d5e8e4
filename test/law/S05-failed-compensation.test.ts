/** S5: a compensation that fails hides nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { makeWorld, Refused, type World } from "../support/world.ts"

describe("S5: a compensation that fails hides nothing", () => {
  const broken = (world: World, onCompensationFailure: "continue" | "stop") =>
    Saga.make("Broken", { onCompensationFailure })
      .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
      .compensatable("flight", { action: world.do("flight"), compensate: world.refuse("undo flight") })
      .compensatable("car", { action: world.do("car"), compensate: world.undo("car") })
      .readOnly("check", { action: () => Effect.fail(new Refused({ step: "check" })) })
      .build()

  it.effect("continue: the older steps are undone all the same", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = failureOf(yield* Effect.exit(Saga.run(broken(world, "continue"), undefined)))
      expect(error).toBeInstanceOf(SagaError.PartlyUndone)
      expect(error).toMatchObject({
        cause: Cause.fail(new Refused({ step: "check" })),
        undone: ["car", "hotel"],
        failed: [{ step: "flight", cause: Cause.fail(new Refused({ step: "undo flight" })) }],
        notTried: []
      })
      expect(world.standing()).toEqual(["flight"])
    }))

  it.effect("stop: the older steps are left, and named", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = failureOf(yield* Effect.exit(Saga.run(broken(world, "stop"), undefined)))
      expect(error).toMatchObject({ undone: ["car"], failed: [{ step: "flight" }], notTried: ["hotel"] })
      expect(world.standing()).toEqual(["hotel", "flight"])
    }))

  it.effect("a compensation that dies counts as failed", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Dies")
        .compensatable("hotel", { action: () => Effect.void, compensate: () => Effect.die("undo") })
        .readOnly("check", { action: () => Effect.die("check") })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({ cause: Cause.die("check"), failed: [{ step: "hotel", cause: Cause.die("undo") }] })
    }))
})
