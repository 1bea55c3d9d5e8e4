/**
 * Writes down what the interpreter does. A run without a recorder writes nothing and pays nothing.
 */
import { Cause, Chunk, Effect, Either, Option, ParseResult, Schema } from "effect"
import type * as Checkpoint from "../Checkpoint.ts"
import * as Journal from "../Journal.ts"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import type { Program, StepNode } from "./definition.ts"
import { describe } from "./describe.ts"
import { notJson } from "./json.ts"
import type { Observer } from "./observer.ts"
import { diedAppending } from "./storeFailure.ts"

/** Stops a run where it is: no step follows, and nothing is undone. */
export class Halt {
  readonly error: CheckpointError | ExecutionConflict
  constructor(error: CheckpointError | ExecutionConflict) {
    this.error = error
  }
}

const isHalt = (error: unknown): error is Halt => error instanceof Halt

/** Why a run has to stop where it is, if it has. In the midst of an action it dies of it, for a failure would be retried. */
export const haltOf = (cause: Cause.Cause<unknown>): Halt | undefined =>
  Option.getOrUndefined(Option.orElse(
    Chunk.findFirst(Cause.failures(cause), isHalt),
    () => Chunk.findFirst(Cause.defects(cause), isHalt)
  ))

export interface Recorder {
  /** Whether what is recorded outlives the process, so that an execution can wait there. */
  readonly durable: boolean
  /** The sum of what has been recorded. */
  readonly state: () => Journal.ExecutionState | undefined
  /** Notes an event. It is not stored before the next `commit`. */
  readonly record: (event: Journal.Event) => void
  /** Stores what was noted. */
  readonly commit: Effect.Effect<void, Halt>
  /** A step's output as it is stored. */
  readonly encodeOutput: (step: StepNode, output: unknown) => Effect.Effect<unknown, Halt>
  readonly observer: Observer | undefined
  /** Why nothing more may be attempted, where that is known already. */
  readonly mustStop: () => Halt | undefined
  readonly now: () => number
}

const add = (sum: Journal.Sum, event: Journal.Event): void => {
  const invalid = sum.add(event)
  // The interpreter made an event that cannot be: a defect of this library, and better loud than stored.
  if (invalid !== undefined) throw new Error(`${invalid.event}: ${invalid.problem}`)
}

/** Keeps the sum of the events, for a report. */
export const inMemory = (now: () => number, observer: Observer | undefined): Recorder => {
  const sum = new Journal.Sum(undefined)
  return {
    durable: false,
    observer,
    state: () => sum.state,
    record: (event) => {
      add(sum, event)
      observer?.tell(event, sum.state!)
    },
    commit: Effect.void,
    encodeOutput: (_, output) => Either.right(output),
    mustStop: () => undefined,
    now
  }
}

/** Stores events through a checkpoint, one commit for all that was noted since the last. */
export const toCheckpoint = (options: {
  readonly store: Pick<Checkpoint.Service, "append" | "holds">
  /** By which right the execution is driven. */
  readonly claim: Checkpoint.Claim
  readonly program: Program
  readonly executionId: string
  readonly state: Journal.ExecutionState | undefined
  /** The sequence of the next commit. */
  readonly sequence: number
  readonly now: () => number
  readonly observer: Observer | undefined
}): Recorder => {
  const { claim, executionId, observer, program, store } = options
  const sum = new Journal.Sum(options.state)
  let sequence = options.sequence
  let pending: Array<Journal.Event> = []
  /** What observers are told once it is stored. */
  let decided: Array<Journal.Event> = []
  let noted = 0
  let stored = 0
  let halted: Halt | undefined
  const halt = (cause: Cause.Cause<CheckpointError | ExecutionConflict>) =>
    Effect.fail(
      halted ??= new Halt(Option.getOrElse(Cause.failureOption(cause), () => diedAppending(executionId, cause)))
    )
  /** Stores what is pending, unless that is done already for what the caller has noted. */
  const append = (upTo: () => number) =>
    Effect.catchAllCause(
      Effect.suspend(() => {
        const { state } = sum
        if (halted !== undefined) return Effect.fail(halted.error)
        if (stored >= upTo() || state === undefined) return Effect.void
        const body = Journal.encodeCommit(pending)
        pending = []
        stored = noted
        const told = decided
        decided = []
        const appended = store.append({
          executionId,
          saga: program.name,
          version: program.version,
          sequence: sequence++,
          status: state.status,
          body,
          token: claim.token,
          fence: claim.fence
        })
        return told.length === 0 ? appended : Effect.map(appended, () => {
          for (const event of told) observer?.tell(event, state)
        })
      }),
      halt
    )
  // Of siblings that are as far, the first to have its turn takes along what the others have noted.
  const inTurn = hasParallel(program) ? Effect.unsafeMakeSemaphore(1).withPermits(1) : undefined
  const commit = inTurn === undefined ? append(() => noted) : Effect.suspend(() => {
    const upTo = noted
    return Effect.zipRight(Effect.yieldNow(), inTurn(append(() => upTo)))
  })
  return {
    durable: true,
    observer,
    state: () => sum.state,
    record: (event) => {
      add(sum, event)
      pending.push(event)
      noted++
      if (observer === undefined) return
      if (isDecision(event)) decided.push(event)
      else observer.tell(event, sum.state!)
    },
    commit,
    encodeOutput: (step, output) =>
      ParseResult.mapError(
        encodeValue(step.success, output, { executionId, what: `the output of step "${step.path}"` }),
        (error) => new Halt(error)
      ),
    mustStop: () => {
      if (halted === undefined && !store.holds(claim.token)) {
        halted = new Halt(new ExecutionConflict({ reason: "LeaseLost", saga: program.name, executionId }))
      }
      return halted
    },
    now: options.now
  }
}

/** Whether an event says what will be done, and so is true only once it is stored. */
const isDecision = (event: Journal.Event): boolean => {
  switch (event._tag) {
    case "StepStarted":
      return event.classification !== "ReadOnly"
    case "UnwindingStarted":
    case "CompensationStarted":
    case "Parked":
    case "Finished":
      return true
    default:
      return false
  }
}

const hasParallel = (program: Program): boolean =>
  program.nodes.some((node) => node._tag === "Parallel" || (node._tag === "Nested" && hasParallel(node.program)))

/**
 * Encodes a value with its schema to plain JSON, or says why it cannot be stored. The work is done at once, and the answer
 * is an `Either`, where the schema is synchronous, as nearly all are: `ParseResult`'s functions then go on with it at once.
 */
export const encodeValue = (
  schema: Schema.Schema<any, any> | undefined,
  value: unknown,
  context: { readonly executionId: string; readonly what: string }
): Effect.Effect<unknown, CheckpointError> => {
  if (schema === undefined) return Either.right(undefined)
  const failed = (problem: unknown) =>
    new CheckpointError({
      reason: "Encode",
      operation: "append",
      executionId: context.executionId,
      detail: `${context.what} cannot be stored: ${describe(problem).message}`
    })
  try {
    const encoded = ParseResult.flatMap(Schema.encodeUnknown(schema)(value), plain)
    return Either.isEither(encoded)
      ? Either.mapLeft(encoded, failed)
      : Effect.catchAllCause(encoded, (cause) => Effect.fail(failed(Cause.squash(cause))))
  } catch (thrown) {
    // A transformation that throws has failed to encode too.
    return Either.left(failed(thrown))
  }
}

const plain = (encoded: unknown): Either.Either<unknown, { readonly message: string }> => {
  const problem = encoded === undefined ? undefined : notJson(encoded)
  return problem === undefined
    ? Either.right(encoded)
    : Either.left({ message: `encoded by its schema, ${problem}, which is not plain JSON` })
}

/** A step's failure as it is stored. All failures of the cause are kept. */
export const storeCause = (
  step: Pick<StepNode, "path" | "error"> | undefined,
  cause: Cause.Cause<unknown>
): ReadonlyArray<Journal.StoredFailure> => {
  const stored: Array<Journal.StoredFailure> = []
  for (const error of Cause.failures(cause)) {
    stored.push({ kind: "Fail", step: step?.path ?? "", ...describe(error), ...encodedError(step, error) })
  }
  for (const defect of Cause.defects(cause)) stored.push({ kind: "Die", ...describe(defect) })
  if (Cause.isInterrupted(cause)) stored.push({ kind: "Interrupt" })
  return stored
}

/** An error that cannot be encoded is stored by its tag and message only: why it failed must not keep a saga from unwinding. */
const encodedError = (step: Pick<StepNode, "error"> | undefined, error: unknown): { readonly encoded?: unknown } => {
  if (step?.error === undefined) return {}
  try {
    const encoded = Schema.encodeUnknownOption(step.error)(error)
    return Option.isSome(encoded) && notJson(encoded.value) === undefined ? { encoded: encoded.value } : {}
  } catch {
    return {}
  }
}
