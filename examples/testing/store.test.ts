/** A store of one's own keeps the laws of stores, and sagas keep theirs on it. */
import { describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { Checkpoint, Recovery, Saga } from "effect-saga"
import { CheckpointLaws, Faults, Ledger, SagaArbitrary } from "effect-saga/testing"
import { encrypted } from "./encrypted.ts"

const makeStore = Effect.map(Checkpoint.makeMemory, (store) => encrypted(store, new Uint8Array(32)))

describe("an encrypted store", () => {
  for (const { check, sentence } of CheckpointLaws.laws) {
    it.effect(sentence, () => Effect.flatMap(makeStore, check))
  }
})

it.effect.prop(
  "whatever a saga is made of, a durable run of it keeps the law of unwinding",
  [SagaArbitrary.program()],
  ([program]) =>
    Effect.gen(function*() {
      const saga = SagaArbitrary.build(program)
      const exit = yield* SagaArbitrary.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* SagaArbitrary.check(program, exit)
    }).pipe(Effect.provide([Checkpoint.layer(makeStore), Ledger.layer])),
  { timeout: 30_000, fastCheck: { numRuns: 100 } }
)

it.effect.prop(
  "and so does one whose process dies on the way",
  [SagaArbitrary.program(), FastCheck.nat({ max: 8 }), FastCheck.constantFrom("before" as const, "after" as const)],
  ([program, commit, moment]) =>
    Effect.gen(function*() {
      const saga = SagaArbitrary.build(program)
      const store = yield* makeStore
      const dying = Checkpoint.layer(Effect.succeed(Faults.crashAt(store, commit, moment)))
      const next = Checkpoint.layer(Effect.succeed(store))
      const execution = Saga.execute(saga, undefined, { executionId: "1" })
      yield* SagaArbitrary.exit(Effect.provide(execution, dying))
      const recovered = Effect.andThen(Recovery.run([saga]), execution)
      const exit = yield* SagaArbitrary.exit(Effect.provide(recovered, next))
      yield* SagaArbitrary.check(program, exit, { afterCrash: true })
    }).pipe(Effect.provide(Ledger.layer)),
  { timeout: 30_000, fastCheck: { numRuns: 100 } }
)
