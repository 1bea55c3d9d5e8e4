/**
 * One process that drives sagas on a SQLite file, as an application would: `book NAME:CITY ...` books trips, `recover`
 * finishes what earlier processes left.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Effect, Exit, Layer, Option, Schema } from "effect"
import { Recovery, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { Ports } from "./api.ts"
import { bookTrip, Services } from "./saga.ts"

type Booked = { readonly flight: string; readonly room: string; readonly charge: string }

const report = (executionId: string) => (exit: Exit.Exit<Booked, { readonly _tag: string }>) =>
  Effect.sync(() =>
    console.log(
      `   ${executionId}: ` + Exit.match(exit, {
        onSuccess: ({ charge, flight, room }) => `booked ${flight} and ${room}, paid with ${charge}`,
        onFailure: (cause) =>
          Option.match(Cause.failureOption(cause), {
            onNone: () => Cause.pretty(cause),
            onSome: (error) => `failed with ${error._tag}`
          })
      })
    )
  )

const book = (trips: ReadonlyArray<string>) =>
  Effect.forEach(trips, (trip) => {
    const [traveller = "", city = ""] = trip.split(":")
    const executionId = `trip-of-${traveller.toLowerCase()}`
    return Effect.flatMap(
      Effect.exit(Saga.execute(bookTrip, { traveller, city }, { executionId })),
      report(executionId)
    )
  }, { discard: true })

const recover = Effect.flatMap(Recovery.run([bookTrip], { concurrency: 1 }), (recovered) =>
  Effect.forEach(
    recovered,
    ({ executionId, outcome }) =>
      outcome._tag === "Finished"
        ? report(executionId)(outcome.exit as Exit.Exit<Booked, { readonly _tag: string }>)
        : Effect.void,
    { discard: true }
  ))

const [, , command, ...trips] = process.argv

const Live = Layer.unwrapEffect(Effect.gen(function*() {
  const ports = yield* Schema.decode(Schema.parseJson(Ports))(yield* Config.string("SERVICES"))
  const filename = yield* Config.string("DATABASE")
  return Layer.merge(Services.layer(ports), SqliteCheckpoint.layer({ filename }))
}))

NodeRuntime.runMain(Effect.provide(command === "recover" ? recover : book(trips), Live))
