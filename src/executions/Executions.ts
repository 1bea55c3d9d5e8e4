/**
 * Lists, counts and reads stored executions, finished or not. Needs the store and no definition of a saga, and changes nothing.
 *
 * A saga says what its executions are found by: `Saga.make(name, { attributes: ({ input }) => ({ customer: input.customer }) })`.
 */
import { Chunk, Effect, Option, Stream } from "effect"
import { namedSteps } from "../definition/difference.ts"
import { isWellFormed } from "../definition/rules.ts"
import { readJournal } from "../engine/load.ts"
import type * as Journal from "../Journal.ts"
import { recordedOf } from "../report/fromRun.ts"
import type { Recorded } from "../report/SagaReport.ts"
import { type CheckpointError, ExecutionNotFound, InvalidQuery, type JournalCorrupt } from "../SagaError.ts"
import { Checkpoint, type ExecutionCount, type StoredExecution } from "../store/Checkpoint.ts"
import { textOrKind } from "../values/numbers.ts"
import { type Cursor, cursorOf, type Filter, listingOf, type ListOptions, mostListed } from "./query.ts"

export type { Attributes, ExecutionCount } from "../store/Checkpoint.ts"
export type { Cursor, Filter, ListOptions } from "./query.ts"

/** A stored execution. Times are in epoch milliseconds, by the store's clock; `endedAt` is undefined if it is not finished. */
export interface Execution extends Omit<StoredExecution, "number"> {}

/** Some executions, and where the next ones are, if there are more. */
export interface Page {
  readonly executions: ReadonlyArray<Execution>
  readonly next: Option.Option<Cursor>
}

/**
 * One page of executions, the last that started first. What starts meanwhile is on no later page; a status is as of the moment of
 * its page.
 *
 * @example
 * ```ts prelude=trip
 * const tour = Saga.make("Tour", {
 *   input: Schema.Struct({ customer: Schema.String }),
 *   attributes: ({ input }) => ({ customer: input.customer })
 * })
 *   .compensatable("bus", { action: () => Effect.void, compensate: () => Effect.void })
 *   .build(() => undefined)
 *
 * const program = Effect.gen(function*() {
 *   for (const customer of ["Ada", "Bob", "Ada"]) {
 *     yield* Saga.execute(tour, { customer }, { executionId: crypto.randomUUID() })
 *   }
 *   const { executions, next } = yield* Executions.list({ attributes: { customer: "Ada" }, status: "Succeeded" })
 *   console.log(executions.length, executions[0]?.attributes, next._tag)
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => 2 { customer: 'Ada' } None
 * ```
 */
export const list = (options: ListOptions = {}): Effect.Effect<Page, InvalidQuery | CheckpointError, Checkpoint> =>
  Effect.flatMap(listingOf(options), (listing) =>
    Effect.map(
      // One more, which tells whether there is another page.
      Effect.flatMap(Checkpoint, (store) => store.list({ ...listing, limit: listing.limit + 1 })),
      (found): Page => {
        const page = found.slice(0, listing.limit)
        const last = page[page.length - 1]
        return {
          executions: page.map(withoutNumber),
          next: last === undefined || found.length <= page.length ? Option.none() : Option.some(cursorOf(last.number))
        }
      }
    ))

const withoutNumber = (
  { attributes, endedAt, executionId, saga, startedAt, status, version }: StoredExecution
): Execution => ({ executionId, saga, version, status, attributes, startedAt, endedAt })

/**
 * All executions that fit, the last that started first, read page by page.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-1" }))
 *   yield* Saga.execute(trip, { card: "full" }, { executionId: "trip-2" })
 *   yield* Stream.runForEach(
 *     Executions.stream({ saga: "Trip" }),
 *     ({ executionId, status }) => Effect.sync(() => console.log(executionId, status))
 *   )
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => cancel LH 400
 * // => trip-2 Succeeded
 * // => trip-1 Undone
 * ```
 */
export const stream = (
  options: Filter = {}
): Stream.Stream<Execution, InvalidQuery | CheckpointError, Checkpoint> =>
  Stream.paginateChunkEffect(Option.fromNullable(options.cursor), (cursor) =>
    Effect.map(
      list({ ...options, cursor: Option.getOrUndefined(cursor), limit: mostListed }),
      ({ executions, next }) => [Chunk.unsafeFromArray(executions), Option.map(next, Option.some)]
    ))

/**
 * How many executions are stored, by saga and status, in the order of these names. Those of which there are none are left out.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-1" }))
 *   yield* Saga.execute(trip, { card: "full" }, { executionId: "trip-2" })
 *   yield* Saga.execute(trip, { card: "full" }, { executionId: "trip-3" })
 *   for (const { count, saga, status } of yield* Executions.count()) console.log(saga, status, count)
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => cancel LH 400
 * // => Trip Succeeded 2
 * // => Trip Undone 1
 * ```
 */
export const count = (
  options: Pick<Filter, "saga"> = {}
): Effect.Effect<ReadonlyArray<ExecutionCount>, InvalidQuery | CheckpointError, Checkpoint> =>
  Effect.flatMap(
    listingOf({ saga: options.saga }),
    ({ saga }) =>
      Effect.map(
        Effect.flatMap(Checkpoint, (store) => store.count(saga)),
        (counts) => [...counts].sort(bySagaAndStatus)
      )
  )

const bySagaAndStatus = (one: ExecutionCount, other: ExecutionCount): number =>
  compare(one.saga, other.saga) || compare(one.status, other.status)

const compare = (one: string, other: string): number => one < other ? -1 : one > other ? 1 : 0

/**
 * Looks at a stored execution without its definition: what is recorded of each step and compensation, as `Saga.inspect` tells it to code
 * that has the saga, and whatever version has started it.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-17" }))
 *   const { status, summary } = yield* Executions.inspect("trip-17")
 *   console.log(status, summary)
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => cancel LH 400
 * // => Undone Trip was undone: step "charge" failed with declined
 * ```
 */
export const inspect = (
  executionId: string
): Effect.Effect<Recorded, CheckpointError | ExecutionNotFound | JournalCorrupt, Checkpoint> =>
  Effect.map(journalOf(executionId), ({ state }) => {
    const { fingerprint, lists, saga, steps, version } = state
    const named = namedSteps(fingerprint, lists)
    const known = new Set(named.map(({ path }) => path))
    const others = Array.from(steps.values()).flatMap(({ classification, step }) =>
      known.has(step) ? [] : [{ path: step, classification }]
    )
    const all = { steps: [...named, ...others] }
    return recordedOf({ name: saga, version, listed: () => all }, executionId, state)
  })

/**
 * The journal of an execution: its events with their times, in order. Inputs, outputs and errors are as their schemas encode them.
 *
 * @example
 * ```ts prelude=trip
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Saga.execute(trip, { card: "empty" }, { executionId: "trip-1" }))
 *   for (const event of yield* Executions.history("trip-1")) {
 *     console.log(event._tag, "step" in event ? event.step : "")
 *   }
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => cancel LH 400
 * // => Started
 * // => StepStarted flight
 * // => StepSucceeded flight
 * // => StepStarted charge
 * // => StepFailed charge
 * // => UnwindingStarted
 * // => CompensationStarted flight
 * // => CompensationSucceeded flight
 * // => Finished
 * ```
 */
export const history = (
  executionId: string
): Effect.Effect<ReadonlyArray<Journal.Event>, CheckpointError | ExecutionNotFound | JournalCorrupt, Checkpoint> =>
  Effect.map(journalOf(executionId), ({ events }) => events)

const journalOf = (executionId: string) =>
  Effect.gen(function*() {
    const store = yield* Checkpoint
    // A malformed id cannot be stored.
    const commits = isWellFormed(executionId) ? yield* store.load(executionId) : []
    const { events, state } = yield* readJournal(executionId, commits)
    if (state === undefined) return yield* new ExecutionNotFound({ executionId: textOrKind(executionId) })
    return { events, state }
  })
