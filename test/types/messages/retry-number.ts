import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

trip.compensatable("flight", {
  success: Flight,
  action: ({ idempotencyKey, input }) => bookFlight(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancelFlight(output.id, idempotencyKey),
  retry: 3
})
