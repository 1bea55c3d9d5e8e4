/**
 * Airline, hotel and payments: three HTTP servers on loopback that keep their books in this process, so that they outlive
 * whoever drives the sagas. Prints the ports it got, as one line of JSON.
 */
import { HttpApiBuilder, HttpServer } from "@effect/platform"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Context, Effect, Layer } from "effect"
import { createServer } from "node:http"
import { AirlineApi, type Booking, CardDeclined, type Entry, HotelApi, PaymentsApi } from "./api.ts"

let clock = 0

/** The books of one service: an entry an idempotency key, however often it is asked. */
const makeBooks = (prefix: string) => {
  const entries: Array<Entry> = []
  return {
    entries,
    enter: (key: string, traveller: string): Booking => {
      const known = entries.find((entry) => entry.key === key)
      if (known !== undefined) return { id: known.id }
      const entry = { id: `${prefix}-${entries.length + 1}`, traveller, key, at: ++clock, cancelledAt: null }
      entries.push(entry)
      return { id: entry.id }
    },
    cancel: (id: string) => {
      const index = entries.findIndex((entry) => entry.id === id)
      const entry = entries[index]
      if (entry !== undefined && entry.cancelledAt === null) entries[index] = { ...entry, cancelledAt: ++clock }
    }
  }
}

const flights = makeBooks("flight")
const rooms = makeBooks("room")
const charges = makeBooks("charge")

/** These get no answer the first time, so that the demo can kill Kim's and Lee's drivers meanwhile, and cancel Zoe's trip. */
const withoutAnswer = ["risk of Kim", "charge of Lee", "risk of Zoe"]
const waiting = new Set<string>()
const served = new Set<string>()
const answerLate = <A>(what: string, answer: A) => {
  if (served.has(what) || !withoutAnswer.includes(what)) return Effect.succeed(answer)
  served.add(what)
  waiting.add(what)
  return Effect.ensuring(Effect.never, Effect.sync(() => waiting.delete(what)))
}

const AirlineLive = HttpApiBuilder.group(AirlineApi, "airline", (handlers) =>
  handlers
    .handle("quote", ({ urlParams }) => Effect.succeed(urlParams.city.length * 100))
    .handle("book", ({ headers, payload }) =>
      Effect.sync(() => flights.enter(headers["idempotency-key"], payload.traveller)))
    .handle("cancel", ({ path }) =>
      Effect.sync(() => flights.cancel(path.id)))
    .handle("entries", () => Effect.sync(() => flights.entries)))

const HotelLive = HttpApiBuilder.group(HotelApi, "hotel", (handlers) =>
  handlers
    .handle("book", ({ headers, payload }) =>
      Effect.sync(() => rooms.enter(headers["idempotency-key"], payload.traveller)))
    .handle("cancel", ({ path }) =>
      Effect.sync(() => rooms.cancel(path.id)))
    .handle("entries", () => Effect.sync(() => rooms.entries)))

const PaymentsLive = HttpApiBuilder.group(PaymentsApi, "payments", (handlers) =>
  handlers
    .handle("risk", ({ urlParams }) => answerLate(`risk of ${urlParams.traveller}`, 0.1))
    .handle("charge", ({ headers, payload }) =>
      payload.traveller === "Bob"
        ? Effect.fail(new CardDeclined(payload))
        : Effect.suspend(() =>
          answerLate(`charge of ${payload.traveller}`, charges.enter(headers["idempotency-key"], payload.traveller))
        ))
    .handle("entries", () => Effect.sync(() => charges.entries))
    .handle("waiting", () => Effect.sync(() => Array.from(waiting))))

const listen = <E>(api: Layer.Layer<any, E, never>) =>
  Effect.map(
    Layer.build(
      HttpApiBuilder.serve().pipe(
        Layer.provide(api),
        Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 0 }))
      ) as Layer.Layer<HttpServer.HttpServer, E>
    ),
    (context) => {
      const { address } = Context.get(context, HttpServer.HttpServer)
      return address._tag === "TcpAddress" ? address.port : 0
    }
  )

NodeRuntime.runMain(Effect.scoped(Effect.gen(function*() {
  const airline = yield* listen(HttpApiBuilder.api(AirlineApi).pipe(Layer.provide(AirlineLive)))
  const hotel = yield* listen(HttpApiBuilder.api(HotelApi).pipe(Layer.provide(HotelLive)))
  const payments = yield* listen(HttpApiBuilder.api(PaymentsApi).pipe(Layer.provide(PaymentsLive)))
  console.log(JSON.stringify({ airline, hotel, payments }))
  yield* Effect.never
})))
