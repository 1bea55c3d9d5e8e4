import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

trip.final("charge", {
  action: ({ input, outputs }) => charge(outputs.quote, input),
  timeout: "5 secs",
  inDoubt: "park"
})
