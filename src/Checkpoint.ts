/**
 * Where journals are kept, and who may write to them.
 *
 * A {@link Store} is small, so that one is easily written: it keeps texts in order, knows nothing of what they say, and grants
 * leases. {@link make} puts around it what is the same for every store: commits of concurrent executions are grouped, the
 * process's lease is kept alive, and calls for one execution join.
 */
import {
  Cause,
  Clock,
  Context,
  type Deferred,
  Duration,
  Effect,
  Layer,
  Option,
  Schedule,
  type Scope,
  Stream
} from "effect"
import type { Status } from "./Journal.ts"
import { CheckpointError, ExecutionConflict } from "./SagaError.ts"

/**
 * The right to drive executions, as long as its lease lasts: a number that the store has never given before. Whoever writes
 * shows it, so that a process that was paused past its lease cannot write any more (a fencing token).
 */
export type Token = number

/**
 * The right to write to one execution: under which lease, and which claim of it this is, as the store counts them. What was sent
 * under an earlier claim cannot be stored after a later one, also where both are of the same process.
 */
export interface Claim {
  readonly token: Token
  /** 0 for whoever starts an execution; each later claim has a higher one. */
  readonly fence: number
}

/** What is written in one go. */
export interface Commit extends Claim {
  readonly executionId: string
  /** The name of the saga. */
  readonly saga: string
  /** The version of the saga's definition. */
  readonly version: number
  /** Counts the commits of one execution from 0, without a gap. */
  readonly sequence: number
  /** Where the execution is after this commit. */
  readonly status: Status
  /** The events, encoded as JSON. */
  readonly body: string
}

/** A commit as it is read back. */
export interface StoredCommit {
  readonly sequence: number
  readonly body: string
}

/** An execution that is not finished. */
export interface UnfinishedExecution {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  readonly status: Exclude<Status, "Succeeded" | "Undone">
  /** For how many more milliseconds it is leased to whoever drives it; 0 where nobody does. */
  readonly leasedFor: number
  /** The lease under which it is or was driven, unless that let go of it. */
  readonly token: Token | undefined
}

/** What a store has to do. Hand one to {@link make}. Time, wherever it matters, is the store's own. */
export interface Store {
  /**
   * Stores commits, all in one transaction, and says of each whether it is stored. When it has succeeded they survive whatever
   * the store promises to survive.
   *
   * A commit is refused, and changes nothing, when its lease has ended, when its execution is not claimed by its token and fence, or
   * when its sequence is taken or leaves a gap. The first commit of an execution claims it, with fence 0; one that finishes or
   * parks it ends the claim.
   */
  readonly append: (commits: ReadonlyArray<Commit>) => Effect.Effect<ReadonlyArray<boolean>, CheckpointError>
  /** All commits of one execution, by sequence; none where it is unknown. */
  readonly load: (executionId: string) => Effect.Effect<ReadonlyArray<StoredCommit>, CheckpointError>
  /** The executions that are parked, or those that are running or unwinding; oldest first, in pages. */
  readonly unfinished: (which: { readonly parked: boolean }) => Stream.Stream<UnfinishedExecution, CheckpointError>
  /** Begins a lease that lasts so many milliseconds unless it is renewed. */
  readonly acquire: (lease: { readonly milliseconds: number }) => Effect.Effect<Token, CheckpointError>
  /** Lets a lease last its full time from now; false where it has ended, which is then for good. */
  readonly renew: (token: Token) => Effect.Effect<boolean, CheckpointError>
  /** Ends these claims, or, where none are named, the lease itself and so all claims under it. */
  readonly release: (
    token: Token,
    claims?: ReadonlyArray<{ readonly executionId: string; readonly fence: number }>
  ) => Effect.Effect<void, CheckpointError>
  /**
   * Claims an unfinished execution, a parked one too, unless it is claimed under another lease that lasts: answers with the new
   * fence, higher than any before; or `undefined` where it cannot be had, is finished or unknown, or where the token's own lease
   * has ended.
   */
  readonly claim: (executionId: string, token: Token) => Effect.Effect<number | undefined, CheckpointError>
  /** Deletes what finished more than so many milliseconds ago, and says how many executions that were. */
  readonly prune: (age: { readonly milliseconds: number }) => Effect.Effect<number, CheckpointError>
}

/** An execution that this process drives now: by which definition, with which input, and what will come of it. */
export interface DrivenExecution {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  /** As one text; undefined where the call that drives it gave none. */
  readonly input: string | undefined
  /** Made by the first call that waits for it: hardly any execution is joined. */
  result: Deferred.Deferred<unknown, unknown> | undefined
}

/** A store as sagas use it. */
export interface Service extends Pick<Store, "load" | "unfinished"> {
  /**
   * Stores a commit, together with all others that wait at this moment. Fails with `ExecutionConflict` when it is refused:
   * `LeaseLost` where this process has no lease any more, else `OtherDriver`.
   */
  readonly append: (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>
  /** The lease of this process, which begins when it is first needed and is renewed from then on. */
  readonly token: Effect.Effect<Token, CheckpointError>
  /** Whether a lease lasts still, as far as this process knows without asking. */
  readonly holds: (token: Token) => boolean
  /** Claims an unfinished execution for this process. Fails with `ExecutionConflict` (`OtherDriver`) where it cannot be had. */
  readonly claim: (
    execution: { readonly executionId: string; readonly saga: string }
  ) => Effect.Effect<Claim, CheckpointError | ExecutionConflict>
  /** Ends a claim. Where the store cannot be reached it is tried again with each renewal of the lease. */
  readonly letGo: (executionId: string, claim: Claim) => Effect.Effect<void>
  /**
   * Deletes the journals of executions that finished longer ago than this, and says how many they were. Their ids are
   * unknown from then on: one that is used again starts a new execution.
   */
  readonly prune: (age: Duration.DurationInput) => Effect.Effect<number, CheckpointError>
  /** What this process drives, so that a second call for the same execution joins the first. */
  readonly driven: Map<string, DrivenExecution>
}

/** Stores the journals of durable sagas. */
export class Checkpoint extends Context.Tag("effect-saga/Checkpoint")<Checkpoint, Service>() {}

/** How the service treats its store. */
export interface Options {
  /**
   * For how long a process that has died or hangs keeps its executions from others; it is renewed three times as often. A
   * process that is paused for longer loses what it drives. 30 seconds by default; infinite, it is never renewed.
   */
  readonly lease?: Duration.DurationInput
  /** After which time a finished execution is deleted, looked at at the start and every hour. Left out, everything is kept. */
  readonly retention?: Duration.DurationInput
}

const largestGroup = 512

interface Waiting {
  readonly commit: Commit
  readonly resume: (stored: Effect.Effect<void, CheckpointError | ExecutionConflict>) => void
}

/** Makes the service of a store. When the scope closes, what this process drove is free for others. */
export const make = (store: Store, options?: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lease = yield* makeLease(store, Duration.decode(options?.lease ?? "30 seconds"))
    const driven: Service["driven"] = new Map()
    const append = yield* groupCommits(store, lease, driven)
    const { retention } = options ?? {}
    if (retention !== undefined) {
      const prune = store.prune({ milliseconds: Duration.toMillis(retention) })
      const logged = Effect.catchAllCause(
        prune,
        (cause) => Effect.logWarning("finished executions are not pruned", cause)
      )
      yield* Effect.forkScoped(Effect.schedule(logged, Schedule.spaced("1 hour")))
    }
    const claim: Service["claim"] = ({ executionId, saga }) =>
      Effect.gen(function*() {
        const token = yield* lease.token
        const fence = yield* store.claim(executionId, token)
        if (fence !== undefined) return { token, fence }
        // Asking the store ends the leases of processes that have died since; or it was our own that had ended.
        yield* lease.check(token)
        const again = { token: yield* lease.token, fence: yield* store.claim(executionId, yield* lease.token) }
        if (again.fence !== undefined) return { ...again, fence: again.fence }
        return yield* new ExecutionConflict({ reason: "OtherDriver", saga, executionId })
      })
    return {
      load: store.load,
      unfinished: store.unfinished,
      append,
      token: lease.token,
      holds: lease.holds,
      claim,
      letGo: lease.letGo,
      prune: (age) => Effect.suspend(() => store.prune({ milliseconds: Duration.toMillis(age) })),
      driven
    }
  })

/** The layer of a store. */
export const layer = <E, R>(
  store: Effect.Effect<Store, E, R>,
  options?: Options
): Layer.Layer<Checkpoint, E, Exclude<R, Scope.Scope>> =>
  Layer.scoped(Checkpoint, Effect.flatMap(store, (store) => make(store, options)))

interface Lease {
  readonly token: Effect.Effect<Token, CheckpointError>
  readonly holds: (token: Token) => boolean
  /** Asks the store. */
  readonly check: (token: Token) => Effect.Effect<boolean, CheckpointError>
  readonly letGo: (executionId: string, claim: Claim) => Effect.Effect<void>
}

const makeLease = (store: Store, duration: Duration.Duration): Effect.Effect<Lease, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const turn = yield* Effect.makeSemaphore(1)
    const milliseconds = Duration.toMillis(duration)
    let current: { readonly token: Token; lastsUntil: number } | undefined
    // By execution; of a lease that has ended there is nothing left to let go of.
    const toRelease = new Map<string, Claim>()
    // Leases are about real time, whatever clock a test has given its program.
    const live = Effect.withClock(Clock.make())
    const now = () => performance.now()
    const lasts = () => current !== undefined && now() < current.lastsUntil

    const check = (token: Token) =>
      Effect.suspend(() => {
        const asked = now()
        return Effect.map(store.renew(token), (lasts) => {
          if (current?.token !== token) return lasts
          if (lasts) current.lastsUntil = asked + milliseconds
          else current = undefined
          return lasts
        })
      })
    const release = (token: Token) =>
      Effect.suspend(() => {
        const claims = Array.from(toRelease, ([executionId, claim]) => ({ executionId, ...claim }))
        for (const claim of claims) if (claim.token !== token) toRelease.delete(claim.executionId)
        const ours = claims.filter((claim) => claim.token === token)
        return ours.length === 0 ? Effect.void : Effect.map(store.release(token, ours), () => {
          for (const { executionId, fence } of ours) {
            if (toRelease.get(executionId)?.fence === fence) toRelease.delete(executionId)
          }
        })
      })
    const keepAlive = (token: Token) =>
      Effect.suspend(() => current?.token === token ? check(token) : Effect.succeed(false)).pipe(
        Effect.zipLeft(release(token)),
        Effect.catchAllCause((cause) => Effect.as(Effect.logDebug("the lease could not be renewed", cause), true)),
        Effect.delay(milliseconds / 3),
        Effect.repeat({ while: (lasts) => lasts }),
        Effect.zipRight(Effect.logWarning("the lease of this process has ended: what it drove is left for recovery")),
        live
      )
    const acquire = Effect.gen(function*() {
      const asked = now()
      const token = yield* store.acquire({ milliseconds })
      current = { token, lastsUntil: asked + milliseconds }
      if (Number.isFinite(milliseconds)) yield* Effect.forkIn(Effect.interruptible(keepAlive(token)), scope)
      return token
    })
    /** After a pause only the store knows whether the lease has outlasted it. */
    const renewed = Effect.suspend(() => {
      if (current === undefined) return acquire
      const { token } = current
      return lasts()
        ? Effect.succeed(token)
        : Effect.flatMap(check(token), (lasts) => lasts ? Effect.succeed(token) : acquire)
    })
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const token = current?.token
        // From here on nothing is held, whatever the store says.
        current = undefined
        return token === undefined ? Effect.void : quietly(store.release(token))
      })
    )
    return {
      check,
      holds: (token) => current?.token === token && lasts(),
      token: Effect.suspend(() =>
        current !== undefined && lasts()
          ? Effect.succeed(current.token)
          : turn.withPermits(1)(Effect.uninterruptible(renewed))
      ),
      letGo: (executionId, claim) =>
        Effect.suspend(() => {
          if (current?.token !== claim.token) return Effect.void
          toRelease.set(executionId, claim)
          return quietly(release(claim.token))
        })
    }
  })

const quietly = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.catchAllCause(Effect.asVoid(effect), (cause) => Effect.logDebug("executions could not be let go of", cause))

/**
 * One writer, which takes along all that waits when its turn comes: alone, a commit does not wait for others; many at once
 * share one transaction. Follows the group commit of database logs (DeWitt et al., 1984).
 */
const groupCommits = (
  store: Store,
  lease: Lease,
  driven: Service["driven"]
): Effect.Effect<Service["append"], never, Scope.Scope> =>
  Effect.gen(function*() {
    let waiting: Array<Waiting> = []
    let wake: (() => void) | undefined
    let closed = false

    const answerOf = (commit: Commit, stored: boolean | undefined): ReturnType<Service["append"]> => {
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
      const unstorable = Option.exists(Cause.failureOption(cause), ({ reason }) => reason === "Encode")
      // One value that cannot be stored is no reason to refuse the others.
      if (unstorable && group.length > 1) return Effect.forEach(group, (one) => write([one]), { discard: true })
      return Effect.sync(() => {
        for (const { commit, resume } of group) resume(Effect.fail(reasonOf(commit, cause)))
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
    const together = (commit: Commit): ReturnType<Service["append"]> =>
      Effect.async((resume) => {
        if (closed) return resume(Effect.fail(isClosed(commit)))
        waiting.push({ commit, resume })
        const wakeUp = wake
        wake = undefined
        wakeUp?.()
      })
    const alone = (commit: Commit): ReturnType<Service["append"]> =>
      closed ? Effect.fail(isClosed(commit)) : Effect.matchCauseEffect(store.append([commit]), {
        onFailure: (cause) => Effect.fail(reasonOf(commit, cause)),
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

/** A store that dies has not said what it did, as little as one that fails. */
const reasonOf = ({ executionId }: Commit, cause: Cause.Cause<CheckpointError>): CheckpointError =>
  Option.match(Cause.failureOption(cause), {
    onSome: ({ cause, detail, reason }) =>
      new CheckpointError({
        reason,
        operation: "append",
        executionId,
        detail,
        ...(cause === undefined ? {} : { cause })
      }),
    onNone: () =>
      new CheckpointError({
        reason: "Unavailable",
        operation: "append",
        executionId,
        detail: Cause.pretty(cause).split("\n", 1)[0] ?? "",
        cause: Cause.squash(cause)
      })
  })

const isClosed = ({ executionId }: Commit): CheckpointError =>
  new CheckpointError({ reason: "Unavailable", operation: "append", executionId, detail: "the store is closed" })

interface StoredExecution {
  readonly commits: Array<StoredCommit>
  readonly saga: string
  readonly version: number
  status: Status
  token: Token | undefined
  fence: number
  endedAt: number | undefined
}

const isFinished = (status: Status): status is "Succeeded" | "Undone" => status === "Succeeded" || status === "Undone"

/** Makes a store that keeps journals in this process: for tests, and for sagas that need no more than joining by `executionId`. */
export const makeMemory: Effect.Effect<Store> = Effect.map(Effect.clock, (clock) => {
  const now = () => clock.unsafeCurrentTimeMillis()
  const executions = new Map<string, StoredExecution>()
  const leases = new Map<Token, { readonly milliseconds: number; expiresAt: number }>()
  let lastToken = 0
  const lastsFor = (token: Token | undefined) =>
    token === undefined ? 0 : Math.max(0, (leases.get(token)?.expiresAt ?? 0) - now())
  const appendOne = ({ body, executionId, fence, saga, sequence, status, token, version }: Commit): boolean => {
    const known = executions.get(executionId)
    const mine = lastsFor(token) > 0 &&
      (known === undefined ? fence === 0 : known.token === token && known.fence === fence)
    if (!mine || (known?.commits.length ?? 0) !== sequence) return false
    const execution = known ?? { commits: [], saga, version, status, token, fence, endedAt: undefined }
    execution.commits.push({ sequence, body })
    execution.status = status
    execution.token = status === "Running" || status === "Unwinding" ? token : undefined
    execution.endedAt = isFinished(status) ? now() : undefined
    executions.set(executionId, execution)
    return true
  }
  return {
    append: (commits) => Effect.sync(() => commits.map(appendOne)),
    load: (executionId) => Effect.sync(() => executions.get(executionId)?.commits.slice() ?? []),
    unfinished: ({ parked }) =>
      Stream.suspend(() => {
        const found: Array<UnfinishedExecution> = []
        for (const [executionId, { saga, status, token, version }] of executions) {
          if (isFinished(status) || (status === "Parked") !== parked) continue
          found.push({ executionId, saga, version, status, leasedFor: lastsFor(token), token })
        }
        return Stream.fromIterable(found)
      }),
    acquire: ({ milliseconds }) =>
      Effect.sync(() => {
        leases.set(++lastToken, { milliseconds, expiresAt: now() + milliseconds })
        return lastToken
      }),
    renew: (token) =>
      Effect.sync(() => {
        const lease = leases.get(token)
        if (lease === undefined || lastsFor(token) === 0) return false
        lease.expiresAt = now() + lease.milliseconds
        return true
      }),
    release: (token, claims) =>
      Effect.sync(() => {
        if (claims === undefined) leases.delete(token)
        for (const { executionId, fence } of claims ?? []) {
          const execution = executions.get(executionId)
          if (execution?.token === token && execution.fence === fence) execution.token = undefined
        }
      }),
    claim: (executionId, token) =>
      Effect.sync(() => {
        const execution = executions.get(executionId)
        if (execution === undefined || isFinished(execution.status) || lastsFor(token) === 0) return undefined
        if (execution.token !== token && lastsFor(execution.token) > 0) return undefined
        execution.token = token
        return ++execution.fence
      }),
    prune: ({ milliseconds }) =>
      Effect.sync(() => {
        const before = now() - milliseconds
        const old = Array.from(executions).filter(([, { endedAt }]) => endedAt !== undefined && endedAt < before)
        for (const [executionId] of old) executions.delete(executionId)
        return old.length
      })
  }
})

/** Keeps journals in this process, see {@link makeMemory}. Nothing survives the process, and no lease ever runs out. */
export const layerMemory: Layer.Layer<Checkpoint> = layer(makeMemory, { lease: Duration.infinity })
