/**
 * One action: its attempts, its pauses, its timeout, and how its doubt is settled.
 */
import { Cause, Chunk, Duration, Effect, Option, Schedule } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { keyOf } from "../definition/program.ts"
import type { ActionContext } from "../definition/Step.ts"
import { classifications } from "../journal/statuses.ts"
import { is, OutcomeUnknown } from "../SagaError.ts"
import { oneLine } from "../values/describe.ts"
import { beforeCall, unlessInterrupted } from "./beforeCall.ts"
import { considerRequests } from "./cancellation.ts"
import { cutAfter } from "./cutAfter.ts"
import { doubted, outcomeUnknown } from "./endings.ts"
import { haltOf } from "./halt.ts"
import { observedRetries, retryAs } from "./retries.ts"
import { type AnyEffect, type Frame, type Run } from "./run.ts"
import { inTransaction } from "./transaction.ts"

/** The calls of one step's action in this process. */
export class Action {
  /** How many calls there were. */
  attempt = 0
  /** Whether its outcome is stored already, in one transaction with its effect. */
  isStored = false
  /** Whether a cancellation has to wait for it. */
  private holds = false
  readonly owner: Run
  readonly frame: Frame
  readonly step: StepNode

  constructor(owner: Run, frame: Frame, step: StepNode) {
    this.owner = owner
    this.frame = frame
    this.step = step
  }

  context(): ActionContext<any, any> {
    const { frame, owner, step } = this
    return {
      input: frame.input,
      outputs: frame.outputs,
      idempotencyKey: keyOf(owner.key, step, "action"),
      executionId: owner.executionId,
      attempt: this.attempt,
      leaseEndsAt: owner.recorder?.leaseEndsAt()
    }
  }

  /** From here on a cancellation waits for this action. `isCounted`: the run knows of it already. */
  hold(isCounted = false): void {
    if (this.holds) return
    this.holds = true
    if (!isCounted) this.owner.busy++
  }

  /** A cancellation need not wait for this action any more. */
  letGo(): void {
    if (!this.holds) return
    this.holds = false
    this.owner.busy--
  }

  /** Between two calls it can be cancelled, unless it is in doubt. */
  pauses(isInDoubt: boolean): void {
    if (isInDoubt) return this.hold()
    this.letGo()
    considerRequests(this.owner)
  }

  private call(): AnyEffect {
    return Effect.suspend(() => beforeCall(this.owner, ++this.attempt, () => this.step.action(this.context())))
  }

  /** Runs an action without a side effect: nothing about it can be in doubt. */
  runReadOnly(): AnyEffect {
    const { retry, timeout } = this.step
    const call = this.call()
    const bounded = timeout === undefined ? call : Effect.timeout(call, timeout)
    if (retry === undefined) return bounded
    const policy = timeout === undefined ? retry : {
      ...retry,
      // The step's own condition knows the action's errors only.
      while: (error: unknown) => Cause.isTimeoutException(error) || (retry.while?.(error) ?? true)
    }
    return retryAs(bounded, policy, observedRetries(this.owner, "action", this))
  }

  /** Runs an action with a side effect; its doubt is settled by the step's policy (S7). */
  run(): AnyEffect {
    const { inDoubt, interruptible, retry, timeout, transaction } = this.step
    const isPlain = inDoubt === undefined && retry === undefined && timeout === undefined && interruptible !== true &&
      transaction !== true
    // Fast path. A doubt without a policy counts as a failure here; the types of every run refuse such a saga.
    if (isPlain && this.owner.recorder === undefined) return this.call()
    return inDoubt === undefined && retry === undefined
      ? Effect.catchAllCause(this.callBounded(), (cause) => {
        const doubt = doubtOf(cause)
        return doubt === undefined ? Effect.failCause(cause) : remainUnknown(this, doubt.reason)
      })
      : runAttempts(this, undefined)
  }

  /** One call. A Final is not called any more if its execution was stopped while its intent was being stored. */
  callBounded(): AnyEffect {
    const { owner, step } = this
    if (!classifications[step.classification].commits) return this.callUntilCut()
    // Once it has taken effect there is no way back: from here on a cancellation waits for that to be known.
    this.hold()
    const mayStop = owner.recorder?.durable === true && owner.committed.length === 0
    return mayStop ? unlessInterrupted(owner, () => this.callUntilCut()) : this.callUntilCut()
  }

  /** Cut off by its timeout and, if the step allows it, by an interruption: then it is in doubt (S2, S7). */
  private callUntilCut(): AnyEffect {
    const { interruptible, timeout, transaction } = this.step
    if (transaction === true) return this.callInTransaction()
    const call = this.call()
    if (interruptible !== true) {
      return timeout === undefined ? call : cutAfter(call, timeout, () => tookTooLong(timeout))
    }
    const bounded = timeout === undefined
      ? call
      : Effect.timeoutFail(call, { duration: timeout, onTimeout: () => tookTooLong(timeout) })
    return Effect.catchAllCause(this.owner.restore(bounded), (cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.fail(new OutcomeUnknown({ reason: "it was interrupted" }))
        : Effect.failCause(cause))
  }

  /** Rolled back where it is cut off, or fails: no doubt comes of it (S24). */
  private callInTransaction(): AnyEffect {
    const { owner, step } = this
    const { timeout } = step
    const called: AnyEffect = Effect.suspend(() => {
      // Also when the database has it run again.
      this.attempt++
      return step.action(this.context())
    })
    const onCut = () => new Cause.TimeoutException(tookTooLong(timeout!).reason)
    // No interruption reaches a Final: one that is being called decides (S19), and a later one is run to its end (S6).
    const restore: Run["restore"] = classifications[step.classification].commits ? (call) => call : owner.restore
    const bounded = timeout === undefined ? restore(called) : cutAfter(called, timeout, onCut, restore)
    return Effect.suspend(() => beforeCall(owner, this.attempt + 1, () => inTransaction(this, bounded)))
  }
}

const tookTooLong = (timeout: Duration.DurationInput) =>
  new OutcomeUnknown({ reason: `it took longer than ${Duration.format(timeout)}` })

/** The doubt in a cause. One that `verify` has settled is none. */
const doubtOf = (cause: Cause.Cause<unknown>): OutcomeUnknown | undefined =>
  Option.getOrUndefined(Chunk.findFirst(
    Cause.failures(cause),
    (error): error is OutcomeUnknown => is("OutcomeUnknown")(error) && error.happened === undefined
  ))

/**
 * Calls the action until it has an outcome or its attempts are used up. Each attempt is uninterruptible, the pauses between
 * them are not.
 *
 * An action in doubt stays in doubt until an attempt succeeds; until `verify` says that it did not happen; or until an attempt
 * fails with a typed error where the step says `inDoubt: "retry"`, which vouches that the other side honours the key.
 */
const runAttempts = (action: Action, inherited: OutcomeUnknown | undefined): AnyEffect => {
  const { inDoubt, isAnswer, retry } = action.step
  const { owner } = action
  const times = retry === undefined ? 1 : retry.times ?? Infinity
  const observed = observedRetries(owner, "action", action)
  let tried = 0
  let doubt = inherited
  const attempt = (next: (error: unknown) => AnyEffect): AnyEffect =>
    Effect.catchAllCause(action.callBounded(), (cause) => {
      if (haltOf(cause) !== undefined) return Effect.failCause(cause)
      const error = Option.getOrUndefined(Cause.failureOption(cause))
      const again = doubtOf(cause)
      if (again !== undefined) {
        doubt = again
        return inDoubt === "retry" ? pause(again, cause, next) : settleByVerify(again, next)
      }
      if (error === undefined) return endWith(cause)
      if (inDoubt === "retry" && isAnswer?.(error) !== false) doubt = undefined
      return pause(error, cause, next)
    })

  /** In doubt: `verify` says that it happened, or that it did not, which is a failure like any other. */
  const settleByVerify = (open: OutcomeUnknown, next: (error: unknown) => AnyEffect): AnyEffect =>
    ask(action, open, {
      happened: Effect.succeed,
      didNot: () => {
        doubt = undefined
        const error = new OutcomeUnknown({ ...doubted(owner, action.step, open.reason), happened: false })
        return pause(error, Cause.fail(error), next)
      }
    })

  const pause = (error: unknown, cause: Cause.Cause<unknown>, next: (error: unknown) => AnyEffect): AnyEffect => {
    if (tried >= times || !isRetried(action.step, error)) return endWith(cause)
    tried++
    observed?.failed(cause)
    action.pauses(doubt !== undefined)
    return Effect.matchCauseEffect(owner.restore(next(error)), {
      onSuccess: () => attempt(next),
      // The schedule ended, or the pause was interrupted: nothing has happened since the last attempt.
      onFailure: (paused) => endWith(Cause.isInterrupted(paused) && doubt === undefined ? paused : cause)
    })
  }

  const endWith = (cause: Cause.Cause<unknown>): AnyEffect =>
    doubt === undefined
      ? Effect.failCause(cause)
      : remainUnknown(
        action,
        doubtOf(cause) === doubt ? doubt.reason : `${doubt.reason}; run again, it ended with: ${oneLine(cause)}`
      )

  if (retry?.schedule === undefined) {
    return attempt(() => observed === undefined ? Effect.void : Effect.sync(observed.now))
  }
  const schedule = observed === undefined ? retry.schedule : observed.on(retry.schedule)
  return Effect.flatMap(Schedule.driver(schedule), (driver) => attempt((error) => driver.next(error)))
}

/** `retry.while` is never asked about a doubt, or about a timeout: its type knows the action's own errors only. */
const isRetried = ({ retry, transaction }: StepNode, error: unknown): boolean => {
  if (is("OutcomeUnknown")(error) || (transaction === true && Cause.isTimeoutException(error))) return true
  try {
    return retry !== undefined && (retry.while?.(error) ?? true)
  } catch {
    return false
  }
}

/** Asks the step whether its action happened; what it answers, or that it cannot tell, is settled by the caller. */
const ask = (
  action: Action,
  doubt: OutcomeUnknown,
  settle: { readonly happened: (output: unknown) => AnyEffect; readonly didNot: () => AnyEffect }
): AnyEffect => {
  const { inDoubt, timeout, verify } = action.step
  if (inDoubt !== "verify" || verify === undefined) return remainUnknown(action, doubt.reason)
  const call: AnyEffect = Effect.suspend(() => beforeCall(action.owner, 1, () => verify(action.context())))
  const asked = timeout === undefined
    ? call
    : cutAfter(call, timeout, () => new Cause.TimeoutException(tookTooLong(timeout).reason))
  return Effect.matchCauseEffect(asked as AnyEffect<Option.Option<unknown>>, {
    onFailure: (cause) =>
      haltOf(cause) === undefined
        ? remainUnknown(action, `${doubt.reason}; verify could not tell: ${oneLine(cause)}`)
        : Effect.failCause(cause),
    onSuccess: Option.match({ onSome: settle.happened, onNone: settle.didNot })
  })
}

/** Settles an action that an earlier process left in doubt, and runs it again where that is the answer (S7). */
export const settleDoubt = (action: Action, reason: string): AnyEffect => {
  const { step } = action
  const doubt = new OutcomeUnknown({ reason })
  const policy = step.inDoubt ?? (classifications[step.classification].isUndoable ? "retry" : "park")
  switch (policy) {
    case "retry":
      return runAttempts(action, doubt)
    case "verify":
      return ask(action, doubt, { happened: Effect.succeed, didNot: () => action.run() })
    case "park":
      return remainUnknown(action, reason)
  }
}

/** A durable execution waits with its doubt; in process the steps before are undone, unless a Final has taken effect. */
const remainUnknown = (action: Action, reason: string): AnyEffect =>
  Effect.suspend(() => {
    const { owner, step } = action
    const doubt = outcomeUnknown(owner, step, reason)
    owner.doubts.push(doubt)
    return Effect.fail(doubt)
  })
