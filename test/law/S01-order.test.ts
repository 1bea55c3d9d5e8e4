/** S1: steps run in declared order, each after the one before it succeeded. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"
import { makeWorld } from "../support/world.ts"

describe("S1: steps run in declared order, each after the one before it succeeded", () => {
  it.effect("and each sees the outputs of those before it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order", { input: Schema.Int })
        .readOnly("price", { action: ({ input }) => Effect.as(world.note("price"), input * 2) })
        .compensatable("hotel", {
          action: ({ outputs }) => Effect.as(world.note("hotel"), outputs.price + 1),
          compensate: () => Effect.void
        })
        .final("charge", { action: ({ outputs }) => Effect.as(world.note("charge"), [outputs.price, outputs.hotel]) })
        .build()
      const outputs = yield* Saga.run(saga, 5)
      expect(outputs).toEqual({ price: 10, hotel: 11, charge: [10, 11] })
      expect(world.log).toEqual(["price", "hotel", "charge"])
    }))
})
