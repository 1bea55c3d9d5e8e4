/** The HTTP example as its clients see it: real processes, which are killed, asked twice and left alone. */
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, Schedule, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "./support/bundle.ts"

const server = await bundle(new URL("../examples/05-checkout/server.ts", import.meta.url), { packages: "external" })
afterAll(() => rmSync(server))
const longest = 120_000

const shop = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "checkout-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

interface Server {
  readonly process: ChildProcess
  readonly at: string
  readonly output: () => string
}

/** A server process on the files of a shop; it is killed at the end of the test if it still runs. */
const serve = (folder: string, bankTakes = 0): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [server], {
          stdio: ["ignore", "pipe", "inherit"],
          env: {
            ...process.env,
            DATABASE: join(folder, "journal.db"),
            BOOKS: join(folder, "books"),
            BANK_TAKES: String(bankTakes)
          }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) =>
      Effect.async<Server>((resume) => {
        let output = ""
        child.stdout.on("data", (chunk) => {
          output += chunk
          const port = /^listening on (\d+)$/m.exec(output)?.[1]
          if (port !== undefined) {
            resume(Effect.succeed({ process: child, at: `http://127.0.0.1:${port}`, output: () => output }))
          }
        })
        child.on("exit", (code) =>
          resume(Effect.dieMessage(`the server ended with ${code} before it listened: ${output}`)))
      })
  )

const stop = (server: Server, signal: "SIGKILL" | "SIGTERM") =>
  Effect.promise(async () => {
    const exited = once(server.process, "exit")
    server.process.kill(signal)
    const [code] = await exited
    return code as number | null
  })

interface Answer {
  readonly status: number
  readonly location: string | null
  readonly body: any
}

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async (): Promise<Answer> => {
    const response = await fetch(url, init)
    const text = await response.text()
    return {
      status: response.status,
      location: response.headers.get("location"),
      body: text === "" ? undefined : JSON.parse(text)
    }
  })

const order = { item: "chair", card: "full", amount: 5 }

const placing = (key: string, what: object = order) => ({
  method: "POST",
  headers: { "content-type": "application/json", "idempotency-key": key },
  body: JSON.stringify(what)
})

const place = ({ at }: Server, key: string, what?: object) => ask(`${at}/orders`, placing(key, what))

/** The answer about an order that is under way no more. */
const untilEnded = (url: string) =>
  Effect.repeat(ask(`${url}?wait=10`), { until: ({ body }) => body.status !== "underWay" })

/** What the services have on their books, in the words of the example. */
const booksOf = (folder: string) => readdirSync(join(folder, "books")).sort()

const untilBooked = (folder: string, entry: string) =>
  Effect.repeat(Effect.sync(() => booksOf(folder)), {
    until: (books) => books.includes(entry),
    schedule: Schedule.spaced("10 millis")
  })

const entryOf = (book: string, key: string, step: string) =>
  `${book} ${encodeURIComponent(`${encodeURIComponent(key)}/${step}/action`)}`
const onceEach = (key: string) =>
  [entryOf("charge", key, "charge"), entryOf("shipment", key, "ship"), entryOf("stock", key, "reserve")].sort()
const shipped = (key: string) => ({
  status: "shipped",
  receipt: { charge: `charge of ${key}`, shipment: `shipment of ${key}` }
})

describe("an order over HTTP", () => {
  it.scopedLive(
    "is accepted at once with its place, and there it is when it has shipped",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const server = yield* serve(folder, 100)
        const accepted = yield* place(server, "key 1")
        expect(accepted).toEqual({ status: 202, location: "/orders/key%201", body: { id: "key 1" } })
        const at = server.at + accepted.location!
        expect(yield* untilEnded(at)).toMatchObject({ status: 200, body: shipped("key 1") })
        expect(yield* ask(at)).toMatchObject({ status: 200, body: shipped("key 1") })
        expect(booksOf(folder)).toEqual(onceEach("key 1"))
      }),
    longest
  )

  it.scopedLive(
    "that is placed twice, at the same time or later, is one; and its key takes no other order",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const server = yield* serve(folder, 100)
        const both = yield* Effect.all([place(server, "1"), place(server, "1")], { concurrency: 2 })
        expect(both.map(({ status }) => status)).toEqual([202, 202])
        expect(yield* untilEnded(`${server.at}/orders/1`)).toMatchObject({ status: 200 })
        expect(yield* place(server, "1")).toMatchObject({ status: 202, location: "/orders/1" })
        expect(yield* place(server, "1", { ...order, amount: 6 })).toMatchObject({
          status: 422,
          body: { error: "ExecutionConflict", message: expect.stringContaining("was started with another input") }
        })
        expect(booksOf(folder)).toEqual(onceEach("1"))
      }),
    longest
  )

  it.scopedLive(
    "that fails is undone, and each look at it is answered with the error's own status",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const server = yield* serve(folder)
        expect(yield* place(server, "1", { ...order, card: "empty" })).toMatchObject({ status: 202 })
        const declined = { status: 402, body: { _tag: "CardDeclined", amount: 5 } }
        expect(yield* untilEnded(`${server.at}/orders/1`)).toMatchObject(declined)
        expect(yield* ask(`${server.at}/orders/1`)).toMatchObject(declined)
        const stock = entryOf("stock", "1", "reserve")
        expect(booksOf(folder)).toEqual([stock, `${stock} struck`])
        yield* place(server, "2", { ...order, item: "unicorn" })
        expect(yield* untilEnded(`${server.at}/orders/2`)).toMatchObject({ status: 409, body: { _tag: "OutOfStock" } })
      }),
    longest
  )

  it.scopedLive(
    "is cancelled while its card is being charged: everything is undone; not twice, and not once it has shipped",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const server = yield* serve(folder, 1000)
        const cancel = (key: string) => ask(`${server.at}/orders/${key}`, { method: "DELETE" })
        yield* place(server, "1")
        const charge = entryOf("charge", "1", "charge")
        yield* untilBooked(folder, charge)
        expect(yield* cancel("1")).toMatchObject({ status: 202, location: "/orders/1" })
        const cancelled = { status: 409, body: { error: "Cancelled", message: expect.stringContaining("customer") } }
        expect(yield* untilEnded(`${server.at}/orders/1`)).toMatchObject(cancelled)
        const stock = entryOf("stock", "1", "reserve")
        expect(booksOf(folder)).toEqual([charge, `${charge} struck`, stock, `${stock} struck`])
        yield* place(server, "2")
        yield* untilEnded(`${server.at}/orders/2`)
        for (const key of ["1", "2"]) {
          expect(yield* cancel(key)).toMatchObject({ status: 409, body: { error: "CancellationRefused" } })
        }
        expect(yield* ask(`${server.at}/orders/2`)).toMatchObject({ status: 200, body: shipped("2") })
        expect(yield* cancel("unheard")).toMatchObject({ status: 404, body: { error: "ExecutionNotFound" } })
      }),
    longest
  )

  it.scopedLive("is refused where it is none, with its key, or its path", () =>
    Effect.gen(function*() {
      const server = yield* serve(yield* shop)
      expect(yield* place(server, "1", { ...order, amount: -1 })).toMatchObject({ status: 400 })
      expect(yield* place(server, "a".repeat(801))).toMatchObject({
        status: 400,
        body: { error: "InvalidExecutionId" }
      })
      expect(yield* ask(`${server.at}/orders/unheard`)).toMatchObject({
        status: 404,
        body: { error: "ExecutionNotFound" }
      })
    }), longest)

  it.scopedLive(
    "does not mind a client that leaves, while it places the order or waits for it",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const server = yield* serve(folder, 300)
        const agent = new Agent()
        const leave = (url: string, init: ReturnType<typeof placing> | undefined, until: Effect.Effect<unknown>) =>
          Effect.gen(function*() {
            const sent = request(url, { agent, method: init?.method ?? "GET", headers: { ...init?.headers } })
            sent.on("error", () => {})
            sent.end(init?.body)
            yield* until
            sent.destroy()
          })
        // The charge is on its way when the clients leave.
        const charged = untilBooked(folder, entryOf("charge", "1", "charge"))
        yield* leave(`${server.at}/orders`, placing("1"), charged)
        yield* leave(`${server.at}/orders/1?wait=10`, undefined, Effect.sleep("50 millis"))
        expect(yield* untilEnded(`${server.at}/orders/1`)).toMatchObject({ status: 200, body: shipped("1") })
        expect(booksOf(folder)).toEqual(onceEach("1"))
      }),
    longest
  )

  it.scopedLive(
    "is finished by the next server where this one is killed while the card is being charged",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const first = yield* serve(folder, 60_000)
        yield* place(first, "1")
        yield* untilBooked(folder, entryOf("charge", "1", "charge"))
        yield* stop(first, "SIGKILL")
        const second = yield* serve(folder)
        expect(yield* untilEnded(`${second.at}/orders/1`)).toMatchObject({ status: 200, body: shipped("1") })
        expect(yield* place(second, "1")).toMatchObject({ status: 202 })
        expect(booksOf(folder)).toEqual(onceEach("1"))
      }),
    longest
  )

  it.scopedLive(
    "lets the bank answer when its server is told to end, and goes on in the next one",
    () =>
      Effect.gen(function*() {
        const folder = yield* shop
        const first = yield* serve(folder, 1000)
        yield* place(first, "1")
        yield* untilBooked(folder, entryOf("charge", "1", "charge"))
        expect(yield* stop(first, "SIGTERM")).toBe(0)
        expect(booksOf(folder)).not.toContain(entryOf("shipment", "1", "ship"))
        // A bank that would be asked again now would take a minute.
        const second = yield* serve(folder, 60_000)
        expect(yield* untilEnded(`${second.at}/orders/1`)).toMatchObject({ status: 200, body: shipped("1") })
        expect(booksOf(folder)).toEqual(onceEach("1"))
      }),
    longest
  )
})
