/** S9: a nested saga is a part of its parent, in process and durable. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { step, Text } from "../support/sagas.ts"
import { failingStore, recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

describe("S9: nested sagas", () => {
  const insure = (world: World) =>
    Saga.make("Insure", { input: Schema.Struct({ value: Schema.Int.pipe(Schema.positive()) }) })
      .readOnly("premium", { success: Schema.Number, action: ({ input }) => Effect.succeed(input.value / 10) })
      .compensatable("policy", step(world, "policy"))
      .build(({ outputs }) => ({ policy: outputs.policy, premium: outputs.premium }))

  const trip = (world: World, value: number) =>
    Saga.make("Trip", { input: Schema.Int })
      .compensatable("flight", step(world, "flight"))
      .saga("insurance", insure(world), {
        input: ({ input, outputs }) => ({ value: outputs.flight === "flight-output" ? input * value : NaN })
      })

  it.effect("their input is made of what came before, their output is the step's", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = trip(world, 10).compensatable("hotel", step(world, "hotel")).build(({ outputs }) =>
        outputs.insurance
      )
      expect(yield* Saga.run(saga, 5)).toEqual({ policy: "policy-output", premium: 5 })
      expect(world.log).toEqual(["+flight", "+policy", "+hotel"])
    }))

  it.effect("one that completed is unwound with its parent, newest first", () =>
    Effect.gen(function*() {
      for (const durable of [false, true]) {
        const world = makeWorld()
        const saga = trip(world, 10)
          .compensatable("hotel", step(world, "hotel"))
          .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        const run = durable ? Saga.execute(saga, 5, { executionId: "1" }) : Saga.run(saga, 5)
        yield* Effect.exit(Effect.provide(run, Checkpoint.layerMemory))
        expect(world.log).toEqual(["+flight", "+policy", "+hotel", "!check", "-hotel", "-policy", "-flight"])
      }
    }))

  it.effect("input that does not match fails the step, and unwinds the parent", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const exit = yield* Effect.exit(Saga.run(trip(world, -1).build(), 5))
      expect(failureOf(exit)).toMatchObject({ _tag: "ParseError" })
      expect(world.log).toEqual(["+flight", "-flight"])
    }))

  it.effect("errors, the journal and keys name their steps by path", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Saga.make("Inner").compensatable("policy", {
        ...step(world, "policy"),
        compensate: world.refuse("undo policy")
      }).build()
      const saga = Saga.make("Outer")
        .saga("insurance", Saga.make("Middle").saga("deep", inner, { input: () => {} }).build(), { input: () => {} })
        .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
        .build()
      expect(saga.steps.map(({ name }) => name)).toEqual(["insurance/deep/policy", "check"])
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ failed: [{ step: "insurance/deep/policy" }] })
      expect(world.keys).toEqual(["1/insurance/deep/policy/action"])
      const report = yield* Saga.report(saga, undefined)
      expect(report.steps[0]).toMatchObject({ step: "insurance/deep/policy", status: "Succeeded" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("the same saga nested twice keeps its steps apart", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Saga.make("Inner").compensatable("book", step(world, "book")).build(({ outputs }) => outputs.book)
      const saga = Saga.make("Twice")
        .saga("out", inner, { input: () => {} })
        .saga("back", inner, { input: () => {} })
        .build()
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({
        out: "book-output",
        back: "book-output"
      })
      expect(world.keys).toEqual(["1/out/book/action", "1/back/book/action"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a Final in one is the point of no return of the parent", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const pay = Saga.make("Pay")
        .compensatable("hold", step(world, "hold"))
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build()
      const saga = Saga.make("Trip")
        .compensatable("flight", step(world, "flight"))
        .saga("payment", pay, { input: () => {} })
        .final("email", { success: Text, action: world.refuse("email"), inDoubt: "retry", retry: { times: 1 } })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "email",
        stands: ["flight", "payment/hold", "payment/charge"]
      })
      expect(world.standing()).toEqual(["flight", "hold", "charge"])
    }))

  it.effect("durably, an execution goes on in the middle of one", () =>
    Effect.gen(function*() {
      for (let failAt = 0; failAt < 5; failAt++) {
        const layer = Checkpoint.layerMemory
        yield* Effect.gen(function*() {
          const store = yield* Checkpoint.Checkpoint
          const world = makeWorld()
          const saga = trip(world, 10).compensatable("hotel", step(world, "hotel")).build(({ outputs }) =>
            outputs.insurance
          )
          yield* Effect.exit(
            Saga.execute(saga, 5, { executionId: "1" }).pipe(
              Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
            )
          )
          yield* recoverAll([saga])
          expect(yield* Saga.execute(saga, 5, { executionId: "1" })).toEqual({ policy: "policy-output", premium: 5 })
          expect(world.standing()).toEqual(["flight", "policy", "hotel"])
        }).pipe(Effect.provide(layer))
      }
    }))

  it.effect("durably, a doubt in one is not undone when an interruption cuts off the check of its input", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      let slow = false
      // It lets itself be interrupted where nothing else is.
      const check = (input: unknown) =>
        Effect.suspend(() => slow ? Effect.interruptible(Effect.never) : Effect.succeed(input as string))
      const Checked = Schema.declare([], { decode: () => check, encode: () => check })
      const inner = Saga.make("Inner", { input: Checked }).compensatable("one", step(world, "one")).build()
      const saga = Saga.make("Outer")
        .compensatable("first", step(world, "first"))
        .saga("inner", inner, { input: () => "given" })
        .readOnly("check", { success: Text, action: world.refuse("check"), error: "asRecoveredFailure" })
        .build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(world.log).toEqual(["+first", "+one", "!check"])
      slow = true
      const resumed = yield* Effect.fork(Saga.resume(saga, "1", { onInterrupt: "suspend" }))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.interrupt(resumed)
      expect(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)).toBe(true)
      expect(world.log).toEqual(["+first", "+one", "!check"])
      slow = false
      yield* recoverAll([saga])
      expect(world.log.slice(3)).toEqual(["+one", "!check", "-one", "-first"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a step added inside of one is another definition", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const outer = (inner: Saga.Saga<void, unknown, never, never>) =>
        Saga.make("Outer").compensatable("first", step(world, "first")).saga("inner", inner, { input: () => {} })
          .build(() => "done")
      const before = Saga.make("Inner").compensatable("a", step(world, "a")).build()
      const after = Saga.make("Inner").compensatable("a", step(world, "a")).compensatable("b", step(world, "b")).build()
      yield* Effect.exit(
        Saga.execute(outer(before), undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect(failureOf(yield* Effect.exit(Saga.resume(outer(after), "1")))).toMatchObject({
        _tag: "DefinitionChanged",
        difference: `this definition has more steps: Compensatable "inner/b"`
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
