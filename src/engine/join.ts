/** Calls of one process for one execution: the first drives it, the others join. */
import { Context, Effect, Exit } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import type * as Journal from "../Journal.ts"
import { type DrivingError, ExecutionConflict } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { serviceOf, withService } from "../values/fiber.ts"

/** What a call found an execution to be, or brought it to. */
export interface Driven {
  /** By the journal. */
  readonly status: Journal.Status
  /** How the saga ended, in its own errors. */
  readonly exit: Exit.Exit<unknown, unknown>
}

export type Driving = Effect.Effect<Driven, DrivingError, any>

/** Makes an effect as interruptible as the caller is. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A call for an execution. */
export interface Call {
  readonly executionId: string
  /** The input of the call as one text; undefined where it resumes. */
  readonly input: string | undefined
  /** Whether any other call for the same input may share its result; false if it brings a finding of its own. */
  readonly shares: boolean
}

/** The executions whose steps this code runs in, the outermost first. */
class Inside extends Context.Reference<Inside>()("effect-saga/Inside", {
  defaultValue: (): ReadonlyArray<string> => []
}) {}

/**
 * Drives an execution unless this process does so already: then it waits, and shares the result if both calls are known to ask
 * for the same. In any other case it loads the journal afterwards, which is then the judge. Ends as `finish` says.
 */
export const joinOrDrive = <A, E>(
  program: Program,
  call: Call,
  drive: (store: Checkpoint.Service, restore: Restore) => Driving,
  finish: (driven: Driven) => Effect.Effect<A, E, any>
): Effect.Effect<A, E | DrivingError, any> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    // Uninterruptible: an entry that is never removed would be joined forever.
    Effect.uninterruptibleMask((restore) => {
      const { executionId, input, shares } = call
      const driven = store.findDriven(executionId)
      if (driven === undefined) return Effect.flatMap(driveAlone(store, program, call, drive(store, restore)), finish)
      const conflict = driven.saga !== program.name
        ? "OtherSaga"
        : input !== undefined && driven.input !== undefined && input !== driven.input
        ? "OtherInput"
        : undefined
      if (conflict !== undefined) {
        return Effect.fail(new ExecutionConflict({ reason: conflict, saga: program.name, executionId }))
      }
      const asksTheSame = shares && difference(program, driven) === undefined &&
        (input === undefined || input === driven.input)
      return Effect.flatMap(Inside, (inside): Effect.Effect<A, E | DrivingError, any> => {
        if (waitsForAny(store, executionId, inside)) {
          return Effect.fail(new ExecutionConflict({ reason: "WaitsForItself", saga: program.name, executionId }))
        }
        return Effect.flatMap(Effect.exit(waiting(store, inside, executionId, restore(driven.exit))), (waited) => {
          // The store keeps the exit of the call that drives, which is of this kind.
          const exit = Exit.flatten(waited) as Exit.Exit<Driven, DrivingError>
          if (!asksTheSame || wasInterrupted(exit)) return restore(joinOrDrive(program, call, drive, finish))
          return Exit.isSuccess(exit) ? finish(exit.value) : exit as Exit.Exit<never, DrivingError>
        })
      })
    }))

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

/** Notes that the innermost of the executions in whose steps this code runs waits for another one, while it does. */
const waiting = <A, E, R>(
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

/** Lets other calls join while the execution is driven. */
const driveAlone = (store: Checkpoint.Service, program: Program, call: Call, drive: Driving): Driving => {
  const { fingerprint, name: saga, plan, version } = program
  const { executionId } = call
  return Effect.withFiberRuntime((fiber) => {
    store.startDriving(executionId, { saga, version, fingerprint, plan, input: call.input })
    const outer = serviceOf(fiber, Inside) ?? []
    return withService(fiber, [Inside, [...outer, executionId]], waiting(store, outer, executionId, drive), (exit) => {
      store.endDriving(executionId, exit)
      return exit
    })
  })
}
