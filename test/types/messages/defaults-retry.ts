import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

Saga.make("Trip", { input: Schema.String, defaults: { retry: 3 } })
