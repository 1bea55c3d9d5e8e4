/** The laws of listing and counting, see `CheckpointLaws`. */
import { Effect } from "effect"
import type { Attributes, Commit, Listing, Store, Token } from "../store/Checkpoint.ts"
import { commit, type Law, law, like, same } from "./law.ts"

const everything: Listing = {
  saga: undefined,
  statuses: undefined,
  attributes: undefined,
  since: undefined,
  until: undefined,
  before: undefined,
  limit: 1000
}

const listed = (store: Store, listing: Partial<Listing> = {}) => store.list({ ...everything, ...listing })

const idsOf = (store: Store, listing: Partial<Listing>) =>
  Effect.map(listed(store, listing), (executions) => executions.map(({ executionId }) => executionId))

const counted = (store: Store, saga?: string) =>
  Effect.map(
    store.count(saga),
    (counts) => Object.fromEntries(counts.map(({ count, saga, status }) => [`${saga} ${status}`, count]))
  )

const start = (
  token: Token,
  executionId: string,
  { attributes, saga = "Trip", status }: {
    readonly attributes?: Attributes
    readonly saga?: string
    readonly status?: Commit["status"]
  } = {}
): Commit => ({ ...commit(token, executionId, 0, status), saga, attributes })

/** One by one, for the order of a group is the store's. */
const appendAll = (store: Store, commits: ReadonlyArray<Commit>) =>
  Effect.forEach(commits, (commit) => Effect.flatMap(store.append([commit]), (stored) => same(stored, [true])), {
    discard: true
  })

/** Executions of two sagas and of each status. */
const some = (store: Store, token: Token) =>
  appendAll(store, [
    start(token, "running"),
    start(token, "succeeded"),
    start(token, "at once", { status: "Succeeded" }),
    start(token, "other", { saga: "Pay" }),
    start(token, "undone"),
    start(token, "parked"),
    start(token, "other at once", { saga: "Pay", status: "Undone" }),
    { ...commit(token, "succeeded", 1), status: "Succeeded" },
    commit(token, "undone", 1, "Unwinding"),
    commit(token, "undone", 2, "Undone"),
    commit(token, "parked", 1, "Parked"),
    { ...commit(token, "other", 1, "Succeeded"), saga: "Pay" }
  ])

const newestFirst = ["other at once", "parked", "undone", "other", "at once", "succeeded", "running"]

export const listingLaws: ReadonlyArray<Law> = [
  law("lists and counts nothing where nothing is stored", (store) =>
    Effect.gen(function*() {
      yield* same(yield* listed(store), [])
      yield* same(yield* listed(store, { saga: "Trip", statuses: ["Running", "Undone"], attributes: { a: 1 } }), [])
      yield* same(yield* counted(store), {})
    })),
  law("lists each execution as it is now, the last that started first", (store, token) =>
    Effect.gen(function*() {
      yield* some(store, token)
      const executions = yield* listed(store)
      const as = (saga: string, status: string) => ({ saga, version: 3, status, attributes: {} })
      yield* like(executions, [
        { executionId: "other at once", ...as("Pay", "Undone") },
        { executionId: "parked", ...as("Trip", "Parked") },
        { executionId: "undone", ...as("Trip", "Undone") },
        { executionId: "other", ...as("Pay", "Succeeded") },
        { executionId: "at once", ...as("Trip", "Succeeded") },
        { executionId: "succeeded", ...as("Trip", "Succeeded") },
        { executionId: "running", ...as("Trip", "Running") }
      ])
      const ended = executions.filter(({ endedAt }) => endedAt !== undefined).map(({ executionId }) => executionId)
      yield* same(ended, ["other at once", "undone", "other", "at once", "succeeded"])
      yield* same(
        executions.every(({ endedAt, startedAt }) => (endedAt ?? startedAt) >= startedAt),
        true
      )
      yield* same(executions.every(({ number }, index) => number < (executions[index - 1]?.number ?? Infinity)), true)
    })),
  law("lists those of a saga, of a status, and of both", (store, token) =>
    Effect.gen(function*() {
      yield* some(store, token)
      const of = (saga: string | undefined, statuses?: Listing["statuses"]) => idsOf(store, { saga, statuses })
      yield* same(yield* of("Pay"), ["other at once", "other"])
      yield* same(yield* of("Trip"), ["parked", "undone", "at once", "succeeded", "running"])
      yield* same(yield* of("Unknown"), [])
      yield* same(yield* of(undefined, ["Succeeded"]), ["other", "at once", "succeeded"])
      yield* same(yield* of(undefined, ["Undone"]), ["other at once", "undone"])
      yield* same(yield* of(undefined, ["Parked", "Running"]), ["parked", "running"])
      yield* same(yield* of(undefined, ["Undone", "Running", "Parked"]), [
        "other at once",
        "parked",
        "undone",
        "running"
      ])
      yield* same(yield* of("Trip", ["Undone", "Running"]), ["undone", "running"])
      yield* same(yield* of("Pay", ["Parked"]), [])
      yield* same(yield* of("Trip", []), [])
    })),
  law("lists in pages, each from where the one before ended", (store, token) =>
    Effect.gen(function*() {
      yield* some(store, token)
      for (const listing of [{}, { statuses: ["Running", "Parked", "Succeeded", "Undone", "Unwinding"] as const }]) {
        const seen: Array<string> = []
        let before: number | undefined
        // As many pages as there could be, and not for ever: the store may be a wrong one.
        for (let turn = 0; turn < 10; turn++) {
          const page = yield* listed(store, { ...listing, before, limit: 2 })
          yield* same(page.length <= 2, true)
          seen.push(...page.map(({ executionId }) => executionId))
          before = page[1]?.number
          // What starts meanwhile is newer than all that is listed.
          yield* appendAll(store, [start(token, `later ${seen.length} ${Object.keys(listing).length}`)])
          if (before === undefined) break
        }
        yield* same(seen.filter((executionId) => !executionId.startsWith("later")), newestFirst)
      }
    })),
  law(
    "finds executions by their attributes: by all that are asked for, each to the letter and of its type",
    (store, token) =>
      Effect.gen(function*() {
        const text = "it's \"quoted\" ? $1 \\ ☃ 😀 \n %_"
        const attributes: Attributes = { customer: "c-1", seats: 2, paid: true, price: 0.1 + 0.2, "a name ☃": text }
        yield* appendAll(store, [
          start(token, "a", { attributes }),
          start(token, "b", { attributes: { customer: "c-1", seats: "2", paid: "true" } }),
          start(token, "c", { attributes: { customer: "c-2", seats: 2, paid: false, price: 0.3 } }),
          start(token, "none"),
          commit(token, "a", 1, "Undone")
        ])
        // One that is refused is not found.
        yield* same(yield* store.append([start(token, "a", { attributes: { customer: "c-3" } })]), [false])
        const by = (attributes: Attributes, listing?: Partial<Listing>) => idsOf(store, { ...listing, attributes })
        yield* same(yield* by({ customer: "c-1" }), ["b", "a"])
        yield* same(yield* by({ customer: "c-1", seats: 2 }), ["a"])
        yield* same(yield* by({ seats: 2 }), ["c", "a"])
        yield* same(yield* by({ seats: "2" }), ["b"])
        yield* same(yield* by({ paid: true }), ["a"])
        yield* same(yield* by({ paid: "true" }), ["b"])
        yield* same(yield* by({ paid: false }), ["c"])
        yield* same(yield* by({ paid: 1 }), [])
        yield* same(yield* by({ price: 0.1 + 0.2 }), ["a"])
        yield* same(yield* by({ price: 0.3 }), ["c"])
        yield* same(yield* by({ "a name ☃": text }), ["a"])
        yield* same(yield* by({ customer: "c-3" }), [])
        yield* same(yield* by({ unknown: 1 }), [])
        yield* same(yield* by({ customer: "c-1" }, { statuses: ["Undone"] }), ["a"])
        yield* same(yield* by({ customer: "c-1" }, { saga: "Pay" }), [])
        yield* same(yield* by({ customer: "c-1" }, { limit: 1 }), ["b"])
        yield* like(yield* listed(store), [
          { executionId: "none", attributes: {} },
          { executionId: "c", attributes: { customer: "c-2", seats: 2, paid: false, price: 0.3 } },
          { executionId: "b", attributes: { customer: "c-1", seats: "2", paid: "true" } },
          { executionId: "a", attributes }
        ])
      })
  ),
  law("lists those that started within a time", (store, token) =>
    Effect.gen(function*() {
      yield* some(store, token)
      const executions = yield* listed(store)
      const times = executions.map(({ startedAt }) => startedAt)
      const [first, last] = [Math.min(...times), Math.max(...times)]
      const hour = 3_600_000
      for (const statuses of [undefined, ["Running", "Parked", "Succeeded", "Undone"] as const]) {
        const within = (since: number | undefined, until: number | undefined) =>
          idsOf(store, { statuses, since, until })
        for (const time of new Set(times)) {
          const [earlier, later] = [true, false].map((isEarlier) =>
            executions.flatMap(({ executionId, startedAt }) => startedAt < time === isEarlier ? [executionId] : [])
          )
          yield* same(yield* within(time, undefined), later)
          yield* same(yield* within(undefined, time), earlier)
        }
        yield* same(yield* within(first, undefined), newestFirst)
        yield* same(yield* within(first - hour, last + 1), newestFirst)
        yield* same(yield* within(last + 1, undefined), [])
        yield* same(yield* within(undefined, first), [])
        yield* same(yield* within(last + hour, last + 2 * hour), [])
        yield* same(yield* within(first - 2 * hour, first - hour), [])
      }
    })),
  law(
    "counts by saga and status what is stored, and not what was refused or pruned",
    (store, token) =>
      Effect.gen(function*() {
        yield* some(store, token)
        // Refused: the sequences are taken, or the executions are finished.
        const late = [start(token, "running", { status: "Succeeded" }), commit(token, "undone", 2, "Undone")]
        yield* same(yield* store.append(late), [false, false])
        const counts = {
          "Trip Running": 1,
          "Trip Succeeded": 2,
          "Trip Undone": 1,
          "Trip Parked": 1,
          "Pay Succeeded": 1,
          "Pay Undone": 1
        }
        yield* same(yield* counted(store), counts)
        yield* same(yield* counted(store, "Pay"), { "Pay Succeeded": 1, "Pay Undone": 1 })
        yield* same(yield* counted(store, "Unknown"), {})
        const group = Array.from({ length: 100 }, (_, index) => start(token, `e${index}`, { attributes: { index } }))
        yield* store.append(group)
        yield* store.append(group.map(({ executionId }) => commit(token, executionId, 1, "Undone")))
        yield* same(yield* counted(store), { ...counts, "Trip Undone": 101 })
        yield* store.prune({ milliseconds: -1000 })
        yield* same(yield* counted(store), { "Trip Running": 1, "Trip Parked": 1 })
        yield* same(yield* idsOf(store, {}), ["parked", "running"])
        yield* same(yield* idsOf(store, { statuses: ["Succeeded", "Undone"] }), [])
        yield* same(yield* idsOf(store, { attributes: { index: 7 } }), [])
        // Nothing of a deleted execution is left, under its id or under its number, which a store may give again.
        yield* appendAll(store, group.slice(0, 20).map(({ executionId }) => start(token, executionId, { saga: "Pay" })))
        for (let index = 0; index < 20; index++) yield* same(yield* idsOf(store, { attributes: { index } }), [])
        yield* same(yield* counted(store, "Pay"), { "Pay Running": 20 })
      })
  )
]
