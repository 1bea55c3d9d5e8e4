/**
 * A saga of five steps (1 ReadOnly, 3 Compensatable, 1 Final) against a world in a file, which outlives whoever drives it
 * and honours idempotency keys.
 */
import { Effect, Schema } from "effect"
import { Saga, type Step } from "effect-saga"
import { appendFileSync, existsSync, readFileSync } from "node:fs"

const Line = Schema.parseJson(Schema.Struct({ what: Schema.Literal("do", "undo"), key: Schema.String }))

export interface Line {
  readonly what: "do" | "undo"
  readonly key: string
}

/** Everything that took effect, in order. */
export const readWorld = (file: string): ReadonlyArray<Line> =>
  existsSync(file)
    ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => Schema.decodeSync(Line)(line))
    : []

const takeEffect = (file: string, line: Line) =>
  Effect.sync(() => {
    const known = readWorld(file).some(({ key, what }) => key === line.key && what === line.what)
    if (!known) appendFileSync(file, JSON.stringify(line) + "\n")
  })

export const trip = (file: string) => {
  const reserve = () => ({
    success: Schema.String,
    action: ({ idempotencyKey }: { readonly idempotencyKey: Step.IdempotencyKey }) =>
      Effect.as(takeEffect(file, { what: "do", key: idempotencyKey }), idempotencyKey as string),
    // Undone by what the action returned, so that an output that was not restored would be seen.
    compensate: ({ output }: { readonly output: string }) => takeEffect(file, { what: "undo", key: output })
  })
  return Saga.make("Trip", { input: Schema.Struct({ declined: Schema.Boolean }) })
    .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(420) })
    .compensatable("flight", reserve())
    .compensatable("hotel", reserve())
    .compensatable("car", reserve())
    .final("charge", {
      success: Schema.Number,
      error: Schema.Literal("declined"),
      action: ({ idempotencyKey, input, outputs }) =>
        input.declined
          ? Effect.fail("declined" as const)
          : Effect.as(takeEffect(file, { what: "do", key: idempotencyKey }), outputs.quote),
      inDoubt: "retry"
    })
    .build(({ outputs }) => outputs.charge)
}
