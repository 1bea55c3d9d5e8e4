/** The laws of what is enqueued and of how workers claim it, see `CheckpointLaws`. */
import { Effect, Stream } from "effect"
import type { ClaimedExecution, Start, Token, Wanted } from "../store/Checkpoint.ts"
import { commit, forAnHour, type Law, law, like, list, same } from "./law.ts"

const start = (executionId: string, other: Partial<Start> = {}): Start => ({
  executionId,
  saga: "Trip",
  version: 3,
  isPlan: false,
  attributes: undefined,
  body: JSON.stringify(`${executionId} "quoted" 'too' \\ ? $1 ☃`),
  ...other
})

const wanted = (other: Partial<Wanted> = {}): Wanted => ({
  sagas: [{ name: "Trip", version: 3 }],
  plans: false,
  except: [],
  limit: 100,
  ...other
})

const idsOf = (claimed: ReadonlyArray<ClaimedExecution>) => claimed.map(({ executionId }) => executionId)

/** Appends under a claim that a worker has. */
const later = (token: Token, { executionId, fence }: ClaimedExecution) =>
  commit(token, executionId, 1, "Running", fence)

export const workLaws: ReadonlyArray<Law> = [
  law("enqueues an execution once: running, and claimed by nobody", (store, token) =>
    Effect.gen(function*() {
      yield* same(yield* store.enqueue(start("a")), undefined)
      yield* same(yield* store.enqueue(start("a", { body: "another" })), start("a").body)
      yield* store.append([commit(token, "b", 0)])
      yield* same(yield* store.enqueue(start("b")), commit(token, "b", 0).body)
      yield* like(yield* store.load("a"), [{ sequence: 0, body: start("a").body }])
      yield* like(yield* list(store), [
        { executionId: "a", saga: "Trip", version: 3, isPlan: false, status: "Running", leasedFor: 0, fence: 0 },
        { executionId: "b", isPlan: false, token }
      ])
      // Nobody has claimed it, so that nobody may write to it.
      yield* same(yield* store.append([commit(token, "a", 1)]), [false])
      yield* same(yield* store.append([commit(token, "a", 0)]), [false])
      yield* same((yield* store.claim("a", token)) !== undefined, true)
    })),
  law("enqueues one of many who ask at once under the same id", (store) =>
    Effect.gen(function*() {
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => store.enqueue(start("a", { body: `${index}` }))),
        { concurrency: "unbounded" }
      )
      const [stored] = yield* store.load("a")
      yield* same(answers.filter((answer) => answer === undefined).length, 1)
      yield* same(answers.filter((answer) => answer !== undefined && answer !== stored!.body), [])
    })),
  law(
    "gives a worker what nobody drives, oldest first, and no more than it wants",
    (store, token) =>
      Effect.gen(function*() {
        const ended = yield* store.acquire(forAnHour)
        yield* store.append([commit(ended, "left", 0), commit(token, "driven", 0)])
        for (const id of ["z", "b", "c"]) yield* store.enqueue(start(id))
        yield* store.release(ended)
        const first = yield* store.claimNext(wanted({ limit: 2 }), token)
        yield* like(first, [
          {
            executionId: "left",
            saga: "Trip",
            version: 3,
            isPlan: false,
            status: "Running",
            start: commit(ended, "left", 0).body,
            hasMessages: false
          },
          { executionId: "z", start: start("z").body }
        ])
        yield* same(first.map(({ fence }) => fence > 0), [true, true])
        yield* same(yield* store.append(first.map((claimed) => later(token, claimed))), [true, true])
        yield* same(idsOf(yield* store.claimNext(wanted({ except: ["b"] }), token)), ["c"])
        yield* same(idsOf(yield* store.claimNext(wanted(), token)), ["b"])
        yield* same(yield* store.claimNext(wanted(), token), [])
      })
  ),
  law(
    "gives a worker the start of an execution only where nothing was stored since, and tells whether it has messages",
    (store, token) =>
      Effect.gen(function*() {
        const ended = yield* store.acquire(forAnHour)
        yield* store.append(["a", "b", "c"].map((id) => commit(ended, id, 0)))
        yield* store.append([commit(ended, "b", 1)])
        yield* store.send({ executionId: "c", body: "one" })
        yield* store.release(ended)
        yield* like(yield* store.claimNext(wanted(), token), [
          { executionId: "a", start: commit(ended, "a", 0).body, hasMessages: false },
          { executionId: "b", start: undefined, hasMessages: false },
          { executionId: "c", start: commit(ended, "c", 0).body, hasMessages: true }
        ])
      })
  ),
  law("gives a worker only the sagas, versions and plans that it wants", (store, token) =>
    Effect.gen(function*() {
      yield* store.enqueue(start("trip"))
      yield* store.enqueue(start("older", { version: 2 }))
      yield* store.enqueue(start("other", { saga: "Other" }))
      yield* store.enqueue(start("plan", { isPlan: true }))
      const none = { sagas: [], plans: false }
      yield* same(yield* store.claimNext(wanted(none), token), [])
      yield* same(idsOf(yield* store.claimNext(wanted(), token)), ["trip"])
      yield* same(idsOf(yield* store.claimNext(wanted({ ...none, plans: true }), token)), ["plan"])
      const both = [{ name: "Trip", version: 2 }, { name: "Other", version: 3 }]
      yield* same(idsOf(yield* store.claimNext(wanted({ sagas: both }), token)), ["older", "other"])
    })),
  law("gives a worker a parked execution only if it has a message", (store, token) =>
    Effect.gen(function*() {
      yield* store.append(["a", "b", "undone"].map((id) => commit(token, id, 0)))
      yield* store.append([commit(token, "a", 1, "Parked"), commit(token, "b", 1, "Parked")])
      yield* store.append([commit(token, "undone", 1, "Undone")])
      yield* same(yield* store.claimNext(wanted(), token), [])
      yield* store.send({ executionId: "b", body: "one" })
      yield* like(yield* store.claimNext(wanted(), token), [{ executionId: "b", status: "Parked" }])
    })),
  law(
    "gives each execution to one of many workers, and none to one whose lease has ended",
    (store, token) =>
      Effect.gen(function*() {
        const ids = Array.from({ length: 60 }, (_, index) => `e${index}`)
        for (const id of ids) yield* store.enqueue(start(id))
        const over = yield* store.acquire({ milliseconds: 0 })
        yield* same(yield* store.claimNext(wanted(), over), [])
        const others = yield* Effect.all(Array.from({ length: 4 }, () => store.acquire(forAnHour)))
        const claimed = yield* Effect.forEach(
          [token, ...others, token, ...others],
          (mine) => store.claimNext(wanted({ limit: 7 }), mine),
          { concurrency: "unbounded" }
        )
        const got = claimed.flatMap(idsOf)
        yield* same(new Set(got).size, got.length)
        const rest = yield* store.claimNext(wanted(), token)
        yield* same([...got, ...idsOf(rest)].sort(), [...ids].sort())
        yield* same(yield* Stream.runCount(store.unfinished({ parked: false })), 60)
      })
  )
]
