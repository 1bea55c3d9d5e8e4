/** Calls in transactions of the database of the journals (S24): the effect of a call and its outcome are one commit. */
import { Cause, Effect } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { Transactions } from "../definition/transactions.ts"
import { is, OutcomeUnknown } from "../SagaError.ts"
import { doubted } from "./endings.ts"
import type { Halt } from "./halt.ts"
import type { Outcome, Recorder } from "./recorder.ts"
import type { AnyEffect, Run } from "./run.ts"

/** The calls of an action or a compensation. */
interface Calls {
  readonly owner: Run
  readonly step: StepNode
  readonly attempt: number
  isStored: boolean
}

/** Whether the outcomes of a step are stored in transactions with its effects. */
export const isStoredWithEffect = (recorder: Recorder | undefined, step: StepNode): boolean =>
  step.transaction === true && recorder?.transact !== undefined

/** Runs one call of an action. Its intent is stored with its outcome: there is no time between in which anybody could ask. */
export const inTransaction = (action: Calls, call: AnyEffect): AnyEffect => {
  const { owner, step } = action
  const { recorder } = owner
  const settled = Effect.mapErrorCause(call, (cause) => withoutDoubt(owner, step, cause))
  if (recorder === undefined || !isStoredWithEffect(recorder, step)) return alone(settled)
  const { classification, path } = step
  const at = recorder.now()
  return stored(
    action,
    recorder,
    settled,
    (output) =>
      Effect.matchEffect(recorder.captureOutput(step, output), {
        onFailure: (halt) => Effect.die(unstorable(halt)),
        onSuccess: ({ encoded, text, value }) => {
          const { attempt: attempts } = action
          const started = { _tag: "StepStarted", step: path, classification, at } as const
          const succeeded = {
            _tag: "StepSucceeded",
            step: path,
            output: encoded,
            attempts,
            at: recorder.now()
          } as const
          return Effect.succeed<Outcome>({ value, events: [{ event: started }, { event: succeeded, output: text }] })
        }
      })
  )
}

/** Elsewhere such an output leaves a doubt (S12). Here its action is rolled back, and fails. */
const unstorable = ({ cause }: Halt): unknown => {
  const error = Cause.squash(cause)
  return is("NotStorable")(error)
    ? new Error(
      `${error.value} cannot be stored: ${error.problem}. The action was rolled back: the author of the schema must act`
    )
    : error
}

/** Runs one call of a compensation. */
export const undoInTransaction = (compensation: Calls, call: AnyEffect): AnyEffect => {
  const { owner: { recorder }, step } = compensation
  if (recorder === undefined || !isStoredWithEffect(recorder, step)) return alone(call)
  const at = recorder.now()
  return stored(compensation, recorder, call, (value) => {
    const { attempt: attempts } = compensation
    // An earlier process may have stored the intent, under a definition without the transaction.
    const isUnderWay = recorder.state()?.steps.get(step.path)?.status === "Undoing"
    return Effect.succeed<Outcome>({
      value,
      events: [
        ...isUnderWay ? [] : [{ event: { _tag: "CompensationStarted", step: step.path, at } as const }],
        { event: { _tag: "CompensationSucceeded", step: step.path, attempts, at: recorder.now() } }
      ]
    })
  })
}

const stored = (
  calls: Calls,
  recorder: Recorder,
  call: AnyEffect,
  outcomeOf: (value: unknown) => AnyEffect<Outcome>
): AnyEffect =>
  Effect.map(recorder.transact!(Effect.flatMap(call, outcomeOf)), (value) => {
    calls.isStored = true
    return value
  })

/** In process nothing is stored but what the call writes. */
const alone = (call: AnyEffect): AnyEffect =>
  Effect.flatMap(Transactions, (transactions) =>
    Effect.flatMap(transactions.run(call), (ended): AnyEffect => {
      switch (ended._tag) {
        case "Committed":
          return Effect.succeed(ended.value)
        case "RolledBack":
          return Effect.failCause(ended.cause)
        case "NotRun":
          return Effect.die(ended.error)
        case "Unknown":
          // There is no journal that could tell later.
          return Effect.fail(new OutcomeUnknown({ reason: ended.error.message }))
      }
    }))

/** An action that cannot tell whether it happened: it did not, for it is rolled back. */
const withoutDoubt = (run: Run, step: StepNode, cause: Cause.Cause<unknown>): Cause.Cause<unknown> =>
  Cause.map(cause, (error) =>
    is("OutcomeUnknown")(error) && error.happened === undefined
      ? new OutcomeUnknown({ ...doubted(run, step, error.reason), happened: false })
      : error)
