/** The test kit finds what is wrong with a saga, and finds nothing wrong with one that is right. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Saga, SagaError, type Step } from "effect-saga"
import { Faults, Ledger, SagaTest } from "effect-saga/testing"

interface Keyed {
  readonly idempotencyKey: Step.IdempotencyKey
}

/** A service that books things, as the outside world does it: it honours keys. */
class Booking extends Context.Tag("Booking")<Booking, {
  readonly book: (what: string, key: string) => Effect.Effect<string>
  readonly bookWithoutKey: (what: string) => Effect.Effect<string>
  readonly cancel: (id: string) => Effect.Effect<void>
  readonly find: (key: string, what: string) => Effect.Effect<Option.Option<string>>
}>() {
  static readonly layer = Layer.effect(
    Booking,
    Effect.map(Ledger.Ledger, (ledger) => ({
      book: (what, key) => Effect.as(ledger.do(what, key), what),
      bookWithoutKey: (what) => Effect.as(ledger.do(what), what),
      cancel: (id) => Effect.asVoid(ledger.undo(id)),
      find: (key, what) => Effect.map(ledger.has(key), (there) => there ? Option.some(what) : Option.none())
    }))
  )
}

const book = (what: string) => ({
  success: Schema.String,
  action: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ book }) => book(what, idempotencyKey)),
  compensate: ({ output }: { readonly output: string }) => Effect.flatMap(Booking, ({ cancel }) => cancel(output)),
  compensationRetry: { times: 5, schedule: Schedule.spaced("1 second") }
})

const charge = {
  success: Schema.String,
  action: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ book }) => book("charge", idempotencyKey)),
  inDoubt: "verify" as const,
  verify: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ find }) => find(idempotencyKey, "charge"))
}

const email = {
  action: ({ idempotencyKey }: Keyed) =>
    Effect.flatMap(Booking, ({ book }) => Effect.asVoid(book("email", idempotencyKey))),
  inDoubt: "retry" as const,
  retry: { schedule: Schedule.spaced("1 minute") }
}

const trip = Saga.make("Trip", { input: Schema.Struct({ city: Schema.String }) })
  .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
  .compensatable("flight", book("flight"))
  .parallel((branch) => branch.compensatable("hotel", book("hotel")).compensatable("car", book("car")))
  .saga("insurance", Saga.make("Insure").compensatable("policy", book("policy")).build(), { input: () => undefined })
  .final("charge", { ...charge, timeout: "5 seconds" })
  .final("email", email)
  .build()

const options = { input: { city: "Rome" }, layer: Booking.layer }

describe("a saga that is right", () => {
  it.effect("has no violations, whatever goes wrong", () =>
    Effect.gen(function*() {
      const { scenarios, summary, violations } = yield* SagaTest.explore(trip, options)
      expect(summary.split("\n").slice(1)).toEqual([])
      expect(violations).toEqual([])
      expect(scenarios.length).toBeGreaterThan(100)
      expect(scenarios.find(({ name }) => name === "crash before commit 0 is stored")?.crashedAt).toEqual([
        `Started, StepStarted "quote", StepSucceeded "quote", StepStarted "flight"`
      ])
      // The process after the one that crashed can crash as well.
      expect(scenarios.filter(({ crashedAt }) => crashedAt.length === 2).length).toBeGreaterThan(0)
      expect(new Set(scenarios.map(({ ended }) => ended))).toEqual(
        new Set(["Succeeded", "Undone", "Parked", "NotStarted"])
      )
    }), 30_000)
})

describe("a bug in a saga is found, and its first scenario is the shortest that shows it:", () => {
  const firstOf = <Requirements extends Booking>(
    saga: Parameters<typeof SagaTest.explore<void, Booking, never, Requirements, never>>[0]
  ) =>
    Effect.map(
      SagaTest.explore<void, Booking, never, Requirements, never>(saga, {
        input: undefined,
        layer: Booking.layer
      } as any),
      ({ violations: [first] }) => ({
        name: first?.name,
        faults: first?.faults.length,
        violations: first?.violations.map(({ _tag, message }) => `${_tag}: ${message}`)
      })
    )
  const pay = (begin: any): any => begin.final("charge", charge).build()

  it.effect("a compensation that forgets half of what its action did", () =>
    Effect.gen(function*() {
      const saga = pay(
        Saga.make("Trip").compensatable("rooms", {
          success: Schema.String,
          action: ({ idempotencyKey }) =>
            Effect.flatMap(Booking, ({ book }) =>
              Effect.as(
                Effect.all([book("single", `${idempotencyKey}/1`), book("double", `${idempotencyKey}/2`)]),
                "single"
              )),
          compensate: ({ output }) => Effect.flatMap(Booking, ({ cancel }) => cancel(output))
        })
      )
      expect(yield* firstOf(saga)).toEqual({
        name: `action of "charge" fails`,
        faults: 1,
        violations: [`Orphaned: "double", of step "rooms", stands, although everything is said to be undone`]
      })
    }))

  it.effect("an action that does not hand on its key, and has no verify", () =>
    Effect.gen(function*() {
      const saga = pay(
        Saga.make("Trip").compensatable("flight", {
          ...book("flight"),
          action: () => Effect.flatMap(Booking, ({ bookWithoutKey }) => bookWithoutKey("flight"))
        })
      )
      expect(yield* firstOf(saga)).toMatchObject({
        name: `action of "flight" is repeated`,
        faults: 1,
        violations: [`Doubled: "flight" was done twice, without a key`]
      })
    }))

  it.effect("a compensation that reads what a crash loses", () =>
    Effect.gen(function*() {
      const saga = () => {
        const ids = new Map<string, string>()
        return pay(
          Saga.make("Trip").compensatable("flight", {
            ...book("flight"),
            action: ({ executionId, idempotencyKey }) =>
              Effect.tap(
                Effect.flatMap(Booking, ({ book }) => book("flight", idempotencyKey)),
                (id) => Effect.sync(() => ids.set(executionId, id))
              ),
            compensate: ({ executionId }) =>
              Effect.flatMap(Booking, ({ cancel }) => cancel(ids.get(executionId) ?? "nothing"))
          })
        )
      }
      const first = yield* firstOf(saga)
      expect(first.faults).toBe(2)
      expect(first.name).toMatch(/^action of "charge" (fails|dies); crash (before|after) commit \d is stored$/)
      expect(first.violations).toContain(`UndoneWithoutDo: "nothing" was undone, and had never been done`)
    }))

  it.effect("compensations whose order matters, declared the wrong way round", () =>
    Effect.gen(function*() {
      // An account cannot be closed while there is a card on it.
      const saga = pay(
        Saga.make("Bank")
          .compensatable("card", book("card"))
          .compensatable("account", {
            ...book("account"),
            compensate: ({ output }) =>
              Effect.flatMap(Booking, ({ cancel, find }) =>
                Effect.flatMap(find("explored/card/action", "card"), (card) =>
                  Option.isSome(card) ? Effect.fail(new Error("there is a card on it")) : cancel(output)))
          })
      )
      expect(yield* firstOf(saga)).toMatchObject({
        name: `action of "charge" fails`,
        faults: 1,
        violations: expect.arrayContaining([`CannotUndo: the compensation of "account" failed: there is a card on it`])
      })
    }))

  it.effect("a Final that stands before a step that can fail for good", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Shop")
        .final("charge", charge)
        .final("ship", {
          ...book("parcel"),
          inDoubt: "retry",
          retry: { times: 2, schedule: Schedule.spaced("1 second") }
        })
        .build()
      expect(yield* firstOf(saga as any)).toMatchObject({
        name: `action of "ship" fails`,
        faults: 1,
        violations: [expect.stringMatching(/^CannotGoForward: "ship" failed for good after a Final/)]
      })
    }))
})

describe("the kit does not look away", () => {
  it.effect("where a scenario is asked for that there is none of", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(SagaTest.explore(trip, { ...options, only: [`action of "hotle" fails`] }))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
        `this saga has no scenario of the name 'action of "hotle" fails'`
      )
    }))

  it("where a fault has a step that there is none of, or a compensation", () => {
    expect(() => Faults.failAt(trip, "hotle")).toThrow(SagaError.InvalidSaga)
    expect(() => Faults.failAt(trip, "policy")).toThrow(
      `it has no step "policy" for a fault, but "quote", "flight", "hotel", "car", "insurance/policy", "charge", "email"`
    )
    expect(() => Faults.failUndoAt(trip, "charge")).toThrow(`step "charge" has no compensation for a fault`)
  })

  it.effect("where the saga needs a service that it was not given", () =>
    Effect.gen(function*() {
      // @ts-expect-error Property 'process' is missing
      const { summary } = yield* SagaTest.explore(trip, { input: { city: "Rome" }, layer: Layer.empty })
      expect(summary).not.toContain("Succeeded")
    }))

  it.effect("and says the same mistake once", () =>
    Effect.gen(function*() {
      const keyless = Saga.make("Keyless")
        .compensatable("flight", {
          ...book("flight"),
          action: () => Effect.flatMap(Booking, ({ bookWithoutKey }) => bookWithoutKey("flight"))
        })
        .build()
      const { summary, violations } = yield* SagaTest.explore(keyless, { input: undefined, layer: Booking.layer })
      expect(violations.length).toBeGreaterThan(2)
      // Once by itself, and once with the orphan that it may leave.
      expect(summary.split("\n").filter((line) => line.includes("was done twice")).length).toBe(2)
      expect(summary).toMatch(/\n {2}and \d+ more, which show nothing else$/)
    }))
})

describe("a ledger", () => {
  it.effect("undoes what was done under a key, and says what it was asked to do", () =>
    Effect.gen(function*() {
      const ledger = yield* Ledger.Ledger
      yield* ledger.do("room", "1")
      yield* ledger.do("room", "2")
      expect(yield* ledger.undo("room", "1")).toBe(true)
      expect(yield* ledger.undo("room", "1")).toBe(false)
      expect(yield* ledger.undo("room", "3")).toBe(false)
      expect(yield* ledger.standing).toEqual(["room"])
      expect(yield* ledger.has("2")).toBe(true)
      expect((yield* ledger.calls).map(({ _tag, changed, key }) => [_tag, key, changed])).toEqual([
        ["Do", "1", true],
        ["Do", "2", true],
        ["Undo", "1", true],
        ["Undo", "1", false],
        ["Undo", "3", false]
      ])
      expect((yield* ledger.violations).map(({ message }) => message)).toEqual([
        `"room" was done twice, under two keys`,
        `"room" was undone, and had never been done under the key "3"`
      ])
    }).pipe(Effect.provide(Ledger.layer)))
})
