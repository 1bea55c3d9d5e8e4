/** Options of `Saga.make`. */
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"

// input has fields and no schema
Saga.make("Pay", { input: { amount: Schema.Int } })

// input has fields and no schema, and is used
Saga.make("Pay", { input: { amount: Schema.Int } })
  .readOnly("quote", { action: ({ input }) => Effect.succeed(input.amount) })

// input is no schema
Saga.make("Pay", { input: {} })

// input needs a service to be read
declare const withService: Schema.Schema<number, string, Date>
Saga.make("Pay", { input: withService })

// the default retry is a number
Saga.make("Pay", { defaults: { retry: 3 } })

// the default timeout is no duration
Saga.make("Pay", { defaults: { timeout: "5 secs", inDoubt: "park" } })
