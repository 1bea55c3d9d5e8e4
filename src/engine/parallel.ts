/** Runs siblings at the same time: those of a parallel block (S8), and the items of a list (S23). */
import { Cause, Effect, type Exit, Option } from "effect"
import type { ParallelOptions, StepNode } from "../definition/definition.ts"
import { tookEffect } from "../Journal.ts"
import { inParallel } from "./codec.ts"
import { type AnyEffect, ArmedLanes, type Frame, type Run } from "./run.ts"

/** What siblings of one kind are. */
export interface SiblingKind<Sibling> {
  readonly run: (run: Run, frame: Frame, sibling: Sibling) => AnyEffect
  /** Runs in the same uninterruptible step as the end of a sibling; answers with its output as later nodes see it. */
  readonly complete: (run: Run, frame: Frame, sibling: Sibling, output: unknown) => unknown
  readonly stepsOf: (sibling: Sibling) => ReadonlyArray<StepNode>
  /** Whether as many are undone at a time as run at a time, where they are undone in parallel; else all are. */
  readonly boundsUndoing: boolean
}

/** Siblings, and how they run and unwind. */
export interface Siblings<Sibling> extends ParallelOptions {
  readonly nodes: ReadonlyArray<Sibling>
}

/**
 * Runs siblings at the same time, and answers with their outputs in declared order. Whichever finishes first, compensations are armed in
 * declared order; when one sibling fails, the running ones are waited for, the others do not begin, and all failures are kept.
 */
export const runParallel = <Sibling>(
  run: Run,
  frame: Frame,
  siblings: Siblings<Sibling>,
  kind: SiblingKind<Sibling>
): AnyEffect<ReadonlyArray<unknown>> =>
  Effect.suspend(() => {
    const { concurrency, nodes } = siblings
    // Siblings share the outputs before the block, and publish their own when it ends.
    const branches = nodes.map((node) => new Branch(node, { input: frame.input, outputs: frame.outputs, armed: [] }))
    let failed = false
    const enter = (branch: Branch<Sibling>) =>
      // As a whole: an interruption between `begun = true` and the start of the sibling would lose the sibling.
      Effect.uninterruptible(Effect.suspend(() => {
        if (branch.begun || (failed && !isUnderWay(run, branch.node, kind))) return Effect.void
        branch.begun = true
        return Effect.matchCause(kind.run(run, branch.frame, branch.node), {
          onFailure: (cause) => {
            failed = true
            branch.cause = cause
          },
          onSuccess: (output) => {
            branch.seen = kind.complete(run, branch.frame, branch.node, output)
          }
        })
      }))
    const all = Effect.forEach(branches, enter, { concurrency: concurrency ?? "unbounded", discard: true })
    // An interruption reaches the siblings through this fiber, which then waits for them; their results are in the branches.
    // A block that an earlier process finished is only armed again: keep that uninterruptible.
    const entered = Effect.exit(isFinished(run, nodes, kind) ? all : run.restore(all))
    // Siblings that an earlier process began are armed again or settled, also after an interruption.
    const underWay = Effect.suspend(() => {
      failed = true
      return run.past === undefined ? Effect.void : Effect.forEach(branches, enter, { discard: true })
    })
    return Effect.flatMap(Effect.zipLeft(entered, underWay), (exit) => {
      arm(frame.armed, branches, siblings.unwind, kind.boundsUndoing ? siblings.concurrency : "unbounded")
      const cause = causeOf(run, branches, exit)
      return cause === undefined ? Effect.succeed(branches.map(({ seen }) => seen)) : Effect.failCause(cause)
    })
  })

/** Arms the compensations of siblings, as they are to be unwound. */
const arm = (
  armed: Frame["armed"],
  branches: ReadonlyArray<Branch<unknown>>,
  unwind: ParallelOptions["unwind"] = "sequential",
  atATime: ParallelOptions["concurrency"] = "unbounded"
) => {
  const lanes = branches.map(({ frame }) => frame.armed).filter((lane) => lane.length > 0)
  switch (unwind) {
    case "parallel":
      if (lanes.length > 1) {
        armed.push(new ArmedLanes(lanes, atATime))
        return
      }
      break
    case "sequential":
  }
  // One by one: a call with as many arguments as a long list has items would overflow the stack.
  for (const lane of lanes) for (const entry of lane) armed.push(entry)
}

/** A sibling while its block runs. */
class Branch<Sibling> {
  begun = false
  /** Its output, as later nodes see it. */
  seen: unknown = undefined
  cause: Cause.Cause<unknown> | undefined = undefined
  readonly node: Sibling
  readonly frame: Frame

  constructor(node: Sibling, frame: Frame) {
    this.node = node
    this.frame = frame
  }
}

/** Why a block failed, if it did: all failures of its siblings, and the interruption of the block. */
const causeOf = (
  run: Run,
  branches: ReadonlyArray<Branch<unknown>>,
  exit: Exit.Exit<unknown, unknown>
): Cause.Cause<unknown> | undefined => {
  const causes = branches.flatMap(({ cause }) => cause === undefined ? [] : [cause])
  if (exit._tag === "Failure" && !causes.some(Cause.isInterrupted)) causes.push(exit.cause)
  if (causes.length === 0) return undefined
  // Doubts come first: a caller that reads only the first error must not read one that means "everything was undone".
  const doubts = new Set<unknown>(run.doubts)
  const isDoubt = (cause: Cause.Cause<unknown>) =>
    Option.exists(Cause.failureOption(cause), (error) => doubts.has(error))
  return inParallel([...causes.filter(isDoubt), ...causes.filter((cause) => !isDoubt(cause))])
}

/** Whether an earlier process finished every step of these siblings. */
const isFinished = <Sibling>({ past }: Run, nodes: ReadonlyArray<Sibling>, kind: SiblingKind<Sibling>): boolean =>
  past !== undefined &&
  (past.state.direction === "Back" || nodes.every((node) =>
    kind.stepsOf(node).every(({ path }) => {
      const step = past.state.steps.get(path)
      return step !== undefined && (tookEffect(step) || step.status === "Skipped")
    })
  ))

/** Whether an earlier process began this sibling: then it is armed again or settled, whatever becomes of the others. */
const isUnderWay = <Sibling>({ past }: Run, node: Sibling, kind: SiblingKind<Sibling>): boolean =>
  past !== undefined && kind.stepsOf(node).some(({ path }) => past.state.steps.has(path))
