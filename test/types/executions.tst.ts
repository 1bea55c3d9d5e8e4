/** The types of attributes, and of what is found by them. */
import { Effect, type Option, Redacted, Schema, type Stream } from "effect"
import { Checkpoint, Executions, type Journal, Saga, type SagaError } from "effect-saga"
import { describe, expect, test } from "tstyche"

const Input = Schema.Struct({
  customer: Schema.String,
  seats: Schema.NumberFromString,
  note: Schema.optional(Schema.String)
})

describe("the attributes of a saga", () => {
  test("are made of its input, and change nothing of its type", () => {
    const builder = Saga.make("Order", {
      input: Input,
      attributes: ({ input }) => {
        expect(input).type.toBe<typeof Input.Type>()
        return { customer: input.customer, seats: input.seats, note: input.note }
      }
    })
    expect(builder).type.toBe(Saga.make("Order", { input: Input }))
    // In whatever order the options stand.
    Saga.make("Order", { attributes: ({ input }) => ({ customer: input.customer }), input: Input, version: 2 })
    Saga.make("Order", {
      attributes: ({ input }) => {
        expect(input).type.toBe<void>()
        return {}
      }
    })
  })

  test("are plain values", () => {
    // @ts-expect-error not assignable to type 'string | number | boolean | undefined'
    Saga.make("Order", { input: Input, attributes: () => ({ customer: { name: "Ada" } }) })
    // @ts-expect-error not assignable to type 'string | number | boolean | undefined'
    Saga.make("Order", { input: Input, attributes: () => ({ card: Redacted.make("4711") }) })
    // @ts-expect-error not assignable to type 'string | number | boolean | undefined'
    Saga.make("Order", { input: Input, attributes: () => ({ at: new Date(0) }) })
    // @ts-expect-error Property 'custommer' does not exist on type
    Saga.make("Order", { input: Input, attributes: ({ input }) => ({ customer: input.custommer }) })
  })
})

describe("stored executions", () => {
  test("are listed with what is known of each, and fail with what a query can fail with", () => {
    expect(
      Executions.list({
        saga: "Order",
        status: ["Undone", "Parked"],
        attributes: { customer: "Ada" },
        since: new Date()
      })
    )
      .type.toBe<
      Effect.Effect<Executions.Page, SagaError.InvalidQuery | SagaError.CheckpointError, Checkpoint.Checkpoint>
    >()
    expect<Executions.Page["next"]>().type.toBe<Option.Option<Executions.Cursor>>()
    expect<Executions.Execution["status"]>().type.toBe<Journal.Status>()
    expect(Executions.stream()).type.toBe<
      Stream.Stream<Executions.Execution, SagaError.InvalidQuery | SagaError.CheckpointError, Checkpoint.Checkpoint>
    >()
    expect(Executions.history("17")).type.toBe<
      Effect.Effect<
        ReadonlyArray<Journal.Event>,
        SagaError.CheckpointError | SagaError.ExecutionNotFound | SagaError.JournalCorrupt,
        Checkpoint.Checkpoint
      >
    >()
  })

  test("are not asked for by what is no attribute: one that is dropped would list those of everybody", () => {
    expect(Executions.list).type.not.toBeCallableWith({ attributes: { customer: undefined } })
    expect(Executions.list).type.not.toBeCallableWith({ attributes: { customer: null } })
    expect(Executions.list).type.not.toBeCallableWith({ status: "Done" })
    // A stream has pages of its own.
    expect(Executions.stream).type.not.toBeCallableWith({ limit: 10 })
  })
})
