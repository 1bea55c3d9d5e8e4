/** S21: a request in the moment in which an execution of a worker would end. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Checkpoint, Saga, Worker } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve } from "../support/sagas.ts"
import { eventsOf } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

it.scopedLive("S21: a worker goes on with an execution that a message kept from ending, at once and under a new claim", () =>
  Effect.gen(function*() {
    const memory = yield* Checkpoint.makeMemory
    const world = makeWorld()
    let isSent = false
    let refused = 0
    const append: Checkpoint.Store["append"] = (commits) =>
      Effect.map(memory.append(commits), (stored) => {
        refused += stored.filter((isStored) => !isStored).length
        return stored
      })
    const store: Checkpoint.Store = {
      ...memory,
      append: (commits) => {
        const last = commits.find(({ status }) => status === "Succeeded")
        if (last !== undefined && !isSent) {
          isSent = true
          const body = JSON.stringify({ _tag: "Cancel", by: "clerk 5" })
          return Effect.flatMap(memory.send({ executionId: last.executionId, body }), () => append(commits))
        }
        return append(commits)
      }
    }
    const saga = reserve(world).build()
    const service = yield* Checkpoint.make(store)
    yield* Effect.gen(function*() {
      yield* Layer.build(Worker.layer([saga], { interval: "1 hour" }))
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      const exit = yield* Effect.exit(Saga.await(saga, "1")).pipe(Effect.timeout("5 seconds"))
      expect(failureOf(exit)).toMatchObject({ _tag: "Cancelled", by: "clerk 5" })
      expect((yield* eventsOf(service, "1")).at(-1)).toMatchObject({ _tag: "Finished", result: "Undone" })
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
      // Only the end was refused: nothing is tried under a claim that was given back.
      expect(refused).toBe(1)
    }).pipe(Effect.provideService(Checkpoint.Checkpoint, service))
  }))
