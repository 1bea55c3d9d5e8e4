/** What the compiler knows of lists, and what it refuses, in the words in which it refuses it. */
import { Context, Effect, type ParseResult, Schema } from "effect"
import { type Checkpoint, Saga, type SagaError, Signal } from "effect-saga"
import { describe, expect, test } from "tstyche"

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { sku: Schema.String }) {}
class Warehouse extends Context.Tag("Warehouse")<Warehouse, { readonly shelves: number }>() {}

const Line = Schema.Struct({ sku: Schema.String, count: Schema.Int })
type Line = typeof Line.Type

declare const reserve: (line: Line) => Effect.Effect<string, OutOfStock, Warehouse>

const written = Saga.make("ReserveLine", { input: Line })
  .compensatable("reserve", {
    success: Schema.String,
    error: OutOfStock,
    action: ({ input }) => reserve(input),
    compensate: () => Effect.void
  })
const reserveLine = written.build(({ outputs }) => outputs.reserve)
const order = Saga.make("Order", { input: Schema.Struct({ lines: Schema.Array(Line) }) })
  .readOnly("shelf", { success: Schema.Number, action: () => Effect.succeed(1) })

describe("a list", () => {
  test("is made of the input and the outputs before it, and gives the outputs of its items to the steps after it", () => {
    order
      .forEach("lines", {
        items: ({ input, outputs }) => {
          expect(input).type.toBe<{ readonly lines: ReadonlyArray<Line> }>()
          expect(outputs).type.toBe<{ readonly shelf: number }>()
          return input.lines
        },
        key: (line, index) => {
          expect(line).type.toBe<Line>()
          expect(index).type.toBe<number>()
          return line.sku
        },
        step: reserveLine
      })
      .readOnly("after", {
        action: ({ outputs }) => {
          expect(outputs.lines).type.toBe<ReadonlyArray<string>>()
          return Effect.void
        }
      })
  })

  test("adds the errors and services of its saga, and its own refusal where it has keys", () => {
    const plain = order.forEach("lines", { items: ({ input }) => input.lines, step: reserveLine }).build()
    expect(plain).type.toBe<
      Saga.Saga<
        { readonly lines: ReadonlyArray<Line> },
        { readonly shelf: number; readonly lines: ReadonlyArray<string> },
        OutOfStock | ParseResult.ParseError,
        Warehouse
      >
    >()
    const keyed = order
      .forEach("lines", { items: ({ input }) => input.lines, key: ({ sku }) => sku, step: reserveLine })
      .build(({ outputs }) => outputs.lines)
    expect<Saga.Error<typeof keyed>>().type.toBe<OutOfStock | ParseResult.ParseError | SagaError.InvalidItems>()
    const run = Saga.execute(keyed, { lines: [] }, { executionId: "1" })
    expect<Effect.Effect.Context<typeof run>>().type.toBe<Warehouse | Checkpoint.Checkpoint>()
    // A list of literals for keys is one of texts.
    const literal = order
      .forEach("lines", { items: ({ input }) => input.lines, key: () => "one", step: reserveLine })
      .build()
    expect<Saga.Error<typeof literal>>().type.toBe<OutOfStock | ParseResult.ParseError | SagaError.InvalidItems>()
  })

  test("of a saga without input is as long as its list", () => {
    const tick = Saga.make("Tick").readOnly("tick", { success: Schema.Number, action: () => Effect.succeed(1) }).build()
    const saga = Saga.make("Ticks").forEach("ticks", { items: () => [undefined, undefined], step: tick }).build()
    expect<Saga.Output<typeof saga>>().type.toBe<{ readonly ticks: ReadonlyArray<{ readonly tick: number }> }>()
  })

  test("owes what its saga owes", () => {
    const careless = Saga.make("ReserveLine", { input: Line })
      .compensatable("reserve", { action: ({ input }) => reserve(input), compensate: () => Effect.void })
      .build()
    const saga = order.forEach("lines", { items: ({ input }) => input.lines, step: careless }).build()
    void Saga.run(saga, { lines: [] })
    // @ts-expect-error Saga.execute needs a success schema on step \"reserve\": its output must be restored after a crash
    Saga.execute(saga, { lines: [] }, { executionId: "1" })
  })

  test("whose saga has a Final", () => {
    const final = written.final("charge", { action: () => Effect.void, inDoubt: "retry" }).build()
    order.forEach("lines", {
      items: ({ input }) => input.lines,
      // @ts-expect-error \"lines\" has a Final step: the other items of the list could still fail, and not be undone
      step: final
    })
  })

  test("whose saga waits for a signal", () => {
    const waits = written.wait("go", Signal.make("go", { success: Schema.Void })).build()
    order.forEach("lines", {
      items: ({ input }) => input.lines,
      // @ts-expect-error \"lines\" has a step that waits: the other items of the list would have to stop in the middle
      step: waits
    })
  })

  test("whose saga is not built", () => {
    order.forEach("lines", {
      items: ({ input }) => input.lines,
      // @ts-expect-error this is no built saga: end its definition with .build()
      step: written
    })
  })

  test("whose items are not what its saga takes", () => {
    order.forEach("lines", {
      // @ts-expect-error Type 'number' is not assignable to type '{ readonly sku: string; readonly count: number; }'.
      items: ({ outputs }) => [outputs.shelf],
      step: reserveLine
    })
    order.forEach("lines", {
      items: ({ input }) => input.lines,
      // @ts-expect-error Type 'number' is not assignable to type 'string | ByIndex'.
      key: ({ count }) => count,
      step: reserveLine
    })
  })

  test("of the name of an earlier step, or of none that is known", () => {
    // @ts-expect-error step \"shelf\" is already declared in this saga
    order.forEach("shelf", { items: ({ input }) => input.lines, step: reserveLine })
    // @ts-expect-error a step's name must be a string literal
    order.forEach("lines" as string, { items: ({ input }) => input.lines, step: reserveLine })
    const after = order.forEach("lines", { items: ({ input }) => input.lines, step: reserveLine })
    // @ts-expect-error step \"lines\" is already declared in this saga
    after.readOnly("lines", { action: () => Effect.void })
  })

  test("stands before the first Final, and in no parallel block", () => {
    const sealed = order.final("charge", { action: () => Effect.void })
    // @ts-expect-error Property 'forEach' does not exist on type 'FinalSagaBuilder<
    void sealed.forEach
    // @ts-expect-error Property 'forEach' does not exist on type 'BranchBuilder<
    order.parallel((branch) => branch.forEach("lines", { items: () => [], step: reserveLine }))
  })
})
