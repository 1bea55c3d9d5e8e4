/** Concurrency inside an action, which is uninterruptible: in a fiber of its own it can interrupt its parts. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Saga, Step } from "effect-saga"
import { failureOf } from "./support/exit.ts"

const parts: Record<string, Effect.Effect<string, unknown>> = {
  "a timeout": Effect.timeoutTo(Effect.never, {
    duration: "1 second",
    onSuccess: () => "never",
    onTimeout: () => "ended"
  }),
  "a race with a loser that never ends": Effect.race(Effect.succeed("ended"), Effect.never),
  "a fork that is interrupted": Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.never)
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(fiber)
    return "ended"
  }),
  "a concurrent all of which one fails": Effect.merge(
    Effect.all([Effect.fail("ended"), Effect.never], { concurrency: "unbounded" }) as Effect.Effect<never, string>
  )
}

const sagaOf = (part: Effect.Effect<string, unknown>) =>
  Saga.make("Call")
    .compensatable("call", {
      success: Schema.String,
      action: () => Step.inOwnFiber(Effect.orDie(part)),
      compensate: () => Effect.asVoid(Step.inOwnFiber(Effect.orDie(part)))
    })
    .build(({ outputs }) => outputs.call)

describe("in a fiber of its own", () => {
  for (const [name, part] of Object.entries(parts)) {
    it.effect(`${name} does what it says, in process and durably`, () =>
      Effect.gen(function*() {
        for (
          const run of [
            Saga.run(sagaOf(part)),
            Effect.provide(Saga.execute(sagaOf(part), undefined, { executionId: "1" }), Checkpoint.layerMemory)
          ]
        ) {
          const fiber = yield* Effect.fork(run)
          yield* TestClock.adjust("1 minute")
          expect(yield* Fiber.join(fiber)).toBe("ended")
        }
      }))
  }

  it.effect("an action is not reached by an interruption of the saga, which undoes it afterwards", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const began = yield* Deferred.make<void>()
      const saga = Saga.make("Call")
        .compensatable("call", {
          action: () =>
            Step.inOwnFiber(Effect.all([
              Deferred.succeed(began, undefined),
              Effect.zipRight(Effect.sleep("1 second"), Effect.sync(() => log.push("done")))
            ], { concurrency: 2 })),
          compensate: () => Effect.sync(() => log.push("undone"))
        })
        .readOnly("check", { action: () => Effect.void })
        .build()
      const running = yield* Effect.fork(Saga.run(saga))
      yield* Deferred.await(began)
      const interrupting = yield* Effect.fork(Fiber.interrupt(running))
      yield* TestClock.adjust("1 minute")
      expect(Exit.isInterrupted(yield* Fiber.join(interrupting))).toBe(true)
      expect(log).toEqual(["done", "undone"])
    }))

  it.effect("a failure is the action's own", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Call")
        .readOnly("a", { action: () => Step.inOwnFiber(Effect.fail("no")) })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga)))).toBe("no")
    }))

  it.effect("an action is still cut off by the timeout of its step", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Call")
        .final("call", { action: () => Step.inOwnFiber(Effect.never), timeout: "1 second", inDoubt: "park" })
        .build()
      const fiber = yield* Effect.fork(Effect.exit(Saga.run(saga)))
      yield* TestClock.adjust("1 minute")
      expect(failureOf(yield* Fiber.join(fiber))).toMatchObject({ _tag: "OutcomeUnknown", step: "call" })
    }))
})
