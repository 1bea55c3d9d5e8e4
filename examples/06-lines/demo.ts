/**
 * The demo. Orders are enqueued in one transaction with their rows; one waits for the manager while no process is there that could drive
 * it, and goes on in another one; of another a line fails, and all of it is undone. Exits with 1 if the stock is wrong at the end.
 */
import { Command, FileSystem } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as SqlClient from "@effect/sql/SqlClient"
import { Data, Effect, Schedule, Stream } from "effect"
import { Executions, Saga, Signal } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { fileURLToPath } from "node:url"
import { Approval, order } from "./saga.ts"

class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly message: string }> {}

const say = (line: string) => Effect.sync(() => console.log(line))

/** Starts a worker of its own process, and prints what its steps say. */
const startWorker = (filename: string) =>
  Effect.gen(function*() {
    const script = fileURLToPath(new URL("worker.ts", import.meta.url))
    const child = yield* Command.start(
      Command.make(process.execPath, "--import", "tsx", script).pipe(
        Command.env({ DATABASE: filename }),
        Command.stderr("inherit")
      )
    )
    yield* Effect.forkScoped(Stream.runForEach(Stream.splitLines(Stream.decodeText(child.stdout)), say))
    return child
  })

type Lines = ReadonlyArray<{ readonly sku: string; readonly count: number }>

/** The row of an order and its saga exist together or not at all. */
const place = (customer: string, lines: Lines) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.zipRight(
      sql`INSERT INTO orders (customer) VALUES (${customer})`,
      Saga.enqueue(order, { customer, lines }, { executionId: `order-of-${customer}` })
    ))).pipe(
      // The worker may hold the file at this moment.
      Effect.retry({ times: 100, schedule: Schedule.spaced("50 millis") })
    )

const approve = (customer: string) =>
  Signal.deliver(Approval, { executionId: `order-of-${customer}`, by: "the manager", id: `mail about ${customer}` }, {
    approved: true
  })

const stock = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly sku: string; readonly available: number }>`SELECT sku, available FROM stock ORDER BY sku`,
    (rows) => rows.map(({ available, sku }) => `${available} ${sku}`).join(", ")
  ))

const sayStock = Effect.flatMap(stock, (stock) => say(`   in stock: ${stock}`))

const saySummary = (customer: string) =>
  Effect.flatMap(
    Executions.inspect(`order-of-${customer}`),
    ({ summary }) => say(`   ${summary.replace(/ until .*/, "")}`)
  )

const untilIt = (customer: string, status: "Waiting" | "Undone") =>
  Effect.repeat(Executions.inspect(`order-of-${customer}`), {
    until: (report) => report.status === status,
    schedule: Schedule.spaced("20 millis")
  })

const demo = (filename: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL)`
    yield* sql`CREATE TABLE orders (customer TEXT PRIMARY KEY)`
    yield* sql`INSERT INTO stock (sku, available) VALUES ('chair', 4), ('lamp', 5), ('mirror', 1)`

    yield* say(
      "1. Ada orders 2 lamps and a chair; a worker takes them from the stock, and the order waits for the manager"
    )
    const first = yield* startWorker(filename)
    yield* place("Ada", [{ sku: "lamp", count: 2 }, { sku: "chair", count: 1 }])
    yield* untilIt("Ada", "Waiting")
    yield* saySummary("Ada")
    yield* sayStock

    yield* say("2. The worker is stopped; the manager approves while no process is there that could go on")
    yield* first.kill("SIGTERM")
    yield* approve("Ada")
    yield* approve("Ada") // the same mail again: it is one answer

    yield* say("3. Another worker goes on")
    const second = yield* startWorker(filename)
    yield* say(`   ${yield* Saga.await(order, "order-of-Ada")}`)

    yield* say("4. Bob orders a chair and a mirror, which breaks while it is being packed: all of it is undone")
    yield* place("Bob", [{ sku: "chair", count: 1 }, { sku: "mirror", count: 1 }])
    yield* untilIt("Bob", "Waiting")
    yield* sayStock
    yield* approve("Bob")
    yield* untilIt("Bob", "Undone")
    yield* saySummary("Bob")
    yield* sayStock

    yield* say("5. Eve orders a chair and 9 lamps, which are not there: the chair goes back, and nobody is asked")
    yield* place("Eve", [{ sku: "chair", count: 1 }, { sku: "lamp", count: 9 }])
    yield* untilIt("Eve", "Undone")
    yield* saySummary("Eve")
    yield* second.kill("SIGTERM")

    yield* sayStock
    if ((yield* stock) !== "3 chair, 3 lamp, 1 mirror") return yield* new DemoFailed({ message: "the stock is wrong" })
  })

const main = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const filename = `${yield* fs.makeTempDirectoryScoped()}/shop.db`
  yield* Effect.provide(demo(filename), SqliteCheckpoint.layerWithClient({ filename }))
})

NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(NodeContext.layer)))
