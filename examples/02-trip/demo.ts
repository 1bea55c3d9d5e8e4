/**
 * The demo. Starts the services, lets other processes drive sagas against them, kills two of those with SIGKILL, lets a
 * worker finish what they left, cancels a trip from another process, and at the end asks the services themselves what is on their
 * books. Exits with 1 if anything is booked twice or left behind.
 */
import { Command, FetchHttpClient, FileSystem, HttpApiClient } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Data, Effect, Schedule, Schema, Stream } from "effect"
import { fileURLToPath } from "node:url"
import { AirlineApi, type Entry, HotelApi, PaymentsApi, Ports } from "./api.ts"

class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly message: string }> {}

const say = (line: string) => Effect.sync(() => console.log(line))

const script = (name: string, ...args: ReadonlyArray<string>) =>
  Command.make(process.execPath, "--import", "tsx", fileURLToPath(new URL(name, import.meta.url)), ...args).pipe(
    Command.stderr("inherit")
  )

const lines = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.splitLines(Stream.decodeText(stream))

const startServices = Effect.gen(function*() {
  const services = yield* Command.start(script("services.ts"))
  const announced = yield* Stream.runHead(lines(services.stdout))
  return yield* Schema.decodeUnknown(Schema.parseJson(Ports))(yield* announced)
})

const demo = Effect.gen(function*() {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  const ports = yield* startServices
  const at = (port: number) => ({ baseUrl: `http://127.0.0.1:${port}` })
  const { airline } = yield* HttpApiClient.make(AirlineApi, at(ports.airline))
  const { hotel } = yield* HttpApiClient.make(HotelApi, at(ports.hotel))
  const { payments } = yield* HttpApiClient.make(PaymentsApi, at(ports.payments))

  const driver = (...args: ReadonlyArray<string>) =>
    script("driver.ts", ...args).pipe(
      Command.env({ SERVICES: JSON.stringify(ports), DATABASE: `${directory}/journal.db` })
    )

  const runDriver = (...args: ReadonlyArray<string>) =>
    Effect.scoped(Effect.gen(function*() {
      const child = yield* Command.start(driver(...args))
      yield* Stream.runForEach(lines(child.stdout), say)
      if ((yield* child.exitCode) !== 0) yield* new DemoFailed({ message: `the driver failed: ${args.join(" ")}` })
    }))

  const until = (what: string) =>
    payments.waiting().pipe(
      Effect.repeat({ until: (waiting) => waiting.includes(what), schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutFail({
        duration: "1 minute",
        onTimeout: () => new DemoFailed({ message: `no driver ever got to the ${what}` })
      })
    )

  const killDriverDuring = (what: string, ...args: ReadonlyArray<string>) =>
    Effect.scoped(Effect.gen(function*() {
      const child = yield* Command.start(driver(...args))
      yield* until(what)
      yield* child.kill("SIGKILL")
    }))

  yield* say("1. Ada books Rome, and Bob books Oslo with a card that is declined")
  yield* runDriver("book", "Ada:Rome", "Bob:Oslo")

  yield* say("   what became of Bob's trip; trip.md has a picture of it:")
  yield* runDriver("show", "trip-of-bob", "trip.md")

  yield* say("2. Kim books Lima; the driver is killed after the hotel and before the charge")
  yield* killDriverDuring("risk of Kim", "book", "Kim:Lima")

  yield* say("3. Lee books Cairo; the driver is killed while the card is being charged")
  yield* killDriverDuring("charge of Lee", "book", "Lee:Cairo")

  yield* say("4. Mia's trip to Quito is enqueued, and nobody drives it yet")
  yield* runDriver("enqueue", "Mia:Quito")

  yield* say(
    "5. A worker starts: it finishes what they left, and drives Mia's trip; another process waits for the results"
  )
  const worker = yield* Command.start(driver("work"))
  yield* runDriver("await", "trip-of-kim", "trip-of-lee", "trip-of-mia")

  yield* say("6. Zoe's trip to Quebec is cancelled from another process, while the worker waits for its risk")
  yield* runDriver("enqueue", "Zoe:Quebec")
  yield* until("risk of Zoe")
  yield* runDriver("cancel", "trip-of-zoe")
  yield* runDriver("await", "trip-of-zoe")
  yield* worker.kill("SIGTERM")

  yield* say("7. The services are asked themselves")
  const books = {
    airline: yield* airline.entries(),
    hotel: yield* hotel.entries(),
    payments: yield* payments.entries()
  }
  const problems: Array<string> = []
  for (const [service, entries] of Object.entries(books)) {
    const standing = entries.filter((entry) => entry.cancelledAt === null).map(({ traveller }) => traveller)
    const cancelled = entries.filter((entry) => entry.cancelledAt !== null).map(({ traveller }) => traveller)
    yield* say(
      `   ${service}: for ${standing.join(", ")}${
        cancelled.length > 0 ? `; cancelled for ${cancelled.join(", ")}` : ""
      }`
    )
    for (const traveller of ["Ada", "Kim", "Lee", "Mia"]) {
      const times = standing.filter((name) => name === traveller).length
      if (times !== 1) problems.push(`${service} has ${times} entries for ${traveller} instead of 1`)
    }
    for (const traveller of ["Bob", "Zoe"]) {
      if (standing.includes(traveller)) problems.push(`${service} still has an entry for ${traveller}`)
    }
  }
  for (const traveller of ["Bob", "Zoe"]) {
    const cancelledAt = (entries: ReadonlyArray<Entry>) =>
      entries.find((entry) => entry.traveller === traveller)?.cancelledAt ?? NaN
    if (!(cancelledAt(books.hotel) < cancelledAt(books.airline))) {
      problems.push(`${traveller}'s hotel was not cancelled before the flight`)
    }
  }
  for (const problem of problems) yield* say(`   PROBLEM: ${problem}`)
  if (problems.length > 0) return yield* new DemoFailed({ message: "the books are wrong" })
  yield* say("   Bob's and Zoe's hotels were cancelled before their flights, in reverse")
  yield* say("   nothing is booked twice, and nothing is left behind")
})

NodeRuntime.runMain(demo.pipe(Effect.scoped, Effect.provide([NodeContext.layer, FetchHttpClient.layer])))
