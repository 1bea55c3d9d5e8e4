import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

const saga = trip
  .final("charge", { action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey) })
  .build()
export const run = Saga.scoped(saga, "Rome")
