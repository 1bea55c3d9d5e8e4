/** What is tested here: an order, and the two services that it calls. */
import { Context, Effect, type Option, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"

export class Warehouse extends Context.Tag("Warehouse")<Warehouse, {
  readonly reserve: (sku: string, key: string) => Effect.Effect<string>
  readonly release: (reservation: string) => Effect.Effect<void>
}>() {}

export class Payments extends Context.Tag("Payments")<Payments, {
  readonly charge: (cents: number, key: string) => Effect.Effect<string>
  readonly find: (key: string) => Effect.Effect<Option.Option<string>>
}>() {}

export const order = Saga.make("Order", { input: Schema.Struct({ sku: Schema.String, cents: Schema.Int }) })
  .compensatable("reservation", {
    success: Schema.String,
    action: ({ idempotencyKey, input }) =>
      Effect.flatMap(Warehouse, (warehouse) => warehouse.reserve(input.sku, idempotencyKey)),
    compensate: ({ output }) => Effect.flatMap(Warehouse, (warehouse) => warehouse.release(output)),
    compensationRetry: { schedule: Schedule.spaced("1 minute") }
  })
  .final("payment", {
    success: Schema.String,
    action: ({ idempotencyKey, input }) =>
      Effect.flatMap(Payments, (payments) => payments.charge(input.cents, idempotencyKey)),
    timeout: "10 seconds",
    inDoubt: "verify",
    verify: ({ idempotencyKey }) => Effect.flatMap(Payments, (payments) => payments.find(idempotencyKey))
  })
  .build(({ outputs }) => outputs.payment)
