/**
 * Where journals are kept, and which process may write to them.
 *
 * A {@link Store} is small, so that one is easily written: it keeps texts in order, does not look into them, and grants leases.
 * {@link make} adds what is the same for every store: it groups the commits of concurrent executions, keeps the lease of the
 * process alive, and lets a second call for an execution join the first.
 */
import { Context, Duration, Effect, type Exit, Layer, PubSub, type Scope, Stream } from "effect"
import { Transactions } from "../definition/transactions.ts"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import { type DrivenCall, type DrivenExecution, DrivenExecutions } from "./driven.ts"
import { EventLoop } from "./eventLoop.ts"
import { groupCommits, type Transact } from "./groupCommits.ts"
import { type Lease, live, makeLease } from "./lease.ts"
import { makeMemoryStore } from "./memoryStore.ts"
import { checkDuration } from "./options.ts"
import type { Claim, ClaimedExecution, Commit, Store, Token as LeaseToken, Wanted } from "./store.ts"

export { type Transacted, Transactions, type TransactionsService } from "../definition/transactions.ts"
export type { CancelRequest, DrivenCall, DrivenExecution, Mailbox, Pause } from "./driven.ts"
export {
  type Attributes,
  type Claim,
  type ClaimedExecution,
  type Commit,
  type ExecutionCount,
  type Listing,
  type Start,
  type Store,
  type StoredCommit,
  type StoredExecution,
  type StoredMessage,
  type StoreTransactions,
  Token,
  type UnfinishedExecution,
  type Wanted
} from "./store.ts"

/** A store as sagas use it. */
export interface Service
  extends Pick<Store, "load" | "unfinished" | "messages" | "enqueue" | "arrivals" | "list" | "count">
{
  /**
   * Stores a commit, together with all others that wait at this moment. Fails with `ExecutionConflict` if it is refused:
   * `LeaseLost` if this process has no lease any more, `HasMessages` if it would finish an execution that has a message which is not
   * taken, or let it wait, else `OtherDriver`.
   */
  readonly append: (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>
  /**
   * Runs an effect in one transaction of the store's database with the commit that `commitOf` makes of its value (S24), which fails as
   * that of `append` does. Ends with the exit of the effect: where that failed, it is rolled back. Undefined if the store cannot.
   */
  readonly transact: Transact | undefined
  /**
   * Stores a message as {@link Store.send} does. A driver of this process takes it at once, and so does a worker of this process if
   * nobody drives the execution; those of another process within a second, on PostgreSQL at once where nobody drives it.
   */
  readonly send: Store["send"]
  /** The lease of this process. It begins when it is first needed, and is renewed from then on. */
  readonly token: Effect.Effect<LeaseToken, CheckpointError>
  /** Whether a lease is still valid by this process's own clocks. Does not ask the store. */
  readonly isValid: (token: LeaseToken) => boolean
  /** Asks the store whether a lease is still valid, and renews it if it is. */
  readonly renew: (token: LeaseToken) => Effect.Effect<boolean, CheckpointError>
  /** The end of a lease in epoch milliseconds, by this process's own clocks; undefined if it is infinite, or has ended. */
  readonly leaseEndsAt: (token: LeaseToken) => number | undefined
  /** Claims an unfinished execution for this process. Fails with `ExecutionConflict` (`OtherDriver`) if it cannot be had. */
  readonly claim: (
    execution: { readonly executionId: string; readonly saga: string }
  ) => Effect.Effect<Claim, CheckpointError | ExecutionConflict>
  /** Claims executions that nobody drives, for a worker. */
  readonly claimNext: (
    wanted: Wanted
  ) => Effect.Effect<ReadonlyArray<ClaimedExecution & { readonly claim: Claim }>, CheckpointError>
  /** Ends a claim. If the store cannot be reached, each renewal of the lease tries again. */
  readonly release: (executionId: string, claim: Claim) => Effect.Effect<void>
  /**
   * Deletes the journals of executions that finished longer ago than this, and returns how many they were. Their ids are
   * unknown from then on: one that is used again starts a new execution.
   */
  readonly prune: (age: Duration.DurationInput) => Effect.Effect<number, CheckpointError>
  /** Waits until this process stores a message for an execution, or the store closes. */
  readonly nextMessage: (executionId: string) => Effect.Effect<void>
  /** The execution of this id that this process drives now, if it does. */
  readonly findDriven: (executionId: string) => DrivenExecution | undefined
  /** Lets other calls find an execution as driven, until `endDriving`. Undefined if the store closes: then none may begin. */
  readonly startDriving: (executionId: string, call: DrivenCall) => DrivenExecution | undefined
  /** Hands the end of a driven execution to the calls that wait for it. */
  readonly endDriving: (executionId: string, exit: Exit.Exit<unknown, unknown>) => void
}

/** Waits by the clock of the machine, also under a `TestClock`: for leases, and for other processes. */
export const inRealTime = live

/** Stores the journals of durable sagas. */
export class Checkpoint extends Context.Tag("effect-saga/Checkpoint")<Checkpoint, Service>() {}

/** How the service uses its store. */
export interface Options {
  /**
   * How long a process that has died or hangs keeps its executions before others may take them over. A process renews its lease
   * three times in that time; one that pauses for longer loses its executions. 30 seconds by default. An infinite lease is never
   * renewed.
   */
  readonly lease?: Duration.DurationInput
  /** How long finished executions are kept; checked at the start and every hour. For ever by default. */
  readonly retention?: Duration.DurationInput
  /**
   * When the store closes, each execution that this process drives is suspended at its next safe point, and left
   * for recovery; `grace` is for how long that is waited for, 10 seconds by default. An action that still runs then is warned of,
   * and its execution is not free for other processes before the lease has run out.
   */
  readonly shutdown?: { readonly grace?: Duration.DurationInput }
}

/**
 * Makes the service of a store. Fails with `CheckpointError` (`InvalidOption`) if an option is no usable number. When the scope
 * closes, the executions that this process drove are free for others.
 */
export const make = (store: Store, options?: Options): Effect.Effect<Service, CheckpointError, Scope.Scope> =>
  Effect.gen(function*() {
    const { lease = "30 seconds", retention, shutdown } = options ?? {}
    return yield* makeService(store, {
      isShared: true,
      lease: yield* checkDuration("lease", lease, "longer than zero"),
      // A retention of zero would delete each execution while its caller may still ask for it.
      retention: retention === undefined ? undefined : yield* checkDuration("retention", retention, "longer than zero"),
      grace: yield* checkDuration("shutdown.grace", shutdown?.grace ?? defaultGrace, "zero or longer")
    })
  })

const defaultGrace = "10 seconds"

const makeService = (
  store: Store,
  options: {
    /** Whether other processes may send messages to it. */
    readonly isShared: boolean
    readonly lease: number
    readonly retention: number | undefined
    readonly grace: number
  }
): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lease = yield* makeLease(store, options.lease)
    const driven = new DrivenExecutions()
    const enqueued = yield* PubSub.sliding<void>(1)
    const eventLoop = new EventLoop()
    const { append, transact } = yield* groupCommits(store, lease, driven, eventLoop)
    if (options.isShared) yield* readMessagesInBackground(store, lease, driven)
    // The last finalizer is the first to run: what is driven still writes.
    yield* Effect.addFinalizer(() => suspendAll(driven, lease, options.grace))
    if (options.retention !== undefined) yield* pruneInBackground(store, options.retention)
    return {
      load: (executionId) => eventLoop.before(store.load(executionId)),
      unfinished: store.unfinished,
      messages: store.messages,
      enqueue: (start) => Effect.zipLeft(store.enqueue(start), PubSub.publish(enqueued, undefined)),
      arrivals: arrivalsOf(store, enqueued),
      list: store.list,
      count: store.count,
      append,
      transact,
      send: (message) =>
        Effect.tap(store.send(message), () => {
          driven.heard(message.executionId)
          return driven.find(message.executionId)?.readMessages ?? PubSub.publish(enqueued, undefined)
        }),
      nextMessage: (executionId) => driven.nextMessage(executionId),
      token: lease.token,
      isValid: (token) => lease.isValid(token),
      renew: (token) => lease.check(token),
      leaseEndsAt: (token) => lease.endsAt(token),
      claim: claimWith(store, lease),
      claimNext: (wanted) =>
        Effect.flatMap(lease.token, (token) =>
          Effect.map(store.claimNext(wanted, token), (claimed) =>
            claimed.map((execution) => ({ ...execution, claim: { token, fence: execution.fence } })))),
      release: (executionId, claim) =>
        lease.release(executionId, claim),
      prune: (age) =>
        Effect.flatMap(
          checkDuration("the age of executions to delete", age, "zero or longer"),
          (milliseconds) =>
            store.prune({ milliseconds })
        ),
      findDriven: (executionId) => driven.find(executionId),
      startDriving: (executionId, call) => driven.start(executionId, call),
      endDriving: (executionId, exit) => driven.end(executionId, exit)
    }
  })

/** Suspends what is driven. What is not suspended in time keeps its claim: its action may still have an effect. */
const suspendAll = (driven: DrivenExecutions, lease: Lease, grace: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const allEnded = Effect.interruptible(Effect.disconnect(driven.close()))
    return Effect.flatMap(live(Effect.timeoutOption(allEnded, grace)), () => {
      const { size } = driven
      if (size === 0) return Effect.void
      lease.forget()
      return Effect.logWarning(
        `the checkpoint closes while the code of ${size} of its executions still runs: they are left for recovery, which takes ` +
          "them over once the lease of this process has run out"
      )
    })
  })

const longestListening = "1 minute"

/**
 * What this process enqueues, and what the store hears of others. It listens anew every minute, for a connection that broke says
 * nothing; workers look by themselves in between.
 */
const arrivalsOf = (store: Store, enqueued: PubSub.PubSub<void>): Store["arrivals"] => {
  const heard = Stream.catchAllCause(
    store.arrivals,
    (cause) => Stream.drain(Stream.fromEffect(Effect.logDebug("the store cannot be listened to", cause)))
  )
  const listening = Stream.forever(
    Stream.concat(
      Stream.interruptWhen(heard, live(Effect.sleep(longestListening))),
      Stream.drain(Stream.fromEffect(live(Effect.sleep(betweenLooks))))
    )
  )
  return Stream.merge(Stream.fromPubSub(enqueued), listening)
}

const betweenLooks = "500 millis"

/** Looks for messages that other processes have sent to executions which this one drives. */
const readMessagesInBackground = (
  store: Store,
  lease: Lease,
  driven: DrivenExecutions
): Effect.Effect<void, never, Scope.Scope> => {
  const look = Effect.suspend(() => {
    const token = lease.currentToken()
    if (driven.size === 0 || token === undefined) return Effect.void
    return Effect.flatMap(
      store.withMessages(token),
      (executionIds) =>
        Effect.forEach(executionIds, (executionId) => driven.find(executionId)?.readMessages ?? Effect.void, {
          discard: true
        })
    )
  })
  const quiet = Effect.catchAllCause(look, (cause) => Effect.logDebug("messages could not be looked for", cause))
  return Effect.asVoid(
    // A store may be made where nothing is interruptible.
    Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(live(Effect.sleep(betweenLooks)), quiet))))
  )
}

const pruneInBackground = (store: Store, milliseconds: number): Effect.Effect<void, never, Scope.Scope> => {
  const logged = Effect.catchAllCause(
    store.prune({ milliseconds }),
    (cause) => Effect.logWarning("finished executions could not be deleted; the store tries again in an hour", cause)
  )
  return Effect.asVoid(
    Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(logged, Effect.sleep("1 hour")))))
  )
}

const claimWith = (store: Store, lease: Lease): Service["claim"] => {
  const tryToClaim = (executionId: string) =>
    Effect.flatMap(
      lease.token,
      (token) => Effect.map(store.claim(executionId, token), (fence) => ({ token, fence }))
    )
  return ({ executionId, saga }) =>
    Effect.gen(function*() {
      let { fence, token } = yield* tryToClaim(executionId)
      if (fence === undefined) {
        // Renewing clears the leases of dead processes, and shows whether our own lease has ended: then try again.
        yield* lease.check(token)
        ;({ fence, token } = yield* tryToClaim(executionId))
      }
      if (fence === undefined) return yield* new ExecutionConflict({ reason: "OtherDriver", saga, executionId })
      return { token, fence }
    })
}

/** The layer of a store. */
export const layer = <E, R>(
  store: Effect.Effect<Store, E, R>,
  options?: Options
): Layer.Layer<Checkpoint, E | CheckpointError, Exclude<R, Scope.Scope>> =>
  Layer.scoped(Checkpoint, Effect.flatMap(store, (store) => make(store, options)))

/**
 * The layer of a store with transactions, for sagas with steps that say `transaction: true`. Fails with `CheckpointError`
 * (`NoTransactions`) if the store has none.
 */
export const layerWithTransactions = <E, R>(
  store: Effect.Effect<Store, E, R>,
  options?: Options
): Layer.Layer<Checkpoint | Transactions, E | CheckpointError, Exclude<R, Scope.Scope>> =>
  Layer.scopedContext(
    Effect.gen(function*() {
      const made = yield* store
      const { transactions } = made
      if (transactions === undefined) return yield* noTransactions("a step of a saga")
      return Context.make(Checkpoint, yield* make(made, options)).pipe(Context.add(Transactions, transactions))
    })
  )

/** The error of a store that has no transactions for what needs them. */
export const noTransactions = (needs: string): CheckpointError =>
  new CheckpointError({
    reason: "NoTransactions",
    operation: "open",
    detail:
      `${needs} says transaction: true, and this store has no database that its action could use. Run it on the layer of ` +
      "SqlCheckpoint, or on SqliteCheckpoint.layerWithClient"
  })

/** Makes a store that keeps journals in this process: for tests, and for sagas that only need calls joined by `executionId`. */
export const makeMemory: Effect.Effect<Store> = makeMemoryStore

/** Keeps journals in this process, see {@link makeMemory}. Nothing survives the process, and no lease ever runs out. */
export const layerMemory: Layer.Layer<Checkpoint> = Layer.scoped(
  Checkpoint,
  Effect.flatMap(
    makeMemory,
    (store) =>
      makeService(store, {
        isShared: false,
        lease: Infinity,
        retention: undefined,
        grace: Duration.toMillis(defaultGrace)
      })
  )
)
