/** What the seed did with a checkpoint, held against plans: see `docs/seed.md`. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Checkpoint, Journal, Plan, Saga } from "effect-saga"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { announce, look, once, planOf, store, type Tools, withTools } from "../support/tools.ts"

const execute = (...steps: ReadonlyArray<unknown>) =>
  Effect.flatMap(Plan.decode(planOf(...steps)), (plan) => Saga.execute(plan, undefined, { executionId: "1" }))

const events = Effect.flatMap(Checkpoint.Checkpoint, (service) => eventsOf(service, "1"))
const stored = Effect.map(events, (events) => Journal.fold(events) as Journal.ExecutionState | undefined)
const pending = Effect.flatMap(
  Checkpoint.Checkpoint,
  ({ unfinished }) => Effect.map(Stream.runCollect(unfinished({ parked: false })), (found) => Array.from(found))
)

/** From its append numbered `failAt` on, the store fails. */
const whileStoreFails = <A, E, R>(failAt: number, run: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (service) => Effect.provideService(Effect.flip(run), Checkpoint.Checkpoint, failingStore(service, { failAt }))
  )

/** What the journal says of a call at the time at which it is made. */
const watch = (tools: Tools) =>
  Effect.map(Checkpoint.Checkpoint, (service) => {
    const seen: Array<string> = []
    tools.before = ({ role, step }) =>
      Effect.map(Effect.orDie(eventsOf(service, "1")), (events) => {
        const state = Journal.fold(events) as Journal.ExecutionState | undefined
        seen.push(`${role} of ${step}: ${state?.status}, ${state?.steps.get(step)?.status}`)
      })
    return seen
  })

const appends = {
  /** Of a plan of one Compensatable and one Final step: the intents, then what became of the Final. */
  draft: 0,
  publish: 1,
  outcome: 2
}

describe("a durable run keeps a journal", () => {
  it.effect(
    "the intent of a Final step is stored before its tool is called, and its outcome after it",
    withTools((tools) =>
      Effect.gen(function*() {
        const seen = yield* watch(tools)
        yield* execute(announce("publish"))
        expect(seen).toEqual(["action of publish: Running, Started"])
        expect((yield* events).map(({ _tag }) => _tag)).toEqual([
          "Started",
          "StepStarted",
          "StepSucceeded",
          "Finished"
        ])
        expect((yield* stored)?.steps.get("publish")).toMatchObject({ status: "Succeeded", output: "publish-output" })
        expect(yield* pending).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "the intent of every other effect is stored before it too, and the decision to unwind before the first compensation",
    withTools((tools) =>
      Effect.gen(function*() {
        const seen = yield* watch(tools)
        tools.refuse("publish", "no")
        yield* Effect.flip(execute(store("draft"), store("notes"), announce("publish")))
        expect(seen).toEqual([
          "action of draft: Running, Started",
          "action of notes: Running, Started",
          "action of publish: Running, Started",
          "compensation of notes: Unwinding, Undoing",
          "compensation of draft: Unwinding, Undoing"
        ])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "a Final step that failed is stored as failed, with why, and nothing is left pending",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no route")
        yield* Effect.flip(execute(store("draft"), announce("publish")))
        const state = yield* stored
        expect(state).toMatchObject({ status: "Undone" })
        expect(state?.steps.get("publish")).toMatchObject({
          status: "Failed",
          failures: [{ kind: "Fail", tag: "ToolFailed", message: "tool \"announce\" failed: no route" }]
        })
        expect(yield* pending).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "what each step returned is in the journal, also of a run that failed",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        yield* Effect.flip(execute(look("check"), store("draft"), announce("publish")))
        expect(Array.from((yield* stored)!.steps.values(), ({ output, step }) => [step, output])).toEqual([
          ["check", "check-output"],
          ["draft", "draft-output"],
          ["publish", undefined]
        ])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "what became of a stored execution can be read as a report, with an entry for each step and each compensation",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no route")
        tools.refuse("-draft", "locked")
        const plan = yield* Plan.decode(planOf(store("draft"), store("notes"), announce("publish")))
        yield* Effect.flip(Saga.execute(plan, undefined, { executionId: "1" }))
        const { compensations, steps, summary } = yield* Saga.inspect(plan, "1")
        expect(steps).toMatchObject([
          { step: "draft", status: "Succeeded" },
          { step: "notes", status: "Succeeded" },
          { step: "publish", status: "Failed", reason: expect.stringContaining("no route") }
        ])
        expect(compensations).toMatchObject([
          { step: "notes", status: "Undone" },
          { step: "draft", status: "Failed", reason: expect.stringContaining("locked") }
        ])
        expect(summary).toMatch(/^Report is parked \(PartlyUndone\): the compensation of "draft" failed/)
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "the same execution asked for again returns what is stored, and calls no tool",
    withTools((tools) =>
      Effect.gen(function*() {
        const steps = [store("draft"), announce("publish")]
        const first = yield* execute(...steps)
        const calls = tools.calls.length
        expect(yield* execute(...steps)).toEqual(first)
        expect(tools.calls.length).toBe(calls)
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "each key is made of the execution, the step and the role",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        yield* Effect.flip(execute(store("draft"), announce("publish")))
        expect(tools.keys()).toEqual(["1/draft/action", "1/publish/action", "1/draft/compensation"])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "a store in memory is empty when it is made, and shares nothing with another",
    withTools(() =>
      Effect.gen(function*() {
        const [one, other] = [yield* Checkpoint.makeMemory, yield* Checkpoint.makeMemory]
        yield* process(one, whileStoreFails(1, execute(store("draft"), announce("publish"))))
        expect(yield* process(one, pending)).toMatchObject([{ executionId: "1", saga: "Report" }])
        expect(yield* process(other, pending)).toEqual([])
        expect(yield* other.load("1")).toEqual([])
      })
    )
  )
})

describe("a store that fails stops a run where it is", () => {
  it.effect(
    "a Final step whose intent cannot be stored is not called, nothing is undone, and recovery goes on from there",
    withTools((tools) =>
      Effect.gen(function*() {
        const failure = yield* whileStoreFails(appends.publish, execute(store("draft"), announce("publish")))
        expect(failure).toMatchObject({ _tag: "CheckpointError", operation: "append", executionId: "1" })
        expect(failure.message).toContain("no space left on device")
        expect(tools.log).toEqual(["+draft"])
        expect(yield* recoverAll([Plan.stored])).toMatchObject([{ _tag: "Succeeded" }])
        expect(tools.standing()).toEqual(["draft", "publish"])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "a run whose first intent cannot be stored has not happened",
    withTools((tools) =>
      Effect.gen(function*() {
        yield* whileStoreFails(appends.draft, execute(store("draft"), announce("publish")))
        expect(tools.calls).toEqual([])
        expect(yield* events).toEqual([])
        expect(yield* recoverAll([Plan.stored])).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "a success that cannot be stored is not reported, stays in doubt, and is settled under the same key",
    withTools((tools) =>
      Effect.gen(function*() {
        expect(yield* whileStoreFails(appends.outcome, execute(store("draft"), announce("publish")))).toMatchObject({
          _tag: "CheckpointError"
        })
        expect(tools.standing()).toEqual(["draft", "publish"])
        expect((yield* stored)?.steps.get("publish")?.status).toBe("Started")
        expect(yield* recoverAll([Plan.stored])).toMatchObject([{ _tag: "Succeeded" }])
        expect(tools.keys()).toEqual(["1/draft/action", "1/publish/action", "1/publish/action"])
        expect(tools.standing()).toEqual(["draft", "publish"])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "nothing is undone because of a failure that cannot be stored, and recovery never finds an undone plan to go on with",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        expect(yield* whileStoreFails(appends.outcome, execute(store("draft"), announce("publish")))).toMatchObject({
          _tag: "CheckpointError"
        })
        expect(tools.log).toEqual(["+draft", "!publish"])
        expect(yield* recoverAll([Plan.stored])).toMatchObject([{ _tag: "Undone" }])
        expect(tools.log).toEqual(["+draft", "!publish", "!publish", "-draft"])
        expect(yield* recoverAll([Plan.stored])).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )

  it.effect(
    "after a stored Final step it is the next one that waits, and what took effect stays",
    withTools((tools) =>
      Effect.gen(function*() {
        const steps = [store("draft"), announce("publish"), { ...announce("mail"), ...once }]
        yield* whileStoreFails(2, execute(...steps))
        expect(tools.log).toEqual(["+draft", "+publish"])
        expect(yield* recoverAll([Plan.stored])).toMatchObject([{ _tag: "Succeeded" }])
        expect(tools.standing()).toEqual(["draft", "publish", "mail"])
      }).pipe(Effect.provide(Checkpoint.layerMemory))
    )
  )
})
