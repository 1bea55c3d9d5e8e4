/** The shop's HTTP interface: an order is placed under an `Idempotency-Key`, and asked for or cancelled under the same. */
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
import { Schema } from "effect"

// The errors of the saga's own steps: each has the status with which the order is answered.
export class OutOfStock extends Schema.TaggedError<OutOfStock>()(
  "OutOfStock",
  { item: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()(
  "CardDeclined",
  { amount: Schema.Int },
  HttpApiSchema.annotations({ status: 402 })
) {}

export const Order = Schema.Struct({
  item: Schema.NonEmptyString,
  card: Schema.NonEmptyString,
  amount: Schema.Int.pipe(Schema.positive())
})
export type Order = typeof Order.Type

export const Receipt = Schema.Struct({ charge: Schema.String, shipment: Schema.String })
export type Receipt = typeof Receipt.Type

/** An order that is accepted is stored: it happens, or it is undone. */
export const Accepted = Schema.Struct({ id: Schema.String })

export const State = Schema.Union(
  Schema.Struct({ status: Schema.Literal("underWay") }),
  Schema.Struct({ status: Schema.Literal("shipped"), receipt: Receipt })
)
export type State = typeof State.Type

/** For how many seconds a request waits for the end of an order. */
const Seconds = Schema.NumberFromString.pipe(Schema.int(), Schema.between(0, 10))

export class ShopApi extends HttpApi.make("shop").add(
  HttpApiGroup.make("orders")
    .add(
      HttpApiEndpoint.post("place", "/orders")
        .setHeaders(Schema.Struct({ "idempotency-key": Schema.String }))
        .setPayload(Order)
        .addSuccess(Accepted, { status: 202 })
    )
    .add(
      HttpApiEndpoint.get("find")`/orders/${HttpApiSchema.param("id", Schema.String)}`
        .setUrlParams(Schema.Struct({ wait: Schema.optionalWith(Seconds, { default: () => 0 }) }))
        .addSuccess(State)
        .addError(OutOfStock)
        .addError(CardDeclined)
    )
    .add(
      HttpApiEndpoint.del("cancel")`/orders/${HttpApiSchema.param("id", Schema.String)}`
        .addSuccess(Accepted, { status: 202 })
    )
) {}
