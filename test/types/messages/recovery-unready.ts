import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

import { Recovery } from "effect-saga"
const saga = trip
  .final("charge", { action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey) })
  .build()
export const run = Recovery.run([saga])
