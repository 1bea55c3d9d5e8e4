/** Calls of one process for one execution: a fiber of its own drives it, and all calls wait for that. */
import { Cause, Clock, Context, Effect, Exit, Option } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { unknownPolicy } from "../definition/messages.ts"
import type * as Journal from "../Journal.ts"
import { isWaiting } from "../journal/statuses.ts"
import { type DrivingError, ExecutionConflict } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { isClosed } from "../store/groupCommits.ts"
import { describe } from "../values/describe.ts"
import { giveService, serviceOf } from "../values/fiber.ts"
import { said } from "../values/numbers.ts"
import { visible } from "../values/visible.ts"
import { cancel, ownCancellation } from "./cancellation.ts"

/** The end of an execution, as a call found it or brought it about. */
export interface Driven {
  /** By the journal. */
  readonly status: Journal.Status
  /** How the saga ended, in its own errors. Of one that waits nobody may ask. */
  readonly exit: Exit.Exit<unknown, unknown>
  /** Of one that waits: when it is due, in epoch milliseconds; undefined if only a message wakes it. */
  readonly wakesAt: number | undefined
}

/** An execution that waits: nobody drives it until it is due, or until a message is there. */
export const waiting = (wakesAt: number | undefined): Driven => ({ status: "Waiting", exit: notEnded, wakesAt })

const notEnded = Exit.die(new Error("the execution waits, and has no exit"))

export type Driving = Effect.Effect<Driven, DrivingError, any>

/** A call for an execution. */
export interface Call {
  readonly executionId: string
  /** The input of the call as one text; undefined where it resumes. */
  readonly input: string | undefined
  /** Whether any other call for the same input may share its result; false if it brings a finding of its own. */
  readonly shares: boolean
  /** How an interruption of the call stops the execution; undefined if it ends the call only. */
  readonly onInterrupt: "cancel" | "suspend" | undefined
  /** Whether it waits for an execution that another process drives; if not, it fails with `OtherDriver`. */
  readonly waitsForOthers: boolean
  /** Whether it goes on to wait, and drives again, where the execution waits; if not, it ends then. */
  readonly staysOn: boolean
}

/** Drives an execution in a fiber of its own. `isAgain`: it has, to an end that a message kept from being stored. */
export type Drive = (store: Checkpoint.Service, driven: Checkpoint.DrivenExecution, isAgain: boolean) => Driving

/** The executions whose steps this code runs in, the outermost first. */
class Inside extends Context.Reference<Inside>()("effect-saga/Inside", {
  defaultValue: (): ReadonlyArray<string> => []
}) {}

/**
 * Waits for an execution that this process drives already, and shares the result if both calls are known to ask for the same; else
 * drives it. In any other case it loads the journal afterwards, which is then the judge. Ends as `finish` says.
 */
export const joinOrDrive = <A, E>(
  program: Program,
  call: Call,
  drive: Drive,
  finish: (driven: Driven) => Effect.Effect<A, E, any>
): Effect.Effect<A, E | DrivingError, any> => {
  const { onInterrupt } = call
  // Code without types can misspell the word, which would then count as another one.
  return onInterrupt === undefined || Object.hasOwn(stops, onInterrupt)
    ? awaitEnd(program, call, drive, finish, 0)
    : Effect.dieMessage(unknownPolicy("onInterrupt", "this call", said(onInterrupt), Object.keys(stops).map(said)))
}

const stops: { readonly [Word in NonNullable<Call["onInterrupt"]>]: true } = { cancel: true, suspend: true }

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const awaitEnd = <A, E>(
  program: Program,
  call: Call,
  drive: Drive,
  finish: (driven: Driven) => Effect.Effect<A, E, any>,
  turn: number,
  outer?: Restore
): Effect.Effect<A, E | DrivingError, any> =>
  joined(program, call, drive, outer, ({ asksTheSame, driven, inside, restore, store }) => {
    // Uninterruptible in between: each interruption of the call is to arrive where it can stop the execution.
    const again = (next: number) => awaitEnd(program, call, drive, finish, next, restore)
    const requested = Effect.provideService(cancel(call.executionId, byItsCaller), Checkpoint.Checkpoint, store)
    const cancelElsewhere = Effect.ignore(Effect.zipRight(requested, driveOnce(program, call, drive)))
    return Effect.matchCauseEffect(whileWaiting(store, inside, call.executionId, restore(driven.exit)), {
      // This call was interrupted, not the execution.
      onFailure: (interruption) => {
        const stopped = stopOf(call, driven)
        return stopped === undefined ? Effect.failCause(interruption) : Effect.flatMap(
          stopped,
          (exit) => {
            if (exit === undefined) return Effect.failCause(interruption)
            if (pauseAfter(call, store, exit, turn) === undefined) return Effect.flatMap(exit, finish)
            return Effect.zipRight(
              call.onInterrupt === "cancel" ? cancelElsewhere : Effect.void,
              Effect.failCause(interruption)
            )
          }
        )
      },
      onSuccess: (ended) => {
        // The store keeps the exit of the fiber that drives, which is of this kind.
        const exit = ended as Exit.Exit<Driven, DrivingError>
        if (!asksTheSame) return again(turn)
        // Somebody else stopped it, and to this call that is no interruption.
        if (driven.isSuspended() && wasInterrupted(exit)) return again(turn)
        const pausing = pauseAfter(call, store, exit, turn)
        if (pausing !== undefined) {
          const paused = restore(pausing)
          const next = call.onInterrupt === "cancel" ? Effect.onInterrupt(paused, () => cancelElsewhere) : paused
          return Effect.zipRight(next, again(turn + 1))
        }
        return Effect.flatMap(exit, finish)
      }
    })
  })

/** Drives an execution as far as it goes now: one that waits takes its messages. */
const driveOnce = (program: Program, call: Call, drive: Drive): Effect.Effect<void, DrivingError, any> => {
  const { executionId, input, shares } = call
  const once = { executionId, input, shares, onInterrupt: undefined, waitsForOthers: false, staysOn: false }
  return awaitEnd(program, once, drive, () => Effect.void, 0)
}

/**
 * The pause after which a call looks again at an execution that another process drives, or that waits; undefined where the call ends
 * with this exit.
 */
const pauseAfter = (
  { executionId, staysOn, waitsForOthers }: Call,
  store: Checkpoint.Service,
  exit: DrivenExit,
  turn: number
): Effect.Effect<void> | undefined => {
  if (waitsForOthers && isDrivenElsewhere(exit)) return pause(turn)
  if (!staysOn || !Exit.isSuccess(exit) || !isWaiting(exit.value.status)) return undefined
  const { wakesAt } = exit.value
  // After it listens, it looks for what has come before.
  const sent = Effect.flatMap(
    Effect.orElseSucceed(store.messages(executionId), () => []),
    (messages) => messages.length > 0 ? Effect.void : pause(turn)
  )
  const sooner = Effect.raceFirst(store.nextMessage(executionId), sent)
  return wakesAt === undefined ? sooner : Effect.raceFirst(sooner, untilDue(wakesAt))
}

/** Also another clock than that of the machine brings the time; one that is further away than a timer goes is looked at again. */
const untilDue = (wakesAt: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.min(Math.max(0, wakesAt - now), 2 ** 31 - 1)))

/**
 * Stops an execution for a call that was interrupted, and waits until it has stopped: its exit, if it has ended otherwise, or nothing
 * if the call has nothing more to wait for.
 */
const stopOf = (
  { executionId, onInterrupt }: Call,
  driven: Checkpoint.DrivenExecution
): Effect.Effect<Exit.Exit<Driven, DrivingError> | undefined> | undefined => {
  switch (onInterrupt) {
    case undefined:
      return undefined
    case "suspend":
      driven.suspend()
      return Effect.map(driven.exit, (exit) => wasInterrupted(exit as DrivenExit) ? undefined : exit as DrivenExit)
    case "cancel":
      return Effect.async((resume) => {
        driven.whenEnded((exit) =>
          resume(Effect.succeed(wasCancelled(executionId, exit as DrivenExit) ? undefined : exit as DrivenExit))
        )
        driven.ask({
          ...byItsCaller,
          message: undefined,
          refused: () => resume(Effect.succeed(undefined)),
          accepted: undefined
        })
      })
  }
}

/** The author and the reason of a cancellation by an interrupted call. */
const byItsCaller = { by: "its caller", reason: "the call for it was interrupted" }

export type DrivenExit = Exit.Exit<Driven, DrivingError>

/** Whether an execution was stopped by a cancellation, or because its checkpoint closes. */
const wasCancelled = (executionId: string, exit: DrivenExit): boolean =>
  wasInterrupted(exit) ||
  (Exit.isSuccess(exit) && Exit.isFailure(exit.value.exit) &&
    ownCancellation(executionId, exit.value.exit.cause) !== undefined)

/** Drives an execution unless this process does so already, and waits until it is stored. */
export const driveUntilStored = (program: Program, call: Call, drive: Drive): Effect.Effect<void, DrivingError, any> =>
  joined(program, call, drive, undefined, ({ driven, restore }) =>
    Effect.flatMap(restore(driven.stored), () => {
      if (driven.isStored()) return Effect.void
      // It has ended before it was stored.
      const exit = driven.exit as Effect.Effect<Exit.Exit<Driven, DrivingError>>
      return Effect.flatMap(exit, (exit) => isDrivenElsewhere(exit) ? Effect.void : Effect.asVoid(exit))
    }))

interface Joined {
  readonly store: Checkpoint.Service
  readonly driven: Checkpoint.DrivenExecution
  /** Whether the result of the driven execution is what the call asks for. */
  readonly asksTheSame: boolean
  /** The executions in whose steps the call is. */
  readonly inside: ReadonlyArray<string>
  readonly restore: Restore
}

/** Finds the execution as driven by this process, or begins to drive it, unless the call asks for another one under the same id. */
const joined = <A, E>(
  program: Program,
  call: Call,
  drive: Drive,
  outer: Restore | undefined,
  use: (joined: Joined) => Effect.Effect<A, E, any>
): Effect.Effect<A, E | DrivingError, any> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    // Uninterruptible: an entry that is never removed would be joined forever.
    Effect.uninterruptibleMask((inner) =>
      Effect.withFiberRuntime<A, E | DrivingError, any>((fiber) => {
        const restore = outer ?? inner
        const { executionId, input, shares } = call
        if (program.firstTransaction !== undefined && store.transact === undefined) {
          return Effect.fail(Checkpoint.noTransactions(`step "${program.firstTransaction}"`))
        }
        const inside = serviceOf(fiber, Inside) ?? []
        const driven = store.findDriven(executionId)
        if (driven === undefined) {
          const { fingerprint, name: saga, plan, version } = program
          const begun = store.startDriving(executionId, { saga, version, fingerprint, plan, input })
          if (begun === undefined) return Effect.fail(isClosed({ executionId }))
          return Effect.zipRight(
            Effect.forkDaemon(driveAlone(store, program, executionId, begun, inside, drive)),
            use({ store, driven: begun, asksTheSame: true, inside, restore })
          )
        }
        const conflict = driven.saga !== program.name
          ? "OtherSaga"
          : input !== undefined && driven.input !== undefined && input !== driven.input
          ? "OtherInput"
          : waitsForAny(store, executionId, inside)
          ? "WaitsForItself"
          : undefined
        if (conflict !== undefined) {
          return Effect.fail(new ExecutionConflict({ reason: conflict, saga: program.name, executionId }))
        }
        const asksTheSame = shares && difference(program, driven) === undefined &&
          (input === undefined || input === driven.input)
        return use({ store, driven, asksTheSame, inside, restore })
      })
    ))

const isDrivenElsewhere = (exit: DrivenExit): boolean => Exit.isFailure(exit) && isConflict("OtherDriver", exit.cause)

const isConflict = (reason: ExecutionConflict["reason"], cause: Cause.Cause<DrivingError>): boolean =>
  Option.exists(
    Cause.failureOption(cause),
    (error) => error._tag === "ExecutionConflict" && error.reason === reason
  )

/** The pause before another process's execution is looked at again: 50 milliseconds first, a second at the most. */
export const pause = (turn: number): Effect.Effect<void> =>
  Checkpoint.inRealTime(Effect.sleep(Math.min(1000, 50 * 1.5 ** turn)))

/** Whether an execution is one of these, or waits for one of them by way of others that this process drives. */
const waitsForAny = (
  store: Checkpoint.Service,
  executionId: string,
  these: ReadonlyArray<string>,
  seen: Set<string> = new Set()
): boolean => {
  if (these.includes(executionId)) return true
  if (these.length === 0 || seen.has(executionId)) return false
  seen.add(executionId)
  return store.findDriven(executionId)?.waitsFor.some((other) => waitsForAny(store, other, these, seen)) === true
}

/**
 * Waits for an execution that this call does not drive. Fails if it is one of those in whose steps the call is, or waits for one of
 * them. `leavePlace` gives the place of the innermost of them to another: a worker that has no other place could not drive the one
 * that is waited for.
 */
export const waitingForAnother = <A, E, R>(
  store: Checkpoint.Service,
  { name: saga }: Program,
  executionId: string,
  wait: (leavePlace: () => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ExecutionConflict, R> =>
  Effect.withFiberRuntime((fiber) => {
    const inside = serviceOf(fiber, Inside) ?? []
    if (waitsForAny(store, executionId, inside)) {
      return Effect.fail(new ExecutionConflict({ reason: "WaitsForItself", saga, executionId }))
    }
    const innermost = inside[inside.length - 1]
    const leavePlace = () => {
      const driven = innermost === undefined ? undefined : store.findDriven(innermost)
      driven?.whenPausing?.({ milliseconds: Infinity, isDecided: false })
    }
    return whileWaiting(store, inside, executionId, wait(leavePlace))
  })

/** Notes that the innermost of the executions in whose steps this code runs waits for another one, while it does. */
const whileWaiting = <A, E, R>(
  store: Checkpoint.Service,
  inside: ReadonlyArray<string>,
  executionId: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const innermost = inside[inside.length - 1]
  const waitsFor = innermost === undefined ? undefined : store.findDriven(innermost)?.waitsFor
  if (waitsFor === undefined) return effect
  waitsFor.push(executionId)
  return Effect.ensuring(effect, Effect.sync(() => waitsFor.splice(waitsFor.indexOf(executionId), 1)))
}

const wasInterrupted = (exit: Exit.Exit<Driven, unknown>): boolean =>
  Exit.isSuccess(exit) ? Exit.isInterrupted(exit.value.exit) : Exit.isInterrupted(exit)

/** Drives an execution in the fiber that runs this, and lets other calls join meanwhile. */
const driveAlone = (
  store: Checkpoint.Service,
  program: Program,
  executionId: string,
  driven: Checkpoint.DrivenExecution,
  outer: ReadonlyArray<string>,
  drive: Drive
): Effect.Effect<void, never, any> =>
  Effect.withFiberRuntime((fiber) => {
    const end = (exit: Exit.Exit<Driven, DrivingError>): Effect.Effect<void> => {
      store.endDriving(executionId, exit)
      // One that is not stored was refused, or has not begun: then there is nothing to recover.
      return Exit.isSuccess(exit) || driven.isAwaited() || !driven.isStored()
        ? Effect.void
        : warnLeft(program, executionId, exit.cause)
    }
    const toItsEnd = (isAgain: boolean): Effect.Effect<void, never, any> =>
      Effect.withFiberRuntime((fiber) => {
        driven.begin(fiber)
        return Effect.matchCauseEffect(Effect.suspend(() => drive(store, driven, isAgain)), {
          // Its end is not stored yet: from its journal it goes on with the messages that came before. In another fiber, for this one
          // stays interrupted if a cancellation has interrupted it.
          onFailure: (cause) =>
            isConflict("HasMessages", cause)
              ? Effect.asVoid(Effect.forkDaemon(toItsEnd(true)))
              : end(Exit.failCause(cause)),
          onSuccess: (ended) => end(Exit.succeed(ended))
        })
      })
    return Effect.zipRight(giveService(fiber, Inside, [...outer, executionId]), toItsEnd(false))
  })

/** Nobody waits for the execution, so that nobody else would hear of it. */
const warnLeft = ({ name }: Program, executionId: string, cause: Cause.Cause<DrivingError>): Effect.Effect<void> =>
  Effect.logWarning(visible(`${name} ${executionId} is left for recovery: ${describe(Cause.squash(cause)).message}`))
