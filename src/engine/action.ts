/**
 * One action: its attempts, its pauses, its timeout, and how its doubt is settled.
 */
import { Cause, Chunk, Duration, Effect, Exit, Fiber, Option, Schedule } from "effect"
import { OutcomeUnknown } from "../SagaError.ts"
import type { ActionContext, RetryPolicy } from "../definition/Step.ts"
import type { StepNode } from "../definition/definition.ts"
import { oneLine } from "../values/describe.ts"
import { keyOf } from "../definition/key.ts"
import { type AnyEffect, type Frame, type Run } from "./run.ts"

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
      const halt = this.attempt++ === 0 ? undefined : this.run.recorder?.mustStop()
      return halt === undefined ? this.step.action(this.context()) : Effect.die(halt)
    })
  }

  /** The outcome of an action without a side effect: nothing about it can be in doubt. */
  get reading(): AnyEffect {
    const { retry, timeout } = this.step
    if (timeout === undefined) return retry === undefined ? this.once : Effect.retry(this.once, retryOptions(retry))
    const once = Effect.timeout(this.once, timeout)
    return retry === undefined ? once : Effect.retry(once, {
      ...retryOptions(retry),
      // The step's own condition knows the action's errors only.
      while: (error) => Cause.isTimeoutException(error) || (retry.while?.(error) ?? true)
    })
  }

  /** The outcome of an action with a side effect, its doubt settled by the step's policy (S7). */
  get outcome(): AnyEffect {
    const { inDoubt, interruptible, retry, timeout } = this.step
    const plain = inDoubt === undefined && retry === undefined && timeout === undefined && interruptible !== true
    // In process a doubt without a policy is a failure, and such a saga is refused by every run's type.
    if (plain && this.run.recorder === undefined) return this.once
    return inDoubt === undefined && retry === undefined
      ? Effect.catchAllCause(this.bounded, (cause) => {
        const doubt = doubtOf(cause)
        return doubt === undefined ? Effect.failCause(cause) : remainsUnknown(this, doubt.reason)
      })
      : attempts(this, undefined)
  }

  /** One call, ended by its timeout and, where the step allows it, by an interruption: then it is in doubt (S2, S7). */
  get bounded(): AnyEffect {
    const { interruptible, timeout } = this.step
    if (interruptible !== true) {
      return timeout === undefined ? this.once : cutAfter(this.once, timeout, () => tookTooLong(timeout))
    }
    const once = timeout === undefined
      ? this.once
      : Effect.timeoutFail(this.once, { duration: timeout, onTimeout: () => tookTooLong(timeout) })
    return Effect.catchAllCause(this.run.restore(once), (cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.fail(new OutcomeUnknown({ reason: "it was interrupted" }))
        : Effect.failCause(cause))
  }
}

const tookTooLong = (timeout: Duration.DurationInput) =>
  new OutcomeUnknown({ reason: `it took longer than ${Duration.format(timeout)}` })

/**
 * Interrupts an effect after a time, and nothing else does: the effect runs in a daemon, for an interruption of this fiber
 * would reach its children although it is uninterruptible itself. An effect that succeeds in the same moment has succeeded.
 */
export const cutAfter = (effect: AnyEffect, timeout: Duration.DurationInput, onCut: () => unknown): AnyEffect =>
  Effect.gen(function*() {
    let cut = false
    const fiber = yield* Effect.forkDaemon(Effect.interruptible(effect))
    const timer = yield* Effect.forkDaemon(Effect.interruptible(
      Effect.zipRight(
        Effect.sleep(timeout),
        Effect.suspend(() => {
          cut = true
          return Fiber.interruptFork(fiber)
        })
      )
    ))
    const exit = yield* Fiber.await(fiber)
    yield* Fiber.interruptFork(timer)
    if (Exit.isSuccess(exit)) yield* Fiber.inheritAll(fiber)
    return yield* cut && Exit.isInterrupted(exit) ? Effect.fail(onCut()) : exit
  })

export const retryOptions = (policy: RetryPolicy<any, number, any>) => policy as Effect.Retry.Options<unknown>

/** What is in doubt after a failure; a doubt that `verify` has settled is none. */
const doubtOf = (cause: Cause.Cause<unknown>): OutcomeUnknown | undefined =>
  Option.getOrUndefined(Chunk.findFirst(
    Cause.failures(cause),
    (error): error is OutcomeUnknown => error instanceof OutcomeUnknown && error.happened === undefined
  ))

/**
 * Calls the action until it has an outcome or its attempts are used up. Each attempt is uninterruptible, the pauses between
 * them are not.
 *
 * A doubt sticks. It ends when an attempt succeeds; when `verify` says that it did not happen; or when the step says
 * `inDoubt: "retry"`, which vouches that the key is honoured, and an attempt fails with a typed error. Nothing else ends it.
 */
const attempts = (action: Action, inherited: OutcomeUnknown | undefined): AnyEffect => {
  const { inDoubt, isAnswer, retry } = action.step
  const { run } = action
  const times = retry === undefined ? 1 : retry.times ?? Infinity
  let tried = 0
  let doubt = inherited
  const attempt = (next: (error: unknown) => AnyEffect): AnyEffect =>
    Effect.catchAllCause(action.bounded, (cause) => {
      const error = Option.getOrUndefined(Cause.failureOption(cause))
      const again = doubtOf(cause)
      if (again !== undefined) {
        doubt = again
        return inDoubt === "retry" ? pause(again, cause, next) : settleAndGoOn(again, next)
      }
      if (error === undefined) return endOf(cause)
      if (inDoubt === "retry" && isAnswer?.(error) !== false) doubt = undefined
      return pause(error, cause, next)
    })

  /** In doubt: `verify` says that it happened, or that it did not, which is a failure like any other. */
  const settleAndGoOn = (open: OutcomeUnknown, next: (error: unknown) => AnyEffect): AnyEffect =>
    Effect.matchCauseEffect(ask(action, open), {
      onFailure: (cause) => remainsUnknown(action, reasonOf(cause)),
      onSuccess: Option.match({
        onSome: Effect.succeed,
        onNone: () => {
          doubt = undefined
          const error = new OutcomeUnknown({ ...named(action, open.reason), happened: false })
          return pause(error, Cause.fail(error), next)
        }
      })
    })

  const pause = (error: unknown, cause: Cause.Cause<unknown>, next: (error: unknown) => AnyEffect): AnyEffect => {
    if (tried >= times || !isWorthIt(error)) return endOf(cause)
    tried++
    return Effect.matchCauseEffect(run.restore(next(error)), {
      onSuccess: () => attempt(next),
      // The schedule is through, or an interruption came: then nothing was done since the last attempt.
      onFailure: (paused) => endOf(Cause.isInterrupted(paused) && doubt === undefined ? paused : cause)
    })
  }

  /** What is in doubt, or was, is not for the step's own condition to judge, which knows the action's errors only. */
  const isWorthIt = (error: unknown): boolean => {
    if (error instanceof OutcomeUnknown) return true
    try {
      return retry !== undefined && (retry.while?.(error) ?? true)
    } catch {
      return false
    }
  }

  const endOf = (cause: Cause.Cause<unknown>): AnyEffect =>
    doubt === undefined
      ? Effect.failCause(cause)
      : remainsUnknown(
        action,
        doubtOf(cause) === doubt ? doubt.reason : `${doubt.reason}; and, run again: ${oneLine(cause)}`
      )

  return retry?.schedule === undefined
    ? attempt(() => Effect.void)
    : Effect.flatMap(Schedule.driver(retry.schedule), (driver) => attempt((error) => driver.next(error)))
}

/** Asks the step whether its action happened; fails with a reason where it does not say or cannot tell. */
const ask = (action: Action, doubt: OutcomeUnknown): AnyEffect<Option.Option<unknown>> => {
  const { inDoubt, verify } = action.step
  if (inDoubt !== "verify" || verify === undefined) return Effect.fail(doubt.reason)
  return Effect.catchAllCause(
    Effect.suspend(() => verify(action.context())),
    (cause) => Effect.fail(`${doubt.reason}; and verify could not tell: ${oneLine(cause)}`)
  )
}

const reasonOf = (cause: Cause.Cause<unknown>) => String(Cause.squash(cause))

/** The outcome of an action that an earlier process left in doubt. */
export const settleFirst = (action: Action, reason: string): AnyEffect => {
  const { step } = action
  const doubt = new OutcomeUnknown({ reason })
  const policy = step.inDoubt ?? (step.classification === "Compensatable" ? "retry" : "park")
  if (policy === "retry") return attempts(action, doubt)
  return Effect.matchCauseEffect(ask(action, doubt), {
    onFailure: (cause) => remainsUnknown(action, reasonOf(cause)),
    onSuccess: Option.match({ onSome: Effect.succeed, onNone: () => action.outcome })
  })
}

const named = ({ run, step }: Action, reason: string) => ({
  reason,
  idempotencyKey: keyOf(run.key, step, "action"),
  saga: run.program.name,
  executionId: run.executionId,
  step: step.path
})

/** A durable execution waits with its doubt; in process the steps before are undone, unless a Final has taken effect. */
const remainsUnknown = (action: Action, reason: string): AnyEffect =>
  Effect.suspend(() => {
    const { run } = action
    const parked = run.recorder?.durable === true
    const doubt = new OutcomeUnknown({
      ...named(action, reason),
      ...(parked || run.committed.length === 0 ? { parked } : undefined)
    })
    run.doubts.push(doubt)
    return Effect.fail(doubt)
  })
