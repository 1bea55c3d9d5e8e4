/** Runs a saga once, with the faults of one scenario. */
import { Cause, Effect, Exit, Fiber, Layer, Logger, LogLevel, TestClock, TestContext } from "effect"
import type { OwedToScoped } from "../definition/owed.ts"
import { programOf } from "../definition/saga.ts"
import { recorded } from "../engine/inProcess.ts"
import * as Journal from "../Journal.ts"
import * as Saga from "../Saga.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as Faults from "./Faults.ts"
import * as Ledger from "./Ledger.ts"
import { type Ended, follows, longest, type Violation, violationsOf } from "./violations.ts"

/** What went wrong on purpose in one run, and what came of it. */
export interface Scenario {
  readonly faults: ReadonlyArray<Faults.Fault>
  /** The faults in words: give it as `only` to run this scenario alone. */
  readonly name: string
  /** Of each crash, what the commit at which it happened says. */
  readonly crashedAt: ReadonlyArray<string>
  readonly ended: Ended
  /** Whether effects are known from the `Ledger`, or, where no service wrote to it, only from what the steps themselves came to. */
  readonly effectsFrom: "Ledger" | "Steps"
  readonly violations: ReadonlyArray<Violation>
}

/** What a saga is explored with. */
export interface Options<Input, World, Process = never> {
  readonly input: Input
  /**
   * The outside world of one scenario: the test doubles of services, which may write to the `Ledger`. It outlives a crash, as
   * services do. Made anew for each scenario.
   */
  readonly layer: Layer.Layer<World, unknown, Ledger.Ledger>
  /** What a crash loses: services with a memory of their own. Made anew for each process. */
  readonly process?: Layer.Layer<Process, unknown, World | Ledger.Ledger>
  /** What has to be true of the world after each scenario; its failure says what is not. */
  readonly invariant?: (ended: Ended) => Effect.Effect<unknown, unknown, World | Ledger.Ledger>
  readonly limits?: {
    /** How many pairs of faults are tried, besides all single ones. 100 by default. */
    readonly pairs?: number
  }
  /** The names of the scenarios to run: all, if left out. A name that no scenario has is a defect. */
  readonly only?: ReadonlyArray<string>
}

export type AnyOptions = Options<unknown, unknown, unknown>
export type AnySaga = Saga.Any | (() => Saga.Any)

const executionId = "explored"

interface Subject {
  readonly options: AnyOptions
  readonly faults: ReadonlyArray<Faults.Fault>
  /** The saga that goes wrong, made anew for each process. */
  readonly saga: () => Saga.Any
  /** Told how to interrupt whoever runs it. */
  readonly interruptible: (interrupt: Effect.Effect<void>) => void
  /** Told what the commit says at which a process crashes. */
  readonly crashes: (commit: string) => void
}

const turns = 500

/** Until there is an answer, or nothing more happens. */
const untilItEnds = (run: Effect.Effect<unknown, unknown, any>, { interruptible }: Pick<Subject, "interruptible">) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(run))
    interruptible(Fiber.interruptFork(fiber))
    // What waits for no time is through before time goes on, which costs a turn of the event loop.
    for (let turn = 0; turn < turns; turn++) {
      yield* Effect.yieldNow()
      if ((yield* Fiber.poll(fiber))._tag === "Some") return
    }
    for (let hour = 0; hour < longest; hour++) {
      yield* TestClock.adjust("1 hour")
      if ((yield* Fiber.poll(fiber))._tag === "Some") return
    }
    yield* Fiber.interruptFork(fiber)
  })

/** One life of a process: it starts the execution, or goes on with it, until it has an answer or dies. */
const live = (subject: Subject, store: Checkpoint.Store, starts: boolean): Effect.Effect<void, never, any> =>
  Effect.scoped(Effect.gen(function*() {
    const service = yield* Checkpoint.make(store, { lease: Infinity })
    const { options } = subject
    const saga = subject.saga() as Saga.Saga<unknown, unknown, unknown, any, OwedToScoped>
    const call: Effect.Effect<unknown, unknown, any> = starts
      ? Saga.execute(saga, options.input, { executionId })
      : Saga.resume(saga, executionId)
    const provided = Effect.provideService(call, Checkpoint.Checkpoint, service)
    yield* untilItEnds(options.process === undefined ? provided : Effect.provide(provided, options.process), subject)
  }))

/** After a crash another process goes on; of two crashes the second is that one's. */
const stateAfterLives = (subject: Subject) =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.makeMemory
    const crashes = subject.faults.filter((fault) => fault._tag === "Crash")
    let state: Journal.ExecutionState | undefined
    let lives = 0
    do {
      yield* live(subject, storeOf(store, crashes[lives], subject.crashes), lives === 0)
      state = yield* stateOf(store)
    } while (++lives < 5 && (state?.status === "Running" || state?.status === "Unwinding"))
    return state
  })

const stateAfterRun = (subject: Subject) =>
  Effect.flatMap(
    recorded(programOf(subject.saga()), subject.options.input),
    ({ run, state }) => Effect.map(untilItEnds(run, subject), () => state() as Journal.ExecutionState | undefined)
  )

const stateOf = (store: Checkpoint.Store) =>
  Effect.gen(function*() {
    const events: Array<Journal.Event> = []
    for (const { body } of yield* store.load(executionId)) {
      for (const event of yield* Journal.decodeCommit(body)) events.push(event)
    }
    const state = Journal.fold(events)
    if (state instanceof Journal.InvalidTransition) return yield* Effect.dieMessage(`${state.event}: ${state.problem}`)
    return state
  })

/** In a world of its own, at a time of its own, without a word. */
const inWorld = <A, E>(options: AnyOptions, ledger: Ledger.Service, effect: Effect.Effect<A, E, any>) =>
  effect.pipe(
    Effect.provide(Layer.provideMerge(options.layer, Layer.succeed(Ledger.Ledger, ledger))),
    Effect.provide(TestContext.TestContext),
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.orDie
  ) as Effect.Effect<A>

export const sagaOf = (saga: AnySaga): Saga.Any => typeof saga === "function" ? saga() : saga

/** The commits of a run that goes wrong so far, and whose store does not. */
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
    // What a fault keeps from being undone is left behind by those that come after it on the way back.
    const stuck = faults.flatMap((fault) => fault._tag === "Compensation" ? [fault.step] : [])
    const makeLedger = Ledger.make((later, earlier) =>
      later === undefined || earlier === undefined ||
      (follows(program.nodes, later, earlier) && !stuck.includes(later))
    )
    const ledger = yield* makeLedger
    const outcomes = yield* makeLedger
    return yield* inWorld(
      options,
      ledger,
      Effect.gen(function*() {
        const armed = Faults.arm(faults)
        const crashedAt: Array<string> = []
        let interrupt: Effect.Effect<void> = Effect.void
        const state = yield* (durable ? stateAfterLives : stateAfterRun)({
          options,
          faults,
          saga: () =>
            Faults.annotate(Faults.injectArmed(sagaOf(saga), armed, Effect.suspend(() => interrupt)), outcomes),
          interruptible: (effect) => interrupt = effect,
          crashes: (commit) => crashedAt.push(commit)
        })
        const ended: Ended = state === undefined
          ? "NotStarted"
          : state.status === "Running" || state.status === "Unwinding"
          ? "Unfinished"
          : state.status
        const written = (yield* ledger.calls).length > 0
        const known = written ? ledger : outcomes
        const violations: Array<Violation> = [
          ...violationsOf(ended, state, yield* known.entries, faults),
          ...(yield* known.violations)
        ]
        if (options.invariant !== undefined) {
          const holds = yield* Effect.exit(options.invariant(ended))
          if (Exit.isFailure(holds)) {
            violations.push({ _tag: "Invariant", message: Cause.pretty(holds.cause).split("\n", 1)[0] ?? "" })
          }
        }
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

/** As one process sees it. */
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
        const told = Effect.map(Effect.orDieWith(Journal.decodeCommit(commit.body), String), (events) =>
          tell(
            events.map((event) => "step" in event ? `${event._tag} "${event.step}"` : event._tag).join(", ")
          ))
        return Effect.zipRight(told, crashing.append(group))
      })
  }
}

export const nameOf = (faults: ReadonlyArray<Faults.Fault>): string =>
  faults.length === 0 ? "nothing goes wrong" : faults.map(Faults.describe).join("; ")
