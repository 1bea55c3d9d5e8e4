/**
 * The server: takes orders, and drives them in the background, whoever waits for them. What it was killed with it finishes when it is
 * back; at SIGTERM it lets running actions end, and leaves the rest for the next one.
 */
import { HttpApiBuilder, HttpServer, HttpServerResponse } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Option, type ParseResult } from "effect"
import { Saga, SagaError, Worker } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { createServer } from "node:http"
import { type CardDeclined, type OutOfStock, type Receipt, ShopApi, type State } from "./api.ts"
import { checkout, Services } from "./saga.ts"

type Own = OutOfStock | CardDeclined

const isOwn = (error: { readonly _tag: string }): error is Own =>
  error._tag === "OutOfStock" || error._tag === "CardDeclined"

/** Answers any error but those of the saga's own steps. */
const problem = (error: ParseResult.ParseError | SagaError.DurableError | SagaError.CancellationRefused) => {
  const status = error._tag === "ParseError" ? 400 : SagaError.httpStatus(error)
  const isOurs = status >= 500
  const response = HttpServerResponse.unsafeJson(
    // A message about the server's own trouble is for its log.
    isOurs ? { error: error._tag } : { error: error._tag, message: error.message },
    { status, ...(status === 503 ? { headers: { "retry-after": "1" } } : {}) }
  )
  return isOurs ? Effect.as(Effect.logError(error.message), response) : Effect.succeed(response)
}

const OrdersLive = HttpApiBuilder.group(ShopApi, "orders", (handlers) =>
  handlers
    .handle("place", ({ headers, payload }) => {
      const id = headers["idempotency-key"]
      // Stored, and so acknowledged. The same key again is the same order; with another order it is refused.
      return Effect.matchEffect(Saga.start(checkout, payload, { executionId: id }), {
        onFailure: problem,
        onSuccess: () => Effect.succeed(accepted(id))
      })
    })
    .handle("find", ({ path: { id }, urlParams: { wait } }) => {
      const receipt = wait === 0
        ? Effect.flatMap(Saga.poll(checkout, id), Effect.transposeOption)
        // A client that leaves ends the wait, not the order.
        : Effect.timeoutOption(Saga.await(checkout, id), wait * 1000)
      return Effect.matchEffect(receipt, {
        // The API knows the errors of the saga's own steps, and with which status each is answered.
        onFailure: (error) => isOwn(error) ? Effect.fail(error) : problem(error),
        onSuccess: (receipt) => Effect.succeed(stateOf(receipt))
      })
    })
    .handle("cancel", ({ path: { id } }) =>
      // Stored, and so acknowledged: what is done of the order is undone, unless it ships at this moment.
      Effect.matchEffect(Saga.cancel(id, { by: "customer" }), {
        onFailure: problem,
        onSuccess: () => Effect.succeed(accepted(id))
      })))

const accepted = (id: string) =>
  HttpServerResponse.unsafeJson({ id }, {
    status: 202,
    headers: { location: `/orders/${encodeURIComponent(id)}` }
  })

const stateOf = (receipt: Option.Option<Receipt>): State =>
  Option.match(receipt, {
    onNone: () => ({ status: "underWay" }),
    onSome: (receipt) => ({ status: "shipped", receipt })
  })

/** Says where it listens: on any free port, if none is given. */
const announce = HttpServer.addressWith((address) =>
  Effect.sync(() => console.log(`listening on ${address._tag === "TcpAddress" ? address.port : address.path}`))
)

const ServerLive = Layer.unwrapEffect(Effect.gen(function*() {
  const port = yield* Config.withDefault(Config.integer("PORT"), 0)
  const filename = yield* Config.string("DATABASE")
  const books = yield* Config.string("BOOKS")
  const bankTakes = yield* Config.withDefault(Config.integer("BANK_TAKES"), 0)
  return Layer.merge(HttpApiBuilder.serve(), Layer.effectDiscard(announce)).pipe(
    Layer.provide(HttpApiBuilder.api(ShopApi).pipe(Layer.provide(OrdersLive))),
    Layer.provide(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port })),
    // Finishes the orders that an earlier server has left, and undoes those that were cancelled meanwhile.
    Layer.provide(Worker.layer([checkout])),
    // Closed after the HTTP server: actions that still run then have this long.
    Layer.provide(SqliteCheckpoint.layer({ filename, shutdown: { grace: "10 seconds" } })),
    Layer.provide(Services.layer({ books, bankTakes })),
    Layer.provide(NodeContext.layer)
  )
}))

NodeRuntime.runMain(Layer.launch(ServerLive))
