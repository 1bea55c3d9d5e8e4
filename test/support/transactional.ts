/** Three sagas whose steps run on the database of the journals, with their tables. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"

export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { sku: Schema.String }) {}
export class NoFunds extends Schema.TaggedError<NoFunds>()("NoFunds", { account: Schema.String }) {}

/** The tables, for SQLite and PostgreSQL. */
export const makeTables = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE orders (id TEXT PRIMARY KEY, sku TEXT NOT NULL)`
  yield* sql`CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0))`
  yield* sql`CREATE TABLE outbox (id TEXT PRIMARY KEY, body TEXT NOT NULL)`
  yield* sql`CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL)`
  yield* sql`CREATE TABLE entry (id TEXT NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (id, account))`
  yield* sql`CREATE TABLE booking (id TEXT PRIMARY KEY, seat TEXT NOT NULL UNIQUE)`
  yield* sql`INSERT INTO stock (sku, available) VALUES ('lamp', 1000000)`
  yield* sql`INSERT INTO account (id, balance) VALUES ('alice', 1000000), ('bob', 0)`
})

/** An order, the stock that it takes and the letter about it: one transaction. No key, no verify: it happened, or it did not. */
export const order = Saga.make("Order", { input: Schema.Struct({ sku: Schema.String, declined: Schema.Boolean }) })
  .compensatable("order", {
    success: Schema.String,
    error: "asRecoveredFailure",
    transaction: true,
    action: ({ executionId, input }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO orders (id, sku) VALUES (${executionId}, ${input.sku})`
        const taken = yield* sql`UPDATE stock SET available = available - 1 WHERE sku = ${input.sku} RETURNING sku`
        if (taken.length === 0) return yield* new OutOfStock({ sku: input.sku })
        yield* sql`INSERT INTO outbox (id, body) VALUES (${executionId}, ${"ordered"})`
        return executionId
      }),
    compensate: ({ input, output }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`DELETE FROM orders WHERE id = ${output}`
        yield* sql`UPDATE stock SET available = available + 1 WHERE sku = ${input.sku}`
        yield* sql`DELETE FROM outbox WHERE id = ${output}`
      })
  })
  .final("confirm", {
    success: Schema.Void,
    error: "asRecoveredFailure",
    transaction: true,
    action: ({ input, outputs }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE outbox SET body = ${"confirmed"} WHERE id = ${outputs.order}`
        // After its write, which has to go with it.
        if (input.declined) return yield* Effect.fail("declined")
      })
  })
  .build(({ outputs }) => outputs.order)

/** A transfer between two accounts: the point of no return is a transaction. */
export const transfer = Saga.make("Transfer", { input: Schema.Struct({ amount: Schema.Int }) })
  .readOnly("limits", { success: Schema.Int, action: () => Effect.succeed(1000) })
  .final("move", {
    success: Schema.Void,
    error: "asRecoveredFailure",
    transaction: true,
    action: ({ executionId, input: { amount } }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const paid =
          yield* sql`UPDATE account SET balance = balance - ${amount} WHERE id = ${"alice"} AND balance >= ${amount} RETURNING id`
        if (paid.length === 0) return yield* new NoFunds({ account: "alice" })
        yield* sql`UPDATE account SET balance = balance + ${amount} WHERE id = ${"bob"}`
        yield* sql`INSERT INTO entry (id, account, amount) VALUES (${executionId}, ${"alice"}, ${-amount}), (${executionId}, ${"bob"}, ${amount})`
      })
  })
  .build()

/** A seat in a table of ours, and a charge by somebody else afterwards, which keeps its key and its doubt. */
export const booking = <E, R>(charge: (key: string) => Effect.Effect<string, E, R>) =>
  Saga.make("Booking", { input: Schema.Struct({ seat: Schema.String }) })
    .compensatable("seat", {
      success: Schema.String,
      error: "asRecoveredFailure",
      transaction: true,
      timeout: "5 seconds",
      retry: { times: 2 },
      action: ({ executionId, input: { seat } }) =>
        Effect.as(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            sql`INSERT INTO booking (id, seat) VALUES (${executionId}, ${seat})`),
          seat
        ),
      compensate: ({ executionId }) =>
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM booking WHERE id = ${executionId}`)
    })
    .final("charge", {
      success: Schema.String,
      error: "asRecoveredFailure",
      inDoubt: "retry",
      action: ({ idempotencyKey }) => charge(idempotencyKey)
    })
    .build(({ outputs }) => outputs.charge)
