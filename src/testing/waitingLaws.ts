/** The laws of executions that wait, see `CheckpointLaws`. */
import { Effect, Stream } from "effect"
import type { Store, Token, Wanted } from "../store/Checkpoint.ts"
import { commit, forAnHour, type Law, law, like, list, same } from "./law.ts"

/** A commit that lets an execution wait: until a message comes, or so many milliseconds. */
const waits = (token: Token, executionId: string, sequence: number, wakeIn: number | undefined, fence = 0) => ({
  ...commit(token, executionId, sequence, "Waiting", fence),
  wakeIn
})

const overAnHourAgo = -2 * forAnHour.milliseconds
const inTwoHours = 2 * forAnHour.milliseconds
/** As far away as a date can be. */
const inAges = 8.64e15

const wanted: Wanted = { sagas: [{ name: "Trip", version: 3 }], plans: false, except: [], limit: 100 }

const claimed = (store: Store, token: Token, limit = 100) =>
  Effect.map(
    store.claimNext({ ...wanted, limit }, token),
    (executions) => executions.map(({ executionId }) => executionId)
  )

const listed = (store: Store) =>
  Effect.map(list(store), (executions) => executions.map(({ executionId }) => executionId))

export const waitingLaws: ReadonlyArray<Law> = [
  law(
    "gives nobody an execution that waits and is not due, and lets its driver go",
    (store, token) =>
      Effect.gen(function*() {
        yield* same(yield* store.append([commit(token, "a", 0), waits(token, "b", 0, inTwoHours)]), [true, true])
        yield* same(yield* store.append([waits(token, "a", 1, undefined), waits(token, "c", 0, inAges)]), [true, true])
        yield* same(yield* listed(store), [])
        yield* same(yield* list(store, true), [])
        yield* same(yield* claimed(store, token), [])
        yield* same(yield* store.append([commit(token, "a", 2), commit(token, "b", 1)]), [false, false])
        yield* same((yield* store.load("a")).length, 2)
      })
  ),
  law("gives a worker what waits and is due, and lists it as unfinished", (store, token) =>
    Effect.gen(function*() {
      yield* store.append(["due", "later", "first"].map((id) => commit(token, id, 0)))
      yield* store.append([waits(token, "due", 1, overAnHourAgo), waits(token, "later", 1, inTwoHours)])
      yield* store.append([waits(token, "at once", 0, overAnHourAgo)])
      yield* same((yield* listed(store)).sort(), ["at once", "due", "first"])
      yield* like((yield* list(store)).filter(({ executionId }) => executionId === "due"), [
        { saga: "Trip", version: 3, status: "Waiting", leasedFor: 0, isPlan: false, fence: 0 }
      ])
      const other = yield* store.acquire(forAnHour)
      const got = yield* store.claimNext(wanted, other)
      yield* like(got, [{ executionId: "due", status: "Waiting" }, { executionId: "at once", status: "Waiting" }])
      // Two workers do not get the same.
      yield* same(yield* claimed(store, token), [])
      const written = got.map(({ executionId, fence }) =>
        commit(other, executionId, executionId === "due" ? 2 : 1, "Running", fence)
      )
      yield* same(yield* store.append(written), [true, true])
    })),
  law("lists all that are due, in pages, and none that is not", (store, token) =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 602 }, (_, index) => `e${1000 + index}`)
      yield* store.append(ids.map((id, index) => waits(token, id, 0, index % 3 === 0 ? inTwoHours : overAnHourAgo)))
      const due = ids.filter((_, index) => index % 3 !== 0)
      yield* same((yield* listed(store)).sort(), due)
      yield* same(yield* Stream.runCount(store.unfinished({ parked: true })), 0)
      yield* same((yield* claimed(store, token, 5)).length, 5)
      yield* same((yield* claimed(store, token, 1000)).length, due.length - 5)
    })),
  law(
    "gives a worker what waits as soon as it has a message, however far away its time is",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([
          waits(token, "a", 0, undefined),
          waits(token, "b", 0, inAges),
          waits(token, "c", 0, inAges)
        ])
        yield* store.send({ executionId: "b", body: "one" })
        const number = (yield* store.send({ executionId: "a", body: "one" })) ?? 0
        yield* same((yield* listed(store)).sort(), ["a", "b"])
        const [first, second] = yield* store.claimNext(wanted, token)
        yield* same([first?.executionId, second?.executionId], ["a", "b"])
        // It waits again, and its message is taken.
        const again = { ...waits(token, "a", 1, undefined, first?.fence), taken: number }
        yield* same(yield* store.append([again]), [true])
        yield* same(yield* listed(store), ["b"])
        yield* same(yield* claimed(store, yield* store.acquire(forAnHour)), [])
      })
  ),
  law(
    "does not let an execution wait that has a message which was not taken",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([commit(token, "a", 0)])
        const number = (yield* store.send({ executionId: "a", body: "one" })) ?? 0
        yield* same(yield* store.append([waits(token, "a", 1, inTwoHours)]), [false])
        yield* same((yield* store.load("a")).length, 1)
        yield* same(yield* store.append([{ ...waits(token, "a", 1, inTwoHours), taken: number }]), [true])
        yield* same(yield* store.messages("a"), [])
        yield* same(yield* listed(store), [])
      })
  ),
  law(
    "lets anybody claim what waits, due or not, and gives it to the next one when that driver is gone",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([waits(token, "released", 0, inTwoHours), waits(token, "died", 0, undefined)])
        const driver = yield* store.acquire(forAnHour)
        const fence = (yield* store.claim("released", driver)) ?? 0
        yield* same((yield* store.claim("died", driver)) !== undefined, true)
        yield* same(yield* store.claim("released", token), undefined)
        yield* same(yield* claimed(store, token), [])
        yield* store.release(driver, [{ executionId: "released", fence }])
        yield* same(yield* claimed(store, token), ["released"])
        yield* store.release(driver)
        yield* same(yield* claimed(store, token), ["died"])
      })
  ),
  law("gives what waits again back at its new time only", (store, token) =>
    Effect.gen(function*() {
      yield* store.append([waits(token, "a", 0, overAnHourAgo)])
      const [first] = yield* store.claimNext(wanted, token)
      yield* same(yield* store.append([waits(token, "a", 1, inTwoHours, first?.fence)]), [true])
      yield* same(yield* listed(store), [])
      yield* same(yield* claimed(store, token), [])
      const fence = (yield* store.claim("a", token)) ?? 0
      yield* same(yield* store.append([waits(token, "a", 2, overAnHourAgo, fence)]), [true])
      yield* same(yield* claimed(store, token), ["a"])
    })),
  law(
    "lists and counts what waits by its status, also once somebody has claimed it",
    (store, token) =>
      Effect.gen(function*() {
        yield* store.append([waits(token, "a", 0, inTwoHours)])
        yield* store.append([commit(token, "b", 0)])
        yield* store.append([waits(token, "c", 0, undefined)])
        yield* store.claim("c", token)
        const of = (...statuses: ReadonlyArray<"Waiting" | "Running">) =>
          Effect.map(
            store.list({ ...everything, statuses }),
            (executions) => executions.map(({ executionId }) => executionId)
          )
        yield* same(yield* of("Waiting"), ["c", "a"])
        yield* same(yield* of("Running"), ["b"])
        yield* same(yield* of("Running", "Waiting"), ["c", "b", "a"])
        yield* same(
          [...yield* store.count("Trip")].sort((a, b) => a.status < b.status ? -1 : 1),
          [{ saga: "Trip", status: "Running", count: 1 }, { saga: "Trip", status: "Waiting", count: 2 }]
        )
      })
  )
]

const everything = {
  saga: undefined,
  attributes: undefined,
  since: undefined,
  until: undefined,
  before: undefined,
  limit: 100
}
