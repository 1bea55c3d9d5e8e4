/**
 * The three errors that say what stands when a saga has ended without being all done or all undone. They are made here only: of
 * a run that ends so, and, in the same words, of the journal of an execution that was parked so.
 */
import { Cause, Effect } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import { keyOf } from "../definition/program.ts"
import * as Journal from "../Journal.ts"
import { classifications } from "../journal/statuses.ts"
import { FailedAfterCommit, type FailedCompensation, KeepsFailing, OutcomeUnknown, PartlyUndone } from "../SagaError.ts"
import { inParallel, restoreCause } from "./codec.ts"
import { type AnyEffect, type Armed, type ArmedList, type Past, type Run } from "./run.ts"

/** The execution that an error is about. */
const whose = ({ executionId, program }: { readonly executionId: string; readonly program: Program }) => ({
  saga: program.name,
  executionId
})

/** Whether a run waits in the store for a person, instead of ending here. */
const isParked = ({ recorder }: Run): boolean => recorder?.durable === true

/** The compensations of a list, oldest first. */
export const inList = (armed: ArmedList): ReadonlyArray<Armed> =>
  armed.flatMap((entry) => entry._tag === "Armed" ? [entry] : entry.lanes.flatMap(inList))

/** S5: some compensations failed for good, or were not tried. */
export const partlyUndone = (
  run: Run,
  cause: Cause.Cause<unknown>,
  { failed, undone }: { readonly undone: ReadonlyArray<string>; readonly failed: ReadonlyArray<FailedCompensation> }
): PartlyUndone<unknown> =>
  new PartlyUndone({
    ...whose(run),
    cause,
    undone,
    failed,
    // The unwinding has removed from the list all that it has tried.
    notTried: inList(run.armed).map(({ step }) => step.path).reverse(),
    parked: isParked(run)
  })

/** S6: a Final, or the projection, failed after a Final had taken effect. */
export const failedAfterCommit = (run: Run, cause: Cause.Cause<unknown>): FailedAfterCommit<unknown> =>
  new FailedAfterCommit({
    ...whose(run),
    step: run.failed[0]?.step.path,
    cause,
    stands: [...inList(run.armed).map(({ step }) => step.path), ...run.committed],
    parked: isParked(run)
  })

/** S7: nobody knows whether a step's action happened, and its policy could not settle that. */
export const outcomeUnknown = (run: Run, step: StepNode, reason: string): OutcomeUnknown => {
  const parked = isParked(run)
  return new OutcomeUnknown({
    ...doubted(run, step, reason),
    ...(parked || run.committed.length === 0 ? { parked } : undefined)
  })
}

/** S25: the execution was claimed again and again without a new event. */
const keepsFailing = (
  execution: { readonly executionId: string; readonly program: Program },
  { claims, steps }: Journal.ExecutionState
): KeepsFailing => {
  const known = Array.from(steps.values())
  const open = known.find(({ status }) => status === "Started" || status === "Undoing")
  return new KeepsFailing({
    ...whose(execution),
    claims,
    ...(open === undefined ? undefined : { step: open.step }),
    stands: known
      .filter((step) =>
        classifications[step.classification].hasSideEffect && Journal.tookEffect(step) && step.status !== "Undone"
      )
      .map(({ step }) => step)
  })
}

/** What is said of a step in doubt. */
export const doubted = (
  execution: { readonly executionId: string; readonly program: Program },
  step: StepNode,
  reason: string
) => ({
  ...whose(execution),
  step: step.path,
  idempotencyKey: keyOf(encodeURIComponent(execution.executionId), step, "action"),
  reason
})

/** Fails with the error of the run that parked this execution, rebuilt from its journal. */
export const failAsParked = (program: Program, executionId: string, { cause, state }: Past): AnyEffect<never> => {
  const execution = { program, executionId }
  const declared = program.listed(state.lists).steps
  const steps = declared.flatMap(({ path }) => state.steps.get(path) ?? [])
  const sideEffects = steps.filter(({ classification }) => classifications[classification].hasSideEffect)
  const tookEffect = sideEffects.filter(Journal.tookEffect)
  const inDoubt = declared.flatMap((step) => {
    const recorded = state.steps.get(step.path)
    return recorded?.status === "InDoubt" ? [{ step, reason: recorded.doubt ?? "" }] : []
  })
  const unknown = inParallel(
    inDoubt.map(({ reason, step }) =>
      Cause.fail(new OutcomeUnknown({ ...doubted(execution, step, reason), parked: true }))
    )
  )
  const afterCommit = (): AnyEffect<never> => {
    const failed = sideEffects.find(({ status }) => status === "Failed")
    const step = inDoubt[0]?.step.path ?? failed?.step
    const error = new FailedAfterCommit({
      ...whose(execution),
      step,
      cause: inDoubt.length > 0 ? unknown : restoreCause(execution, failed?.failures ?? state.failures),
      stands: tookEffect.map(({ step }) => step),
      parked: true
    })
    return step === undefined ? Effect.die(error) : Effect.fail(error)
  }
  switch (state.parked) {
    case "OutcomeUnknown":
      return tookEffect.some(({ classification }) => classifications[classification].commits)
        ? afterCommit()
        : Effect.failCause(unknown)
    case "FailedAfterCommit":
      return afterCommit()
    case "PartlyUndone": {
      const owed = [...tookEffect].reverse()
      return Effect.fail(
        new PartlyUndone({
          ...whose(execution),
          cause,
          undone: owed.filter(({ status }) => status === "Undone").map(({ step }) => step),
          failed: owed.filter(({ status }) => status === "CompensationFailed")
            .map(({ step, undoFailures }) => ({ step, cause: restoreCause(execution, undoFailures) })),
          notTried: owed.filter(({ status }) => status === "Succeeded").map(({ step }) => step),
          parked: true
        })
      )
    }
    case "KeepsFailing":
      return Effect.fail(keepsFailing(execution, state))
    case undefined:
      return Effect.dieMessage(`execution ${executionId} of ${program.name} is not parked`)
  }
}
