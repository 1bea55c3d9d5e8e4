/**
 * Program + journal -> Effect. The only place that runs a saga, for every way to run one; a resume is the same interpreter
 * with a journal to start from. `docs/semantics.md` numbers the rules that are named here.
 *
 * A run is one uninterruptible region that opens where an interruption may arrive: around a ReadOnly action, before an
 * action with a side effect, and in the pause between two attempts. So a compensation is armed in the act that completes
 * its action, at the cost of a push (S2).
 */
import { Effect, Option } from "effect"
import type { ForEach, Nested, Node, Program, StepNode } from "../definition/definition.ts"
import type { StepState } from "../Journal.ts"
import { classifications } from "../journal/statuses.ts"
import { validate } from "../values/schema.ts"
import { Action, settleDoubt } from "./action.ts"
import { unlessInterrupted } from "./beforeCall.ts"
import { considerRequests, isToBeCancelled } from "./cancellation.ts"
import { recordOutput, recordSuccess } from "./finished.ts"
import { haltOf } from "./halt.ts"
import { type Item, itemsOf } from "./items.ts"
import { recordOutcome, recordStart, recordWithEffect } from "./outcome.ts"
import { runParallel, type SiblingKind } from "./parallel.ts"
import { callPure, noteFailure, seen } from "./pure.ts"
import { type AnyEffect, Armed, type FailedAt, type Frame, type Past, type Run } from "./run.ts"
import { isStoredWithEffect } from "./transaction.ts"
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

/** Makes the output of a node visible to the nodes after it: of a parallel block those of its siblings. */
const publish = (frame: Frame, node: Node, seen: unknown): void => {
  switch (node._tag) {
    case "Step":
    case "Wait":
    case "Nested":
    case "ForEach":
      frame.outputs[node.name] = seen
      return
    case "Parallel":
      node.nodes.forEach((sibling, index) => publish(frame, sibling, (seen as ReadonlyArray<unknown>)[index]))
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
    case "ForEach":
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
      return runParallel(run, frame, node, siblings)
    case "ForEach":
      return runForEach(run, frame, node)
  }
}

/** Runs a nested saga. It arms its compensations in its parent's list, and so is unwound with it (S9). */
const runNested = (run: Run, parent: Frame, nested: Nested): AnyEffect =>
  Effect.flatMap(callPure(run, nested, () => nested.nestedInput(seen(parent))), (input) => {
    const { program } = nested
    const checked = program.input === undefined
      ? Effect.succeed(input)
      : noteFailure(run, nested, validate(program.input, input))
    return Effect.flatMap(checked, (input) => runInside(run, parent, nested, program, input))
  })

/** Runs the nodes and the projection of a saga inside another one. */
const runInside = (run: Run, parent: Frame, on: FailedAt, program: Program, input: unknown): AnyEffect => {
  const frame: Frame = { input, outputs: {}, armed: parent.armed }
  return Effect.zipRight(
    runNodes(run, frame, program.nodes),
    callPure(run, on, () => program.project(seen(frame)))
  )
}

/** Runs steps and nested sagas at the same time (S8). */
const siblings: SiblingKind<StepNode | Nested> = {
  run: (run, frame, node) => runNode(run, frame, node),
  complete: (run, frame, node, output) => complete(run, frame, node, output),
  stepsOf: (node) => node._tag === "Step" ? [node] : node.program.steps,
  boundsUndoing: false
}

const items: SiblingKind<Item> = {
  run: (run, frame, item) => runInside(run, frame, item, item.program, item.value),
  complete: (_run, _frame, _item, output) => output,
  stepsOf: ({ program }) => program.steps,
  boundsUndoing: true
}

/** Runs the items of a list as siblings (S23). */
const runForEach = (run: Run, frame: Frame, list: ForEach): AnyEffect =>
  Effect.flatMap(itemsOf(run, frame, list), (nodes) => {
    const { concurrency = 1, unwind } = list
    return runParallel(run, frame, { nodes, concurrency, unwind }, items)
  })

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
    if (isStoredWithEffect(recorder, step)) return recordWithEffect(recorder, action)
    recordStart(recorder, step)
    return recorder.commit(() => recordOutcome(action, action.run()))
  }
  // An interruption may arrive here, but not after the point of no return, where the saga can only go forward.
  return run.committed.length > 0 ? now() : unlessInterrupted(run, now)
}
