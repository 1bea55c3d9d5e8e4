/** The laws of messages, see `CheckpointLaws`. */
import { Chunk, Effect, Stream } from "effect"
import { commit, forAnHour, type Law, law, like, list, same } from "./law.ts"

export const messageLaws: ReadonlyArray<Law> = [
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
  )
]
