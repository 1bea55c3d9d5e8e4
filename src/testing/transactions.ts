/** Transactions on a store in memory, which has nothing that it could roll back. */
import { Effect } from "effect"
import type { Store, StoreTransactions } from "../store/Checkpoint.ts"

/**
 * Runs an effect, and then stores its commit. An effect that fails, or whose commit is refused, is not rolled back: the test doubles of
 * a transactional step write last, when nothing can go wrong any more.
 */
export const memoryTransactions = ({ append }: Pick<Store, "append">): StoreTransactions => ({
  run: (effect) =>
    Effect.matchCause(effect, {
      onFailure: (cause) => ({ _tag: "RolledBack" as const, cause }),
      onSuccess: (value) => ({ _tag: "Committed" as const, value })
    }),
  runWith: (effect, commitOf) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.matchCauseEffect(restore(effect), {
        onFailure: (cause) => Effect.succeed({ _tag: "RolledBack" as const, cause }),
        onSuccess: (value) => {
          const commit = commitOf(value)
          return Effect.match(append([commit]), {
            onFailure: (error) => ({ _tag: "Unknown" as const, error }),
            onSuccess: ([isStored]) =>
              isStored === true ? { _tag: "Committed" as const, value } : { _tag: "Refused" as const, commit }
          })
        }
      })
    )
})
