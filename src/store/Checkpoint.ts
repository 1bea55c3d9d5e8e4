/**
 * Where journals are kept, and who may write to them.
 *
 * A {@link Store} is small, so that one is easily written: it keeps texts in order, knows nothing of what they say, and grants
 * leases. {@link make} puts around it what is the same for every store: commits of concurrent executions are grouped, the
 * process's lease is kept alive, and calls for one execution join.
 */
import { Context, type Deferred, Duration, Effect, Layer, Schedule, type Scope } from "effect"
import { type CheckpointError, ExecutionConflict } from "../SagaError.ts"
import { groupCommits } from "./groupCommits.ts"
import { makeLease } from "./lease.ts"
import { makeMemoryStore } from "./memoryStore.ts"
import type { Claim, Commit, Store, Token } from "./store.ts"

export type { Claim, Commit, Store, StoredCommit, Token, UnfinishedExecution } from "./store.ts"

/** An execution that this process drives now: by which definition, with which input, and what will come of it. */
export interface DrivenExecution {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
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
    const tryToClaim = (executionId: string) =>
      Effect.flatMap(
        lease.token,
        (token) => Effect.map(store.claim(executionId, token), (fence) => ({ token, fence }))
      )
    const claim: Service["claim"] = ({ executionId, saga }) =>
      Effect.gen(function*() {
        let { fence, token } = yield* tryToClaim(executionId)
        if (fence === undefined) {
          // Asking the store ends the leases of processes that have died since; or it was our own that had ended.
          yield* lease.check(token)
          ;({ fence, token } = yield* tryToClaim(executionId))
        }
        if (fence === undefined) return yield* new ExecutionConflict({ reason: "OtherDriver", saga, executionId })
        return { token, fence }
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

/** Makes a store that keeps journals in this process: for tests, and for sagas that need no more than joining by `executionId`. */
export const makeMemory: Effect.Effect<Store> = makeMemoryStore

/** Keeps journals in this process, see {@link makeMemory}. Nothing survives the process, and no lease ever runs out. */
export const layerMemory: Layer.Layer<Checkpoint> = layer(makeMemory, { lease: Duration.infinity })
