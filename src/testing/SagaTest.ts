/**
 * Runs a saga once with each fault that can happen to it, and reports the mistakes of the saga that this shows.
 */
import { Effect } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import type { NotBuilt, ReadyToExecute, ReadyToRun } from "../definition/owed.ts"
import { waitsOf } from "../definition/program.ts"
import type * as Journal from "../Journal.ts"
import * as Saga from "../Saga.ts"
import type { Transactions } from "../store/Checkpoint.ts"
import { compared, faultsThatCount } from "./comparison.ts"
import type * as Faults from "./Faults.ts"
import type * as Ledger from "./Ledger.ts"
import {
  type AnyOptions,
  type AnySaga,
  nameOf,
  type Options,
  programWithItems,
  runScenario,
  type Scenario,
  statusesOf
} from "./scenario.ts"
import { type Ended, endedInWords } from "./violations.ts"

export type { Options, Scenario } from "./scenario.ts"
export type { Ended, ScenarioViolation } from "./violations.ts"

/** All scenarios. */
export interface Exploration {
  readonly scenarios: ReadonlyArray<Scenario>
  /** Those with violations; the fewest faults first. */
  readonly violations: ReadonlyArray<Scenario>
  /**
   * In words: how many scenarios there were, how they ended, and each scenario that shows a violation of its own, with the code to run
   * it again.
   */
  readonly summary: string
}

/** A saga, or a function that makes it, if a crash must lose the variables that it keeps. */
type Explorable<Input, Requirements, Owed extends string> =
  | Saga.Saga<Input, unknown, unknown, Requirements, Owed>
  | (() => Saga.Saga<Input, unknown, unknown, Requirements, Owed>)

/**
 * Runs a saga durably, on a store in memory and under the `TestClock`, once with each fault: each action fails, dies, is interrupted,
 * loses its reply, hangs or is repeated; each compensation fails once or for good, dies or is repeated; at each commit, on the way
 * forward and on the way back, the process crashes or closes, the caller hangs up and asks again, or somebody cancels the execution;
 * and pairs of these. After a crash or a close another process resumes it.
 *
 * A step that says `transaction: true` runs as in a transaction: a crash before its commit comes before its action, and neither it nor
 * its compensation is repeated. The store in memory has nothing that it could roll back: if such an action fails by itself after it has
 * written to a test double, that stands. Let it write last.
 * Time passes for steps that sleep, and for timeouts. The `signals` for which steps wait are sent as soon as they do, by another process;
 * without them each such step waits until its timeout.
 *
 * Services that neither `layer` nor `process` gives are required from the caller, and outlive everything. Each event that must not
 * happen is a {@link ScenarioViolation}. Effects are known from the journal and, better, from the `Ledger` to which the services in
 * `layer` write. The exploration itself never fails; a layer that cannot be made is a defect.
 */
export const explore = <Input, Requirements, World, Process = never, Owed extends string = NotBuilt>(
  saga: ReadyToExecute<Explorable<Input, Requirements, Owed>, Owed>,
  options: Options<Input, World, Process>
): Effect.Effect<Exploration, never, Exclude<Requirements, World | Process | Ledger.Ledger | Transactions>> =>
  exploreAll(saga as AnySaga, options as AnyOptions, true)

/**
 * Like {@link explore}, for a saga that is only ever run in process (`Saga.run`): there is no store, and so no crash.
 */
export const exploreInProcess = <Input, Requirements, World, Owed extends string = NotBuilt>(
  saga: ReadyToRun<Saga.Saga<Input, unknown, unknown, Requirements, Owed>, Owed>,
  options: Omit<Options<Input, World>, "process">
): Effect.Effect<Exploration, never, Exclude<Requirements, World | Ledger.Ledger | Transactions>> =>
  exploreAll(saga as AnySaga, options as AnyOptions, false)

const exploreAll = (saga: AnySaga, options: AnyOptions, durable: boolean): Effect.Effect<Exploration> =>
  Effect.gen(function*() {
    const scenarios: Array<Scenario> = []
    const seen = new Set<string>()
    const run = (faults: ReadonlyArray<Faults.Fault>) =>
      Effect.suspend(() => {
        const name = nameOf(faults)
        if (seen.has(name) || (options.only !== undefined && !options.only.includes(name))) return Effect.void
        seen.add(name)
        return Effect.map(explored(faults), (scenario) => void scenarios.push(scenario))
      })
    const endings = new Map<string, Ended>()
    const explored = (faults: ReadonlyArray<Faults.Fault>): Effect.Effect<Scenario> =>
      Effect.flatMap(runScenario(saga, options, faults, durable), (explored) => {
        endings.set(explored.scenario.name, explored.scenario.ended)
        const rest = faultsThatCount(explored)
        return rest === undefined
          ? Effect.succeed(explored.scenario)
          : Effect.map(endOf(rest), (ended) => compared(explored, ended))
      })
    const endOf = (faults: ReadonlyArray<Faults.Fault>): Effect.Effect<Ended> =>
      Effect.suspend(() => {
        const known = endings.get(nameOf(faults))
        return known === undefined
          ? Effect.map(explored(faults), ({ ended }) => ended)
          : Effect.succeed(known)
      })

    const program = yield* programWithItems(saga, options, durable)
    const single = actionFaultsOf(program)
    const undoing = compensationFaultsOf(program)
    const failure = failureOf(program)
    const forward = durable ? faultsForward(yield* statusesOf(saga, options, [])) : []
    const back = durable ? faultsBack(yield* statusesOf(saga, options, failure)) : []
    yield* run([])
    for (const fault of [...single, ...forward]) yield* run([fault])
    for (const fault of failure.length > 0 ? [...back, ...undoing] : []) yield* run([...failure, fault])

    // If there are more pairs than asked for, take some from everywhere.
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

/** The fewest faults first, then the faults that are most easily understood. */
const effortOf = ({ faults }: Scenario): number =>
  faults.reduce((sum, fault) => sum + 10 + kinds.indexOf("how" in fault ? fault.how : fault._tag), 0)

const kinds = [
  "fails",
  "dies",
  "isRepeated",
  "isInterrupted",
  "losesItsReply",
  "hangs",
  "Cancel",
  "Disconnect",
  "Crash",
  "Close"
]

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

/** A name as a literal in code. */
const quote = (name: string) => /['\\]/.test(name) ? JSON.stringify(name) : `'${name}'`

/** A lasting fault would keep a saga that retries for ever from ending. */
const callsOf = (policy: { readonly times?: number; readonly schedule?: unknown } | undefined) =>
  policy?.schedule !== undefined && policy.times === undefined ? 1 : Infinity

/** What happens in a transaction with its outcome happens once: it need not honour its key. */
const repeated = <F>({ transaction }: StepNode, fault: F): ReadonlyArray<F> => transaction === true ? [] : [fault]
/** The steps with an action: nobody calls that of a step that waits. */
const actingSteps = (program: Program): Program["steps"] => {
  const waiting = new Set(waitsOf(program).map(({ step }) => step.path))
  return program.steps.filter(({ path }) => !waiting.has(path))
}

const actionFaultsOf = (program: Program): ReadonlyArray<Faults.Fault> =>
  actingSteps(program).flatMap((step) => {
    const fault = (how: Faults.ActionFault, calls: number) => ({ _tag: "Action", step: step.path, how, calls }) as const
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
      ...repeated(step, fault("isRepeated", Infinity))
    ]
  })

const compensationFaultsOf = (program: Program): ReadonlyArray<Faults.Fault> =>
  program.steps.flatMap((step) => {
    if (step.compensate === undefined) return []
    const fault = (how: Faults.CompensationFault, calls: number) =>
      ({ _tag: "Compensation", step: step.path, how, calls }) as const
    const lasting = callsOf(step.compensationRetry)
    return [
      fault("fails", 1),
      ...lasting === 1 ? [] : [fault("fails", Infinity)],
      fault("dies", 1),
      ...repeated(step, fault("isRepeated", Infinity))
    ]
  })

/** The fault that unwinds as much as possible: a defect, which is never retried, in the last step that still can be unwound. */
const failureOf = (program: Program): ReadonlyArray<Faults.Fault> => {
  const steps = actingSteps(program)
  const final = steps.findIndex(({ classification }) => classification === "Final")
  const last = steps[final === -1 ? steps.length - 1 : final]
  return last === undefined ? [] : [{ _tag: "Action", step: last.path, how: "dies", calls: Infinity }]
}

const crashAt = (commit: number): ReadonlyArray<Faults.Fault> => [
  { _tag: "Crash", commit, moment: "before" },
  { _tag: "Crash", commit, moment: "after" }
]

/** Before the first commit nobody knows of the execution, and after the last one there is nothing left to cancel. */
const cancelAt = (commit: number, commits: number): ReadonlyArray<Faults.Fault> => [
  ...commit > 0 ? [{ _tag: "Cancel", commit, moment: "before" } as const] : [],
  ...commit < commits - 1 ? [{ _tag: "Cancel", commit, moment: "after" } as const] : []
]

const faultsForward = (statuses: ReadonlyArray<Journal.Status>): ReadonlyArray<Faults.Fault> => {
  const commits = Array.from(statuses.keys())
  const unended = commits.slice(0, -1)
  return [
    ...commits.flatMap(crashAt),
    ...commits.flatMap((commit) => cancelAt(commit, commits.length)),
    ...unended.map((commit) => ({ _tag: "Disconnect", commit }) as const),
    ...unended.map((commit) => ({ _tag: "Close", commit }) as const)
  ]
}

/** Of a run that fails. A caller that hangs up learns on the way back what it learns on the way forward. */
const faultsBack = (statuses: ReadonlyArray<Journal.Status>): ReadonlyArray<Faults.Fault> => {
  const commits = Array.from(statuses.keys())
  const unended = commits.slice(0, -1).filter((commit) => statuses[commit] === "Unwinding")
  return [
    ...commits.flatMap(crashAt),
    ...unended.map((commit) => ({ _tag: "Cancel", commit, moment: "before" }) as const),
    ...unended.map((commit) => ({ _tag: "Close", commit }) as const)
  ]
}
