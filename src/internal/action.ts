/**
 * One action: its attempts, its pauses, its timeout, and how its doubt is settled.
 */
import { Cause, Duration, Effect, Exit, Fiber, Option } from "effect"
import { OutcomeUnknown } from "../SagaError.ts"
import type { ActionContext, RetryPolicy } from "../Step.ts"
import type { StepNode } from "./program.ts"
import { type AnyEffect, type Frame, keyOf, type Run } from "./run.ts"

/** The calls of one step's action in this process. */
export class Action {
  attempt = 0
  readonly run: Run
  readonly frame: Frame
  readonly step: StepNode

  constructor(run: Run, frame: Frame, step: StepNode) {
    this.run = run
    this.frame = frame
    this.step = step
  }

  context(): ActionContext<any, any> {
    const { frame, run, step } = this
    return {
      input: frame.input,
      outputs: frame.outputs,
      idempotencyKey: keyOf(run.key, step, "action"),
      executionId: run.executionId,
      attempt: this.attempt
    }
  }

  get once(): AnyEffect {
    return Effect.suspend(() => {
      this.attempt++
      return this.step.action(this.context())
    })
  }

  /** The outcome of an action without a side effect: nothing about it can be in doubt. */
  get reading(): AnyEffect {
    const { retry, timeout } = this.step
    const once = timeout === undefined ? this.once : Effect.timeout(this.once, timeout)
    return retry === undefined ? once : Effect.retry(once, retryOptions(retry))
  }

  /** The outcome of an action with a side effect, its doubt settled by the step's policy (S7). */
  get outcome(): AnyEffect {
    const { inDoubt, retry } = this.step
    if (inDoubt === undefined && retry === undefined) {
      return Effect.catchAllCause(this.bounded, (cause) => endOf(this, cause))
    }
    const settled = Effect.catchAllCause(this.bounded, (cause) => {
      const doubt = doubtOf(cause)
      return doubt === undefined || inDoubt === "retry" ? Effect.failCause(cause) : settle(this, doubt)
    })
    return Effect.catchAllCause(withPauses(this.run, settled, retryOfDoubt(retry)), (cause) => endOf(this, cause))
  }

  /** One call, ended by its timeout and, where the step allows it, by an interruption: then it is in doubt (S2, S7). */
  private get bounded(): AnyEffect {
    const { interruptible, timeout } = this.step
    if (interruptible !== true) return timeout === undefined ? this.once : cutAfter(this.once, timeout)
    const once = timeout === undefined
      ? this.once
      : Effect.timeoutFail(this.once, { duration: timeout, onTimeout: () => tookTooLong(timeout) })
    return Effect.catchAllCause(this.run.restore(once), (cause) =>
      Effect.failCause(
        Cause.isInterrupted(cause)
          ? Cause.parallel(Cause.fail(new OutcomeUnknown({ reason: "it was interrupted" })), cause)
          : cause
      ))
  }
}

const tookTooLong = (timeout: Duration.DurationInput) =>
  new OutcomeUnknown({ reason: `it took longer than ${Duration.format(timeout)}` })

/**
 * Interrupts an action after a time, although the region around it is uninterruptible. An action that succeeds in the same
 * moment has succeeded; otherwise nobody knows.
 */
const cutAfter = (action: AnyEffect, timeout: Duration.DurationInput): AnyEffect =>
  Effect.flatMap(Effect.fork(Effect.interruptible(action)), (fiber) =>
    Effect.flatMap(
      Effect.raceFirst(
        Effect.interruptible(Effect.as(Fiber.await(fiber), true)),
        Effect.interruptible(Effect.as(Effect.sleep(timeout), false))
      ),
      (inTime) =>
        inTime ?
          Fiber.join(fiber) :
          Effect.flatMap(Fiber.interrupt(fiber), (exit) =>
            Exit.isFailure(exit) && Cause.isInterrupted(exit.cause)
              ? Effect.fail(tookTooLong(timeout))
              : exit)
    ))

export const retryOptions = (policy: RetryPolicy<any, number, any>) => policy as Effect.Retry.Options<unknown>

const doubtOf = (cause: Cause.Cause<unknown>): OutcomeUnknown | undefined =>
  Array.from(Cause.failures(cause)).find((error) => error instanceof OutcomeUnknown)

/** Ends the attempts at an action: nobody can say, or should say without being asked, whether it happened. */
class Unsettled {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * The step's own retry; without one, an action whose doubt is settled by running it again is run again once. What stays
 * unsettled is never tried again.
 */
const retryOfDoubt = (retry: StepNode["retry"]): Effect.Retry.Options<unknown> =>
  retry === undefined
    ? { times: 1, while: (error) => error instanceof OutcomeUnknown }
    : { ...retryOptions(retry), while: (error) => !(error instanceof Unsettled) && (retry.while?.(error) ?? true) }

/**
 * Tries again: each attempt is uninterruptible, the pauses between them are not, and an attempt that succeeded is never lost
 * to an interruption.
 */
const withPauses = (run: Run, attempt: AnyEffect, retry: Effect.Retry.Options<unknown>): AnyEffect =>
  Effect.suspend(() => {
    let last: Exit.Exit<unknown, unknown> | undefined
    const noted = Effect.flatMap(Effect.exit(attempt), (exit) => {
      last = exit
      return exit
    })
    return Effect.catchAllCause(
      run.restore(Effect.retry(Effect.uninterruptible(noted), retry)),
      (cause) => last !== undefined && Exit.isSuccess(last) ? last : Effect.failCause(cause)
    )
  })

/** What an action in doubt comes to: that it happened, that it did not (which may be tried again), or that nobody can say. */
const settle = (action: Action, doubt: OutcomeUnknown): AnyEffect =>
  action.step.inDoubt !== "verify"
    ? Effect.fail(new Unsettled(doubt.reason))
    : Effect.matchCauseEffect(Effect.suspend(() => action.step.verify!(action.context())), {
      onFailure: (cause) =>
        Effect.fail(new Unsettled(`${doubt.reason}; and verify could not tell: ${Cause.pretty(cause)}`)),
      onSuccess: Option.match({
        onSome: (output) => Effect.succeed(output),
        onNone: () => Effect.fail(new OutcomeUnknown({ ...named(action, doubt.reason), happened: false }))
      })
    })

/** The outcome of an action that an earlier process left in doubt. */
export const settleFirst = (action: Action, reason: string): AnyEffect => {
  const { step } = action
  const policy = step.inDoubt ?? (step.classification === "Compensatable" ? "retry" : "park")
  if (policy === "retry") return action.outcome
  return Effect.catchAllCause(
    settle(action, new OutcomeUnknown({ reason })),
    (cause) => doubtOf(cause)?.happened === false ? action.outcome : endOf(action, cause)
  )
}

const named = ({ run, step }: Action, reason: string) => ({
  reason,
  idempotencyKey: keyOf(run.key, step, "action"),
  saga: run.program.name,
  executionId: run.executionId,
  step: step.path
})

/** How the failure of an action ends it. What is still in doubt is noted, so that a durable run waits with it. */
const endOf = (action: Action, cause: Cause.Cause<unknown>): AnyEffect => {
  const error = Array.from(Cause.failures(cause)).find((error) =>
    error instanceof Unsettled || (error instanceof OutcomeUnknown && error.happened === undefined)
  ) as Unsettled | OutcomeUnknown | undefined
  if (error === undefined) return Effect.failCause(cause)
  const { run } = action
  const doubt = new OutcomeUnknown({ ...named(action, error.reason), parked: run.recorder?.durable === true })
  run.doubts.push(doubt)
  return Effect.fail(doubt)
}
