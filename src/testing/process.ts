/** The processes of a scenario, one after the other, and the mishaps that come to them at a commit. */
import { Cause, Clock, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import * as Effect3 from "effect"
import type { OwedInProcess, OwedToScoped } from "../definition/owed.ts"
import { programOf } from "../definition/saga.ts"
import { deliverTo } from "../engine/deliver.ts"
import { sumOf } from "../engine/load.ts"
import { dueAt } from "../engine/waiting.ts"
import * as Journal from "../Journal.ts"
import { classifications } from "../journal/statuses.ts"
import * as Saga from "../Saga.ts"
import * as Signal from "../Signal.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { describe } from "../values/describe.ts"
import type { CommitFault, Fault } from "./fault.ts"
import * as Faults from "./Faults.ts"
import { isOfStep } from "./injection.ts"
import { memoryTransactions } from "./transactions.ts"
import { longest, type Request } from "./violations.ts"

export const executionId = "explored"

type AnyEffect = Effect.Effect<unknown, unknown, any>
/** A mishap with which a process ends. */
type Ending = Extract<CommitFault, { readonly _tag: "Crash" | "Close" }>
/** A mishap that a process survives. */
type Incident = Exclude<CommitFault, Ending>

/** A signal that somebody sends. */
export interface Sent {
  readonly signal: Signal.Any
  readonly value: unknown
  /** The path of the step that is to have it. */
  readonly step?: string
}

/** A scenario as its processes know it. */
export interface Lives {
  readonly faults: ReadonlyArray<Fault>
  readonly input: unknown
  readonly signals: ReadonlyArray<Sent>
  /** Makes the faulty saga anew for each process. */
  readonly saga: () => Saga.Any
  /** The services of one process. */
  readonly services: Layer.Layer<any, unknown, any>
  /** Receives an effect that interrupts the run. */
  readonly interruptible: (interrupt: Effect.Effect<void>) => void
  /** Receives the events of the commit at which a process crashes. */
  readonly crashes: (commit: string) => void
  readonly requests: (request: Request) => void
  /** Receives the error of a call that asks again, if it says nothing of how the execution ended. */
  readonly unanswered: (message: string) => void
  /** Hears that the execution has waited for a signal that nobody sends, until the caller lost patience. */
  readonly forgotten: () => void
}

const turns = 500
const anHour = 3_600_000

/**
 * Waits until a fiber has ended, or nothing more happens. Answers whether it has ended. `due` tells when an execution that waits is due:
 * the time until then passes at once.
 */
export const untilItEnds = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  due: Effect.Effect<number | undefined> = Effect.succeed(undefined)
): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    // First run everything that needs no time: each adjustment of the clock costs a turn of the event loop.
    for (let turn = 0; turn < turns; turn++) {
      yield* Effect.yieldNow()
      if ((yield* Fiber.poll(fiber))._tag === "Some") return true
    }
    for (let hour = 0; hour < longest; hour++) {
      const time = yield* due
      const hourLater = (yield* Clock.currentTimeMillis) + anHour
      yield* Effect3.TestClock.setTime(Math.max(time ?? 0, hourLater))
      if ((yield* Fiber.poll(fiber))._tag === "Some") return true
    }
    yield* Fiber.interruptFork(fiber)
    return false
  })

const most = 5

/** Brings the execution to its end, in one process after the other. `isOver` is asked after each. */
export const live = (
  lives: Lives,
  store: Checkpoint.Store,
  isOver: Effect.Effect<boolean>
): Effect.Effect<void, never, any> =>
  Effect.gen(function*() {
    const endings: Array<Ending> = []
    const incidents: Array<Incident> = []
    for (const fault of lives.faults) {
      if (isOfStep(fault)) continue
      if (fault._tag === "Crash" || fault._tag === "Close") endings.push(fault)
      else incidents.push(fault)
    }
    for (let life = 0; life < most; life++) {
      yield* new Process(lives, store, endings[life], incidents).live(life === 0)
      if (yield* isOver) return
    }
  })

/** For how long a process that is closed waits for its actions, which need no real time. */
const patience = "10 seconds"

class Process {
  private commits = 0
  private isDead = false
  private isForgotten = false
  private closing: Fiber.RuntimeFiber<void> | undefined
  private hangUp: Effect.Effect<unknown> = Effect.void
  private readonly lives: Lives
  /** As other processes see it, also after a crash of this one. */
  private readonly store: Checkpoint.Store
  private readonly ending: Ending | undefined
  /** Those that have not happened yet, in any process. */
  private readonly incidents: Array<Incident>

  constructor(lives: Lives, store: Checkpoint.Store, ending: Ending | undefined, incidents: Array<Incident>) {
    this.lives = lives
    this.store = store
    this.ending = ending
    this.incidents = incidents
  }

  /** Starts the execution, or resumes it, until there is an answer or the process ends. */
  live(starts: boolean): Effect.Effect<void, never, any> {
    const { ending, lives } = this
    return Effect.gen(this, function*() {
      // A process that dies releases nothing: its services are let go when the scenario is over.
      const forServices = yield* Scope.fork(yield* Effect.scope, Effect3.ExecutionStrategy.sequential)
      const forCheckpoint = yield* Scope.make()
      const services = yield* Effect.orDie(Layer.buildWithScope(lives.services, forServices))
      const grace = ending?._tag === "Close" ? patience : 0
      const seen = this.seenStore(forCheckpoint, () => service)
      const service: Checkpoint.Service = yield* Effect.orDie(
        Scope.extend(Checkpoint.make(seen, { lease: Infinity, shutdown: { grace } }), forCheckpoint)
      )
      const calls = Effect.zipRight(this.sendSignals(), this.calls(starts, service) as Effect.Effect<void>)
      const toItsEnd = Effect.zipRight(
        Effect.provide(calls, services),
        Effect.suspend(() => this.closing === undefined ? Effect.void : Fiber.await(this.closing))
      )
      const hasEnded = yield* untilItEnds(yield* Effect.fork(toItsEnd), this.due)
      if (!hasEnded && this.isForgotten) lives.forgotten()
      const close = Scope.close(forCheckpoint, Exit.void)
      yield* hasEnded || grace === 0 ? close : Effect.forkDaemon(close)
      if (!this.isDead) yield* Scope.close(forServices, Exit.void)
    })
  }

  /** The execution as its journal has it. */
  private get state(): Effect.Effect<Journal.ExecutionState | undefined> {
    return Effect.orDie(Effect.flatMap(this.store.load(executionId), (commits) => sumOf(executionId, commits)))
  }

  /** When the execution is due, if it waits. */
  private get due(): Effect.Effect<number | undefined> {
    const program = programOf(this.lives.saga())
    return Effect.map(this.state, (state) => {
      const due = state?.status === "Waiting" ? dueAt(program, state) : undefined
      this.isForgotten = state?.status === "Waiting" && due === undefined
      return due
    })
  }

  /** Sends the signals for which the execution waits, as another process does. Sent again, they are the same. */
  private sendSignals(): Effect.Effect<void> {
    const { lives: { signals }, store } = this
    return Effect.flatMap(
      this.state,
      (state) =>
        state?.status !== "Waiting" ? Effect.void : Effect.forEach(signals, ({ signal, step, value }, index) => {
          const to = { executionId, by: "SagaTest.explore", id: `${index}`, step }
          return signal.name === state.waits?.signal && (step ?? state.waits.step) === state.waits.step
            ? Effect.ignore(deliverTo(store, signal, to, value))
            : Effect.void
        }, { discard: true })
    )
  }

  /** The calls of one who waits. A call that is interrupted, and cancels nothing by that, is followed by another one. */
  private calls(starts: boolean, service: Checkpoint.Service): Effect.Effect<void, never, any> {
    const { lives } = this
    const { input, interruptible } = lives
    const saga = lives.saga() as Saga.Saga<unknown, unknown, unknown, any, OwedInProcess | OwedToScoped>
    const isPatient = lives.faults.some(({ _tag }) => _tag === "Disconnect")
    const options: Saga.ExecuteOptions = isPatient ? { executionId } : { executionId, onInterrupt: "cancel" }
    const execute = Saga.execute(saga, input, options)
    const wait = (call: AnyEffect, isFirst: boolean): Effect.Effect<void, never, any> =>
      Effect.gen(this, function*() {
        let isGone = false
        const fiber = yield* Effect.fork(Effect.provideService(call, Checkpoint.Checkpoint, service))
        const leaving = (leave: Effect.Effect<unknown>) => Effect.suspend(() => (isGone = true, Effect.asVoid(leave)))
        this.hangUp = leaving(Fiber.interrupt(fiber))
        interruptible(leaving(Fiber.interruptFork(fiber)))
        const exit = yield* Fiber.await(fiber)
        if (isGone && isPatient) return yield* wait(execute, false)
        if (!isFirst && Exit.isFailure(exit)) this.tellUnanswered(exit.cause)
      })
    return wait(starts ? execute : Saga.resume(saga, executionId, options), true)
  }

  private tellUnanswered(cause: Cause.Cause<unknown>): void {
    const error = Option.getOrUndefined(Cause.failureOption(cause))
    if (isUnanswered(error)) this.lives.unanswered(describe(error).message)
  }

  /** The store as this process sees it, with what happens at its commits. */
  private seenStore(scope: Scope.CloseableScope, service: () => Checkpoint.Service): Checkpoint.Store {
    const { ending, lives, store } = this
    const isAt = ({ commit }: { readonly commit: number }, index: number) => commit === index
    const stores = { ...store, transactions: memoryTransactions(store) }
    const seen = ending?._tag === "Crash" ? Faults.crashAt(stores, ending.commit, ending.moment) : stores
    return {
      ...seen,
      transactions: seen.transactions && this.seenTransactions(scope, service, seen.transactions),
      append: (group) =>
        Effect.gen(this, function*() {
          for (const [index, commit] of group.entries()) {
            const place = this.commits + index
            for (const incident of this.take(place, "before")) yield* this.happens(incident, commit, service())
            if (ending?._tag !== "Crash" || !isAt(ending, place)) continue
            this.isDead = true
            lives.crashes(yield* sayEvents(commit))
          }
          const first = this.commits
          this.commits += group.length
          const stored = yield* seen.append(group)
          if (group.some(({ status }) => status === "Waiting")) yield* this.sendSignals()
          for (const [index, commit] of group.entries()) {
            for (const incident of this.take(first + index, "after")) yield* this.happens(incident, commit, service())
            if (ending?._tag === "Close" && isAt(ending, first + index)) yield* this.close(scope)
          }
          return stored
        })
    }
  }

  /** The transactions of the store as this process sees it. One that a crash keeps from its commit is rolled back: it never runs. */
  private seenTransactions(
    scope: Scope.CloseableScope,
    service: () => Checkpoint.Service,
    { run, runWith }: Checkpoint.StoreTransactions
  ): Checkpoint.StoreTransactions {
    const { ending, lives } = this
    const crashesAt = (place: number) => ending?._tag === "Crash" && ending.commit === place ? ending.moment : undefined
    return {
      run,
      runWith: <A, E, R>(effect: Effect.Effect<A, E, R>, commitOf: (value: A) => Checkpoint.Commit) =>
        Effect.gen(this, function*() {
          const place = this.commits
          const dies = Effect.sync(() => {
            this.isDead = true
          })
          if (crashesAt(place) === "before") {
            yield* dies
            lives.crashes("a transaction with the outcome of a step")
          }
          let commit: Checkpoint.Commit | undefined
          const happening = Effect.tap(effect, (value) =>
            Effect.gen(this, function*() {
              commit = commitOf(value)
              for (const incident of this.take(place, "before")) yield* this.happens(incident, commit, service())
              if (crashesAt(place) !== "after") return
              yield* dies
              lives.crashes(yield* sayEvents(commit))
            }))
          const ended = yield* runWith(happening, commitOf)
          if (ended._tag === "RolledBack" || commit === undefined) return ended
          this.commits++
          for (const incident of this.take(place, "after")) yield* this.happens(incident, commit, service())
          if (ending?._tag === "Close" && ending.commit === place) yield* this.close(scope)
          return ended
        })
    }
  }

  /** What happens at this commit of this process, and has not happened before. */
  private take(place: number, moment: "before" | "after"): ReadonlyArray<Incident> {
    const due = this.incidents.filter((incident) => incident.commit === place && momentOf(incident) === moment)
    for (const incident of due) this.incidents.splice(this.incidents.indexOf(incident), 1)
    return due
  }

  private happens(incident: Incident, commit: Checkpoint.Commit, service: Checkpoint.Service): Effect.Effect<void> {
    switch (incident._tag) {
      case "Cancel":
        return this.cancel(incident.moment === "before" ? [commit] : [], service)
      case "Disconnect":
        return Effect.asVoid(Effect.suspend(() => this.hangUp))
    }
  }

  /** Cancels the execution as another process does, whose request the driver of this one reads at once. */
  private cancel(underWay: ReadonlyArray<Checkpoint.Commit>, service: Checkpoint.Service): Effect.Effect<void> {
    const { lives, store } = this
    const { load, messages, send } = store
    return Effect.gen(function*() {
      const known = yield* store.load(executionId)
      const state = yield* sumOf(executionId, [...known, ...underWay])
      const asked = yield* Effect.exit(Effect.provideService(
        Saga.cancel(executionId, { by: "SagaTest.explore" }),
        Checkpoint.Checkpoint,
        { ...service, load, messages, send }
      ))
      lives.requests({ isStored: Exit.isSuccess(asked), finals: finalsOf(state) })
      yield* service.findDriven(executionId)?.readMessages ?? Effect.void
    }).pipe(Effect.orDie)
  }

  private close(scope: Scope.CloseableScope): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      this.closing = yield* Effect.forkDaemon(Scope.close(scope, Exit.void))
      // Yield, so that the driver has been told before it goes on.
      yield* Effect.repeatN(Effect.yieldNow(), 9)
    })
  }
}

const momentOf = (incident: Incident): "before" | "after" => incident._tag === "Cancel" ? incident.moment : "after"

const sayEvents = (commit: Checkpoint.Commit): Effect.Effect<string> =>
  Effect.map(
    Effect.orDieWith(Journal.decodeCommit(commit.body), String),
    (events) => events.map((event) => "step" in event ? `${event._tag} "${event.step}"` : event._tag).join(", ")
  )

const finalsOf = (state: Journal.ExecutionState | undefined): Request["finals"] => {
  if (state === undefined) return "NotCalled"
  if (Journal.committedFinal(state) !== undefined) return "TookEffect"
  const isCalled = (step: Journal.StepState) => classifications[step.classification].commits && Journal.isInDoubt(step)
  return Journal.steps(state).some(isCalled) ? "Called" : "NotCalled"
}

/** Errors of a call that say nothing of how the execution ended, though its process goes on. */
const isUnanswered = (error: unknown): boolean => {
  const tag = (error as { readonly _tag?: unknown } | undefined)?._tag
  return tag === "ExecutionConflict" || tag === "NotStorable" || tag === "DefinitionChanged" || tag === "JournalCorrupt"
}
