/**
 * The laws of every store of journals, to test a store of your own. Each law is data, so that any test runner can run it. Our own
 * stores keep the same laws.
 */
import { Chunk, Data, Effect, type Scope, Stream } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import { type Commit, type Store, Token } from "../store/Checkpoint.ts"
import { canonical } from "../values/json.ts"

/** An excerpt that starts shortly before the first difference. */
const inShort = (value: unknown, other: unknown) => {
  const [text, otherText] = [Array.from(canonical(value)), Array.from(canonical(other))]
  const parts = text.findIndex((character, index) => character !== otherText[index])
  const begin = Math.max(0, (parts === -1 ? text.length : parts) - 80)
  const end = begin + 240
  return (begin === 0 ? "" : "…") + text.slice(begin, end).join("") + (end < text.length ? "…" : "")
}

/** A store has broken a law: it gave another answer than the law demands. */
export class LawBroken extends Data.TaggedError("LawBroken")<{
  readonly law: string
  readonly expected: unknown
  readonly actual: unknown
}> {
  override get message() {
    return `a store ${this.law}: expected ${inShort(this.expected, this.actual)}, but got ${
      inShort(this.actual, this.expected)
    }`
  }
}

/** A law: a sentence that begins with "a store …", and a check of a store, which must be empty. */
export interface Law {
  readonly sentence: string
  readonly check: (store: Store) => Effect.Effect<void, LawBroken | CheckpointError>
}

type Check = (store: Store, token: Token) => Effect.Effect<void, Mismatch | CheckpointError>

class Mismatch extends Data.TaggedError("Mismatch")<{ readonly expected: unknown; readonly actual: unknown }> {}

const same = (actual: unknown, expected: unknown): Effect.Effect<void, Mismatch> =>
  canonical(actual) === canonical(expected) ? Effect.void : Effect.fail(new Mismatch({ expected, actual }))

/** Compares only the members that are expected. */
const like = (actual: ReadonlyArray<object>, expected: ReadonlyArray<object>): Effect.Effect<void, Mismatch> =>
  same(
    actual.map((one, index) =>
      Object.fromEntries(Object.keys(expected[index] ?? one).map((key) => [key, (one as Record<string, unknown>)[key]]))
    ),
    expected
  )

const commit = (
  token: Token,
  executionId: string,
  sequence: number,
  status: Commit["status"] = "Running",
  fence = 0
): Commit => ({
  executionId,
  saga: "Trip",
  version: 3,
  sequence,
  status,
  body: JSON.stringify(`${executionId} ${sequence} "quoted" 'too' \\ ? $1 ☃ 😀 \u0000\n`),
  token,
  fence,
  taken: 0
})

const list = (store: Store, parked = false) =>
  Effect.map(Stream.runCollect(store.unfinished({ parked })), Chunk.toReadonlyArray)

const forAnHour = { milliseconds: 3_600_000 }

const law = (sentence: string, check: Check): Law => ({
  sentence,
  check: (store) =>
    Effect.flatMap(store.acquire(forAnHour), (token) => check(store, token)).pipe(
      Effect.catchTag("Mismatch", ({ actual, expected }) =>
        Effect.fail(new LawBroken({ law: sentence, actual, expected })))
    )
})

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
  law(
    "keeps the messages of an unfinished execution, in the order in which they were sent, until a commit takes them",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0), commit(token, "b", 0)])
        const sent: Array<number> = []
        for (const body of ["one", "two 'quoted' ? $1 ☃", "three"]) {
          sent.push((yield* store.send({ executionId: "a", body })) ?? 0)
          yield* store.send({ executionId: "b", body: "another's" })
        }
        yield* same(sent.map((number, index) => number > (sent[index - 1] ?? 0)), [true, true, true])
        yield* like(yield* store.messages("a"), [
          { number: sent[0], body: "one" },
          { number: sent[1], body: "two 'quoted' ? $1 ☃" },
          { number: sent[2], body: "three" }
        ])
        yield* same(yield* store.append([commit(token, "a", 1)]), [true])
        yield* same((yield* store.messages("a")).length, 3)
        yield* same(yield* store.append([{ ...commit(token, "a", 2), taken: sent[1]! }]), [true])
        yield* like(yield* store.messages("a"), [{ number: sent[2], body: "three" }])
        // A commit that is refused takes none.
        yield* same(yield* store.append([{ ...commit(token, "a", 2), taken: sent[2]! }]), [false])
        yield* same((yield* store.messages("a")).length, 1)
        yield* same((yield* store.messages("b")).length, 3)
      })
  ),
  law("takes no message for what is finished or unknown, and has none of it", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0), commit(token, "b", 0, "Undone")])
      yield* store.append([commit(token, "a", 1, "Succeeded")])
      for (const executionId of ["a", "b", "unknown"]) {
        yield* same(yield* store.send({ executionId, body: "late" }), undefined)
        yield* same(yield* store.messages(executionId), [])
      }
    })),
  law("does not finish an execution that has a message which was not taken", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([commit(token, "a", 0)])
      const number = (yield* store.send({ executionId: "a", body: "one" })) ?? 0
      const later = (yield* store.send({ executionId: "a", body: "two" })) ?? 0
      for (const taken of [0, number]) {
        yield* same(yield* store.append([{ ...commit(token, "a", 1, "Succeeded"), taken }]), [false])
      }
      yield* same((yield* store.load("a")).length, 1)
      yield* same(yield* store.append([{ ...commit(token, "a", 1, "Undone"), taken: later }]), [true])
      yield* same(yield* list(store), [])
    })),
  law(
    "gives a message to the end of an execution or to its sender, when both come at once",
    (store, token) =>
      Effect.forEach(Array.from({ length: 20 }, (_, index) => `e${index}`), (executionId) =>
        Effect.gen(function*() {
          yield* store.append([commit(token, executionId, 0)])
          const [sent, ended] = yield* Effect.all(
            [store.send({ executionId, body: "one" }), store.append([commit(token, executionId, 1, "Succeeded")])],
            { concurrency: "unbounded" }
          )
          yield* same([sent === undefined, (yield* store.messages(executionId)).length], [ended[0], ended[0] ? 0 : 1])
        }), { discard: true })
  ),
  law(
    "lists the executions under a lease that have messages, and the parked ones that have",
    (store, token) =>
      Effect.gen(function*() {
        const other = yield* store.acquire(forAnHour)
        yield* store.append(["a", "b", "parked", "quiet"].map((id) => commit(token, id, 0)))
        yield* store.append([commit(other, "other's", 0), commit(token, "parked", 1, "Parked")])
        yield* store.append([commit(token, "quiet", 1, "Parked")])
        yield* same(yield* store.withMessages(token), [])
        const number = (yield* store.send({ executionId: "a", body: "one" })) ?? 0
        yield* store.send({ executionId: "other's", body: "one" })
        yield* store.send({ executionId: "parked", body: "one" })
        yield* same(yield* store.withMessages(token), ["a"])
        yield* same(yield* store.withMessages(other), ["other's"])
        const parked = yield* Stream.runCollect(store.unfinished({ parked: true, withMessages: true }))
        yield* like(Chunk.toReadonlyArray(parked), [{ executionId: "parked" }])
        yield* store.append([{ ...commit(token, "a", 1), taken: number }])
        yield* same(yield* store.withMessages(token), [])
      })
  ),
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
