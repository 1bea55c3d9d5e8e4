import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError, SagaReport } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { failingStore } from "./support/store.ts"

const world = Layer.merge(Checkpoint.layerMemory, Ledger.layer)

describe("SagaReport.toJson", () => {
  it.effect.prop(
    "is what its schema says, for every way that a run can end, and names what stands",
    [SagaArbitrary.program({ sleeps: true })],
    ([program]) =>
      Effect.gen(function*() {
        const report = yield* Effect.flatten(
          SagaArbitrary.exit(Saga.report(SagaArbitrary.build(program), undefined))
        )
        const json = SagaReport.toJson(report)
        expect(
          yield* Schema.decodeUnknown(SagaReport.Json, { exact: true, onExcessProperty: "error" })(
            JSON.parse(JSON.stringify(json))
          )
        ).toEqual(json)
        const standing = yield* Effect.flatMap(Ledger.Ledger, ({ standing }) => standing)
        const said = json.stands.map((path) => path.split("/").at(-1)!)
        const doubtful = json.steps.filter(({ status }) => status === "InDoubt").map(({ step }) =>
          step.split("/").at(-1)!
        )
        expect(said.sort()).toEqual(standing.filter((name) => !doubtful.includes(name)).sort())
      }).pipe(Effect.provide(world)),
    { timeout: 180_000, fastCheck: { numRuns: 150 } }
  )

  it.effect("has neither inputs nor outputs in it", () => {
    const Secret = Schema.Redacted(Schema.String)
    const saga = Saga.make("Secret", { input: Secret })
      .readOnly("token", { success: Secret, action: ({ input }) => Effect.succeed(input) })
      .build()
    return Effect.gen(function*() {
      const report = yield* Saga.report(saga, Redacted.make("s3cret"))
      expect(JSON.stringify(SagaReport.toJson(report))).not.toContain("s3cret")
      expect(JSON.stringify(report)).not.toContain("s3cret")
    })
  })
})

describe("Saga.report", () => {
  it.effect("does not take the error of another saga, which a step runs, for the run's own", () =>
    Effect.gen(function*() {
      const refuse = () => Effect.fail("no" as const)
      const nothing = { action: () => Effect.void, compensate: () => Effect.void }
      const inner = {
        PartlyUndone: Saga.make("Inner").compensatable("a", { ...nothing, compensate: refuse })
          .readOnly("b", { action: refuse }).build(),
        FailedAfterCommit: Saga.make("Inner").final("a", { action: () => Effect.void })
          .final("b", { action: refuse, retry: { times: 0 } }).build()
      }
      for (const [_tag, saga] of Object.entries(inner)) {
        const outer = Saga.make("Outer").compensatable("first", nothing)
          .readOnly("other", { action: () => Saga.run(saga as typeof inner.PartlyUndone, undefined) }).build()
        expect(yield* Saga.report(outer, undefined)).toMatchObject({
          _tag: "Undone",
          cause: { error: { _tag, saga: "Inner" } },
          summary: `Outer failed with ${_tag} at step "other"; undone: "first"`
        })
      }
    }))

  it.effect("counts a duration as none where the clock went back", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(10_000)
      const back = () => TestClock.setTime(5000)
      const saga = Saga.make("Clock")
        .compensatable("a", { action: back, compensate: () => TestClock.setTime(1000) })
        .readOnly("b", { action: () => Effect.fail("no") })
        .build()
      expect(yield* Saga.report(saga, undefined)).toMatchObject({
        duration: 0,
        steps: [{ step: "a", startedAt: 10_000, duration: 0 }, { step: "b" }],
        compensations: [{ step: "a", startedAt: 5000, duration: 0 }]
      })
    }))
})

describe("Saga.inspect", () => {
  const slow = { success: Schema.String, action: () => Effect.as(Effect.sleep("1 second"), "ok") }
  const saga = Saga.make("Slow")
    .compensatable("a", { ...slow, compensate: () => Effect.fail("stuck") })
    .compensatable("b", { ...slow, compensate: () => Effect.void })
    .final("c", { action: () => Effect.fail(new Error("declined")), inDoubt: "retry", error: "asRecoveredFailure" })
    .build()

  it.effect("shows an execution while it runs, when it is lost, and when it is parked", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const fiber = yield* Effect.fork(Effect.exit(
        Effect.provideService(
          Saga.execute(saga, undefined, { executionId: "1" }),
          Checkpoint.Checkpoint,
          failingStore(store, { failAt: 2 })
        )
      ))
      yield* TestClock.adjust("1500 millis")
      expect(yield* Saga.inspect(saga, "1")).toMatchObject({
        _tag: "Recorded",
        status: "Running",
        summary: "Slow is running",
        startedAt: 0,
        steps: [
          { step: "a", status: "Succeeded", duration: 1000 },
          { step: "b", status: "Started", startedAt: 1000, duration: undefined },
          { step: "c", status: "NotStarted" }
        ],
        compensations: []
      })
      yield* TestClock.adjust("1 minute")
      yield* fiber.await
      yield* Effect.exit(Saga.resume(saga, "1")).pipe(Effect.fork, Effect.zipRight(TestClock.adjust("1 minute")))
      const parked = yield* Saga.inspect(saga, "1")
      expect(parked).toMatchObject({
        status: "Parked",
        parked: "PartlyUndone",
        summary:
          "Slow is parked (PartlyUndone): the compensation of \"a\" failed with stuck; it was unwound because step \"c\" failed " +
          "with Error",
        compensations: [{ step: "b", status: "Undone" }, { step: "a", status: "Failed", reason: "string: stuck" }]
      })
      expect(parked.steps[2]).toMatchObject({ status: "Failed", reason: "Error: declined" })
      expect(SagaReport.toJson(parked)).toMatchObject({ status: "Parked", stands: ["a"] })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("finds nothing where nothing is stored, and says how a definition differs", () =>
    Effect.gen(function*() {
      const other = Saga.make("Slow").compensatable("x", { ...slow, compensate: () => Effect.void }).build()
      expect(yield* Effect.flip(Saga.inspect(saga, "1"))).toMatchObject({ _tag: "ExecutionNotFound" })
      yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flip(Saga.inspect(other, "1"))).toMatchObject({ _tag: "DefinitionChanged" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("names the step in doubt of one that waits for a doubt, although another failed too", () =>
    Effect.gen(function*() {
      const doubtful = Saga.make("Doubtful")
        .parallel((branch) =>
          branch
            .compensatable("a", {
              action: () => Effect.fail("no"),
              compensate: () => Effect.void,
              error: "asRecoveredFailure"
            })
            .compensatable("b", {
              action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
              compensate: () => Effect.void,
              inDoubt: "park"
            })
        )
        .build()
      yield* Effect.exit(Saga.execute(doubtful, undefined, { executionId: "1" }))
      expect(yield* Saga.inspect(doubtful, "1")).toMatchObject({
        status: "Parked",
        summary: "Doubtful is parked (OutcomeUnknown): nobody knows whether step \"b\" happened"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  /** A saga of so many siblings, each of which is in doubt. */
  const doubtfulSiblings = (count: number): Saga.Saga<void, unknown, SagaError.OutcomeUnknown, never> =>
    // A number of steps that no type knows.
    (Saga.make("Doubtful") as any)
      .parallel((branch: any) => {
        for (let number = 1; number <= count; number++) {
          branch = branch.compensatable(`s${number}`, {
            // After the others have begun.
            action: () =>
              Effect.zipRight(Effect.yieldNow(), Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))),
            compensate: () => Effect.void,
            inDoubt: "park"
          })
        }
        return branch
      })
      .build()

  it.effect("names every step in doubt, and of many the first ten", () =>
    Effect.gen(function*() {
      const summaryOf = (count: number) =>
        Effect.gen(function*() {
          const saga = doubtfulSiblings(count)
          yield* Effect.exit(Saga.execute(saga, undefined, { executionId: `${count}` }))
          return (yield* Saga.inspect(saga, `${count}`)).summary
        })
      const begins = "Doubtful is parked (OutcomeUnknown): nobody knows whether"
      expect(yield* summaryOf(1)).toBe(`${begins} step "s1" happened`)
      expect(yield* summaryOf(2)).toBe(`${begins} steps "s1", "s2" happened`)
      const ten = Array.from({ length: 10 }, (_, index) => `"s${index + 1}"`).join(", ")
      expect(yield* summaryOf(10)).toBe(`${begins} steps ${ten} happened`)
      expect(yield* summaryOf(13)).toBe(`${begins} steps ${ten} and 3 more happened`)
      expect((yield* Saga.report(doubtfulSiblings(2), undefined)).summary).toBe(
        "nobody knows whether steps \"s1\", \"s2\" of Doubtful happened; there was nothing to undo"
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("shows a compensation while it runs", () =>
    Effect.gen(function*() {
      const undoing = Saga.make("Undoing")
        .compensatable("a", { action: () => Effect.void, compensate: () => Effect.void })
        .compensatable("b", { action: () => Effect.void, compensate: () => Effect.sleep("1 second") })
        .readOnly("c", { action: () => Effect.fail("no"), error: "asRecoveredFailure" })
        .build()
      const fiber = yield* Effect.fork(Effect.exit(Saga.execute(undoing, undefined, { executionId: "1" })))
      yield* TestClock.adjust("500 millis")
      expect(yield* Saga.inspect(undoing, "1")).toMatchObject({
        status: "Unwinding",
        compensations: [{ step: "b", status: "Started" }, { step: "a", status: "NotTried" }]
      })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
