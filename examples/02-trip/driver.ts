/**
 * One process that drives sagas on a SQLite file, as an application would: `book NAME:CITY ...` books trips, `recover`
 * finishes what earlier processes left. It says what it does while it does it, and `show ID FILE` what became of a trip.
 */
import { FileSystem } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Schema, Stream } from "effect"
import { Diagram, Recovery, Saga, SagaEvents, Timeline } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { Ports } from "./api.ts"
import { bookTrip, Services } from "./saga.ts"

type Booked = { readonly flight: string; readonly room: string; readonly charge: string }

const say = (executionId: string, what: string) => Effect.sync(() => console.log(`   ${executionId}: ${what}`))

const booked = ({ charge, flight, room }: Booked) => `booked ${flight} and ${room}, paid with ${charge}`

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

const book = (trips: ReadonlyArray<string>) =>
  Effect.forEach(trips, (trip) => {
    const [traveller = "", city = ""] = trip.split(":")
    const executionId = `trip-of-${traveller.toLowerCase()}`
    return Saga.execute(bookTrip, { traveller, city }, { executionId }).pipe(
      (booking) => SagaEvents.listen(booking, sayProgress),
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

/** What became of a trip: in the terminal, and as a picture in a file that GitHub and editors draw. */
const show = (executionId: string, file: string) =>
  Effect.gen(function*() {
    const trip = yield* Saga.inspect(bookTrip, executionId)
    yield* Timeline.print(trip)
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(file, `# ${executionId}\n\n${"```"}mermaid\n${Diagram.mermaid(bookTrip, trip)}${"```"}\n`)
  })

const [, , command, ...given] = process.argv

const Live = Layer.unwrapEffect(Effect.gen(function*() {
  const ports = yield* Schema.decode(Schema.parseJson(Ports))(yield* Config.string("SERVICES"))
  const filename = yield* Config.string("DATABASE")
  return Layer.mergeAll(Services.layer(ports), SqliteCheckpoint.layer({ filename }), NodeContext.layer)
}))

const main = Effect.gen(function*() {
  if (command === "recover") yield* recover
  else if (command === "show") yield* show(given[0] ?? "", given[1] ?? "trip.md")
  else yield* book(given)
})

NodeRuntime.runMain(Effect.provide(main, Live))
