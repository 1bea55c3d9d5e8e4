/** A saga that waits for a person and sleeps between two effects, which are in a ledger on disk. */
import { Effect, Schema } from "effect"
import { Saga, Signal, type Step } from "effect-saga"
import { type Change, openLedger } from "./ledger.ts"

export const Approval = Signal.make("approval", { success: Schema.Literal("yes", "no") })

/** Whether the person says no to this execution, which is then undone. */
export const isRefused = (executionId: string) => executionId.startsWith("refused")

/** Whether the person answers before anybody waits. */
export const isEarly = (executionId: string) => executionId.endsWith("early")

export const held = (ledger: string) => {
  const change = openLedger(ledger)
  const key = ({ idempotencyKey }: { readonly idempotencyKey: Step.IdempotencyKey }) => idempotencyKey as string
  return Saga.make("Held")
    .compensatable("reserve", {
      success: Schema.String,
      action: (context) => Effect.as(change("do", key(context)), key(context)),
      compensate: ({ output }) => change("undo", output)
    })
    .sleep("rest", "10 millis")
    .wait("approve", Approval)
    .readOnly("check", {
      error: Schema.Literal("refused"),
      action: ({ outputs }) => outputs.approve === "yes" ? Effect.void : Effect.fail("refused" as const)
    })
    .final("charge", {
      success: Schema.String,
      inDoubt: "retry",
      action: (context) => Effect.as(change("do", key(context)), "paid")
    })
    .build(({ outputs }) => outputs.charge)
}

/** Sends the answer of the person. Sent again, it is the same one. */
export const answer = (executionId: string) =>
  Signal.deliver(
    Approval,
    { executionId, by: "the person", id: "the answer" },
    isRefused(executionId) ? "no" : "yes"
  )

/** What takes effect in one execution, in order, once it is finished. */
export const effectsOf = (executionId: string): ReadonlyArray<Change> => [
  { what: "do", key: `${executionId}/reserve/action` },
  isRefused(executionId)
    ? { what: "undo", key: `${executionId}/reserve/action` }
    : { what: "do", key: `${executionId}/charge/action` }
]
