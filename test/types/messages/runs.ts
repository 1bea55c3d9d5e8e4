/** Runs of a saga that owes them something: all that is missing is told at once. */
import { Effect } from "effect"
import { Recovery, Saga } from "effect-saga"
import { SagaTest } from "effect-saga/testing"
import { book, cancel, charge, Flight, trip } from "./world.ts"

const unready = trip
  .compensatable("flight", {
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })
  .final("charge", { action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey) })
  .build()

const forgetful = trip
  .compensatable("flight", {
    success: Flight,
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })
  .build()

const doubtful = trip
  .compensatable("flight", {
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
    timeout: "5 seconds"
  })
  .build()

const backwards = trip
  .compensatable("flight", {
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey)
  })
  .build()

const wide = trip
  .readOnly("a", { action: () => Effect.succeed(1) }).readOnly("b", { action: () => Effect.succeed(1) })
  .readOnly("c", { action: () => Effect.succeed(1) }).readOnly("d", { action: () => Effect.succeed(1) })
  .readOnly("e", { action: () => Effect.succeed(1) }).readOnly("f", { action: () => Effect.succeed(1) })
  .readOnly("g", { action: () => Effect.succeed(1) }).readOnly("h", { action: () => Effect.succeed(1) })
  .readOnly("i", { action: () => Effect.succeed(1) }).readOnly("j", { action: () => Effect.succeed(1) })
  .build(() => "done")

// a durable run of a saga that is not ready for it
Saga.execute(unready, "Rome", { executionId: "1" })

// a durable run of a saga with an error that a later call would not get
Saga.execute(forgetful, "Rome", { executionId: "1" })

// the recovery of a saga with an error that a later call would not get
Recovery.run([forgetful])

// a durable run of a saga that lacks a lot
Saga.execute(wide, "Rome", { executionId: "1" })

// a resume of a saga that is not ready for it
Saga.resume(unready, "1")

// the recovery of a saga that is not ready for it
Recovery.run([trip.build(), unready])

// the exploration of a saga that is not ready for it
SagaTest.explore(unready, { input: "Rome" })

// a scope around a Final
Saga.scoped(unready, "Rome")

// a run of a saga with a doubt that nothing settles
Saga.run(doubtful, "Rome")

// a compensation above its action
Saga.run(backwards, "Rome")

// a saga of which nothing is known
declare const any: Saga.Any
Saga.run(any, "Rome")

// a forgotten build, in a run
Saga.run(trip, "Rome")

// a forgotten build, in a durable run
Saga.execute(trip, "Rome", { executionId: "1" })

// a forgotten build after a Final
Saga.run(trip.final("charge", { action: ({ outputs }) => charge(outputs.quote, "key") }), "Rome")

// a forgotten build, in another saga
Saga.make("Parent").saga("trip", trip, { input: () => "Rome" })

// a forgotten build, in a parallel block
Saga.make("Parent").parallel((branch) => branch.saga("trip", trip, { input: () => "Rome" }))

// a forgotten build, in a recovery
Recovery.run([trip])

// a recovery of a saga that is in no list
Recovery.run(trip.build())

// a recovery of sagas of which nothing is known
declare const several: ReadonlyArray<Saga.Any>
Recovery.run(several)

// a recovery of a saga of which nothing is known
Recovery.run([any])

// a run with the input of another type
Saga.run(trip.build(), 1)

// a durable run with the input of another type
Saga.execute(trip.build(), 1, { executionId: "1" })
