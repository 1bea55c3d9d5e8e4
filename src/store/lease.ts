/** The lease of this process: it begins when it is first needed, is kept alive from then on, and is released at the end. */
import { Clock, Duration, Effect, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import type { Claim, Store, Token } from "./store.ts"

export interface Lease {
  readonly token: Effect.Effect<Token, CheckpointError>
  /** By this process's own clock. */
  readonly isValid: (token: Token) => boolean
  /** Asks the store. */
  readonly check: (token: Token) => Effect.Effect<boolean, CheckpointError>
  readonly release: (executionId: string, claim: Claim) => Effect.Effect<void>
}

export const makeLease = (store: Store, duration: Duration.Duration): Effect.Effect<Lease, never, Scope.Scope> =>
  Effect.gen(function*() {
    const held = new HeldLease(store, Duration.toMillis(duration), yield* Effect.makeSemaphore(1), yield* Effect.scope)
    yield* Effect.addFinalizer(() => held.end)
    return {
      token: held.token,
      isValid: (token) => held.isValid(token),
      check: (token) => held.check(token),
      release: (executionId, claim) => held.release(executionId, claim)
    }
  })

// Leases use real time, also under a `TestClock`.
const live = Effect.withClock(Clock.make())
const now = () => performance.now()

class HeldLease {
  private readonly store: Store
  private readonly milliseconds: number
  private readonly turn: Effect.Semaphore
  private readonly scope: Scope.Scope
  private current: { readonly token: Token; lastsUntil: number } | undefined
  /** Claims to release, by execution. Cleared when their lease ends. */
  private readonly toRelease = new Map<string, Claim>()

  constructor(store: Store, milliseconds: number, turn: Effect.Semaphore, scope: Scope.Scope) {
    this.store = store
    this.milliseconds = milliseconds
    this.turn = turn
    this.scope = scope
  }

  readonly token: Effect.Effect<Token, CheckpointError> = Effect.suspend(() =>
    this.current !== undefined && this.lasts()
      ? Effect.succeed(this.current.token)
      : this.turn.withPermits(1)(Effect.uninterruptible(this.renewed))
  )

  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    const token = this.current?.token
    // From here on nothing is held, whatever the store says.
    this.current = undefined
    return token === undefined ? Effect.void : quietly(this.store.release(token))
  })

  isValid(token: Token): boolean {
    return this.current?.token === token && this.lasts()
  }

  check(token: Token): Effect.Effect<boolean, CheckpointError> {
    return Effect.suspend(() => {
      const asked = now()
      return Effect.map(this.store.renew(token), (lasts) => {
        if (this.current?.token !== token) return lasts
        if (lasts) this.current.lastsUntil = asked + this.milliseconds
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

  private lasts(): boolean {
    return this.current !== undefined && now() < this.current.lastsUntil
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
    return Effect.tap(this.store.acquire({ milliseconds: this.milliseconds }), (token) => {
      this.current = { token, lastsUntil: asked + this.milliseconds }
      if (!Number.isFinite(this.milliseconds)) return Effect.void
      return Effect.forkIn(Effect.interruptible(this.keepAlive(token)), this.scope)
    })
  })

  private keepAlive(token: Token) {
    return Effect.suspend(() => this.current?.token === token ? this.check(token) : Effect.succeed(false)).pipe(
      Effect.zipLeft(this.releaseAll(token)),
      Effect.catchAllCause((cause) => Effect.as(Effect.logDebug("the lease could not be renewed", cause), true)),
      Effect.delay(this.milliseconds / 3),
      Effect.repeat({ while: (lasts) => lasts }),
      Effect.zipRight(
        Effect.logWarning("the lease of this process has ended: the executions that it drove are left for recovery")
      ),
      live
    )
  }

  private releaseAll(token: Token): Effect.Effect<void, CheckpointError> {
    return Effect.suspend(() => {
      const claims = Array.from(this.toRelease, ([executionId, claim]) => ({ executionId, ...claim }))
      for (const claim of claims) if (claim.token !== token) this.toRelease.delete(claim.executionId)
      const ours = claims.filter((claim) => claim.token === token)
      return ours.length === 0 ? Effect.void : Effect.map(this.store.release(token, ours), () => {
        for (const { executionId, fence } of ours) {
          if (this.toRelease.get(executionId)?.fence === fence) this.toRelease.delete(executionId)
        }
      })
    })
  }
}

const quietly = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.catchAllCause(Effect.asVoid(effect), (cause) => Effect.logDebug("claims could not be released", cause))
