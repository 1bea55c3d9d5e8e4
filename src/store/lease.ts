/** The lease of this process: begun when it is first needed, kept alive from then on, and given back at the end. */
import { Clock, Duration, Effect, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import type { Claim, Store, Token } from "./store.ts"

export interface Lease {
  readonly token: Effect.Effect<Token, CheckpointError>
  readonly holds: (token: Token) => boolean
  /** Asks the store. */
  readonly check: (token: Token) => Effect.Effect<boolean, CheckpointError>
  readonly letGo: (executionId: string, claim: Claim) => Effect.Effect<void>
}

export const makeLease = (store: Store, duration: Duration.Duration): Effect.Effect<Lease, never, Scope.Scope> =>
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
