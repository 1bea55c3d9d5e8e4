/**
 * Program + journal -> Effect. The only file that runs a step, for every way to run a saga; a resume is the same
 * interpreter with a journal to start from. `docs/semantics.md` numbers the rules that are named here.
 *
 * A run is one uninterruptible region that opens where an interruption may arrive: around a ReadOnly action, before an
 * action with a side effect, and in the pause between two attempts. So a compensation is armed in the act that completes
 * its action, at the cost of a push (S2).
 */
import { Cause, Effect, Exit, HashMap, Option } from "effect"
import type * as Journal from "../Journal.ts"
import { CompensationFailed, FailedAfterCommit, type FailedCompensation, OutcomeUnknown } from "../SagaError.ts"
import type { ActionContext, IdempotencyKey, RetryPolicy } from "../Step.ts"
import type { Program, StepNode } from "./program.ts"
import { Halt, type Recorder, storeCause } from "./recorder.ts"

type AnyEffect<A = unknown> = Effect.Effect<A, unknown, any>

/** What somebody found out about a step in doubt. */
export type Finding =
  | { readonly step: string; readonly happened: true; readonly output: unknown }
  | { readonly step: string; readonly happened: false }

/** What an earlier process left: the sum of its journal, with what it stored made readable again. */
export interface Past {
  readonly state: Journal.ExecutionState
  readonly outputs: Readonly<Record<string, unknown>>
  /** Why it was unwound. */
  readonly cause: Cause.Cause<unknown>
  readonly finding: Finding | undefined
}

/** One execution while it is driven. A class, because spreading the options costs as much as ten steps. */
export class Run {
  readonly program: Program
  readonly executionId: string
  readonly input: unknown
  readonly recorder: Recorder | undefined
  readonly past: Past | undefined
  /** Leave an interrupted execution as it is, for recovery, instead of unwinding it (S17). */
  readonly suspend: boolean
  /** The execution's part of its idempotency keys. */
  readonly key: string
  readonly outputs: Record<string, unknown> = {}
  /** The steps whose compensations are owed, oldest first. */
  readonly armed: Array<StepNode> = []
  /** Whether a Final has taken effect. */
  committed = false
  /** The step that ended the way forward, where the run has to name it. */
  failed: StepNode | undefined = undefined
  /** What is in doubt and could not be settled. */
  doubt: OutcomeUnknown | undefined = undefined
  restore: <A>(effect: AnyEffect<A>) => AnyEffect<A> = (effect) => effect

  constructor(options: {
    readonly program: Program
    readonly executionId: string
    readonly input: unknown
    readonly recorder?: Recorder | undefined
    readonly past?: Past
    readonly suspend?: boolean
  }) {
    this.program = options.program
    this.executionId = options.executionId
    this.input = options.input
    this.recorder = options.recorder
    this.past = options.past
    this.suspend = options.suspend === true
    this.key = encodeURIComponent(options.executionId)
  }
}

/** Drives a run to its end: its output, or, with everything undone, its original cause, or an error that says what stands. */
export const drive = (run: Run): AnyEffect =>
  goForward(run, (output) => {
    const { recorder } = run
    if (recorder === undefined) return Effect.succeed(output)
    recorder.record({ _tag: "Finished", result: "Succeeded", at: recorder.now() })
    return Effect.as(recorder.commit, output)
  })

/**
 * Goes forward, and back when that fails. When it succeeds, `keep` decides what becomes of the armed compensations, in the
 * same uninterruptible region, so that nothing can come between the last step and it.
 */
export const goForward = (run: Run, keep: (output: unknown) => AnyEffect): AnyEffect =>
  Effect.uninterruptibleMask((restore) => {
    run.restore = restore
    const driven = Effect.matchCauseEffect(allSteps(run), {
      onSuccess: keep,
      onFailure: (cause) => goBack(run, cause)
    })
    return run.recorder === undefined
      ? driven
      : Effect.mapError(driven, (error) => error instanceof Halt ? error.error : error)
  })

// ---------------------------------------------------------------------------------------------------------------------
// forward
// ---------------------------------------------------------------------------------------------------------------------

const allSteps = (run: Run): AnyEffect => {
  const { past, program: { project, steps } } = run
  let next = 0
  const loop = Effect.whileLoop({
    while: () => next < steps.length,
    body: () => perform(run, steps[next]!),
    step: (output) => {
      const step = steps[next++]!
      run.outputs[step.name] = output
      if (step.classification === "Compensatable") run.armed.push(step)
      else if (step.classification === "Final") run.committed = true
    }
  })
  return past?.state.direction === "Back"
    ? Effect.zipRight(loop, Effect.failCause(past.cause))
    // The projection counts as part of the way forward: when it throws, what can be undone still is.
    : Effect.map(loop, () => project({ input: run.input, outputs: run.outputs }))
}

const perform = (run: Run, step: StepNode): AnyEffect => {
  const { past } = run
  if (past === undefined) return begin(run, step)
  const recorded = Option.getOrUndefined(HashMap.get(past.state.steps, step.name))
  return recorded !== undefined && tookEffect(recorded)
    ? Effect.succeed(past.outputs[step.name])
    : past.state.direction === "Back"
    ? Effect.failCause(past.cause)
    : recorded !== undefined && isInDoubt(recorded)
    ? settleRecorded(run, past, step, recorded)
    : begin(run, step)
}

/** Whether a step's action has succeeded, whatever became of it later. */
export const tookEffect = ({ status }: Journal.StepState): boolean =>
  status === "Succeeded" || status === "Undoing" || status === "Undone" || status === "UndoFailed"

/** Whether a step's action has started, and nobody has said how it ended. */
export const isInDoubt = ({ classification, status }: Journal.StepState): boolean =>
  classification !== "ReadOnly" && (status === "Started" || status === "InDoubt")

/** Settles what an earlier process left without an outcome (S7). Its intent is stored, so none is stored again. */
const settleRecorded = (run: Run, { finding }: Past, step: StepNode, recorded: Journal.StepState): AnyEffect => {
  if (finding?.step === step.name) {
    return finding.happened ? recordOutcome(new Action(run, step), Effect.succeed(finding.output)) : begin(run, step)
  }
  const action = new Action(run, step)
  const doubt = new OutcomeUnknown({ reason: recorded.doubt ?? "the process ended before the outcome was stored" })
  const policy = step.inDoubt ?? (step.classification === "Compensatable" ? "retry" : "park")
  const settled = policy === "retry" ? action.outcome : Effect.catchAllCause(
    settle(action, doubt),
    (cause) => doubtOf(cause)?.happened === false ? action.outcome : endOf(action, cause)
  )
  return recordOutcome(action, settled)
}

const begin = (run: Run, step: StepNode): AnyEffect => {
  const { recorder } = run
  const action = new Action(run, step)
  if (step.classification === "ReadOnly") {
    const outcome = run.restore(action.reading)
    if (recorder === undefined) return outcome
    recordStart(recorder, step)
    return recordOutcome(action, outcome)
  }
  const act = () => {
    if (recorder === undefined) {
      return step.classification === "Final"
        ? noteFailure(action, action.outcome)
        : action.outcome
    }
    recordStart(recorder, step)
    return Effect.zipRight(recorder.commit, recordOutcome(action, action.outcome))
  }
  // Here an interruption may arrive. Past the point of no return there is no way but forward, and none arrives.
  return run.committed ? act() : Effect.flatMap(run.restore(Effect.void), act)
}

const recordStart = (recorder: Recorder, { classification, name }: StepNode) =>
  recorder.record({ _tag: "StepStarted", step: name, classification, at: recorder.now() })

const noteFailure = ({ run, step }: Action, outcome: AnyEffect): AnyEffect =>
  Effect.tapErrorCause(outcome, () => Effect.sync(() => run.failed = step))

const recordOutcome = (action: Action, outcome: AnyEffect): AnyEffect => {
  const { run, step } = action
  const { recorder } = run
  if (recorder === undefined) return outcome
  const ended = () => ({ step: step.name, attempts: action.attempt, at: recorder.now() })
  return Effect.matchCauseEffect(noteFailure(action, outcome), {
    onSuccess: (output) =>
      Effect.map(recorder.encodeOutput(step, output), (encoded) => {
        recorder.record({ _tag: "StepSucceeded", ...ended(), ...(encoded === undefined ? {} : { output: encoded }) })
        return output
      }),
    onFailure: (cause) => {
      recorder.record(
        run.doubt === undefined
          ? { _tag: "StepFailed", ...ended(), failures: storeCause(step, cause) }
          : { _tag: "StepInDoubt", ...ended(), reason: run.doubt.reason }
      )
      return Effect.failCause(cause)
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// one action
// ---------------------------------------------------------------------------------------------------------------------

/** The calls of one step's action in this process. */
class Action {
  attempt = 0
  readonly run: Run
  readonly step: StepNode

  constructor(run: Run, step: StepNode) {
    this.run = run
    this.step = step
  }

  context(): ActionContext<unknown, unknown> {
    const { run, step } = this
    return {
      input: run.input,
      outputs: run.outputs,
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
    const { retry } = this.step
    return retry === undefined ? this.once : Effect.retry(this.once, retryOptions(retry))
  }

  /** The outcome of an action with a side effect, its doubt settled by the step's policy (S7). */
  get outcome(): AnyEffect {
    const { inDoubt, retry } = this.step
    if (inDoubt === undefined && retry === undefined) {
      return Effect.catchAllCause(this.once, (cause) => endOf(this, cause))
    }
    const settled = Effect.catchAllCause(this.once, (cause) => {
      const doubt = doubtOf(cause)
      return doubt === undefined || inDoubt === "retry" ? Effect.failCause(cause) : settle(this, doubt)
    })
    return Effect.catchAllCause(withPauses(this.run, settled, retryOfDoubt(retry)), (cause) => endOf(this, cause))
  }
}

/** S10. Each part is percent-encoded, so that a key is ASCII and two keys are the same only if their parts are. */
export const keyOf = (execution: string, step: StepNode, role: "action" | "compensation") =>
  `${execution}/${step.key}/${role}` as IdempotencyKey

const retryOptions = (policy: RetryPolicy<any, number, any>) => policy as Effect.Retry.Options<unknown>

const doubtOf = (cause: Cause.Cause<unknown>): OutcomeUnknown | undefined => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  return error instanceof OutcomeUnknown ? error : undefined
}

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

/** How the failure of an action ends it. What is still in doubt is noted, so that a durable run waits with it. */
const endOf = (action: Action, cause: Cause.Cause<unknown>): AnyEffect => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  const inDoubt = error instanceof Unsettled || (error instanceof OutcomeUnknown && error.happened === undefined)
  if (!inDoubt) return Effect.failCause(cause)
  const { run } = action
  run.doubt = new OutcomeUnknown({ ...named(action, error.reason), parked: run.recorder?.durable === true })
  return Effect.fail(run.doubt)
}

const named = ({ run, step }: Action, reason: string) => ({
  reason,
  idempotencyKey: keyOf(run.key, step, "action"),
  saga: run.program.name,
  executionId: run.executionId,
  step: step.name
})

// ---------------------------------------------------------------------------------------------------------------------
// back
// ---------------------------------------------------------------------------------------------------------------------

const goBack = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  if (isHalted(cause)) return Effect.failCause(cause)
  const { past, recorder } = run
  if (recorder?.durable === true && past?.state.direction !== "Back") {
    if (Cause.isInterruptedOnly(cause) && (run.suspend || run.committed)) {
      return Effect.zipRight(recorder.commit, Effect.failCause(cause))
    }
    if (run.doubt !== undefined && !run.committed) {
      return Effect.zipRight(park(recorder, "OutcomeUnknown"), Effect.failCause(cause))
    }
  }
  return run.committed ? failAfterCommit(run, cause) : unwind(run, cause)
}

const isHalted = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.failureOption(cause), (error) => error instanceof Halt)

const park = (recorder: Recorder, reason: Journal.ParkedReason): Effect.Effect<void, Halt> => {
  recorder.record({ _tag: "Parked", reason, at: recorder.now() })
  return recorder.commit
}

/** S6: nothing is undone under a Final that has taken effect. */
const failAfterCommit = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { doubt, executionId, failed, outputs, program, recorder } = run
  const error = new FailedAfterCommit({
    saga: program.name,
    executionId,
    step: failed?.name,
    cause,
    stands: program.steps
      .filter((step) => step.classification !== "ReadOnly" && step.name in outputs)
      .map((step) => step.name),
    parked: recorder?.durable === true
  })
  // A projection that throws is a defect of the definition, and no error in its type.
  const end = failed === undefined && Cause.isDie(cause) ? Effect.die(error) : Effect.fail(error)
  if (recorder === undefined) return end
  return Effect.zipRight(park(recorder, doubt === undefined ? "FailedAfterCommit" : "OutcomeUnknown"), end)
}

/** S3, S4, S5: undoes what is armed, newest first, one at a time, and ends with the original cause. */
export const unwind = (run: Run, cause: Cause.Cause<unknown>): AnyEffect => {
  const { armed, program, recorder } = run
  const undone: Array<string> = []
  const failed: Array<FailedCompensation> = []
  if (recorder !== undefined && run.past?.state.direction !== "Back") {
    recorder.record({ _tag: "UnwindingStarted", failures: storeCause(run.failed, cause), at: recorder.now() })
  }
  const loop = Effect.whileLoop({
    while: () => armed.length > 0 && (failed.length === 0 || program.onCompensationFailure === "continue"),
    body: () => undo(run, armed[armed.length - 1]!, cause),
    step: (exit) => {
      const step = armed.pop()!.name
      if (Exit.isSuccess(exit)) undone.push(step)
      else failed.push({ step, cause: exit.cause })
    }
  })
  return Effect.flatMap(loop, () => {
    const error = failed.length === 0 ? undefined : new CompensationFailed({
      saga: program.name,
      executionId: run.executionId,
      cause,
      undone,
      failed,
      notTried: armed.map((step) => step.name).reverse(),
      parked: recorder?.durable === true
    })
    const end = error === undefined ? Effect.failCause(cause) : Effect.fail(error)
    if (recorder === undefined) return end
    if (error !== undefined) return Effect.zipRight(park(recorder, "CompensationFailed"), end)
    if (run.doubt !== undefined) return Effect.zipRight(park(recorder, "OutcomeUnknown"), end)
    recorder.record({ _tag: "Finished", result: "Undone", at: recorder.now() })
    return Effect.zipRight(recorder.commit, end)
  })
}

const undo = (run: Run, step: StepNode, cause: Cause.Cause<unknown>): AnyEffect<Exit.Exit<unknown, unknown>> => {
  const { past, recorder } = run
  const recorded = past === undefined ? undefined : Option.getOrUndefined(HashMap.get(past.state.steps, step.name))
  if (recorded?.status === "Undone") return Effect.succeed(Exit.void)
  let attempt = 0
  const once = Effect.suspend(() =>
    step.compensate!({
      input: run.input,
      outputs: run.outputs,
      output: run.outputs[step.name],
      cause,
      idempotencyKey: keyOf(run.key, step, "compensation"),
      actionIdempotencyKey: keyOf(run.key, step, "action"),
      executionId: run.executionId,
      attempt: ++attempt
    })
  )
  const { compensationRetry } = step
  const exit = Effect.exit(
    compensationRetry === undefined ? once : Effect.retry(once, retryOptions(compensationRetry))
  )
  if (recorder === undefined) return exit
  recorder.record({ _tag: "CompensationStarted", step: step.name, at: recorder.now() })
  return Effect.zipRight(
    recorder.commit,
    Effect.map(exit, (result) => {
      const ended = { step: step.name, attempts: attempt, at: recorder.now() }
      recorder.record(
        Exit.isSuccess(result)
          ? { _tag: "CompensationSucceeded", ...ended }
          : { _tag: "CompensationFailed", ...ended, failures: storeCause(undefined, result.cause) }
      )
      return result
    })
  )
}
