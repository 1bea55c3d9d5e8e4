/** Steps that run only if their condition holds. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { step } from "./support/sagas.ts"
import { eventsOf, failingStore } from "./support/store.ts"
import { makeWorld, type World } from "./support/world.ts"

describe("conditions", () => {
  const upgrade = (world: World, asked: { count: number }) =>
    Saga.make("Upgrade", { input: Schema.Boolean })
      .compensatable("seat", {
        ...step(world, "seat"),
        when: ({ input }) => {
          asked.count++
          return input
        }
      })
      .compensatable("hotel", step(world, "hotel"))

  it.effect("a step whose condition holds runs, and its output is Some", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = upgrade(world, { count: 0 }).build(({ outputs }) => outputs.seat)
      expect(yield* Saga.run(saga, true)).toEqual(Option.some("seat-output"))
      expect(yield* Saga.run(saga, false)).toEqual(Option.none())
      expect(world.log).toEqual(["+seat", "+hotel", "+hotel"])
    }))

  it.effect("a step that was skipped is not undone, one that was not gets its plain output", () =>
    Effect.gen(function*() {
      const outputs: Array<unknown> = []
      const world = makeWorld()
      const saga = Saga.make("Undo", { input: Schema.Boolean })
        .compensatable("seat", {
          ...step(world, "seat"),
          when: ({ input }) => input,
          compensate: (context) =>
            Effect.andThen(Effect.sync(() => outputs.push(context.output)), world.undo("seat")(context))
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      yield* Effect.exit(Saga.run(saga, false))
      expect(world.log).toEqual(["!check"])
      yield* Effect.exit(Saga.run(saga, true))
      expect(outputs).toEqual(["seat-output"])
    }))

  it.effect("skipped is recorded as skipped, and not decided again on a resume", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const asked = { count: 0 }
      const saga = upgrade(world, asked).compensatable("car", step(world, "car")).build(({ outputs }) => outputs.seat)
      yield* Effect.exit(
        Saga.execute(saga, false, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect((yield* eventsOf(store, "1")).map(({ _tag }) => _tag)).toEqual(["Started", "StepSkipped", "StepStarted"])
      expect(yield* Saga.resume(saga, "1")).toEqual(Option.none())
      expect(asked.count).toBe(1)
      expect(yield* Saga.execute(saga, false, { executionId: "1" })).toEqual(Option.none())
      const report = yield* Saga.report(saga, false)
      expect(report.steps[0]).toMatchObject({ step: "seat", status: "Skipped", attempts: 0 })
      expect(report.summary).toBe("Upgrade succeeded: 2 steps took effect, 1 was skipped")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a condition, or a nested projection, that throws after the point of no return is named", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const fail = (): never => {
        throw new Error("thrown")
      }
      const late = Saga.make("Late")
        .final("charge", { action: world.do("charge") })
        .final("email", { action: world.do("email"), when: (): boolean => fail() })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(late, undefined)))).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "email",
        stands: ["charge"]
      })
      const pay = Saga.make("Pay").final("charge", { action: world.do("charge") }).build(fail)
      const outer = Saga.make("Outer").saga("pay", pay, { input: () => {} }).final("email", {
        action: world.do("email")
      })
      expect(failureOf(yield* Effect.exit(Saga.run(outer.build(), undefined)))).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "pay",
        stands: ["pay/charge"]
      })
    }))

  it.effect("a condition that throws fails the step", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Throws")
        .compensatable("hotel", step(world, "hotel"))
        .compensatable("seat", {
          ...step(world, "seat"),
          when: (): boolean => {
            throw new Error("condition")
          }
        })
        .build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))
})
