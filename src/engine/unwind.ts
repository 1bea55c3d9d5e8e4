/** The end of a run that failed: S3, S4, S5, S6, S8. */
import { Cause, Effect, Fiber } from "effect"
import * as Journal from "../Journal.ts"
import type { FailedCompensation } from "../SagaError.ts"
import { describe } from "../values/describe.ts"
import { isInterruptPending } from "../values/fiber.ts"
import { visible } from "../values/visible.ts"
import { causeOfUnwinding, ownCancellation, recordRequests } from "./cancellation.ts"
import { storeCause } from "./codec.ts"
import { Compensation } from "./compensation.ts"
import * as endings from "./endings.ts"
import { haltOf } from "./halt.ts"
import { type AnyEffect, type Armed, type ArmedList, type Run } from "./run.ts"
import { isStoredWithEffect } from "./transaction.ts"

/** Ends a run that failed with this cause: parks it, unwinds it, leaves it for recovery, or fails with what stands. */
export const endAfterFailure = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { past, recorder } = run
  const halt = recorder === undefined ? undefined : haltOf(cause)
  if (recorder !== undefined && halt !== undefined) {
    // Store what the siblings did, if the store still works; if it does not, the commit fails again at once.
    return Effect.zipRight(Effect.ignore(recorder.commit(() => Effect.void)), Effect.fail(halt))
  }
  if (past?.state.direction === "Back") return unwind(run, past.cause)
  // Only the fiber knows whether it was interrupted: a step may also end with an interruption of its own making.
  return recorder?.durable === true
    ? Effect.matchCauseEffect(run.restore(Effect.void), {
      onSuccess: () => endAs(verdictOf(run, cause, false), run, cause),
      onFailure: () => endAs(verdictOf(run, cause, true), run, cause)
    })
    : endAs(verdictOf(run, cause, false), run, cause)
}

type Verdict = "LeaveForRecovery" | "Park" | "FailAfterCommit" | "Unwind"

interface Situation {
  readonly durable: boolean
  /** The execution was stopped: the fiber that drives it was interrupted. */
  readonly interrupted: boolean
  /** Nothing but that interruption ended the run. */
  readonly onlyInterrupted: boolean
  /** It was stopped to be left for recovery (S17). */
  readonly suspends: boolean
  /** A Final has taken effect. */
  readonly committed: boolean
  /** A step was in doubt, and its policy could not settle that. */
  readonly unsettled: boolean
  /** A step is in doubt, perhaps since an earlier process. */
  readonly inDoubt: boolean
}

/** What becomes of a run that failed: the first row that holds decides. */
const verdicts: ReadonlyArray<readonly [when: (situation: Situation) => boolean, verdict: Verdict]> = [
  // Neither undoing nor parking would be true of a doubt that nobody has tried to settle.
  [
    (s) => s.durable && s.interrupted && s.onlyInterrupted && (s.suspends || s.committed || s.inDoubt),
    "LeaveForRecovery"
  ],
  [(s) => s.durable && s.interrupted && !s.onlyInterrupted && s.suspends && s.unsettled, "LeaveForRecovery"],
  [(s) => s.durable && s.unsettled && !s.committed, "Park"],
  [(s) => s.committed, "FailAfterCommit"],
  [() => true, "Unwind"]
]

const verdictOf = (run: Run, cause: Cause.Cause<unknown>, interrupted: boolean): Verdict => {
  const { committed, doubts, recorder } = run
  const situation: Situation = {
    durable: recorder?.durable === true,
    interrupted,
    onlyInterrupted: Cause.isInterruptedOnly(cause),
    suspends: run.isSuspended(),
    committed: committed.length > 0,
    unsettled: doubts.length > 0,
    get inDoubt() {
      const state = recorder?.state()
      return state !== undefined && Journal.steps(state).some(Journal.isInDoubt)
    }
  }
  return verdicts.find(([when]) => when(situation))![1]
}

const endAs = (verdict: Verdict, run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const end = Effect.failCause(cause)
  switch (verdict) {
    case "LeaveForRecovery": {
      // The error of a doubt says that the execution is parked, which is not true of one that is left: the interruption is.
      const left = Cause.isInterruptedOnly(cause) ? end : Effect.interrupt
      return run.recorder === undefined ? left : run.recorder.commit(() => left)
    }
    case "Park":
      return park(run, "OutcomeUnknown", end)
    case "FailAfterCommit":
      return failAfterCommit(run, cause)
    case "Unwind":
      return unwind(run, causeOfUnwinding(run, cause))
  }
}

/** Records that the execution waits; in process there is nothing to record it in but a report. */
const park = (
  run: Run,
  reason: Journal.ParkedReason,
  end: AnyEffect,
  failures?: ReadonlyArray<Journal.StoredFailure>
): AnyEffect => {
  const { recorder } = run
  if (recorder === undefined) return end
  recordRequests(run)
  recorder.record({
    _tag: "Parked",
    reason,
    ...(failures === undefined ? undefined : { failures }),
    at: recorder.now()
  })
  return recorder.commit(() => recorder.durable ? Effect.tapErrorCause(end, (cause) => warnParked(run, cause)) : end)
}

/** A person has to act, so the log says so at once. A logger that dies must not change how the run ends. */
export const warnParked = (
  { executionId, program }: Pick<Run, "executionId" | "program">,
  cause: Cause.Cause<unknown>
) =>
  Effect.catchAllCause(
    Effect.logWarning(visible(`${program.name} ${executionId} is parked: ${describe(Cause.squash(cause)).message}`)),
    () => Effect.void
  )

/** S6: nothing is undone under a Final that has taken effect. */
const failAfterCommit = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { doubts, failed } = run
  const error = endings.failedAfterCommit(run, cause)
  // A projection that throws is a bug in the definition, and no error in its type: it dies.
  const byProjection = failed.length === 0
  return park(
    run,
    doubts.length === 0 ? "FailedAfterCommit" : "OutcomeUnknown",
    byProjection ? Effect.die(error) : Effect.fail(error),
    byProjection ? storeCause(undefined, cause) : undefined
  )
}

/** S3, S4, S5: runs the armed compensations, newest first, and ends with the original cause. */
export const unwind = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { armed, doubts, past, recorder } = run
  if (recorder !== undefined && past?.state.direction !== "Back") {
    recordRequests(run)
    recorder.record({ _tag: "UnwindingStarted", failures: whyStored(run, cause), at: recorder.now() })
  }
  const unwinding = new Unwinding(run, cause)
  const all = recorder === undefined ? unwinding.runList(armed) : Effect.tapErrorCause(
    unwinding.runList(armed),
    // Stopped: store what was undone, if the store still works.
    () => Effect.ignore(recorder.commit(() => Effect.void))
  )
  return Effect.flatMap(suspendable(run, all), () => {
    if (unwinding.failed.length > 0) {
      return park(run, "PartlyUndone", Effect.fail(endings.partlyUndone(run, cause, unwinding)))
    }
    const end = Effect.failCause(cause)
    if (recorder === undefined) return end
    if (doubts.length > 0) return park(run, "OutcomeUnknown", end)
    recorder.record({ _tag: "Finished", result: "Undone", at: recorder.now() })
    return recorder.commit(() => end)
  })
}

/**
 * Unwinds a durable run that was interrupted, because somebody has cancelled it, in a fiber that was not: a fiber stays interrupted, and
 * a checkpoint that closes could not suspend it any more.
 */
const suspendable = (run: Run, unwinding: AnyEffect<void>): AnyEffect<void> =>
  run.recorder?.durable !== true ? unwinding : Effect.withFiberRuntime((fiber) => {
    if (run.isSuspended() || !isInterruptPending(fiber)) return unwinding
    const apart = Effect.withFiberRuntime<void, unknown, any>((child) => {
      run.moveTo(child)
      return unwinding
    })
    return Effect.flatMap(Effect.forkDaemon(apart), Fiber.join)
  })

/** Why a run failed, as it is stored: each failure through the `error` schema of its own step. */
const whyStored = ({ executionId, failed }: Run, cause: Cause.Cause<unknown>): ReadonlyArray<Journal.StoredFailure> => {
  const cancelled = ownCancellation(executionId, cause)
  if (cancelled !== undefined) {
    const { by, reason } = cancelled
    return [{ kind: "Cancel", by, ...(reason === undefined ? {} : { reason }) }]
  }
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
    if (this.failed.length === 0) return true
    switch (this.run.program.onCompensationFailure) {
      case "continue":
        return true
      case "stop":
        return false
    }
  }

  /** Removes each entry once it was tried; the entries that remain were not. */
  runList(armed: ArmedList): AnyEffect<void> {
    return Effect.whileLoop({
      while: () => armed.length > 0 && this.goesOn,
      body: () => this.runEntry(armed[armed.length - 1]!),
      step: (wasTried) => {
        if (wasTried) armed.pop()
      }
    })
  }

  private runEntry(entry: ArmedList[number]): AnyEffect<boolean> {
    switch (entry._tag) {
      case "Armed":
        return this.runCompensation(entry)
      case "Lanes": {
        const { concurrency, lanes } = entry
        // Where not all begin at once, the newest do.
        const newestFirst = concurrency === "unbounded" ? lanes : [...lanes].reverse()
        return Effect.map(
          Effect.forEach(newestFirst, (lane) => this.runList(lane), { concurrency, discard: true }),
          () => lanes.every((lane) => lane.length === 0)
        )
      }
    }
  }

  private runCompensation(armed: Armed): AnyEffect<boolean> {
    const { past, recorder } = this.run
    const step = armed.step.path
    if (past?.state.steps.get(step)?.status === "Undone") {
      this.undone.push(step)
      return Effect.succeed(true)
    }
    const compensation = new Compensation(this.run, armed, this.cause)
    const observed = recorder?.observer === undefined
      ? compensation.run()
      : recorder.observer.spanCalls("compensation", compensation, compensation.run())
    const isUnderWay = past?.state.steps.get(step)?.status === "Undoing"
    const withEffect = isStoredWithEffect(recorder, armed.step)
    let startedAt = 0
    const outcome = Effect.matchCauseEffect(observed, {
      onSuccess: () => {
        this.undone.push(step)
        if (compensation.isStored) return Effect.succeed(true)
        const { attempt: attempts } = compensation
        recorder?.record({ _tag: "CompensationSucceeded", step, attempts, at: recorder.now() })
        return Effect.succeed(true)
      },
      onFailure: (cause) => {
        if (haltOf(cause) !== undefined) return Effect.failCause(cause)
        this.failed.push({ step, cause })
        if (recorder !== undefined) {
          if (withEffect && !isUnderWay) {
            recorder.record({ _tag: "CompensationStarted", step, at: startedAt }, undefined, true)
          }
          const { attempt: attempts } = compensation
          const failures = storeCause(undefined, cause)
          recorder.record({ _tag: "CompensationFailed", step, failures, attempts, at: recorder.now() })
        }
        return Effect.succeed(true)
      }
    })
    // An intent that is stored already is not stored again: it would look like progress of an execution that makes none.
    if (recorder === undefined || isUnderWay) return outcome
    if (!withEffect) {
      recorder.record({ _tag: "CompensationStarted", step, at: recorder.now() })
      return recorder.commit(() => outcome)
    }
    // The decision to go back is stored. The start of this compensation will be, with its outcome (S24).
    return recorder.commit(() => {
      startedAt = recorder.now()
      recorder.observer?.tell({ _tag: "CompensationStarted", step, at: startedAt }, recorder.state()!)
      return outcome
    })
  }
}
