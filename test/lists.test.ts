/** Lists in all that tells of a saga: reports, pictures, events, metrics, spans; in the test kit; and where they are long. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Checkpoint, Diagram, Journal, Plan, Saga, SagaError, SagaEvents, Timeline, ToolExecutor } from "effect-saga"
import { Faults, Ledger, SagaTest } from "effect-saga/testing"
import { programOf } from "../src/definition/saga.ts"
import { metricNamesOf } from "../src/watch/metricNames.ts"
import { failureOf } from "./support/exit.ts"
import { heard, makeTracer } from "./support/observed.ts"
import { eventsOf, failingStore } from "./support/store.ts"

const Text = Schema.String

/** An item of this text fails. */
const wrong = "wrong"

const reserveLine = Saga.make("ReserveLine", { input: Text })
  .readOnly("look", { success: Schema.Int, action: ({ input }) => Effect.succeed(input.length) })
  .compensatable("reserve", {
    success: Text,
    error: Text,
    action: ({ input }) => input === wrong ? Effect.fail("out of stock") : Effect.succeed(input),
    compensate: () => Effect.void
  })
  .build(({ outputs }) => outputs.reserve)

const order = Saga.make("Order", { input: Schema.Array(Text) })
  .forEach("lines", { items: ({ input }) => input, key: (sku) => sku, step: reserveLine })
  .final("pay", { success: Text, action: () => Effect.succeed("paid"), inDoubt: "retry" })
  .build()

describe("a list in a report", () => {
  it.effect("has a line for each step of each item, in the order of the list", () =>
    Effect.gen(function*() {
      const report = yield* Saga.report(order, ["a", wrong, "b"])
      expect(report.steps.map(({ status, step }) => `${step} ${status}`)).toEqual([
        "lines/a/look Succeeded",
        "lines/a/reserve Succeeded",
        "lines/wrong/look Succeeded",
        "lines/wrong/reserve Failed",
        "lines/b/look NotStarted",
        "lines/b/reserve NotStarted",
        "pay NotStarted"
      ])
      expect(report.compensations.map(({ status, step }) => `${step} ${status}`)).toEqual(["lines/a/reserve Undone"])
      expect(report.summary).toBe(
        "Order failed with out of stock at step \"lines/wrong/reserve\"; undone: \"lines/a/reserve\""
      )
    }))

  it.effect("has its steps once, without a key, where the items never came to be known", () =>
    Effect.gen(function*() {
      const report = yield* Saga.report(order, ["a", "a"])
      expect(report.steps.map(({ status, step }) => `${step} ${status}`)).toEqual([
        "lines/(item)/look NotStarted",
        "lines/(item)/reserve NotStarted",
        "pay NotStarted"
      ])
      expect(order.steps.map(({ name }) => name)).toEqual(["lines/(item)/look", "lines/(item)/reserve", "pay"])
    }))

  it.effect("names the first ten steps of a long one, and how many more there are", () =>
    Effect.gen(function*() {
      const skus = Array.from({ length: 30 }, (_, index) => `s${index}`)
      const { summary } = yield* Saga.report(order, [...skus, wrong])
      expect(summary).toContain("undone: \"lines/s29/reserve\", \"lines/s28/reserve\", ")
      expect(summary).toContain(" and 20 more")
      expect(summary).not.toContain("\"lines/s19/reserve\"")
    }))
})

describe("a list in a picture", () => {
  const texts = (picture: string) =>
    picture.split("\n").filter((line) => /^ {2,4}(step|subgraph)/.test(line) && !line.includes(">|"))
      .map((line) => line.trim()).filter((line) => !line.includes("--") && !line.includes("-."))

  it.effect("is a group with one box for each step, which counts the items of a run by what became of them", () =>
    Effect.gen(function*() {
      expect(texts(Diagram.mermaid(order))).toEqual([
        "subgraph group1[\"lines#58; for each item, saga ReserveLine\"]",
        "step1(\"look<br/>ReadOnly\")",
        "step2[\"reserve<br/>Compensatable\"]",
        "step3{{\"pay<br/>Final\"}}"
      ])
      const report = yield* Saga.report(order, ["a", "b", wrong, "c"])
      expect(texts(Diagram.mermaid(order, report))).toEqual([
        "subgraph group1[\"lines#58; for each item, saga ReserveLine\"]",
        "step1(\"look<br/>ReadOnly<br/>✓ 3 done, · 1 not started\")",
        "step2[\"reserve<br/>Compensatable<br/>✗ 1 failed, ✓ 2 done, · 1 not started<br/>↩ 2 undone\"]",
        "step3{{\"pay<br/>Final<br/>· not started\"}}"
      ])
    }))

  it.effect("is drawn of any record of it, also without items, and not of another saga", () =>
    Effect.gen(function*() {
      yield* Saga.execute(order, ["a", "b"], { executionId: "1" })
      const inspected = yield* Saga.inspect(order, "1")
      expect(Diagram.mermaid(order, inspected)).toContain("✓ 2 done")
      const state = Journal.fold(yield* eventsOf(yield* Checkpoint.Checkpoint, "1"))
      expect(Diagram.mermaid(order, state as Journal.ExecutionState)).toContain("✓ 2 done")
      expect(Diagram.mermaid(order, yield* Saga.report(order, []))).toContain("look<br/>ReadOnly\"")
      const other = Saga.make("Order", { input: Schema.Array(Text) })
        .forEach("lines", {
          items: ({ input }) => input,
          step: Saga.make("Look", { input: Text }).readOnly("look", {
            success: Schema.Int,
            action: () => Effect.succeed(1)
          })
            .build()
        })
        .final("pay", { success: Text, action: () => Effect.succeed("paid"), inDoubt: "retry" })
        .build()
      expect(() => Diagram.mermaid(other, inspected)).toThrow("it has a step \"lines/a/reserve\"")
      const without = Saga.make("Order", { input: Schema.Array(Text) })
        .forEach("lines", { items: ({ input }) => input, step: reserveLine })
        .build()
      expect(() => Diagram.mermaid(without, inspected)).toThrow(
        "step 1, not counting those of lists, was Final \"pay\" and is gone"
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("whoever observes a list", () => {
  it.effect("hears how many items there are before the first begins, and nothing of what they are", () =>
    Effect.gen(function*() {
      const { events } = yield* heard(Saga.execute(order, ["secret"], { executionId: "1" }))
      expect(events.map(({ _tag }) => _tag).slice(0, 3)).toEqual(["Started", "ItemsListed", "StepStarted"])
      expect(events[1]).toEqual({
        _tag: "ItemsListed",
        saga: "Order",
        version: 1,
        executionId: "1",
        list: "lines",
        count: 1,
        at: 0
      })
    }).pipe(Effect.provide([Checkpoint.layerMemory, SagaEvents.layer])))

  it.effect("sees spans of names that are as many as the steps, whatever the keys", () =>
    Effect.gen(function*() {
      const tracer = makeTracer()
      yield* Effect.provide(Effect.exit(Saga.run(order, ["a", "b", wrong])), tracer.layer)
      expect(new Set(tracer.spans().map(({ name }) => name))).toEqual(
        new Set([
          "action lines/(item)/look",
          "action lines/(item)/reserve",
          "compensation lines/(item)/reserve",
          "saga Order"
        ])
      )
      expect(tracer.spans().map(({ attributes }) => attributes["saga.step"])).toContain("lines/b/reserve")
    }))

  it("counts by names without keys, also in lists of lists and in plans", () => {
    const inner = Saga.make("Inner", { input: Schema.Array(Text) })
      .forEach("b", { items: ({ input }) => input, step: reserveLine })
      .build()
    const saga = Saga.make("Outer")
      .saga("nested", Saga.make("Nested").forEach("a", { items: () => [[""]], step: inner }).build(), {
        input: () => {}
      })
      .build()
    const names = metricNamesOf(programOf(saga))
    expect(names.step("nested/a/1/b/k/reserve")).toBe("nested/a/(item)/b/(item)/reserve")
    expect(names.step("nested/other")).toBe("nested/other")
  })

  it.effect("counts the steps of a plan that runs for each item as the plan's", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.decode({
        name: "Planned",
        steps: [{ name: "look", classification: "ReadOnly", action: { tool: "look", arguments: {} } }]
      })
      const saga = Saga.make("Plans").forEach("each", {
        items: () => [undefined, undefined] as never,
        step: plan as never
      })
        .build()
      expect(metricNamesOf(programOf(saga)).step("each/0/look")).toBe("each/(item)/(plan)")
    }).pipe(Effect.provide(ToolExecutor.layer({
      look: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Struct({}),
        success: Text,
        run: () => Effect.succeed("seen")
      })
    }))))
})

describe("the test kit", () => {
  const booked = (item: Partial<{ readonly forgets: boolean }> = {}) => {
    const line = Saga.make("Line", { input: Text })
      .compensatable("reserve", {
        success: Text,
        action: ({ idempotencyKey, input }) =>
          Effect.flatMap(Ledger.Ledger, (ledger) => Effect.as(ledger.do(input, idempotencyKey), input)),
        compensate: ({ actionIdempotencyKey, output }) =>
          item.forgets === true && output === "nut"
            ? Effect.void
            : Effect.flatMap(Ledger.Ledger, (ledger) => Effect.asVoid(ledger.undo(output, actionIdempotencyKey))),
        compensationRetry: { times: 5 }
      })
      .build()
    return Saga.make("Order").forEach("lines", { items: () => ["bolt", "nut"], key: (sku) => sku, step: line })
      .readOnly("check", { action: () => Effect.void })
      .build()
  }
  const options = { input: undefined, layer: Layer.empty, limits: { pairs: 20 } }

  it.effect(
    "puts every fault into every item, and finds nothing wrong with a list that is right",
    () =>
      Effect.gen(function*() {
        const { scenarios, summary } = yield* SagaTest.explore(booked(), options)
        expect(summary.split("\n").slice(1)).toEqual([])
        const names = scenarios.map(({ name }) => name)
        for (const sku of ["bolt", "nut"]) {
          expect(names).toContain(`action of "lines/${sku}/reserve" fails`)
          expect(names.some((name) => name.includes(`compensation of "lines/${sku}/reserve"`))).toBe(true)
        }
        expect((yield* SagaTest.exploreInProcess(booked(), options)).violations).toEqual([])
      }),
    60_000
  )

  it.effect("finds the item that is not undone", () =>
    Effect.gen(function*() {
      const { violations } = yield* SagaTest.explore(booked({ forgets: true }), options)
      expect(violations[0]!.violations[0]!.message).toBe(
        "\"nut\", of step \"lines/nut/reserve\", stands, although everything is said to be undone"
      )
    }), 60_000)

  it.effect("puts a fault into one item, or into each", () =>
    Effect.gen(function*() {
      const one = yield* Effect.exit(Saga.run(Faults.failAt(booked(), "lines/nut/reserve")))
      expect(failureOf(one)).toMatchObject({ _tag: "InjectedFault", step: "lines/nut/reserve" })
      const each = yield* Effect.exit(Saga.run(Faults.failAt(booked(), "lines/(item)/reserve")))
      expect(failureOf(each)).toMatchObject({ _tag: "InjectedFault", step: "lines/bolt/reserve" })
      yield* Saga.run(Faults.repeat(booked(), "lines/nut/reserve"))
      expect(() => Faults.failAt(booked(), "lines/nut")).toThrow("it has no step \"lines/nut\" for a fault")
      expect(() => Faults.failAt(booked(), "lines/nut/other")).toThrow("for a fault")
    }).pipe(Effect.provide(Ledger.layer)))
})

describe("build() refuses, as code without types may write it,", () => {
  const problemsOf = (build: (builder: any) => any): ReadonlyArray<string> => {
    try {
      build(Saga.make("Order")).build()
      return []
    } catch (error) {
      return (error as SagaError.InvalidSaga).problems
    }
  }
  const step = reserveLine
  const items = () => ["a"]
  const final = Saga.make("Pay", { input: Text }).final("pay", { action: () => Effect.void, inDoubt: "retry" }).build()
  const refused: Record<string, readonly [(builder: any) => any, problem: string]> = {
    "items that are no function": [
      (builder) => builder.forEach("lines", { items: [], step }),
      "the items of list \"lines\" must be a function, and is an object"
    ],
    "a key that is no function": [
      (builder) => builder.forEach("lines", { items, key: "sku", step }),
      "the key of list \"lines\" must be a function, and is \"sku\""
    ],
    "a step that is not built": [
      (builder) => builder.forEach("lines", { items, step: Saga.make("Line") }),
      "the step of list \"lines\" is no built saga: end its definition with .build()"
    ],
    "a step with a Final": [
      (builder) => builder.forEach("lines", { items, step: final }),
      "\"lines\" has a Final step: the other items of the list could still fail, and not be undone"
    ],
    "no whole number of items at a time": [
      (builder) => builder.forEach("lines", { items, step, concurrency: 0.5 }),
      "concurrency 0.5 is not a positive integer"
    ],
    "a word that unwind does not know": [
      (builder) => builder.forEach("lines", { items, step, unwind: "never" }),
      "the unwind of list \"lines\" cannot be followed: \"never\" is none of \"sequential\", \"parallel\""
    ],
    "a list after a Final": [
      (builder) => builder.final("pay", { action: () => Effect.void }).forEach("lines", { items, step }),
      "list \"lines\" stands after Final step \"pay\": after the point of no return only Final steps may follow"
    ],
    "a list in a parallel block": [
      (builder) => builder.parallel((branch: any) => branch.forEach("lines", { items, step })),
      "\"lines\" is a list, which cannot be a sibling in a parallel block: put it into a nested saga"
    ],
    "a list of the name of a step": [
      (builder) => builder.readOnly("lines", { action: () => Effect.void }).forEach("lines", { items, step }),
      "step \"lines\" is already declared in this saga"
    ]
  }
  for (const [what, [build, problem]] of Object.entries(refused)) {
    it(what, () => expect(problemsOf(build)).toEqual([problem]))
  }

  it("and tells definitions apart by the steps of their lists", () => {
    const { fingerprint } = programOf(order)
    expect(JSON.parse(fingerprint)).toEqual([
      "for each \"lines\"",
      "ReadOnly \"lines/(item)/look\"",
      "Compensatable \"lines/(item)/reserve\"",
      "its end",
      "Final \"pay\""
    ])
  })
})

describe("an item in doubt", () => {
  class Lost extends Error {}
  const doubtful = (answers: boolean) =>
    Saga.make("Order", { input: Schema.Array(Text) })
      .forEach("lines", {
        items: ({ input }) => input,
        key: (sku) => sku,
        step: Saga.make("Line", { input: Text })
          .compensatable("reserve", {
            success: Text,
            error: "asRecoveredFailure",
            inDoubt: "park",
            action: ({ input }): Effect.Effect<string, SagaError.OutcomeUnknown> =>
              input === "b" && !answers
                ? Effect.fail(new SagaError.OutcomeUnknown({ reason: String(new Lost("no reply")) }))
                : Effect.succeed(input),
            compensate: () => Effect.void
          })
          .build(({ outputs }) => outputs.reserve)
      })
      .build(({ outputs }) => outputs.lines)

  it.effect("parks the execution, which names it and its key, and goes on from what a person has found", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Saga.execute(doubtful(false), ["a", "b", "c"], { executionId: "1" }))
      const parked = {
        _tag: "OutcomeUnknown",
        step: "lines/b/reserve",
        idempotencyKey: "1/lines/b/reserve/action",
        parked: true
      }
      expect(failureOf(exit)).toMatchObject(parked)
      // And as the journal has it.
      expect(failureOf(yield* Effect.exit(Saga.await(doubtful(false), "1")))).toMatchObject(parked)
      const wrongStep = yield* Effect.exit(
        Saga.resume(doubtful(false), "1", { found: { step: "lines/a/reserve", happened: true, output: "x" } })
      )
      expect(failureOf(wrongStep)).toMatchObject({ _tag: "StepNotInDoubt" })
      const found = { step: "lines/b/reserve", happened: true, output: "found" } as const
      expect(yield* Saga.resume(doubtful(false), "1", { found })).toEqual(["a", "found", "c"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("a list of ten thousand items", () => {
  const count = 10_000
  let ran = 0
  const one = Saga.make("One", { input: Schema.Int })
    .compensatable("do", {
      success: Schema.Int,
      action: ({ input }) => Effect.sync(() => (ran++, input)),
      compensate: () => Effect.sync(() => void ran--)
    })
    .build(({ outputs }) => outputs.do)
  const numbers = Array.from({ length: count }, (_, index) => index)
  const long = (concurrency: number | "unbounded", fails: boolean) =>
    Saga.make("Long")
      .forEach("numbers", { items: () => numbers, step: one, concurrency, unwind: "parallel" })
      .readOnly("check", { error: Text, action: () => fails ? Effect.fail("no") : Effect.void })
      .build(({ outputs }) => outputs.numbers)

  for (const concurrency of [1, 8, "unbounded"] as const) {
    it.effect(`runs and is undone, ${concurrency} at a time`, () =>
      Effect.gen(function*() {
        ran = 0
        expect(yield* Saga.run(long(concurrency, false))).toEqual(numbers)
        expect(ran).toBe(count)
        expect(failureOf(yield* Effect.exit(Saga.run(long(concurrency, true))))).toBe("no")
        expect(ran).toBe(count)
      }), 60_000)
  }

  it.effect("is resumed in the middle by item, and reported", () =>
    Effect.gen(function*() {
      ran = 0
      const store = yield* Checkpoint.Checkpoint
      yield* Effect.exit(Effect.provideService(
        Saga.execute(long(1, false), undefined, { executionId: "1" }),
        Checkpoint.Checkpoint,
        failingStore(store, { failAt: count / 2 })
      ))
      expect(ran).toBe(count / 2)
      expect(yield* Saga.resume(long(1, false), "1")).toEqual(numbers)
      // Only the one that was in doubt ran again.
      expect(ran).toBe(count + 1)
      const report = yield* Saga.inspect(long(1, false), "1")
      expect(report.steps).toHaveLength(count + 1)
      expect(Timeline.pretty(report).split("\n")).toHaveLength(count + 2)
      expect(Diagram.mermaid(long(1, false), report)).toContain("✓ 10000 done")
    }).pipe(Effect.provide(Checkpoint.layerMemory)), 60_000)
})
