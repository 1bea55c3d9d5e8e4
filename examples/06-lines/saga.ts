/**
 * An order with any number of lines. Each line is taken from the stock, in one transaction with the journal; then the order waits for the
 * manager, for days if need be; then each line is packed, and the card is charged. If anything fails before that, all is undone.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Schema } from "effect"
import { Saga, Signal } from "effect-saga"

export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { sku: Schema.String }) {}
export class Refused extends Schema.TaggedError<Refused>()("Refused", { by: Schema.String }) {}
export class Broken extends Schema.TaggedError<Broken>()("Broken", { sku: Schema.String }) {}

const Line = Schema.Struct({ sku: Schema.NonEmptyString, count: Schema.Int })

const say = (line: string) => Effect.sync(() => console.log(`   ${line}`))

/** Changes the stock, unless there is too little. */
const move = (sku: string, by: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql`UPDATE stock SET available = available + ${by} WHERE sku = ${sku} AND available + ${by} >= 0 RETURNING sku`
  ).pipe(
    Effect.orDie,
    Effect.filterOrFail((rows) => rows.length === 1, () => new OutOfStock({ sku }))
  )

/** In one transaction with its outcome: the stock was changed or it was not, whenever the process dies. No key, no `inDoubt`. */
const reserveLine = Saga.make("ReserveLine", { input: Line })
  .compensatable("take", {
    transaction: true,
    error: OutOfStock,
    action: ({ input }) => Effect.asVoid(move(input.sku, -input.count)),
    compensate: ({ input }) => Effect.orDie(move(input.sku, input.count))
  })
  .build(() => undefined)

const packLine = Saga.make("PackLine", { input: Line })
  .compensatable("pack", {
    success: Schema.String,
    error: Broken,
    action: ({ input }) =>
      input.sku === "mirror"
        ? Effect.fail(new Broken({ sku: input.sku }))
        : Effect.as(say(`pack ${input.count} ${input.sku}`), `${input.count} ${input.sku}`),
    compensate: ({ output }) => say(`unpack ${output}`)
  })
  .build(({ outputs }) => outputs.pack)

/** The manager's answer, from whatever process. */
export const Approval = Signal.make("approval", { success: Schema.Struct({ approved: Schema.Boolean }) })

export const order = Saga.make("Order", {
  input: Schema.Struct({ customer: Schema.NonEmptyString, lines: Schema.Array(Line) }),
  attributes: ({ input }) => ({ customer: input.customer }),
  deadline: "30 days"
})
  .forEach("lines", { items: ({ input }) => input.lines, key: ({ sku }) => sku, step: reserveLine })
  .wait("approval", Approval, { timeout: "2 days" })
  .readOnly("decision", {
    error: Refused,
    action: ({ outputs }) => outputs.approval.approved ? Effect.void : Effect.fail(new Refused({ by: "the manager" }))
  })
  .forEach("parcels", { items: ({ input }) => input.lines, key: ({ sku }) => sku, step: packLine })
  .final("charge", {
    success: Schema.String,
    inDoubt: "retry",
    action: ({ input, outputs }) =>
      Effect.as(say(`charge ${input.customer}`), `${outputs.parcels.join(" and ")} for ${input.customer}`)
  })
  .build(({ outputs }) => outputs.charge, { success: Schema.String })
