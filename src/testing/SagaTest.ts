/**
 * Runs a saga once for everything that can go wrong with it, and says what is wrong with the saga.
 */
import { Cause, Effect, Exit, Fiber, Layer, Logger, LogLevel, TestClock, TestContext } from "effect"
import * as Checkpoint from "../Checkpoint.ts"
import type { Node, Program } from "../internal/program.ts"
import type { OwedElsewhere, OwedToScoped } from "../internal/types.ts"
import * as Journal from "../Journal.ts"
import * as Saga from "../Saga.ts"
import * as Faults from "./Faults.ts"
import * as Ledger from "./Ledger.ts"

/**
 * How an execution ended, after every process that died was followed by another: as its journal says, or that nothing was ever
 * stored of it.
 */
export type Ended = "Succeeded" | "Undone" | "Parked" | "NotStarted" | "Unfinished"

/** What must not happen, whatever goes wrong. */
export interface Violation {
  /**
   * - `Doubled`, `Redone`, `UndoneWithoutDo`, `UndoneOutOfOrder`: see `Ledger`
   * - `Orphaned`: an effect stands that nobody will undo and no error names
   * - `Lost`: an effect of a saga that succeeded does not stand
   * - `CannotUndo`: a compensation failed into which no fault was injected
   * - `CannotGoForward`: a Final failed for good after another had taken effect
   * - `Stuck`: it did not come to an end
   * - `Invariant`: the invariant that was given does not hold
   */
  readonly _tag:
    | Ledger.Violation["_tag"]
    | "Orphaned"
    | "Lost"
    | "CannotUndo"
    | "CannotGoForward"
    | "Stuck"
    | "Invariant"
  readonly message: string
}

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

/** All scenarios. */
export interface Exploration {
  readonly scenarios: ReadonlyArray<Scenario>
  /** Those with violations; the fewest faults first. */
  readonly violations: ReadonlyArray<Scenario>
  /**
   * In words: how many scenarios there were, how they ended, and of those with violations each that shows another one, with how to
   * run it again.
   */
  readonly summary: string
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

/** A saga that can be run durably, or how to make it where a crash must lose what it remembers. */
type Explorable<Input, Requirements> =
  | Saga.Saga<Input, unknown, unknown, Requirements, OwedToScoped>
  | (() => Saga.Saga<Input, unknown, unknown, Requirements, OwedToScoped>)

/**
 * Runs a saga durably, on a store in memory and by the `TestClock`, once for everything that can go wrong with it: each action fails,
 * dies, is interrupted, loses its reply, hangs or is repeated; each compensation fails once or for good, dies or is repeated;
 * the process crashes before and after each commit, on the way forward and on the way back; and pairs of these. After a crash
 * another process goes on.
 *
 * Services that neither `layer` nor `process` gives are required of whoever runs it, and outlive everything. What must not happen is
 * a {@link Violation}. Effects are known from the journal and, better, from the `Ledger` to which the
 * services in `layer` write. Never fails: what fails is a scenario's, and a layer that cannot be made is a defect.
 */
export const explore = <Input, Requirements, World, Process = never>(
  saga: Explorable<Input, Requirements>,
  options: Options<Input, World, Process>
): Effect.Effect<Exploration, never, Exclude<Requirements, World | Process | Ledger.Ledger>> =>
  exploreAll(saga, options as AnyOptions, true)

/**
 * Does what {@link explore} does for a saga that is only ever run in process (`Saga.run`): there is no store, and so no crash.
 */
export const exploreInProcess = <Input, Requirements, World>(
  saga: Saga.Saga<Input, unknown, unknown, Requirements, OwedElsewhere>,
  options: Omit<Options<Input, World>, "process">
): Effect.Effect<Exploration, never, Exclude<Requirements, World | Ledger.Ledger>> =>
  exploreAll(saga, options as AnyOptions, false)

const exploreAll = (saga: AnySaga, options: AnyOptions, durable: boolean): Effect.Effect<Exploration> =>
  Effect.gen(function*() {
    const scenarios: Array<Scenario> = []
    const seen = new Set<string>()
    const run = (faults: ReadonlyArray<Faults.Fault>) =>
      Effect.suspend(() => {
        const name = nameOf(faults)
        if (seen.has(name) || (options.only !== undefined && !options.only.includes(name))) return Effect.void
        seen.add(name)
        return Effect.map(runScenario(saga, options, faults, durable), (scenario) => void scenarios.push(scenario))
      })

    const program = Saga.programOf(sagaOf(saga))
    const single = actionFaultsOf(program)
    const undoing = compensationFaultsOf(program)
    const failure = failureOf(program)
    // How many commits there are on each way, without a fault of the store's.
    const forward = durable ? crashes(yield* countCommits(saga, options, [])) : []
    const back = durable ? crashes(yield* countCommits(saga, options, failure)) : []
    yield* run([])
    for (const fault of [...single, ...forward]) yield* run([fault])
    for (const fault of failure.length > 0 ? [...back, ...undoing] : []) yield* run([...failure, fault])

    // Spread over all pairs, where there are more than are asked for.
    const every = [...single, ...forward, ...undoing]
    const pairs = every.flatMap((one, index) => every.slice(index + 1).map((other) => [one, other]))
    const most = options.only === undefined ? options.limits?.pairs ?? 100 : Infinity
    const count = Math.min(pairs.length, most)
    for (let index = 0; index < count; index++) yield* run(pairs[Math.floor(index * pairs.length / count)]!)

    const unknown = options.only?.find((name) => !seen.has(name))
    if (unknown !== undefined) {
      return yield* Effect.dieMessage(`this saga has no scenario of the name ${quote(unknown)}`)
    }

    const violations = scenarios.filter(({ violations }) => violations.length > 0)
      .sort((a, b) => effortOf(a) - effortOf(b))
    return { scenarios, violations, summary: summaryOf(scenarios, violations) }
  })

/** The fewest faults first, and among as many those that are most easily understood. */
const effortOf = ({ faults }: Scenario): number =>
  faults.reduce((sum, fault) => sum + 10 + (fault._tag === "Crash" ? 9 : kinds.indexOf(fault.how)), 0)

const kinds = ["fails", "dies", "isRepeated", "isInterrupted", "losesItsReply", "hangs"]

const nameOf = (faults: ReadonlyArray<Faults.Fault>): string =>
  faults.length === 0 ? "nothing goes wrong" : faults.map(Faults.describe).join("; ")

const summaryOf = (scenarios: ReadonlyArray<Scenario>, violations: ReadonlyArray<Scenario>): string => {
  const shown = new Set<string>()
  // The same mistake shows in many scenarios, and the first is the shortest.
  const telling = violations.filter(({ violations }) => {
    const before = shown.size
    for (const { message } of violations) shown.add(message)
    return shown.size > before
  })
  const ends = (Object.keys(endedInWords) as ReadonlyArray<Ended>).flatMap((ended) => {
    const count = scenarios.filter((scenario) => scenario.ended === ended).length
    return count === 0 ? [] : [`${count} ${ended}`]
  })
  const rest = violations.length - telling.length
  return [
    `${scenarios.length} scenarios (${ends.join(", ")}), ${violations.length} with violations`,
    ...telling.flatMap(({ crashedAt, name, violations }) => [
      `  ${name}`,
      ...crashedAt.map((commit) => `    the commit of the crash: ${commit}`),
      ...violations.map(({ _tag, message }) => `    ${_tag}: ${message}`),
      `    SagaTest.explore(saga, { ...options, only: [${quote(name)}] })`
    ]),
    ...rest === 0 ? [] : [`  and ${rest} more, which show nothing else`],
    ...scenarios.some(({ effectsFrom }) => effectsFrom === "Ledger")
      ? []
      : ["  no service wrote to the Ledger: effects are known only from what the steps came to"]
  ].join("\n")
}

/** A name as one would write it in code. */
const quote = (name: string) => /['\\]/.test(name) ? JSON.stringify(name) : `'${name}'`

/** A saga that tries again for ever would, with a fault that lasts, not end. */
const callsOf = (policy: { readonly times?: number; readonly schedule?: unknown } | undefined) =>
  policy?.schedule !== undefined && policy.times === undefined ? 1 : Infinity

const actionFaultsOf = (program: Program): ReadonlyArray<Faults.Fault> =>
  program.steps.flatMap((step) => {
    const fault = (how: Faults.ActionFault, calls: number): Faults.Fault => ({
      _tag: "Action",
      step: step.path,
      how,
      calls
    })
    const lasting = callsOf(step.retry)
    const sideEffect = step.classification !== "ReadOnly"
    return [
      fault("fails", lasting),
      ...lasting === 1 ? [] : [fault("fails", 1)],
      fault("dies", 1),
      fault("isInterrupted", 1),
      // Only a step that says what a doubt means may end with one.
      ...sideEffect && step.inDoubt !== undefined ? [fault("losesItsReply", 1)] : [],
      ...step.timeout === undefined ? [] : [fault("hangs", 1)],
      fault("isRepeated", Infinity)
    ]
  })

const compensationFaultsOf = (program: Program): ReadonlyArray<Faults.Fault> =>
  program.steps.flatMap((step) => {
    if (step.compensate === undefined) return []
    const fault = (how: Faults.CompensationFault, calls: number): Faults.Fault => ({
      _tag: "Compensation",
      step: step.path,
      how,
      calls
    })
    const lasting = callsOf(step.compensationRetry)
    return [
      fault("fails", 1),
      ...lasting === 1 ? [] : [fault("fails", Infinity)],
      fault("dies", 1),
      fault("isRepeated", Infinity)
    ]
  })

/** The fault that makes the saga go back from as far as it can: a defect, which nobody retries, of the last step that can be unwound. */
const failureOf = (program: Program): ReadonlyArray<Faults.Fault> => {
  const final = program.steps.findIndex(({ classification }) => classification === "Final")
  const last = program.steps[final === -1 ? program.steps.length - 1 : final]
  return last === undefined ? [] : [{ _tag: "Action", step: last.path, how: "dies", calls: Infinity }]
}

const crashes = (commits: number): ReadonlyArray<Faults.Fault> =>
  Array.from({ length: commits }, (_, commit) => [
    { _tag: "Crash", commit, moment: "before" } as const,
    { _tag: "Crash", commit, moment: "after" } as const
  ]).flat()

type AnyOptions = Options<unknown, unknown, unknown>
type AnySaga = Saga.Any | (() => Saga.Any)

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

const longest = 48
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

/** After a crash another process goes on, whose store does not fail. */
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
    Saga.recorded(Saga.programOf(subject.saga()), subject.options.input),
    ({ driven, state }) => Effect.map(untilItEnds(driven, subject), () => state() as Journal.ExecutionState | undefined)
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

const sagaOf = (saga: AnySaga): Saga.Any => typeof saga === "function" ? saga() : saga

/** The commits of a run that goes wrong so far, and whose store does not. */
const countCommits = (saga: AnySaga, options: AnyOptions, faults: ReadonlyArray<Faults.Fault>) =>
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

const runScenario = (
  saga: AnySaga,
  options: AnyOptions,
  faults: ReadonlyArray<Faults.Fault>,
  durable: boolean
): Effect.Effect<Scenario> =>
  Effect.gen(function*() {
    const program = Saga.programOf(sagaOf(saga))
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

const violationsOf = (
  ended: Ended,
  state: Journal.ExecutionState | undefined,
  entries: ReadonlyArray<Ledger.Entry>,
  faults: ReadonlyArray<Faults.Fault>
): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const steps = state === undefined ? [] : Journal.steps(state)
  const stateOfStep = (path: string | undefined) => steps.find(({ step }) => step === path)
  for (const { standing, step: path, what } of entries) {
    const step = stateOfStep(path)
    // What a parked execution has not undone it names.
    const accounted = step !== undefined && ended !== "Undone" &&
      (Journal.isInDoubt(step) || (Journal.tookEffect(step) && step.status !== "Undone"))
    const whose = path === undefined ? "" : `, of step "${path}",`
    if (standing && !accounted) {
      violations.push({
        _tag: "Orphaned",
        message: `"${what}"${whose} stands, although ${endedInWords[ended]}`
      })
    }
    if (!standing && ended === "Succeeded" && step !== undefined && Journal.tookEffect(step)) {
      violations.push({ _tag: "Lost", message: `"${what}"${whose} was undone, although the saga succeeded` })
    }
  }
  for (const { status, step, undoFailures } of steps) {
    const injected = faults.some((fault) =>
      fault._tag === "Compensation" && fault.step === step && fault.how !== "isRepeated"
    )
    if (status !== "UndoFailed" || injected) continue
    const why = undoFailures.map((failure) => failure.kind === "Interrupt" ? "it was interrupted" : failure.message)
      .join("; ")
    violations.push({ _tag: "CannotUndo", message: `the compensation of "${step}" failed: ${why}` })
  }
  const failed = state?.parked === "FailedAfterCommit" ? steps.find(({ status }) => status === "Failed") : undefined
  const died = faults.some((fault) => fault._tag === "Action" && fault.how === "dies" && fault.step === failed?.step)
  if (failed !== undefined && !died) {
    violations.push({
      _tag: "CannotGoForward",
      message:
        `"${failed.step}" failed for good after a Final had taken effect: let it be tried again without end, or put ` +
        "the Final after it"
    })
  }
  if (ended === "Unfinished") {
    violations.push({ _tag: "Stuck", message: `it did not come to an end in ${longest} hours of test time` })
  }
  return violations
}

const endedInWords: Record<Ended, string> = {
  Succeeded: "the journal does not know of it",
  Undone: "everything is said to be undone",
  Parked: "the parked execution does not name it",
  NotStarted: "nothing is stored of the execution",
  Unfinished: "the journal does not know of it"
}

/** Whether one step only ever runs after another. */
const follows = (nodes: ReadonlyArray<Node>, later: string, earlier: string): boolean => {
  const placeOf = (path: string) => nodes.findIndex((node) => contains(node, path))
  const [place, before] = [placeOf(later), placeOf(earlier)]
  if (place !== before) return place > before
  const node = nodes[place]
  if (node?._tag === "Nested") return follows(node.program.nodes, later, earlier)
  const sibling = node?._tag === "Parallel" ? node.nodes.find((sibling) => contains(sibling, later)) : undefined
  return sibling?._tag === "Nested" && contains(sibling, earlier) && follows(sibling.program.nodes, later, earlier)
}

const contains = (node: Node, path: string): boolean => {
  switch (node._tag) {
    case "Step":
      return node.path === path
    case "Nested":
      return node.program.steps.some((step) => step.path === path)
    case "Parallel":
      return node.nodes.some((sibling) => contains(sibling, path))
  }
}
