import { describe, expect, it } from "@effect/vitest"
import { SpanStatusCode } from "@opentelemetry/api"
import { Cause, Effect, Exit, Layer, Redacted, Schema, Tracer } from "effect"
import { Checkpoint, Saga, SagaError, SagaEvents, SagaMetrics, SagaReport, Timeline } from "effect-saga"
import { Ledger } from "effect-saga/testing"
import { interruptedAt } from "./support/interruptedAt.ts"
import { heard, makeLog, makeTracer } from "./support/observed.ts"
import { recoverAll } from "./support/store.ts"

const compensatable = (name: string) => ({
  success: Schema.String,
  action: () => Effect.succeed("ok"),
  compensate: () => Effect.withSpan(Effect.void, `undo ${name}`)
})

type Traced = ReturnType<typeof makeTracer>

/** Each span as `name < its parent's name`, in the order of their ends. */
const family = ({ spans }: Traced) => {
  const names = new Map(spans().map((span) => [span.spanContext().spanId, span.name]))
  return spans().map(({ name, parentSpanContext }) => {
    const parent = names.get(parentSpanContext?.spanId ?? "")
    return parent === undefined ? name : `${name} < ${parent}`
  })
}

const trip = Saga.make("Trip", { version: 2, input: Schema.Struct({ declined: Schema.Boolean }) })
  .readOnly("quote", { success: Schema.Number, action: () => Effect.withSpan(Effect.succeed(1), "GET /quote") })
  .compensatable("flight", compensatable("flight"))
  .compensatable("seats", { ...compensatable("seats"), when: () => false })
  .parallel((block) => block.compensatable("hotel", compensatable("hotel")).compensatable("car", compensatable("car")))
  .final("charge", {
    success: Schema.String,
    error: Schema.Literal("declined"),
    action: ({ attempt, input }) =>
      Effect.withSpan(
        input.declined
          ? Effect.fail("declined" as const)
          : attempt === 1
          ? Effect.fail("declined" as const)
          : Effect.succeed("ok"),
        "POST /charge"
      ),
    retry: { times: 1 },
    inDoubt: "retry"
  })
  .build()

const forward = [
  "GET /quote < action quote",
  "action quote < saga Trip",
  "action flight < saga Trip",
  "action hotel < saga Trip",
  "action car < saga Trip",
  "POST /charge < action charge",
  "POST /charge < action charge",
  "action charge < saga Trip"
]

describe("the spans of an execution", () => {
  const ways = {
    "in process": (declined: boolean) => Effect.exit(Saga.run(trip, { declined })),
    durably: (declined: boolean) => Effect.exit(Saga.execute(trip, { declined }, { executionId: "1" }))
  }
  for (const [way, run] of Object.entries(ways)) {
    it.effect(`${way}: one for it, under its caller's, and one for each step, with what the step does under it`, () =>
      Effect.gen(function*() {
        const tracer = makeTracer()
        yield* run(false).pipe(Effect.withSpan("caller"), Effect.provide(tracer.layer))
        expect(family(tracer)).toEqual([...forward, "saga Trip < caller", "caller"])
        const failed = tracer.spans().filter(({ status }) => status.code !== SpanStatusCode.OK)
        expect(failed.map(({ name }) => name)).toEqual(["POST /charge"])
      }).pipe(Effect.provide(Checkpoint.layerMemory)))

    it.effect(`${way}: one for each compensation too, and those that failed say so`, () =>
      Effect.gen(function*() {
        const tracer = makeTracer()
        yield* Effect.provide(run(true), tracer.layer)
        expect(family(tracer)).toEqual([
          ...forward,
          ...["car", "hotel", "flight"].flatMap((step) => [
            `undo ${step} < compensation ${step}`,
            `compensation ${step} < saga Trip`
          ]),
          "saga Trip"
        ])
        const failed = tracer.spans().filter(({ status }) => status.code === SpanStatusCode.ERROR)
        expect(failed.map(({ name }) => name)).toEqual(["POST /charge", "POST /charge", "action charge", "saga Trip"])
        expect(tracer.span("saga Trip").status.message).toBe("declined")
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }

  it.effect("say which execution, which step, under which key, how often tried, and what became of it", () =>
    Effect.gen(function*() {
      const tracer = makeTracer()
      yield* Effect.exit(Effect.provide(
        Saga.execute(trip, { declined: true }, { executionId: "a b" }),
        tracer.layer
      ))
      const whose = { "saga.name": "Trip", "saga.version": 2, "saga.execution_id": "a b" }
      expect(tracer.span("saga Trip").attributes).toMatchObject({
        ...whose,
        "saga.resumed": false,
        "saga.status": "Undone"
      })
      expect(tracer.span("action charge").attributes).toMatchObject({
        ...whose,
        "saga.step": "charge",
        "saga.step.classification": "Final",
        "saga.idempotency_key": "a%20b/charge/action",
        "saga.attempts": 2
      })
      expect(tracer.span("compensation flight").attributes).toMatchObject({
        ...whose,
        "saga.step": "flight",
        "saga.step.classification": "Compensatable",
        "saga.idempotency_key": "a%20b/flight/compensation",
        "saga.attempts": 1
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of a resume are its own, with the steps that this process ran", () =>
    Effect.gen(function*() {
      const tracer = makeTracer()
      let known = false
      const saga = Saga.make("Doubtful")
        .compensatable("a", compensatable("a"))
        .final("b", {
          success: Schema.String,
          action: () =>
            known ? Effect.succeed("ok") : Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
          inDoubt: "park"
        })
        .build()
      const run = Effect.provide(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })), tracer.layer)
      yield* run
      expect(tracer.span("saga Doubtful").attributes["saga.status"]).toBe("Parked")
      expect(tracer.span("action b").status.code).toBe(SpanStatusCode.ERROR)
      const before = tracer.spans().length
      known = true
      yield* Effect.provide(Saga.resume(saga, "1", { found: { step: "b", happened: false } }), tracer.layer)
      const again = tracer.spans().slice(before)
      expect(again.map(({ name }) => name)).toEqual(["action b", "saga Doubtful"])
      expect(again[1]!.attributes).toMatchObject({ "saga.resumed": true, "saga.status": "Succeeded" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of a recovery are under whoever recovers", () =>
    Effect.gen(function*() {
      const tracer = makeTracer()
      const saga = Saga.make("Left").compensatable("a", {
        ...compensatable("a"),
        action: () => Effect.never,
        interruptible: true
      })
        .build()
      const store = yield* Checkpoint.Checkpoint
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      while ((yield* store.load("1")).length === 0) yield* Effect.yieldNow()
      yield* fiber.interruptAsFork(fiber.id())
      yield* fiber.await
      const resumed = Saga.make("Left").compensatable("a", { ...compensatable("a"), interruptible: true }).build()
      yield* recoverAll([resumed]).pipe(Effect.withSpan("recover"), Effect.provide(tracer.layer))
      expect(family(tracer)).toEqual(["action a < saga Left", "saga Left < recover", "recover"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of a saga in a scope last as long as the scope, so that its compensations are among them", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Scoped").compensatable("a", compensatable("a")).build()
      const scoped = (then: Effect.Effect<void, string>) =>
        Effect.gen(function*() {
          const tracer = makeTracer()
          const log = makeLog()
          yield* Saga.scoped(saga, undefined).pipe(
            Effect.zipRight(Effect.withSpan(then, "outside")),
            Effect.scoped,
            Effect.exit,
            Effect.provide(Layer.merge(tracer.layer, log.layer))
          )
          return tracer
        })
      const ok = yield* scoped(Effect.void)
      expect(family(ok)).toEqual(["action a < saga Scoped", "outside", "saga Scoped"])
      expect(ok.span("saga Scoped").attributes["saga.status"]).toBe("Succeeded")
      const undone = yield* scoped(Effect.fail("no"))
      expect(family(undone)).toEqual([
        "action a < saga Scoped",
        "outside",
        "undo a < compensation a",
        "compensation a < saga Scoped",
        "saga Scoped"
      ])
      expect(undone.span("saga Scoped").attributes["saga.status"]).toBe("Undone")
      expect(undone.span("saga Scoped").status.code).toBe(SpanStatusCode.ERROR)
    }))
})

describe("a line that an action or a compensation logs", () => {
  const logs = (executionId: string) =>
    Saga.make("Logs")
      .parallel((block) =>
        block.compensatable("a", {
          success: Schema.String,
          action: () => Effect.as(Effect.log("do a"), executionId),
          compensate: () => Effect.log("undo a")
        }).readOnly("b", { action: () => Effect.log("do b") })
      )
      .readOnly("c", {
        action: () => Effect.zipRight(Effect.log("do c"), Effect.fail("no")),
        error: "asRecoveredFailure"
      })
      .build()
  const expected = (executionId: unknown) =>
    [["do a", "a"], ["do b", "b"], ["do c", "c"], ["undo a", "a"]].map(([message, step]) => ({
      message,
      annotations: { saga: "Logs", executionId, step }
    }))

  const byMessage = (lines: ReturnType<typeof makeLog>["lines"]) =>
    lines.slice().sort((a, b) => a.message < b.message ? -1 : 1)

  it.effect("says which saga, execution and step it is of, where there is a tracer or metrics", () =>
    Effect.gen(function*() {
      const observers: ReadonlyArray<Layer.Layer<any>> = [SagaMetrics.layer, makeTracer().layer]
      for (const observer of observers) {
        const log = makeLog()
        const run = (executionId: string) =>
          Effect.exit(Saga.execute(logs(executionId), undefined, { executionId })).pipe(
            Effect.zipRight(Effect.log("after")),
            Effect.provide(Layer.mergeAll(observer, log.layer, Checkpoint.layerMemory))
          )
        yield* run("1")
        expect(byMessage(log.lines)).toEqual([{ message: "after", annotations: {} }, ...expected("1")])
        log.lines.length = 0
        yield* Effect.exit(Saga.run(logs(""), undefined)).pipe(Effect.provide(Layer.merge(observer, log.layer)))
        expect(byMessage(log.lines)).toEqual(expected(expect.stringMatching(/^[0-9a-f-]{36}$/)))
      }
    }))

  it.effect("says nothing of it otherwise, whoever listens", () =>
    Effect.gen(function*() {
      const log = makeLog()
      yield* heard(Saga.run(logs(""), undefined)).pipe(Effect.provide(Layer.merge(SagaEvents.layer, log.layer)))
      expect(log.lines.map(({ annotations }) => annotations)).toEqual([{}, {}, {}, {}])
    }))
})

describe("a tracer that dies at the end of a span", () => {
  const dies = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => ({
      _tag: "Span",
      name,
      spanId: "1",
      traceId: "1",
      parent,
      context,
      links,
      sampled: true,
      kind,
      status: { _tag: "Started", startTime },
      attributes: new Map(),
      attribute: () => {},
      event: () => {},
      addLinks: () => {},
      end: () => {
        if (name.startsWith("action")) throw new Error("the tracer broke")
      }
    } as Tracer.Span),
    context: (run) => run()
  })

  it.effect("makes no failure of what has happened", () =>
    Effect.gen(function*() {
      const undone: Array<string> = []
      const saga = Saga.make("Traced").compensatable("a", {
        success: Schema.String,
        action: () => Effect.succeed("ok"),
        compensate: () => Effect.sync(() => undone.push("a"))
      }).build()
      const run = Saga.execute(saga, undefined, { executionId: "1" })
      expect(yield* Effect.withTracer(run, dies)).toEqual({ a: "ok" })
      expect(undone).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("a redacted value", () => {
  const secret = "s3cr3t-4711"
  const Secret = Schema.Redacted(Schema.String)
  const Short = Schema.Redacted(Schema.String.pipe(Schema.maxLength(3)))

  class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Secret }) {}

  const inner = Saga.make("Inner", { input: Schema.Struct({ pin: Schema.NullOr(Short) }) })
    .readOnly("x", { action: () => Effect.void })
    .build()

  const saga = Saga.make("Secrets", { input: Schema.Struct({ card: Secret, how: Schema.String }) })
    .compensatable("token", {
      success: Secret,
      action: ({ input }) => Effect.as(Effect.log("charging", input), input.card),
      compensate: ({ input, output }) =>
        Effect.zipRight(
          Effect.log("voiding", output, input),
          input.how === "stuck" ? Effect.fail(new Declined({ card: output })) : Effect.void
        )
    })
    .saga("inner", inner, { input: ({ input }) => ({ pin: input.how === "nested" ? input.card : null }) })
    .readOnly("short", {
      success: Short,
      action: ({ input }) => Effect.succeed(input.how === "output" ? input.card : Redacted.make(""))
    })
    .final("charge", {
      success: Secret,
      error: Declined,
      action: ({ input }) =>
        input.how === "ok" ? Effect.succeed(input.card) : Effect.fail(new Declined({ card: input.card })),
      inDoubt: "retry"
    })
    .build()

  for (const how of ["ok", "undone", "stuck", "nested", "output"]) {
    it.effect(`is in nothing that can be seen of a run: ${how}`, () =>
      Effect.gen(function*() {
        const tracer = makeTracer()
        const log = makeLog()
        const input = { card: Redacted.make(secret), how }
        const observers = Layer.mergeAll(tracer.layer, log.layer, SagaEvents.layer, SagaMetrics.layer)
        const { events, exit } = yield* heard(Effect.all({
          report: Saga.report(saga, input),
          durable: Saga.execute(saga, input, { executionId: how }).pipe(
            Effect.tapErrorCause((cause) => Effect.logError("failed", cause)),
            Effect.withSpan("caller"),
            Effect.exit
          ),
          again: Effect.exit(Saga.execute(saga, input, { executionId: how })),
          stored: Effect.exit(Saga.inspect(saga, how))
        })).pipe(Effect.provide(observers), Effect.provide(Checkpoint.layerMemory))
        if (Exit.isFailure(exit)) throw new Error(Cause.pretty(exit.cause))
        const { again, durable, report, stored } = exit.value
        const spans = tracer.spans().map(({ attributes, events, name, status }) => ({
          name,
          attributes,
          status,
          events
        }))
        const reports = [report, ...Exit.isSuccess(stored) ? [stored.value] : []]
        const everything = JSON.stringify([
          events,
          spans,
          log.lines,
          durable,
          again,
          stored,
          reports.map((report) => [report, SagaReport.toJson(report), Timeline.pretty(report)]),
          [durable, again].map((exit) => Exit.isFailure(exit) ? [Cause.pretty(exit.cause), String(exit.cause)] : [])
        ])
        expect(spans.length).toBeGreaterThan(3)
        expect(log.lines.length).toBeGreaterThan(1)
        expect(durable._tag).toBe(how === "ok" ? "Success" : "Failure")
        expect(everything).toContain("<redacted>")
        expect(everything).not.toContain(secret)
      }))
  }

  it.effect("is not in what is said of an input, or of a journal, that does not match", () =>
    Effect.gen(function*() {
      const version = (schema: Schema.Schema<Redacted.Redacted, string>) =>
        Saga.make("Changed", { input: Schema.Struct({ card: schema }) })
          .readOnly("a", { action: () => Effect.void })
          .build()
      const input = { card: Redacted.make(secret) }
      yield* Saga.execute(version(Secret), input, { executionId: "1" })
      const errors = [
        yield* Effect.flip(Saga.run(version(Short), input)),
        yield* Effect.flip(Saga.execute(version(Short), input, { executionId: "2" })),
        yield* Effect.flip(Saga.resume(version(Short), "1"))
      ]
      expect(errors.map(({ _tag }) => _tag)).toEqual(["ParseError", "ParseError", "JournalCorrupt"])
      for (const error of errors) {
        expect(error.message).toContain("<redacted>")
        expect(JSON.stringify(error) + String(error) + error.stack).not.toContain(secret)
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

it.effect("a run that is observed by all can be interrupted at any operation: what was done is undone, or all of it stands", () =>
  Effect.gen(function*() {
    const step = (name: string) => ({
      success: Schema.String,
      action: ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
        Effect.flatMap(Ledger.Ledger, (ledger) => Effect.as(ledger.do(name, idempotencyKey), name)),
      compensate: ({ actionIdempotencyKey }: { readonly actionIdempotencyKey: string }) =>
        Effect.flatMap(Ledger.Ledger, (ledger) => ledger.undo(name, actionIdempotencyKey))
    })
    const saga = Saga.make("Interrupted")
      .compensatable("a", step("a"))
      .readOnly("b", { action: () => Effect.void })
      .compensatable("c", step("c"))
      .build()
    for (let n = 1, more = true; more; n++) {
      const tracer = makeTracer()
      yield* Effect.gen(function*() {
        const { exit, reached } = yield* interruptedAt(n, Saga.run(saga, undefined))
        more = reached
        const standing = yield* Effect.flatMap(Ledger.Ledger, ({ standing }) => standing)
        expect(standing).toEqual(Exit.isSuccess(exit) || standing.length > 0 ? ["a", "c"] : [])
      }).pipe(Effect.provide([tracer.layer, SagaMetrics.layer, Ledger.layer]))
      const started = tracer.spans().length
      if (started > 0) expect(tracer.spans().at(-1)!.name).toBe("saga Interrupted")
    }
  }))
