/** Runs a saga once, with the faults of one scenario. */
import { Cause, Effect, Fiber, Layer, Logger, LogLevel } from "effect"
import * as Effect3 from "effect"
import type { Program } from "../definition/definition.ts"
import { programOf } from "../definition/saga.ts"
import { recorded } from "../engine/inProcess.ts"
import { sumOf } from "../engine/load.ts"
import type * as Journal from "../Journal.ts"
import type * as Saga from "../Saga.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as Faults from "./Faults.ts"
import { annotate, countFaults, injectCounted } from "./injection.ts"
import * as Ledger from "./Ledger.ts"
import { executionId, live, type Lives, type Sent, untilItEnds } from "./process.ts"
import { memoryTransactions } from "./transactions.ts"
import { type Ended, follows, type Request, type ScenarioViolation, violationsOf } from "./violations.ts"

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
  /** Services whose memory a crash loses. They are made anew for each process, and released by one that closes. */
  readonly process?: Layer.Layer<Process, unknown, World | Ledger.Ledger>
  /** The signals that somebody sends, in order, each when the execution waits for it. */
  readonly signals?: ReadonlyArray<Sent>
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

/** A scenario that was run, with what it takes to compare it with another. */
export interface Explored {
  readonly scenario: Scenario
  readonly request: Request | undefined
  readonly parked: Journal.ExecutionState["parked"]
}

type State = Journal.ExecutionState | undefined

const stateOf = (store: Checkpoint.Store): Effect.Effect<State> =>
  Effect.orDie(Effect.flatMap(store.load(executionId), (commits) => sumOf(executionId, commits)))

/** In one process after the other, until it ends. */
const stateAfterLives = (lives: Lives): Effect.Effect<State, never, any> =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.makeMemory
    yield* live(lives, store, Effect.map(stateOf(store), (state) => endOf(state) !== "Unfinished"))
    return yield* stateOf(store)
  })

/** In process, where nothing is stored. */
const stateAfterRun = ({ input, interruptible, saga }: Lives): Effect.Effect<State, never, any> =>
  Effect.gen(function*() {
    const { run, state } = yield* recorded(programOf(saga()), input)
    const fiber = yield* Effect.fork(Effect.exit(run))
    interruptible(Fiber.interruptFork(fiber))
    yield* untilItEnds(fiber)
    return state()
  })

/** Runs a scenario in a fresh world, under a `TestClock`, with logging off. */
const inWorld = <A, E>(options: AnyOptions, ledger: Ledger.Service, effect: Effect.Effect<A, E, any>) =>
  effect.pipe(
    Effect.scoped,
    Effect.provide(Layer.provideMerge(options.layer, Layer.succeed(Ledger.Ledger, ledger))),
    // For runs in process.
    Effect.provideServiceEffect(Checkpoint.Transactions, Effect.map(Checkpoint.makeMemory, memoryTransactions)),
    Effect.provide(Effect3.TestContext.TestContext),
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.orDie
  ) as Effect.Effect<A>

export const sagaOf = (saga: AnySaga): Saga.Any => typeof saga === "function" ? saga() : saga

/** The program with the items that its lists have when nothing goes wrong: their steps can have faults of their own. */
export const programWithItems = (
  saga: AnySaga,
  options: AnyOptions,
  durable: boolean
): Effect.Effect<Program> =>
  Effect.gen(function*() {
    const program = programOf(sagaOf(saga))
    if (!program.hasLists) return program
    const heard: Heard = { crashedAt: [], request: undefined, unanswered: [], isForgotten: false }
    const lives = livesOf(saga, options, [], yield* Ledger.make(), heard)
    const run = (durable ? stateAfterLives : stateAfterRun)(lives)
    const state = yield* inWorld(options, yield* Ledger.make(), run)
    return state === undefined ? program : program.listed(state.lists)
  })

/** The status after each commit of a run with these faults and a working store. */
export const statusesOf = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>
): Effect.Effect<ReadonlyArray<Journal.Status>> =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.makeMemory
    const statuses: Array<Journal.Status> = []
    const noted: Checkpoint.Store = {
      ...store,
      append: (group) =>
        Effect.suspend(() => {
          for (const { status } of group) statuses.push(status)
          return store.append(group)
        })
    }
    const heard: Heard = { crashedAt: [], request: undefined, unanswered: [], isForgotten: false }
    const lives = livesOf(saga, options, faults, yield* Ledger.make(), heard)
    yield* inWorld(options, yield* Ledger.make(), live(lives, noted, Effect.succeed(true)))
    return statuses
  })

export const runScenario = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>,
  durable: boolean
): Effect.Effect<Explored> =>
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
    const heard: Heard = { crashedAt: [], request: undefined, unanswered: [], isForgotten: false }
    const lives = livesOf(saga, options, faults, outcomes, heard)
    return yield* inWorld(
      options,
      ledger,
      Effect.gen(function*() {
        const state = yield* (durable ? stateAfterLives : stateAfterRun)(lives)
        const ended = heard.isForgotten ? "Unfinished" : endOf(state)
        const written = (yield* ledger.calls).length > 0
        const known = written ? ledger : outcomes
        const violations: ReadonlyArray<ScenarioViolation> = [
          ...violationsOf(ended, state, yield* known.entries, faults, heard.request),
          ...heard.unanswered.map((message) => ({ _tag: "Unanswered" as const, message })),
          ...yield* known.violations,
          ...yield* brokenInvariant(options, ended)
        ]
        const scenario: Scenario = {
          faults,
          name: nameOf(faults),
          crashedAt: heard.crashedAt,
          ended,
          effectsFrom: written ? "Ledger" : "Steps",
          violations: violations.map(({ _tag, message }) => ({ _tag, message }))
        }
        return { scenario, request: heard.request, parked: state?.parked }
      })
    )
  })

/** What the processes of a scenario tell. */
interface Heard {
  readonly crashedAt: Array<string>
  request: Request | undefined
  readonly unanswered: Array<string>
  isForgotten: boolean
}

const livesOf = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>,
  outcomes: Ledger.Service,
  heard: Heard
): Lives => {
  const counted = countFaults(faults)
  let interrupt: Effect.Effect<void> = Effect.void
  return {
    faults,
    input: options.input,
    signals: options.signals ?? [],
    saga: () => annotate(injectCounted(sagaOf(saga), counted, Effect.suspend(() => interrupt)), outcomes),
    services: (options.process ?? Layer.empty) as Layer.Layer<any, unknown, any>,
    interruptible: (effect) => interrupt = effect,
    crashes: (commit) => heard.crashedAt.push(commit),
    requests: (request) => heard.request ??= request,
    unanswered: (message) => heard.unanswered.push(`a caller that asked again was told: ${message}`),
    forgotten: () => heard.isForgotten = true
  }
}

const endOf = (state: Journal.ExecutionState | undefined): Ended => {
  switch (state?.status) {
    case undefined:
      return "NotStarted"
    case "Running":
    case "Unwinding":
    case "Waiting":
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

export const nameOf = (faults: ReadonlyArray<Faults.Fault>): string =>
  faults.length === 0 ? "nothing goes wrong" : faults.map(Faults.describe).join("; ")
