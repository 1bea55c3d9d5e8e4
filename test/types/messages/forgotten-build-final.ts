import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

const sealed = trip.final("charge", { action: ({ outputs }) => charge(outputs.quote, "") })
export const run = Saga.run(sealed, "Rome")
