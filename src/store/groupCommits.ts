/** Commits of concurrent executions, in one write. */
import { Cause, Effect, Exit, Fiber, Option, type Scope } from "effect"
import { leavesNoMessage } from "../journal/statuses.ts"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import { afterItsWaker } from "../values/fiber.ts"
import type { DrivenExecutions } from "./driven.ts"
import type { EventLoop } from "./eventLoop.ts"
import type { Lease } from "./lease.ts"
import type { Commit, Store, StoreTransactions } from "./store.ts"

type Append = (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>

/** Runs an effect in one transaction with a commit, which no group can take. */
export type Transact = <A, E, R>(
  executionId: string,
  effect: Effect.Effect<A, E, R>,
  commitOf: (value: A) => Commit
) => Effect.Effect<Exit.Exit<A, E>, CheckpointError | ExecutionConflict, R>

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
  driven: DrivenExecutions,
  eventLoop: EventLoop
): Effect.Effect<{ readonly append: Append; readonly transact: Transact | undefined }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const writer = new Writer(store, lease, driven, eventLoop)
    // Uninterruptible: every commit that waits gets an answer.
    const fiber = yield* Effect.forkDaemon(Effect.uninterruptible(writer.run))
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(writer.close, Effect.zipRight(lease.whileClosing(Fiber.await(fiber)), writer.giveUp))
    )
    const append: Append = (commit) =>
      driven.size > 1 ? writer.together(commit) : Effect.flatMap(
        // Gives other executions that are about to start the chance to join the write.
        Effect.yieldNow(),
        // A lone execution writes directly: the hop to the writer fiber costs more than the write.
        () => driven.size === 1 ? writer.alone(commit) : writer.together(commit)
      )
    const { transactions } = store
    return { append, transact: transactions === undefined ? undefined : writer.transact(transactions) }
  })

const largestGroup = 512
// A group of large bodies would hold up the event loop and the lease while it is sent.
const largestText = 4 * 1024 * 1024
// After so many single failures in a row the store itself must be the reason.
const mostFailures = 3

class Writer {
  private readonly store: Store
  private readonly lease: Lease
  private readonly driven: DrivenExecutions
  private readonly eventLoop: EventLoop
  private waiting: Array<Waiting> = []
  private wake: (() => void) | undefined
  private closed = false

  constructor(store: Store, lease: Lease, driven: DrivenExecutions, eventLoop: EventLoop) {
    this.store = store
    this.lease = lease
    this.driven = driven
    this.eventLoop = eventLoop
  }

  /** Writes what waits, group by group, until the store is closed and nothing waits any more. */
  readonly run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.whileLoop({
      while: () => !this.closed || this.waiting.length > 0,
      body: () => this.waiting.length === 0 ? this.untilSomeWait : this.write(this.nextGroup()),
      step: () => {}
    })
  )

  /** Stores a commit together with the others that wait. */
  together(commit: Commit): ReturnType<Append> {
    return Effect.async((resume) => {
      if (this.closed) return resume(Effect.fail(isClosed(commit)))
      this.waiting.push({ commit, resume })
      this.wakeUp()
    })
  }

  /** Stores a commit by itself. */
  alone(commit: Commit): ReturnType<Append> {
    return this.closed ? Effect.fail(isClosed(commit)) : Effect.matchCauseEffect(this.append([commit]), {
      onFailure: (cause) => Effect.fail(storeFailure(commit.executionId, cause)),
      onSuccess: (stored) => this.answerOf(commit, stored[0])
    })
  }

  /** Runs an effect in one transaction with a commit. It waits for the database, and not for the commits that wait here. */
  transact(transactions: StoreTransactions): Transact {
    return <A, E, R>(executionId: string, effect: Effect.Effect<A, E, R>, commitOf: (value: A) => Commit) =>
      Effect.suspend(() => {
        if (this.closed) return Effect.fail(isClosed({ executionId }))
        return Effect.flatMap(
          transactions.runWith(effect, commitOf),
          (ended): Effect.Effect<Exit.Exit<A, E>, CheckpointError | ExecutionConflict> => {
            switch (ended._tag) {
              case "Committed":
                // It may hold the start of the execution.
                this.driven.find(executionId)?.noteStored()
                return Effect.succeed(Exit.succeed(ended.value))
              case "RolledBack":
                return Effect.succeed(Exit.failCause(ended.cause))
              case "Refused":
                return this.refusalOf(ended.commit)
              case "NotRun":
              case "Unknown":
                return Effect.fail(ended.error)
            }
          }
        )
      })
  }

  /** Refuses commits from now on. Those that wait are written still. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.closed = true
    this.wakeUp()
  })

  /** Answers the commits that wait, because the store did not answer in time. */
  readonly giveUp: Effect.Effect<void> = Effect.sync(() => {
    for (const { commit, resume } of this.waiting) resume(Effect.fail(isClosed(commit)))
    this.waiting = []
  })

  private wakeUp(): void {
    const { wake } = this
    this.wake = undefined
    wake?.()
  }

  private readonly untilSomeWait = afterItsWaker(Effect.async<void>((resume) => {
    if (this.waiting.length > 0 || this.closed) resume(Effect.void)
    else this.wake = () => resume(Effect.void)
  }))

  private append(group: ReadonlyArray<Commit>): ReturnType<Store["append"]> {
    return this.eventLoop.before(this.store.append(group))
  }

  private nextGroup(): ReadonlyArray<Waiting> {
    let size = 0
    let text = 0
    while (size < Math.min(this.waiting.length, largestGroup)) {
      text += this.waiting[size]!.commit.body.length
      if (size > 0 && text > largestText) break
      size++
    }
    return this.waiting.splice(0, size)
  }

  private write(group: ReadonlyArray<Waiting>): Effect.Effect<void> {
    return Effect.catchAllCause(
      Effect.map(Effect.suspend(() => this.append(group.map(({ commit }) => commit))), (stored) => {
        for (const [index, { commit, resume }] of group.entries()) resume(this.answerOf(commit, stored[index]))
      }),
      // Also after some have an answer: a second answer is not heard.
      (cause) => this.failed(group, cause)
    )
  }

  private failed(group: ReadonlyArray<Waiting>, cause: Cause.Cause<CheckpointError>): Effect.Effect<void> {
    if (group.length > 1) return this.writeOneByOne(group, cause)
    return Effect.sync(() => {
      for (const { commit, resume } of group) resume(Effect.fail(storeFailure(commit.executionId, cause)))
    })
  }

  /** After a group has failed: one commit that cannot be stored is no reason to fail the others. */
  private writeOneByOne(group: ReadonlyArray<Waiting>, why: Cause.Cause<CheckpointError>): Effect.Effect<void> {
    let failures = 0
    return Effect.forEach(group, ({ commit, resume }) => {
      const fail = (cause: Cause.Cause<CheckpointError>) => resume(Effect.fail(storeFailure(commit.executionId, cause)))
      if (failures >= mostFailures) return Effect.sync(() => fail(why))
      return Effect.matchCause(Effect.suspend(() => this.append([commit])), {
        onFailure: (cause) => {
          if (!isRejected(cause)) failures++
          fail(cause)
        },
        onSuccess: ([stored]) => {
          failures = 0
          // Unless the store has rejected the group, it may have stored it before it failed: then refused does not mean lost.
          if (stored !== true && !isRejected(why)) fail(why)
          else resume(this.answerOf(commit, stored))
        }
      })
    }, { discard: true })
  }

  private answerOf(commit: Commit, stored: boolean | undefined): ReturnType<Append> {
    if (stored === true) {
      if (commit.sequence === 0) this.driven.find(commit.executionId)?.noteStored()
      return Effect.void
    }
    return this.refusalOf(commit)
  }

  private refusalOf(commit: Commit): Effect.Effect<never, ExecutionConflict> {
    const { executionId, saga } = commit
    return Effect.flatMap(
      this.whyRefused(commit),
      (reason) => Effect.fail(new ExecutionConflict({ reason, saga, executionId }))
    )
  }

  private whyRefused(commit: Commit): Effect.Effect<"LeaseLost" | "HasMessages" | "OtherDriver"> {
    // If the store cannot be asked, treat the lease as lost.
    const lasts = Effect.catchAllCause(this.lease.check(commit.token), () => Effect.succeed(false))
    const hasMessages = leavesNoMessage(commit.status)
      ? Effect.map(this.store.messages(commit.executionId), (sent) => sent.some(({ number }) => number > commit.taken))
      : Effect.succeed(false)
    return Effect.flatMap(lasts, (lasts) =>
      lasts
        ? Effect.matchCause(hasMessages, {
          onFailure: () => "OtherDriver" as const,
          onSuccess: (has) => has ? "HasMessages" as const : "OtherDriver" as const
        })
        : Effect.succeed("LeaseLost" as const))
  }
}

const isRejected = (cause: Cause.Cause<CheckpointError>): boolean =>
  Option.exists(Cause.failureOption(cause), ({ reason }) => reason === "Rejected")

/** The store takes no commits any more. */
export const isClosed = ({ executionId }: Pick<Commit, "executionId">): CheckpointError =>
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
