/** What the seed did to recover, held against plans: see `docs/seed.md`. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Stream } from "effect"
import { Checkpoint, Journal, Plan, Recovery, Saga, SagaError } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { Faults } from "effect-saga/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventsOf, process, recoverAll } from "../support/store.ts"
import { announce, look, once, planOf, store, withTools } from "../support/tools.ts"

/** A process that executes a plan and dies at this commit. */
const crash = (
  memory: Checkpoint.Store,
  at: { readonly commit: number; readonly moment: "before" | "after" },
  plan: unknown,
  executionId = "1"
) =>
  process(
    Faults.crashAt(memory, at.commit, at.moment),
    Effect.flatMap(Plan.decode(plan), (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId })))
  )

/** The intent of the first effect is stored, and its tool was not called; or it was, and nobody knows. */
const intended = { commit: 0, moment: "after" } as const
const called = { commit: 1, moment: "before" } as const

const recover = (store: Checkpoint.Store, options?: Recovery.Options) =>
  process(store, recoverAll([Plan.stored], options))

const pending = (store: Checkpoint.Store) =>
  Effect.map(Stream.runCollect(store.unfinished({ parked: false })), Chunk.toReadonlyArray)

const parked = (store: Checkpoint.Store) =>
  Effect.map(process(store, Stream.runCollect(Recovery.parked([Plan.stored]))), Chunk.toReadonlyArray)

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-seed-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => join(directory, "journal.db")
)

describe("a crash between intent and outcome", () => {
  it.effect(
    "leaves the intent in the journal, with the plan and all that its key is made of",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        const plan = planOf(announce("deploy"))
        yield* crash(memory, intended, plan)
        expect(tools.calls).toEqual([])
        expect(yield* pending(memory)).toMatchObject([{ executionId: "1", saga: "Report", status: "Running" }])
        const state = Journal.fold(yield* eventsOf(memory, "1")) as Journal.ExecutionState
        expect(state.plan).toEqual({ version: 1, ...plan })
        expect(Journal.steps(state).filter(Journal.isInDoubt)).toMatchObject([{ step: "deploy" }])
      })
    )
  )

  it.effect(
    "is mended by calling the pending Final step, whose output comes out, and nothing is left pending",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, intended, planOf(announce("deploy")))
        expect(yield* recover(memory)).toMatchObject([
          { executionId: "1", _tag: "Succeeded", output: { deploy: "deploy-output" } }
        ])
        expect(tools.log).toEqual(["+deploy"])
        expect(yield* pending(memory)).toEqual([])
      })
    )
  )

  it.scoped(
    "is mended by another process that has nothing but the SQLite file",
    withTools((tools) =>
      Effect.gen(function*() {
        const filename = yield* temporaryFile
        const opened = <A, E, R>(use: (store: Checkpoint.Store) => Effect.Effect<A, E, R>) =>
          Effect.scoped(Effect.flatMap(SqliteCheckpoint.make({ filename, durability: "process" }), use))
        const plan = planOf(look("check"), store("draft"), announce("publish"), { ...announce("mail"), ...once })
        yield* opened((file) => crash(file, { commit: 2, moment: "before" }, plan))
        expect(tools.log).toEqual(["?check", "+draft", "+publish"])
        expect(yield* opened((file) => recover(file))).toMatchObject([
          { _tag: "Succeeded", output: { check: "check-output", draft: "draft-output", mail: "mail-output" } }
        ])
        expect(tools.standing()).toEqual(["draft", "publish", "mail"])
        expect(yield* opened(pending)).toEqual([])
      })
    )
  )

  it.effect(
    "after which the tool is called again under the key of its first call, so that what it does is done once",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, called, planOf(announce("deploy")))
        yield* recover(memory)
        expect(tools.keys()).toEqual(["1/deploy/action", "1/deploy/action"])
        expect(tools.standing()).toEqual(["deploy"])
      })
    )
  )

  it.effect(
    "of a Compensatable step is mended too, and the steps after it run",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, called, planOf(store("draft"), store("notes"), announce("publish")))
        expect(yield* recover(memory)).toMatchObject([{ _tag: "Succeeded" }])
        expect(tools.log).toEqual(["+draft", "+draft", "+notes", "+publish"])
        expect(tools.standing()).toEqual(["draft", "notes", "publish"])
      })
    )
  )

  it.effect(
    "on the way back is mended by going further back: what is undone is not undone again",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        tools.refuse("publish", "no")
        // Three intents, the decision, and the end of the first compensation.
        yield* crash(
          memory,
          { commit: 4, moment: "after" },
          planOf(store("draft"), store("notes"), announce("publish"))
        )
        expect(tools.log).toEqual(["+draft", "+notes", "!publish", "-notes"])
        tools.allow("publish")
        expect(yield* recover(memory)).toMatchObject([{ _tag: "Undone" }])
        expect(tools.log).toEqual(["+draft", "+notes", "!publish", "-notes", "-draft"])
      })
    )
  )
})

describe("recovery", () => {
  it.effect(
    "undoes the whole plan where the pending Final step fails, tells why, and leaves nothing pending",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, { commit: 1, moment: "after" }, planOf(store("draft"), announce("publish")))
        tools.refuse("publish", "no")
        expect(yield* recover(memory)).toMatchObject([
          { _tag: "Undone", cause: Cause.fail(expect.objectContaining({ _tag: "ToolFailed", reason: "no" })) }
        ])
        expect(tools.log).toEqual(["+draft", "!publish", "-draft"])
        expect(yield* pending(memory)).toEqual([])
      })
    )
  )

  it.effect(
    "leaves what is finished alone, and calls no tool where nothing is pending",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        expect(yield* recover(memory)).toEqual([])
        const plan = yield* Plan.decode(planOf(announce("deploy")))
        yield* process(memory, Saga.execute(plan, undefined, { executionId: "1" }))
        expect(yield* recover(memory)).toEqual([])
        expect(tools.log).toEqual(["+deploy"])
      })
    )
  )

  it.effect(
    "finishes every pending execution, each as its own plan says, also where one of them fails",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, intended, planOf(announce("deploy")), "a")
        yield* crash(memory, intended, planOf(announce("broken")), "b")
        yield* crash(memory, intended, planOf(store("draft")), "c")
        tools.refuse("broken", "no")
        const recovered = yield* recover(memory, { concurrency: 1 })
        expect(recovered.map(({ _tag, executionId }) => `${executionId} ${_tag}`)).toEqual([
          "a Succeeded",
          "b Undone",
          "c Succeeded"
        ])
      })
    )
  )

  it.effect(
    "fails, and calls no tool, where the store cannot list what is pending",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, intended, planOf(announce("deploy")))
        const failure = new SagaError.CheckpointError({
          reason: "Unavailable",
          operation: "list",
          detail: "it is gone"
        })
        expect(yield* Effect.flip(recover({ ...memory, unfinished: () => Stream.fail(failure) }))).toBe(failure)
        expect(tools.calls).toEqual([])
      })
    )
  )

  it.effect(
    "says where it could not store an outcome, and the next one finishes the execution under the same key",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, intended, planOf(announce("deploy")))
        expect(yield* recover(Faults.crashAt(memory, 0, "before"))).toMatchObject([{ _tag: "LeftAsItWas" }])
        expect(yield* recover(memory)).toMatchObject([{ _tag: "Succeeded" }])
        expect(tools.keys()).toEqual(["1/deploy/action", "1/deploy/action"])
      })
    )
  )

  it.effect(
    "leaves a pending Final step to a person where its plan says so, who is told its key, and says what was found",
    withTools((tools) =>
      Effect.gen(function*() {
        const memory = yield* Checkpoint.makeMemory
        yield* crash(memory, called, planOf({ ...announce("deploy"), inDoubt: "park" }))
        expect(yield* recover(memory)).toMatchObject([{ _tag: "Parked" }])
        expect(yield* parked(memory)).toMatchObject([
          { executionId: "1", error: { _tag: "OutcomeUnknown", step: "deploy", idempotencyKey: "1/deploy/action" } }
        ])
        const found = { step: "deploy", happened: true, output: "it is there" } as const
        expect(yield* process(memory, Plan.resume("1", { found }))).toEqual({ deploy: "it is there" })
        expect(tools.log).toEqual(["+deploy"])
      })
    )
  )
})
