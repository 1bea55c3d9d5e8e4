import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import { Checkpoint, Plan, Recovery, Saga, ToolExecutor } from "effect-saga"
import { SagaTest } from "effect-saga/testing"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"
import { decoded, final, makeTools, Path, planOf, write } from "./support/tools.ts"

describe("a durable plan", () => {
  const json = planOf(write("a"), write("b", { path: { $ref: "/input/path" } }), final("c"))
  const input = { path: "b" }

  /** Starts a plan and loses its store after the second commit. */
  const abandon = (json: unknown, executionId: string) =>
    Effect.flatMap(
      Checkpoint.Checkpoint,
      (store) =>
        decoded(json, (plan) => Effect.exit(Saga.execute(plan, input, { executionId }))).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
    )

  const make = () => {
    const tools = makeTools()
    return { ...tools, layer: Layer.merge(tools.layer, Checkpoint.layerMemory) }
  }

  it.effect("is in the store, and goes on from there with nothing but the tools", () => {
    const { layer, world } = make()
    return Effect.gen(function*() {
      yield* abandon(json, "1")
      expect(world.log).toEqual(["+a", "+b"])
      const [started] = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(started).toMatchObject({ _tag: "Started", saga: "Report", plan: json, input })
      expect(yield* Plan.resume("1")).toEqual({ a: { path: "a" }, b: { path: "b" }, c: null })
      expect(world.standing()).toEqual(["a", "b", "c"])
      expect(yield* Plan.resume("1")).toEqual({ a: { path: "a" }, b: { path: "b" }, c: null })
    }).pipe(Effect.provide(layer))
  })

  it.effect("is recovered beside hand-written sagas, one of its own name too", () => {
    const { layer, world } = make()
    const report = Saga.make("Report").compensatable("x", {
      success: Schema.String,
      action: world.do("x"),
      compensate: world.undo("x")
    }).compensatable("y", { success: Schema.String, action: world.do("y"), compensate: world.undo("y") })
      .readOnly("z", { action: () => Effect.void }).build(({ outputs }) => outputs.y)
    return Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* abandon(json, "plan")
      yield* Effect.exit(Saga.execute(report, undefined, { executionId: "code" })).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
      )
      expect(yield* recoverAll([report])).toMatchObject([
        { executionId: "plan", _tag: "LeftAsItWas" },
        { executionId: "code", _tag: "Succeeded", output: "y-output" }
      ])
      expect(yield* recoverAll([])).toMatchObject([{ executionId: "plan", saga: "Report", _tag: "Unregistered" }])
      expect(yield* recoverAll([report, Plan.stored])).toMatchObject([
        { executionId: "plan", _tag: "Succeeded", output: { c: null } }
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that failed fails the same way for whoever asks later", () => {
    const { layer } = make()
    return Effect.gen(function*() {
      const failed = yield* Effect.flip(
        decoded(
          planOf(write("a"), final("c", "refuse", {})),
          (plan) => Saga.execute(plan, undefined, { executionId: "1" })
        )
      )
      expect(failed).toBeInstanceOf(ToolExecutor.ToolFailed)
      expect(yield* Effect.flip(Plan.resume("1"))).toEqual(failed)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is left untouched while a tool that it needs is not there, and goes on when it is", () => {
    const { layer, world } = make()
    const none = ToolExecutor.layer({})
    return Effect.gen(function*() {
      yield* abandon(json, "1")
      const [left] = yield* Effect.provide(recoverAll([Plan.stored]), none)
      expect(left).toMatchObject({ _tag: "LeftAsItWas", executionId: "1" })
      expect(left?._tag === "LeftAsItWas" && Cause.squash(left.cause)).toBeInstanceOf(Plan.InvalidPlan)
      expect(yield* Effect.provide(Effect.flip(Plan.resume("1")), none)).toMatchObject({ _tag: "InvalidPlan" })
      expect(world.log).toEqual(["+a", "+b"])
      expect(yield* Recovery.run([Plan.stored])).toMatchObject({ succeeded: 1 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is finished gives its result without its tools, and one that goes back needs those that undo", () => {
    const { layer, world } = make()
    const back = planOf(write("a"), final("no", "refuse", {}))
    const remove = ToolExecutor.layer({
      remove: ToolExecutor.tool({ parameters: Path, run: ({ path }, call) => world.undo(path)(call) })
    })
    return Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* decoded(json, (plan) => Saga.execute(plan, input, { executionId: "done" }))
      expect(yield* Effect.provide(Plan.resume("done"), ToolExecutor.layer({}))).toMatchObject({ c: null })
      yield* decoded(back, (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "back" }))).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
      )
      expect((yield* Effect.flip(Effect.provide(Plan.resume("back"), ToolExecutor.layer({})))).message).toBe(
        "this plan cannot be run: /steps/0/compensation/tool: step \"a\" calls tool \"remove\", which nobody provides"
      )
      yield* Effect.exit(Effect.provide(Plan.resume("back"), remove))
      expect(yield* Effect.map(Checkpoint.Checkpoint, () => world.log.slice(-1))).toEqual(["-a"])
    }).pipe(Effect.provide(layer))
  })

  describe("whose step is in doubt after a crash", () => {
    /** Runs a plan up to the second step's action, and resumes it with other tools. */
    const crashed = (b: object, before: ToolExecutor.Tool<never>, after: ToolExecutor.Tool<never>) =>
      Effect.gen(function*() {
        const { layer, world } = makeTools()
        const store = yield* Checkpoint.Checkpoint
        const withB = (b: ToolExecutor.Tool<never>) =>
          Layer.effect(
            ToolExecutor.ToolExecutor,
            Effect.gen(function*() {
              const others = yield* Effect.provide(ToolExecutor.ToolExecutor, layer)
              const own = yield* Effect.provide(ToolExecutor.ToolExecutor, ToolExecutor.layer({ b }))
              const of = (tool: string) => tool === "b" ? own : others
              return { describe: (tool) => of(tool).describe(tool), execute: (call) => of(call.tool).execute(call) }
            })
          )
        const json = planOf(write("a"), {
          name: "b",
          classification: "Compensatable",
          action: { tool: "b", arguments: b },
          compensation: { tool: "remove", arguments: { path: "b" } },
          inDoubt: "retry"
        })
        yield* decoded(json, (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "1" }))).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 })),
          Effect.provide(withB(before))
        )
        const error = yield* Effect.flip(Effect.provide(Plan.resume("1"), withB(after)))
        return { error, log: world.log }
      }).pipe(Effect.provide(Checkpoint.layerMemory))

    it.effect("stays in doubt when it cannot be called again: nothing is undone beside an effect that may stand", () => {
      const before = ToolExecutor.tool({ parameters: Schema.Struct({ path: Schema.Any }), run: () => Effect.void })
      const stricter = ToolExecutor.tool({ parameters: Schema.Struct({ path: Schema.Int }), run: () => Effect.void })
      return Effect.gen(function*() {
        const { error, log } = yield* crashed({ path: { $ref: "/outputs/a/path" } }, before, stricter)
        expect(error).toMatchObject({ _tag: "OutcomeUnknown", step: "b", parked: true })
        expect(error.message).toContain("does not take these arguments")
        expect(log).toEqual(["+a"])
      })
    })

    it.effect("is undone with the rest when the tool itself answers that it did not happen", () => {
      const before = ToolExecutor.tool({ parameters: Path, run: () => Effect.void })
      const refuses = ToolExecutor.tool({ parameters: Path, run: () => Effect.fail("no") })
      return Effect.gen(function*() {
        const { error, log } = yield* crashed({ path: "b" }, before, refuses)
        expect(error).toMatchObject({ _tag: "ToolFailed", reason: "no" })
        expect(log).toEqual(["+a", "-a"])
      })
    })
  })

  it.effect("that stands in a saga written in code is not taken for another plan there", () => {
    const { layer, world } = make()
    const outer = (path: string) =>
      decoded(planOf(write("a", { path })), (plan) =>
        Effect.succeed(
          Saga.make("Outer").saga("plan", plan, { input: () => undefined })
            .final("end", { action: () => Effect.void, inDoubt: "retry", retry: { times: 1 } })
            .build()
        ))
    return Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* Effect.exit(Saga.execute(yield* outer("one"), undefined, { executionId: "1" })).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
      )
      expect(yield* Effect.flip(Saga.resume(yield* outer("two"), "1"))).toMatchObject({
        _tag: "DefinitionChanged",
        difference: "the document of plan \"Report\" has changed"
      })
      yield* Saga.resume(yield* outer("one"), "1")
      expect(world.standing()).toEqual(["one"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not taken for another plan of its name and steps", () => {
    const { layer, world } = make()
    const other = planOf(write("a", { path: "other" }), write("b", { path: { $ref: "/input/path" } }), final("c"))
    return Effect.gen(function*() {
      yield* abandon(json, "1")
      const conflict = yield* Effect.flip(decoded(other, (plan) => Saga.execute(plan, input, { executionId: "1" })))
      expect(conflict).toMatchObject({
        _tag: "DefinitionChanged",
        difference: "step 1 of its plan has another action"
      })
      expect(world.log).toEqual(["+a", "+b"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is joined by the same plan while it is driven, whatever the order of its members", () => {
    const { calls, layer } = make()
    const reordered = { steps: json.steps, name: json.name }
    return Effect.gen(function*() {
      const run = (json: unknown) => decoded(json, (plan) => Saga.execute(plan, input, { executionId: "1" }))
      const [one, two] = yield* Effect.all([run(json), run(reordered)], { concurrency: 2 })
      expect(two).toEqual(one)
      expect(calls.length).toBe(3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is parked is listed with why, also without its tools", () => {
    const { layer } = make()
    const stuck = { ...write("a"), compensation: { tool: "refuse", arguments: {} } }
    return Effect.gen(function*() {
      yield* Effect.exit(
        decoded(planOf(stuck, final("c", "refuse", {})), (plan) => Saga.execute(plan, undefined, { executionId: "1" }))
      )
      expect(yield* recoverAll([Plan.stored])).toEqual([])
      const { runCollect } = yield* Effect.promise(() => import("effect/Stream"))
      const listed = Array.from(yield* runCollect(Recovery.parked([Plan.stored])))
      expect(listed).toMatchObject([{ executionId: "1", saga: "Report", error: { _tag: "PartlyUndone" } }])
      const unnamed = Array.from(yield* runCollect(Recovery.parked([])))
      expect(unnamed).toMatchObject([{ executionId: "1", error: undefined }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not found under the id of something else", () => {
    const { layer } = make()
    const saga = Saga.make("Code").readOnly("a", { action: () => Effect.void }).build()
    return Effect.gen(function*() {
      yield* Saga.execute(saga, undefined, { executionId: "code" })
      for (const executionId of ["code", "nobody", "\ud800"]) {
        expect(yield* Effect.flip(Plan.resume(executionId))).toMatchObject({ _tag: "ExecutionNotFound", executionId })
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose stored document is no plan any more is reported, and left as it is", () => {
    const { layer } = make()
    return Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      yield* store.append({
        executionId: "1",
        saga: "Report",
        version: 1,
        sequence: 0,
        status: "Running",
        taken: 0,
        wakeIn: undefined,
        isPlan: false,
        attributes: undefined,
        body: JSON.stringify({ format: 1, events: [] }).replace(
          "[]",
          JSON.stringify([{
            _tag: "Started",
            saga: "Report",
            version: 1,
            fingerprint: "[]",
            plan: { steps: 1 },
            at: 0
          }])
        ),
        token: yield* store.token,
        fence: 0
      })
      expect(yield* Effect.exit(Plan.resume("1"))).toEqual(Exit.fail(expect.objectContaining({ _tag: "InvalidPlan" })))
    }).pipe(Effect.provide(layer))
  })

  it.live("keeps the law of unwinding through every single fault", () =>
    Effect.gen(function*() {
      const { layer, world } = makeTools()
      const plan = yield* Effect.provide(Plan.decode(planOf(write("a"), write("b"), final("c"))), layer)
      const report = yield* SagaTest.explore(plan, { input: undefined, layer })
      expect(report.violations).toEqual([])
      expect(world.log.length).toBeGreaterThan(20)
    }))
})
