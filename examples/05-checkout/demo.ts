/**
 * The demo. A client places orders, twice too, and one with an empty card; the server is killed while it charges a card, and the next one
 * finishes the order. Exits with 1 if anything is on the books twice, or left behind.
 */
import { Command, FetchHttpClient, FileSystem, HttpApiClient } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Data, Deferred, Effect, Schedule, Stream } from "effect"
import { fileURLToPath } from "node:url"
import { ShopApi } from "./api.ts"

class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly message: string }> {}

const say = (line: string) => Effect.sync(() => console.log(line))

const script = fileURLToPath(new URL("server.ts", import.meta.url))

/** A server process, and a typed client of it. */
const serve = (folder: string, bankTakes: string) =>
  Effect.gen(function*() {
    const env = { DATABASE: `${folder}/journal.db`, BOOKS: `${folder}/books`, BANK_TAKES: bankTakes }
    const child = yield* Command.start(
      Command.make(process.execPath, "--import", "tsx", script).pipe(Command.env(env), Command.stderr("inherit"))
    )
    const port = yield* Deferred.make<string>()
    // All of its output is read: a server whose log nobody reads would end.
    yield* Effect.forkScoped(Stream.runForEach(Stream.splitLines(Stream.decodeText(child.stdout)), (line) => {
      const said = /^listening on (\d+)$/.exec(line)?.[1]
      return said === undefined ? Effect.void : Deferred.succeed(port, said)
    }))
    const baseUrl = `http://127.0.0.1:${yield* Deferred.await(port)}`
    const { orders } = yield* HttpApiClient.make(ShopApi, { baseUrl })
    return {
      child,
      place: (key: string, card = "full") =>
        Effect.zipRight(
          orders.place({ headers: { "idempotency-key": key }, payload: { item: "chair", card, amount: 5 } }),
          say(`   ${key} is accepted`)
        ),
      sayEnd: (key: string) =>
        orders.find({ path: { id: key }, urlParams: { wait: 10 } }).pipe(
          Effect.repeat({ until: ({ status }) => status !== "underWay" }),
          Effect.matchEffect({
            onSuccess: (state) =>
              say(
                `   ${key}: ${state.status === "shipped" ? `${state.receipt.charge}, ${state.receipt.shipment}` : "?"}`
              ),
            onFailure: (error) => say(`   ${key}: ${error._tag}`)
          })
        )
    }
  })

const demo = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const books = fs.readDirectory(`${folder}/books`)

  const first = yield* serve(folder, "60000")
  yield* say("1. Ada places an order, and the server is killed while her card is being charged")
  yield* first.place("order-of-ada")
  yield* books.pipe(
    Effect.repeat({
      until: (entries) => entries.some((entry) => entry.startsWith("charge")),
      schedule: Schedule.spaced("20 millis")
    }),
    Effect.timeoutFail({
      duration: "1 minute",
      onTimeout: () => new DemoFailed({ message: "the server never got to the charge" })
    })
  )
  yield* first.child.kill("SIGKILL")

  yield* say("2. The next server finishes her order; she places it again, and it is the same one")
  const second = yield* serve(folder, "0")
  yield* second.sayEnd("order-of-ada")
  yield* second.place("order-of-ada")
  yield* second.sayEnd("order-of-ada")

  yield* say("3. Bob's card is empty")
  yield* second.place("order-of-bob", "empty")
  yield* second.sayEnd("order-of-bob")

  yield* say("4. What is on the books")
  const entries = (yield* books).map((entry) => decodeURIComponent(entry)).sort()
  for (const entry of entries) yield* say(`   ${entry}`)
  if (entries.length !== 5) return yield* new DemoFailed({ message: "the books are wrong" })

  yield* say("5. The server is told to end, and ends")
  yield* second.child.kill("SIGTERM")
})

NodeRuntime.runMain(demo.pipe(Effect.scoped, Effect.provide([NodeContext.layer, FetchHttpClient.layer])))
