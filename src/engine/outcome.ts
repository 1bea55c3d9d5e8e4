/** Records what the actions of steps come to. */
import { Effect } from "effect"
import type { StepNode } from "../definition/definition.ts"
import { andThen } from "../values/schema.ts"
import type { Action } from "./action.ts"
import { considerRequests } from "./cancellation.ts"
import { storeCause } from "./codec.ts"
import { haltOf } from "./halt.ts"
import type { Recorder } from "./recorder.ts"
import type { AnyEffect } from "./run.ts"

export const recordStart = (recorder: Recorder, { classification, path }: StepNode) =>
  recorder.record({ _tag: "StepStarted", step: path, classification, at: recorder.now() })

/** `beforeFailure` is called before its failure is recorded, and not where the run has stopped. */
export const recordOutcome = (action: Action, outcome: AnyEffect, beforeFailure?: () => void): AnyEffect => {
  const { owner: run, step } = action
  const { recorder } = run
  if (recorder === undefined) return outcome
  const observed = recorder.observer === undefined ? outcome : recorder.observer.spanCalls("action", action, outcome)
  return Effect.matchCauseEffect(observed, {
    onSuccess: (output) =>
      action.isStored ?
        ended(action, output) :
        andThen(recorder.captureOutput(step, output), ({ encoded, text, value }) => {
          const { attempt: attempts } = action
          recorder.record(
            { _tag: "StepSucceeded", step: step.path, output: encoded, attempts, at: recorder.now() },
            text
          )
          return ended(action, value)
        }),
    onFailure: (cause) => {
      // The step was not called, or its outcome cannot be stored: nothing can be said of it.
      if (haltOf(cause) !== undefined) return Effect.failCause(cause)
      action.letGo()
      run.failed.push({ step, cause })
      beforeFailure?.()
      const doubt = run.doubts.find((doubt) => doubt.step === step.path)
      const { attempt: attempts } = action
      recorder.record(
        doubt === undefined
          ? { _tag: "StepFailed", step: step.path, failures: storeCause(step, cause), attempts, at: recorder.now() }
          : { _tag: "StepInDoubt", step: step.path, reason: doubt.reason, attempts, at: recorder.now() }
      )
      // Its siblings may be interrupted now.
      considerRequests(run)
      return Effect.failCause(cause)
    }
  })
}

const ended = (action: Action, output: unknown): AnyEffect => {
  action.letGo()
  considerRequests(action.owner)
  return Effect.succeed(output)
}

/** Runs an action whose start is stored with its outcome only (S24): either in the same transaction as its effect, or with its failure. */
export const recordWithEffect = (recorder: Recorder, action: Action): AnyEffect => {
  const { classification, path } = action.step
  const started = { _tag: "StepStarted", step: path, classification, at: recorder.now() } as const
  recorder.observer?.tell(started, recorder.state()!)
  return recordOutcome(action, action.run(), () => recorder.record(started, undefined, true))
}
