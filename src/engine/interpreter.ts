/**
 * Program + journal -> Effect. The only place that runs a saga, for every way to run one; a resume is the same interpreter
 * with a journal to start from. `docs/semantics.md` numbers the rules that are named here.
 *
 * A run is one uninterruptible region that opens where an interruption may arrive: around a ReadOnly action, before an
 * action with a side effect, and in the pause between two attempts. So a compensation is armed in the act that completes
 * its action, at the cost of a push (S2).
 */
import { Cause, Effect, type Exit, Option } from "effect"
import type { Nested, Node, Parallel, StepNode } from "../definition/definition.ts"
import { type StepState, tookEffect } from "../Journal.ts"
import { classifications } from "../journal/statuses.ts"
import { andThen, validate } from "../values/schema.ts"
import { Action, settleDoubt } from "./action.ts"
import { unlessInterrupted } from "./beforeCall.ts"
import { considerRequests, isToBeCancelled } from "./cancellation.ts"
import { inParallel, storeCause } from "./codec.ts"
import { recordOutput, recordSuccess } from "./finished.ts"
import { haltOf } from "./halt.ts"
import { callPure, noteFailure, seen } from "./pure.ts"
import type { Recorder } from "./recorder.ts"
import { type AnyEffect, Armed, type Frame, type Past, type Run } from "./run.ts"
import { endAfterFailure } from "./unwind.ts"
import { runWait } from "./waiting.ts"

/** Runs a saga to its end: its output, or, with everything undone, its original cause, or an error that says what stands. */
export const runSaga = (run: Run): AnyEffect => Effect.uninterruptibleMask((restore) => runSagaWithin(run, restore))

/** Like {@link runSaga}, for a caller that is already uninterruptible. */
export const runSagaWithin = (run: Run, restore: Run["restore"]): AnyEffect =>
  runWithin(
    run,
    restore,
    false,
    (output) => {
      const { program, recorder } = run
      if (recorder === undefined) return Effect.succeed(output)
      return program.success === undefined
        ? recordSuccess(recorder, Effect.succeed(output))
        : recordOutput(recorder, output)
    }
  )

/**
 * Runs the steps, and unwinds if one fails. On success `keep` disposes of the armed compensations, inside the same
 * uninterruptible region.
 */
export const runAndKeepArmed = (run: Run, keep: (output: unknown) => AnyEffect): AnyEffect =>
  Effect.uninterruptibleMask((restore) => runWithin(run, restore, true, keep))

const runWithin = (
  run: Run,
  restore: Run["restore"],
  staysOpen: boolean,
  keep: (output: unknown) => AnyEffect
): AnyEffect => {
  run.restore = restore
  const ran = Effect.matchCauseEffect(runForward(run), {
    onSuccess: keep,
    onFailure: (cause) => endAfterFailure(run, cause)
  })
  const { recorder } = run
  if (recorder === undefined) return ran
  const ended = Effect.catchAllCause(ran, (cause) => {
    run.halt = haltOf(cause)
    if (run.halt?.waits === true) return Effect.void
    return Effect.failCause(run.halt === undefined ? cause : run.halt.cause)
  })
  return recorder.observer === undefined ? ended : recorder.observer.begin(ended, recorder, staysOpen)
}

/** Runs all steps, then the projection of their outputs. */
export const runForward = (run: Run): AnyEffect => {
  const steps = runNodes(run, run, run.program.nodes)
  if (run.past?.state.direction === "Back") return Effect.zipRight(steps, Effect.failCause(run.past.cause))
  // The projection may throw: then the steps are still unwound.
  const output = () => Effect.succeed(run.program.project(seen(run)))
  return Effect.flatMap(steps, () =>
    // An interruption that came during the last step arrives here, while what was done can still be undone.
    run.committed.length > 0 ? output() : unlessInterrupted(run, output))
}

/** Runs nodes in declared order (S1). */
const runNodes = (run: Run, frame: Frame, nodes: ReadonlyArray<Node>): AnyEffect<void> => {
  let next = 0
  return Effect.whileLoop({
    while: () => next < nodes.length,
    body: () => runNode(run, frame, nodes[next]!),
    step: (output) => {
      const node = nodes[next++]!
      publish(frame, node, complete(run, frame, node, output))
    }
  })
}

const skipped = Symbol("skipped")

/** Makes the output of a node visible to the nodes after it. A parallel block has made those of its siblings visible itself. */
const publish = (frame: Frame, node: Node, seen: unknown): void => {
  switch (node._tag) {
    case "Step":
    case "Wait":
    case "Nested":
      frame.outputs[node.name] = seen
      return
    case "Parallel":
      return
  }
}

/**
 * Runs in the same uninterruptible step as the end of a node: arms the compensation of a step (S2), and answers with the output as
 * later nodes see it.
 */
const complete = (run: Run, frame: Frame, node: Node, output: unknown): unknown => {
  switch (node._tag) {
    case "Step":
      return completeStep(run, frame, node, output)
    case "Wait":
    case "Nested":
    case "Parallel":
      return output
  }
}

const completeStep = (run: Run, frame: Frame, step: StepNode, output: unknown): unknown => {
  if (output === skipped) return Option.none()
  const { commits, isUndoable } = classifications[step.classification]
  if (isUndoable) frame.armed.push(new Armed(step, frame, output))
  if (commits) run.committed.push(step.path)
  return step.when === undefined ? output : Option.some(output)
}

const runNode = (run: Run, frame: Frame, node: Node): AnyEffect => {
  switch (node._tag) {
    case "Step":
      return run.past === undefined
        ? runStep(run, frame, node)
        : replayStep(run, run.past, frame, node, () => runStep(run, frame, node))
    case "Wait":
      return run.past === undefined
        ? runWait(run, frame, node)
        : replayStep(run, run.past, frame, node.step, () => runWait(run, frame, node))
    case "Nested":
      return runNested(run, frame, node)
    case "Parallel":
      return runParallel(run, frame, node)
  }
}

/** Runs a nested saga. It arms its compensations in its parent's list, and so is unwound with it (S9). */
const runNested = (run: Run, parent: Frame, nested: Nested): AnyEffect =>
  Effect.flatMap(callPure(run, nested, () => nested.nestedInput(seen(parent))), (input) => {
    const { program } = nested
    const checked = program.input === undefined
      ? Effect.succeed(input)
      : noteFailure(run, nested, validate(program.input, input))
    return Effect.flatMap(checked, (input) => {
      const frame: Frame = { input, outputs: {}, armed: parent.armed }
      return Effect.zipRight(
        runNodes(run, frame, program.nodes),
        callPure(run, nested, () => program.project(seen(frame)))
      )
    })
  })

/**
 * Runs siblings at the same time (S8). Whichever finishes first, compensations are armed in declared order; when one sibling
 * fails, the running ones are waited for, the others do not begin, and all failures are kept.
 */
const runParallel = (run: Run, frame: Frame, parallel: Parallel<StepNode | Nested>): AnyEffect =>
  Effect.suspend(() => {
    const { concurrency, nodes, unwind } = parallel
    // Siblings share the outputs before the block, and publish their own when it ends.
    const branches = nodes.map((node) => new Branch(node, { input: frame.input, outputs: frame.outputs, armed: [] }))
    let failed = false
    const enter = (branch: Branch) =>
      // As a whole: an interruption between `begun = true` and the start of the sibling would lose the sibling.
      Effect.uninterruptible(Effect.suspend(() => {
        if (branch.begun || (failed && !isUnderWay(run, branch.node))) return Effect.void
        branch.begun = true
        return Effect.matchCause(runNode(run, branch.frame, branch.node), {
          onFailure: (cause) => {
            failed = true
            branch.cause = cause
          },
          onSuccess: (output) => {
            branch.seen = complete(run, branch.frame, branch.node, output)
          }
        })
      }))
    const all = Effect.forEach(branches, enter, { concurrency: concurrency ?? "unbounded", discard: true })
    // An interruption reaches the siblings through this fiber, which then waits for them; their results are in the branches.
    // A block that an earlier process finished is only armed again: keep that uninterruptible.
    const entered = Effect.exit(isFinished(run, nodes) ? all : run.restore(all))
    // Siblings that an earlier process began are armed again or settled, also after an interruption.
    const underWay = Effect.suspend(() => {
      failed = true
      return run.past === undefined ? Effect.void : Effect.forEach(branches, enter, { discard: true })
    })
    return Effect.flatMap(Effect.zipLeft(entered, underWay), (exit) => {
      const lanes = branches.map((branch) => branch.frame.armed).filter((lane) => lane.length > 0)
      arm(frame.armed, lanes, unwind)
      const cause = causeOf(run, branches, exit)
      if (cause !== undefined) return Effect.failCause(cause)
      for (const { node, seen } of branches) publish(frame, node, seen)
      return Effect.void
    })
  })

/** Arms the compensations of a block's siblings, as the block is to be unwound. */
const arm = (
  armed: Frame["armed"],
  lanes: ReadonlyArray<Frame["armed"]>,
  unwind: "sequential" | "parallel" = "sequential"
) => {
  switch (unwind) {
    case "parallel":
      if (lanes.length > 1) armed.push({ _tag: "Lanes", lanes })
      else armed.push(...lanes.flat())
      return
    case "sequential":
      armed.push(...lanes.flat())
  }
}

/** A sibling while its block runs. */
class Branch {
  begun = false
  /** Its output, as later nodes see it. */
  seen: unknown = undefined
  cause: Cause.Cause<unknown> | undefined = undefined
  readonly node: StepNode | Nested
  readonly frame: Frame

  constructor(node: StepNode | Nested, frame: Frame) {
    this.node = node
    this.frame = frame
  }
}

/** Why a block failed, if it did: all failures of its siblings, and the interruption of the block. */
const causeOf = (
  run: Run,
  branches: ReadonlyArray<Branch>,
  exit: Exit.Exit<unknown, unknown>
): Cause.Cause<unknown> | undefined => {
  const causes = branches.flatMap(({ cause }) => cause === undefined ? [] : [cause])
  if (exit._tag === "Failure" && !causes.some(Cause.isInterrupted)) causes.push(exit.cause)
  // Doubts come first: a caller that reads only the first error must not read one that means "everything was undone".
  return causes.length === 0
    ? undefined
    : inParallel([...causes.filter(isDoubt(run)), ...causes.filter((cause) => !isDoubt(run)(cause))])
}

const isDoubt = ({ doubts }: Run) => (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.failureOption(cause), (error) => doubts.some((doubt) => doubt === error))

const stepsOf = (node: StepNode | Nested): ReadonlyArray<StepNode> => node._tag === "Step" ? [node] : node.program.steps

/** Whether an earlier process finished every step of these nodes. */
const isFinished = ({ past }: Run, nodes: ReadonlyArray<StepNode | Nested>): boolean =>
  past !== undefined &&
  (past.state.direction === "Back" || nodes.flatMap(stepsOf).every(({ path }) => {
    const step = past.state.steps.get(path)
    return step !== undefined && (tookEffect(step) || step.status === "Skipped")
  }))

/** Whether an earlier process began this node: then it is armed again or settled, whatever becomes of its siblings. */
const isUnderWay = ({ past }: Run, node: StepNode | Nested): boolean =>
  past !== undefined && stepsOf(node).some(({ path }) => past.state.steps.has(path))

/** Takes a step's outcome from the journal; settles it if it is not there (S13). `begin` runs the step as if it were new. */
const replayStep = (run: Run, past: Past, frame: Frame, step: StepNode, begin: () => AnyEffect): AnyEffect => {
  const recorded = past.state.steps.get(step.path)
  const isBack = past.state.direction === "Back"
  if (recorded === undefined) return isBack ? Effect.failCause(past.cause) : begin()
  switch (recorded.status) {
    case "Succeeded":
    case "Undoing":
    case "Undone":
    case "CompensationFailed":
      return Effect.succeed(past.outputs.get(step.path))
    case "Skipped":
      return Effect.succeed(skipped)
    case "Failed":
      return isBack ? Effect.failCause(past.cause) : replayFailure(run, past, step, recorded, begin)
    case "Started":
    case "InDoubt":
      return isBack ? Effect.failCause(past.cause) : replayDoubt(run, past, frame, step, recorded, begin)
  }
}

const replayFailure = (
  run: Run,
  past: Past,
  step: StepNode,
  recorded: StepState,
  begin: () => AnyEffect
): AnyEffect => {
  // Run again: a Final that failed after the point of no return, or an action that was interrupted between two attempts.
  const again = run.committed.length > 0 || recorded.failures.every(({ kind }) => kind === "Interrupt")
  return again ? begin() : noteFailure(run, step, Effect.failCause(past.causeOf(recorded)))
}

/** Settles a step of which no outcome is recorded. One without a side effect runs again. */
const replayDoubt = (
  run: Run,
  past: Past,
  frame: Frame,
  step: StepNode,
  recorded: StepState,
  begin: () => AnyEffect
): AnyEffect => {
  if (!classifications[step.classification].hasSideEffect) return begin()
  const action = new Action(run, frame, step)
  action.hold(true)
  const { finding } = past
  if (finding?.step !== step.path) {
    const reason = recorded.doubt ?? "the process ended before the outcome was stored"
    return recordOutcome(action, settleDoubt(action, reason))
  }
  if (finding.happened) return recordOutcome(action, Effect.succeed(finding.output))
  const { recorder } = run
  recorder?.record({ _tag: "StepFailed", step: step.path, failures: [], attempts: 0, at: recorder.now() })
  action.letGo()
  considerRequests(run)
  return begin()
}

const runStep = (run: Run, frame: Frame, step: StepNode): AnyEffect => {
  const { when } = step
  return when === undefined ? runAction(run, frame, step) : Effect.flatMap(
    callPure(run, step, () => when(seen(frame))),
    (holds) => holds ? runAction(run, frame, step) : skip(run, step)
  )
}

const skip = ({ recorder }: Run, { classification, path }: StepNode): AnyEffect => {
  recorder?.record({ _tag: "StepSkipped", step: path, classification, at: recorder.now() })
  return Effect.succeed(skipped)
}

const runAction = (run: Run, frame: Frame, step: StepNode): AnyEffect => {
  const { recorder } = run
  if (run.committed.length === 0 && isToBeCancelled(run)) return Effect.interrupt
  const action = new Action(run, frame, step)
  if (!classifications[step.classification].hasSideEffect) {
    const outcome = run.restore(action.runReadOnly())
    if (recorder === undefined) return outcome
    recordStart(recorder, step)
    return recordOutcome(action, outcome)
  }
  const now = () => {
    if (recorder === undefined) {
      return classifications[step.classification].commits ? noteFailure(run, step, action.run()) : action.run()
    }
    recordStart(recorder, step)
    return recorder.commit(() => recordOutcome(action, action.run()))
  }
  // An interruption may arrive here, but not after the point of no return, where the saga can only go forward.
  return run.committed.length > 0 ? now() : unlessInterrupted(run, now)
}

const recordStart = (recorder: Recorder, { classification, path }: StepNode) =>
  recorder.record({ _tag: "StepStarted", step: path, classification, at: recorder.now() })

const recordOutcome = (action: Action, outcome: AnyEffect): AnyEffect => {
  const { owner: run, step } = action
  const { recorder } = run
  if (recorder === undefined) return outcome
  const observed = recorder.observer === undefined ? outcome : recorder.observer.spanCalls("action", action, outcome)
  return Effect.matchCauseEffect(observed, {
    onSuccess: (output) =>
      andThen(recorder.captureOutput(step, output), ({ encoded, text, value }) => {
        const { attempt: attempts } = action
        recorder.record({ _tag: "StepSucceeded", step: step.path, output: encoded, attempts, at: recorder.now() }, text)
        action.letGo()
        considerRequests(run)
        return Effect.succeed(value)
      }),
    onFailure: (cause) => {
      // The step was not called, or its outcome cannot be stored: nothing can be said of it.
      if (haltOf(cause) !== undefined) return Effect.failCause(cause)
      action.letGo()
      run.failed.push({ step, cause })
      const doubt = run.doubts.find((doubt) => doubt.step === step.path)
      const { attempt: attempts } = action
      recorder.record(
        doubt === undefined
          ? { _tag: "StepFailed", step: step.path, failures: storeCause(step, cause), attempts, at: recorder.now() }
          : { _tag: "StepInDoubt", step: step.path, reason: doubt.reason, attempts, at: recorder.now() }
      )
      // Its siblings may be interrupted now.
      considerRequests(run)
      return Effect.failCause(cause)
    }
  })
}
