/** A saga of a list of three lines, each of two steps, and a Final, whose effects are in a ledger on disk. A declined one is undone. */
import { Effect, Schema } from "effect"
import { Saga, type Step } from "effect-saga"
import { type Change, openLedger } from "./ledger.ts"

const lines = ["bolt", "nut", "tool box"]

export const order = (ledger: string) => {
  const change = openLedger(ledger)
  const reserve = {
    success: Schema.String,
    action: ({ idempotencyKey }: { readonly idempotencyKey: Step.IdempotencyKey }) =>
      Effect.as(change("do", idempotencyKey), idempotencyKey as string),
    compensate: ({ output }: { readonly output: string }) => change("undo", output)
  }
  const line = Saga.make("Line", { input: Schema.String })
    .readOnly("look", { success: Schema.String, action: ({ input }) => Effect.succeed(input) })
    .compensatable("reserve", reserve)
    .compensatable("label", reserve)
    .build(({ input, outputs }) => `${input}: ${outputs.reserve}`)
  return Saga.make("Order", { input: Schema.Struct({ declined: Schema.Boolean }) })
    .forEach("lines", { items: () => lines, key: (sku) => sku, step: line })
    .final("charge", {
      success: Schema.Number,
      error: Schema.Literal("declined"),
      action: ({ idempotencyKey, input, outputs }) =>
        input.declined
          ? Effect.fail("declined" as const)
          : Effect.as(change("do", idempotencyKey), outputs.lines.join().length),
      inDoubt: "retry"
    })
    // As long as what the lines gave: an output that was not restored, or in another order, would be seen.
    .build(({ outputs }) => outputs.charge === outputs.lines.join().length ? 420 : NaN, { success: Schema.Number })
}

/** What takes effect in one execution, in order, once it is finished. */
export const effectsOfOrder = (executionId: string, isDeclined: boolean): ReadonlyArray<Change> => {
  const reserved = lines.flatMap((sku) =>
    ["reserve", "label"].map((step): Change => ({
      what: "do",
      key: `${executionId}/lines/${encodeURIComponent(sku)}/${step}/action`
    }))
  )
  return [
    ...reserved,
    ...isDeclined
      ? [...reserved].reverse().map(({ key }): Change => ({ what: "undo", key }))
      : [{ what: "do" as const, key: `${executionId}/charge/action` }]
  ]
}
