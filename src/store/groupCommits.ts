/** Commits of concurrent executions, in one write. */
import { Cause, Effect, Option, type Scope } from "effect"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import type { Lease } from "./lease.ts"
import type { Commit, Store } from "./store.ts"

type Append = (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>

interface Waiting {
  readonly commit: Commit
  readonly resume: (stored: ReturnType<Append>) => void
}

/**
 * One writer takes all commits that wait when its turn comes: a lone commit does not wait for others, many at once share one
 * transaction. Follows the group commit of database logs (DeWitt et al., 1984).
 */
export const groupCommits = (
  store: Store,
  lease: Lease,
  driven: { readonly size: number }
): Effect.Effect<Append, never, Scope.Scope> =>
  Effect.gen(function*() {
    const writer = new Writer(store, lease)
    // Uninterruptible: every commit taken from the queue gets an answer.
    yield* Effect.forkScoped(Effect.uninterruptible(writer.run))
    yield* Effect.addFinalizer(() => Effect.sync(() => writer.close()))
    return (commit) =>
      driven.size > 1 ? writer.together(commit) : Effect.flatMap(
        // Gives other executions that are about to start the chance to join the write.
        Effect.yieldNow(),
        // A lone execution writes directly: the hop to the writer fiber costs more than the write.
        () => driven.size === 1 ? writer.alone(commit) : writer.together(commit)
      )
  })

const largestGroup = 512

class Writer {
  private readonly store: Store
  private readonly lease: Lease
  private waiting: Array<Waiting> = []
  private wake: (() => void) | undefined
  private closed = false

  constructor(store: Store, lease: Lease) {
    this.store = store
    this.lease = lease
  }

  /** Writes what waits, group by group, without end. */
  readonly run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.whileLoop({
      while: () => true,
      body: () => this.waiting.length === 0 ? this.untilSomeWait : this.write(this.waiting.splice(0, largestGroup)),
      step: () => {}
    })
  )

  /** Stores a commit together with the others that wait. */
  together(commit: Commit): ReturnType<Append> {
    return Effect.async((resume) => {
      if (this.closed) return resume(Effect.fail(isClosed(commit)))
      this.waiting.push({ commit, resume })
      const { wake } = this
      this.wake = undefined
      wake?.()
    })
  }

  /** Stores a commit by itself. */
  alone(commit: Commit): ReturnType<Append> {
    return this.closed ? Effect.fail(isClosed(commit)) : Effect.matchCauseEffect(this.store.append([commit]), {
      onFailure: (cause) => Effect.fail(storeFailure(commit.executionId, cause)),
      onSuccess: (stored) => this.answerOf(commit, stored[0])
    })
  }

  close(): void {
    this.closed = true
    for (const { commit, resume } of this.waiting) resume(Effect.fail(isClosed(commit)))
    this.waiting = []
  }

  private readonly untilSomeWait = Effect.zipLeft(
    Effect.interruptible(Effect.async<void>((resume) => {
      if (this.waiting.length > 0) resume(Effect.void)
      else this.wake = () => resume(Effect.void)
    })),
    // Effect 4 runs a resumed fiber at once, within the call that woke it: let that call and its neighbours go on first.
    Effect.yieldNow()
  )

  private write(group: ReadonlyArray<Waiting>): Effect.Effect<void> {
    return Effect.catchAllCause(
      Effect.map(Effect.suspend(() => this.store.append(group.map(({ commit }) => commit))), (stored) => {
        for (const [index, { commit, resume }] of group.entries()) resume(this.answerOf(commit, stored[index]))
      }),
      // Also after some have an answer: a second answer is not heard.
      (cause) => this.failed(group, cause)
    )
  }

  private failed(group: ReadonlyArray<Waiting>, cause: Cause.Cause<CheckpointError>): Effect.Effect<void> {
    const rejected = Option.exists(Cause.failureOption(cause), ({ reason }) => reason === "Rejected")
    // One value that cannot be stored is no reason to refuse the others.
    if (rejected && group.length > 1) return Effect.forEach(group, (one) => this.write([one]), { discard: true })
    return Effect.sync(() => {
      for (const { commit, resume } of group) resume(Effect.fail(storeFailure(commit.executionId, cause)))
    })
  }

  private answerOf(commit: Commit, stored: boolean | undefined): ReturnType<Append> {
    if (stored === true) return Effect.void
    const { executionId, saga, token } = commit
    return Effect.flatMap(
      // If the store cannot be asked, treat the lease as lost.
      Effect.catchAllCause(this.lease.check(token), () => Effect.succeed(false)),
      (lasts) => Effect.fail(new ExecutionConflict({ reason: lasts ? "OtherDriver" : "LeaseLost", saga, executionId }))
    )
  }
}

const isClosed = ({ executionId }: Commit): CheckpointError =>
  new CheckpointError({ reason: "Unavailable", operation: "append", executionId, detail: "the store is closed" })

/** A store that dies in an append has not said what it did, no more than one that fails. */
export const diedAppending = (executionId: string, cause: Cause.Cause<unknown>): CheckpointError =>
  new CheckpointError({
    reason: "Unavailable",
    operation: "append",
    executionId,
    detail: Cause.pretty(cause).split("\n", 1)[0] ?? "",
    cause: Cause.squash(cause)
  })

/** Why one commit of a group is not known to be stored. */
const storeFailure = (executionId: string, cause: Cause.Cause<CheckpointError>): CheckpointError =>
  Option.match(Cause.failureOption(cause), {
    onSome: ({ cause, detail, reason }) =>
      new CheckpointError({
        reason,
        operation: "append",
        executionId,
        detail,
        ...(cause === undefined ? {} : { cause })
      }),
    onNone: () => diedAppending(executionId, cause)
  })
