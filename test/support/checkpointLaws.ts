/** What every store has to do, whatever it is made of: run against each. */
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, type Scope, Stream } from "effect"
import type { Checkpoint, SagaError } from "effect-saga"

const commit = (
  token: Checkpoint.Token,
  executionId: string,
  sequence: number,
  status: Checkpoint.Commit["status"] = "Running"
): Checkpoint.Commit => ({
  executionId,
  saga: "Trip",
  version: 3,
  sequence,
  status,
  body: JSON.stringify(`${executionId} ${sequence} "quoted" 'too' \\ ? $1 ☃ 😀 \u0000\n`),
  token
})

const list = (store: Checkpoint.Store, parked = false) =>
  Effect.map(Stream.runCollect(store.unfinished({ parked })), Chunk.toReadonlyArray)

const forAnHour = { milliseconds: 3_600_000 }

export const checkpointLaws = (
  make: Effect.Effect<Checkpoint.Store, SagaError.CheckpointError, Scope.Scope>
) => {
  const law = (
    sentence: string,
    check: (store: Checkpoint.Store, token: Checkpoint.Token) => Effect.Effect<void, unknown>
  ) =>
    it.scoped(sentence, () =>
      Effect.gen(function*() {
        const store = yield* make
        yield* check(store, yield* store.acquire(forAnHour))
      }))

  law("loads nothing for an execution it does not know", (store) =>
    Effect.gen(function*() {
      expect(yield* store.load("unknown")).toEqual([])
      expect(yield* list(store)).toEqual([])
      expect(yield* list(store, true)).toEqual([])
    }))

  law(
    "loads what was appended, in order and to the letter, each execution by itself",
    (store, token) =>
      Effect.gen(function*() {
        for (let sequence = 0; sequence < 12; sequence++) {
          expect(yield* store.append([commit(token, "a", sequence)])).toEqual([true])
          expect(yield* store.append([commit(token, "A", sequence)])).toEqual([true])
        }
        const loaded = yield* store.load("a")
        expect(loaded.map(({ body, sequence }) => ({ body, sequence }))).toEqual(
          Array.from({ length: 12 }, (_, sequence) => ({ sequence, body: commit(token, "a", sequence).body }))
        )
      })
  )

  law(
    "stores many executions' commits in one go, first ones and later ones, however many",
    (store, token) =>
      Effect.gen(function*() {
        const ids = Array.from({ length: 100 }, (_, index) => `e${index}`)
        for (let round = 0; round < 103; round++) {
          const group = ids.flatMap((id, index) => {
            const sequence = round - index % 4
            return sequence < 0 || sequence >= 100 ? [] : [commit(token, id, sequence)]
          })
          expect(yield* store.append(group.slice(0, 1 + round))).toEqual(group.slice(0, 1 + round).map(() => true))
          if (group.length > 1 + round) yield* store.append(group.slice(1 + round))
        }
        for (const id of ids) {
          expect((yield* store.load(id)).map(({ body }) => body)).toEqual(
            Array.from({ length: 100 }, (_, sequence) => commit(token, id, sequence).body)
          )
        }
      })
  )

  law(
    "refuses a sequence that is taken, or that leaves a gap, and then has changed nothing",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0)])
        yield* store.append([commit(token, "a", 1)])
        for (const sequence of [0, 1, 3]) {
          expect(yield* store.append([{ ...commit(token, "a", sequence, "Undone"), body: "1" }])).toEqual([false])
        }
        expect(yield* store.append([commit(token, "b", 1)])).toEqual([false])
        expect((yield* store.load("a")).map(({ body }) => body)).toEqual([
          commit(token, "a", 0).body,
          commit(token, "a", 1).body
        ])
        expect(yield* store.load("b")).toEqual([])
        expect((yield* list(store)).map(({ executionId }) => executionId)).toEqual(["a"])
      })
  )

  law("stores the others of a group in which one is refused", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0), commit(token, "b", 0)])
      expect(
        yield* store.append([
          commit(token, "a", 1),
          commit(token, "b", 2),
          commit(token, "a", 0),
          commit(token, "c", 0)
        ])
      ).toEqual([true, false, false, true])
      expect((yield* store.load("a")).length).toBe(2)
      expect((yield* store.load("b")).length).toBe(1)
      expect((yield* store.load("c")).length).toBe(1)
    }))

  law("lets one of many who append the same sequence at once win", (store, token) =>
    Effect.gen(function*() {
      const stored = yield* Effect.all(
        Array.from({ length: 20 }, () => store.append([commit(token, "a", 0)])),
        { concurrency: "unbounded" }
      )
      expect(stored.flat().filter((stored) => stored).length).toBe(1)
    }))

  law(
    "lists what is unfinished, oldest first, by the status of its last commit",
    (store, token) =>
      Effect.gen(function*() {
        const append = (...parameters: [string, number, Checkpoint.Commit["status"]?]) =>
          Effect.map(store.append([commit(token, ...parameters)]), (stored) => expect(stored).toEqual([true]))
        yield* append("z", 0)
        yield* append("succeeded", 0)
        yield* append("undone", 0)
        yield* append("at once", 0, "Succeeded")
        yield* append("parked", 0)
        yield* append("a", 0)
        yield* append("succeeded", 1, "Succeeded")
        yield* append("undone", 1, "Unwinding")
        yield* append("undone", 2, "Undone")
        yield* append("parked", 1, "Unwinding")
        yield* append("parked", 2, "Parked")
        yield* append("a", 1, "Unwinding")
        const execution = (executionId: string, status: string) => ({ executionId, saga: "Trip", version: 3, status })
        expect(yield* list(store)).toMatchObject([execution("z", "Running"), execution("a", "Unwinding")])
        expect(yield* list(store, true)).toMatchObject([execution("parked", "Parked")])
      })
  )

  law(
    "lists more than fit one page, also while they are finished on the way",
    (store, token) =>
      Effect.gen(function*() {
        const ids = Array.from({ length: 601 }, (_, index) => `e${1000 + index}`)
        yield* store.append(ids.map((id) => commit(token, id, 0)))
        const seen: Array<string> = []
        yield* Stream.runForEach(store.unfinished({ parked: false }), ({ executionId }) => {
          seen.push(executionId)
          return store.append([commit(token, executionId, 1, "Succeeded")])
        })
        expect(seen).toEqual(ids)
        expect(yield* list(store)).toEqual([])
      })
  )

  law("gives every lease a number of its own, higher than those before", (store, token) =>
    Effect.gen(function*() {
      const second = yield* store.acquire(forAnHour)
      expect(second).toBeGreaterThan(token)
      yield* store.release(second)
      expect(yield* store.acquire(forAnHour)).toBeGreaterThan(second)
    }))

  law("keeps an execution for whoever has leased it", (store, token) =>
    Effect.gen(function*() {
      const other = yield* store.acquire(forAnHour)
      yield* store.append([commit(token, "a", 0)])
      expect(yield* list(store)).toMatchObject([{ executionId: "a", token }])
      expect((yield* list(store))[0]!.leasedFor).toBeGreaterThan(0)
      expect(yield* store.claim("a", other)).toBe(false)
      expect(yield* store.append([commit(other, "a", 1)])).toEqual([false])
      expect(yield* store.claim("a", token)).toBe(true)
      expect(yield* store.append([commit(token, "a", 1)])).toEqual([true])
    }))

  law(
    "lets nobody write under a lease that has run out or was released, nor renew it, nor claim with it",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0), commit(token, "b", 0)])
        yield* store.release(token)
        // Over as soon as it is given.
        const over = yield* store.acquire({ milliseconds: 0 })
        for (const ended of [token, over, over + 1000]) {
          expect(yield* store.renew(ended)).toBe(false)
          expect(yield* store.claim("a", ended)).toBe(false)
          expect(yield* store.append([commit(ended, "a", 1)])).toEqual([false])
          expect(yield* store.append([commit(ended, "new", 0)])).toEqual([false])
        }
        expect(yield* store.load("new")).toEqual([])
        expect((yield* list(store)).map(({ executionId, leasedFor }) => [executionId, leasedFor])).toEqual([["a", 0], [
          "b",
          0
        ]])
      })
  )

  law(
    "gives an execution whose lease has ended to one of those who claim it, and the old driver cannot write",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0)])
        yield* store.release(token)
        const claimants = yield* Effect.all(Array.from({ length: 8 }, () => store.acquire(forAnHour)))
        const claimed = yield* Effect.forEach(claimants, (claimant) => store.claim("a", claimant), {
          concurrency: "unbounded"
        })
        expect(claimed.filter((claimed) => claimed).length).toBe(1)
        const winner = claimants[claimed.indexOf(true)]!
        expect(yield* store.append([commit(token, "a", 1)])).toEqual([false])
        expect(yield* store.append([commit(winner, "a", 1)])).toEqual([true])
      })
  )

  law(
    "frees an execution that its driver lets go of or parks, and only that",
    (store, token) =>
      Effect.gen(function*() {
        const other = yield* store.acquire(forAnHour)
        yield* store.append(["kept", "left", "parked"].map((id) => commit(token, id, 0)))
        yield* store.append([commit(token, "parked", 1, "Parked")])
        yield* store.release(token, ["left", "unknown"])
        // It is not the other's to let go of.
        yield* store.release(other, ["kept"])
        expect(yield* store.claim("left", other)).toBe(true)
        expect(yield* store.claim("parked", other)).toBe(true)
        expect(yield* store.claim("kept", other)).toBe(false)
        expect(yield* store.append([commit(token, "left", 1)])).toEqual([false])
        expect(yield* store.append([commit(other, "left", 1)])).toEqual([true])
      })
  )

  law("lets nobody claim what is finished or unknown", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0, "Succeeded")])
      expect(yield* store.claim("a", token)).toBe(false)
      expect(yield* store.claim("unknown", token)).toBe(false)
    }))

  law("prunes what finished long enough ago, and nothing else", (store, token) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 600 }, (_, index) => `e${index}`)
      yield* store.append(ids.map((id) => commit(token, id, 0)))
      yield* store.append(ids.map((id) => commit(token, id, 1, "Undone")))
      yield* store.append([commit(token, "running", 0), commit(token, "parked", 0, "Parked")])
      expect(yield* store.prune({ milliseconds: 3_600_000 })).toBe(0)
      expect((yield* store.load("e0")).length).toBe(2)
      expect(yield* store.prune({ milliseconds: -1000 })).toBe(600)
      expect(yield* store.load("e0")).toEqual([])
      expect((yield* store.load("running")).length).toBe(1)
      expect((yield* store.load("parked")).length).toBe(1)
      // Of the old execution of this id nothing is left.
      expect(yield* store.append([commit(token, "e0", 0)])).toEqual([true])
      expect((yield* store.load("e0")).length).toBe(1)
    }))
}
