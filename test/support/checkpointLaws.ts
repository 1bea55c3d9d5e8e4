/** What every store has to do, whatever it is made of: run against each. */
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, type Layer, Stream } from "effect"
import { Checkpoint, type SagaError } from "effect-saga"

const commit = (executionId: string, sequence: number, status: Checkpoint.Commit["status"] = "Running") => ({
  executionId,
  saga: "Trip",
  version: 3,
  sequence,
  status,
  body: `${executionId} ${sequence} "quoted" 'too' ☃ \u0000`
})

const unfinished = Effect.flatMap(Checkpoint.Checkpoint, (store) => Stream.runCollect(store.unfinished)).pipe(
  Effect.map(Chunk.toReadonlyArray)
)

export const checkpointLaws = (layer: Layer.Layer<Checkpoint.Checkpoint, SagaError.CheckpointError>) => {
  const law = (sentence: string, effect: Effect.Effect<void, unknown, Checkpoint.Checkpoint>) =>
    it.effect(sentence, () => Effect.provide(effect, layer))

  law(
    "loads nothing for an execution it does not know",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      expect(yield* store.load("unknown")).toEqual([])
      expect(yield* unfinished).toEqual([])
    })
  )

  law(
    "loads what was appended, in order and to the letter, each execution by itself",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      for (let sequence = 0; sequence < 12; sequence++) {
        yield* store.append(commit("a", sequence))
        yield* store.append(commit("A", sequence))
      }
      const loaded = yield* store.load("a")
      expect(loaded.map(({ body, sequence }) => ({ body, sequence }))).toEqual(
        Array.from({ length: 12 }, (_, sequence) => ({ sequence, body: commit("a", sequence).body }))
      )
    })
  )

  law(
    "refuses a sequence that is taken, or that leaves a gap, and then has changed nothing",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* store.append(commit("a", 0))
      yield* store.append(commit("a", 1))
      for (const sequence of [0, 1, 3]) {
        const exit = yield* Effect.exit(store.append({ ...commit("a", sequence, "Undone"), body: "other" }))
        expect(exit).toMatchObject(
          Exit.fail({ _tag: "ExecutionConflict", reason: "OtherDriver", saga: "Trip", executionId: "a" })
        )
      }
      expect(yield* Effect.exit(store.append(commit("b", 1)))).toMatchObject({ _tag: "Failure" })
      expect((yield* store.load("a")).map(({ body }) => body)).toEqual([commit("a", 0).body, commit("a", 1).body])
      expect(yield* store.load("b")).toEqual([])
      expect((yield* unfinished).map(({ executionId }) => executionId)).toEqual(["a"])
    })
  )

  law(
    "lets one of many who append the same sequence at once win",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const exits = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.exit(store.append(commit("a", 0)))),
        { concurrency: "unbounded" }
      )
      expect(exits.filter(Exit.isSuccess).length).toBe(1)
    })
  )

  law(
    "lists what is unfinished, oldest first, by the status of its last commit",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* store.append(commit("z", 0))
      yield* store.append(commit("succeeded", 0))
      yield* store.append(commit("undone", 0))
      yield* store.append(commit("at once", 0, "Succeeded"))
      yield* store.append(commit("parked", 0))
      yield* store.append(commit("a", 0))
      yield* store.append(commit("succeeded", 1, "Succeeded"))
      yield* store.append(commit("undone", 1, "Unwinding"))
      yield* store.append(commit("undone", 2, "Undone"))
      yield* store.append(commit("parked", 1, "Unwinding"))
      yield* store.append(commit("parked", 2, "Parked"))
      yield* store.append(commit("a", 1, "Unwinding"))
      const execution = (executionId: string, status: string) => ({ executionId, saga: "Trip", version: 3, status })
      expect(yield* unfinished).toEqual([
        execution("z", "Running"),
        execution("parked", "Parked"),
        execution("a", "Unwinding")
      ])
    })
  )

  law(
    "lists more than fit one page, also while they are finished on the way",
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const ids = Array.from({ length: 1201 }, (_, index) => `e${index}`)
      yield* Effect.forEach(ids, (id) => store.append(commit(id, 0)), { discard: true })
      const seen: Array<string> = []
      yield* Stream.runForEach(store.unfinished, ({ executionId }) => {
        seen.push(executionId)
        return store.append(commit(executionId, 1, "Succeeded"))
      })
      expect(seen).toEqual(ids)
      expect(yield* unfinished).toEqual([])
    })
  )
}
