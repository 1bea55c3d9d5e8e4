/** A durable run stores, and later steps see, what a value was when it was given: objects that change later change nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, ParseResult, Schema, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { eventsOf } from "./support/store.ts"

const Payment = Schema.Struct({ to: Schema.String, cents: Schema.Number, more: Schema.Unknown })

describe("an object that changes after it was given", () => {
  it.effect("as the input: who is paid, and what is stored, is what was given", () =>
    Effect.gen(function*() {
      const paid: Array<unknown> = []
      const saga = Saga.make("Pay", { input: Payment })
        .readOnly("wait", { action: () => Effect.sleep("10 millis") })
        .final("pay", {
          action: ({ input }) => Effect.sync(() => void paid.push(structuredClone(input))),
          inDoubt: "retry"
        })
        .build(({ input }) => input)
      const input = { to: "Ann", cents: 100, more: { note: ["rent"] } }
      const given = structuredClone(input)
      const fiber = yield* Effect.fork(Saga.execute(saga, input, { executionId: "1" }))
      yield* TestClock.adjust("5 millis")
      input.to = "Mallory"
      input.cents = 1_000_000
      input.more.note[0] = "gift"
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toEqual(given)
      expect(paid).toEqual([given])
      const [started] = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(started).toMatchObject({ _tag: "Started", input: given })
      expect(yield* Saga.execute(saga, given, { executionId: "1" })).toEqual(given)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("as an output: what later steps and the compensation see, and what is stored, is what was returned", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const see = (value: unknown) => Effect.sync(() => void seen.push(structuredClone(value)))
      const basket = { to: "Ann", cents: 100, more: { items: ["book"] } }
      const given = structuredClone(basket)
      const change = Effect.sync(() => {
        basket.to = "Mallory"
        basket.more.items.push("car")
      })
      const saga = Saga.make("Order")
        .compensatable("basket", {
          success: Payment,
          action: () => Effect.succeed(basket),
          compensate: ({ output }) => see(output)
        })
        .readOnly("change", { action: () => change })
        .readOnly("look", { action: ({ outputs }) => see(outputs.basket) })
        .readOnly("fail", { error: Schema.String, action: () => Effect.fail("no") })
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(seen).toEqual([given, given])
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(events.find(({ _tag }) => _tag === "StepSucceeded")).toMatchObject({ step: "basket", output: given })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is of its class again, where its schema makes one", () =>
    Effect.gen(function*() {
      class Money extends Schema.Class<Money>("Money")({ cents: Schema.Number }) {
        get euros() {
          return this.cents / 100
        }
      }
      const saga = Saga.make("Order", { input: Money })
        .readOnly("price", {
          success: Money,
          action: ({ input }) => Effect.succeed(new Money({ cents: input.euros * 200 }))
        })
        .build(({ input, outputs }) => [input.euros, outputs.price.euros])
      expect(yield* Saga.execute(saga, new Money({ cents: 300 }), { executionId: "1" })).toEqual([3, 6])
      expect(yield* Saga.execute(saga, new Money({ cents: 300 }), { executionId: "1" })).toEqual([3, 6])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is handed on as it is, where its schema can write it and not read it: a resume will say so", () =>
    Effect.gen(function*() {
      class Receipt {
        readonly number = 7
      }
      const OneWay = Schema.transformOrFail(Schema.Number, Schema.instanceOf(Receipt), {
        strict: true,
        decode: (number, _, ast) => ParseResult.fail(new ParseResult.Type(ast, number)),
        encode: ({ number }) => ParseResult.succeed(number)
      })
      const saga = Saga.make("Order")
        .readOnly("pay", { success: OneWay, action: () => Effect.succeed(new Receipt()) })
        .build(({ outputs }) => outputs.pay)
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toBeInstanceOf(Receipt)
      expect(yield* Effect.flip(Saga.execute(saga, undefined, { executionId: "1" }))).toMatchObject({
        _tag: "JournalCorrupt"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("that could never be read back is refused as an input, before anything is done", () =>
    Effect.gen(function*() {
      let calls = 0
      const Cents = Schema.transform(Schema.Number, Schema.Int, { decode: (n) => n * 100, encode: (n) => n / 100 })
      const saga = Saga.make("Pay", { input: Schema.Struct({ amount: Cents }) })
        .final("pay", { action: () => Effect.sync(() => void calls++), inDoubt: "retry" })
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, { amount: 113 }, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({
        _tag: "NotStorable",
        value: "the input",
        problem: expect.stringMatching(/^it could not be read back: /)
      })
      expect(calls).toBe(0)
      expect(yield* (yield* Checkpoint.Checkpoint).load("1")).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
