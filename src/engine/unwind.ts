/** The way back: S3, S4, S5, S6, S8. */
import { Cause, Effect } from "effect"
import * as Journal from "../Journal.ts"
import { CompensationFailed, FailedAfterCommit, type FailedCompensation } from "../SagaError.ts"
import type { CompensationContext } from "../definition/Step.ts"
import { cutAfter, retryOptions } from "./action.ts"
import { keyOf } from "../definition/key.ts"
import { haltOf, type Recorder, storeCause } from "./recorder.ts"
import { type AnyEffect, type Armed, type ArmedList, type Run } from "./run.ts"

/** Ends a run whose way forward has ended so: waits, or goes back, or says what stands. */
export const goBack = (run: Run, ended: Cause.Cause<unknown>): AnyEffect => {
  const { past, recorder } = run
  const halt = recorder === undefined ? undefined : haltOf(ended)
  if (recorder !== undefined && halt !== undefined) {
    // What siblings came to is still worth storing; where the store is what failed, it says so again at once.
    return Effect.zipRight(Effect.ignore(recorder.commit(() => Effect.void)), Effect.fail(halt))
  }
  if (past?.state.direction === "Back") return unwind(run, past.cause)
  // Only the fiber knows whether it was interrupted: a step may also end with an interruption of its own making.
  return recorder?.durable === true
    ? Effect.matchCauseEffect(run.restore(Effect.void), {
      onSuccess: () => decide(run, recorder, ended, false),
      onFailure: () => decide(run, recorder, ended, true)
    })
    : decide(run, recorder, ended, false)
}

const decide = (
  run: Run,
  recorder: Recorder | undefined,
  ended: Cause.Cause<unknown>,
  interrupted: boolean
): AnyEffect => {
  const { doubts } = run
  const committed = run.committed.length > 0
  if (recorder?.durable === true) {
    const nothingElse = Cause.isInterruptedOnly(ended)
    // Interrupted before an earlier process's doubt was settled, it can be neither undone nor parked by this one.
    const left = nothingElse
      ? run.suspend || committed || isAnythingInDoubt(recorder)
      : run.suspend && doubts.length > 0
    if (interrupted && left) return recorder.commit(() => Effect.failCause(ended))
    if (doubts.length > 0 && !committed) {
      return park(recorder, "OutcomeUnknown", Effect.failCause(ended))
    }
  }
  return committed ? failAfterCommit(run, ended) : unwind(run, ended)
}

const isAnythingInDoubt = (recorder: Recorder): boolean => {
  const state = recorder.state()
  return state !== undefined && Journal.steps(state).some(Journal.isInDoubt)
}

const park = (
  recorder: Recorder,
  reason: Journal.ParkedReason,
  end: AnyEffect,
  failures?: ReadonlyArray<Journal.StoredFailure>
): AnyEffect => {
  recorder.record({
    _tag: "Parked",
    reason,
    ...(failures === undefined ? undefined : { failures }),
    at: recorder.now()
  })
  return recorder.commit(() => end)
}

/** S6: nothing is undone under a Final that has taken effect. */
const failAfterCommit = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { armed, committed, doubts, executionId, failed, program, recorder } = run
  const error = new FailedAfterCommit({
    saga: program.name,
    executionId,
    step: failed[0]?.step.path,
    cause,
    stands: [...stepsOf(armed).map(({ step }) => step.path), ...committed],
    parked: recorder?.durable === true
  })
  // A projection that throws is a defect of the definition, and no error in its type.
  const projection = failed.length === 0
  const end = projection ? Effect.die(error) : Effect.fail(error)
  if (recorder === undefined) return end
  const reason = doubts.length === 0 ? "FailedAfterCommit" : "OutcomeUnknown"
  return park(recorder, reason, end, projection ? storeCause(undefined, cause) : undefined)
}

/** Oldest first. */
const stepsOf = (armed: ArmedList): ReadonlyArray<Armed> =>
  armed.flatMap((entry) => entry._tag === "Armed" ? [entry] : entry.lanes.flatMap(stepsOf))

/** S3, S4, S5: undoes what is armed, newest first, and ends with the original cause. */
export const unwind = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { armed, doubts, past, program, recorder } = run
  if (recorder !== undefined && past?.state.direction !== "Back") {
    recorder.record({ _tag: "UnwindingStarted", failures: whyStored(run, cause), at: recorder.now() })
  }
  const unwinding = new Unwinding(run, cause)
  return Effect.flatMap(unwinding.list(armed), () => {
    const { failed, undone } = unwinding
    const error = failed.length === 0 ? undefined : new CompensationFailed({
      saga: program.name,
      executionId: run.executionId,
      cause,
      undone,
      failed,
      notTried: stepsOf(armed).map(({ step }) => step.path).reverse(),
      parked: recorder?.durable === true
    })
    const end = error === undefined ? Effect.failCause(cause) : Effect.fail(error)
    if (recorder === undefined) return end
    if (error !== undefined) return park(recorder, "CompensationFailed", end)
    if (doubts.length > 0) return park(recorder, "OutcomeUnknown", end)
    recorder.record({ _tag: "Finished", result: "Undone", at: recorder.now() })
    return recorder.commit(() => end)
  })
}

/** Each failure through the schema of the step that it came from. */
const whyStored = ({ failed }: Run, cause: Cause.Cause<unknown>): ReadonlyArray<Journal.StoredFailure> => {
  if (failed.length === 0) return storeCause(undefined, cause)
  const stored = failed.flatMap(({ cause, step }) => storeCause(step, cause))
  const interrupted = Cause.isInterrupted(cause) && !stored.some(({ kind }) => kind === "Interrupt")
  return interrupted ? [...stored, { kind: "Interrupt" }] : stored
}

class Unwinding {
  readonly undone: Array<string> = []
  readonly failed: Array<FailedCompensation> = []
  readonly run: Run
  readonly cause: Cause.Cause<unknown>

  constructor(run: Run, cause: Cause.Cause<unknown>) {
    this.run = run
    this.cause = cause
  }

  private get goesOn(): boolean {
    return this.failed.length === 0 || this.run.program.onCompensationFailure === "continue"
  }

  /** Takes from the list what it has dealt with; what is left was not tried. */
  list(armed: ArmedList): AnyEffect<void> {
    return Effect.whileLoop({
      while: () => armed.length > 0 && this.goesOn,
      body: () => this.entry(armed[armed.length - 1]!),
      step: (dealtWith) => {
        if (dealtWith) armed.pop()
      }
    })
  }

  private entry(entry: ArmedList[number]): AnyEffect<boolean> {
    if (entry._tag === "Armed") return this.undo(entry)
    return Effect.map(
      Effect.forEach(entry.lanes, (lane) => this.list(lane), { concurrency: "unbounded", discard: true }),
      () => entry.lanes.every((lane) => lane.length === 0)
    )
  }

  private undo(armed: Armed): AnyEffect<boolean> {
    const { past, recorder } = this.run
    const step = armed.step.path
    const recorded = past?.state.steps.get(step)
    if (recorded?.status === "Undone") {
      this.undone.push(step)
      return Effect.succeed(true)
    }
    const compensation = new Compensation(this.run, armed, this.cause)
    const observed = recorder?.observer === undefined
      ? compensation.outcome
      : recorder.observer.aroundCalls("compensation", compensation, compensation.outcome)
    const outcome = Effect.matchCause(observed, {
      onSuccess: () => {
        this.undone.push(step)
        const { attempt: attempts } = compensation
        recorder?.record({ _tag: "CompensationSucceeded", step, attempts, at: recorder.now() })
        return true
      },
      onFailure: (cause) => {
        this.failed.push({ step, cause })
        if (recorder !== undefined) {
          const { attempt: attempts } = compensation
          const failures = storeCause(undefined, cause)
          recorder.record({ _tag: "CompensationFailed", step, failures, attempts, at: recorder.now() })
        }
        return true
      }
    })
    if (recorder === undefined) return outcome
    recorder.record({ _tag: "CompensationStarted", step, at: recorder.now() })
    return recorder.commit(() => outcome)
  }
}

/** The calls of one step's compensation in this process. */
class Compensation {
  attempt = 0
  get step() {
    return this.armed.step
  }
  readonly run: Run
  readonly armed: Armed
  readonly cause: Cause.Cause<unknown>

  constructor(run: Run, armed: Armed, cause: Cause.Cause<unknown>) {
    this.run = run
    this.armed = armed
    this.cause = cause
  }

  private context(): CompensationContext<any, any, any> {
    const { armed: { frame, output, step }, cause, run } = this
    return {
      input: frame.input,
      outputs: frame.outputs,
      output,
      cause,
      idempotencyKey: keyOf(run.key, step, "compensation"),
      actionIdempotencyKey: keyOf(run.key, step, "action"),
      executionId: run.executionId,
      attempt: this.attempt
    }
  }

  get outcome(): AnyEffect {
    const { compensate, compensationRetry, compensationTimeout } = this.armed.step
    const once = Effect.suspend(() => {
      const halt = this.attempt++ === 0 ? undefined : this.run.recorder?.mustStop()
      return halt === undefined ? compensate!(this.context()) : Effect.die(halt)
    })
    const bounded = compensationTimeout === undefined
      ? once
      : cutAfter(once, compensationTimeout, () => new Cause.TimeoutException("the compensation took too long"))
    return compensationRetry === undefined ? bounded : Effect.retry(bounded, retryOptions(compensationRetry))
  }
}
