/** Lists. */
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"
import { book, cancel, charge, Flight, trip } from "./world.ts"

const passenger = Saga.make("Passenger", { input: Schema.Struct({ name: Schema.String, age: Schema.Number }) })
  .compensatable("flight", {
    success: Flight,
    error: "asRecoveredFailure",
    action: ({ idempotencyKey, input }) => book(input.name, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })

const step = passenger.build(({ outputs }) => outputs.flight)

// the items are not the input of the saga that runs for each
trip.forEach("flights", { items: ({ input }) => [input], step })

// a member of an item has another type
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: "1" }], step })

// the items are no list
trip.forEach("flights", { items: ({ input }) => ({ name: input, age: 1 }), step })

// the items read an output that is not there
trip.forEach("flights", { items: ({ outputs }) => [{ name: outputs.passengers, age: 1 }], step })

// the items are left out
trip.forEach("flights", { step })

// the items are an effect
trip.forEach("flights", { items: () => Effect.succeed([{ name: "Ann", age: 1 }]), step })

// the key is a number
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: 1 }], key: ({ age }) => age, step })

// the key reads a member that is not there
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: 1 }], key: (item) => item.id, step })

// the saga that runs for each is not built
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: 1 }], step: passenger })

// the saga that runs for each has a Final
trip.forEach("flights", {
  items: ({ input }) => [{ name: input, age: 1 }],
  step: passenger.final("charge", { action: ({ idempotencyKey }) => charge(1, idempotencyKey) }).build()
})

// a list has the name of an earlier step
trip.forEach("quote", { items: ({ input }) => [{ name: input, age: 1 }], step })

// concurrency is a text
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: 1 }], step, concurrency: "four" })

// a list in a parallel block
trip.parallel((branch) => branch.forEach("flights", { items: () => [{ name: "Ann", age: 1 }], step }))

// a list after a Final
trip.final("charge", { action: ({ idempotencyKey }) => charge(1, idempotencyKey) })
  .forEach("flights", { items: () => [{ name: "Ann", age: 1 }], step })

// an option of a list that does not exist
trip.forEach("flights", { items: ({ input }) => [{ name: input, age: 1 }], step, concurency: 4 })

// a durable run of a saga with a list that is not ready for it
Saga.execute(
  trip.forEach("flights", {
    items: ({ input }) => [{ name: input, age: 1 }],
    step: Saga.make("Passenger", { input: Schema.Struct({ name: Schema.String, age: Schema.Number }) })
      .readOnly("seat", { action: () => Effect.succeed(1) })
      .build()
  }).build(),
  "Rome",
  { executionId: "1" }
)

// the key of some items is undefined
trip.forEach("flights", {
  items: ({ input }) => [{ name: input, age: 1 }],
  key: ({ age, name }) => age > 17 ? name : undefined,
  step
})
