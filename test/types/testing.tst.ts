/** The types of the test kit. */
import { Context, Effect, Layer, Schema } from "effect"
import { Saga } from "effect-saga"
import { Faults, Ledger, SagaTest } from "effect-saga/testing"
import { describe, expect, test } from "tstyche"

class Airline extends Context.Tag("Airline")<Airline, { readonly book: Effect.Effect<string> }>() {}
class Cache extends Context.Tag("Cache")<Cache, { readonly size: number }>() {}

const flight = {
  success: Schema.String,
  action: () => Effect.flatMap(Airline, ({ book }) => book),
  compensate: () => Effect.asVoid(Cache)
}
const trip = Saga.make("Trip", { input: Schema.Struct({ city: Schema.String }) }).compensatable("flight", flight)
  .build()
const local = Saga.make("Local").readOnly("look", { action: () => Effect.succeed(1) }).build()

const airline = Layer.effect(
  Airline,
  Effect.map(Ledger.Ledger, (ledger) => ({
    book: Effect.as(ledger.do("flight"), "f")
  }))
)
const cache = Layer.succeed(Cache, { size: 1 })
const input = { city: "Rome" }

describe("an exploration", () => {
  test("requires what neither its layers give", () => {
    expect(SagaTest.explore(trip, { input, layer: airline })).type.toBe<
      Effect.Effect<SagaTest.Exploration, never, Cache>
    >()
    expect(SagaTest.explore(trip, { input, layer: airline, process: cache })).type.toBe<
      Effect.Effect<SagaTest.Exploration>
    >()
    expect(SagaTest.explore(() => trip, { input, layer: Layer.merge(airline, cache) })).type.toBe<
      Effect.Effect<SagaTest.Exploration>
    >()
  })

  test("takes the saga's input", () => {
    expect(SagaTest.explore).type.not.toBeCallableWith(trip, { input: { city: 1 }, layer: airline })
  })

  test("is durable only for a saga that can be", () => {
    expect(SagaTest.explore).type.not.toBeCallableWith(local, { input: undefined, layer: Layer.empty })
    expect(SagaTest.exploreInProcess(local, { input: undefined, layer: Layer.empty })).type.toBe<
      Effect.Effect<SagaTest.Exploration>
    >()
  })
})

describe("a fault", () => {
  test("is among the saga's errors, and leaves the rest of its type as it is", () => {
    expect<Saga.Error<ReturnType<typeof Faults.failAt<typeof trip>>>>().type.toBe<
      Saga.Error<typeof trip> | Faults.InjectedFault
    >()
    expect<Saga.Requirements<ReturnType<typeof Faults.failAt<typeof trip>>>>().type.toBe<Airline | Cache>()
  })
})
