/** A saga of five steps (1 ReadOnly, 3 Compensatable, 1 Final) whose effects are in a ledger on disk. A declined one is undone. */
import { Effect, Schema } from "effect"
import { Saga, type Step } from "effect-saga"
import { type Change, openLedger } from "./ledger.ts"

export const trip = (
  ledger: string,
  options: { readonly takes?: "15 millis"; readonly onEffect?: () => void } = {}
) => {
  const change = openLedger(ledger, options.takes)
  const effect = (what: Change["what"], key: string) =>
    Effect.zipRight(change(what, key), Effect.sync(() => options.onEffect?.()))
  const reserve = {
    success: Schema.String,
    action: ({ idempotencyKey }: { readonly idempotencyKey: Step.IdempotencyKey }) =>
      Effect.as(effect("do", idempotencyKey), idempotencyKey as string),
    // Undone by what the action returned, so that an output that was not restored would be seen.
    compensate: ({ output }: { readonly output: string }) => effect("undo", output)
  }
  return Saga.make("Trip", { input: Schema.Struct({ declined: Schema.Boolean }) })
    .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(420) })
    .compensatable("flight", reserve)
    .compensatable("hotel", reserve)
    .compensatable("car", reserve)
    .final("charge", {
      success: Schema.Number,
      error: Schema.Literal("declined"),
      action: ({ idempotencyKey, input, outputs }) =>
        input.declined
          ? Effect.fail("declined" as const)
          : Effect.as(effect("do", idempotencyKey), outputs.quote),
      inDoubt: "retry"
    })
    .build(({ outputs }) => outputs.charge, { success: Schema.Number })
}

/** Whether the trip of this execution is to be declined. */
export const isDeclined = (executionId: string) => executionId.startsWith("declined")

/** What takes effect in one execution, in order, once it is finished. */
export const effectsOf = (executionId: string): ReadonlyArray<Change> => {
  const of = (what: Change["what"]) => (step: string): Change => ({ what, key: `${executionId}/${step}/action` })
  const reserved = ["flight", "hotel", "car"].map(of("do"))
  return isDeclined(executionId)
    ? [...reserved, ...["car", "hotel", "flight"].map(of("undo"))]
    : [...reserved, of("do")("charge")]
}
