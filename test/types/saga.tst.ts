/**
 * What the compiler refuses, in the words in which it refuses it, and the types that a user sees. Each
 * `@ts-expect-error` is checked for its text.
 */
import {
  type Cause,
  Context,
  Effect,
  type Layer,
  Option,
  type ParseResult,
  Schedule,
  Schema,
  type Scope,
  type Stream
} from "effect"
import { Checkpoint, Recovery, Saga, SagaError, type Step, Worker } from "effect-saga"
import { describe, expect, test } from "tstyche"

class FlightFull extends Schema.TaggedError<FlightFull>()("FlightFull", { seats: Schema.Number }) {}
class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", {}) {}
class Airline extends Context.Tag("Airline")<Airline, { readonly seats: number }>() {}
class Bank extends Context.Tag("Bank")<Bank, { readonly balance: number }>() {}

const Flight = Schema.Struct({ id: Schema.String })
type Flight = typeof Flight.Type

declare const bookFlight: Effect.Effect<Flight, FlightFull, Airline>
declare const maybeBooked: Effect.Effect<Flight, FlightFull | SagaError.OutcomeUnknown>
declare const charge: Effect.Effect<number, CardDeclined, Bank>

const begin = Saga.make("Trip", { input: Schema.String, version: 1 })
const afterFinal = begin.final("charge", {
  success: Schema.Number,
  error: CardDeclined,
  action: () => charge,
  inDoubt: "retry"
})
const undo = () => Effect.void

describe("a saga's types", () => {
  const trip = begin
    .readOnly("quote", { success: Schema.Number, action: ({ input }) => Effect.succeed(input.length) })
    .compensatable("flight", { success: Flight, error: FlightFull, action: () => bookFlight, compensate: () => Bank })

  test("tell a step's functions what they are given", () => {
    trip.compensatable("hotel", {
      action: ({ idempotencyKey, input, outputs }) => {
        expect(input).type.toBe<string>()
        expect(idempotencyKey).type.toBe<Step.IdempotencyKey>()
        expect(outputs).type.toBe<{ readonly quote: number; readonly flight: Flight }>()
        return bookFlight
      },
      compensate: ({ output, outputs }) => {
        expect(output).type.toBe<Flight>()
        expect(outputs).type.toBe<{ readonly quote: number; readonly flight: Flight }>()
        return undo()
      },
      retry: {
        times: 3,
        while: (error) => {
          expect(error).type.toBe<FlightFull>()
          return error.seats > 0
        }
      }
    })
  })

  test("name input, output, errors, requirements and what is owed", () => {
    expect(trip.build()).type.toBe<
      Saga.Saga<
        string,
        { readonly quote: number; readonly flight: Flight },
        FlightFull | ParseResult.ParseError,
        Airline | Bank,
        never
      >
    >()
  })

  test("are shown with their members and not with the machinery's aliases", () => {
    // @ts-expect-error Type 'Saga<string, { readonly quote: number; readonly flight: { readonly id: string; }; }, FlightFull | ParseError, Airline | Bank, never>' is not assignable to type 'number'.
    const shown: number = trip.build()
    expect(shown).type.toBe<number>()
  })

  test("take the projection's type as output", () => {
    expect(trip.build(({ input, outputs }) => ({ to: input, flight: outputs.flight.id }))).type.toBe<
      Saga.Saga<string, { to: string; flight: string }, FlightFull | ParseResult.ParseError, Airline | Bank, never>
    >()
  })

  test("take the type of the output from its schema, which the projection must make", () => {
    const named = trip.build(({ outputs }) => ({ ...outputs.flight, seats: 2 }), { success: Flight })
    expect(named).type.toBe<Saga.Saga<string, Flight, FlightFull | ParseResult.ParseError, Airline | Bank, never>>()
    const dated = trip.build(({ outputs }) => new Date(outputs.quote), { success: Schema.Date })
    expect<Saga.Output<typeof dated>>().type.toBe<Date>()
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    trip.build(({ outputs }) => outputs.quote, { success: Schema.String })
  })

  test("know no schema of an output without the projection that makes it, nor one that needs services", () => {
    // @ts-expect-error Argument of type 'undefined' is not assignable to parameter of type
    trip.build(undefined, { success: Flight })
    // @ts-expect-error Object literal may only specify known properties, and 'success' does not exist in type
    trip.build({ success: Flight })
    const needy = Schema.transformOrFail(Schema.String, Schema.String, {
      strict: true,
      decode: (id) => Effect.as(Airline, id),
      encode: (id) => Effect.succeed(id)
    })
    // @ts-expect-error Type 'Airline' is not assignable to type 'never'
    trip.build(({ outputs }) => outputs.flight.id, { success: needy })
  })

  test("show what is owed in short, which is no error", () => {
    const saga = begin
      .compensatable("flight", { action: () => bookFlight, compensate: undo })
      .final("charge", { success: Schema.Number, action: () => charge })
      .build()
    expect(saga).type.toBe<
      Saga.Saga<
        string,
        { readonly flight: Flight; readonly charge: number },
        FlightFull | CardDeclined | ParseResult.ParseError,
        Airline | Bank,
        "flight.success" | "flight.error" | "charge.error" | "charge.inDoubt" | "charge.final"
      >
    >()
  })

  test("are void for the input, and without ParseError, where there is no input schema", () => {
    expect(Saga.make("Plain").readOnly("a", { action: () => Effect.void }).build()).type.toBe<
      Saga.Saga<void, { readonly a: void }, never, never, never>
    >()
  })

  test("include the services of verify, of schedules and of both retries", () => {
    const saga = begin.compensatable("flight", {
      success: Flight,
      action: () => maybeBooked,
      compensate: undo,
      inDoubt: "verify",
      verify: () => Effect.as(Airline, Option.none()),
      compensationRetry: { schedule: {} as Schedule.Schedule<number, unknown, Bank> }
    }).build()
    expect<Saga.Requirements<typeof saga>>().type.toBe<Airline | Bank>()
  })

  test("let a named function be a compensation", () => {
    const cancel = (context: Step.CompensationContext<unknown, unknown, Flight>) => Effect.log(context.output.id)
    expect(begin.compensatable("flight", { action: () => bookFlight, compensate: cancel })).type.not.toRaiseError()
  })

  test("take the step's errors from its error schema", () => {
    const saga = begin.readOnly("a", { error: FlightFull, action: () => Effect.fail(new FlightFull({ seats: 0 })) })
    expect(saga.build()).type.toBe<
      Saga.Saga<string, { readonly a: never }, FlightFull | ParseResult.ParseError, never, never>
    >()
    // @ts-expect-error Type 'typeof FlightFull' is not assignable to type 'typeof FlightFull & ("asRecoveredFailure" | Schema<CardDeclined, any, never>)'.
    begin.readOnly("a", { error: FlightFull, action: () => Effect.fail(new CardDeclined()) })
  })
})

describe("the builder refuses", () => {
  test("a ReadOnly or Compensatable step after a Final", () => {
    // @ts-expect-error Property 'readOnly' does not exist on type 'FinalSagaBuilder<
    afterFinal.readOnly("look", { action: () => Effect.void })
    // @ts-expect-error Property 'compensatable' does not exist on type 'FinalSagaBuilder<
    afterFinal.compensatable("book", { action: () => Effect.void, compensate: undo })
  })

  test("a Compensatable step without its compensation", () => {
    // @ts-expect-error Property 'compensate' is missing in type
    begin.compensatable("flight", { action: () => bookFlight })
  })

  test("a name used twice, whatever the steps", () => {
    const named = begin.readOnly("flight", { action: () => Effect.void })
    // @ts-expect-error Argument of type '"flight"' is not assignable to parameter of type '"step \"flight\" is already declared in this saga"'.
    named.readOnly("flight", { action: () => Effect.void })
    // @ts-expect-error step \"flight\" is already declared in this saga
    named.compensatable("flight", { action: () => Effect.void, compensate: undo })
    // @ts-expect-error step \"flight\" is already declared in this saga
    named.final("flight", { action: () => Effect.void })
    // @ts-expect-error step \"charge\" is already declared in this saga
    afterFinal.final("charge", { action: () => Effect.void })
  })

  test("a name that cannot be one", () => {
    // @ts-expect-error a step needs a name: it identifies the step in the journal and in idempotency keys
    begin.readOnly("", { action: () => Effect.void })
    // @ts-expect-error step \"a/b\" cannot have this name: \"/\" separates the parts of a path
    begin.readOnly("a/b", { action: () => Effect.void })
    // @ts-expect-error a step's name must be a string literal, so that later steps can read its output by name
    begin.readOnly("flight" as string, { action: () => Effect.void })
    // @ts-expect-error a saga needs a name: stored executions are found by it
    Saga.make("")
  })

  test("the output of a step that is later, or not there", () => {
    begin
      // @ts-expect-error Property 'flight' does not exist on type '{}'.
      .readOnly("quote", { action: ({ outputs }) => Effect.succeed(outputs.flight) })
      .compensatable("flight", {
        action: () => bookFlight,
        // @ts-expect-error Property 'flight' does not exist on type '{ readonly quote:
        compensate: ({ outputs }) => Effect.succeed(outputs.flight)
      })
  })

  test("a success schema that is not the action's output", () => {
    // @ts-expect-error Type 'typeof String$' is not assignable to type 'Schema<number, any, never>'.
    begin.readOnly("quote", { success: Schema.String, action: () => Effect.succeed(1) })
  })

  test("a saga without steps", () => {
    // @ts-expect-error is not assignable to method's 'this' of type '"a saga needs at least one step"'.
    begin.build()
  })

  test("a version that is not a positive integer", () => {
    // @ts-expect-error Type 'number' is not assignable to type '"version 0 is not a positive integer"'.
    Saga.make("Trip", { version: 0 })
    // @ts-expect-error version 1.5 is not a positive integer
    Saga.make("Trip", { version: 1.5 })
    // @ts-expect-error version -1 is not a positive integer
    Saga.make("Trip", { version: -1 })
  })

  test("input fields without a schema, at the field", () => {
    // @ts-expect-error Type 'typeof Int' is not assignable to type '"the input is a schema: write Schema.Struct around its fields"'.
    Saga.make("Pay", { input: { amount: Schema.Int } })
    // @ts-expect-error Type '{}' is not assignable to type 'FieldsWithoutSchema | Schema<void, undefined, never> | undefined'.
    Saga.make("Pay", { input: {} })
  })

  // There is one error in each of these, at the option: the action and the compensation, which are right, are not blamed.
  test("an option of another type, at the option", () => {
    begin.compensatable("flight", {
      action: ({ input }) => Effect.as(bookFlight, { id: input }),
      compensate: ({ output }) => Effect.as(Bank, output.id),
      // @ts-expect-error Type 'number' has no properties in common with type 'RetryPolicy<any, number, never>'.
      retry: 3
    })
    begin.compensatable("flight", {
      action: ({ input }) => Effect.as(bookFlight, { id: input }),
      compensate: ({ output }) => Effect.as(Bank, output.id),
      // @ts-expect-error Type 'Schedule<Duration, unknown, never>' has no properties in common with type 'RetryPolicy<any, number, never>'.
      retry: Schedule.exponential("100 millis")
    })
    begin.compensatable("flight", {
      when: ({ input }) => input === "Rome",
      action: ({ input }) => Effect.as(maybeBooked, { id: input }),
      compensate: ({ output }) => Effect.as(Bank, output.id),
      inDoubt: "verify",
      verify: ({ input }) => Effect.as(Airline, Option.some({ id: input })),
      // @ts-expect-error Type '"5 secs"' is not assignable to type 'DurationInput | undefined'.
      timeout: "5 secs"
    })
    begin.readOnly("quote", {
      action: ({ input }) => Effect.as(bookFlight, input),
      // @ts-expect-error Type 'number' has no properties in common with type 'RetryPolicy<any, number, never>'.
      retry: 3
    })
    begin.final("charge", {
      action: ({ input }) => Effect.as(charge, input),
      // @ts-expect-error Type 'number' has no properties in common with type 'RetryPolicy<any, undefined, unknown>'.
      retry: 3
    })
  })

  test("a policy for doubt that does not exist", () => {
    // @ts-expect-error Type '"ignore"' is not assignable to type
    begin.final("charge", { action: () => charge, inDoubt: "ignore" })
  })
})

describe("composition", () => {
  const hotel = { success: Flight, error: FlightFull, action: () => bookFlight, compensate: undo }
  const reserve = begin.compensatable("flight", hotel).build(({ outputs }) => outputs.flight)
  const pay = Saga.make("Pay", { input: Schema.Number })
    .final("charge", { success: Schema.Number, action: () => charge, inDoubt: "retry" })
    .build(({ outputs }) => outputs.charge)

  test("siblings do not see each other; later steps see them all", () => {
    begin
      .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
      .parallel((branch) =>
        branch
          .compensatable("hotel", hotel)
          .readOnly("look", {
            action: ({ outputs }) => {
              expect(outputs).type.toBe<{ readonly quote: number }>()
              // @ts-expect-error Property 'hotel' does not exist on type '{ readonly quote: number; }'.
              return Effect.succeed(outputs.hotel)
            }
          })
      )
      .readOnly("after", {
        action: ({ outputs }) => {
          expect(outputs.hotel).type.toBe<Flight>()
          return Effect.void
        }
      })
  })

  test("names are unique across a parallel block and what is around it", () => {
    const named = begin.readOnly("quote", { action: () => Effect.void })
    // @ts-expect-error step \"quote\" is already declared in this saga
    named.parallel((branch) => branch.compensatable("quote", hotel))
    // @ts-expect-error step \"hotel\" is already declared in this saga
    named.parallel((branch) => branch.compensatable("hotel", hotel).readOnly("hotel", { action: () => Effect.void }))
    const after = named.parallel((branch) => branch.compensatable("hotel", hotel))
    // @ts-expect-error step \"hotel\" is already declared in this saga
    after.compensatable("hotel", hotel)
    // @ts-expect-error step \"hotel\" is already declared in this saga
    after.saga("hotel", reserve, { input: () => "Rome" })
  })

  test("a parallel block without steps, or with a Final", () => {
    // @ts-expect-error a parallel block needs at least one step
    begin.parallel((branch) => branch)
    begin.parallel((branch) => {
      // @ts-expect-error Property 'final' does not exist on type 'BranchBuilder<
      branch.final("charge", { action: () => charge })
      return branch.compensatable("hotel", hotel)
    })
    // @ts-expect-error \"pay\" has a Final step: in a parallel block its siblings could still fail, and not be undone
    begin.parallel((branch) => branch.saga("pay", pay, { input: () => 1 }))
  })

  test("a parallel block that does not return its branch", () => {
    // @ts-expect-error Type 'void' is not assignable to type '"the function of a parallel block must return the branch that it is given, with its steps added"'.
    begin.parallel((branch) => {
      branch.compensatable("hotel", hotel)
    })
    // @ts-expect-error the function of a parallel block must return the branch that it is given, with its steps added
    begin.parallel(() => afterFinal)
  })

  test("a nested saga that is not built", () => {
    // @ts-expect-error is not assignable to parameter of type '"this is no built saga: end its definition with .build()"'.
    Saga.make("Parent").saga("trip", begin.compensatable("flight", hotel), { input: () => "Rome" })
    Saga.make("Parent").parallel((branch) =>
      // @ts-expect-error this is no built saga: end its definition with .build()
      branch.saga("trip", begin.compensatable("flight", hotel), { input: () => "Rome" })
    )
  })

  test("a nested saga's outputs, errors, requirements and debts are its parent's", () => {
    const parent = Saga.make("Parent")
      .saga("trip", reserve, { input: () => "Rome" })
      .readOnly("look", {
        action: ({ outputs }) => {
          expect(outputs.trip).type.toBe<Flight>()
          return Effect.void
        }
      })
      .build()
    expect(parent).type.toBe<
      Saga.Saga<
        void,
        { readonly trip: Flight; readonly look: void },
        FlightFull | ParseResult.ParseError,
        Airline,
        never
      >
    >()
    const owing = Saga.make("Owing").saga("inner", begin.readOnly("a", { action: () => bookFlight }).build(), {
      input: () => "Rome"
    }).build()
    // @ts-expect-error Saga.execute needs a success schema on step \"a\"
    Saga.execute(owing, undefined, { executionId: "1" })
    // @ts-expect-error Type 'number' is not assignable to type 'string'.
    Saga.make("Parent").saga("trip", reserve, { input: () => 1 })
  })

  test("a nested Final seals its parent from there", () => {
    const sealed = begin.saga("payment", pay, { input: () => 1 })
    // @ts-expect-error Property 'readOnly' does not exist on type 'FinalSagaBuilder<
    sealed.readOnly("late", { action: () => Effect.void })
    // @ts-expect-error Property 'parallel' does not exist on type 'FinalSagaBuilder<
    void sealed.parallel
    // @ts-expect-error Property 'saga' does not exist on type 'FinalSagaBuilder<
    sealed.saga("again", pay, { input: () => 1 })
    // @ts-expect-error Saga.scoped cannot undo Final step \"charge\" when the surrounding scope fails
    Saga.scoped(sealed.build(), "Rome")
    const later = sealed.final("email", { action: () => Effect.fail(new CardDeclined()), inDoubt: "retry" })
    // @ts-expect-error every run needs retry on Final step \"email\"
    Saga.run(later.build(), "Rome")
  })

  test("a condition makes the output an Option, for later steps and not for the compensation", () => {
    const saga = begin.compensatable("flight", {
      success: Flight,
      when: ({ input }) => input === "Rome",
      action: () => bookFlight,
      compensate: ({ output }) => {
        expect(output).type.toBe<Flight>()
        return Effect.void
      }
    }).build(({ outputs }) => outputs.flight)
    expect<Saga.Output<typeof saga>>().type.toBe<Option.Option<Flight>>()
    // @ts-expect-error Type '() => number' is not assignable to type '(earlier: Earlier<string, {}>) => boolean | Always'.
    begin.readOnly("a", { when: () => 1, action: () => Effect.void })
  })

  test("a timeout leaves an action with a side effect in doubt", () => {
    const cut = begin.compensatable("flight", { ...hotel, timeout: "5 seconds" }).build()
    // @ts-expect-error every run needs inDoubt on step \"flight\": its action can end with OutcomeUnknown
    Saga.run(cut, "Rome")
    const settled = begin.compensatable("flight", { ...hotel, timeout: "5 seconds", inDoubt: "retry" }).build()
    expect<Saga.Error<typeof settled>>().type.toBe<FlightFull | SagaError.OutcomeUnknown | ParseResult.ParseError>()
    const read = begin.readOnly("look", { action: () => Effect.void, timeout: "1 second" }).build()
    expect<Saga.Error<typeof read>>().type.toBe<Cause.TimeoutException | ParseResult.ParseError>()
  })

  test("a default timeout needs a default for doubt", () => {
    const saga = Saga.make("Defaults", { defaults: { timeout: "1 second" } }).compensatable("flight", hotel).build()
    // @ts-expect-error every run needs inDoubt beside timeout in the defaults of this saga
    Saga.run(saga, undefined)
    const settled = Saga.make("Defaults", { defaults: { timeout: "1 second", inDoubt: "park" } })
      .compensatable("flight", hotel).build()
    expect(Saga.run(settled, undefined)).type.not.toRaiseError()
    expect<Saga.Error<typeof settled>>().type.toBe<FlightFull | SagaError.OutcomeUnknown | Cause.TimeoutException>()
  })
})

describe("a run refuses", () => {
  test("durably, an output that could not be restored", () => {
    const saga = begin.compensatable("flight", { error: FlightFull, action: () => bookFlight, compensate: undo })
      .build()
    // @ts-expect-error is not assignable to parameter of type '"Saga.execute needs a success schema on step \"flight\": its output must be restored after a crash"'.
    Saga.execute(saga, "Rome", { executionId: "1" })
    // @ts-expect-error Saga.execute needs a success schema on step \"flight\"
    Saga.resume(saga, "1")
    // @ts-expect-error Saga.execute needs a success schema on step \"flight\"
    Recovery.run([saga])
    const untyped = begin.readOnly("json", { action: () => Effect.promise((): Promise<any> => Promise.resolve()) })
      .build()
    // @ts-expect-error Saga.execute needs a success schema on step \"json\"
    Saga.execute(untyped, "Rome", { executionId: "1" })
    expect(Saga.run(saga, "Rome")).type.not.toRaiseError()
  })

  test("durably, an error that a later call would not get", () => {
    const flight = { success: Flight, action: () => bookFlight, compensate: undo }
    const saga = begin.compensatable("flight", flight).build()
    expect(saga).type.toBe<
      Saga.Saga<string, { readonly flight: Flight }, FlightFull | ParseResult.ParseError, Airline, "flight.error">
    >()
    // @ts-expect-error is not assignable to parameter of type '"Saga.execute needs an error schema on step \"flight\", so that a later call gets the same error; error: \"asRecoveredFailure\" declines it"'.
    Saga.execute(saga, "Rome", { executionId: "1" })
    // @ts-expect-error Saga.execute needs an error schema on step \"flight\"
    Saga.start(saga, "Rome", { executionId: "1" })
    // @ts-expect-error Saga.execute needs an error schema on step \"flight\"
    Saga.resume(saga, "1")
    // @ts-expect-error Saga.execute needs an error schema on step \"flight\"
    Saga.await(saga, "1")
    // @ts-expect-error Saga.execute needs an error schema on step \"flight\"
    Recovery.run([saga])
    expect(Saga.run(saga, "Rome")).type.not.toRaiseError()
    expect(Saga.report(saga, "Rome")).type.not.toRaiseError()
    expect(Saga.scoped(saga, "Rome")).type.not.toRaiseError()
  })

  test("durably, an error of each kind of step, of a branch and of a nested saga", () => {
    const fail = () => Effect.fail(new FlightFull({ seats: 0 }))
    const nested = Saga.make("Nested").readOnly("inner", { action: fail }).build()
    const saga = begin
      .readOnly("look", { action: fail })
      .parallel((branch) =>
        branch
          .readOnly("left", { action: fail })
          .compensatable("right", { action: fail, compensate: undo })
      )
      .saga("nested", nested, { input: () => undefined })
      .final("pay", { action: fail, inDoubt: "retry" })
      .final("post", { action: fail, inDoubt: "retry", retry: { times: 1 } })
      .build(() => "done")
    expect(saga).type.toBe<
      Saga.Saga<
        string,
        string,
        FlightFull | ParseResult.ParseError | SagaError.FailedAfterCommit<FlightFull>,
        never,
        | "look.error"
        | "left.error"
        | "right.error"
        | "inner.error"
        | "pay.error"
        | "pay.final"
        | "post.error"
        | "post.final"
      >
    >()
  })

  test("durably, not an error with a schema, or one that is declined, above the action or beneath it", () => {
    const settled = begin
      .compensatable("flight", { success: Flight, error: FlightFull, action: () => bookFlight, compensate: undo })
      .compensatable("above", {
        success: Flight,
        error: "asRecoveredFailure",
        action: () => bookFlight,
        compensate: ({ output }) => {
          expect(output).type.toBe<Flight>()
          return undo()
        }
      })
      .compensatable("beneath", {
        success: Flight,
        action: () => bookFlight,
        compensate: ({ output }) => {
          expect(output).type.toBe<Flight>()
          return undo()
        },
        error: "asRecoveredFailure"
      })
      .build(() => "done")
    expect(settled).type.toBe<Saga.Saga<string, string, FlightFull | ParseResult.ParseError, Airline, never>>()
    expect(Saga.execute(settled, "Rome", { executionId: "1" })).type.not.toRaiseError()
    // @ts-expect-error Type '"asRecovered"' is not assignable to type
    begin.readOnly("a", { error: "asRecovered", action: () => bookFlight })
  })

  test("durably, neither a step without an error, nor one whose only error is its doubt", () => {
    const doubt = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
    const saga = begin
      .readOnly("look", { action: () => Effect.void })
      .compensatable("flight", { action: () => doubt, compensate: undo, inDoubt: "park" })
      .build(() => "done")
    expect(saga).type.toBe<
      Saga.Saga<string, string, SagaError.OutcomeUnknown | ParseResult.ParseError, never, never>
    >()
    const both = begin.compensatable("flight", {
      success: Flight,
      action: () => maybeBooked,
      compensate: undo,
      inDoubt: "park"
    })
    // @ts-expect-error Saga.execute needs an error schema on step \"flight\"
    Saga.execute(both.build(), "Rome", { executionId: "1" })
    const untyped = begin.readOnly("json", { action: (): Effect.Effect<void, any> => Effect.void }).build()
    // @ts-expect-error Saga.execute needs an error schema on step \"json\"
    Saga.execute(untyped, "Rome", { executionId: "1" })
  })

  test("durably, a Final that does not say what a crash during it means", () => {
    const saga = begin.final("charge", { success: Schema.Number, error: CardDeclined, action: () => charge }).build()
    // @ts-expect-error is not assignable to parameter of type '"Saga.execute needs inDoubt on Final step \"charge\": what if the process dies during its action?"'.
    Saga.execute(saga, "Rome", { executionId: "1" })
    expect(Saga.run(saga, "Rome")).type.not.toRaiseError()
  })

  test("an action that can end with OutcomeUnknown and does not say what that means", () => {
    const saga = begin.compensatable("flight", { success: Flight, action: () => maybeBooked, compensate: undo }).build()
    // @ts-expect-error is not assignable to parameter of type '"every run needs inDoubt on step \"flight\": its action can end with OutcomeUnknown"'.
    Saga.run(saga, "Rome")
    // @ts-expect-error every run needs inDoubt on step \"flight\"
    Saga.report(saga, "Rome")
    // @ts-expect-error every run needs inDoubt on step \"flight\"
    Saga.scoped(saga, "Rome")
    // @ts-expect-error every run needs inDoubt on step \"flight\"
    Saga.execute(saga, "Rome", { executionId: "1" })
    const settled = begin.compensatable("flight", {
      success: Flight,
      action: () => maybeBooked,
      compensate: undo,
      inDoubt: "park"
    })
    expect(Saga.run(settled.build(), "Rome")).type.not.toRaiseError()
    expect(begin.readOnly("look", { action: () => maybeBooked }).build()).type.toBeAssignableTo<
      Saga.Saga<string, unknown, unknown, never, `${string}.success` | `${string}.error`>
    >()
  })

  test("durably, and tells all that is missing at once", () => {
    const saga = begin
      .compensatable("flight", { error: FlightFull, action: () => bookFlight, compensate: undo })
      .final("charge", { success: Schema.Number, error: CardDeclined, action: () => charge })
      .build()
    // @ts-expect-error (also missing: charge.inDoubt)
    Saga.execute(saga, "Rome", { executionId: "1" })
    // @ts-expect-error (also missing: charge.inDoubt)
    Recovery.run([saga, afterFinal.build()])
  })

  test("a saga that is not built", () => {
    // @ts-expect-error is not assignable to parameter of type '"this is no built saga: end its definition with .build()"'.
    Saga.run(afterFinal, "Rome")
    // @ts-expect-error this is no built saga: end its definition with .build()
    Saga.report(afterFinal, "Rome")
    // @ts-expect-error this is no built saga: end its definition with .build()
    Saga.scoped(afterFinal, "Rome")
    // @ts-expect-error this is no built saga: end its definition with .build()
    Saga.execute(afterFinal, "Rome", { executionId: "1" })
    // @ts-expect-error this is no built saga: end its definition with .build()
    Saga.resume(afterFinal, "1")
    // @ts-expect-error this is no built saga: end its definition with .build()
    Recovery.run([afterFinal])
  })

  test("sagas that are in no list, or in one of any sagas", () => {
    const saga = begin.readOnly("look", { success: Schema.Number, action: () => Effect.succeed(1) }).build()
    expect(Worker.layer([saga])).type.not.toRaiseError()
    const sagas = [saga]
    expect(Worker.layer(sagas)).type.not.toRaiseError()
    // @ts-expect-error "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"
    Worker.layer(saga)
    // @ts-expect-error "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"
    Recovery.run(saga)
    // @ts-expect-error "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"
    Recovery.events(saga)
    const some = (sagas: ReadonlyArray<Saga.Any>) => {
      // @ts-expect-error "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"
      Worker.layer(sagas)
      // @ts-expect-error "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"
      Recovery.run(sagas)
      // @ts-expect-error the type of this saga does not say what it still owes
      Recovery.run([saga, sagas[0]!])
    }
    expect(some).type.toBe<(sagas: ReadonlyArray<Saga.Any>) => void>()
  })

  test("a compensation above its action, which has an output of no type", () => {
    const step = { compensate: undo, action: () => bookFlight }
    expect(Saga.run(begin.compensatable("flight", step).build(), "Rome")).type.not.toRaiseError()
    const saga = begin.compensatable("flight", {
      compensate: ({ output }) => Effect.log(output),
      action: ({ input }) => Effect.as(bookFlight, input)
    }).build()
    // @ts-expect-error every run needs the type of the output of step \"flight\": its action must return an effect, and stand above its compensation
    Saga.run(saga, "Rome")
  })

  test("a saga of which nothing is known, but not one of type any", () => {
    // @ts-expect-error the type of this saga does not say what it still owes
    Saga.run({} as Saga.Any, undefined as never)
    expect(Saga.run({} as Saga.Saga<void, number, never, never, any>)).type.toBe<
      Effect.Effect<number, SagaError.PartlyUndone<never>>
    >()
    const generic = <A, E, R>(saga: Saga.Saga<void, A, E, R, `${string}.final`>) =>
      Saga.execute(saga, undefined, { executionId: "1" })
    expect(generic).type.not.toRaiseError()
  })

  test("inDoubt: \"verify\" without verify", () => {
    const saga = begin.final("charge", { success: Schema.Number, action: () => charge, inDoubt: "verify" }).build()
    // @ts-expect-error every run needs verify on step \"charge\": its inDoubt is \"verify\"
    Saga.run(saga, "Rome")
  })

  test("a Final in a scope", () => {
    // @ts-expect-error is not assignable to parameter of type '"Saga.scoped cannot undo Final step \"charge\" when the surrounding scope fails"'.
    Saga.scoped(afterFinal.build(), "Rome")
  })

  test("a later Final that can fail and is not tried again", () => {
    const saga = afterFinal.final("email", { action: () => Effect.fail(new CardDeclined()), inDoubt: "retry" }).build()
    // @ts-expect-error every run needs retry on Final step \"email\": after the point of no return a saga can only go forward
    Saga.run(saga, "Rome")
    const byTimes = afterFinal.final("email", { action: () => Effect.fail(new CardDeclined()), retry: { times: 2 } })
    expect(Saga.run(byTimes.build(), "Rome")).type.not.toRaiseError()
    const bySchedule = afterFinal.final("email", {
      action: () => Effect.fail(new CardDeclined()),
      retry: { schedule: Schedule.spaced("1 minute") }
    })
    expect(Saga.run(bySchedule.build(), "Rome")).type.not.toRaiseError()
    const cut = afterFinal.final("email", { action: () => Effect.void, timeout: "1 second", inDoubt: "park" }).build()
    // @ts-expect-error every run needs retry on Final step \"email\"
    Saga.run(cut, "Rome")
    const cannotFail = afterFinal.final("email", { action: () => Effect.void, inDoubt: "retry" })
    expect(Saga.run(cannotFail.build(), "Rome")).type.not.toRaiseError()
  })

  test("input of another type", () => {
    // @ts-expect-error Argument of type 'number' is not assignable to parameter of type 'string'.
    Saga.run(afterFinal.build(), 1)
  })
})

describe("a run's type", () => {
  const saga = afterFinal.final("email", {
    error: FlightFull,
    action: () => Effect.fail(new FlightFull({ seats: 1 })),
    retry: { times: 1 },
    inDoubt: "retry"
  })
    .build(({ outputs }) => outputs.charge)

  test("in process: the steps' errors, and what says that something stands", () => {
    expect(Saga.run(saga, "Rome")).type.toBe<
      Effect.Effect<
        number,
        | CardDeclined
        | ParseResult.ParseError
        | SagaError.FailedAfterCommit<FlightFull>
        | SagaError.PartlyUndone<CardDeclined | ParseResult.ParseError>,
        Bank
      >
    >()
  })

  test("enqueued: what the store adds, and none of the saga's services", () => {
    expect(Saga.enqueue(saga, "Rome", { executionId: "1" })).type.toBe<
      Effect.Effect<
        void,
        | ParseResult.ParseError
        | SagaError.CheckpointError
        | SagaError.ExecutionConflict
        | SagaError.InvalidExecutionId
        | SagaError.NotStorable
        | SagaError.DefinitionChanged
        | SagaError.JournalCorrupt,
        Checkpoint.Checkpoint
      >
    >()
  })

  test("a worker needs the services of its sagas", () => {
    expect(Worker.layer([saga])).type.toBe<
      Layer.Layer<never, SagaError.CheckpointError, Bank | Checkpoint.Checkpoint>
    >()
  })

  test("a cancellation needs nothing but the store", () => {
    expect(Saga.cancel("1", { by: "clerk" })).type.toBe<
      Effect.Effect<
        void,
        | SagaError.CancellationRefused
        | SagaError.ExecutionNotFound
        | SagaError.JournalCorrupt
        | SagaError.CheckpointError,
        Checkpoint.Checkpoint
      >
    >()
  })

  test("durably: also what the store and a recovered failure add", () => {
    expect(Saga.execute(saga, "Rome", { executionId: "1" })).type.toBe<
      Effect.Effect<
        number,
        | CardDeclined
        | ParseResult.ParseError
        | SagaError.FailedAfterCommit<FlightFull | SagaError.RecoveredFailure>
        | SagaError.PartlyUndone<
          CardDeclined | ParseResult.ParseError | SagaError.RecoveredFailure | SagaError.Cancelled
        >
        | SagaError.RecoveredFailure
        | SagaError.OutcomeUnknown
        | SagaError.Cancelled
        | SagaError.KeepsFailing
        | SagaError.CheckpointError
        | SagaError.ExecutionConflict
        | SagaError.InvalidExecutionId
        | SagaError.NotStorable
        | SagaError.DefinitionChanged
        | SagaError.JournalCorrupt,
        Bank | Checkpoint.Checkpoint
      >
    >()
  })

  test("as a report: what failed after a commit is told apart", () => {
    const reported = Saga.report(saga, "Rome")
    type Report = Effect.Effect.Success<typeof reported>
    expect<Extract<Report, { readonly _tag: "FailedAfterCommit" }>["error"]>().type.toBe<
      SagaError.FailedAfterCommit<FlightFull> | SagaError.FailedAfterCommit<never>
    >()
    expect<Extract<Report, { readonly _tag: "Undone" }>["cause"]>().type.toBe<
      Cause.Cause<CardDeclined | ParseResult.ParseError>
    >()
  })

  test("as a report: nothing in the error channel", () => {
    expect<Effect.Effect.Error<ReturnType<typeof Saga.report<string, number, CardDeclined, Bank>>>>().type.toBe<never>()
  })

  test("in a scope: needs the scope", () => {
    const reserve = begin.compensatable("flight", { action: () => bookFlight, compensate: undo }).build()
    expect<Effect.Effect.Context<ReturnType<typeof Saga.scoped<string, Flight, FlightFull, Airline>>>>().type.toBe<
      Airline | Scope.Scope
    >()
    expect(Saga.scoped(reserve, "Rome")).type.not.toRaiseError()
  })

  test("of recovery: the services of all the sagas", () => {
    const other = begin.compensatable("flight", {
      success: Flight,
      error: FlightFull,
      action: () => bookFlight,
      compensate: undo
    }).build()
    expect(Recovery.run([saga, other])).type.toBe<
      Effect.Effect<Recovery.Summary, SagaError.CheckpointError, Checkpoint.Checkpoint | Bank | Airline>
    >()
    expect(Recovery.events([saga, other])).type.toBe<
      Stream.Stream<
        Recovery.Event<number | { readonly flight: Flight }>,
        SagaError.CheckpointError,
        Checkpoint.Checkpoint | Bank | Airline
      >
    >()
  })
})
