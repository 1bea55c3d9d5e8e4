/** The lease of this process: it begins when it is first needed, is kept alive from then on, and is released at the end. */
import { Clock, Effect, Fiber, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import type { Claim, Store, Token } from "./store.ts"

export interface Lease {
  readonly token: Effect.Effect<Token, CheckpointError>
  /** The lease if it has begun, and lasts by this process's own clocks. */
  readonly currentToken: () => Token | undefined
  /** By this process's own clocks. */
  readonly isValid: (token: Token) => boolean
  /** In epoch milliseconds, by this process's own clocks; undefined if it is infinite, or has ended. */
  readonly endsAt: (token: Token) => number | undefined
  /** Asks the store. */
  readonly check: (token: Token) => Effect.Effect<boolean, CheckpointError>
  readonly release: (executionId: string, claim: Claim) => Effect.Effect<void>
  /** Waits for an effect while the store closes: for all of them together not longer than others would wait for the lease. */
  readonly whileClosing: (effect: Effect.Effect<unknown, unknown>) => Effect.Effect<void>
  /** From here on this process holds nothing; for others the lease runs out by itself. */
  readonly forget: () => void
}

export const makeLease = (store: Store, milliseconds: number): Effect.Effect<Lease, never, Scope.Scope> =>
  Effect.gen(function*() {
    const held = new HeldLease(store, milliseconds, yield* Effect.makeSemaphore(1))
    // An infinite lease needs no renewal.
    if (Number.isFinite(milliseconds)) {
      // Begun here and not with the lease: the fiber would keep the context of the call that needs the lease first.
      const fiber = yield* Effect.forkDaemon(Effect.interruptible(held.heartbeat))
      yield* Effect.addFinalizer(() => held.whileClosing(Fiber.interrupt(fiber)))
    }
    yield* Effect.addFinalizer(() => held.end)
    return held
  })

// Leases use real time, also under a `TestClock`.
export const live = Effect.withClock(Clock.make())

/** A moment by two clocks: only the first is never set back, only the second counts while the machine sleeps. */
interface Moment {
  readonly monotonic: number
  readonly wall: number
}

const now = (): Moment => ({ monotonic: performance.now(), wall: Date.now() })

const millisecondsSince = ({ monotonic, wall }: Moment): number =>
  Math.max(performance.now() - monotonic, Date.now() - wall)

const longestBeat = 3_600_000
const longestClosing = 30_000

class HeldLease implements Lease {
  private readonly store: Store
  private readonly milliseconds: number
  private readonly turn: Effect.Semaphore
  private current: { readonly token: Token; since: Moment } | undefined
  /** Claims to release, by execution. Cleared when their lease ends. */
  private readonly toRelease = new Map<string, Claim>()
  private wakeHeartbeat: (() => void) | undefined
  private closesBy: number | undefined

  constructor(store: Store, milliseconds: number, turn: Effect.Semaphore) {
    this.store = store
    this.milliseconds = milliseconds
    this.turn = turn
  }

  readonly token: Effect.Effect<Token, CheckpointError> = Effect.suspend(() =>
    this.current !== undefined && this.lasts()
      ? Effect.succeed(this.current.token)
      : this.turn.withPermits(1)(Effect.uninterruptible(this.renewed))
  )

  /** Renews the lease while there is one, until the store closes. */
  readonly heartbeat: Effect.Effect<void> = Effect.suspend(() =>
    live(Effect.whileLoop({
      while: () => true,
      body: () => this.current === undefined ? this.untilAcquired : this.beat(this.current.token),
      step: () => {}
    }))
  )

  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    const token = this.current?.token
    // From here on nothing is held, whatever the store says.
    this.current = undefined
    return token === undefined ? Effect.void : this.whileClosing(this.store.release(token))
  })

  forget(): void {
    this.current = undefined
  }

  currentToken(): Token | undefined {
    return this.lasts() ? this.current?.token : undefined
  }

  isValid(token: Token): boolean {
    return this.current?.token === token && this.lasts()
  }

  endsAt(token: Token): number | undefined {
    if (this.current?.token !== token || !Number.isFinite(this.milliseconds)) return undefined
    const { monotonic, wall } = now()
    const { since } = this.current
    return Math.floor(wall + this.milliseconds - Math.max(monotonic - since.monotonic, wall - since.wall))
  }

  check(token: Token): Effect.Effect<boolean, CheckpointError> {
    return Effect.suspend(() => {
      // The lease lasts from when the store was asked: the answer may have taken long.
      const asked = now()
      return Effect.map(this.store.renew(token), (lasts) => {
        if (this.current?.token !== token) return lasts
        if (lasts) this.current.since = asked
        else this.current = undefined
        return lasts
      })
    })
  }

  release(executionId: string, claim: Claim): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.current?.token !== claim.token) return Effect.void
      this.toRelease.set(executionId, claim)
      return quietly(this.releaseAll(claim.token))
    })
  }

  whileClosing(effect: Effect.Effect<unknown, unknown>): Effect.Effect<void> {
    return live(Effect.suspend(() => {
      const now = performance.now()
      this.closesBy ??= now + Math.min(this.milliseconds, longestClosing)
      // Finalizers are uninterruptible, and a timeout has to interrupt.
      const apart = Effect.interruptible(Effect.disconnect(effect))
      return quietly(Effect.timeout(apart, Math.max(0, this.closesBy - now)))
    }))
  }

  private lasts(): boolean {
    return this.current !== undefined && millisecondsSince(this.current.since) < this.milliseconds
  }

  /** After a pause only the store knows whether the lease has outlasted it. */
  private readonly renewed = Effect.suspend(() => {
    if (this.current === undefined) return this.acquire
    const { token } = this.current
    return this.lasts()
      ? Effect.succeed(token)
      : Effect.flatMap(this.check(token), (lasts) => lasts ? Effect.succeed(token) : this.acquire)
  })

  private readonly acquire = Effect.suspend(() => {
    const asked = now()
    return Effect.map(this.store.acquire({ milliseconds: this.milliseconds }), (token) => {
      this.current = { token, since: asked }
      this.wakeHeartbeat?.()
      return token
    })
  })

  private readonly untilAcquired = Effect.async<void>((resume) => {
    this.wakeHeartbeat = () => resume(Effect.void)
  })

  private beat(token: Token): Effect.Effect<void> {
    const renewal = Effect.suspend(() => this.current?.token === token ? this.check(token) : Effect.succeed(false))
    const claimsReleased = Effect.zipLeft(renewal, this.releaseAll(token))
    const lasts = Effect.catchAllCause(
      claimsReleased,
      (cause) => Effect.as(Effect.logDebug("the lease could not be renewed", cause), true)
    )
    return Effect.flatMap(Effect.delay(lasts, Math.min(this.milliseconds / 3, longestBeat)), (lasts) =>
      lasts
        ? Effect.void
        : Effect.logWarning("the lease of this process has ended: the executions that it drove are left for recovery"))
  }

  private releaseAll(token: Token): Effect.Effect<void, CheckpointError> {
    return Effect.suspend(() => {
      const claims = Array.from(this.toRelease, ([executionId, claim]) => ({ executionId, ...claim }))
      for (const claim of claims) if (claim.token !== token) this.toRelease.delete(claim.executionId)
      const ours = claims.filter((claim) => claim.token === token)
      return ours.length === 0 ? Effect.void : Effect.map(this.store.release(token, ours), () => {
        for (const { executionId, fence } of ours) {
          // A later claim of the same execution may wait for its release.
          if (this.toRelease.get(executionId)?.fence === fence) this.toRelease.delete(executionId)
        }
      })
    })
  }
}

const quietly = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.catchAllCause(Effect.asVoid(effect), (cause) => Effect.logDebug("claims could not be released", cause))
