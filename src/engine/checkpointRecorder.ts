/** Records the events of a run in a checkpoint: one commit for all events since the last one. */
import { Cause, Effect, Exit, Option } from "effect"
import type { ForEach, Program, StepNode } from "../definition/definition.ts"
import * as Journal from "../Journal.ts"
import { classifications, isWaiting, leavesNoMessage } from "../journal/statuses.ts"
import { Sum } from "../journal/transition.ts"
import { type DrivingError, ExecutionConflict } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { diedAppending } from "../store/groupCommits.ts"
import type { AnyEffect } from "../values/anyEffect.ts"
import { emptyList } from "../values/emptyList.ts"
import * as schemas from "../values/schema.ts"
import type { Observer } from "../watch/observer.ts"
import { capture, type Captured } from "./codec.ts"
import { type Halt, haltBecause } from "./halt.ts"
import { add, type Outcome, type Recorder } from "./recorder.ts"

export interface Destination {
  readonly store: Pick<Checkpoint.Service, "append" | "transact" | "isValid" | "renew" | "leaseEndsAt">
  /** The claim under which the execution is driven. */
  readonly claim: Checkpoint.Claim
  readonly program: Program
  readonly executionId: string
  readonly state: Journal.ExecutionState | undefined
  /** For the first commit. */
  readonly attributes: Checkpoint.Attributes | undefined
  /** The sequence of the next commit. */
  readonly sequence: number
  readonly now: () => number
  readonly observer: Observer | undefined
}

export class CheckpointRecorder implements Recorder {
  readonly durable = true
  readonly now: () => number
  readonly claim: Checkpoint.Claim
  readonly program: Program
  readonly executionId: string
  readonly observer: Observer | undefined
  readonly attributes: Checkpoint.Attributes | undefined
  /** When an execution that begins to wait is due, in epoch milliseconds. */
  wakesAt: number | undefined = undefined
  private readonly store: Destination["store"]
  private readonly sum: Sum
  private sequence: number
  /** As text: what is stored is what the event said when it was recorded, whatever becomes of the values in it. */
  private pending: Array<string> = emptyList()
  /** Intents and decisions, of which observers hear once they are stored. */
  private tellLater: Array<Journal.Event> = emptyList()
  private recordedCount = 0
  private appendedCount = 0
  private halted: Halt | undefined
  private readonly inTurn: ReturnType<Effect.Semaphore["withPermits"]> | undefined

  constructor(to: Destination) {
    this.store = to.store
    this.claim = to.claim
    this.program = to.program
    this.executionId = to.executionId
    this.observer = to.observer
    this.now = to.now
    this.attributes = to.attributes
    this.sum = new Sum(to.state)
    this.sequence = to.sequence
    this.inTurn = to.program.hasParallel ? Effect.unsafeMakeSemaphore(1).withPermits(1) : undefined
  }

  state() {
    return this.sum.state
  }

  record(event: Journal.Event, output?: string, isTold = false) {
    const { observer } = this
    add(this.sum, event)
    this.pending.push(Journal.encodeEvent(event, output))
    this.recordedCount++
    if (observer === undefined || isTold) return
    if (isToldOnceStored(event)) this.tellLater.push(event)
    else observer.tell(event, this.sum.state!)
  }

  commit<A, E, R>(next: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | Halt, R> {
    const { inTurn, recordedCount } = this
    return Effect.matchCauseEffect(
      inTurn === undefined
        ? this.append(recordedCount)
        // When siblings commit at the same time, the first appends the events of all of them.
        : Effect.zipRight(Effect.yieldNow(), inTurn(Effect.suspend(() => this.append(recordedCount)))),
      { onSuccess: next, onFailure: (cause) => Effect.fail(this.halt(cause)) }
    )
  }

  get transact() {
    const { transact } = this.store
    return transact && ((call: AnyEffect<Outcome>): AnyEffect => {
      const { inTurn } = this
      const inOneTransaction = Effect.suspend(() => this.appendWith(call, transact))
      // From its begin, so that no sibling takes a sequence that this transaction cannot see, or waits for the database in its turn.
      return inTurn === undefined ? inOneTransaction : inTurn(inOneTransaction)
    })
  }

  captureOutput(step: StepNode | undefined, output: unknown): Effect.Effect<Captured, Halt> {
    const { executionId, program: { name: saga, success } } = this
    const captured = step === undefined
      ? capture(success, output, () => ({ saga, executionId, everyStepDone: true, value: "the output" }), "hand on")
      : capture(
        step.success,
        output,
        () => ({ saga, executionId, step: step.path, value: `the output of step "${step.path}"` }),
        "hand on"
      )
    return schemas.mapError(captured, haltBecause)
  }

  captureItem({ path: list, program: { input } }: ForEach, key: string, item: unknown): Effect.Effect<Captured, Halt> {
    const { executionId, program: { name: saga } } = this
    const whose = () => ({ saga, executionId, list, value: `item "${key}" of "${list}"` })
    return schemas.mapError(capture(input, item, whose, "refuse"), haltBecause)
  }

  whileDriving(call: () => AnyEffect, asks = 3): AnyEffect {
    const { claim: { token }, executionId, program, store } = this
    if (this.halted !== undefined) return Effect.die(this.halted)
    if (store.isValid(token)) return call()
    // This process was paused, or its clock was set forward: only the store knows whether another may have taken over.
    return Effect.flatMap(Effect.exit(store.renew(token)), (exit) => {
      // The answer may be old by now: this process may have been paused again while it waited for it.
      if (Exit.isSuccess(exit) && exit.value && asks > 0) return this.whileDriving(call, asks - 1)
      const lost = new ExecutionConflict({ reason: "LeaseLost", saga: program.name, executionId })
      return Effect.die(this.halted ??= haltBecause(lost))
    })
  }

  leaseEndsAt() {
    return this.store.leaseEndsAt(this.claim.token)
  }

  /** Stores the pending events, unless a sibling has stored the caller's already. */
  private append(upTo: number): Effect.Effect<void, DrivingError> {
    const { state } = this.sum
    if (this.halted !== undefined) return Effect.failCause(this.halted.cause)
    if (this.appendedCount >= upTo || state === undefined) return Effect.void
    try {
      const { claim: { fence }, pending } = this
      this.pending = emptyList()
      this.appendedCount = this.recordedCount
      const sequence = this.sequence++
      const commit = new Commit(this, sequence, state, state.status, Journal.commitOf(pending, fence))
      const appended = leavesNoMessage(state.status) ? this.appendEnd(commit, pending) : this.store.append(commit)
      return this.tellLater.length === 0 ? appended : this.tellOnceStored(appended, state)
    } catch (thrown) {
      // A store that throws synchronously must not look like a failed step.
      return Effect.die(thrown)
    }
  }

  /** Stores the pending events in one transaction with a call and its outcome. Those that come meanwhile stay pending. */
  private appendWith(call: AnyEffect<Outcome>, transact: NonNullable<Checkpoint.Service["transact"]>): AnyEffect {
    if (this.halted !== undefined) return Effect.die(this.halted)
    const { claim: { fence }, executionId, sequence } = this
    let stored = { pending: 0, tellLater: 0, recorded: 0 }
    const commitOf = ({ events }: Outcome) => {
      const { pending, recordedCount, sum: { state }, tellLater } = this
      stored = { pending: pending.length, tellLater: tellLater.length, recorded: recordedCount }
      const own = events.map(({ event, output }) => Journal.encodeEvent(event, output))
      return new Commit(this, sequence, state!, state!.status, Journal.commitOf([...pending, ...own], fence))
    }
    return Effect.matchCauseEffect(transact(executionId, call, commitOf), {
      // Inside an action a halt travels as a defect.
      onFailure: (cause) => Effect.die(this.halt(cause)),
      onSuccess: (exit) => {
        if (Exit.isFailure(exit)) return exit
        this.sequence++
        this.pending.splice(0, stored.pending)
        this.appendedCount = stored.recorded
        for (const event of this.tellLater.splice(0, stored.tellLater)) this.observer?.tell(event, this.sum.state!)
        const { events, value } = exit.value
        for (const { event } of events) {
          add(this.sum, event)
          // Of its start observers have heard already.
          if (!isStart(event)) this.observer?.tell(event, this.sum.state!)
        }
        return Effect.succeed(value)
      }
    })
  }

  /**
   * If a message keeps the execution from ending, or from waiting, all but its end is stored: the outcome of the last step, which is in the same
   * commit, is known.
   */
  private appendEnd(commit: Commit, pending: ReadonlyArray<string>): ReturnType<Checkpoint.Service["append"]> {
    const before = pending.slice(0, -1)
    return Effect.catchAll(this.store.append(commit), (error) => {
      const hasMessages = error._tag === "ExecutionConflict" && error.reason === "HasMessages"
      if (!hasMessages || before.length === 0) return Effect.fail(error)
      const status = commit.status === "Undone" ? "Unwinding" : "Running"
      const body = Journal.commitOf(before, this.claim.fence)
      const unended = new Commit(this, commit.sequence, { taken: commit.taken }, status, body)
      return Effect.zipRight(this.store.append(unended), Effect.fail(error))
    })
  }

  private tellOnceStored(appended: ReturnType<Checkpoint.Service["append"]>, state: Journal.ExecutionState) {
    const { observer, tellLater } = this
    this.tellLater = emptyList()
    return Effect.map(appended, () => {
      for (const event of tellLater) observer?.tell(event, state)
    })
  }

  private halt(cause: Cause.Cause<DrivingError>): Halt {
    return this.halted ??= haltBecause(
      Option.getOrElse(Cause.failureOption(cause), () => diedAppending(this.executionId, cause))
    )
  }
}

/** A commit as the store is given it. A class, not a literal: see {@link emptyList}. */
class Commit implements Checkpoint.Commit {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  readonly isPlan: boolean
  readonly sequence: number
  readonly status: Journal.Status
  readonly body: string
  readonly token: Checkpoint.Token
  readonly fence: number
  readonly taken: number
  readonly attributes: Checkpoint.Attributes | undefined
  readonly wakeIn: number | undefined

  constructor(
    { attributes, claim, executionId, now, program, wakesAt }:
      & Pick<Destination, "attributes" | "claim" | "executionId" | "program" | "now">
      & { readonly wakesAt: number | undefined },
    sequence: number,
    { taken }: Pick<Journal.ExecutionState, "taken">,
    status: Journal.Status,
    body: string
  ) {
    this.executionId = executionId
    this.saga = program.name
    this.version = program.version
    this.isPlan = program.plan !== undefined
    this.sequence = sequence
    this.status = status
    this.body = body
    this.token = claim.token
    this.fence = claim.fence
    this.taken = taken
    this.attributes = sequence === 0 ? attributes : undefined
    // At least a millisecond: a driver that finds it is not due yet must not find that again at once.
    this.wakeIn = wakesAt === undefined || !isWaiting(status) ? undefined : Math.max(1, Math.ceil(wakesAt - now()))
  }
}

/** Whether an event announces an intent or a decision: it is true only once it is stored. */
const isToldOnceStored = (event: Journal.Event): boolean => {
  switch (event._tag) {
    case "StepStarted":
      return classifications[event.classification].hasSideEffect
    case "UnwindingStarted":
    case "CompensationStarted":
    case "CancellationRequested":
    case "CancellationRefused":
    case "Parked":
    case "Waiting":
    case "Finished":
      return true
    case "Started":
    case "StepSkipped":
    case "StepSucceeded":
    case "StepFailed":
    case "StepInDoubt":
    case "ItemsListed":
    case "CompensationSucceeded":
    case "CompensationFailed":
    case "WaitStarted":
    case "SignalReceived":
    case "Resumed":
      return false
  }
}

const isStart = ({ _tag }: Journal.Event): boolean => _tag === "StepStarted" || _tag === "CompensationStarted"

/** Stores what is recorded, and goes on as `next` says. */
export const stored = <A>(
  recorder: CheckpointRecorder,
  next: Effect.Effect<A, DrivingError, any>
): Effect.Effect<A, DrivingError, any> =>
  Effect.matchEffect(recorder.commit(() => Effect.void), {
    onFailure: (halt) => Effect.failCause(halt.cause),
    onSuccess: () => next
  })
