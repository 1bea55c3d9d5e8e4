/** What the mistakes of this folder are made with. */
import { Context, Effect, Schema } from "effect"
import { Saga } from "effect-saga"

export class FlightFull extends Schema.TaggedError<FlightFull>()("FlightFull", { seats: Schema.Number }) {}
export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", {}) {}
export class Airline extends Context.Tag("Airline")<Airline, { readonly seats: number }>() {}
export class Bank extends Context.Tag("Bank")<Bank, { readonly balance: number }>() {}

export const Flight = Schema.Struct({ id: Schema.String })

export declare const book: (to: string, key: string) => Effect.Effect<typeof Flight.Type, FlightFull, Airline>
export declare const cancel: (id: string, key: string) => Effect.Effect<void, never, Airline>
export declare const charge: (amount: number, key: string) => Effect.Effect<number, CardDeclined, Bank>

export const trip = Saga.make("Trip", { input: Schema.String })
  .readOnly("quote", { success: Schema.Number, action: ({ input }) => Effect.succeed(input.length) })
