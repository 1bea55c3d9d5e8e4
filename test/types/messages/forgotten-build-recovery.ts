import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import { bookFlight, cancelFlight, CardDeclined, charge, Flight, trip } from "./world.ts"

import { Recovery } from "effect-saga"
export const run = Recovery.run([trip])
