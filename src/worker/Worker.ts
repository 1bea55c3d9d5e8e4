/**
 * Drives in the background the executions that nobody drives: those that were enqueued, those that an earlier process left
 * unfinished, those that wait and are due or have a signal, and parked ones that were cancelled.
 */
import { Cause, type Duration, Effect, FiberSet, Layer, Option, Predicate, Queue, Stream } from "effect"
import { programOf } from "../definition/saga.ts"
import * as durable from "../engine/durable.ts"
import { driveUnderClaim, longPause } from "../engine/work.ts"
import * as Plan from "../plan/Plan.ts"
import type { ToolExecutor } from "../plan/ToolExecutor.ts"
import { isParked, log, type Warn } from "../recovery/log.ts"
import { becameOf, type Recovered } from "../recovery/outcome.ts"
import * as Recovery from "../recovery/Recovery.ts"
import { definitionOf, type Durable, type HasPlans, type Registered } from "../recovery/registered.ts"
import type * as Saga from "../Saga.ts"
import type * as SagaError from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { checkCount, checkDuration, invalid } from "../store/options.ts"
import { visible } from "../values/visible.ts"
import { Places } from "./places.ts"

/** How a worker goes about it. */
export interface Options {
  /** How many executions it drives at a time. 16 by default. */
  readonly concurrency?: number
  /** How many of one saga at a time, by its name. */
  readonly perSaga?: { readonly [saga: string]: number }
  /**
   * How often it looks for executions of which nobody tells it, and for those that are due, a second by default. It hears at once of
   * those that this process enqueues or sends a signal to, and on PostgreSQL of those that any process enqueues. Under a `TestClock` it
   * looks once in each interval of test time: give it a long one if days pass.
   */
  readonly interval?: Duration.DurationInput
  /** After how many claims without a new event an execution is parked, see `Recovery.Options`. 10 by default. */
  readonly maxClaims?: number
}

/**
 * Drives whatever is there of these sagas, from when the layer is made until it closes: it claims executions that nobody drives, a
 * batch in one statement, oldest first. Any number of workers share a database, and each execution goes to one of them.
 *
 * An execution that pauses for a second or longer before the next try of a step gives its place to another, and goes on beside the
 * others afterwards; at most ten times as many as `concurrency` do. Executions of sagas or versions that are not given are left
 * alone: a warning says how many there are. One whose definition or journal does not fit is a warning too, and is left to others; one
 * that stops for another reason is tried again after a minute. Parked executions are told of at the start, and are left alone unless they were cancelled.
 *
 * Closing the layer ends its claims. The executions that it drives belong to the checkpoint, whose layer suspends them when it
 * closes; the next worker goes on with them.
 *
 * @example
 * ```ts prelude=trip
 * const main = Layer.launch(Layer.provide(Worker.layer([trip], { concurrency: 64 }), Checkpoint.layerMemory))
 * await Effect.runPromise(Effect.timeoutOption(main, "10 millis")) // a service would run it until it ends
 * ```
 */
export const layer = <const Sagas extends ReadonlyArray<unknown>>(
  sagas: Sagas & Registered<Sagas>,
  options?: Options
): Layer.Layer<
  never,
  SagaError.CheckpointError,
  Checkpoint.Checkpoint | Saga.Requirements<Sagas[number]> | HasPlans<Sagas, ToolExecutor>
> => Layer.scopedDiscard(work(sagas as ReadonlyArray<Durable>, options))

const work = (
  sagas: ReadonlyArray<Durable>,
  options: Options | undefined
): Effect.Effect<void, SagaError.CheckpointError, any> =>
  Effect.gen(function*() {
    const interval = yield* checkDuration("interval", options?.interval ?? "1 second", "longer than zero")
    const concurrency = yield* checkCount("concurrency", options?.concurrency ?? 16)
    const maxClaims = yield* checkCount("maxClaims", options?.maxClaims ?? durable.defaultMaxClaims)
    const perSaga = new Map<string, number>()
    for (const [saga, most] of Object.entries(options?.perSaga ?? {})) {
      perSaga.set(saga, yield* checkCount(`perSaga.${saga}`, most))
    }
    const problem = unknownLimit(sagas, perSaga) ?? ambiguous(sagas)
    if (problem !== undefined) return yield* invalid(visible(problem))
    const checkpoint = yield* Checkpoint.Checkpoint
    const wake = yield* Queue.sliding<void>(1)
    const worker = new Worker(
      sagas,
      checkpoint,
      new Places(concurrency, perSaga),
      maxClaims,
      wake,
      yield* FiberSet.make()
    )
    const background = (effect: Effect.Effect<unknown, never, any>) => Effect.forkScoped(Effect.interruptible(effect))
    yield* background(Effect.ignore(Stream.runForEach(checkpoint.arrivals, () => Queue.offer(wake, undefined))))
    yield* background(worker.tellParked)
    yield* background(
      Effect.forever(Effect.zipRight(worker.tellUnknown, Effect.sleep(Math.max(interval, betweenCounts))))
    )
    // A look claims, and hands over what it has claimed: an interruption between the two would leave it to nobody.
    const look = Effect.uninterruptible(worker.look)
    // No race with a sleep that the other side would have to interrupt: a timer offers to the same queue.
    yield* background(Effect.forever(Effect.zipRight(Effect.sleep(interval), Queue.offer(wake, undefined))))
    yield* background(Effect.forever(Effect.zipRight(look, Queue.take(wake))))
  })

const definitionsIn = (sagas: ReadonlyArray<Durable>) =>
  sagas.flatMap((saga) => saga === Plan.stored ? [] : [saga as Saga.Any])

/** A limit for a saga that the worker does not have would be one for nothing. */
const unknownLimit = (sagas: ReadonlyArray<Durable>, perSaga: ReadonlyMap<string, number>): string | undefined => {
  // A plan can have any name.
  if (sagas.includes(Plan.stored)) return undefined
  const names = new Set(definitionsIn(sagas).map(({ name }) => name))
  const unknown = Array.from(perSaga.keys()).find((name) => !names.has(name))
  return unknown === undefined ? undefined : `perSaga names "${unknown}", and this worker has no saga of that name`
}

/** Of two definitions of one name and version only one would drive, and refuse what the other one has started. */
const ambiguous = (sagas: ReadonlyArray<Durable>): string | undefined => {
  const known = new Map<string, Saga.Any>()
  for (const saga of definitionsIn(sagas)) {
    const key = `${saga.name} (version ${saga.version})`
    const other = known.get(key)
    if (other !== undefined && other !== saga) {
      return `this worker has two definitions of ${key}: raise the version of one`
    }
    known.set(key, saga)
  }
  return undefined
}

const betweenCounts = 60_000
const untilTriedAgain = 60_000
const mostLeft = 1000
/** In one statement; where there are places for more, the next look claims them. */
const mostClaimed = 1000
const doesNotFit = ["DefinitionChanged", "JournalCorrupt", "InvalidPlan"]
const mostParked = 100
const mostRemembered = 10_000

class Worker {
  private readonly sagas: ReadonlyArray<Durable>
  private readonly known: ReadonlyArray<{ readonly name: string; readonly version: number }>
  private readonly plans: boolean
  private readonly checkpoint: Checkpoint.Service
  private readonly places: Places
  private readonly maxClaims: number
  private readonly wake: Queue.Enqueue<void>
  private readonly fibers: FiberSet.FiberSet
  private readonly said = new Set<string>()
  private saidUnknown = ""
  /** The executions that are left to others, and until when, in epoch milliseconds. */
  private readonly left = new Map<string, number>()
  /** The limits for want of whose places the last look may have left something: of a saga, by its name, or of all others. */
  private readonly mayHaveLeft = new Set<string | undefined>()

  constructor(
    sagas: ReadonlyArray<Durable>,
    checkpoint: Checkpoint.Service,
    places: Places,
    maxClaims: number,
    wake: Queue.Enqueue<void>,
    fibers: FiberSet.FiberSet
  ) {
    this.sagas = sagas
    this.plans = sagas.includes(Plan.stored)
    this.known = definitionsIn(sagas).map(({ name, version }) => ({ name, version }))
    this.checkpoint = checkpoint
    this.places = places
    this.maxClaims = maxClaims
    this.wake = wake
    this.fibers = fibers
  }

  /** Claims as many executions as there are places, and drives them in fibers of their own. */
  readonly look: Effect.Effect<void, never, any> = Effect.suspend(() => {
    this.mayHaveLeft.clear()
    const limited = this.known.filter(({ name }) => this.places.isLimited(name))
    const claims = Effect.zipRight(
      Effect.forEach(limited, (saga) => this.claim(saga.name, [saga], false), { discard: true }),
      this.claim(undefined, this.known.filter((saga) => !limited.includes(saga)), this.plans)
    )
    // Places may have become free while the statement ran.
    return Effect.catchAllCause(
      Effect.map(claims, this.wakeIfUseful),
      (cause) => Effect.logWarning("the worker could not look for executions; it looks again after its interval", cause)
    )
  })

  private readonly wakeIfUseful = (): void => {
    for (const limitedBy of this.mayHaveLeft) {
      if (this.places.hasRoom(limitedBy)) return void Queue.unsafeOffer(this.wake, undefined)
    }
  }

  private claim(
    limitedBy: string | undefined,
    sagas: Checkpoint.Wanted["sagas"],
    plans: boolean
  ): Effect.Effect<void, SagaError.CheckpointError, any> {
    return Effect.suspend(() => {
      if (sagas.length === 0 && !plans) return Effect.void
      const limit = this.places.freeFor(limitedBy)
      if (limit < 1) {
        this.mayHaveLeft.add(limitedBy)
        return Effect.void
      }
      const most = Math.min(limit, mostClaimed)
      return Effect.flatMap(
        this.stillLeft,
        (except) =>
          Effect.flatMap(this.checkpoint.claimNext({ sagas, plans, except, limit: most }), (claimed) => {
            if (claimed.length === most) this.mayHaveLeft.add(limitedBy)
            return Effect.forEach(claimed, (execution) => this.begin(execution), { discard: true })
          })
      )
    })
  }

  private begin(execution: ClaimedByUs): Effect.Effect<void, never, any> {
    const place = this.places.take(execution.saga)
    const whenPausing = ({ milliseconds }: Checkpoint.Pause) => {
      if (milliseconds < longPause) return
      place.leave()
      this.wakeIfUseful()
    }
    const driving = Effect.ensuring(
      this.drive(execution, whenPausing),
      Effect.sync(() => {
        place.end()
        this.wakeIfUseful()
      })
    )
    return Effect.asVoid(FiberSet.run(this.fibers, Effect.interruptible(driving)))
  }

  private drive(
    execution: ClaimedByUs,
    whenPausing: (pause: Checkpoint.Pause) => void
  ): Effect.Effect<void, never, any> {
    const { claim, executionId, saga, version } = execution
    const whose = { executionId, saga, version }
    const driven = Effect.matchCauseEffect(definitionOf(this.sagas, execution), {
      onFailure: (cause) =>
        Effect.as(this.checkpoint.release(executionId, claim), { ...whose, _tag: "LeftAsItWas", cause } as Recovered),
      onSuccess: (found) =>
        found === undefined
          ? Effect.as(this.checkpoint.release(executionId, claim), { ...whose, _tag: "Unregistered" } as Recovered)
          : Effect.map(
            Effect.exit(driveUnderClaim(programOf(found), {
              execution,
              maxClaims: this.maxClaims,
              whenPausing
            })),
            (exit): Recovered => ({ ...whose, ...becameOf(exit) })
          )
    })
    return Effect.flatMap(driven, (recovered) =>
      Effect.zipRight(
        log(recovered, this.warnOnce),
        recovered._tag === "LeftAsItWas" ? this.leave(executionId, recovered.cause) : Effect.void
      ))
  }

  /**
   * Leaves an execution to others for a while, which would take a place at every look; for good, if it is the definition or the journal
   * that does not fit: neither changes while this process lives, and each claim would count as one without progress.
   */
  private leave(executionId: string, cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.map(Effect.clock, (clock) => {
      const [oldest] = this.left.keys()
      if (this.left.size >= mostLeft && oldest !== undefined) this.left.delete(oldest)
      const isForGood = Option.exists(
        Cause.failureOption(cause),
        (error) => doesNotFit.some((tag) => Predicate.isTagged(error, tag))
      )
      this.left.set(executionId, isForGood ? Infinity : clock.unsafeCurrentTimeMillis() + untilTriedAgain)
    })
  }

  /** The executions that are left to others at this moment. */
  private readonly stillLeft = Effect.map(Effect.clock, (clock): ReadonlyArray<string> => {
    const now = clock.unsafeCurrentTimeMillis()
    for (const [left, until] of this.left) if (until <= now) this.left.delete(left)
    return Array.from(this.left.keys())
  })

  /** Warns of executions of sagas that this worker does not have, when their number has changed. */
  readonly tellUnknown: Effect.Effect<void> = Effect.suspend(() => {
    const counts = new Map<string, number>()
    const counted = Stream.runForEach(this.checkpoint.unfinished({ parked: false }), (execution) =>
      Effect.sync(() => {
        const { isPlan, leasedFor, saga, version } = execution
        const isKnown = isPlan
          ? this.plans
          : this.known.some((known) => known.name === saga && known.version === version)
        if (isKnown || leasedFor > 0) return
        const name = isPlan ? `plan ${saga}` : `${saga} (version ${version})`
        // Names of plans may be without number.
        const counter = counts.has(name) || counts.size < mostNames ? name : "others"
        counts.set(counter, (counts.get(counter) ?? 0) + 1)
      }))
    return Effect.matchCauseEffect(counted, {
      onFailure: (cause) => Effect.logWarning("unfinished executions could not be counted", cause),
      onSuccess: () => {
        const text = Array.from(counts, ([name, count]) => `${count} of ${name}`).join(", ")
        const isNew = text !== this.saidUnknown
        this.saidUnknown = text
        return text === "" || !isNew ? Effect.void : Effect.logWarning(
          visible(`no saga of this worker drives these executions, which are left alone: ${text}`)
        )
      }
    })
  })

  /** Tells at the start which executions are parked: they wait for a person. */
  readonly tellParked: Effect.Effect<void, never, any> = Effect.suspend(() =>
    Stream.runForEach(
      Stream.take(
        Recovery.parked(this.sagas as never) as Stream.Stream<Recovery.Parked, SagaError.CheckpointError>,
        mostParked
      ),
      ({ error, executionId, saga }) => this.warnOnce(isParked(saga, executionId, error?.message))
    ).pipe(Effect.catchAllCause((cause) => Effect.logWarning("parked executions could not be listed", cause)))
  )

  private readonly warnOnce: Warn = (message, cause?: Cause.Cause<unknown>) => {
    const known = this.said.has(message)
    // Forgotten one day, so that they do not fill the memory of a process that lives long.
    if (this.said.size >= mostRemembered) this.said.clear()
    this.said.add(message)
    const line = cause === undefined ? [message] : [message, cause]
    return known ? Effect.logDebug(...line) : Effect.logWarning(...line)
  }
}

type ClaimedByUs = Checkpoint.ClaimedExecution & { readonly claim: Checkpoint.Claim }

const mostNames = 20
