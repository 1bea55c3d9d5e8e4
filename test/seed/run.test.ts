/** What the seed did without a checkpoint, held against plans: see `docs/seed.md`. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option } from "effect"
import { Plan, Saga } from "effect-saga"
import { announce, look, once, planOf, store, withTools } from "../support/tools.ts"

const report = (...steps: ReadonlyArray<unknown>) =>
  Effect.flatMap(Plan.decode(planOf(...steps)), (plan) => Saga.report(plan, undefined))

/** Runs a plan that fails, for its error. */
const errorOf = (...steps: ReadonlyArray<unknown>) =>
  Effect.flatMap(Plan.decode(planOf(...steps)), (plan) => Effect.flip(Saga.run(plan, undefined)))

describe("a run in process needs no store", () => {
  it.effect(
    "every step runs in order, nothing is undone, and what each returned comes out by its name",
    withTools((tools) =>
      Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(look("check"), store("draft"), store("notes")))
        expect(yield* Saga.run(plan, undefined)).toEqual({
          check: "check-output",
          draft: "draft-output",
          notes: "notes-output"
        })
        expect(tools.log).toEqual(["?check", "+draft", "+notes"])
      })
    )
  )

  it.effect(
    "a Final step runs without a store",
    withTools((tools) =>
      Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(store("draft"), announce("publish")))
        expect(yield* Saga.run(plan, undefined)).toEqual({ draft: "draft-output", publish: "publish-output" })
        expect(tools.standing()).toEqual(["draft", "publish"])
      })
    )
  )

  it.effect(
    "each action and each compensation calls the tool that it names, with its arguments",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        yield* errorOf(store("draft"), announce("publish"))
        expect(tools.calls).toMatchObject([
          { role: "action", step: "draft", tool: "store", arguments: { as: "draft", text: "hello" } },
          { role: "action", step: "publish", tool: "announce", arguments: { to: "publish" } },
          { role: "compensation", step: "draft", tool: "remove", arguments: { as: "draft" } }
        ])
      })
    )
  )

  it.effect(
    "a step that fails ends the run there, and the Compensatable ones before it are undone, newest first",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("index", "connection lost")
        const failure = yield* errorOf(
          look("check"),
          store("draft"),
          look("compare"),
          store("notes"),
          store("index"),
          announce("publish")
        )
        expect(failure).toMatchObject({ _tag: "ToolFailed", reason: "connection lost" })
        expect(tools.log).toEqual(["?check", "+draft", "?compare", "+notes", "!index", "-notes", "-draft"])
      })
    )
  )

  it.effect(
    "a ReadOnly step that fails leaves nothing to undo",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("check", "no")
        const told = yield* report(look("check"))
        expect(told).toMatchObject({ _tag: "Undone", compensations: [] })
        expect(tools.log).toEqual(["!check"])
      })
    )
  )

  it.effect(
    "a first Final step that fails is unwound like any other",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        expect(yield* errorOf(store("draft"), announce("publish"))).toMatchObject({ _tag: "ToolFailed" })
        expect(tools.log).toEqual(["+draft", "!publish", "-draft"])
      })
    )
  )

  it.effect(
    "a Final step that fails after another took effect undoes nothing, and the error names what stands",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("mail", "no")
        expect(yield* errorOf(store("draft"), announce("publish"), { ...announce("mail"), ...once }))
          .toMatchObject({ _tag: "FailedAfterCommit", step: "mail", stands: ["draft", "publish"] })
        expect(tools.log).toEqual(["+draft", "+publish", "!mail", "!mail"])
      })
    )
  )

  it.effect(
    "a compensation that fails does not keep the older steps from being undone, and is not hidden",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("-notes", "locked")
        tools.refuse("publish", "no")
        const failure = yield* errorOf(store("draft"), store("notes"), store("index"), announce("publish"))
        expect(failure).toMatchObject({
          _tag: "PartlyUndone",
          undone: ["index", "draft"],
          failed: [{ step: "notes", cause: Cause.fail(expect.objectContaining({ reason: "locked" })) }]
        })
        expect(tools.log).toEqual(["+draft", "+notes", "+index", "!publish", "-index", "!-notes", "-draft"])
      })
    )
  )

  it.effect(
    "a tool that dies is unwound too",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.before = ({ step }) => step === "publish" ? Effect.die("out of memory") : Effect.void
        const plan = yield* Plan.decode(planOf(store("draft"), announce("publish")))
        expect(yield* Effect.exit(Saga.run(plan, undefined))).toEqual(Exit.die("out of memory"))
        expect(tools.log).toEqual(["+draft", "-draft"])
      })
    )
  )

  it.effect(
    "what a step returned can be given to later steps, and to its own compensation",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        const output = { $ref: "/outputs/draft" }
        const draft = { ...store("draft"), compensation: { tool: "remove", arguments: { what: output } } }
        yield* errorOf(draft, { ...announce("publish"), action: { tool: "announce", arguments: [output] } })
        expect(tools.calls.slice(1).map((call) => call.arguments)).toEqual([["draft-output"], { what: "draft-output" }])
      })
    )
  )

  it.effect(
    "each effect has a key of its own that reaches the tool, and each run has other keys",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "no")
        yield* errorOf(look("check"), store("draft"), announce("publish"))
        expect(new Set(tools.keys()).size).toBe(4)
        expect(tools.calls[3]?.actionIdempotencyKey).toBe(tools.calls[1]?.idempotencyKey)
        yield* errorOf(look("check"), store("draft"), announce("publish"))
        expect(new Set(tools.keys()).size).toBe(8)
      })
    )
  )

  it.effect(
    "a tool that is called again is called under the same key",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("publish", "busy")
        yield* errorOf({ ...announce("publish"), ...once })
        expect(tools.calls.map(({ attempt }) => attempt)).toEqual([1, 2])
        expect(new Set(tools.keys()).size).toBe(1)
      })
    )
  )
})

describe("a report tells what became of a run", () => {
  it.effect(
    "it has an entry for each step, also for those that the run never came to",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("notes", "no")
        const told = yield* report(look("check"), store("draft"), store("notes"), announce("publish"))
        expect(told.steps.map(({ status, step }) => `${step} ${status}`)).toEqual([
          "check Succeeded",
          "draft Succeeded",
          "notes Failed",
          "publish NotStarted"
        ])
      })
    )
  )

  it.effect(
    "it has an entry for each compensation, newest first, with why it failed, and none after a success",
    withTools((tools) =>
      Effect.gen(function*() {
        const steps = [store("draft"), store("notes"), announce("publish")]
        expect(yield* report(...steps)).toMatchObject({ _tag: "Succeeded", compensations: [] })
        tools.refuse("publish", "no")
        tools.refuse("-draft", "locked")
        expect((yield* report(...steps)).compensations).toMatchObject([
          { step: "notes", status: "Undone", cause: undefined },
          { step: "draft", status: "Failed", cause: Cause.fail(expect.objectContaining({ reason: "locked" })) }
        ])
      })
    )
  )

  it.effect(
    "it has why a step failed, in the tool's own words",
    withTools((tools) =>
      Effect.gen(function*() {
        tools.refuse("draft", "disk full")
        const told = yield* report(store("draft"))
        expect(told._tag === "Undone" && Option.getOrThrow(Cause.failureOption(told.cause))).toMatchObject({
          _tag: "ToolFailed",
          tool: "store",
          reason: "disk full"
        })
        expect(told.steps[0]?.reason).toContain("disk full")
      })
    )
  )

  it.effect(
    "it says in a sentence what happened: done, undone, partly undone, or failed past the point of no return",
    withTools((tools) =>
      Effect.gen(function*() {
        const steps = [store("draft"), announce("publish"), { ...announce("mail"), ...once }]
        const summary = Effect.map(report(...steps), (told) => told.summary)
        expect(yield* summary).toBe("Report succeeded: 3 steps took effect")
        tools.refuse("mail", "no")
        expect(yield* summary).toBe(
          "Report failed with ToolFailed at step \"mail\" after its point of no return; in effect: \"draft\", \"publish\""
        )
        tools.refuse("publish", "no")
        expect(yield* summary).toBe("Report failed with ToolFailed at step \"publish\"; undone: \"draft\"")
        tools.refuse("-draft", "locked")
        expect(yield* summary).toBe(
          "Report failed with ToolFailed at step \"publish\"; nothing could be undone; still in effect: \"draft\""
        )
      })
    )
  )
})
