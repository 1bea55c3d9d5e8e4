/** The types of attributes, and of what is found by them. */
import { Effect, type Option, type ParseResult, Redacted, Schema, type Stream } from "effect"
import { Checkpoint, Executions, type Journal, Saga, SagaError } from "effect-saga"
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

describe("the HTTP status of an error", () => {
  type Known = Parameters<typeof SagaError.httpStatus>[0]

  /** The errors of which `SagaError` has the classes. */
  type Public = {
    [Name in keyof typeof SagaError]: (typeof SagaError)[Name] extends abstract new(...args: any) => infer Instance
      ? Instance extends { readonly _tag: string } ? Instance["_tag"] : never
      : never
  }[keyof typeof SagaError]

  test("is known of every error but those that are thrown at the author of a program, and those that are steps' own", () => {
    expect<Exclude<Public, Known["_tag"]>>().type.toBe<
      "InvalidSaga" | "OtherSaga" | "InvalidItems" | "SignalTimeout"
    >()
    expect<Exclude<Known["_tag"], Public>>().type.toBe<"ParseError">()
  })

  test("is known of all that the calls for stored executions fail with, besides the steps' own errors", () => {
    const saga = Saga.make("Order", { input: Input }).readOnly("look", { action: () => Effect.void }).build()
    const one = { executionId: "1" }
    const input = { customer: "Ada", seats: 2 }
    const calls = [
      Saga.execute(saga, input, one),
      Saga.start(saga, input, one),
      Saga.enqueue(saga, input, one),
      Saga.await(saga, "1"),
      Saga.poll(saga, "1"),
      Saga.resume(saga, "1"),
      Saga.inspect(saga, "1"),
      Saga.cancel("1", { by: "clerk" }),
      Executions.list(),
      Executions.count(),
      Executions.history("1"),
      Executions.inspect("1")
    ] as const
    expect<Effect.Effect.Error<typeof calls[number]>>().type.toBeAssignableTo<Known>()
    expect<ParseResult.ParseError>().type.toBeAssignableTo<Known>()
  })
})
