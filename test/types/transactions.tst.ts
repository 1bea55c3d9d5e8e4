/** Steps in transactions, as the compiler sees them. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { type Cause, Effect, type Layer, Schema } from "effect"
import { Checkpoint, Recovery, Saga, SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { Ledger, SagaTest } from "effect-saga/testing"
import { describe, expect, test } from "tstyche"

const insert = Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.as(sql`INSERT INTO entry (id) VALUES (1)`, 1))
const doubtful = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
const recorded = { success: Schema.Number, error: "asRecoveredFailure" } as const

const transfer = Saga.make("Transfer")
  .compensatable("hold", { ...recorded, transaction: true, action: () => insert, compensate: () => insert })
  .final("move", { ...recorded, transaction: true, action: () => insert })
  .final("tell", { ...recorded, transaction: true, retry: { times: 3 }, action: () => insert })
  .build(({ outputs }) => outputs.move)

describe("a step in a transaction", () => {
  test("owes no inDoubt, and needs the transactions of its store", () => {
    expect(transfer).type.toBe<
      Saga.Saga<
        void,
        number,
        SqlError | SagaError.FailedAfterCommit<SqlError>,
        SqlClient.SqlClient | Checkpoint.Transactions,
        "move.final" | "tell.final"
      >
    >()
    expect(Saga.execute(transfer, undefined, { executionId: "1" })).type.not.toRaiseError()
    expect(Recovery.run([transfer])).type.not.toRaiseError()
  })

  test("is not in doubt if it takes too long, or says that it cannot tell", () => {
    const saga = Saga.make("Slow")
      .compensatable("hold", {
        ...recorded,
        transaction: true,
        timeout: "1 second",
        action: () => Effect.zipRight(doubtful, insert),
        compensate: () => Effect.void
      })
      .parallel((branch) =>
        branch.compensatable("other", {
          ...recorded,
          transaction: true,
          timeout: "1 second",
          action: () => Effect.succeed(1),
          compensate: () => Effect.void
        })
      )
      .build()
    expect<Saga.Error<typeof saga>>().type.toBe<SqlError | SagaError.OutcomeUnknown | Cause.TimeoutException>()
    expect<Saga.Requirements<typeof saga>>().type.toBe<SqlClient.SqlClient | Checkpoint.Transactions>()
    expect(Saga.run(saga)).type.not.toRaiseError()
  })

  test("still owes what a later call must read, and a later Final its retry", () => {
    const saga = Saga.make("Owes").final("move", { transaction: true, action: () => insert }).build()
    // @ts-expect-error Saga.execute needs a success schema on step \"move\": its output must be restored after a crash (also missing: move.error)
    Saga.execute(saga, undefined, { executionId: "1" })
    const late = Saga.make("Late")
      .final("move", { transaction: true, action: () => insert })
      .final("tell", { transaction: true, action: () => insert })
      .build()
    // @ts-expect-error every run needs retry on Final step \"tell\": after the point of no return a saga can only go forward
    Saga.run(late)
  })

  test("says no inDoubt besides", () => {
    // @ts-expect-error Type 'true' is not assignable to type '"retry" & True'.
    Saga.make("Both").final("move", { transaction: true, inDoubt: "retry", action: () => insert })
    // @ts-expect-error Type 'true' is not assignable to type 'never'.
    Saga.make("Neither").final("move", { inDoubt: true, action: () => insert })
    // @ts-expect-error Type 'false' is not assignable to type
    Saga.make("Not").final("move", { transaction: false, action: () => insert })
    // @ts-expect-error 'transaction' does not exist in type 'ReadOnlyStep<
    Saga.make("Reads").readOnly("look", { transaction: true, action: () => insert })
  })

  test("is refused on a store that has no transactions", () => {
    const run = Saga.execute(transfer, undefined, { executionId: "1" })
    const sqlite = SqliteCheckpoint.layerWithClient({ filename: ":memory:" })
    expect(Effect.runPromise(Effect.provide(run, sqlite))).type.not.toRaiseError()
    const inMemory = Effect.provide(run, [{} as Layer.Layer<SqlClient.SqlClient>, Checkpoint.layerMemory])
    // @ts-expect-error Type 'Transactions' is not assignable to type 'never'.
    void Effect.runPromise(inMemory)
    expect(Effect.provide(run, SqliteCheckpoint.layer({ filename: ":memory:" }))).type.toBe<
      Effect.Effect<
        number,
        Effect.Effect.Error<typeof run>,
        SqlClient.SqlClient | Checkpoint.Transactions
      >
    >()
    expect(Effect.provide(run, SqlCheckpoint.layer())).type.toBe<
      Effect.Effect<number, Effect.Effect.Error<typeof run>, SqlClient.SqlClient>
    >()
  })

  test("is explored without them", () => {
    const layer = {} as Layer.Layer<SqlClient.SqlClient, never, Ledger.Ledger>
    expect(SagaTest.explore(transfer, { input: undefined, layer })).type.toBe<Effect.Effect<SagaTest.Exploration>>()
    expect(SagaTest.exploreInProcess(transfer, { input: undefined, layer })).type.toBe<
      Effect.Effect<SagaTest.Exploration>
    >()
  })
})
