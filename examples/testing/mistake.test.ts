/** How a violation reads: of a saga that remembers in its process what it has to undo. */
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Saga } from "effect-saga"
import { SagaTest } from "effect-saga/testing"
import { doubles } from "./doubles.ts"
import { Warehouse } from "./order.ts"

class Reservations extends Context.Tag("Reservations")<Reservations, Map<string, string>>() {
  static readonly layer = Layer.sync(this, () => new Map())
}

const forgetful = Saga.make("Forgetful")
  .compensatable("reservation", {
    action: ({ executionId, idempotencyKey }) =>
      Effect.gen(function*() {
        const reservation = yield* (yield* Warehouse).reserve("chair", idempotencyKey)
        ;(yield* Reservations).set(executionId, reservation)
      }),
    compensate: ({ executionId }) =>
      Effect.gen(function*() {
        const reservation = (yield* Reservations).get(executionId)
        if (reservation !== undefined) yield* (yield* Warehouse).release(reservation)
      })
  })
  .final("letter", { action: () => Effect.void, inDoubt: "retry" })
  .build()

// The warehouse outlives a crash, and what the process remembers does not.
const options = { input: undefined, layer: doubles, process: Reservations.layer }

it.effect("what a compensation needs must be in the journal: a crash loses the rest", () =>
  Effect.gen(function*() {
    const { summary } = yield* SagaTest.explore(forgetful, options)
    expect(summary.split("\n")).toEqual([
      "140 scenarios (54 Succeeded, 66 Undone, 11 Parked, 9 NotStarted), 8 with violations",
      "  action of \"letter\" fails; crash after commit 1 is stored",
      "    the commit of the crash: StepSucceeded \"reservation\", StepStarted \"letter\"",
      "    Orphaned: \"reservation of chair\", of step \"reservation\", stands, although everything is said to be undone",
      "    SagaTest.explore(saga, { ...options, only: ['action of \"letter\" fails; crash after commit 1 is stored'] })",
      "  and 7 more, which show nothing else"
    ])
  }), 30_000)

it.effect("one scenario can be run again by its name", () =>
  Effect.gen(function*() {
    const { scenarios } = yield* SagaTest.explore(forgetful, {
      ...options,
      only: ["action of \"letter\" fails; crash after commit 1 is stored"]
    })
    expect(scenarios.map(({ ended, violations }) => ({ ended, violations: violations.map(({ _tag }) => _tag) })))
      .toEqual([{ ended: "Undone", violations: ["Orphaned"] }])
  }))

it.effect(
  "a saga that keeps such things in variables of its own is given as a function, and made anew after a crash",
  () =>
    Effect.gen(function*() {
      const make = () => {
        let reservation: string | undefined
        return Saga.make("Forgetful")
          .compensatable("reservation", {
            action: ({ idempotencyKey }) =>
              Effect.flatMap(
                Warehouse,
                (warehouse) => Effect.map(warehouse.reserve("chair", idempotencyKey), (id) => void (reservation = id))
              ),
            compensate: () =>
              Effect.flatMap(
                Warehouse,
                (warehouse) => reservation === undefined ? Effect.void : warehouse.release(reservation)
              )
          })
          .final("letter", { action: () => Effect.void, inDoubt: "retry" })
          .build()
      }
      const { violations } = yield* SagaTest.explore(make, { input: undefined, layer: doubles })
      expect(violations[0]?.violations[0]?._tag).toBe("Orphaned")
    }),
  30_000
)
