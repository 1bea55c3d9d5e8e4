/** The calls of one step's compensation in this process: its attempts, its timeout and its retry. */
import { Cause, Effect } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { keyOf } from "../definition/program.ts"
import type { CompensationContext } from "../definition/Step.ts"
import { isInterruptPending } from "../values/fiber.ts"
import { beforeCall } from "./beforeCall.ts"
import { cutAfter } from "./cutAfter.ts"
import { Halt } from "./halt.ts"
import { observedRetries, retryAs } from "./retries.ts"
import type { AnyEffect, Armed, Run } from "./run.ts"
import { undoInTransaction } from "./transaction.ts"

export class Compensation {
  /** How many calls there were in this process. */
  attempt = 0
  /** Whether its outcome is stored already, in one transaction with its effect. */
  isStored = false
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
      attempt: this.attempt,
      leaseEndsAt: owner.recorder?.leaseEndsAt()
    }
  }

  /** Calls it until it succeeds, or has failed for good. */
  run(): AnyEffect {
    const { compensate, compensationRetry, transaction } = this.step
    const { owner } = this
    const bounded = transaction === true
      ? this.callInTransaction()
      : this.cut(Effect.suspend(() => beforeCall(owner, ++this.attempt, () => compensate!(this.context()))))
    if (compensationRetry === undefined) return bounded
    const observed = observedRetries(owner, "compensation", this)
    if (owner.recorder?.durable !== true) {
      // Nothing can interrupt it: in process it has to end by itself.
      const times = Math.min(compensationRetry.times ?? Infinity, mostAttempts)
      return retryAs(bounded, { ...compensationRetry, times }, observed)
    }
    return Effect.withFiberRuntime((fiber) =>
      // An interruption that led to this unwinding must not keep it from being run.
      !owner.isSuspended() && isInterruptPending(fiber)
        ? retryAs(bounded, compensationRetry, observed)
        : this.runSuspendable(bounded, compensationRetry, observed)
    )
  }

  /** Cut off by its timeout. */
  private cut(call: AnyEffect): AnyEffect {
    const { compensationTimeout } = this.step
    return compensationTimeout === undefined
      ? call
      : cutAfter(call, compensationTimeout, () => new Cause.TimeoutException("the compensation took too long"))
  }

  /** Rolled back where it is cut off, or fails (S24). */
  private callInTransaction(): AnyEffect {
    const { owner, step } = this
    const called: AnyEffect = Effect.suspend(() => {
      // Also when the database has it run again.
      this.attempt++
      return step.compensate!(this.context())
    })
    return Effect.suspend(() => beforeCall(owner, this.attempt + 1, () => undoInTransaction(this, this.cut(called))))
  }

  /** Lets an interruption leave the execution to its next driver, in the pause between two calls. */
  private runSuspendable(
    bounded: AnyEffect,
    policy: NonNullable<StepNode["compensationRetry"]>,
    observed: ReturnType<typeof observedRetries>
  ): AnyEffect {
    const { owner } = this
    let done = false
    const attempt = Effect.uninterruptible(Effect.map(bounded, () => {
      done = true
    }))
    return Effect.catchAllCause(
      owner.restore(retryAs(attempt, policy, observed)),
      (cause) =>
        // An attempt that succeeded while the interruption waited for it has undone the step.
        done ? Effect.void : Effect.matchCauseEffect(owner.restore(Effect.void), {
          onSuccess: () => Effect.failCause(cause),
          // Interrupted in the pause between two attempts: the next driver goes on from here.
          onFailure: (interruption) => Effect.die(new Halt(interruption as Cause.Cause<never>))
        })
    )
  }
}

/** How often a compensation is called again in process, whatever its retry says. */
const mostAttempts = 1000
