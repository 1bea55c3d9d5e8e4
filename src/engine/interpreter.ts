/**
 * Program + journal -> Effect. The only place that runs a saga, for every way to run one; a resume is the same interpreter
 * with a journal to start from. `docs/semantics.md` numbers the rules that are named here.
 *
 * A run is one uninterruptible region that opens where an interruption may arrive: around a ReadOnly action, before an
 * action with a side effect, and in the pause between two attempts. So a compensation is armed in the act that completes
 * its action, at the cost of a push (S2).
 */
import { Cause, Effect, FiberRef, Option } from "effect"
import { tookEffect } from "../Journal.ts"
import { Action, settleFirst } from "./action.ts"
import type { Earlier, Nested, Node, Parallel, StepNode } from "../definition/definition.ts"
import { andThen, haltOf, type Recorder, storeCause } from "./recorder.ts"
import { type AnyEffect, Armed, type ArmedList, type FailedAt, type Frame, type Past, type Run } from "./run.ts"
import { validate } from "../values/secrets.ts"
import { goBack } from "./unwind.ts"

/** Drives a run to its end: its output, or, with everything undone, its original cause, or an error that says what stands. */
export const drive = (run: Run): AnyEffect => Effect.uninterruptibleMask((restore) => driveWithin(run, restore))

/** The same, for a caller who has opened the region already. */
export const driveWithin = (run: Run, restore: Run["restore"]): AnyEffect =>
  forwardWithin(
    run,
    restore,
    false,
    (output) => {
      const end = Effect.succeed(output)
      return run.recorder === undefined ? end : finish(run.recorder, end)
    }
  )

/** Nothing will be undone any more. */
export const finish = (recorder: Recorder, end: AnyEffect): AnyEffect => {
  recorder.record({ _tag: "Finished", result: "Succeeded", at: recorder.now() })
  return recorder.commit(() => end)
}

/**
 * Goes forward, and back when that fails. When it succeeds, `keep` decides what becomes of the armed compensations, in the
 * same uninterruptible region, so that nothing can come between the last step and it.
 */
export const goForward = (run: Run, keep: (output: unknown) => AnyEffect): AnyEffect =>
  Effect.uninterruptibleMask((restore) => forwardWithin(run, restore, true, keep))

const forwardWithin = (
  run: Run,
  restore: Run["restore"],
  staysOpen: boolean,
  keep: (output: unknown) => AnyEffect
): AnyEffect => {
  run.restore = restore
  const driven = Effect.matchCauseEffect(wayForward(run), {
    onSuccess: keep,
    onFailure: (cause) => goBack(run, cause)
  })
  const { recorder } = run
  if (recorder === undefined) return driven
  const ended = Effect.catchAllCause(driven, (cause) => {
    const halt = haltOf(cause)
    return Effect.failCause(halt === undefined ? cause : Cause.fail(halt.error))
  })
  return recorder.observer === undefined ? ended : recorder.observer.begin(ended, recorder, staysOpen)
}

/** All steps, and what is made of their outputs. */
export const wayForward = (run: Run): AnyEffect => {
  const steps = inOrder(run, run, run.program.nodes)
  if (run.past?.state.direction === "Back") return Effect.zipRight(steps, Effect.failCause(run.past.cause))
  // The projection counts as part of the way forward: when it throws, what can be undone still is.
  const output = () => Effect.succeed(run.program.project(seen(run)))
  return Effect.flatMap(steps, () =>
    // An interruption that came during the last step arrives here, while what was done can still be undone.
    run.committed.length > 0 ? output() : unlessInterrupted(run, output))
}

/** Lets an interruption arrive that has come meanwhile. To ask whether there is one costs less than to open the region. */
const unlessInterrupted = (run: Run, next: () => AnyEffect): AnyEffect =>
  Effect.withFiberRuntime((fiber) =>
    Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))
      ? next()
      : Effect.flatMap(run.restore(Effect.void), next)
  )

/** What a function that looks back is given. */
const seen = ({ input, outputs }: Frame): Earlier => ({ input, outputs })

/** S1. */
const inOrder = (run: Run, frame: Frame, nodes: ReadonlyArray<Node>): AnyEffect<void> => {
  let next = 0
  return Effect.whileLoop({
    while: () => next < nodes.length,
    body: () => perform(run, frame, nodes[next]!),
    step: (output) => {
      const node = nodes[next++]!
      if (node._tag === "Parallel") return
      if (node._tag === "Nested") frame.outputs[node.name] = output
      else complete(run, frame, node, output)
    }
  })
}

const skipped = Symbol("skipped")

/** In the same act in which a step's action is completed: its output is seen, its compensation armed. */
const complete = (run: Run, frame: Frame, step: StepNode, output: unknown): void => {
  if (output === skipped) {
    frame.outputs[step.name] = Option.none()
    return
  }
  frame.outputs[step.name] = step.when === undefined ? output : Option.some(output)
  if (step.classification === "Compensatable") frame.armed.push(new Armed(step, frame, output))
  else if (step.classification === "Final") run.committed.push(step.path)
}

const perform = (run: Run, frame: Frame, node: Node): AnyEffect => {
  switch (node._tag) {
    case "Step":
      return run.past === undefined ? begin(run, frame, node) : replay(run, run.past, frame, node)
    case "Nested":
      return performNested(run, frame, node)
    case "Parallel":
      return performParallel(run, frame, node)
  }
}

/** S9: a nested saga shares the compensations of its parent, and so is unwound with it. */
const performNested = (run: Run, parent: Frame, nested: Nested): AnyEffect =>
  Effect.flatMap(pure(run, nested, () => nested.nestedInput(seen(parent))), (input) => {
    const { program } = nested
    const frame: Frame = { input, outputs: {}, armed: parent.armed }
    const checked = program.input === undefined
      ? Effect.void
      : noteFailure(run, nested, validate(program.input, input))
    return Effect.zipRight(
      checked,
      Effect.zipRight(inOrder(run, frame, program.nodes), pure(run, nested, () => program.project(seen(frame))))
    )
  })

/** Calls one of the user's pure functions; where it throws, the run knows on whose behalf. */
const pure = <A>(run: Run, on: FailedAt, call: () => A): AnyEffect<A> => noteFailure(run, on, Effect.sync(call))

/**
 * S8: whatever finishes first, compensations are armed in declared order; when one sibling fails, those that run are waited
 * for, those that have not begun do not begin, and all failures are kept.
 */
const performParallel = (run: Run, frame: Frame, parallel: Parallel<StepNode | Nested>): AnyEffect =>
  Effect.suspend(() => {
    const { concurrency, nodes, unwind } = parallel
    const branches = nodes.map((node) => ({
      node,
      frame: { input: frame.input, outputs: { ...frame.outputs }, armed: [] as ArmedList },
      cause: undefined as Cause.Cause<unknown> | undefined,
      begun: false
    }))
    let failed = false
    const enter = (branch: typeof branches[number]) =>
      // All of it: an interruption between the mark and what it says has begun would forget the sibling.
      Effect.uninterruptible(Effect.suspend(() => {
        if (branch.begun || (failed && !isUnderWay(run, branch.node))) return Effect.void
        branch.begun = true
        return Effect.catchAllCause(inOrder(run, branch.frame, [branch.node]), (cause) =>
          Effect.sync(() => {
            failed = true
            branch.cause = cause
          }))
      }))
    const all = Effect.forEach(branches, enter, { concurrency: concurrency ?? "unbounded", discard: true })
    // An interruption reaches the siblings through this fiber, which then waits for them; what they did is in the branches.
    // A block that an earlier process is through with is only armed again, and nothing may come between.
    const entered = Effect.exit(isOver(run, nodes) ? all : run.restore(all))
    // What an earlier process began has to be armed again or settled, also after an interruption.
    const underWay = Effect.suspend(() => {
      failed = true
      return run.past === undefined ? Effect.void : Effect.forEach(branches, enter, { discard: true })
    })
    return Effect.flatMap(Effect.zipLeft(entered, underWay), (exit) => {
      const lanes = branches.map((branch) => branch.frame.armed).filter((lane) => lane.length > 0)
      if (unwind === "parallel" && lanes.length > 1) frame.armed.push({ _tag: "Lanes", lanes })
      else frame.armed.push(...lanes.flat())
      const causes = branches.flatMap(({ cause }) => cause === undefined ? [] : [cause])
      if (exit._tag === "Failure" && !causes.some(Cause.isInterrupted)) causes.push(exit.cause)
      if (causes.length > 0) {
        // A doubt comes first: whoever takes the first error must not take one that means that everything was undone.
        return Effect.failCause([...causes.filter(isDoubt(run)), ...causes.filter((cause) => !isDoubt(run)(cause))]
          .reduce((all, cause) => Cause.parallel(all, cause)))
      }
      for (const { frame: { outputs }, node } of branches) frame.outputs[node.name] = outputs[node.name]
      return Effect.void
    })
  })

const isDoubt = ({ doubts }: Run) => (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.failureOption(cause), (error) => doubts.some((doubt) => doubt === error))

const stepsOf = (node: StepNode | Nested): ReadonlyArray<StepNode> => node._tag === "Step" ? [node] : node.program.steps

/** Whether an earlier process is through with all of it. */
const isOver = ({ past }: Run, nodes: ReadonlyArray<StepNode | Nested>): boolean =>
  past !== undefined &&
  (past.state.direction === "Back" || nodes.flatMap(stepsOf).every(({ path }) => {
    const step = past.state.steps.get(path)
    return step !== undefined && (tookEffect(step) || step.status === "Skipped")
  }))

/** Whether an earlier process began it: then what it did has to be armed again or settled, whatever becomes of its siblings. */
const isUnderWay = ({ past }: Run, node: StepNode | Nested): boolean =>
  past !== undefined && stepsOf(node).some(({ path }) => past.state.steps.has(path))

/** Takes a step's outcome from the journal where it is there, and settles it where it is not (S13). */
const replay = (run: Run, past: Past, frame: Frame, step: StepNode): AnyEffect => {
  const recorded = past.state.steps.get(step.path)
  if (recorded !== undefined && tookEffect(recorded)) return Effect.succeed(past.outputs.get(step.path))
  if (recorded?.status === "Skipped") return Effect.succeed(skipped)
  if (past.state.direction === "Back") return Effect.failCause(past.cause)
  if (recorded === undefined) return begin(run, frame, step)
  if (recorded.status === "Failed") {
    // A Final that failed after another, or an action that an interruption kept from its next attempt, has its chance again.
    const again = run.committed.length > 0 || recorded.failures.every(({ kind }) => kind === "Interrupt")
    return again ? begin(run, frame, step) : noteFailure(run, step, Effect.failCause(past.causeOf(recorded)))
  }
  if (step.classification === "ReadOnly") return begin(run, frame, step)
  const action = new Action(run, frame, step)
  const { finding } = past
  if (finding?.step === step.path) {
    if (finding.happened) return recordOutcome(action, Effect.succeed(finding.output))
    const { recorder } = run
    recorder?.record({ _tag: "StepFailed", step: step.path, failures: [], attempts: 0, at: recorder.now() })
    return begin(run, frame, step)
  }
  return recordOutcome(action, settleFirst(action, recorded.doubt ?? "the process ended before the outcome was stored"))
}

const begin = (run: Run, frame: Frame, step: StepNode): AnyEffect => {
  const { when } = step
  return when === undefined ? act(run, frame, step) : Effect.flatMap(
    pure(run, step, () => when(seen(frame))),
    (holds) => holds ? act(run, frame, step) : skip(run, step)
  )
}

const skip = ({ recorder }: Run, { classification, path }: StepNode): AnyEffect => {
  recorder?.record({ _tag: "StepSkipped", step: path, classification, at: recorder.now() })
  return Effect.succeed(skipped)
}

const act = (run: Run, frame: Frame, step: StepNode): AnyEffect => {
  const { recorder } = run
  const action = new Action(run, frame, step)
  if (step.classification === "ReadOnly") {
    const outcome = run.restore(action.reading)
    if (recorder === undefined) return outcome
    recordStart(recorder, step)
    return recordOutcome(action, outcome)
  }
  const now = () => {
    if (recorder === undefined) {
      return step.classification === "Final" ? noteFailure(run, step, action.outcome) : action.outcome
    }
    recordStart(recorder, step)
    return recorder.commit(() => recordOutcome(action, action.outcome))
  }
  // Here an interruption may arrive. Past the point of no return there is no way but forward, and none arrives.
  return run.committed.length > 0 ? now() : unlessInterrupted(run, now)
}

const recordStart = (recorder: Recorder, { classification, path }: StepNode) =>
  recorder.record({ _tag: "StepStarted", step: path, classification, at: recorder.now() })

const noteFailure = <A>(run: Run, step: FailedAt, outcome: AnyEffect<A>): AnyEffect<A> =>
  Effect.tapErrorCause(outcome, (cause) => Effect.sync(() => run.failed.push({ step, cause })))

const recordOutcome = (action: Action, outcome: AnyEffect): AnyEffect => {
  const { run, step } = action
  const { recorder } = run
  if (recorder === undefined) return outcome
  const observed = recorder.observer === undefined ? outcome : recorder.observer.aroundCalls("action", action, outcome)
  return Effect.matchCauseEffect(observed, {
    onSuccess: (output) =>
      andThen(recorder.encodeOutput(step, output), (encoded) => {
        const { attempt: attempts } = action
        recorder.record({ _tag: "StepSucceeded", step: step.path, output: encoded, attempts, at: recorder.now() })
        return Effect.succeed(output)
      }),
    onFailure: (cause) => {
      run.failed.push({ step, cause })
      const doubt = run.doubts.find((doubt) => doubt.step === step.path)
      const { attempt: attempts } = action
      recorder.record(
        doubt === undefined
          ? { _tag: "StepFailed", step: step.path, failures: storeCause(step, cause), attempts, at: recorder.now() }
          : { _tag: "StepInDoubt", step: step.path, reason: doubt.reason, attempts, at: recorder.now() }
      )
      return Effect.failCause(cause)
    }
  })
}
