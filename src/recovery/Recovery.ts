/**
 * After a restart: finds the executions that an earlier process left unfinished, and finishes them, forward or backward.
 */
import { Cause, type Duration, Effect, Stream } from "effect"
import { programOf } from "../definition/saga.ts"
import * as durable from "../engine/durable.ts"
import { failIfParked } from "../engine/load.ts"
import { recoverUntilDecided } from "../engine/work.ts"
import type * as Plan from "../plan/Plan.ts"
import type { ToolExecutor } from "../plan/ToolExecutor.ts"
import type * as Saga from "../Saga.ts"
import {
  type CheckpointError,
  type DefinitionChanged,
  type ExecutionConflict,
  type FailedAfterCommit,
  is,
  type JournalCorrupt,
  type KeepsFailing,
  type OutcomeUnknown,
  type PartlyUndone
} from "../SagaError.ts"
import { Checkpoint, type Token, type UnfinishedExecution } from "../store/Checkpoint.ts"
import { checkCount, checkDuration, checkOneOf } from "../store/options.ts"
import { counterOf, log, type Warn, wordsFor } from "./log.ts"
import { becameOf, type Recovered, type Summary } from "./outcome.ts"
import { definitionOf, type Durable, type HasPlans, type Registered } from "./registered.ts"

export type { Recovered, Summary } from "./outcome.ts"
export type { Registered } from "./registered.ts"

/** A parked execution, and why it is. */
export interface Parked {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  /** Undefined where no saga of its name is among those given. */
  readonly error:
    | PartlyUndone<unknown>
    | FailedAfterCommit<unknown>
    | OutcomeUnknown
    | KeepsFailing
    | DefinitionChanged
    | JournalCorrupt
    | ExecutionConflict
    | Plan.InvalidPlan
    | undefined
}

/** What recovery has to say while it goes on: that it has begun with an execution, and what became of it. */
export type Event<Output = unknown> =
  | {
    readonly _tag: "Begun"
    readonly executionId: string
    readonly saga: string
    readonly version: number
    readonly status: UnfinishedExecution["status"]
  }
  | Recovered<Output>

/** How recovery goes about it. */
export interface Options {
  /** How many executions are driven at a time. 16 by default. */
  readonly concurrency?: number
  /** Whether parked executions are set going again, which is a retry of what they are parked on. `false` by default. */
  readonly parked?: boolean
  /**
   * After how many claims without a new event an execution is parked (`KeepsFailing`) instead of driven, so that one that ends its
   * process each time cannot keep a service from starting. 10 by default.
   */
  readonly maxClaims?: number
  /**
   * For how long an execution is waited for: until it has `"finished"`, or only until it is `"committed"`: past its point of no return, or
   * going back, and a second or longer away from the next try of a step. It then goes on by itself in this process, and is told as
   * `GoesOn`: a retry without end does not keep a program from starting. `"finished"` by default.
   */
  readonly until?: "committed" | "finished"
  /**
   * For how long at the most the leases of other processes are waited for. An execution whose lease lasts longer is left to the
   * next recovery. A minute by default.
   */
  readonly leaseWait?: Duration.DurationInput
}

/** The options with their defaults, or the error that says why one cannot be followed. */
const checked = (options: Options | undefined) =>
  Effect.all({
    concurrency: checkCount("concurrency", options?.concurrency ?? 16),
    parked: checkOneOf("parked", options?.parked ?? false, [true, false]),
    maxClaims: checkCount("maxClaims", options?.maxClaims ?? durable.defaultMaxClaims),
    until: checkOneOf("until", options?.until ?? "finished", ["committed", "finished"] as const),
    longestWait: checkDuration("leaseWait", options?.leaseWait ?? "1 minute", "zero or longer")
  })

/**
 * Finishes every execution of these sagas that was left running or unwinding, and tells what becomes of each as it happens.
 *
 * One that cannot be resumed (its definition changed, its journal is corrupt) is reported with that error, left untouched,
 * and does not stop the others. Register two versions of a saga to finish the executions of both. Parked executions are left
 * alone unless they were cancelled, or `parked` says otherwise; {@link parked} lists them. Those that wait for a signal or a time are
 * left alone, unless they are due or have a message.
 *
 * Executions that this process drives already are left to it. Those that are leased to another process are waited for, once
 * for as long as their leases last: then whoever has not renewed its lease has died, and what it drove is finished too.
 * Executions are read page by page, however many there are. One that is tried again without end keeps its place among those that
 * are driven at a time, and keeps this from ending, unless `until` says otherwise. Interrupted, it leaves them as they are.
 *
 * @example
 * ```ts prelude=pay
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(pay, undefined, { executionId: "pay-17" })) // is parked
 *   yield* Stream.runForEach(Recovery.events([pay], { parked: true }), ({ _tag, executionId }) =>
 *     Effect.sync(() => console.log(executionId, _tag)))
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => pay-17 Begun
 * // => pay-17 Parked
 * ```
 */
export const events = <const Sagas extends ReadonlyArray<unknown>>(
  sagas: Sagas & Registered<Sagas>,
  options?: Options
): Stream.Stream<
  Event<Saga.Output<Sagas[number]> | HasPlans<Sagas, Saga.Output<Plan.Plan>>>,
  CheckpointError,
  Checkpoint | Saga.Requirements<Sagas[number]> | HasPlans<Sagas, ToolExecutor>
> =>
  Stream.unwrap(Effect.gen(function*() {
    const checkpoint = yield* Checkpoint
    const { concurrency, longestWait, maxClaims, parked, until } = yield* checked(options)
    // The first thing a lease of our own does is to end those of processes that are known to have died.
    const ours = yield* checkpoint.token
    const leases = new Set<Token>()
    let wait = 0
    const all = parked
      // These first: what is parked on the way is not tried a second time.
      ? Stream.concat(checkpoint.unfinished({ parked: true }), checkpoint.unfinished({ parked: false }))
      // Somebody has cancelled those that have a message.
      : Stream.concat(
        checkpoint.unfinished({ parked: true, withMessages: true }),
        checkpoint.unfinished({ parked: false })
      )
    const free = Stream.filter(all, ({ executionId, leasedFor, token }) => {
      if (checkpoint.findDriven(executionId) !== undefined) return false
      if (leasedFor === 0 || token === undefined || token === ours) return true
      if (leasedFor > longestWait) return false
      leases.add(token)
      wait = Math.max(wait, leasedFor)
      return false
    })
    const left = Stream.suspend(() =>
      leases.size === 0 ? Stream.empty : Stream.filter(
        checkpoint.unfinished({ parked: false }),
        ({ executionId, leasedFor, token }) =>
          leasedFor === 0 && token !== undefined && leases.has(token) &&
          checkpoint.findDriven(executionId) === undefined
      )
    )
    // A little longer than they last, for the store's clock and ours do not tick at once.
    const untilTheyEnd = Stream.suspend(() =>
      leases.size > 0 ? Stream.fromEffect(Effect.sleep(wait + 20)) : Stream.empty
    )
    const open = Stream.concat(free, Stream.concat(Stream.drain(untilTheyEnd), left))
    return Stream.flatMap(open, (execution) => recover(sagas as ReadonlyArray<Durable>, execution, maxClaims, until), {
      concurrency
    })
  })) as Stream.Stream<any, CheckpointError, any>

/**
 * Does what {@link events} does, logs how it goes, and counts what became of the executions. What is left as it was, is
 * parked, or belongs to no saga among those given is a warning.
 *
 * @example
 * ```ts prelude=pay
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(pay, undefined, { executionId: "pay-17" })) // is parked
 *   return yield* Recovery.run([pay], { parked: true })
 * })
 * const { parked, succeeded } = await Effect.runPromise(Effect.provide(program, store))
 * console.log(`${succeeded} succeeded, ${parked} parked`)
 * // => 0 succeeded, 1 parked
 * ```
 */
export const run = <const Sagas extends ReadonlyArray<unknown>>(
  sagas: Sagas & Registered<Sagas>,
  options?: Options
): Effect.Effect<
  Summary,
  CheckpointError,
  Checkpoint | Saga.Requirements<Sagas[number]> | HasPlans<Sagas, ToolExecutor>
> => runAndLog(sagas as ReadonlyArray<Durable>, options, Effect.logWarning)

const recoverUntil = { finished: durable.recover, committed: recoverUntilDecided }

const recover = (
  sagas: ReadonlyArray<Durable>,
  execution: UnfinishedExecution,
  maxClaims: number,
  until: "committed" | "finished"
): Stream.Stream<Event, never, any> => {
  const { executionId, fence, saga: name, status, version } = execution
  const whose = { executionId, saga: name, version }
  return Stream.unwrap(Effect.matchCause(definitionOf(sagas, execution), {
    onFailure: (cause) => Stream.succeed<Event>({ ...whose, _tag: "LeftAsItWas", cause }),
    onSuccess: (found) => {
      if (found === undefined) return Stream.succeed<Event>({ ...whose, _tag: "Unregistered" })
      const wakes = status === "Parked" ? fence : undefined
      const driving = Effect.exit(recoverUntil[until](programOf(found), { executionId, wakes, maxClaims }))
      return Stream.concat(
        Stream.succeed<Event>({ ...whose, _tag: "Begun", status }),
        Stream.fromEffect(Effect.map(driving, (exit): Recovered => ({ ...whose, ...becameOf(exit) })))
      )
    }
  }))
}

/**
 * Lists the parked executions of the store and why each is parked, without setting any going. What to do with one:
 * `Saga.resume` tries again, or takes what somebody found out about a step in doubt.
 *
 * @example
 * ```ts prelude=pay
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(pay, undefined, { executionId: "pay-17" })) // is parked
 *   yield* Stream.runForEach(Recovery.parked([pay]), ({ error, executionId }) =>
 *     Effect.sync(() => console.log(executionId, error?._tag)))
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => pay-17 OutcomeUnknown
 * ```
 */
export const parked = <const Sagas extends ReadonlyArray<unknown>>(
  sagas: Sagas & Registered<Sagas>
): Stream.Stream<Parked, CheckpointError, Checkpoint | HasPlans<Sagas, ToolExecutor>> =>
  Stream.unwrap(
    Effect.map(Checkpoint, ({ unfinished }) =>
      Stream.mapEffect(unfinished({ parked: true }), (execution) => {
        const { executionId, saga: name, version } = execution
        const why = Effect.flatMap(
          definitionOf(sagas as ReadonlyArray<Durable>, execution),
          (found) => found === undefined ? Effect.void : failIfParked(programOf(found), executionId)
        )
        return Effect.matchCauseEffect(why, {
          onSuccess: () => Effect.succeed({ executionId, saga: name, version, error: undefined }),
          onFailure: (cause) => {
            const error = Cause.squash(cause) as NonNullable<Parked["error"]> | CheckpointError
            return is("CheckpointError")(error)
              ? Effect.fail(error)
              : Effect.succeed({ executionId, saga: name, version, error })
          }
        })
      }))
  ) as Stream.Stream<Parked, CheckpointError, any>

const runAndLog = (
  sagas: ReadonlyArray<Durable>,
  options: Options | undefined,
  warn: Warn
): Effect.Effect<Summary, CheckpointError, any> =>
  Effect.suspend(() => {
    const summary = {
      succeeded: 0,
      undone: 0,
      parked: 0,
      waiting: 0,
      leftAsItWas: 0,
      elsewhere: 0,
      unregistered: 0,
      goesOn: 0
    }
    let count = 0
    const say = () => {
      const counts = Object.entries(wordsFor).flatMap(([counter, words]) => {
        const number = summary[counter as keyof Summary]
        return number === 0 ? [] : [`${number} ${words}`]
      })
      return Effect.logInfo(`recovered ${count} ${count === 1 ? "execution" : "executions"}: ${counts.join(", ")}`)
    }
    const note = (event: Event) => {
      if (event._tag === "Begun") return Effect.void
      summary[counterOf[event._tag]]++
      count++
      return Effect.zipRight(log(event, warn), count % 1000 === 0 ? say() : Effect.void)
    }
    return Stream.runForEach(events(sagas, options), note).pipe(
      Effect.zipRight(Effect.suspend(() => count === 0 ? Effect.void : say())),
      Effect.as(summary)
    )
  })
