/** S23: a list is a block. Its items are in the journal before the first runs, each has its own key, and they unwind like siblings. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Schema, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { failureOf } from "../support/exit.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"
import { bothWays, forAMinute, step, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, recoverAll } from "../support/store.ts"
import { makeWorld, Refused, type World } from "../support/world.ts"

const Line = Schema.Struct({ sku: Schema.String, count: Schema.Int })
const Order = Schema.Struct({ lines: Schema.Array(Line) })
const lines = (...skus: ReadonlyArray<string>) => skus.map((sku, index) => ({ sku, count: index + 1 }))

/** Picks, then reserves what an item says; items are refused by what they are. */
const reserveLine = (world: World, refuses: (sku: string) => boolean = () => false) =>
  Saga.make("ReserveLine", { input: Line })
    .compensatable("pick", {
      success: Text,
      action: (context) => world.do(`pick ${context.input.sku}`)(context),
      compensate: (context) => world.undo(`pick ${context.input.sku}`)(context)
    })
    .compensatable("reserve", {
      success: Text,
      error: "asRecoveredFailure",
      action: (context): Effect.Effect<string, Refused> =>
        refuses(context.input.sku) ? world.refuse(context.input.sku)() : world.do(context.input.sku)(context),
      compensate: (context) => world.undo(context.input.sku)(context)
    })
    .build(({ input, outputs }) => ({ sku: input.sku, reservation: outputs.reserve }))

const order = (world: World, refuses?: (sku: string) => boolean) =>
  Saga.make("Order", { input: Order })
    .compensatable("flight", step(world, "flight"))
    .forEach("lines", {
      items: ({ input }) => input.lines,
      key: ({ sku }) => sku,
      step: reserveLine(world, refuses)
    })

const reserved = (sku: string) => ({ sku, reservation: `${sku}-output` })

/** Steps whose names are their items. */
const each = (world: World) =>
  Saga.make("Each", { input: Text })
    .compensatable("do", {
      success: Text,
      action: (context) => world.do(context.input)(context),
      compensate: (context) => world.undo(context.input)(context)
    })
    .build(({ outputs }) => outputs.do)

describe("S23: the items of a list", () => {
  it.effect("run one after another, and give their outputs in the order of the list", () =>
    Effect.gen(function*() {
      for (const run of ["in process", "durably"]) {
        const world = makeWorld()
        const saga = order(world).compensatable("hotel", step(world, "hotel")).build(({ outputs }) => outputs.lines)
        const input = { lines: lines("b", "a") }
        const output = yield* run === "durably"
          ? Saga.execute(saga, input, { executionId: "1" })
          : Saga.run(saga, input)
        expect(output).toEqual([reserved("b"), reserved("a")])
        expect(world.log).toEqual(["+flight", "+pick b", "+b", "+pick a", "+a", "+hotel"])
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("are undone like siblings: the last of the list first, each with its own steps newest first", () =>
    Effect.gen(function*() {
      for (const run of ["in process", "durably"]) {
        const world = makeWorld()
        const saga = order(world, (sku) => sku === "c").build()
        const input = { lines: lines("a", "b", "c", "d") }
        const exit = yield* Effect.exit(
          run === "durably" ? Saga.execute(saga, input, { executionId: "1" }) : Saga.run(saga, input)
        )
        expect(failureOf(exit)).toMatchObject({ _tag: "Refused", step: "c" })
        expect(world.log).toEqual([
          "+flight, +pick a, +a, +pick b, +b, +pick c, !c".split(", "),
          "-pick c, -b, -pick b, -a, -pick a, -flight".split(", ")
        ].flat())
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("have paths and idempotency keys of their own, made of their keys", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .forEach("lines", { items: () => ["a b", "ü%"], key: (line) => line, step: each(world) })
        .build()
      yield* Saga.execute(saga, undefined, { executionId: "1" })
      expect(world.keys).toEqual(["1/lines/a%20b/do/action", "1/lines/%C3%BC%25/do/action"])
      const store = yield* Checkpoint.Checkpoint
      const events = yield* eventsOf(store, "1")
      expect(events.flatMap((event) => event._tag === "StepSucceeded" ? [event.step] : []))
        .toEqual(["lines/a b/do", "lines/ü%/do"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("without a key are known by their index", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order").forEach("lines", { items: () => ["a", "a"], step: each(world) }).build()
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({ lines: ["a-output", "a-output"] })
      expect(world.keys).toEqual(["1/lines/0/do/action", "1/lines/1/do/action"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("are in the journal before the first of them runs, in the same commit as its intent", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      let known: ReadonlyArray<Journal.Event> = []
      const look = Saga.make("Look", { input: Schema.DateFromString })
        .compensatable("look", {
          action: () => Effect.orDie(Effect.map(eventsOf(store, "1"), (events) => void (known = events))),
          compensate: () => Effect.void
        })
        .build()
      const saga = Saga.make("Order").forEach("days", { items: () => [new Date(0), new Date(1)], step: look }).build()
      let commits = 0
      const counting: Checkpoint.Service = {
        ...store,
        append: (commit) => Effect.suspend(() => (commits++, store.append(commit)))
      }
      yield* Saga.execute(saga, undefined, { executionId: "1" }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, counting)
      )
      expect(known).toContainEqual(expect.objectContaining({
        _tag: "ItemsListed",
        list: "days",
        items: [{ key: "0", item: "1970-01-01T00:00:00.000Z" }, { key: "1", item: "1970-01-01T00:00:00.001Z" }]
      }))
      // One for each side effect and one for the end, as without a list.
      expect(commits).toBe(3)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("may be none: then nothing runs, and the output is an empty list", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = order(world).compensatable("hotel", step(world, "hotel")).build(({ outputs }) => outputs.lines)
      expect(yield* Saga.run(saga, { lines: [] })).toEqual([])
      expect(yield* Saga.execute(saga, { lines: [] }, { executionId: "1" })).toEqual([])
      expect(yield* Saga.execute(saga, { lines: [] }, { executionId: "1" })).toEqual([])
      expect(world.log).toEqual(["+flight", "+hotel", "+flight", "+hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("run as many at a time as concurrency says, and are undone in declared order reversed all the same", () =>
    Effect.gen(function*() {
      for (const [how, count] of [["in process", 2], ["durably", "unbounded"]] as const) {
        const world = makeWorld()
        let running = 0
        let most = 0
        const seconds = Saga.make("Seconds", { input: Schema.Int })
          .compensatable("wait", {
            success: Text,
            action: (context) =>
              Effect.sync(() => most = Math.max(most, ++running)).pipe(
                Effect.zipRight(Effect.sleep(`${context.input} seconds`)),
                Effect.zipRight(Effect.sync(() => running--)),
                Effect.zipRight(world.do(`${context.input}`)(context))
              ),
            compensate: (context) => world.undo(`${context.input}`)(context)
          })
          .build()
        const saga = Saga.make("Order")
          .forEach("lines", { items: () => [4, 1, 2], step: seconds, concurrency: count })
          .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        yield* forAMinute(bothWays(saga)[how])
        expect(most).toBe(count === "unbounded" ? 3 : 2)
        expect(world.log).toEqual(["+1", "+2", "+4", "!check", "-2", "-1", "-4"])
      }
    }))

  it.effect("with unwind: \"parallel\" are undone as many at a time as they ran, the last of the list first", () =>
    Effect.gen(function*() {
      for (const how of ["in process", "durably"] as const) {
        const log: Array<string> = []
        const slowly = Saga.make("Slowly", { input: Schema.Int })
          .compensatable("do", {
            action: () => Effect.void,
            compensate: ({ input }) =>
              Effect.sync(() => log.push(`begin ${input}`)).pipe(
                Effect.zipRight(Effect.sleep(`${input} seconds`)),
                Effect.zipRight(Effect.sync(() => log.push(`end ${input}`)))
              )
          })
          .build()
        const saga = Saga.make("Order")
          .forEach("lines", { items: () => [3, 2, 1], step: slowly, concurrency: 2, unwind: "parallel" })
          .readOnly("check", { action: () => Effect.fail("no"), error: Schema.String })
          .build()
        yield* forAMinute(bothWays(saga)[how])
        expect(log).toEqual(["begin 1", "begin 2", "end 1", "begin 3", "end 2", "end 3"])
      }
    }))

  it.effect("when several fail, all failures are kept, and those that have not begun do not begin", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const failing = Saga.make("Failing", { input: Text })
        .compensatable("do", {
          success: Text,
          error: "asRecoveredFailure",
          action: ({ input }) => Effect.delay(world.refuse(input)(), "1 second"),
          compensate: (context) => world.undo(context.input)(context)
        })
        .build()
      const saga = Saga.make("Order")
        .forEach("lines", { items: () => ["a", "b", "c"], concurrency: 2, step: failing })
        .build()
      const exit = yield* forAMinute(Saga.run(saga))
      const failures = Exit.isFailure(exit) ? Array.from(Cause.failures(exit.cause)) : []
      expect(failures).toMatchObject([{ step: "a" }, { step: "b" }])
      expect([...world.log].sort()).toEqual(["!a", "!b"])
    }))

  it.effect("an interruption ends the list where it is, and undoes it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const slow = Saga.make("Slow", { input: Text })
        .compensatable("do", {
          success: Text,
          action: (context) => Effect.delay(world.do(context.input)(context), "1 second"),
          compensate: (context) => world.undo(context.input)(context)
        })
        .build()
      const saga = Saga.make("Order").forEach("lines", { items: () => ["a", "b", "c"], step: slow }).build()
      const fiber = yield* Effect.fork(Saga.run(saga))
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("1 hour")
      expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
      expect(world.log).toEqual(["+a", "+b", "-b", "-a"])
    }))
})

describe("S23: lists inside lists and nested sagas", () => {
  const tree = (world: World, refused: string) => {
    const leaf = Saga.make("Leaf", { input: Text })
      .compensatable("s", {
        success: Text,
        error: "asRecoveredFailure",
        action: (context): Effect.Effect<string, Refused> =>
          context.input === refused ? world.refuse(context.input)() : world.do(context.input)(context),
        compensate: (context) => world.undo(context.input)(context)
      })
      .build(({ outputs }) => outputs.s)
    const branch = Saga.make("Branch", { input: Schema.Array(Text) })
      .forEach("b", { items: ({ input }) => input, step: leaf })
      .build(({ outputs }) => outputs.b)
    const nested = Saga.make("Nested", { input: Schema.Array(Schema.Array(Text)) })
      .forEach("a", { items: ({ input }) => input, key: ([first], index) => first ?? `none${index}`, step: branch })
      .build(({ outputs }) => outputs.a)
    return Saga.make("Tree", { input: Schema.Array(Schema.Array(Text)) })
      .saga("first", nested, { input: ({ input }) => input })
      .forEach("last", { items: ({ input }) => input, step: branch })
      .build()
  }
  const input = [["x", "y"], [], ["z"]]

  it.effect("have the keys of all lists in their paths, and outputs in the same shape", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const output = [["x-output", "y-output"], [], ["z-output"]]
      const saga = tree(world, "")
      expect(yield* Saga.execute(saga, input, { executionId: "1" })).toEqual({ first: output, last: output })
      expect(world.keys.map((key) => key.replace("1/", "").replace("/action", "")))
        .toEqual([
          "first/a/x/b/0/s",
          "first/a/x/b/1/s",
          "first/a/z/b/0/s",
          "last/0/b/0/s",
          "last/0/b/1/s",
          "last/2/b/0/s"
        ])
      // And again from the journal, where no step runs.
      expect(yield* Saga.execute(saga, input, { executionId: "1" })).toEqual({ first: output, last: output })
      expect(world.log).toHaveLength(6)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("are undone as a whole when a later one fails", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = tree(world, "w")
      const exit = yield* Effect.exit(Saga.execute(saga, [...input, ["w"]], { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "Refused", step: "w" })
      expect(world.log).toEqual(["+x", "+y", "+z", "!w", "-z", "-y", "-x"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a list may stand in a nested saga of a parallel block", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Saga.make("Inner").forEach("lines", { items: () => ["a", "b"], step: each(world) }).build()
      const saga = Saga.make("Outer")
        .parallel((branch) =>
          branch
            .saga("left", inner, { input: () => {} })
            .saga("right", inner, { input: () => {} })
        )
        .build()
      const lists = { lines: ["a-output", "b-output"] }
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({ left: lists, right: lists })
      expect(world.keys.sort()).toEqual(
        ["left", "right"].flatMap((side) => [0, 1].map((index) => `1/${side}/lines/${index}/do/action`))
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S23: a list that cannot be is refused before any of its items begins", () => {
  const keyed = (world: World, keys: ReadonlyArray<string>) =>
    Saga.make("Order")
      .compensatable("flight", step(world, "flight"))
      .forEach("lines", { items: () => keys, key: (key) => key, step: each(world) })
      .build()

  const refusals: ReadonlyArray<readonly [keys: ReadonlyArray<string>, problem: string]> = [
    [["a", "b", "a"], "items 0 and 2 have the same key \"a\""],
    [["a", ""], "the key of item 1 is empty"],
    [["a/b"], "the key of item 0 is \"a/b\", and \"/\" separates the parts of a path"],
    [
      ["\ud800"],
      "the key of item 0 cannot be stored: it must be well-formed text of at most 800 characters, without U+0000"
    ]
  ]
  for (const [keys, problem] of refusals) {
    it.effect(problem, () =>
      Effect.gen(function*() {
        for (const how of ["in process", "durably"] as const) {
          const world = makeWorld()
          const exit = yield* Effect.exit(bothWays(keyed(world, keys))[how])
          expect(failureOf(exit)).toMatchObject({ _tag: "InvalidItems", saga: "Order", list: "lines", problem })
          expect(world.log).toEqual(["+flight", "-flight"])
        }
      }))
  }

  it.effect("a later call gets the same error", () =>
    Effect.gen(function*() {
      const saga = keyed(makeWorld(), ["a", "a"])
      const first = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      const again = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(again).toBeInstanceOf(SagaError.InvalidItems)
      expect(again?.message).toBe(first?.message)
      expect(again?.message).toBe(
        "the items of \"lines\" of Order (1) are refused: items 0 and 1 have the same key \"a\". None of them has begun: " +
          "give each item a key of its own"
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("an item that its schema refuses fails with ParseError", () =>
    Effect.gen(function*() {
      for (const how of ["in process", "durably"] as const) {
        const world = makeWorld()
        const saga = Saga.make("Order")
          .compensatable("flight", step(world, "flight"))
          .forEach("lines", { items: () => [...lines("a"), { sku: "b", count: 0.5 }], step: reserveLine(world) })
          .build()
        expect(failureOf(yield* Effect.exit(bothWays(saga)[how]))).toMatchObject({ _tag: "ParseError" })
        expect(world.log).toEqual(["+flight", "-flight"])
      }
    }))

  it.effect("a function that throws is a defect, and so is one that returns no list", () =>
    Effect.gen(function*() {
      for (const how of ["in process", "durably"] as const) {
        const world = makeWorld()
        const dying = (items: () => ReadonlyArray<string>, key?: () => string) =>
          Saga.make("Order").compensatable("flight", step(world, "flight"))
            .forEach("lines", { items, ...key === undefined ? {} : { key }, step: each(world) }).build()
        const thrower = (): never => {
          throw new Error("thrown")
        }
        for (const saga of [dying(thrower), dying(() => ["a"], thrower), dying(() => ({}) as any)]) {
          const exit = yield* Effect.exit(bothWays(saga)[how])
          const defects = Exit.isFailure(exit) ? Array.from(Cause.defects(exit.cause), String) : []
          expect(["Error: thrown", "TypeError: the items of \"lines\" must be a list, and are an object"])
            .toContain(defects[0])
          expect(world.standing()).toEqual([])
        }
      }
    }))

  it.effect("an item that cannot be stored stops the execution before the list, until its schema is mended", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const make = (input: Schema.Schema<string, any>) =>
        Saga.make("Order")
          .compensatable("flight", step(world, "flight"))
          .forEach("lines", {
            items: () => ["a", "b"],
            step: Saga.make("Each", { input })
              .compensatable("do", {
                success: Text,
                action: (context) => world.do(context.input)(context),
                compensate: (context) => world.undo(context.input)(context)
              })
              .build()
          })
          .build()
      const unstorable = Schema.transform(Schema.Unknown, Schema.String, { // what Schema.transform cannot check: a function is no JSON
        strict: true,
        decode: (value) => String(value),
        encode: (value) => (value === "b" ? () => value : value) as unknown
      })
      const exit = yield* Effect.exit(Saga.execute(make(unstorable), undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "NotStorable", list: "lines", value: "item \"1\" of \"lines\"" })
      expect(world.log).toEqual(["+flight"])
      expect(Option.isNone(yield* Saga.poll(make(Text), "1"))).toBe(true)
      yield* Saga.resume(make(Text), "1")
      expect(world.log).toEqual(["+flight", "+a", "+b"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

/** The checks of a store. */
const resumed = Effect.gen(function*() {
  const store = yield* Checkpoint.Checkpoint
  const world = makeWorld()
  let made = 0
  const saga = Saga.make("Order", { input: Order })
    .forEach("lines", {
      items: ({ input }) => (made++, input.lines),
      key: ({ sku }) => sku,
      step: reserveLine(world, (sku) => sku === "bad")
    })
    .build(({ outputs }) => outputs.lines)
  const start = (id: string, skus: ReadonlyArray<string>, failAt: number) =>
    Saga.execute(saga, { lines: lines(...skus) }, { executionId: id }).pipe(
      Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt })),
      Effect.exit
    )
  // Two items have happened, and the intent of the third is stored.
  yield* start("forward", ["a", "b", "c", "d"], 5)
  expect(made).toBe(1)
  expect(world.log).toEqual(["+pick a", "+a", "+pick b", "+b", "+pick c"])
  expect(yield* Saga.resume(saga, "forward")).toEqual(["a", "b", "c", "d"].map(reserved))
  // The list is the stored one, and only what is missing has run; what was in doubt ran again under its key.
  expect(made).toBe(1)
  expect(world.log).toEqual(["+pick a", "+a", "+pick b", "+b", "+pick c", "+pick c", "+c", "+pick d", "+d"])
  expect(new Set(world.keys).size).toBe(world.keys.length - 1)

  // On the way back after a crash.
  world.log.length = 0
  yield* start("back", ["e", "bad"], 5)
  expect(world.log).toEqual(["+pick e", "+e", "+pick bad", "!bad", "-pick bad"])
  const exit = yield* Effect.exit(Saga.resume(saga, "back"))
  expect(failureOf(exit)).toMatchObject({ _tag: "RecoveredFailure", tag: "Refused" })
  expect(world.log.slice(5)).toEqual(["-pick bad", "-e", "-pick e"])
  const report = yield* Saga.inspect(saga, "back")
  expect(report.steps.map(({ step, status }) => `${step} ${status}`)).toEqual([
    "lines/e/pick Succeeded",
    "lines/e/reserve Succeeded",
    "lines/bad/pick Succeeded",
    "lines/bad/reserve Failed"
  ])
  expect(report.compensations.map(({ step }) => step)).toEqual(["lines/bad/pick", "lines/e/reserve", "lines/e/pick"])
  expect(yield* recoverAll([saga])).toEqual([])
})

describe("S23: a list that is resumed in the middle", () => {
  it.effect("goes on with the items that are missing, in memory", () => Effect.provide(resumed, Checkpoint.layerMemory))

  it.scopedLive("goes on with the items that are missing, on SQLite", () =>
    Effect.provide(resumed, SqliteCheckpoint.layer({ filename: ":memory:" })))
})

describePostgres("S23: a list that is resumed in the middle", () => {
  it.scopedLive("goes on with the items that are missing, on PostgreSQL", () =>
    Effect.provide(resumed, SqlCheckpoint.layer()).pipe(Effect.provide(freshClient)))
})
