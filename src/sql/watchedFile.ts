/// <reference types="node" />
/**
 * Notices when the file of a store is deleted or replaced. SQLite goes on writing to the file that it opened, which nobody can
 * find any more: commits would be acknowledged and lost.
 */
import { Effect, Stream } from "effect"
import { statSync } from "node:fs"
import { resolve } from "node:path"
import { CheckpointError } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"

/** Names the file that is at a path now; undefined if there is none. */
const identify = (filename: string): string | undefined => {
  const stat = statSync(filename, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino}`
}

/**
 * The store, which looks at its file with every renewal of the lease and before every claim. From the first look that does not find
 * the file, every call fails. Commits are not preceded by a look: it would cost as much as the commit.
 */
export const watchFile = (store: Checkpoint.Store, name: string): Checkpoint.Store => {
  // The working directory may change.
  const filename = resolve(name)
  const opened = identify(filename)
  // In memory.
  if (opened === undefined) return store
  let isLost = false
  const unlessKnownLost = <A>(
    operation: CheckpointError["operation"],
    effect: Effect.Effect<A, CheckpointError>
  ): Effect.Effect<A, CheckpointError> => Effect.suspend(() => isLost ? Effect.fail(lost(filename, operation)) : effect)
  const look = <A>(operation: CheckpointError["operation"], effect: Effect.Effect<A, CheckpointError>) =>
    Effect.suspend(() => {
      try {
        if (isLost || identify(filename) === opened) return unlessKnownLost(operation, effect)
      } catch (cause) {
        // That the file cannot be looked at does not say that it is gone.
        const detail = `the file ${filename} cannot be looked at: ${String(cause)}`
        return Effect.fail(new CheckpointError({ reason: "Unavailable", operation, detail, cause }))
      }
      isLost = true
      const error = lost(filename, operation)
      return Effect.zipRight(Effect.logError(error.message), Effect.fail(error))
    })
  return {
    append: (commits) => unlessKnownLost("append", store.append(commits)),
    enqueue: (start) => unlessKnownLost("enqueue", store.enqueue(start)),
    transactions: store.transactions &&
      transactionsUnless(store.transactions, () => isLost ? lost(filename, "append") : undefined),
    load: (executionId) => unlessKnownLost("load", store.load(executionId)),
    unfinished: (which) => Stream.unwrap(look("list", Effect.succeed(store.unfinished(which)))),
    acquire: (lease) => look("lease", store.acquire(lease)),
    renew: (token) => look("lease", store.renew(token)),
    claim: (executionId, token) => look("lease", store.claim(executionId, token)),
    claimNext: (wanted, token) => look("lease", store.claimNext(wanted, token)),
    arrivals: store.arrivals,
    release: (token, claims) => unlessKnownLost("lease", store.release(token, claims)),
    send: (message) => unlessKnownLost("send", store.send(message)),
    messages: (executionId) => unlessKnownLost("load", store.messages(executionId)),
    withMessages: (token) => unlessKnownLost("list", store.withMessages(token)),
    list: (listing) => unlessKnownLost("list", store.list(listing)),
    count: (saga) => unlessKnownLost("list", store.count(saga)),
    prune: (age) => look("prune", store.prune(age))
  }
}

const transactionsUnless = (
  transactions: Checkpoint.StoreTransactions,
  whyNot: () => CheckpointError | undefined
): Checkpoint.StoreTransactions => {
  const unless = <A, E, R>(ended: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A | { readonly _tag: "NotRun"; readonly error: CheckpointError }, E, R> => {
      const error = whyNot()
      return error === undefined ? ended : Effect.succeed({ _tag: "NotRun", error })
    })
  return {
    run: (effect) => unless(transactions.run(effect)),
    runWith: (effect, commitOf) => unless(transactions.runWith(effect, commitOf))
  }
}

const lost = (filename: string, operation: CheckpointError["operation"]) =>
  new CheckpointError({
    reason: "Unavailable",
    operation,
    detail: `the file ${filename} was deleted or replaced while it was open: commits since then are lost with it. ` +
      "Put the right file in its place and restart the process"
  })
