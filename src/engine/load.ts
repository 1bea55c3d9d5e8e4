/** Loads stored executions, to resume or to inspect them. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { nodeAt } from "../definition/lists.ts"
import { isWellFormed } from "../definition/rules.ts"
import * as Journal from "../Journal.ts"
import { isFinished } from "../journal/statuses.ts"
import {
  type CheckpointError,
  DefinitionChanged,
  ExecutionConflict,
  ExecutionNotFound,
  JournalCorrupt
} from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { canonical } from "../values/json.ts"
import { textOrKind } from "../values/numbers.ts"
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

/**
 * Reads a journal back, or says why it cannot be one of this definition; it is left untouched then (S16). The end of a finished
 * execution is read whichever definition has started it, where the journal tells it by itself (S26).
 */
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
      ? Effect.fail(new ExecutionNotFound({ saga: program.name, executionId: textOrKind(executionId) }))
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
    const end = yield* endOf(program, executionId, state, changed)
    if (changed !== undefined && end === undefined) return yield* isChanged(program, executionId, state, changed)
    const { input, items, outputs } = end === undefined
      ? yield* readValues(program, executionId, state)
      : { input: undefined, items: new Map<string, ReadonlyArray<unknown>>(), outputs: new Map<string, unknown>() }
    return {
      past: {
        state,
        outputs,
        items,
        output: end?.output,
        cause: restoreCause({ program, executionId }, state.failures),
        causeOf: ({ failures }) => restoreCause({ program, executionId }, failures),
        finding: undefined
      },
      input,
      sequence: commits.length,
      fence: Journal.fenceOf(commits[commits.length - 1]!.body)
    }
  })

/** The input, the outputs and the items of lists of an execution that this definition has started. */
const readValues = (program: Program, executionId: string, state: Journal.ExecutionState) =>
  Effect.gen(function*() {
    const decode = (schema: Parameters<typeof schemas.decode>[0], value: unknown, what: string) =>
      Effect.mapError(
        schemas.decodeStored(schema, value),
        (problem) => new JournalCorrupt({ executionId, problem: `${what}: ${problem}` })
      )
    const input: unknown = program.input === undefined
      ? undefined
      : yield* decode(program.input, state.input, "the input")
    const outputs = new Map<string, unknown>()
    for (const step of program.listed(state.lists).steps) {
      const recorded = state.steps.get(step.path)
      if (step.success === undefined || recorded === undefined || !Journal.tookEffect(recorded)) continue
      outputs.set(step.path, yield* decode(step.success, recorded.output, `the output of step "${step.path}"`))
    }
    const items = new Map<string, ReadonlyArray<unknown>>()
    for (const [path, stored] of state.lists) {
      const list = nodeAt(program, path)
      const schema = list?._tag === "ForEach" ? list.program.input : undefined
      if (schema === undefined) continue
      const values: Array<unknown> = []
      for (const { item, key } of stored) values.push(yield* decode(schema, item, `item "${key}" of "${path}"`))
      items.set(path, values)
    }
    return { input, items, outputs }
  })

/**
 * The end of an execution where the journal tells it by itself, whichever definition of the saga has started it (S26): that it was
 * undone, or the output that is stored with it; undefined where it does not. A plan has no versions: another document of
 * the same name is another plan.
 */
const endOf = (
  program: Program,
  executionId: string,
  state: Journal.ExecutionState,
  changed: string | undefined
): Effect.Effect<Pick<Past, "output"> | undefined, JournalCorrupt | DefinitionChanged> => {
  const isPlan = state.plan !== undefined || program.plan !== undefined
  if (changed !== undefined && isPlan) return Effect.succeed(undefined)
  switch (state.status) {
    case "Undone":
      return Effect.succeed({ output: undefined })
    case "Succeeded": {
      if (program.success === undefined || state.output === undefined) return Effect.succeed(undefined)
      return Effect.mapBoth(schemas.decodeStored(program.success, state.output.value), {
        onSuccess: (value) => ({ output: { value } }),
        onFailure: (problem) =>
          changed === undefined
            ? new JournalCorrupt({ executionId, problem: `the output: ${problem}` })
            : isChanged(
              program,
              executionId,
              state,
              `${changed}; and the success schema of this definition cannot read the stored output: ${problem}`
            )
      })
    }
    case "Running":
    case "Unwinding":
    case "Parked":
    case "Waiting":
      return Effect.succeed(undefined)
  }
}

const isChanged = (
  program: Program,
  executionId: string,
  { status }: Pick<Journal.ExecutionState, "status">,
  difference: string
) =>
  new DefinitionChanged({
    saga: program.name,
    executionId,
    difference,
    ...(isFinished(status) ? { finished: true as const } : {})
  })

/**
 * Fails unless an execution was started with the input of a call, of which `asked` is the canonical text (S15). A later version of the
 * saga may encode the same input otherwise: so the stored one is read by the schema of the version that asks, and encoded again.
 */
export const checkInput = (
  { input, name: saga }: Program,
  executionId: string,
  { past }: Loaded,
  asked: string
): Effect.Effect<void, ExecutionConflict> => {
  const stored = past.state.input
  const other = new ExecutionConflict({ reason: "OtherInput", saga, executionId })
  if (canonical(stored) === asked) return Effect.void
  if (input === undefined) return Effect.fail(other)
  return Effect.matchEffect(
    schemas.andThen(schemas.decode(input, stored), (value) => schemas.encode(input, value)),
    {
      onFailure: () => Effect.fail(other),
      onSuccess: (again) => canonical(again) === asked ? Effect.void : Effect.fail(other)
    }
  )
}

/** The state of a stored execution of this definition. */
export const stateOf = (program: Program, executionId: string) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (store) =>
      Effect.flatMap(loadKnown(store, program, executionId), ({ past: { state } }) => {
        const changed = difference(program, state)
        return changed === undefined
          ? Effect.succeed(state)
          : Effect.fail(isChanged(program, executionId, state, changed))
      })
  )

/** Fails with the error of the run that parked a stored execution, if it is parked. Its journal is only read. */
export const failIfParked = (program: Program, executionId: string): AnyEffect<void> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.flatMap(
      load(store, program, executionId),
      (loaded) => loaded?.past.state.status === "Parked" ? failAsParked(program, executionId, loaded.past) : Effect.void
    ))
