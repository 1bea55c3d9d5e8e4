/** The errors of signals: of who waits for one, and of who sends one. */
import { Schema } from "effect"
import { visible } from "../values/visible.ts"

/**
 * Nobody has sent the signal for which step `step` waited, before its timeout: the step has failed. As the error of a run it means, like
 * any step's own error, that everything was undone.
 */
export class SignalTimeout extends Schema.TaggedError<SignalTimeout>("effect-saga/SignalTimeout")("SignalTimeout", {
  signal: Schema.String,
  step: Schema.String,
  /** When the time was over, in epoch milliseconds. */
  until: Schema.Number
}) {
  override get message() {
    return visible(`nobody has sent signal "${this.signal}", for which step "${this.step}" waited, in time`)
  }
}

/**
 * `Signal.deliver` was refused, and has changed nothing.
 *
 * - `Finished`: the execution has ended
 * - `Unwinding`: the execution is being undone, or is about to be, and no step of it will wait any more
 * - `NoStep`: no step of the execution's definition, or not the one that `step` names, waits for this signal
 * - `Answered`: every step that waits for this signal has its answer
 * - `Unnamed`: `by` is no well-formed text of 1 to 400 characters, or `id` is given and is none; the caller must act
 */
export class SignalRefused extends Schema.TaggedError<SignalRefused>("effect-saga/SignalRefused")("SignalRefused", {
  reason: Schema.Literal("Finished", "Unwinding", "NoStep", "Answered", "Unnamed"),
  signal: Schema.String,
  executionId: Schema.String
}) {
  override get message() {
    return visible(
      `signal "${this.signal}" was not delivered to execution ${this.executionId}: ${
        refusals[this.reason]
      }. Nothing was stored`
    )
  }
}

const refusals: { readonly [Reason in SignalRefused["reason"]]: string } = {
  Finished: "it has ended. Read its result with Saga.await or Saga.poll",
  Unwinding: "it is being undone, and waits for nothing any more. Wait for its end with Saga.await",
  NoStep:
    "no step of its definition waits for this signal. Look at the name of the signal, and of the step if one was named",
  Answered: "every step that waits for it has its answer already",
  Unnamed: "by must be well-formed text of 1 to 400 characters that names who sends it, and so must id if it is given"
}
