/** Commits of concurrent executions, in one write. */
import { Cause, Effect, Option, type Scope } from "effect"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import type { Lease } from "./lease.ts"
import type { Commit, Store } from "./store.ts"
import { storeFailure } from "./storeFailure.ts"

type Append = (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>

const largestGroup = 512

interface Waiting {
  readonly commit: Commit
  readonly resume: (stored: Effect.Effect<void, CheckpointError | ExecutionConflict>) => void
}

/**
 * One writer, which takes along all that waits when its turn comes: alone, a commit does not wait for others; many at once
 * share one transaction. Follows the group commit of database logs (DeWitt et al., 1984).
 */
export const groupCommits = (
  store: Store,
  lease: Lease,
  /** What this process drives. */
  driven: { readonly size: number }
): Effect.Effect<Append, never, Scope.Scope> =>
  Effect.gen(function*() {
    let waiting: Array<Waiting> = []
    let wake: (() => void) | undefined
    let closed = false

    const answerOf = (commit: Commit, stored: boolean | undefined): ReturnType<Append> => {
      if (stored === true) return Effect.void
      const { executionId, saga, token } = commit
      return Effect.flatMap(
        // Whoever cannot ask has lost touch with its lease either way.
        Effect.catchAllCause(lease.check(token), () => Effect.succeed(false)),
        (lasts) =>
          Effect.fail(new ExecutionConflict({ reason: lasts ? "OtherDriver" : "LeaseLost", saga, executionId }))
      )
    }
    const failed = (group: ReadonlyArray<Waiting>, cause: Cause.Cause<CheckpointError>): Effect.Effect<void> => {
      const rejected = Option.exists(Cause.failureOption(cause), ({ reason }) => reason === "Rejected")
      // One value that cannot be stored is no reason to refuse the others.
      if (rejected && group.length > 1) return Effect.forEach(group, (one) => write([one]), { discard: true })
      return Effect.sync(() => {
        for (const { commit, resume } of group) resume(Effect.fail(storeFailure(commit.executionId, cause)))
      })
    }
    const write = (group: ReadonlyArray<Waiting>): Effect.Effect<void> =>
      // Whatever goes wrong, everybody is answered: a second answer is not heard.
      Effect.catchAllCause(
        Effect.map(Effect.suspend(() => store.append(group.map(({ commit }) => commit))), (stored) => {
          for (const [index, { commit, resume }] of group.entries()) resume(answerOf(commit, stored[index]))
        }),
        (cause) => failed(group, cause)
      )
    const someWait = Effect.interruptible(Effect.async<void>((resume) => {
      if (waiting.length > 0) resume(Effect.void)
      else wake = () => resume(Effect.void)
    }))
    const writer = Effect.whileLoop({
      while: () => true,
      body: () => waiting.length === 0 ? someWait : write(waiting.splice(0, largestGroup)),
      step: () => {}
    })
    // What has been taken along must be answered.
    yield* Effect.forkScoped(Effect.uninterruptible(writer))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        for (const { commit, resume } of waiting) resume(Effect.fail(isClosed(commit)))
        waiting = []
      })
    )
    const together = (commit: Commit): ReturnType<Append> =>
      Effect.async((resume) => {
        if (closed) return resume(Effect.fail(isClosed(commit)))
        waiting.push({ commit, resume })
        const wakeUp = wake
        wake = undefined
        wakeUp?.()
      })
    const alone = (commit: Commit): ReturnType<Append> =>
      closed ? Effect.fail(isClosed(commit)) : Effect.matchCauseEffect(store.append([commit]), {
        onFailure: (cause) => Effect.fail(storeFailure(commit.executionId, cause)),
        onSuccess: (stored) => answerOf(commit, stored[0])
      })
    return (commit) =>
      driven.size > 1 ? together(commit) : Effect.flatMap(
        // What else is about to be driven has its chance to come along.
        Effect.yieldNow(),
        // Alone there is nobody to share with, and to the writer and back takes longer than to write.
        () => driven.size === 1 ? alone(commit) : together(commit)
      )
  })

const isClosed = ({ executionId }: Commit): CheckpointError =>
  new CheckpointError({ reason: "Unavailable", operation: "append", executionId, detail: "the store is closed" })
