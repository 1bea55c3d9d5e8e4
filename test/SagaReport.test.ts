import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaReport } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { failingStore } from "./support/store.ts"

const world = Layer.merge(Checkpoint.layerMemory, Ledger.layer)

describe("SagaReport.toJson", () => {
  it.effect.prop(
    "is what its schema says, for every way that a run can end, and names what stands",
    [SagaArbitrary.program()],
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

describe("Saga.inspect", () => {
  const slow = { success: Schema.String, action: () => Effect.as(Effect.sleep("1 second"), "ok") }
  const saga = Saga.make("Slow")
    .compensatable("a", { ...slow, compensate: () => Effect.fail("stuck") })
    .compensatable("b", { ...slow, compensate: () => Effect.void })
    .final("c", { action: () => Effect.fail(new Error("declined")), inDoubt: "retry" })
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
})
