/** The calls of one step's compensation in this process: its attempts, its timeout and its retry. */
import { Cause, Effect } from "effect"
import { keyOf } from "../definition/program.ts"
import type { CompensationContext } from "../definition/Step.ts"
import { cutAfter } from "./action.ts"
import { observedRetries, retryAs } from "./retries.ts"
import type { AnyEffect, Armed, Run } from "./run.ts"

export class Compensation {
  /** How many calls there were in this process. */
  attempt = 0
  readonly owner: Run
  readonly armed: Armed
  readonly cause: Cause.Cause<unknown>

  constructor(owner: Run, armed: Armed, cause: Cause.Cause<unknown>) {
    this.owner = owner
    this.armed = armed
    this.cause = cause
  }

  get step() {
    return this.armed.step
  }

  private context(): CompensationContext<any, any, any> {
    const { armed: { frame, output, step }, cause, owner } = this
    return {
      input: frame.input,
      outputs: frame.outputs,
      output,
      cause,
      idempotencyKey: keyOf(owner.key, step, "compensation"),
      actionIdempotencyKey: keyOf(owner.key, step, "action"),
      executionId: owner.executionId,
      attempt: this.attempt
    }
  }

  /** Calls it until it succeeds, or has failed for good. */
  run(): AnyEffect {
    const { compensate, compensationRetry, compensationTimeout } = this.step
    const once = Effect.suspend(() => {
      const halt = this.attempt++ === 0 ? undefined : this.owner.recorder?.mustStop()
      return halt === undefined ? compensate!(this.context()) : Effect.die(halt)
    })
    const bounded = compensationTimeout === undefined
      ? once
      : cutAfter(once, compensationTimeout, () => new Cause.TimeoutException("the compensation took too long"))
    return compensationRetry === undefined
      ? bounded
      : retryAs(bounded, compensationRetry, observedRetries(this.owner, "compensation", this))
  }
}
