/**
 * What can go wrong with a saga, one thing at a time: for a test written by hand, and for `SagaTest.explore`, which goes through
 * all of them.
 */
import { Data, Effect } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { ofProgram, programOf } from "../definition/saga.ts"
import * as Saga from "../Saga.ts"
import { CheckpointError, InvalidSaga, OutcomeUnknown } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { CurrentStep, type Service as Ledger } from "./Ledger.ts"

/** The error with which an action or a compensation fails or dies where a fault says so. */
export class InjectedFault extends Data.TaggedError("InjectedFault")<{ readonly step: string }> {
  override get message() {
    return `a fault was injected into step "${this.step}"`
  }
}

/**
 * How an action goes wrong.
 *
 * - `fails`, `dies`: before it has had any effect
 * - `losesItsReply`: it takes effect, and ends with `OutcomeUnknown`
 * - `hangs`: it takes effect, and never ends, so that its timeout cuts it
 * - `isInterrupted`: the run is interrupted while it runs
 * - `isRepeated`: it is called twice under its key, as after a crash
 */
export type ActionFault = "fails" | "dies" | "losesItsReply" | "hangs" | "isInterrupted" | "isRepeated"

/** How a compensation goes wrong: before it has had any effect, or by being called twice under its key. */
export type CompensationFault = "fails" | "dies" | "isRepeated"

/** One thing that goes wrong. */
export type Fault =
  | {
    readonly _tag: "Action"
    readonly step: string
    readonly how: ActionFault
    /** How many calls it befalls, of all that are made in any life of the process. */
    readonly calls: number
  }
  | {
    readonly _tag: "Compensation"
    readonly step: string
    readonly how: CompensationFault
    readonly calls: number
  }
  /**
   * The process dies at its n-th commit, counted from 0: before it is stored, or before it is acknowledged. A second one befalls the
   * process that comes after it.
   */
  | { readonly _tag: "Crash"; readonly commit: number; readonly moment: "before" | "after" }

const times = (calls: number) => calls === Infinity ? "" : calls === 1 ? " once" : ` ${calls} times`

const words = {
  fails: "fails",
  dies: "dies",
  losesItsReply: "loses its reply",
  hangs: "hangs",
  isInterrupted: "is interrupted",
  isRepeated: "is repeated"
} as const

/** A fault in words, by which it can be asked for again. */
export const describe = (fault: Fault): string => {
  switch (fault._tag) {
    case "Action":
      return `action of "${fault.step}" ${words[fault.how]}${times(fault.calls)}`
    case "Compensation":
      return `compensation of "${fault.step}" ${words[fault.how]}${times(fault.calls)}`
    case "Crash":
      return `crash ${fault.moment} commit ${fault.commit} is stored`
  }
}

type Opaque = Effect.Effect<any, any, any>

/** Whether the call that comes now is one that the fault befalls. */
const counter = (calls: number) => {
  let left = calls
  return () => left > 0 && left-- > 0
}

/** Interrupts whoever runs this, as somebody else would: an action with a side effect goes on to its end. */
const interruptSelf = Effect.withFiberRuntime<void>((fiber) => {
  fiber.unsafeInterruptAsFork(fiber.id())
  return Effect.void
})

const goneWrong = (step: StepNode, how: ActionFault, once: Opaque, interrupt: Effect.Effect<void>): Opaque => {
  switch (how) {
    case "fails":
      return Effect.fail(new InjectedFault({ step: step.path }))
    case "dies":
      return Effect.die(new InjectedFault({ step: step.path }))
    case "losesItsReply":
      return Effect.zipRight(once, Effect.fail(new OutcomeUnknown({ reason: "the reply was lost" })))
    case "hangs":
      return Effect.zipRight(once, Effect.never)
    case "isInterrupted":
      // So that it has arrived before the action goes on.
      return Effect.zipRight(Effect.zipRight(interrupt, Effect.yieldNow()), once)
    case "isRepeated":
      return Effect.zipRight(once, once)
  }
}

const withFault = (step: StepNode, { _tag, hit, how }: Armed, interrupt: Effect.Effect<void>): StepNode => {
  const { action, compensate } = step
  const faulty = <Context>(call: (context: Context) => Opaque) => (context: Context): Opaque =>
    Effect.suspend(() => hit() ? goneWrong(step, how, call(context), interrupt) : call(context))
  if (_tag === "Action") return { ...step, action: faulty(action) }
  return compensate === undefined ? step : { ...step, compensate: faulty(compensate) }
}

/** A saga with an error of its own more. */
export type Failing<S> = S extends Saga.Saga<infer Input, infer Output, infer Error, infer Requirements, infer Owed>
  ? Saga.Saga<Input, Output, Error | InjectedFault, Requirements, Owed>
  : never

/**
 * A saga that goes wrong as these faults say; a `Crash` is the store's, see {@link crashAt}. It counts calls over all runs. Throws
 * `InvalidSaga` where a fault's step is not there, has no compensation, or would hang without a timeout.
 */
export const inject = <S extends Saga.Any>(saga: S, faults: ReadonlyArray<Fault>): Failing<S> => injected(saga, faults)

const injected = <S extends Saga.Any>(saga: Saga.Any, faults: ReadonlyArray<Fault>): S => {
  const { name, steps } = programOf(saga)
  const problems = faults.flatMap((fault) => {
    if (fault._tag === "Crash") return []
    const step = steps.find(({ path }) => path === fault.step)
    if (step === undefined) {
      return [`it has no step "${fault.step}" for a fault, but ${steps.map(({ path }) => `"${path}"`).join(", ")}`]
    }
    if (fault._tag === "Compensation") {
      return step.compensate === undefined ? [`step "${fault.step}" has no compensation for a fault`] : []
    }
    return fault.how === "hangs" && step.timeout === undefined
      ? [`the action of "${fault.step}" would hang for ever: it has no timeout`]
      : []
  })
  if (problems.length > 0) throw new InvalidSaga({ saga: name, problems })
  return injectArmed(saga as S, arm(faults), interruptSelf)
}

/** @internal A fault with the count of the calls that are left to it. */
export type Armed = Exclude<Fault, { readonly _tag: "Crash" }> & { readonly hit: () => boolean }

/** @internal */
export const arm = (faults: ReadonlyArray<Fault>): ReadonlyArray<Armed> =>
  faults.flatMap((fault) => fault._tag === "Crash" ? [] : [{ ...fault, hit: counter(fault.calls) }])

/** @internal So that a saga that is made again for the next process goes on with the same counts. */
export const injectArmed = <S extends Saga.Any>(
  saga: S,
  faults: ReadonlyArray<Armed>,
  interrupt: Effect.Effect<void>
): S =>
  ofProgram(
    programOf(saga).mapSteps((original) => {
      let step = original
      for (const fault of faults) {
        if (fault.step !== original.path) continue
        step = withFault(step, fault, interrupt)
      }
      return step
    })
  )

/**
 * @internal A saga that says during which of its steps an effect happens, and notes what its steps themselves come to: all that is
 * known of the world where no service writes to a ledger.
 */
export const annotate = <S extends Saga.Any>(saga: S, outcomes: Ledger): S =>
  ofProgram(
    programOf(saga).mapSteps((step) => {
      const { action, classification, compensate, path } = step
      const during = (effect: Opaque) => Effect.provideService(effect, CurrentStep, path)
      return {
        ...step,
        action: (context) => {
          const acted = Effect.suspend(() => action(context))
          return during(
            classification === "ReadOnly" ? acted : Effect.tap(acted, () => outcomes.do(path, context.idempotencyKey))
          )
        },
        ...(compensate === undefined ? {} : {
          compensate: (context) =>
            during(Effect.tap(Effect.suspend(() => compensate(context)), () => outcomes.undo(path)))
        })
      }
    })
  )

/** A saga whose step of this path fails with {@link InjectedFault}, each time or so many times. */
export const failAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): Failing<S> =>
  inject(saga, [{ _tag: "Action", step, how: "fails", calls }])

/** A saga whose step of this path dies of {@link InjectedFault}. */
export const dieAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): S =>
  injected(saga, [{ _tag: "Action", step, how: "dies", calls }])

/** A saga whose run is interrupted while this step's action runs, the first time: fork it, or the test is what is interrupted. */
export const interruptAt = <S extends Saga.Any>(saga: S, step: string): S =>
  injected(saga, [{ _tag: "Action", step, how: "isInterrupted", calls: 1 }])

/** A saga that calls this step's action twice under its key, and its compensation, if it has one, too. */
export const repeat = <S extends Saga.Any>(saga: S, step: string): S => {
  const undone = saga.steps.some(({ classification, name }) => name === step && classification === "Compensatable")
  return injected(saga, [
    { _tag: "Action", step, how: "isRepeated", calls: Infinity },
    ...undone ? [{ _tag: "Compensation", step, how: "isRepeated", calls: Infinity } as const] : []
  ])
}

/** A saga whose step of this path cannot be undone, each time or so many times. */
export const failUndoAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): S =>
  injected(saga, [{ _tag: "Compensation", step, how: "fails", calls }])

/**
 * A store as a process sees it that dies at its n-th commit, counted from 0: from then on no call gets through. Whoever waits gets a
 * `CheckpointError`, which stands for the death, for nothing is done after it. Give the store itself to the next process. A saga
 * makes a commit before each action with a side effect, before its first compensation and each other one, and at its end.
 */
export const crashAt = (store: Checkpoint.Store, commit: number, moment: "before" | "after"): Checkpoint.Store => {
  let commits = 0
  let dead = false
  const gone = Effect.fail(
    new CheckpointError({
      reason: "Unavailable",
      operation: "append",
      detail: "the process has crashed, as it was told to"
    })
  )
  const alive = <A>(effect: Effect.Effect<A, CheckpointError>): Effect.Effect<A, CheckpointError> =>
    Effect.suspend(() => dead ? gone : effect)
  return {
    ...store,
    append: (group) =>
      Effect.suspend(() => {
        if (dead) return gone
        dead = commits <= commit && commit < commits + group.length
        commits += group.length
        if (!dead) return store.append(group)
        return moment === "before" ? gone : Effect.zipRight(store.append(group), gone)
      }),
    load: (executionId) => alive(store.load(executionId)),
    claim: (executionId, token) => alive(store.claim(executionId, token)),
    renew: (token) => alive(store.renew(token))
  }
}
