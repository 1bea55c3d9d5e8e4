/** One fault at a time, by hand. */
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Checkpoint, Recovery, Saga } from "effect-saga"
import { Faults, Ledger } from "effect-saga/testing"
import { doubles } from "./doubles.ts"
import { order } from "./order.ts"

const chair = { sku: "chair", cents: 4900 }

it.effect("a payment that fails leaves nothing reserved", () =>
  Effect.gen(function*() {
    const ledger = yield* Ledger.Ledger
    const error = yield* Effect.flip(Saga.run(Faults.failAt(order, "payment"), chair))
    expect(error._tag).toBe("InjectedFault")
    expect((yield* ledger.calls).map(({ _tag, what }) => `${_tag} ${what}`))
      .toEqual(["Do reservation of chair", "Undo reservation of chair"])
  }).pipe(Effect.provide(doubles), Effect.provide(Ledger.layer)))

it.effect("a reservation that is asked for twice is made once", () =>
  Effect.gen(function*() {
    const ledger = yield* Ledger.Ledger
    yield* Saga.run(Faults.repeat(order, "reservation"), chair)
    expect(yield* ledger.standing).toEqual(["reservation of chair", "payment of 4900"])
    expect(yield* ledger.violations).toEqual([])
  }).pipe(Effect.provide(doubles), Effect.provide(Ledger.layer)))

it.effect("a process that dies while it pays is followed by one that does not pay again", () =>
  Effect.gen(function*() {
    const ledger = yield* Ledger.Ledger
    const store = yield* Checkpoint.makeMemory
    // Commit 0 says that the reservation begins, commit 1 that the payment does, and commit 2 would say that it is done.
    const dying = Checkpoint.layer(Effect.succeed(Faults.crashAt(store, 2, "before")))
    const next = Checkpoint.layer(Effect.succeed(store))
    const error = yield* Effect.flip(Effect.provide(Saga.execute(order, chair, { executionId: "order-1" }), dying))
    expect(error._tag).toBe("CheckpointError")
    expect(yield* ledger.standing).toEqual(["reservation of chair", "payment of 4900"])

    yield* Effect.provide(Recovery.run([order]), next)
    const receipt = yield* Effect.provide(Saga.execute(order, chair, { executionId: "order-1" }), next)
    expect(receipt).toBe("receipt order-1/payment/action")
    expect(yield* ledger.violations).toEqual([])
  }).pipe(Effect.provide(doubles), Effect.provide(Ledger.layer)))

it.effect("an interruption while it is reserved leaves nothing reserved", () =>
  Effect.gen(function*() {
    const ledger = yield* Ledger.Ledger
    // In a fiber of its own, for what is interrupted is whoever runs it.
    const fiber = yield* Effect.fork(Saga.run(Faults.interruptAt(order, "reservation"), chair))
    expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
    expect(yield* ledger.standing).toEqual([])
  }).pipe(Effect.provide(doubles), Effect.provide(Ledger.layer)))
