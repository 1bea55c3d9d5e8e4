/** S26: a result can be read, by any version of its saga. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { Checkpoint, Plan, Saga, SagaEvents, ToolExecutor } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { failureOf } from "../support/exit.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"
import { step, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

class NoRoom extends Schema.TaggedError<NoRoom>()("NoRoom", { hotel: Schema.String }) {}
class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {}

const Receipt = Schema.Struct({ paid: Schema.Int, on: Schema.Date })
const receipt = { paid: 5, on: new Date(0) }
const Order = Schema.Struct({ amount: Schema.Int })
const one = { executionId: "1" }

/** The saga as the first release has it. */
const firstVersion = (world: World) =>
  Saga.make("Order", { input: Order })
    .compensatable("hotel", step(world, "hotel"))
    .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
    .build(({ input }) => ({ paid: input.amount, on: new Date(0) }), { success: Receipt })

/** A later release: other steps, which need a service of their own, and more in the input and in the output. */
class Bank extends Effect.Tag("Bank")<Bank, { readonly charge: Effect.Effect<string> }>() {}
const LaterOrder = Schema.Struct({
  amount: Schema.Int,
  currency: Schema.optionalWith(Schema.String, { default: () => "EUR" })
})
const LaterReceipt = Schema.Struct({
  ...Receipt.fields,
  currency: Schema.optionalWith(Schema.String, { default: () => "EUR" })
})
const laterVersion = Saga.make("Order", { input: LaterOrder, version: 2 })
  .final("pay", { success: Text, action: () => Bank.charge, inDoubt: "retry" })
  .build(({ input }) => ({ paid: input.amount, on: new Date(1), currency: input.currency }), { success: LaterReceipt })
const bank = Layer.succeed(Bank, { charge: Effect.die("the later version has run") })

const readsOnEveryStore = (store: Layer.Layer<Checkpoint.Checkpoint, unknown>) => {
  it.scoped("a later version gets the stored result, and runs nothing", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      expect(yield* Saga.execute(firstVersion(world), { amount: 5 }, one)).toEqual(receipt)
      const log = [...world.log]
      const later = { ...receipt, currency: "EUR" }
      // Without the services of the later version.
      expect(yield* Saga.await(laterVersion, "1")).toEqual(later)
      expect(yield* Saga.poll(laterVersion, "1")).toEqual(Option.some(Exit.succeed(later)))
      yield* Effect.gen(function*() {
        expect(yield* Saga.resume(laterVersion, "1")).toEqual(later)
        expect(yield* Saga.execute(laterVersion, { amount: 5, currency: "EUR" }, one)).toEqual(later)
        yield* Saga.start(laterVersion, { amount: 5, currency: "EUR" }, one)
      }).pipe(Effect.provide(bank))
      expect(world.log).toEqual(log)
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(events.at(-1)).toMatchObject({
        _tag: "Finished",
        output: { value: { paid: 5, on: "1970-01-01T00:00:00.000Z" } }
      })
    }).pipe(Effect.provide(store)))

  it.scoped("an unfinished execution of another definition stays as it is", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const first = firstVersion(world)
      // It stops before the charge: the intent is not stored.
      yield* Effect.provideService(
        Effect.exit(Saga.execute(first, { amount: 5 }, one)),
        Checkpoint.Checkpoint,
        failingStore(store, { failAt: 1 })
      )
      const before = yield* store.load("1")
      const asked = {
        await: Saga.await(laterVersion, "1"),
        poll: Saga.poll(laterVersion, "1"),
        resume: Saga.resume(laterVersion, "1"),
        execute: Saga.execute(laterVersion, { amount: 5, currency: "EUR" }, one)
      }
      for (const ask of Object.values<Effect.Effect<unknown, unknown, Bank | Checkpoint.Checkpoint>>(asked)) {
        expect(failureOf(yield* Effect.exit(Effect.provide(ask, bank)))).toMatchObject({
          _tag: "DefinitionChanged",
          difference: "it has version 1, this definition has version 2"
        })
      }
      expect(yield* store.load("1")).toEqual(before)
      expect(yield* Saga.resume(first, "1")).toEqual(receipt)
    }).pipe(Effect.provide(store)))
}

describe("S26: what is finished can be read after a deploy, in memory", () => readsOnEveryStore(Checkpoint.layerMemory))
describe("S26: what is finished can be read after a deploy, on SQLite", () =>
  readsOnEveryStore(SqliteCheckpoint.layer({ filename: ":memory:" })))
describePostgres(
  "S26: what is finished can be read after a deploy, on PostgreSQL",
  () => readsOnEveryStore(Layer.provide(SqlCheckpoint.layer(), freshClient))
)

describe("S26: a result that this process brings about", () => {
  it.effect("is read back for another version of the saga, which waits for it", () =>
    Effect.gen(function*() {
      const goOn = yield* Deferred.make<void>()
      const first = Saga.make("Order", { input: Order })
        .readOnly("look", { success: Text, action: () => Effect.as(Deferred.await(goOn), "seen") })
        .build(({ input }) => ({ paid: input.amount, on: new Date(0) }), { success: Receipt })
      yield* Saga.start(first, { amount: 5 }, one)
      const same = yield* Effect.fork(Saga.await(first, "1"))
      const later = yield* Effect.fork(Saga.await(laterVersion, "1"))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Fiber.join(same)).toEqual(receipt)
      expect(yield* Fiber.join(later)).toEqual({ ...receipt, currency: "EUR" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S26: the stored output", () => {
  const ended = <A, E, R>(test: (world: World) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const world = makeWorld()
      return Effect.zipRight(Saga.execute(firstVersion(world), { amount: 5 }, one), test(world))
    }).pipe(Effect.provide(Checkpoint.layerMemory))

  it.effect("that the later version cannot read is a typed error, which says so", () =>
    ended(() =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const before = yield* store.load("1")
        const other = Saga.make("Order", { version: 2 }).readOnly("look", {
          success: Text,
          action: () => Effect.succeed("")
        })
          .build(({ outputs }) => outputs.look, { success: Text })
        const error = yield* Effect.flip(Saga.await(other, "1"))
        expect(error).toMatchObject({ _tag: "DefinitionChanged" })
        expect(error.message).toContain(
          "it has version 1, this definition has version 2; and the success schema of this definition cannot read the stored output: " +
            "Expected string"
        )
        const sameSteps = firstVersion(makeWorld())
        const narrower = Saga.make("Order", { input: Order })
          .compensatable("hotel", step(makeWorld(), "hotel"))
          .final("charge", { success: Text, action: () => Effect.succeed(""), inDoubt: "retry" })
          .build(() => "", { success: Text })
        expect(yield* Effect.flip(Saga.await(narrower, "1"))).toMatchObject({
          _tag: "JournalCorrupt",
          problem: expect.stringMatching(/^the output: Expected string/)
        })
        expect(yield* store.load("1")).toEqual(before)
        expect(yield* Saga.await(sameSteps, "1")).toEqual(receipt)
      })
    ))

  it.effect("is read only by a saga of its name, and by one that says how: for any other all is as before", () =>
    ended(() =>
      Effect.gen(function*() {
        const look = { success: Text, action: () => Effect.succeed("") }
        const build = (name: string) => Saga.make(name, { version: 2 }).readOnly("look", look)
        const stranger = build("Stranger").build(() => receipt, { success: Receipt })
        expect(yield* Effect.flip(Saga.await(stranger, "1"))).toMatchObject({ reason: "OtherSaga" })
        expect(yield* Effect.flip(Saga.await(build("Order").build(), "1"))).toMatchObject({ _tag: "DefinitionChanged" })
        expect(yield* Effect.flip(Saga.inspect(laterVersion, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
        // With the same steps and no schema the projection makes it again.
        const without = Saga.make("Order", { input: Order })
          .compensatable("hotel", step(makeWorld(), "hotel"))
          .final("charge", { success: Text, action: () => Effect.succeed(""), inDoubt: "retry" })
          .build(({ outputs }) => outputs.charge)
        expect(yield* Saga.await(without, "1")).toBe("charge-output")
      })
    ))

  it.effect("is not made up for an execution that ended before there was a schema", () =>
    Effect.gen(function*() {
      const look = { success: Text, action: () => Effect.succeed("seen") }
      const before = Saga.make("Look").readOnly("look", look).build(({ outputs }) => outputs.look)
      yield* Saga.execute(before, undefined, one)
      const Maybe = Schema.UndefinedOr(Text)
      const sameSteps = Saga.make("Look").readOnly("look", look).build(({ outputs }) => outputs.look, {
        success: Maybe
      })
      expect(yield* Saga.await(sameSteps, "1")).toBe("seen")
      const later = Saga.make("Look", { version: 2 }).readOnly("look", look).build(() => undefined, { success: Maybe })
      expect(yield* Effect.flip(Saga.await(later, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
      // While an output that is undefined is one.
      yield* Saga.execute(later, undefined, { executionId: "2" })
      expect(yield* Saga.await(sameSteps, "2")).toBe(undefined)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("does not change with the object that it was, and costs no commit", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const rooms = ["12A"]
      const make = (build: "plain" | "kept") => {
        const steps = Saga.make("Rooms").compensatable("room", {
          success: Schema.mutable(Schema.Array(Text)),
          action: () => Effect.succeed(rooms),
          compensate: () => Effect.void
        })
        const kept = Schema.mutable(Schema.Array(Text))
        return build === "plain" ? steps.build(() => rooms) : steps.build(() => rooms, { success: kept })
      }
      const first = yield* Saga.execute(make("kept"), undefined, one)
      rooms.push("12B")
      expect(first).toEqual(["12A"])
      expect(yield* Saga.await(make("kept"), "1")).toEqual(["12A"])
      yield* Saga.execute(make("plain"), undefined, { executionId: "2" })
      expect((yield* store.load("1")).length).toBe((yield* store.load("2")).length)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is told to no listener, for it may be secret", () =>
    Effect.gen(function*() {
      const events: Array<SagaEvents.SagaEvent> = []
      const secret = Saga.make("Secret").readOnly("look", { success: Text, action: () => Effect.succeed("token-4711") })
        .build(({ outputs }) => outputs.look, { success: Text })
      yield* SagaEvents.listen(Saga.execute(secret, undefined, one), (event) => Effect.sync(() => events.push(event)))
      expect(events.map(({ _tag }) => _tag)).toContain("Finished")
      expect(JSON.stringify(events)).not.toContain("token-4711")
    }).pipe(Effect.provide(Layer.merge(Checkpoint.layerMemory, SagaEvents.layer))))

  it.effect("of a nested saga is its parent's affair, and a run in process stores none", () =>
    Effect.gen(function*() {
      // Its values could not be stored.
      const inner = Saga.make("Inner").readOnly("look", { success: Text, action: () => Effect.succeed("") })
        .build(({ outputs }) => outputs.look, { success: Schema.NonEmptyString })
      const outer = Saga.make("Outer").saga("inner", inner, { input: () => undefined }).build()
      expect(yield* Saga.execute(outer, undefined, one)).toEqual({ inner: "" })
      expect(yield* Saga.run(inner, undefined)).toBe("")
      expect((yield* Saga.report(inner, undefined))._tag).toBe("Succeeded")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S26: the input of an execution that an earlier version has finished", () => {
  const ask = (input: { readonly amount: number; readonly currency: string }) =>
    Effect.provide(Saga.execute(laterVersion, input, one), bank)

  it.effect("is the same if the asking version reads it so, and another one is refused", () =>
    Effect.gen(function*() {
      yield* Saga.execute(firstVersion(makeWorld()), { amount: 5 }, one)
      expect(yield* ask({ amount: 5, currency: "EUR" })).toMatchObject({ paid: 5 })
      for (const other of [{ amount: 6, currency: "EUR" }, { amount: 5, currency: "USD" }]) {
        expect(failureOf(yield* Effect.exit(ask(other)))).toMatchObject({ reason: "OtherInput" })
        expect(failureOf(yield* Effect.exit(Effect.provide(Saga.start(laterVersion, other, one), bank)))).toMatchObject(
          {
            reason: "OtherInput"
          }
        )
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is another one if the asking version cannot read it; the result can be read without", () =>
    Effect.gen(function*() {
      yield* Saga.execute(firstVersion(makeWorld()), { amount: 5 }, one)
      const build = (input: Schema.Schema<any, any> | undefined) =>
        Saga.make("Order", { version: 3, ...(input === undefined ? {} : { input }) })
          .readOnly("look", { success: Text, action: () => Effect.die("it has run") })
          .build(() => receipt, { success: Receipt })
      const named = build(Schema.Struct({ customer: Schema.String }))
      for (const [saga, input] of [[named, { customer: "Ada" }], [build(undefined), undefined]] as const) {
        const exit = yield* Effect.exit(Saga.execute(saga as typeof named, input as never, one))
        expect(failureOf(exit)).toMatchObject({ reason: "OtherInput" })
        expect(yield* Saga.await(saga, "1")).toEqual(receipt)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S26: an execution that was undone", () => {
  const refused = (world: World) =>
    Saga.make("Order")
      .compensatable("hotel", step(world, "hotel"))
      .readOnly("room", { error: NoRoom, action: () => Effect.fail(new NoRoom({ hotel: "Ritz" })) })
      .build()
  const version = <E>(error: Schema.Schema<E, any>, name: "room" | "suite"): Saga.Saga<void, unknown, E, never> =>
    Saga.make("Order", { version: 2 }).readOnly("rate", { success: Text, action: () => Effect.die("it has run") })
      .readOnly(name as "room", { error, action: (): Effect.Effect<void, E> => Effect.die("it has run") })
      .build()

  it.effect("tells a later version why, in its own error where the step that failed still has a schema for it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      yield* Effect.flip(Saga.execute(refused(world), undefined, one))
      expect(world.standing()).toEqual([])
      const recovered = { _tag: "RecoveredFailure", tag: "NoRoom" }
      const asked = [
        [version(NoRoom, "room"), { _tag: "NoRoom", hotel: "Ritz" }],
        [version(NoRoom, "suite"), recovered],
        [version(Declined, "room"), recovered]
      ] as const
      for (const [made, expected] of asked) {
        const saga: Saga.Saga<void, unknown, NoRoom | Declined, never> = made
        expect(yield* Effect.flip(Saga.await(saga, "1"))).toMatchObject(expected)
        expect(yield* Effect.flip(Saga.execute(saga, undefined, one))).toMatchObject(expected)
        expect(yield* Effect.flip(Saga.resume(saga, "1"))).toMatchObject(expected)
        expect(JSON.stringify(yield* Saga.poll(saga, "1"))).toContain(`"_tag":"${expected._tag}"`)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("says nothing of another plan of the same name", () =>
    Effect.gen(function*() {
      const refuses = ToolExecutor.layerFunction(() => Effect.fail(new Error("refused")))
      const plan = (tool: string) =>
        Plan.decode({
          name: "Order",
          steps: [{ name: "look", classification: "ReadOnly", action: { tool, arguments: {} } }]
        })
      yield* Effect.gen(function*() {
        const first = yield* plan("look")
        expect(yield* Effect.flip(Saga.execute(first, undefined, one))).toMatchObject({ _tag: "ToolFailed" })
        expect(yield* Effect.flip(Saga.await(first, "1"))).toMatchObject({ _tag: "ToolFailed" })
        expect(yield* Effect.flip(Saga.await(yield* plan("search"), "1"))).toMatchObject({ _tag: "DefinitionChanged" })
        const coded = version(NoRoom, "room")
        expect(yield* Effect.flip(Saga.await(coded, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
      }).pipe(Effect.provide(refuses))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("but one that is parked belongs to its definition", () =>
    Effect.gen(function*() {
      const stuck = Saga.make("Order").compensatable("hotel", {
        action: () => Effect.void,
        compensate: () => Effect.die("the hotel does not answer")
      }).readOnly("room", { error: NoRoom, action: () => Effect.fail(new NoRoom({ hotel: "Ritz" })) }).build()
      expect(yield* Effect.flip(Saga.execute(stuck, undefined, one))).toMatchObject({ _tag: "PartlyUndone" })
      const later = version(NoRoom, "room")
      expect(yield* Effect.flip(Saga.await(later, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
      expect(yield* Effect.flip(Saga.poll(later, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
      expect(yield* Effect.flip(Saga.resume(later, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S26: an output that cannot be stored", () => {
  /** `output` is refused by the schema when it is empty. */
  const make = (world: World, output: () => string, last: "final" | "compensatable") => {
    const begun = Saga.make("Order").compensatable("hotel", step(world, "hotel"))
    const options = { success: Schema.NonEmptyString }
    return last === "final"
      ? begun.final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" }).build(output, options)
      : begun.compensatable("charge", step(world, "charge")).build(output, options)
  }

  for (const last of ["final", "compensatable"] as const) {
    it.effect(`is an error of the call and undoes nothing: no step runs again, and it parks, after a ${last} step`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const world = makeWorld()
        let output = ""
        const saga = make(world, () => output, last)
        const error = yield* process(store, Effect.flip(Saga.execute(saga, undefined, one)))
        expect(error).toMatchObject({ _tag: "NotStorable", value: "the output", everyStepDone: true })
        expect(error.message).toContain("All steps of execution 1 of Order have happened")
        const notStorable = { error: { _tag: "NotStorable", everyStepDone: true } }
        for (let life = 1; life <= 10; life++) {
          expect(yield* process(store, recoverAll([saga]))).toMatchObject([{ _tag: "LeftAsItWas", cause: notStorable }])
        }
        const stands = ["hotel", "charge"]
        expect(yield* process(store, recoverAll([saga]))).toMatchObject([
          { _tag: "Parked", cause: { error: { _tag: "KeepsFailing", claims: 11, stands } } }
        ])
        expect(yield* process(store, recoverAll([saga]))).toEqual([])
        expect(world.log).toEqual(["+hotel", "+charge"])
        // Somebody has mended it.
        output = "paid"
        expect(yield* process(store, Saga.resume(saga, "1"))).toBe("paid")
        expect(yield* process(store, Saga.await(saga, "1"))).toBe("paid")
        expect(world.log).toEqual(["+hotel", "+charge"])
      }))
  }
})
