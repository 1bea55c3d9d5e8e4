/**
 * One process of an application that keeps its sagas in a SQLite file. `book NAME:CITY ...` books trips and says what it does while it
 * does it; `enqueue NAME:CITY ...` leaves them to a worker, and `work` is one: it drives them, and finishes what earlier processes
 * left, until it gets a SIGTERM. From any process `await ID ...` says how trips ended, `cancel ID` cancels one, and `show ID FILE` draws
 * what became of it.
 */
import { FileSystem } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Schema } from "effect"
import { Diagram, Saga, SagaEvents, Timeline, Worker } from "effect-saga"
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

/** The input of a trip, and its id: the same trip asked for twice is one execution. */
const tripOf = (given: string) => {
  const [traveller = "", city = ""] = given.split(":")
  return { input: { traveller, city }, executionId: `trip-of-${traveller.toLowerCase()}` }
}

const sayEnd = <E extends { readonly _tag: string }, R>(executionId: string, trip: Effect.Effect<Booked, E, R>) =>
  Effect.matchEffect(trip, {
    onSuccess: (trip) => say(executionId, booked(trip)),
    onFailure: (error) => say(executionId, `failed with ${error._tag}`)
  })

const book = (trips: ReadonlyArray<string>) =>
  Effect.forEach(trips.map(tripOf), ({ executionId, input }) =>
    sayEnd(
      executionId,
      SagaEvents.listen(Saga.execute(bookTrip, input, { executionId }), sayProgress)
    ), { discard: true })

const enqueue = (trips: ReadonlyArray<string>) =>
  Effect.forEach(trips.map(tripOf), ({ executionId, input }) =>
    Effect.zipRight(
      Saga.enqueue(bookTrip, input, { executionId }),
      say(executionId, "stored")
    ), { discard: true })

const waitFor = (ids: ReadonlyArray<string>) =>
  Effect.forEach(ids, (executionId) => sayEnd(executionId, Saga.await(bookTrip, executionId)), { discard: true })

// One trip after another, so that the demo always says the same; 16 at a time without this option.
const work = Layer.launch(Worker.layer([bookTrip], { concurrency: 1 }))

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

const [first = ""] = given
const main = Effect.suspend((): Effect.Effect<unknown, unknown, Layer.Layer.Success<typeof Live>> => {
  switch (command) {
    case "book":
      return book(given)
    case "enqueue":
      return enqueue(given)
    case "work":
      return work
    case "await":
      return waitFor(given)
    case "cancel":
      return Saga.cancel(first, { by: "the clerk", reason: "the traveller called" })
    case "show":
      return show(first, given[1] ?? "trip.md")
    default:
      return Effect.dieMessage(`there is no command "${command}"`)
  }
})

NodeRuntime.runMain(Effect.provide(main, Live))
