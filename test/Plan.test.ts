import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Schema, TestClock } from "effect"
import { Checkpoint, Plan, Recovery, Saga, SagaError, type Step, ToolExecutor } from "effect-saga"
import { SagaTest } from "effect-saga/testing"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Path = Schema.Struct({ path: Schema.String })

/** Tools that do what they are named for to a world, and return what they were given. */
const makeTools = () => {
  const world = makeWorld()
  const calls: Array<ToolExecutor.ToolCall> = []
  const noted = <A, E>(effect: Effect.Effect<A, E>, call: ToolExecutor.ToolCall) =>
    Effect.zipRight(Effect.sync(() => calls.push(call)), effect)
  const keys = (call: ToolExecutor.ToolCall) => call as { readonly idempotencyKey: Step.IdempotencyKey }
  const layer = ToolExecutor.layer({
    stat: ToolExecutor.tool({
      parameters: Path,
      success: Schema.Struct({ size: Schema.Number, tags: Schema.Array(Schema.String) }),
      run: (_, call) => noted(Effect.succeed({ size: 3, tags: ["a", "b"] }), call)
    }),
    write: ToolExecutor.tool({
      parameters: Schema.Struct({
        path: Schema.String,
        size: Schema.optionalWith(Schema.NumberFromString, { exact: true })
      }),
      success: Path,
      run: ({ path }, call) => noted(Effect.as(world.do(path)(keys(call)), { path }), call)
    }),
    remove: ToolExecutor.tool({
      parameters: Path,
      run: ({ path }, call) => noted(world.undo(path)(call), call)
    }),
    publish: ToolExecutor.tool({
      parameters: Path,
      inDoubt: "retry",
      run: ({ path }, call) => noted(Effect.asVoid(world.do(path)(keys(call))), call)
    }),
    refuse: ToolExecutor.tool({
      parameters: Schema.Struct({}),
      failure: Schema.Struct({ code: Schema.Number }),
      inDoubt: "retry",
      run: (_, call) => noted(Effect.fail({ code: 409 }), call)
    })
  })
  return { world, calls, layer }
}

const readOnly = (name: string, tool: string, args: unknown = {}, more: object = {}) => ({
  name,
  classification: "ReadOnly",
  action: { tool, arguments: args },
  ...more
})
const write = (name: string, args: unknown = { path: name }, more: object = {}) => ({
  name,
  classification: "Compensatable",
  action: { tool: "write", arguments: args },
  compensation: { tool: "remove", arguments: { path: { $ref: `/outputs/${name}/path` } } },
  ...more
})
const final = (name: string, tool = "publish", args: unknown = { path: name }, more: object = {}) => ({
  name,
  classification: "Final",
  action: { tool, arguments: args },
  ...more
})
const planOf = (...steps: ReadonlyArray<unknown>) => ({ name: "Report", steps })

const problemsOf = (json: unknown) =>
  Effect.runSync(Effect.provide(Effect.flip(Plan.decode(json)), makeTools().layer)).problems
const isSaid = (json: unknown, ...problems: ReadonlyArray<readonly [Plan.ProblemTag, string, string | RegExp]>) => {
  const said = problemsOf(json)
  expect(said.map(({ _tag, at }) => [_tag, at])).toEqual(problems.map(([tag, at]) => [tag, at]))
  for (const [index, [, , message]] of problems.entries()) expect(said[index]!.message).toMatch(message)
}

describe("Plan.decode refuses", () => {
  it("what the builder refuses, in the same words", () => {
    const action = () => Effect.void
    const untyped = Saga.make as any
    const builder = untyped("", { version: 0 })
      .final("publish", { action })
      .readOnly("check", { action })
      .compensatable("publish", { action, inDoubt: "verify" })
      .parallel((branch: any) => branch.readOnly("a/b", { action, retry: {} }).final("f", { action }))
      .parallel((branch: any) => branch)
    let refused: unknown
    try {
      builder.build()
    } catch (error) {
      refused = error
    }
    const { compensation: _, ...uncompensated } = write("publish", { path: "p" }, { inDoubt: "verify" })
    const said = problemsOf({
      name: "",
      version: 0,
      steps: [
        final("publish"),
        readOnly("check", "stat", { path: "p" }),
        uncompensated,
        { parallel: [readOnly("a/b", "stat", { path: "p" }, { retry: {} }), final("f")] },
        { parallel: [] }
      ]
    })
    expect(refused).toBeInstanceOf(SagaError.InvalidSaga)
    expect(said.map(({ message }) => message).sort()).toEqual([...(refused as SagaError.InvalidSaga).problems].sort())
    expect(said.map(({ _tag, at }) => `${_tag} ${at}`)).toEqual([
      "InvalidSagaName /name",
      "InvalidStepOrder /steps/1",
      "DuplicateStep /steps/2",
      "InvalidStepOrder /steps/2",
      "MissingCompensation /steps/2",
      "MissingVerify /steps/2",
      "InvalidStepName /steps/3/parallel/0",
      "InvalidStepOrder /steps/3/parallel/0",
      "EndlessRetry /steps/3/parallel/0",
      "FinalInParallel /steps/3/parallel/1",
      "EmptyParallel /steps/4",
      "InvalidVersion /version"
    ])
  })

  it("an empty plan, and what is none", () => {
    isSaid({ name: "p", steps: [] }, ["NoSteps", "/steps", "a saga needs at least one step"])
    isSaid({ name: "p" }, ["Malformed", "/steps", "is missing"])
    isSaid(3, ["Malformed", "", "Expected"])
    isSaid({ name: new Date() }, ["Malformed", "", "the plan.name is a Date, which is not plain JSON"])
  })

  it("a step that is malformed, and says nothing that is not so of the others", () => {
    isSaid(
      planOf(
        { ...write("a"), clasification: 1 },
        { ...write("b"), classification: "Undoable", timeout: "soon" },
        write("c")
      ),
      ["Malformed", "/steps/0/clasification", "is unexpected"],
      ["Malformed", "/steps/1/classification", "is none of \"ReadOnly\", \"Compensatable\" and \"Final\""],
      ["Malformed", "/steps/1/timeout", "is not a time such as \"5 seconds\""]
    )
  })

  it("a tool that nobody provides, in any role", () => {
    isSaid(
      planOf(write("a", {}, {
        action: { tool: "scribble", arguments: {} },
        compensation: { tool: "unscribble", arguments: {} },
        verify: { tool: "ask", arguments: {} }
      })),
      ["UnknownTool", "/steps/0/action/tool", "step \"a\" calls tool \"scribble\", which nobody provides"],
      ["UnknownTool", "/steps/0/compensation/tool", "unscribble"],
      ["UnknownTool", "/steps/0/verify/tool", "ask"]
    )
  })

  it("a tool whose name is that of a member every object has", () => {
    isSaid(planOf(readOnly("a", "toString")), ["UnknownTool", "/steps/0/action/tool", /toString/])
  })

  it("arguments that a tool does not take, each where it is, but for what references will give", () => {
    isSaid(
      planOf(write("a", { path: 3, sise: "1" }), write("b", { path: { $ref: "/input/path" }, size: "three" })),
      [
        "InvalidArguments",
        "/steps/0/action/arguments/path",
        "step \"a\" calls tool \"write\" with arguments that it does not take: path"
      ],
      ["InvalidArguments", "/steps/0/action/arguments/sise", "is unexpected"],
      ["InvalidArguments", "/steps/1/action/arguments/size", "size"]
    )
  })

  it("references to what is not there, not yet, or at the same time", () => {
    const reading = (name: string, $ref: unknown) => readOnly(name, "stat", { path: { $ref } })
    const place = "action/arguments/path"
    isSaid(
      planOf(
        reading("a", "/outputs/a/size"),
        reading("b", "/outputs/later/path"),
        reading("c", "/outputs/nowhere"),
        { parallel: [reading("d", "/outputs/e/size"), reading("e", "/outputs/a/size")] },
        write("later"),
        reading("f", "/outputs/later/size"),
        reading("g", "/outputs/a/tags/first"),
        reading("h", "#/input"),
        readOnly("i", "stat", { path: { $ref: "/input", also: 1 } }),
        reading("j", "/outputs")
      ),
      [
        "UnresolvedReference",
        `/steps/0/${place}`,
        "which is what it returns itself, and only its compensation sees that"
      ],
      [
        "UnresolvedReference",
        `/steps/1/${place}`,
        "step \"b\" refers to \"/outputs/later/path\", but step \"later\" comes later"
      ],
      ["UnresolvedReference", `/steps/2/${place}`, "but there is no step \"nowhere\""],
      ["UnresolvedReference", `/steps/3/parallel/0/${place}`, "but step \"e\" runs at the same time"],
      ["UnresolvedReference", `/steps/5/${place}`, "but step \"later\" returns nothing of that kind"],
      ["UnresolvedReference", `/steps/6/${place}`, "but step \"a\" returns nothing of that kind"],
      ["UnresolvedReference", `/steps/7/${place}`, "the pointer begins with \"/input\" or \"/outputs/<step>\""],
      ["UnresolvedReference", `/steps/8/${place}`, "and nothing else"],
      ["UnresolvedReference", `/steps/9/${place}`, "/outputs/<step>"]
    )
  })

  it("what a run would refuse by type: a Final that does not say what a crash means, and a later one without retry", () => {
    isSaid(
      planOf(write("a", { path: "a" }, { timeout: "1 second" }), final("b", "stat", { path: "b" }), final("c")),
      ["MissingInDoubt", "/steps/0", "every run needs inDoubt on step \"a\": its action can end with OutcomeUnknown"],
      [
        "MissingInDoubt",
        "/steps/1",
        "Saga.execute needs inDoubt on Final step \"b\": what if the process dies during its action?"
      ],
      [
        "MissingRetry",
        "/steps/2",
        "every run needs retry on Final step \"c\": after the point of no return a saga can only go forward"
      ]
    )
  })

  it("all of it with one error, whose message says it", () => {
    const error = Effect.runSync(
      Effect.provide(Effect.flip(Plan.decode(planOf(write("a"), write("a")))), makeTools().layer)
    )
    expect(error).toBeInstanceOf(Plan.InvalidPlan)
    expect(error.message).toBe("this plan cannot be run: /steps/1: step \"a\" is already declared in this saga")
  })
})

const decoded = <A, E, R>(json: unknown, use: (plan: Plan.Plan) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Plan.decode(json), use)

describe("a plan that runs", () => {
  it.effect("resolves references to the input and to earlier outputs, and returns what its steps returned", () => {
    const { calls, layer } = makeTools()
    const json = planOf(
      readOnly("the/stat".replace("/", " ~ "), "stat", { path: { $ref: "/input/deep/0/a~1b" } }),
      write("draft", { path: { $ref: "/outputs/the ~0 stat/tags/1" } }),
      write("literal", { $literal: { path: "{$ref}" } })
    )
    return decoded(json, (plan) =>
      Effect.gen(function*() {
        const output = yield* Saga.run(plan, { deep: [{ "a/b": "here" }] })
        expect(output).toEqual({
          "the ~ stat": { size: 3, tags: ["a", "b"] },
          draft: { path: "b" },
          literal: { path: "{$ref}" }
        })
        expect(calls.map((call) => call.arguments)).toEqual([{ path: "here" }, { path: "b" }, { path: "{$ref}" }])
      })).pipe(Effect.provide(layer))
  })

  it.effect("does not take data that looks like a reference for one", () => {
    const seen: Array<unknown> = []
    const layer = ToolExecutor.layerFunction((call) => Effect.sync(() => seen.push(call.arguments)))
    return decoded(
      planOf(readOnly("a", "any", { $ref: "/input" })),
      (plan) => Effect.map(Saga.run(plan, { $ref: "/outputs/a" }), () => expect(seen).toEqual([{ $ref: "/outputs/a" }]))
    ).pipe(
      Effect.provide(layer)
    )
  })

  it.effect("is refused an input that lacks what it refers to, or makes arguments that a tool does not take", () => {
    const { calls, layer } = makeTools()
    const json = planOf(write("a", { path: { $ref: "/input/path" } }), write("b", { path: { $ref: "/input/other" } }))
    return decoded(json, (plan) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Saga.run(plan, { path: 7 }))
        expect(error).toMatchObject({ _tag: "ParseError" })
        expect(String(error)).toContain(
          "step \"a\" calls tool \"write\" with arguments that it does not take: path Expected string, actual 7"
        )
        expect(String(error)).toContain("step \"b\" refers to \"/input/other\", and the input has nothing there")
        expect(calls).toEqual([])
      })).pipe(Effect.provide(layer))
  })

  it.effect("undoes what it did when a tool fails, by the outputs of each step, and fails with the tool's error", () => {
    const { calls, layer, world } = makeTools()
    return decoded(planOf(write("a"), write("b"), final("c", "refuse", {})), (plan) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Saga.run(plan, undefined))
        expect(error).toEqual(
          new ToolExecutor.ToolFailed({ tool: "refuse", tag: "Object", reason: "Object", failure: { code: 409 } })
        )
        expect(world.log).toEqual(["+a", "+b", "-b", "-a"])
        expect(calls.map(({ role, step, tool }) => `${role} of ${step}: ${tool}`)).toEqual([
          "action of a: write",
          "action of b: write",
          "action of c: refuse",
          "compensation of b: remove",
          "compensation of a: remove"
        ])
        const [a, , , , undone] = calls
        expect(a!.actionIdempotencyKey).toBe(a!.idempotencyKey)
        expect(undone!.actionIdempotencyKey).toBe(a!.idempotencyKey)
        expect(undone!.idempotencyKey).not.toBe(a!.idempotencyKey)
      })).pipe(Effect.provide(layer))
  })

  it.effect("fails before the call when a reference finds nothing in what a step returned", () => {
    const layer = ToolExecutor.layerFunction(({ tool }) =>
      tool === "give" ? Effect.succeed({ a: 1 }) : Effect.die("called")
    )
    const json = planOf(readOnly("a", "give"), readOnly("b", "take", { b: { $ref: "/outputs/a/b" } }))
    return decoded(
      json,
      (plan) =>
        Effect.map(
          Effect.flip(Saga.run(plan, undefined)),
          (error) => expect(error).toEqual(new Plan.UnresolvedReference({ step: "b", reference: "/outputs/a/b" }))
        )
    ).pipe(Effect.provide(layer))
  })

  it.effect("calls a tool again as its retry says, with growing pauses up to the longest", () => {
    const times: Array<number> = []
    const layer = ToolExecutor.layerFunction(() =>
      Effect.clockWith((clock) => {
        times.push(clock.unsafeCurrentTimeMillis())
        return Effect.fail("busy")
      })
    )
    const retry = { times: 4, delay: "1 second", factor: 2, maxDelay: "3 seconds" }
    return decoded(planOf(readOnly("a", "any", {}, { retry })), (plan) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.exit(Saga.run(plan, undefined)))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        expect(times).toEqual([0, 1000, 3000, 6000, 9000])
      })).pipe(Effect.provide(layer))
  })

  it.effect("has no pause that is longer than its time-out allows, and is in doubt then", () => {
    const layer = ToolExecutor.layerFunction(({ role }) => role === "action" ? Effect.never : Effect.void)
    const step = write("a", {}, { timeout: "2 seconds", inDoubt: "park" })
    return decoded(planOf({ ...step, compensation: { tool: "any", arguments: {} } }), (plan) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(Saga.run(plan, undefined)))
        yield* TestClock.adjust("3 seconds")
        expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "OutcomeUnknown", step: "a" })
      })).pipe(Effect.provide(layer))
  })

  it.effect("is in doubt where a tool says so, or returns what cannot be stored, also without a policy", () => {
    const world = makeWorld()
    const layer = ToolExecutor.layerFunction((call): Effect.Effect<unknown, SagaError.OutcomeUnknown> =>
      call.role === "compensation"
        ? world.undo(call.step)(call)
        : call.tool === "lost"
        ? Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
        : call.tool === "function"
        ? Effect.succeed(() => 1)
        : world.do(call.step)(call)
    )
    const end = (tool: string) =>
      decoded(
        planOf(
          { ...write("a"), compensation: { tool: "remove", arguments: {} } },
          { ...write("b"), action: { tool, arguments: {} } }
        ),
        (plan) => Effect.flip(Saga.run(plan, undefined))
      )
    return Effect.gen(function*() {
      expect(yield* end("lost")).toMatchObject({ _tag: "OutcomeUnknown", step: "b", parked: false, reason: "no reply" })
      expect(yield* end("function")).toMatchObject({
        _tag: "OutcomeUnknown",
        step: "b",
        reason: "tool \"function\" returned what cannot be stored: it is a function, which is not plain JSON"
      })
      expect(world.log).toEqual(["+a", "-a", "+a", "-a"])
    }).pipe(Effect.provide(layer))
  })

  for (const happened of [true, false]) {
    it.effect(`asks verify, and ${happened ? "takes its output" : "calls the tool again"} as it answers`, () => {
      const roles: Array<string> = []
      const layer = ToolExecutor.layerFunction((call): Effect.Effect<unknown, SagaError.OutcomeUnknown> => {
        roles.push(`${call.role} ${call.attempt} ${call.idempotencyKey === call.actionIdempotencyKey}`)
        return call.role === "verify"
          ? Effect.succeed(happened ? { happened, output: "found" } : { happened })
          : call.attempt === 1
          ? Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
          : Effect.succeed("done again")
      })
      const policies = { inDoubt: "verify", verify: { tool: "ask", arguments: {} }, retry: { times: 1 } }
      return decoded(planOf(final("a", "send", {}, policies)), (plan) =>
        Effect.gen(function*() {
          expect(yield* Saga.run(plan, undefined)).toEqual({ a: happened ? "found" : "done again" })
          expect(roles).toEqual(["action 1 true", "verify 1 true", ...happened ? [] : ["action 2 true"]])
        })).pipe(Effect.provide(layer))
    })
  }

  it.effect("stands as a step in a saga that is written in code", () => {
    const { layer, world } = makeTools()
    return decoded(planOf(write("a"), write("b")), (plan) => {
      const saga = Saga.make("Outer")
        .saga("plan", plan, { input: () => undefined })
        .final("no", { action: () => Effect.fail("refused" as const), inDoubt: "park", retry: { times: 1 } })
        .build()
      return Effect.map(Effect.flip(Saga.run(saga, undefined)), (error) => {
        expect(error).toBe("refused")
        expect(world.log).toEqual(["+a", "+b", "-b", "-a"])
      })
    }).pipe(Effect.provide(layer))
  })
})

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

  it.effect("is not taken for another plan of its name and steps", () => {
    const { layer, world } = make()
    const other = planOf(write("a", { path: "other" }), write("b", { path: { $ref: "/input/path" } }), final("c"))
    return Effect.gen(function*() {
      yield* abandon(json, "1")
      const conflict = yield* Effect.flip(decoded(other, (plan) => Saga.execute(plan, input, { executionId: "1" })))
      expect(conflict).toMatchObject({
        _tag: "DefinitionChanged",
        difference: expect.stringContaining("step 1 of its plan was")
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
      expect(listed).toMatchObject([{ executionId: "1", saga: "Report", error: { _tag: "CompensationFailed" } }])
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

describe("Plan.explain", () => {
  const json = {
    ...planOf(
      readOnly("look", "stat", { path: { $ref: "/input/path" } }),
      { parallel: [write("left"), write("right", { path: { $ref: "/outputs/look/tags/0" } })] },
      final("publish", "publish", { path: { $ref: "/input/path" } })
    ),
    description: "Publishes a report."
  }

  it.effect("counts, and says what would run, what could be undone, and where there is no way back", () =>
    decoded(json, (plan) =>
      Effect.sync(() => {
        const explanation = Plan.explain(plan, { input: { path: "/tmp/r" } })
        expect(explanation).toMatchObject({
          stepCount: 4,
          counts: { ReadOnly: 1, Compensatable: 2, Final: 1 },
          undoOrder: ["right", "left"],
          pointOfNoReturn: "publish"
        })
        expect(Plan.pretty(explanation)).toBe([
          "Report, version 1: 4 steps (1 ReadOnly, 2 Compensatable, 1 Final)",
          "Publishes a report.",
          "1. look     ReadOnly: stat {\"path\":\"/tmp/r\"}",
          "2. left     Compensatable: write {\"path\":\"left\"}, in parallel block 1",
          "            undone by remove {\"path\":{\"$ref\":\"/outputs/left/path\"}}",
          "3. right    Compensatable: write {\"path\":{\"$ref\":\"/outputs/look/tags/0\"}}, in parallel block 1",
          "            undone by remove {\"path\":{\"$ref\":\"/outputs/right/path\"}}",
          "─── the point of no return: what is done after it is not undone",
          "4. publish  Final: publish {\"path\":\"/tmp/r\"}",
          "If it fails before the point of no return, what was done is undone, newest first: right, left."
        ].join("\n"))
        expect(Plan.pretty(Plan.explain(plan))).toContain(
          "1. look     ReadOnly: stat {\"path\":{\"$ref\":\"/input/path\"}}"
        )
      })).pipe(Effect.provide(makeTools().layer)))
})

describe("Plan.jsonSchema", () => {
  it("tells a model what a plan is: every member, and nothing besides", () => {
    const schema = Plan.jsonSchema()
    expect(Object.keys(schema.$defs ?? {}).sort()).toEqual([
      "Call",
      "CompensatableStep",
      "FinalStep",
      "Parallel",
      "Plan",
      "ReadOnlyStep",
      "Retry"
    ])
    expect(schema.$defs).toMatchObject({
      CompensatableStep: {
        required: ["classification", "name", "action", "compensation"],
        additionalProperties: false
      },
      Call: { required: ["tool", "arguments"], additionalProperties: false }
    })
  })
})
