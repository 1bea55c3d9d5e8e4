/** Loads stored executions, to resume or to inspect them. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { isWellFormed } from "../definition/rules.ts"
import * as Journal from "../Journal.ts"
import {
  type CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  JournalCorrupt
} from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as schemas from "../values/schema.ts"
import { restoreCause } from "./codec.ts"
import { failAsParked } from "./endings.ts"
import type { AnyEffect, Past } from "./run.ts"

export interface Loaded {
  readonly past: Past
  readonly input: unknown
  /** The sequence of the next commit. */
  readonly sequence: number
  /** The fence of the claim under which the last commit was stored, if it says so. */
  readonly fence: number | undefined
}

type Unreadable = JournalCorrupt | ExecutionConflict | DefinitionChanged

/** Reads a journal back, or says why it cannot be one of this definition; it is left untouched then (S16). */
export const load = (
  store: Pick<Checkpoint.Service, "load">,
  program: Program,
  executionId: string
): Effect.Effect<Loaded | undefined, CheckpointError | Unreadable> =>
  Effect.flatMap(
    // A malformed id cannot be stored, so there is nothing to load.
    isWellFormed(executionId) ? Effect.suspend(() => store.load(executionId)) : Effect.succeed([]),
    (commits) => commits.length === 0 ? Effect.succeed(undefined) : readBack(program, executionId, commits)
  )

/** Like {@link load}, and fails with `ExecutionNotFound` where nothing is stored. */
export const loadKnown = (
  store: Pick<Checkpoint.Service, "load">,
  program: Program,
  executionId: string
): Effect.Effect<Loaded, CheckpointError | Unreadable | ExecutionNotFound> =>
  Effect.flatMap(load(store, program, executionId), (loaded) =>
    loaded === undefined
      ? Effect.fail(new ExecutionNotFound({ saga: program.name, executionId }))
      : Effect.succeed(loaded))

/** The plan document and the state of a stored execution; undefined if there is none, or it has no plan. */
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

/** The sum of the commits of an execution. */
export const sumOf = (
  executionId: string,
  commits: ReadonlyArray<Checkpoint.StoredCommit>
): Effect.Effect<Journal.ExecutionState | undefined, JournalCorrupt> =>
  Effect.map(readJournal(executionId, commits), ({ state }) => state)

/** The events of an execution, and their sum. */
export const readJournal = (
  executionId: string,
  commits: ReadonlyArray<Checkpoint.StoredCommit>
): Effect.Effect<
  { readonly events: ReadonlyArray<Journal.Event>; readonly state: Journal.ExecutionState | undefined },
  JournalCorrupt
> =>
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
    if (state instanceof Journal.InvalidTransition) return yield* corrupt(`${state.event}: ${state.problem}`)
    return { events, state }
  })

const readBack = (
  program: Program,
  executionId: string,
  commits: ReadonlyArray<Checkpoint.StoredCommit>
): Effect.Effect<Loaded | undefined, Unreadable> =>
  Effect.gen(function*() {
    const state = yield* sumOf(executionId, commits)
    if (state === undefined) return undefined
    if (state.saga !== program.name) {
      return yield* new ExecutionConflict({ reason: "OtherSaga", saga: program.name, executionId })
    }
    const changed = difference(program, state)
    if (changed !== undefined) {
      return yield* new DefinitionChanged({ saga: program.name, executionId, difference: changed })
    }
    const decode = (schema: Parameters<typeof schemas.decode>[0], value: unknown, what: string) =>
      Effect.mapError(
        schemas.decode(schema, value),
        (problem) => new JournalCorrupt({ executionId, problem: `${what}: ${problem}` })
      )
    const input: unknown = program.input === undefined
      ? undefined
      : yield* decode(program.input, state.input, "the input")
    const outputs = new Map<string, unknown>()
    for (const step of program.steps) {
      const recorded = state.steps.get(step.path)
      if (step.success === undefined || recorded === undefined || !Journal.tookEffect(recorded)) continue
      outputs.set(step.path, yield* decode(step.success, recorded.output, `the output of step "${step.path}"`))
    }
    return {
      past: {
        state,
        outputs,
        cause: restoreCause({ program, executionId }, state.failures),
        causeOf: ({ failures }) => restoreCause({ program, executionId }, failures),
        finding: undefined
      },
      input,
      sequence: commits.length,
      fence: Journal.fenceOf(commits[commits.length - 1]!.body)
    }
  })

/** The state of a stored execution. */
export const stateOf = (program: Program, executionId: string) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (store) => Effect.map(loadKnown(store, program, executionId), ({ past }) => past.state)
  )

/** Fails with the error of the run that parked a stored execution, if it is parked. Its journal is only read. */
export const failIfParked = (program: Program, executionId: string): AnyEffect<void> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.flatMap(
      load(store, program, executionId),
      (loaded) => loaded?.past.state.status === "Parked" ? failAsParked(program, executionId, loaded.past) : Effect.void
    ))
