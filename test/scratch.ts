import { Effect, Schema, Option } from "effect"
import { Saga, SagaError, Checkpoint } from "effect-saga"
class Full extends Schema.TaggedError<Full>()("Full", { n: Schema.Number }) {}
const Flight = Schema.Struct({ id: Schema.Number })
const book = (s: string): Effect.Effect<{ id: number }, Full> => s === "x" ? Effect.fail(new Full({ n: 1 })) : Effect.succeed({ id: s.length })
const trip = Saga.make("Trip", { input: Schema.Struct({ city: Schema.String }), version: 1 })
  .readOnly("quote", { success: Schema.Number, action: ({ input }) => Effect.succeed(input.city.length) })
  .compensatable("flight", {
    success: Flight,
    action: ({ input, outputs }) => book(input.city + outputs.quote),
    compensate: ({ output, idempotencyKey, actionIdempotencyKey }) => Effect.log("cancel", output.id, idempotencyKey, actionIdempotencyKey),
    retry: { times: 3, while: (e) => e._tag === "Full" && e.n > 1 }
  })
  .compensatable("hotel", { success: Flight, action: ({ input }) => book(input.city), compensate: ({ output }) => Effect.log("cancel hotel", output.id) })
  .final("charge", { success: Schema.String, action: ({ input, outputs }) => input.city === "bad" ? Effect.fail(new Full({ n: 2 })) : Effect.succeed("ok" + outputs.hotel.id), inDoubt: "retry" })
  .build(({ outputs }) => outputs.charge)
const main = Effect.gen(function*() {
  console.log(yield* Saga.run(trip, { city: "rome" }))
  console.log(yield* Effect.exit(Saga.run(trip, { city: "bad" })))
  console.log(yield* Saga.report(trip, { city: "bad" }))
  console.log(yield* Effect.exit(Saga.run(trip, { city: 1 as never })))
  console.log(yield* Saga.execute(trip, { city: "rome" }, { executionId: "a" }))
  console.log(yield* Saga.execute(trip, { city: "rome" }, { executionId: "a" }))
  console.log(yield* Effect.exit(Saga.execute(trip, { city: "bad" }, { executionId: "b" })))
  console.log(yield* Effect.exit(Saga.execute(trip, { city: "bad" }, { executionId: "b" })))
  console.log(yield* Effect.exit(Saga.execute(trip, { city: "bad2" }, { executionId: "b" })))
  const c = yield* Checkpoint.Checkpoint
  console.log(yield* c.load("a"), yield* c.load("b"))
})
Effect.runPromise(main.pipe(Effect.provide(Checkpoint.layerMemory)))
