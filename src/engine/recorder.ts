/**
 * Writes down what the interpreter does. A run without a recorder writes nothing and pays nothing.
 */
import { Cause, Chunk, Effect, Either, Option, Schema } from "effect"
import type * as Checkpoint from "../store/Checkpoint.ts"
import * as Journal from "../Journal.ts"
import { CheckpointError, ExecutionConflict } from "../SagaError.ts"
import type { Program, StepNode } from "../definition/definition.ts"
import { describe } from "../values/describe.ts"
import { emptyList } from "../values/emptyList.ts"
import { notJson } from "../values/json.ts"
import type { Observer } from "../watch/observer.ts"
import { diedAppending } from "../store/storeFailure.ts"

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
  /** Stores what was noted, and goes on: in one effect, for every step pays for each. */
  readonly commit: <A, E, R>(next: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E | Halt, R>
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
    commit: (next) => next(),
    encodeOutput: (_, output) => Either.right(output),
    mustStop: () => undefined,
    now
  }
}

interface Destination {
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
}

/** Stores events through a checkpoint, one commit for all that was noted since the last. */
export const toCheckpoint = (destination: Destination): Recorder => new CheckpointRecorder(destination)

class CheckpointRecorder implements Recorder {
  readonly durable = true
  readonly now: () => number
  readonly claim: Checkpoint.Claim
  readonly program: Program
  readonly executionId: string
  readonly observer: Observer | undefined
  private readonly store: Destination["store"]
  private readonly sum: Journal.Sum
  private sequence: number
  private pending: Array<Journal.Event> = emptyList()
  /** What observers are told once it is stored. */
  private decided: Array<Journal.Event> = emptyList()
  private noted = 0
  private stored = 0
  private halted: Halt | undefined
  private readonly inTurn: ReturnType<Effect.Semaphore["withPermits"]> | undefined

  constructor(to: Destination) {
    this.store = to.store
    this.claim = to.claim
    this.program = to.program
    this.executionId = to.executionId
    this.observer = to.observer
    this.now = to.now
    this.sum = new Journal.Sum(to.state)
    this.sequence = to.sequence
    this.inTurn = to.program.hasParallel ? Effect.unsafeMakeSemaphore(1).withPermits(1) : undefined
  }

  state() {
    return this.sum.state
  }

  record(event: Journal.Event) {
    const { observer } = this
    add(this.sum, event)
    this.pending.push(event)
    this.noted++
    if (observer === undefined) return
    if (isDecision(event)) this.decided.push(event)
    else observer.tell(event, this.sum.state!)
  }

  commit<A, E, R>(next: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | Halt, R> {
    const { inTurn, noted } = this
    return Effect.matchCauseEffect(
      inTurn === undefined
        ? this.append(noted)
        // Of siblings that are as far, the first to have its turn takes along what the others have noted.
        : Effect.zipRight(Effect.yieldNow(), inTurn(Effect.suspend(() => this.append(noted)))),
      { onSuccess: next, onFailure: (cause) => Effect.fail(this.halt(cause)) }
    )
  }

  encodeOutput(step: StepNode, output: unknown): Effect.Effect<unknown, Halt> {
    const { executionId } = this
    const encoded = encodeValue(step.success, output, { executionId, what: `the output of step "${step.path}"` })
    return isThere(encoded) ? encoded : Effect.mapError(encoded, (error) => new Halt(error))
  }

  mustStop() {
    const { claim, executionId, program, store } = this
    if (this.halted === undefined && !store.holds(claim.token)) {
      this.halted = new Halt(new ExecutionConflict({ reason: "LeaseLost", saga: program.name, executionId }))
    }
    return this.halted
  }

  /** Stores what is pending, unless that is done already for what the caller has noted. */
  private append(upTo: number): ReturnType<Checkpoint.Service["append"]> {
    const { state } = this.sum
    if (this.halted !== undefined) return Effect.fail(this.halted.error)
    if (this.stored >= upTo || state === undefined) return Effect.void
    try {
      const body = Journal.encodeCommit(this.pending)
      this.pending = emptyList()
      this.stored = this.noted
      const appended = this.store.append(new Commit(this, this.sequence++, state.status, body))
      return this.decided.length === 0 ? appended : this.tellOnceStored(appended, state)
    } catch (thrown) {
      // A store that throws at once must not be taken for a step that has failed, and undone.
      return Effect.die(thrown)
    }
  }

  private tellOnceStored(appended: ReturnType<Checkpoint.Service["append"]>, state: Journal.ExecutionState) {
    const { decided, observer } = this
    this.decided = emptyList()
    return Effect.map(appended, () => {
      for (const event of decided) observer?.tell(event, state)
    })
  }

  private halt(cause: Cause.Cause<CheckpointError | ExecutionConflict>): Halt {
    return this.halted ??= new Halt(
      Option.getOrElse(Cause.failureOption(cause), () => diedAppending(this.executionId, cause))
    )
  }
}

/** What is handed to the store. No literal, see {@link emptyList}. */
class Commit implements Checkpoint.Commit {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  readonly sequence: number
  readonly status: Journal.Status
  readonly body: string
  readonly token: Checkpoint.Token
  readonly fence: number

  constructor(
    { claim, executionId, program }: Pick<Destination, "claim" | "executionId" | "program">,
    sequence: number,
    status: Journal.Status,
    body: string
  ) {
    this.executionId = executionId
    this.saga = program.name
    this.version = program.version
    this.sequence = sequence
    this.status = status
    this.body = body
    this.token = claim.token
    this.fence = claim.fence
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

/** Goes on at once with what is there already, see {@link encodeValue}. */
export const andThen = <A, E, R, A2, E2, R2>(
  encoded: Effect.Effect<A, E, R>,
  next: (encoded: A) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A2, E | E2, R | R2> => isThere(encoded) ? next(encoded.right) : Effect.flatMap(encoded, next)

const isThere = <A, E, R>(encoded: Effect.Effect<A, E, R>): encoded is Either.Right<never, A> =>
  Either.isEither(encoded) && Either.isRight(encoded)

/**
 * Encodes a value with its schema to plain JSON, or says why it cannot be stored. The work is done at once, and the answer
 * is an `Either`, where the schema is synchronous, as nearly all are.
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
    const encoded = andThen(Schema.encodeUnknown(schema)(value), plain)
    return isThere(encoded)
      ? encoded
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
