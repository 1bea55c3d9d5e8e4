/**
 * One process that drives sagas on a SQLite file, as an application would: `book NAME:CITY ...` books trips, `recover`
 * finishes what earlier processes left. It says what it does while it does it, and `show ID` prints what became of a trip.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Schema, Stream } from "effect"
import { Recovery, Saga, SagaEvents, Timeline } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { Ports } from "./api.ts"
import { bookTrip, Services } from "./saga.ts"

type Booked = { readonly flight: string; readonly room: string; readonly charge: string }

const say = (executionId: string, what: string) => Effect.sync(() => console.log(`   ${executionId}: ${what}`))

const booked = ({ charge, flight, room }: Booked) => `booked ${flight} and ${room}, paid with ${charge}`

const book = (trips: ReadonlyArray<string>) =>
  Effect.forEach(trips, (trip) => {
    const [traveller = "", city = ""] = trip.split(":")
    const executionId = `trip-of-${traveller.toLowerCase()}`
    return Saga.execute(bookTrip, { traveller, city }, { executionId }).pipe(
      Effect.matchEffect({
        onSuccess: (trip) => say(executionId, booked(trip)),
        onFailure: (error) => say(executionId, `failed with ${error._tag}`)
      })
    )
  }, { discard: true })

const recover = Stream.runForEach(Recovery.events([bookTrip], { concurrency: 1 }), (event) =>
  event._tag === "Begun"
    ? Effect.void
    : say(event.executionId, event._tag === "Succeeded" ? booked(event.output) : event._tag))

/** What is worth a line of progress; ReadOnly steps are not. */
const progressOf = (event: SagaEvents.SagaEvent) => {
  switch (event._tag) {
    case "StepSucceeded":
      return `${event.step} is done`
    case "StepFailed":
      return `${event.step} failed: ${event.failures.map(({ tag }) => tag).join(", ")}`
    case "CompensationSucceeded":
      return `${event.step} is undone`
    default:
      return undefined
  }
}

const sayProgress = (event: SagaEvents.SagaEvent) => {
  const what = progressOf(event)
  return what === undefined ? Effect.void : say(event.executionId, what)
}

const show = (executionId: string) => Effect.flatMap(Saga.inspect(bookTrip, executionId), Timeline.print)

const [, , command, ...given] = process.argv

const Live = Layer.unwrapEffect(Effect.gen(function*() {
  const ports = yield* Schema.decode(Schema.parseJson(Ports))(yield* Config.string("SERVICES"))
  const filename = yield* Config.string("DATABASE")
  return Layer.merge(Services.layer(ports), SqliteCheckpoint.layer({ filename }))
}))

const commands = { book: book(given), recover, show: show(given[0] ?? "") }
const main = commands[command as keyof typeof commands]

NodeRuntime.runMain(Effect.provide(SagaEvents.listen(main, sayProgress), Live))
