/**
 * The saga: quote, book a flight and a hotel, check the risk, charge the card. Its steps call the services through their
 * typed clients, and hand each its idempotency key.
 */
import { FetchHttpClient, HttpApiClient } from "@effect/platform"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { Saga, SagaError } from "effect-saga"
import { AirlineApi, Booking, CardDeclined, FlightFull, HotelApi, PaymentsApi, type Ports, Trip } from "./api.ts"

const clients = (ports: Ports) =>
  Effect.gen(function*() {
    const at = (port: number) => ({ baseUrl: `http://127.0.0.1:${port}` })
    const { airline } = yield* HttpApiClient.make(AirlineApi, at(ports.airline))
    const { hotel } = yield* HttpApiClient.make(HotelApi, at(ports.hotel))
    const { payments } = yield* HttpApiClient.make(PaymentsApi, at(ports.payments))
    return { airline, hotel, payments }
  })

/** The three services, as the saga's steps see them. */
export class Services
  extends Context.Tag("demo/Services")<Services, Effect.Effect.Success<ReturnType<typeof clients>>>()
{
  static readonly layer = (ports: Ports) =>
    Layer.effect(Services, clients(ports)).pipe(Layer.provide(FetchHttpClient.layer))
}

const keyed = (key: string) => ({ headers: { "idempotency-key": key } })

/** A request that may have been sent and got no answer that can be read: nobody knows what it did. */
const noAnswer = (error: { readonly message: string }) =>
  Effect.fail(new SagaError.OutcomeUnknown({ reason: error.message }))
const unanswered = {
  RequestError: noAnswer,
  ResponseError: noAnswer,
  ParseError: noAnswer,
  HttpApiDecodeError: noAnswer
}

/** The errors of a look are those of the HTTP client: nobody asks later which of them it was. */
const unread = "asRecoveredFailure"

const undoRetry = { schedule: Schedule.exponential("50 millis"), times: 5 }

export const bookTrip = Saga.make("BookTrip", { input: Trip, version: 1 })
  .readOnly("quote", {
    success: Schema.Number,
    action: ({ input }) => Effect.flatMap(Services, ({ airline }) => airline.quote({ urlParams: input })),
    error: unread
  })
  .compensatable("flight", {
    success: Booking,
    error: Schema.Union(FlightFull, SagaError.OutcomeUnknown),
    action: ({ idempotencyKey, input }) =>
      Effect.flatMap(Services, ({ airline }) => airline.book({ payload: input, ...keyed(idempotencyKey) })).pipe(
        Effect.catchTags(unanswered)
      ),
    compensate: ({ idempotencyKey, output }) =>
      Effect.flatMap(Services, ({ airline }) => airline.cancel({ path: output, ...keyed(idempotencyKey) })),
    compensationRetry: undoRetry,
    // The services honour the key, so asking again is safe when nobody knows whether it happened.
    inDoubt: "retry"
  })
  .compensatable("hotel", {
    success: Booking,
    action: ({ idempotencyKey, input }) =>
      Effect.flatMap(Services, ({ hotel }) => hotel.book({ payload: input, ...keyed(idempotencyKey) })).pipe(
        Effect.catchTags(unanswered)
      ),
    compensate: ({ idempotencyKey, output }) =>
      Effect.flatMap(Services, ({ hotel }) => hotel.cancel({ path: output, ...keyed(idempotencyKey) })),
    compensationRetry: undoRetry,
    inDoubt: "retry"
  })
  .readOnly("risk", {
    success: Schema.Number,
    action: ({ input }) => Effect.flatMap(Services, ({ payments }) => payments.risk({ urlParams: input })),
    error: unread
  })
  .final("charge", {
    success: Booking,
    error: Schema.Union(CardDeclined, SagaError.OutcomeUnknown),
    action: ({ idempotencyKey, input, outputs }) =>
      Effect.flatMap(Services, ({ payments }) =>
        payments.charge({
          payload: { traveller: input.traveller, amount: outputs.quote },
          ...keyed(idempotencyKey)
        })).pipe(Effect.catchTags(unanswered)),
    inDoubt: "retry"
  })
  .build(({ outputs }) => ({ flight: outputs.flight.id, room: outputs.hotel.id, charge: outputs.charge.id }))
