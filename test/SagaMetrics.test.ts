import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { describe, expect, it } from "@effect/vitest"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { Deferred, Effect, Layer, Schema, TestClock } from "effect"
import { Checkpoint, Plan, Saga, SagaError, SagaMetrics, ToolExecutor } from "effect-saga"

/** What OpenTelemetry's SDK is given of the metrics of sagas so called, as `name{tags} value`, a histogram as `count sum`. */
const exported = (prefix: string) =>
  Effect.gen(function*() {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const metricReader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 })
    // The layer exports what there is when it closes.
    yield* Effect.scoped(Layer.build(NodeSdk.layer(() => ({ metricReader, resource: { serviceName: "test" } }))))
    const points = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics)
      .flatMap(({ dataPoints, descriptor: { name, unit } }) =>
        dataPoints.flatMap(({ attributes, value }) => {
          const { saga, time_unit: _, ...tags } = attributes
          if (typeof saga !== "string" || !saga.startsWith(prefix)) return []
          const text = Object.entries(tags).map(([key, value]) => `${key}=${String(value as string)}`).sort().join(" ")
          const figure = typeof value === "object" && "sum" in value
            ? `${value.count} × ${value.sum} ${unit}`
            : String(value as number)
          return [`${name}{${text}} ${figure}`]
        })
      )
    return points.sort()
  })

const metrics = SagaMetrics.layer

const effects = {
  success: Schema.String,
  action: () => Effect.as(Effect.sleep("1 second"), "ok"),
  compensate: () => Effect.void
}

describe("what is exported to OpenTelemetry", () => {
  it.effect("counts executions, steps and compensations by what became of them, and how long it took", () =>
    Effect.gen(function*() {
      const saga = (name: string, declined: boolean) =>
        Saga.make(name)
          .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
          .compensatable("flight", effects)
          .compensatable("seats", { ...effects, when: () => false })
          .compensatable("hotel", { ...effects, compensate: () => declined ? Effect.fail("stuck") : Effect.void })
          .final("charge", {
            success: Schema.String,
            action: () => declined ? Effect.fail("declined") : Effect.succeed("paid"),
            inDoubt: "retry",
            error: "asRecoveredFailure"
          })
          .build()
      const runs = Effect.all([
        Saga.run(saga("M1 ok", false), undefined),
        Saga.run(saga("M1 ok", false), undefined),
        Effect.exit(Saga.execute(saga("M1 no", true), undefined, { executionId: "1" }))
      ])
      const fiber = yield* Effect.fork(runs)
      yield* TestClock.adjust("1 minute")
      yield* fiber.await
      expect(yield* exported("M1 ok")).toEqual([
        "saga_duration{result=succeeded} 2 × 4000 milliseconds",
        "saga_executions{result=succeeded} 2",
        "saga_steps{classification=Compensatable result=skipped step=seats} 2",
        "saga_steps{classification=Compensatable result=succeeded step=flight} 2",
        "saga_steps{classification=Compensatable result=succeeded step=hotel} 2",
        "saga_steps{classification=Final result=succeeded step=charge} 2",
        "saga_steps{classification=ReadOnly result=succeeded step=quote} 2"
      ])
      expect(yield* exported("M1 no")).toEqual([
        "saga_compensations{result=failed step=hotel} 1",
        "saga_compensations{result=succeeded step=flight} 1",
        "saga_duration{result=parked} 1 × 2000 milliseconds",
        "saga_executions{result=parked} 1",
        "saga_steps{classification=Compensatable result=skipped step=seats} 1",
        "saga_steps{classification=Compensatable result=succeeded step=flight} 1",
        "saga_steps{classification=Compensatable result=succeeded step=hotel} 1",
        "saga_steps{classification=Final result=failed step=charge} 1",
        "saga_steps{classification=ReadOnly result=succeeded step=quote} 1"
      ])
    }).pipe(Effect.provide([metrics, Checkpoint.layerMemory])))

  it.effect("counts doubts, and an execution again when it is resumed, from its start", () =>
    Effect.gen(function*() {
      const saga = Saga.make("M2").final("charge", {
        success: Schema.String,
        action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
        inDoubt: "park"
      }).build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* TestClock.adjust("1 second")
      yield* Saga.resume(saga, "1", { found: { step: "charge", happened: true, output: "paid" } })
      expect(yield* exported("M2")).toEqual([
        "saga_duration{result=parked} 1 × 0 milliseconds",
        "saga_duration{result=succeeded} 1 × 1000 milliseconds",
        "saga_executions{result=parked} 1",
        "saga_executions{result=succeeded} 1",
        "saga_in_doubt{step=charge} 1",
        "saga_steps{classification=Final result=succeeded step=charge} 1"
      ])
    }).pipe(Effect.provide([metrics, Checkpoint.layerMemory])))

  it.effect("has the execution of a scope when that closes, and nested steps by their paths", () =>
    Effect.gen(function*() {
      const inner = Saga.make("M3 inner").compensatable("x", { ...effects, action: () => Effect.succeed("ok") }).build()
      const saga = Saga.make("M3").saga("inner", inner, { input: () => undefined }).build()
      yield* Effect.scoped(Effect.zipRight(Saga.scoped(saga, undefined), TestClock.adjust("1 second")))
      yield* Effect.exit(Effect.scoped(Effect.zipRight(Saga.scoped(saga, undefined), Effect.fail("outside"))))
      expect(yield* exported("M3")).toEqual([
        "saga_compensations{result=succeeded step=inner/x} 1",
        "saga_duration{result=succeeded} 1 × 1000 milliseconds",
        "saga_duration{result=undone} 1 × 0 milliseconds",
        "saga_executions{result=succeeded} 1",
        "saga_executions{result=undone} 1",
        "saga_steps{classification=Compensatable result=succeeded step=inner/x} 2"
      ])
    }).pipe(Effect.provide(metrics)))

  it.effect("counts a duration as none where the clock went back", () =>
    Effect.gen(function*() {
      const saga = Saga.make("M6").readOnly("a", { action: () => TestClock.setTime(-5000) }).build()
      yield* Saga.run(saga, undefined)
      expect(yield* exported("M6")).toContain("saga_duration{result=succeeded} 1 × 0 milliseconds")
    }).pipe(Effect.provide(metrics)))

  it.effect("knows every name in a plan as one, so that a model that writes plans adds no series", () => {
    const tools = ToolExecutor.layer({
      read: ToolExecutor.tool({ classification: "ReadOnly", parameters: Schema.Struct({}), run: () => Effect.void })
    })
    const plan = (name: string) =>
      Plan.decode({
        name: `M7 ${name}`,
        steps: [{ name: `read ${name}`, classification: "ReadOnly", action: { tool: "read", arguments: {} } }]
      })
    return Effect.gen(function*() {
      const before = new Set(yield* exported(""))
      for (const name of ["one", "two", "three"]) {
        yield* Saga.run(yield* plan(name), undefined)
        yield* Saga.execute(yield* plan(name), undefined, { executionId: name })
        const outer = Saga.make("M7").saga("planned", yield* plan(name), { input: () => undefined }).build()
        yield* Saga.run(outer, undefined)
      }
      expect((yield* exported("")).filter((line) => !before.has(line))).toEqual([
        "saga_duration{result=succeeded} 3 × 0 milliseconds",
        "saga_duration{result=succeeded} 6 × 0 milliseconds",
        "saga_executions{result=succeeded} 3",
        "saga_executions{result=succeeded} 6",
        "saga_steps{classification=ReadOnly result=succeeded step=(plan)} 6",
        "saga_steps{classification=ReadOnly result=succeeded step=planned/(plan)} 3"
      ])
    }).pipe(Effect.provide([metrics, tools, Checkpoint.layerMemory]))
  })

  it.effect("has the caller's tags", () =>
    Effect.gen(function*() {
      const saga = Saga.make("M4").readOnly("a", { action: () => Effect.void }).build()
      yield* Effect.tagMetrics(Saga.run(saga, undefined), "tenant", "acme")
      expect(yield* exported("M4")).toEqual([
        "saga_duration{result=succeeded tenant=acme} 1 × 0 milliseconds",
        "saga_executions{result=succeeded tenant=acme} 1",
        "saga_steps{classification=ReadOnly result=succeeded step=a tenant=acme} 1"
      ])
    }).pipe(Effect.provide(metrics)))

  it.effect("has nothing of runs elsewhere, of results that are read again, and of an end that is not stored yet", () =>
    Effect.gen(function*() {
      const saga = Saga.make("M5").readOnly("a", { action: () => Effect.void }).build()
      yield* Saga.run(saga, undefined)
      yield* Saga.execute(saga, undefined, { executionId: "1" })
      expect(yield* exported("M5")).toEqual([])
      const gate = yield* Deferred.make<void>()
      const store = yield* Checkpoint.Checkpoint
      const slow = {
        ...store,
        append: (commit: Checkpoint.Commit) => Effect.zipLeft(store.append(commit), Deferred.await(gate))
      }
      yield* Effect.provide(Saga.execute(saga, undefined, { executionId: "1" }), metrics)
      expect(yield* exported("M5")).toEqual([])
      const fiber = yield* Saga.execute(saga, undefined, { executionId: "2" }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, slow),
        Effect.provide(metrics),
        Effect.fork
      )
      while ((yield* store.load("2")).length === 0) yield* Effect.yieldNow()
      expect(yield* exported("M5")).toEqual(["saga_steps{classification=ReadOnly result=succeeded step=a} 1"])
      yield* Deferred.succeed(gate, undefined)
      yield* fiber.await
      expect(yield* exported("M5")).toHaveLength(3)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
