/** S11: what is to be done is stored before it is done. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, recoverAll } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

describe("S11: the journal comes first", () => {
  it.effect("the intent of a side effect is stored before its action, the decision to unwind before the first undo", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const stored = (what: string) =>
        Effect.flatMap(eventsOf(store, "1"), (events) => {
          const last = events.at(-1)
          return world.note(`${what} after ${last?._tag}`)
        })
      const saga = Saga.make("First")
        .compensatable("hotel", {
          action: () => stored("do"),
          compensate: () => stored("undo"),
          error: "asRecoveredFailure"
        })
        .final("charge", {
          action: () => Effect.andThen(stored("charge"), Effect.fail("declined")),
          inDoubt: "retry",
          error: "asRecoveredFailure"
        })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(world.log).toEqual([
        "do after StepStarted",
        "charge after StepStarted",
        "undo after CompensationStarted"
      ])
      const tags = (yield* eventsOf(store, "1")).map((event) => event._tag)
      expect(tags.indexOf("UnwindingStarted")).toBeLessThan(tags.indexOf("CompensationStarted"))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an intent that cannot be stored is not acted on, nothing is undone, and recovery finishes the execution", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world).build()
      // The second commit holds the outcome of the hotel and the intent of the flight.
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", operation: "append" })
      expect(world.log).toEqual(["+hotel"])
      yield* recoverAll([saga])
      expect(world.standing()).toEqual(["hotel", "flight"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a decision to unwind that cannot be stored is not acted on", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      const saga = reserve(world).readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
        .build()
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(world.log).toEqual(["+hotel", "+flight", "!check"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("once the decision to unwind is stored, recovery never goes forward", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let works = false
      const saga = reserve(world).readOnly("check", {
        success: Text,
        action: () => works ? Effect.succeed("fine") : world.refuse("check")(),
        error: "asRecoveredFailure"
      }).build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(world.log).toEqual(["+hotel", "+flight", "!check", "-flight"])
      works = true
      const [recovered] = yield* recoverAll([saga])
      expect(recovered).toMatchObject({
        _tag: "Undone",
        cause: Cause.fail(new SagaError.RecoveredFailure({ tag: "Refused", detail: "Refused" }))
      })
      expect(world.standing()).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor does it ask the condition of a step that it had not come to", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let asked = 0
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          success: Text,
          action: (context) => Effect.delay(world.do("hotel")(context), "1 second"),
          compensate: world.undo("hotel")
        })
        .compensatable("flight", {
          success: Text,
          action: world.do("flight"),
          compensate: world.undo("flight"),
          when: () => ++asked > 0
        })
        .build()
      const fiber = yield* Effect.fork(
        Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      yield* TestClock.adjust("500 millis")
      fiber.unsafeInterruptAsFork(fiber.id())
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(fiber)
      expect(world.log).toEqual(["+hotel", "-hotel"])
      asked = 0
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone" }])
      expect(asked).toBe(0)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S11, where only the projection failed", () => {
  it.effect("the decision to unwind is stored, and a projection that works by now does not overturn it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* Checkpoint.Checkpoint
      let works = false
      const saga = reserve(world).build(({ outputs }) => {
        if (!works) throw new Error("projection")
        return outputs.hotel
      })
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      expect(world.log).toEqual(["+hotel", "+flight", "-flight"])
      works = true
      const exit = yield* Effect.exit(Saga.resume(saga, "1"))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      // That the flight was undone could not be stored, so it is undone again under its key.
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
