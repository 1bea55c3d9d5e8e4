/** Reads stored executions back: for whoever goes on with them, and for whoever only looks. */
import { Cause, Effect, Option, Schema } from "effect"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as Journal from "../Journal.ts"
import {
  type CheckpointError,
  CompensationFailed,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  FailedAfterCommit,
  JournalCorrupt,
  OutcomeUnknown,
  RecoveredFailure
} from "../SagaError.ts"
import type { Program } from "../definition/definition.ts"
import { describe } from "../values/describe.ts"
import { keyOf } from "../definition/key.ts"
import { difference } from "../definition/program.ts"
import { isWellFormed } from "../definition/rules.ts"
import type { AnyEffect, Past } from "./run.ts"

export interface Stored {
  readonly past: Past
  readonly input: unknown
  /** The sequence of the next commit. */
  readonly sequence: number
}

/** Reads a journal back, or says why it cannot be one of this definition; it is left untouched then (S16). */
export const load = (
  store: Pick<Checkpoint.Service, "load">,
  program: Program,
  executionId: string
): Effect.Effect<
  Stored | undefined,
  CheckpointError | JournalCorrupt | ExecutionConflict | DefinitionChanged
> =>
  Effect.flatMap(
    Effect.suspend(() => store.load(executionId)),
    (commits) => commits.length === 0 ? Effect.succeed(undefined) : readBack(program, executionId, commits)
  )

/** The document of a stored execution's plan, and how far it is; undefined where it is not one of a plan, or not there. */
export const planOf = (
  store: Pick<Checkpoint.Service, "load">,
  executionId: string
): Effect.Effect<
  { readonly document: unknown; readonly state: Journal.ExecutionState } | undefined,
  CheckpointError | JournalCorrupt
> =>
  Effect.flatMap(
    isWellFormed(executionId) ? store.load(executionId) : Effect.succeed([]),
    (commits) =>
      Effect.map(sumOf(executionId, commits), (state) =>
        state?.plan === undefined ? undefined : { document: state.plan, state })
  )

/** What the commits of an execution add up to. */
const sumOf = (
  executionId: string,
  commits: ReadonlyArray<Checkpoint.StoredCommit>
): Effect.Effect<Journal.ExecutionState | undefined, JournalCorrupt> =>
  Effect.gen(function*() {
    const corrupt = (problem: string) => new JournalCorrupt({ executionId, problem })
    const events: Array<Journal.Event> = []
    for (const [index, { body, sequence }] of commits.entries()) {
      if (sequence !== index) return yield* corrupt(`commit ${index} is missing`)
      events.push(
        ...(yield* Effect.mapError(Journal.decodeCommit(body), (problem) => corrupt(`commit ${index}: ${problem}`)))
      )
    }
    const state = Journal.fold(events)
    return state instanceof Journal.InvalidTransition ? yield* corrupt(`${state.event}: ${state.problem}`) : state
  })

const readBack = (
  program: Program,
  executionId: string,
  commits: ReadonlyArray<Checkpoint.StoredCommit>
): ReturnType<typeof load> =>
  Effect.gen(function*() {
    const corrupt = (problem: string) => new JournalCorrupt({ executionId, problem })
    const state = yield* sumOf(executionId, commits)
    if (state === undefined) return undefined
    if (state.saga !== program.name) {
      return yield* new ExecutionConflict({ reason: "OtherSaga", saga: program.name, executionId })
    }
    const changed = difference(program, state)
    if (changed !== undefined) {
      return yield* new DefinitionChanged({ saga: program.name, executionId, difference: changed })
    }
    const input = program.input === undefined ? undefined : yield* Effect.mapError(
      Schema.decodeUnknown(program.input)(state.input),
      (error) => corrupt(`the input: ${describe(error).message}`)
    )
    const outputs = new Map<string, unknown>()
    for (const step of program.steps) {
      const recorded = state.steps.get(step.path)
      if (step.success === undefined || recorded === undefined || !Journal.tookEffect(recorded)) continue
      const output = yield* Effect.mapError(
        Schema.decodeUnknown(step.success)(recorded.output),
        (error) => corrupt(`the output of step "${step.path}": ${describe(error).message}`)
      )
      outputs.set(step.path, output)
    }
    return {
      past: {
        state,
        outputs,
        cause: restoreCause(program, state.failures),
        causeOf: ({ failures }) => restoreCause(program, failures),
        finding: undefined
      },
      input,
      sequence: commits.length
    }
  })

/** Makes a cause of what was stored of one. */
const restoreCause = (program: Program, failures: ReadonlyArray<Journal.StoredFailure>): Cause.Cause<unknown> =>
  failures.length === 0
    ? Cause.empty
    : failures.map((failure) => restoreFailure(program, failure)).reduce((all, cause) => Cause.parallel(all, cause))

const restoreFailure = (program: Program, failure: Journal.StoredFailure): Cause.Cause<unknown> => {
  switch (failure.kind) {
    case "Interrupt":
      // Whoever asks later has not been interrupted, and an interruption passes by every handler.
      return Cause.fail(
        new RecoveredFailure({ tag: "Interrupted", detail: "whoever drove the execution was interrupted" })
      )
    case "Die":
      return Cause.die(Object.assign(new Error(failure.message), { name: failure.tag }))
    case "Fail": {
      const schema = program.steps.find(({ path }) => path === failure.step)?.error
      const restored = schema === undefined || failure.encoded === undefined
        ? Option.none()
        : Schema.decodeUnknownOption(schema)(failure.encoded)
      return Cause.fail(
        Option.getOrElse(restored, () => new RecoveredFailure({ tag: failure.tag, detail: failure.message }))
      )
    }
  }
}

/** What the journal of a stored execution adds up to. */
export const stateOf = (program: Program, executionId: string) =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.flatMap(
      isWellFormed(executionId) ? load(store, program, executionId) : Effect.succeed(undefined),
      (stored) =>
        stored === undefined
          ? Effect.fail(new ExecutionNotFound({ saga: program.name, executionId }))
          : Effect.succeed(stored.past.state)
    ))

/** Fails with why a stored execution is parked; its journal is only read. */
export const inspect = (program: Program, executionId: string): AnyEffect<void> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.flatMap(
      load(store, program, executionId),
      (stored) => stored?.past.state.status === "Parked" ? whyParked(program, executionId, stored.past) : Effect.void
    ))

/** Ends as the run did that parked the execution, by what its journal says. */
export const whyParked = (program: Program, executionId: string, { cause, state }: Past): AnyEffect<never> => {
  const whose = { saga: program.name, executionId, parked: true }
  const steps = program.steps.flatMap(({ path }) => state.steps.get(path) ?? [])
  const inDoubt = steps.filter(({ status }) => status === "InDoubt")
  const sideEffects = steps.filter(({ classification }) => classification !== "ReadOnly")
  const stands = sideEffects.filter(Journal.tookEffect).map(({ step }) => step)
  const doubts = inDoubt.flatMap(({ doubt, step: path }) => {
    const step = program.steps.find((step) => step.path === path)
    if (step === undefined) return []
    const idempotencyKey = keyOf(encodeURIComponent(executionId), step, "action")
    return [Cause.fail(new OutcomeUnknown({ ...whose, step: path, idempotencyKey, reason: doubt ?? "" }))]
  })
  const unknown = doubts.reduce<Cause.Cause<OutcomeUnknown>>(
    (all, doubt) => all === Cause.empty ? doubt : Cause.parallel(all, doubt),
    Cause.empty
  )
  const committed = steps.some((step) => step.classification === "Final" && Journal.tookEffect(step))
  if (state.parked === "OutcomeUnknown" && !committed) return Effect.failCause(unknown)
  if (state.parked !== "CompensationFailed") {
    const failed = sideEffects.find(({ status }) => status === "Failed")
    const step = inDoubt[0] ?? failed
    const why = inDoubt.length > 0 ? unknown : restoreCause(program, failed?.failures ?? state.failures)
    const error = new FailedAfterCommit({ ...whose, step: step?.step, cause: why, stands })
    return step === undefined ? Effect.die(error) : Effect.fail(error)
  }
  const owed = sideEffects.filter(Journal.tookEffect).reverse()
  return Effect.fail(
    new CompensationFailed({
      ...whose,
      cause,
      undone: owed.filter(({ status }) => status === "Undone").map(({ step }) => step),
      failed: owed.filter(({ status }) => status === "UndoFailed")
        .map(({ step, undoFailures }) => ({ step, cause: restoreCause(program, undoFailures) })),
      notTried: owed.filter(({ status }) => status === "Succeeded").map(({ step }) => step)
    })
  )
}
