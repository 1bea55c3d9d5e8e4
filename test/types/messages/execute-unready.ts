import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

const saga = trip
  .compensatable("flight", {
    action: ({ idempotencyKey, input }) => bookFlight(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancelFlight(output.id, idempotencyKey)
  })
  .final("charge", { action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey) })
  .build()
export const run = Saga.execute(saga, "Rome", { executionId: "1" })
export const again = Saga.resume(saga, "1")
