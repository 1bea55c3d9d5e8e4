/** S5: a compensation that fails hides nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { bothWays, forAMinute, step } from "../support/sagas.ts"
import { makeWorld, Refused, type World } from "../support/world.ts"

describe("S5: a compensation that fails hides nothing", () => {
  const broken = (world: World, onCompensationFailure: "continue" | "stop") =>
    Saga.make("Broken", { onCompensationFailure })
      .compensatable("hotel", { action: world.do("hotel"), compensate: world.undo("hotel") })
      .compensatable("flight", { action: world.do("flight"), compensate: world.refuse("undo flight") })
      .compensatable("car", { action: world.do("car"), compensate: world.undo("car") })
      .readOnly("check", { action: () => Effect.fail(new Refused({ step: "check" })), error: "asRecoveredFailure" })
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

  it.effect("stop: in lanes that unwind at the same time, each ends what it undoes, and leaves the older steps, named", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const lane = (name: string, undone: "1 second" | "2 seconds", fails: boolean) =>
          Saga.make(name)
            .compensatable("old", step(world, `old ${name}`))
            .compensatable("new", {
              ...step(world, `new ${name}`),
              compensate: (context) =>
                Effect.delay(fails ? world.refuse(`undo ${name}`)() : world.undo(`new ${name}`)(context), undone)
            })
            .build()
        const saga = Saga.make("Lanes", { onCompensationFailure: "stop" })
          .compensatable("first", step(world, "first"))
          .parallel((branch) =>
            branch
              .saga("a", lane("a", "1 second", true), { input: () => {} })
              .saga("b", lane("b", "2 seconds", false), { input: () => {} }), { unwind: "parallel" })
          .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        const error = failureOf(yield* forAMinute(bothWays(saga)[way]))
        expect(error).toMatchObject({
          undone: ["b/new"],
          failed: [{ step: "a/new" }],
          notTried: ["b/old", "a/old", "first"]
        })
        expect([...world.standing()].sort()).toEqual(["first", "new a", "old a", "old b"])
      }
    }))

  it.effect("asked again, or by another process, a parked execution says the same", () =>
    Effect.gen(function*() {
      for (const policy of ["continue", "stop"] as const) {
        const world = makeWorld()
        const executionId = policy
        const saga = Saga.make("Broken", { onCompensationFailure: policy })
          .compensatable("hotel", step(world, "hotel"))
          .compensatable("train", step(world, "train"))
          .compensatable("flight", { ...step(world, "flight"), compensate: world.refuse("undo flight") })
          .compensatable("car", step(world, "car"))
          .compensatable("boat", step(world, "boat"))
          .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        const told = {
          _tag: "PartlyUndone",
          undone: ["boat", "car", ...policy === "continue" ? ["train", "hotel"] : []],
          failed: [{ step: "flight" }],
          notTried: policy === "continue" ? [] : ["train", "hotel"],
          parked: true
        }
        const first = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId })))
        expect(first).toMatchObject(told)
        expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId })))).toMatchObject(told)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
