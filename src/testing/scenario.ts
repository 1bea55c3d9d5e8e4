/** Runs a saga once, with the faults of one scenario. */
import { Cause, Effect, Fiber, Layer, Logger, LogLevel } from "effect"
import * as Effect3 from "effect"
import type { OwedToScoped } from "../definition/owed.ts"
import { programOf } from "../definition/saga.ts"
import { recorded } from "../engine/inProcess.ts"
import { sumOf } from "../engine/load.ts"
import * as Journal from "../Journal.ts"
import * as Saga from "../Saga.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as Faults from "./Faults.ts"
import { annotate, countFaults, injectCounted } from "./injection.ts"
import * as Ledger from "./Ledger.ts"
import { type Ended, follows, longest, type ScenarioViolation, violationsOf } from "./violations.ts"

/** One run with faults, and its result. */
export interface Scenario {
  readonly faults: ReadonlyArray<Faults.Fault>
  /** The faults in words: give it as `only` to run this scenario alone. */
  readonly name: string
  /** The events in the commit of each crash. */
  readonly crashedAt: ReadonlyArray<string>
  readonly ended: Ended
  /** Whether effects are known from the `Ledger`, or, if no service wrote to it, only from the outcomes of the steps. */
  readonly effectsFrom: "Ledger" | "Steps"
  readonly violations: ReadonlyArray<ScenarioViolation>
}

/** The world of an exploration, and its limits. */
export interface Options<Input, World, Process = never> {
  readonly input: Input
  /**
   * The outside world of one scenario: the test doubles of services, which may write to the `Ledger`. Like the services, it outlives a
   * crash. It is made anew for each scenario.
   */
  readonly layer: Layer.Layer<World, unknown, Ledger.Ledger>
  /** Services whose memory a crash loses. They are made anew for each process. */
  readonly process?: Layer.Layer<Process, unknown, World | Ledger.Ledger>
  /** A condition on the world after each scenario. Its failure is the message of the violation. */
  readonly invariant?: (ended: Ended) => Effect.Effect<unknown, unknown, World | Ledger.Ledger>
  readonly limits?: {
    /** How many pairs of faults are tried, besides all single faults. 100 by default. */
    readonly pairs?: number
  }
  /** The names of the scenarios to run: all by default. A name that no scenario has is a defect. */
  readonly only?: ReadonlyArray<string>
}

export type AnyOptions = Options<unknown, unknown, unknown>
export type AnySaga = Saga.Any | (() => Saga.Any)

const executionId = "explored"

interface Subject {
  readonly options: AnyOptions
  readonly faults: ReadonlyArray<Faults.Fault>
  /** Makes the faulty saga anew for each process. */
  readonly saga: () => Saga.Any
  /** Receives an effect that interrupts the run. */
  readonly interruptible: (interrupt: Effect.Effect<void>) => void
  /** Receives the events of the commit at which a process crashes. */
  readonly crashes: (commit: string) => void
}

const turns = 500

/** Waits until there is an answer, or nothing more happens. */
const untilItEnds = (run: Effect.Effect<unknown, unknown, any>, { interruptible }: Pick<Subject, "interruptible">) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(run))
    interruptible(Fiber.interruptFork(fiber))
    // First run everything that needs no time: each adjustment of the clock costs a turn of the event loop.
    for (let turn = 0; turn < turns; turn++) {
      yield* Effect.yieldNow()
      if ((yield* Fiber.poll(fiber))._tag === "Some") return
    }
    for (let hour = 0; hour < longest; hour++) {
      yield* Effect3.TestClock.adjust("1 hour")
      if ((yield* Fiber.poll(fiber))._tag === "Some") return
    }
    yield* Fiber.interruptFork(fiber)
  })

/** One process: it starts the execution, or resumes it, until it has an answer or dies. */
const live = (subject: Subject, store: Checkpoint.Store, starts: boolean): Effect.Effect<void, never, any> =>
  Effect.scoped(Effect.gen(function*() {
    const service = yield* Effect.orDie(Checkpoint.make(store, { lease: Infinity, shutdown: { grace: 0 } }))
    const { options } = subject
    const saga = subject.saga() as Saga.Saga<unknown, unknown, unknown, any, OwedToScoped>
    const call: Effect.Effect<unknown, unknown, any> = starts
      ? Saga.execute(saga, options.input, { executionId, onInterrupt: "cancel" })
      : Saga.resume(saga, executionId, { onInterrupt: "cancel" })
    const provided = Effect.provideService(call, Checkpoint.Checkpoint, service)
    yield* untilItEnds(options.process === undefined ? provided : Effect.provide(provided, options.process), subject)
  }))

/** After a crash the next process resumes the execution; a second crash happens to that one. */
const stateAfterLives = (subject: Subject) =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.makeMemory
    const crashes = subject.faults.filter((fault) => fault._tag === "Crash")
    let state: Journal.ExecutionState | undefined
    let lives = 0
    do {
      yield* live(subject, storeOf(store, crashes[lives], subject.crashes), lives === 0)
      state = yield* stateOf(store)
    } while (++lives < 5 && endOf(state) === "Unfinished")
    return state
  })

const stateAfterRun = (subject: Subject) =>
  Effect.flatMap(
    recorded(programOf(subject.saga()), subject.options.input),
    ({ run, state }) => Effect.map(untilItEnds(run, subject), (): Journal.ExecutionState | undefined => state())
  )

const stateOf = (store: Checkpoint.Store) =>
  Effect.orDie(Effect.flatMap(store.load(executionId), (commits) => sumOf(executionId, commits)))

/** Runs a scenario in a fresh world, under a `TestClock`, with logging off. */
const inWorld = <A, E>(options: AnyOptions, ledger: Ledger.Service, effect: Effect.Effect<A, E, any>) =>
  effect.pipe(
    Effect.provide(Layer.provideMerge(options.layer, Layer.succeed(Ledger.Ledger, ledger))),
    Effect.provide(Effect3.TestContext.TestContext),
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.orDie
  ) as Effect.Effect<A>

export const sagaOf = (saga: AnySaga): Saga.Any => typeof saga === "function" ? saga() : saga

/** Counts the commits of a run with these faults and a working store. */
export const countCommits = (saga: AnySaga, options: AnyOptions, faults: ReadonlyArray<Faults.Fault>) =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.makeMemory
    let commits = 0
    const counted: Checkpoint.Store = {
      ...store,
      append: (group) => Effect.suspend(() => (commits += group.length, store.append(group)))
    }
    const subject = {
      options,
      faults,
      saga: () => Faults.inject(sagaOf(saga), faults),
      interruptible: () => {},
      crashes: () => {}
    }
    yield* inWorld(options, yield* Ledger.make(), live(subject, counted, true))
    return commits
  })

export const runScenario = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>,
  durable: boolean
): Effect.Effect<Scenario> =>
  Effect.gen(function*() {
    const program = programOf(sagaOf(saga))
    // A step whose compensation is made to fail is passed over by the rest of the unwinding.
    const stuck = faults.flatMap((fault) => fault._tag === "Compensation" ? [fault.step] : [])
    const makeLedger = Ledger.make((later, earlier) =>
      later === undefined || earlier === undefined ||
      (follows(program.nodes, later, earlier) && !stuck.includes(later))
    )
    const ledger = yield* makeLedger
    const outcomes = yield* makeLedger
    const crashedAt: Array<string> = []
    const subject = subjectOf(saga, options, faults, outcomes, crashedAt)
    return yield* inWorld(
      options,
      ledger,
      Effect.gen(function*() {
        const state = yield* (durable ? stateAfterLives : stateAfterRun)(subject)
        const ended = endOf(state)
        const written = (yield* ledger.calls).length > 0
        const known = written ? ledger : outcomes
        const violations: ReadonlyArray<ScenarioViolation> = [
          ...violationsOf(ended, state, yield* known.entries, faults),
          ...yield* known.violations,
          ...yield* brokenInvariant(options, ended)
        ]
        return {
          faults,
          name: nameOf(faults),
          crashedAt,
          ended,
          effectsFrom: written ? "Ledger" as const : "Steps" as const,
          violations: violations.map(({ _tag, message }) => ({ _tag, message }))
        }
      })
    )
  })

const subjectOf = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>,
  outcomes: Ledger.Service,
  crashedAt: Array<string>
): Subject => {
  const counted = countFaults(faults)
  let interrupt: Effect.Effect<void> = Effect.void
  return {
    options,
    faults,
    saga: () => annotate(injectCounted(sagaOf(saga), counted, Effect.suspend(() => interrupt)), outcomes),
    interruptible: (effect) => interrupt = effect,
    crashes: (commit) => crashedAt.push(commit)
  }
}

const endOf = (state: Journal.ExecutionState | undefined): Ended => {
  switch (state?.status) {
    case undefined:
      return "NotStarted"
    case "Running":
    case "Unwinding":
      return "Unfinished"
    case "Succeeded":
    case "Undone":
    case "Parked":
      return state.status
  }
}

const brokenInvariant = (
  { invariant }: AnyOptions,
  ended: Ended
): Effect.Effect<ReadonlyArray<ScenarioViolation>, never, any> =>
  invariant === undefined ? Effect.succeed([]) : Effect.matchCause(invariant(ended), {
    onSuccess: () => [],
    onFailure: (cause) => [{ _tag: "Invariant" as const, message: Cause.pretty(cause).split("\n", 1)[0] ?? "" }]
  })

/** The store as one process sees it, up to that process's crash. */
const storeOf = (
  store: Checkpoint.Store,
  crash: Extract<Faults.Fault, { readonly _tag: "Crash" }> | undefined,
  tell: (commit: string) => void
): Checkpoint.Store => {
  if (crash === undefined) return store
  const crashing = Faults.crashAt(store, crash.commit, crash.moment)
  let commits = 0
  return {
    ...crashing,
    append: (group) =>
      Effect.suspend(() => {
        const commit = group[crash.commit - commits]
        commits += group.length
        if (commit === undefined) return crashing.append(group)
        const tellEvents = Effect.map(Effect.orDieWith(Journal.decodeCommit(commit.body), String), (events) =>
          tell(
            events.map((event) => "step" in event ? `${event._tag} "${event.step}"` : event._tag).join(", ")
          ))
        return Effect.zipRight(tellEvents, crashing.append(group))
      })
  }
}

export const nameOf = (faults: ReadonlyArray<Faults.Fault>): string =>
  faults.length === 0 ? "nothing goes wrong" : faults.map(Faults.describe).join("; ")
