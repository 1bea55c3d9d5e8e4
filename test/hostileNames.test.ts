/** Names and texts that would drive a terminal, forge a log line, or end the script of a page. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Layer } from "effect"
import { Checkpoint, Diagram, Plan, Recovery, Saga, SagaError, SagaMetrics, Timeline, ToolExecutor } from "effect-saga"
import { makeLog, makeTracer } from "./support/observed.ts"

const hostile = "x\u001b[31m\u0007\u009b2J\u202e\nfatal: forged"
const shown = "x␛[31m␇�2J�␊fatal: forged"
// oxlint-disable-next-line no-control-regex -- these must not be there
const obeyed = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

const whose = { saga: hostile, executionId: hostile }

describe("every message of an error shows control characters as their pictures", () => {
  const cause = Cause.fail(new Error(hostile))
  const doubt = { ...whose, step: hostile, idempotencyKey: hostile, reason: hostile }
  const errors: Record<string, { readonly message: string }> = {
    InvalidSaga: new SagaError.InvalidSaga({ saga: hostile, problems: [hostile] }),
    OtherSaga: new SagaError.OtherSaga({ saga: hostile, difference: hostile }),
    PartlyUndone: new SagaError.PartlyUndone({
      ...whose,
      cause,
      undone: [hostile],
      failed: [{ step: hostile, cause }],
      notTried: [hostile],
      parked: true
    }),
    FailedAfterCommit: new SagaError.FailedAfterCommit({
      ...whose,
      step: hostile,
      cause,
      stands: [hostile],
      parked: false
    }),
    "OutcomeUnknown of an action": new SagaError.OutcomeUnknown({ reason: hostile }),
    OutcomeUnknown: new SagaError.OutcomeUnknown(doubt),
    "OutcomeUnknown, parked": new SagaError.OutcomeUnknown({ ...doubt, parked: true }),
    "OutcomeUnknown that did not happen": new SagaError.OutcomeUnknown({ ...doubt, happened: false }),
    CheckpointError: new SagaError.CheckpointError({
      reason: "Full",
      operation: "append",
      executionId: hostile,
      detail: hostile
    }),
    OtherInput: new SagaError.ExecutionConflict({ ...whose, reason: "OtherInput" }),
    OtherDriver: new SagaError.ExecutionConflict({ ...whose, reason: "OtherDriver" }),
    InvalidExecutionId: new SagaError.InvalidExecutionId(whose),
    NotStorable: new SagaError.NotStorable({ ...whose, value: hostile, problem: hostile }),
    StepNotInDoubt: new SagaError.StepNotInDoubt({ ...whose, step: hostile }),
    ExecutionNotFound: new SagaError.ExecutionNotFound(whose),
    InvalidQuery: new SagaError.InvalidQuery({ problem: hostile }),
    DefinitionChanged: new SagaError.DefinitionChanged({ ...whose, difference: hostile }),
    JournalCorrupt: new SagaError.JournalCorrupt({ executionId: hostile, problem: hostile }),
    RecoveredFailure: new SagaError.RecoveredFailure({ tag: hostile, detail: hostile }),
    KeepsFailing: new SagaError.KeepsFailing({ ...whose, claims: 11, step: hostile, stands: [hostile] }),
    ToolFailed: new ToolExecutor.ToolFailed({ tool: "t", tag: "Error", reason: hostile }),
    "ToolFailed of a tool": new ToolExecutor.ToolFailed({ tool: hostile, tag: "Error", reason: "no" }),
    UnknownTool: new ToolExecutor.UnknownTool({ tool: hostile }),
    InvalidArguments: new ToolExecutor.InvalidArguments({ tool: "t", problems: ["no", hostile] }),
    "InvalidArguments of a tool": new ToolExecutor.InvalidArguments({ tool: hostile, problems: ["no"] }),
    "InvalidPlan, whose place is": new Plan.InvalidPlan({
      problems: [{ _tag: "Malformed", at: hostile, message: "no" }],
      more: 1
    }),
    "InvalidPlan, whose problem is": new Plan.InvalidPlan({
      problems: [{ _tag: "Malformed", at: "", message: hostile }],
      more: 0
    })
  }
  for (const [name, { message }] of Object.entries(errors)) {
    it(name, () => {
      expect(message).not.toMatch(obeyed)
      expect(message).toContain(shown)
    })
  }
})

const step = { action: () => Effect.log("acting"), compensate: () => Effect.fail(hostile) }
const saga = Saga.make(hostile)
  .compensatable(hostile, step)
  .final("end", { action: () => Effect.fail({ _tag: hostile }), inDoubt: "retry", error: "asRecoveredFailure" })
  .build()

describe("a saga with such names", () => {
  it.effect("has a summary that is one line, in a run and in the store, and the names themselves are as they were", () =>
    Effect.gen(function*() {
      const report = yield* Saga.report(saga, undefined)
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: hostile }))
      const stored = yield* Saga.inspect(saga, hostile)
      for (const { saga, steps, summary } of [report, stored]) {
        expect(summary).not.toMatch(obeyed)
        expect(summary).toContain(shown)
        expect([saga, steps[0]!.step]).toEqual([hostile, hostile])
      }
      expect(Timeline.pretty(stored).replaceAll("\n", "")).not.toMatch(obeyed)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("has log lines, annotations and spans of one line each", () =>
    Effect.gen(function*() {
      const log = makeLog()
      const tracer = makeTracer()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: hostile })).pipe(
        Effect.zipRight(Recovery.run([saga], { parked: true })),
        Effect.provide(Layer.mergeAll(log.layer, tracer.layer, SagaMetrics.layer))
      )
      expect(log.lines.map(({ message }) => message)).toContain("acting")
      for (const { annotations, message } of log.lines) {
        expect(`${message} ${Object.values(annotations).join()}`).not.toMatch(obeyed)
      }
      expect(log.lines.find(({ message }) => message === "acting")?.annotations)
        .toEqual({ saga: shown, executionId: shown, step: shown })
      const names = tracer.spans().map(({ name }) => name)
      expect(names).toContain(`saga ${shown}`)
      expect(names).toContain(`compensation ${shown}`)
      expect(names.join()).not.toMatch(obeyed)
      // An attribute is looked up by its value.
      expect(tracer.spans()[0]!.attributes["saga.execution_id"]).toBe(hostile)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

it("a picture has no tag in it that a page could obey", () => {
  const name = "</script><script>alert(1)</script>"
  const named = Saga.make(name)
    .parallel((block) => block.compensatable("<script>", step).compensatable("<!-- b", step)).build()
  expect(Diagram.dot(named)).not.toMatch(/<(\/?script|!--)/)
  expect(Diagram.mermaid(named)).not.toMatch(/<(\/?script|!--)/)
})

describe("an execution that parks says so in the log when it happens", () => {
  const parks = Saga.make("Trip").compensatable("flight", { ...step, compensate: () => Effect.fail("no answer") })
    .final("charge", {
      action: () => Effect.fail(new Error("declined")),
      inDoubt: "retry",
      error: "asRecoveredFailure"
    }).build()

  it.effect("in a durable run, with what stands and why", () =>
    Effect.gen(function*() {
      const log = makeLog()
      yield* Effect.exit(Saga.execute(parks, undefined, { executionId: "7" })).pipe(Effect.provide(log.layer))
      expect(log.lines.map(({ message }) => message)).toEqual([
        "acting",
        "Trip 7 is parked: Trip (7) was unwound because of Error: declined. Undone: nothing. Not undone, and still in effect: " +
        "\"flight\" (Error: no answer). The execution is parked: mend the cause, then Saga.resume tries the remaining " +
        "compensations again"
      ])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("once more each time that it is tried in vain, and never in process, where nothing waits", () =>
    Effect.gen(function*() {
      const log = makeLog()
      yield* Effect.exit(Saga.execute(parks, undefined, { executionId: "7" }))
      yield* Recovery.run([parks], { parked: true }).pipe(Effect.provide(log.layer))
      expect(log.lines.filter(({ message }) => message.startsWith("Trip 7 is parked"))).toHaveLength(1)
      yield* Effect.exit(Saga.run(parks, undefined)).pipe(Effect.provide(log.layer))
      expect(log.lines.filter(({ message }) => message.includes("is parked"))).toHaveLength(1)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
