import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

export const parent = Saga.make("Parent").saga("trip", trip, { input: () => "Rome" })
