/** Puts faults into the steps of a saga, and annotates its steps for a ledger. */
import { Effect } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { withoutKeys } from "../definition/lists.ts"
import { ofProgram, programOf } from "../definition/saga.ts"
import type * as Saga from "../Saga.ts"
import { OutcomeUnknown } from "../SagaError.ts"
import { CurrentStep } from "./currentStep.ts"
import { type ActionFault, type Fault, InjectedFault, type StepFault } from "./fault.ts"
import type { Service as Ledger } from "./Ledger.ts"

type Opaque = Effect.Effect<any, any, any>

/** A fault of a step, which counts the calls that it still makes go wrong. */
export type CountedFault = StepFault & { readonly takesEffect: () => boolean }

export const isOfStep = (fault: Fault): fault is StepFault => {
  switch (fault._tag) {
    case "Action":
    case "Compensation":
      return true
    case "Crash":
    case "Cancel":
    case "Disconnect":
    case "Close":
      return false
  }
}

/** Whether the next call goes wrong, of `calls` calls. */
const counter = (calls: number) => {
  let left = calls
  return () => left > 0 && left-- > 0
}

export const countFaults = (faults: ReadonlyArray<Fault>): ReadonlyArray<CountedFault> =>
  faults.filter(isOfStep).map((fault) => ({ ...fault, takesEffect: counter(fault.calls) }))

const goneWrong = (step: StepNode, how: ActionFault, once: Opaque, interrupt: Effect.Effect<void>): Opaque => {
  switch (how) {
    case "fails":
      return Effect.fail(new InjectedFault({ step: step.path }))
    case "dies":
      return Effect.die(new InjectedFault({ step: step.path }))
    case "losesItsReply":
      return Effect.zipRight(once, Effect.fail(new OutcomeUnknown({ reason: "the reply was lost" })))
    case "hangs":
      // What is cut off in a transaction is rolled back, as if it had not been done.
      return step.transaction === true ? Effect.never : Effect.zipRight(once, Effect.never)
    case "isInterrupted":
      // Yield, so that the interruption arrives before the action continues: it comes by way of the call that waits for the run.
      return Effect.zipRight(Effect.zipRight(interrupt, Effect.repeatN(Effect.yieldNow(), 9)), once)
    case "isRepeated":
      return Effect.zipRight(once, once)
  }
}

const withFault = (step: StepNode, fault: CountedFault, interrupt: Effect.Effect<void>): StepNode => {
  const { action, compensate } = step
  const faulty = <Context>(call: (context: Context) => Opaque) => (context: Context): Opaque =>
    Effect.suspend(() => fault.takesEffect() ? goneWrong(step, fault.how, call(context), interrupt) : call(context))
  switch (fault._tag) {
    case "Action":
      return { ...step, action: faulty(action) }
    case "Compensation":
      return compensate === undefined ? step : { ...step, compensate: faulty(compensate) }
  }
}

/** A saga with faults whose counts live on when the saga is made again for the next process. */
export const injectCounted = <S extends Saga.Any>(
  saga: S,
  faults: ReadonlyArray<CountedFault>,
  interrupt: Effect.Effect<void>
): S => {
  const program = programOf(saga)
  const nameOf = withoutKeys(program)
  return ofProgram(
    program.mapSteps((original) =>
      faults.filter(({ step }) => step === original.path || step === nameOf(original.path))
        .reduce((step, fault) => withFault(step, fault, interrupt), original)
    )
  )
}

/**
 * A saga that tells the ledger which of its steps is running, and notes the outcomes of its steps in `outcomes`: nothing else is known
 * of the world if no service writes to a ledger.
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
