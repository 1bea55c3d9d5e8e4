/**
 * The laws of every store of journals, to test a store of your own. Each law is data, so that any test runner can run it. Our own
 * stores keep the same laws.
 */
import { Effect, type Scope, Stream } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import { type Commit, type Store, Token } from "../store/Checkpoint.ts"
import { commit, forAnHour, type Law, law, LawBroken, like, list, same } from "./law.ts"
import { listingLaws } from "./listingLaws.ts"
import { messageLaws } from "./messageLaws.ts"
import { transactionLaws } from "./transactionLaws.ts"
import { waitingLaws } from "./waitingLaws.ts"
import { workLaws } from "./workLaws.ts"

export { type Law, LawBroken } from "./law.ts"

/** All laws. */
export const laws: ReadonlyArray<Law> = [
  law("loads nothing for an execution it does not know", (store) =>
    Effect.gen(function*() {
      yield* same(yield* store.load("unknown"), [])
      yield* same(yield* list(store), [])
      yield* same(yield* list(store, true), [])
    })),
  law(
    "loads what was appended, in order and to the letter, each execution by itself",
    (store, token) =>
      Effect.gen(function*() {
        for (let sequence = 0; sequence < 12; sequence++) {
          yield* same(yield* store.append([commit(token, "a", sequence)]), [true])
          yield* same(yield* store.append([commit(token, "A", sequence)]), [true])
        }
        const loaded = yield* store.load("a")
        yield* same(
          loaded.map(({ body, sequence }) => ({ body, sequence })),
          Array.from({ length: 12 }, (_, sequence) => ({ sequence, body: commit(token, "a", sequence).body }))
        )
      })
  ),
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
          yield* same(yield* store.append(group.slice(0, 1 + round)), group.slice(0, 1 + round).map(() => true))
          if (group.length > 1 + round) yield* store.append(group.slice(1 + round))
        }
        for (const id of ids) {
          yield* same(
            (yield* store.load(id)).map(({ body }) => body),
            Array.from({ length: 100 }, (_, sequence) => commit(token, id, sequence).body)
          )
        }
      })
  ),
  law(
    "refuses a sequence that is taken, or that leaves a gap, and then has changed nothing",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0)])
        yield* store.append([commit(token, "a", 1)])
        for (const sequence of [0, 1, 3]) {
          yield* same(yield* store.append([{ ...commit(token, "a", sequence, "Undone"), body: "1" }]), [false])
        }
        yield* same(yield* store.append([commit(token, "b", 1)]), [false])
        yield* same((yield* store.load("a")).map(({ body }) => body), [
          commit(token, "a", 0).body,
          commit(token, "a", 1).body
        ])
        yield* same(yield* store.load("b"), [])
        yield* same((yield* list(store)).map(({ executionId }) => executionId), ["a"])
      })
  ),
  law("stores the others of a group in which one is refused", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0), commit(token, "b", 0)])
      const group = [commit(token, "a", 1), commit(token, "b", 2), commit(token, "a", 0), commit(token, "c", 0)]
      yield* same(yield* store.append(group), [true, false, false, true])
      yield* same((yield* store.load("a")).length, 2)
      yield* same((yield* store.load("b")).length, 1)
      yield* same((yield* store.load("c")).length, 1)
    })),
  law("lets one of many who append the same sequence at once win", (store, token) =>
    Effect.gen(function*() {
      const stored = yield* Effect.all(
        Array.from({ length: 20 }, () => store.append([commit(token, "a", 0)])),
        { concurrency: "unbounded" }
      )
      yield* same(stored.flat().filter((stored) => stored).length, 1)
    })),
  law(
    "lists what is unfinished, oldest first, by the status of its last commit",
    (store, token) =>
      Effect.gen(function*() {
        const append = (...parameters: [string, number, Commit["status"]?]) =>
          Effect.flatMap(store.append([commit(token, ...parameters)]), (stored) => same(stored, [true]))
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
        yield* like(yield* list(store), [execution("z", "Running"), execution("a", "Unwinding")])
        yield* like(yield* list(store, true), [execution("parked", "Parked")])
      })
  ),
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
        yield* same(seen, ids)
        yield* same(yield* list(store), [])
      })
  ),
  law("gives every lease a number of its own, higher than those before", (store, token) =>
    Effect.gen(function*() {
      const second = yield* store.acquire(forAnHour)
      yield* same(second > token, true)
      yield* store.release(second)
      yield* same((yield* store.acquire(forAnHour)) > second, true)
    })),
  law("keeps an execution for whoever has claimed it", (store, token) =>
    Effect.gen(function*() {
      const other = yield* store.acquire(forAnHour)
      yield* store.append([commit(token, "a", 0)])
      yield* like(yield* list(store), [{ executionId: "a", token }])
      yield* same((yield* list(store))[0]!.leasedFor > 0, true)
      yield* same(yield* store.claim("a", other), undefined)
      yield* same(yield* store.append([commit(other, "a", 1)]), [false])
      yield* same(yield* store.append([commit(token, "a", 1)]), [true])
    })),
  law(
    "gives each claim a higher fence, and stores nothing that comes under an earlier one",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0)])
        const first = (yield* store.claim("a", token)) ?? 0
        const second = (yield* store.claim("a", token)) ?? 0
        yield* same([first > 0, second > first], [true, true])
        for (const old of [0, first]) {
          yield* same(yield* store.append([commit(token, "a", 1, "Undone", old)]), [false])
          // Nor does a release under an earlier claim end the later one.
          yield* store.release(token, [{ executionId: "a", fence: old }])
        }
        yield* same(yield* store.append([commit(token, "a", 1, "Running", second)]), [true])
      })
  ),
  law(
    "lets nobody write under a lease that has run out or was released, nor claim with it, nor renew it",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0), commit(token, "b", 0)])
        yield* store.release(token)
        // A lease that ends as soon as it begins.
        const over = yield* store.acquire({ milliseconds: 0 })
        for (const ended of [token, over, Token(over + 1000)]) {
          yield* same(yield* store.append([commit(ended, "a", 1)]), [false])
          yield* same(yield* store.append([commit(ended, "new", 0)]), [false])
          yield* same(yield* store.claim("a", ended), undefined)
          yield* same(yield* store.renew(ended), false)
        }
        yield* same(yield* store.load("new"), [])
        const leased = (yield* list(store)).map(({ executionId, leasedFor }) => ({ executionId, leasedFor }))
        yield* same(leased, [{ executionId: "a", leasedFor: 0 }, { executionId: "b", leasedFor: 0 }])
      })
  ),
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
        const winner = claimed.findIndex((fence) => fence !== undefined)
        yield* same(claimed.filter((fence) => fence !== undefined).length, 1)
        yield* same(yield* store.append([commit(token, "a", 1)]), [false])
        yield* same(yield* store.append([commit(claimants[winner]!, "a", 1, "Running", claimed[winner])]), [true])
      })
  ),
  law(
    "frees an execution that its driver lets go of or parks, and only that",
    (store, token) =>
      Effect.gen(function*() {
        const other = yield* store.acquire(forAnHour)
        const can = (executionId: string) => Effect.map(store.claim(executionId, other), (fence) => fence !== undefined)
        yield* store.append(["kept", "left", "parked"].map((id) => commit(token, id, 0)))
        yield* store.append([commit(token, "parked", 1, "Parked")])
        yield* store.release(token, [{ executionId: "left", fence: 0 }, { executionId: "unknown", fence: 0 }])
        // The other process has not claimed it.
        yield* store.release(other, [{ executionId: "kept", fence: 0 }])
        yield* same([yield* can("left"), yield* can("parked"), yield* can("kept")], [true, true, false])
        yield* same(yield* store.append([commit(token, "left", 1)]), [false])
        yield* same(yield* store.append([commit(token, "parked", 2)]), [false])
      })
  ),
  law("lets nobody claim what is finished or unknown", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0, "Succeeded")])
      yield* same(yield* store.claim("a", token), undefined)
      yield* same(yield* store.claim("unknown", token), undefined)
    })),
  ...messageLaws,
  ...workLaws,
  ...transactionLaws,
  ...waitingLaws,
  ...listingLaws,
  law("prunes what finished long enough ago, and nothing else", (store, token) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 600 }, (_, index) => `e${index}`)
      yield* store.append(ids.map((id) => commit(token, id, 0)))
      yield* store.append(ids.map((id) => commit(token, id, 1, "Undone")))
      yield* store.append([commit(token, "running", 0), commit(token, "parked", 0, "Parked")])
      yield* same(yield* store.prune({ milliseconds: 3_600_000 }), 0)
      yield* same((yield* store.load("e0")).length, 2)
      yield* same(yield* store.prune({ milliseconds: -1000 }), 600)
      yield* same(yield* store.load("e0"), [])
      yield* same((yield* store.load("running")).length, 1)
      yield* same((yield* store.load("parked")).length, 1)
      // Nothing of the deleted execution is left under its id.
      yield* same(yield* store.append([commit(token, "e0", 0)]), [true])
      yield* same((yield* store.load("e0")).length, 1)
    }))
]

/** Checks all laws, each on a store of its own, and returns the broken ones: none if the store is sound. */
export const check = <E, R>(
  make: Effect.Effect<Store, E, R>
): Effect.Effect<ReadonlyArray<LawBroken>, E | CheckpointError, Exclude<R, Scope.Scope>> =>
  Effect.map(
    Effect.forEach(laws, ({ check }) =>
      Effect.scoped(Effect.matchEffect(Effect.flatMap(make, check), {
        onSuccess: () => Effect.succeed([]),
        onFailure: (error) => error instanceof LawBroken ? Effect.succeed([error]) : Effect.fail(error)
      }))),
    (broken) => broken.flat()
  ) as Effect.Effect<ReadonlyArray<LawBroken>, E | CheckpointError, Exclude<R, Scope.Scope>>
