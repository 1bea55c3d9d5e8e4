/**
 * Lets the event loop turn. Effect hands over to it only after thousands of yields of one fiber, and a store that answers at once
 * (SQLite, memory) gives it no other chance: executions that follow each other would let no timer fire for as long as they last, and
 * the lease would end in the midst of them.
 */
import { Effect } from "effect"

const longestHold = 50

const { setImmediate: nextTurn = (then: () => void): unknown => setTimeout(then, 0) } = globalThis as {
  readonly setImmediate?: (then: () => void) => unknown
}

export class EventLoop {
  /** Since when a turn is waited for. */
  private since: number | undefined
  private waiting: Array<() => void> = []

  /** The effect, and a turn before it if there was none for long. */
  before<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const now = performance.now()
    if (this.since === undefined) {
      this.since = now
      nextTurn(this.turned)
    }
    return now - this.since < longestHold ? effect : Effect.zipRight(this.untilTurned, effect)
  }

  private readonly turned = () => {
    this.since = undefined
    const { waiting } = this
    this.waiting = []
    for (const resume of waiting) resume()
  }

  private readonly untilTurned = Effect.async<void>((resume) => {
    if (this.since === undefined) resume(Effect.void)
    else this.waiting.push(() => resume(Effect.void))
  })
}
