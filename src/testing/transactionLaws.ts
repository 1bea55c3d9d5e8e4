/** The laws of transactions, see `CheckpointLaws`. A store that has none keeps them. */
import { Effect } from "effect"
import { commit, type Law, law, same } from "./law.ts"

export const transactionLaws: ReadonlyArray<Law> = [
  law(
    "stores a commit with an effect that succeeds, and not with one that fails",
    (store, token) =>
      Effect.gen(function*() {
        const { transactions } = store
        if (transactions === undefined) return
        const first = commit(token, "a", 0)
        const failed = yield* transactions.runWith(Effect.fail("no"), () => first)
        yield* same(failed._tag, "RolledBack")
        const died = yield* transactions.runWith(Effect.die("no"), () => first)
        yield* same(died._tag, "RolledBack")
        yield* same(yield* store.load("a"), [])
        const ended = yield* transactions.runWith(Effect.succeed("done"), () => first)
        yield* same(ended, { _tag: "Committed", value: "done" })
        yield* same(yield* store.load("a"), [{ sequence: 0, body: first.body }])
        // The next commit follows it, in a transaction or not.
        yield* same(yield* store.append([commit(token, "a", 1)]), [true])
        const next = yield* transactions.runWith(Effect.succeed("again"), () => commit(token, "a", 2))
        yield* same(next._tag, "Committed")
        yield* same((yield* store.load("a")).length, 3)
      })
  ),
  law(
    "refuses a commit in a transaction as it refuses any other, and rolls back",
    (store, token) =>
      Effect.gen(function*() {
        const { transactions } = store
        if (transactions === undefined) return
        yield* store.append([commit(token, "a", 0)])
        const claimed = yield* store.claim("a", token)
        for (const late of [commit(token, "a", 1), commit(token, "a", 2, "Running", claimed ?? 0)]) {
          const ended = yield* transactions.runWith(Effect.void, () => late)
          yield* same(ended._tag, "Refused")
        }
        yield* same((yield* store.load("a")).length, 1)
        const fine = yield* transactions.runWith(Effect.void, () => commit(token, "a", 1, "Running", claimed ?? 0))
        yield* same(fine._tag, "Committed")
      })
  ),
  law("runs an effect in a transaction by itself, and answers with its end", (store) =>
    Effect.gen(function*() {
      const { transactions } = store
      if (transactions === undefined) return
      yield* same(yield* transactions.run(Effect.succeed(1)), { _tag: "Committed", value: 1 })
      yield* same((yield* transactions.run(Effect.fail("no")))._tag, "RolledBack")
    }))
]
