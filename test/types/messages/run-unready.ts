import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

const saga = trip
  .compensatable("flight", {
    action: ({ idempotencyKey, input }) => bookFlight(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancelFlight(output.id, idempotencyKey),
    timeout: "5 seconds"
  })
  .build()
export const run = Saga.run(saga, "Rome")
