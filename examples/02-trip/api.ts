/**
 * What the three services offer over HTTP. Whatever has a side effect takes an `Idempotency-Key`: asked twice under one
 * key, a service does it once and gives the same answer.
 */
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
import { Schema } from "effect"

export class FlightFull extends Schema.TaggedError<FlightFull>()(
  "FlightFull",
  { city: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()(
  "CardDeclined",
  { traveller: Schema.String, amount: Schema.Number },
  HttpApiSchema.annotations({ status: 402 })
) {}

export const Trip = Schema.Struct({ traveller: Schema.NonEmptyString, city: Schema.NonEmptyString })
export type Trip = typeof Trip.Type

export const Booking = Schema.Struct({ id: Schema.String })
export type Booking = typeof Booking.Type

/** What a service has on its books. `at` and `cancelledAt` number everything that the three services did, in order. */
export const Entry = Schema.Struct({
  id: Schema.String,
  traveller: Schema.String,
  key: Schema.String,
  at: Schema.Number,
  cancelledAt: Schema.NullOr(Schema.Number)
})
export type Entry = typeof Entry.Type

const Key = Schema.Struct({ "idempotency-key": Schema.NonEmptyString })
const id = HttpApiSchema.param("id", Schema.String)

const book = HttpApiEndpoint.post("book", "/bookings").setHeaders(Key).setPayload(Trip).addSuccess(Booking)
const cancel = HttpApiEndpoint.del("cancel")`/bookings/${id}`.setHeaders(Key)
const entries = HttpApiEndpoint.get("entries", "/entries").addSuccess(Schema.Array(Entry))

export class AirlineApi extends HttpApi.make("airline").add(
  HttpApiGroup.make("airline")
    .add(HttpApiEndpoint.get("quote", "/quote").setUrlParams(Trip).addSuccess(Schema.Number))
    .add(book.addError(FlightFull))
    .add(cancel)
    .add(entries)
) {}

export class HotelApi extends HttpApi.make("hotel").add(
  HttpApiGroup.make("hotel").add(book).add(cancel).add(entries)
) {}

export class PaymentsApi extends HttpApi.make("payments").add(
  HttpApiGroup.make("payments")
    .add(HttpApiEndpoint.get("risk", "/risk").setUrlParams(Trip).addSuccess(Schema.Number))
    .add(
      HttpApiEndpoint.post("charge", "/charges").setHeaders(Key)
        .setPayload(Schema.Struct({ traveller: Schema.String, amount: Schema.Number }))
        .addSuccess(Booking).addError(CardDeclined)
    )
    .add(entries)
    // For the demo: which requests are kept waiting at this moment.
    .add(HttpApiEndpoint.get("waiting", "/waiting").addSuccess(Schema.Array(Schema.String)))
) {}

/** Where the services listen, on loopback. */
export const Ports = Schema.Struct({ airline: Schema.Int, hotel: Schema.Int, payments: Schema.Int })
export type Ports = typeof Ports.Type
