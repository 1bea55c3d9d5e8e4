import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { Plan, Saga, SagaError, ToolExecutor } from "effect-saga"
import { runInNewContext } from "node:vm"
import { decoded, final, makeTools, planOf, readOnly, write } from "./support/tools.ts"

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
      ["Malformed", "/steps/1/classification", "must be \"ReadOnly\", \"Compensatable\" or \"Final\""],
      ["Malformed", "/steps/1/timeout", "is not a time such as \"5 seconds\""]
    )
  })

  it("a tool that nobody provides, in any role", () => {
    isSaid(
      planOf(write("a", {}, {
        action: { tool: "scribble", arguments: {} },
        compensation: { tool: "unscribble", arguments: {} },
        inDoubt: "verify",
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

  it("what is wrong beside what is malformed, in the same step and in the same call", () => {
    const { compensation: _, ...uncompensated } = write("a")
    isSaid(
      planOf(
        { ...uncompensated, timeout: "soon", retry: {} },
        { ...final("b", "stat", { path: "b" }), extra: 1 },
        { ...final("c"), action: { tool: "nope" }, inDoubt: "maybe" }
      ),
      ["MissingCompensation", "/steps/0", /./],
      ["EndlessRetry", "/steps/0", "the retry of step \"a\" needs times or a schedule"],
      ["MissingInDoubt", "/steps/0", /./],
      ["Malformed", "/steps/0/timeout", "timeout is not a time"],
      ["MissingInDoubt", "/steps/1", /./],
      ["Malformed", "/steps/1/extra", /./],
      ["MissingRetry", "/steps/2", /./],
      ["Malformed", "/steps/2/action/arguments", "is missing"],
      ["UnknownTool", "/steps/2/action/tool", /./],
      ["Malformed", "/steps/2/inDoubt", "inDoubt must be \"retry\", \"verify\" or \"park\""]
    )
  })

  it("a retry without a pause and without an end", () => {
    for (const retry of [{ delay: "0 seconds" }, { delay: "1 second", maxDelay: "0 millis" }, {}]) {
      isSaid(planOf(readOnly("a", "stat", { path: "a" }, { retry })), ["EndlessRetry", "/steps/0", /./])
    }
    isSaid(
      planOf(readOnly("a", "stat", { path: "a" }, { retry: { times: -1 } })),
      ["Malformed", "/steps/0/retry/times", "retry.times must be a whole number of at least 0"]
    )
  })

  it("a verify that is never asked, or cannot answer, and a tool with a side effect where none may be", () => {
    const tools = ToolExecutor.layer({
      send: ToolExecutor.tool({ parameters: Schema.Any, inDoubt: "park", run: () => Effect.void })
    })
    const call = { tool: "send", arguments: {} }
    const said = (step: object) =>
      Effect.runSync(Effect.provide(Effect.flip(Plan.decode(planOf(step))), tools)).problems.map(({ _tag, at }) =>
        `${_tag} ${at}`
      )
    expect(said({ ...final("a", "send"), verify: call })).toEqual([
      "UnusedVerify /steps/0",
      "NotReadOnly /steps/0/verify/tool",
      "InvalidVerify /steps/0/verify/tool"
    ])
    expect(said(readOnly("a", "send"))).toEqual(["NotReadOnly /steps/0/action/tool"])
  })

  it("all of it with one error, whose message says it", () => {
    const error = Effect.runSync(
      Effect.provide(Effect.flip(Plan.decode(planOf(write("a"), write("a")))), makeTools().layer)
    )
    expect(error).toBeInstanceOf(Plan.InvalidPlan)
    expect(error.message).toBe("this plan cannot be run: /steps/1: step \"a\" is already declared in this saga")
  })
})

describe("a refusal has a bound, and says how much is left out:", () => {
  const refused = (json: unknown, layer = makeTools().layer) =>
    Effect.runSync(Effect.provide(Effect.flip(Plan.decode(json)), layer))

  it("of 20,000 malformed steps it lists the first hundred problems, by place", () => {
    const step = { name: 1, classification: "Undoable", action: 2, timeout: 3 }
    const error = refused({ name: "p", steps: Array.from({ length: 20_000 }, () => step) })
    expect(error.problems.map(({ at }) => at)).toEqual(
      Array.from(
        { length: 25 },
        (_, index) => ["action", "classification", "name", "timeout"].map((member) => `/steps/${index}/${member}`)
      ).flat()
    )
    expect(error.more).toBe(79_900)
    expect(error.message).toMatch(/; and 79900 more problems$/)
    expect(error.message.length).toBeLessThan(20_000)
  }, 120_000)

  it("the worst place comes first, whatever finds it last", () => {
    const steps = Array.from({ length: 3000 }, (_, index) => ({ ...write(`s${index}`), extra: 1 }))
    const error = refused({ name: "", steps })
    expect(error.problems[0]).toMatchObject({ _tag: "InvalidSagaName", at: "/name" })
    expect(error.problems).toHaveLength(100)
    expect(error.more).toBe(2901)
  })

  it("of one problem too many it says so, and of a hundred nothing", () => {
    const error = (count: number) =>
      refused(planOf(...Array.from({ length: count }, (_, index) => readOnly(`s${index}`, "x"))))
    expect(error(101).message).toMatch(/; and 1 more problem$/)
    expect(error(100)).toMatchObject({ more: 0, problems: { length: 100 } })
    expect(error(100).message).toMatch(/which nobody provides$/)
  })

  it("of a long text it shows the beginning and the end, and of a long path what is around", () => {
    const long = "x".repeat(1_000_000)
    const error = refused(planOf(write("a", { path: 1, [long]: 1 }), readOnly("b", long)))
    expect(error.problems.map(({ _tag, at }) => `${_tag} ${at}`)).toEqual([
      "InvalidArguments /steps/0/action/arguments",
      "InvalidArguments /steps/0/action/arguments/path",
      "UnknownTool /steps/1/action/tool"
    ])
    expect(error.message.length).toBeLessThan(2000)
    expect(error.problems[2]!.message).toMatch(/^step "b" calls tool "x+ … x+", which nobody provides$/)
  })

  it.effect("so it is of an input, and of arguments that turn out wrong", () => {
    const tools = ToolExecutor.layer({
      give: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Unknown,
        success: Schema.Unknown,
        run: (given) => Effect.succeed(given)
      }),
      take: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Array(Schema.String),
        run: () => Effect.void
      })
    })
    const numbers = Array.from({ length: 1000 }, (_, index) => index)
    return Effect.gen(function*() {
      const given = yield* Plan.decode(planOf(readOnly("a", "take", { $ref: "/input" })))
      const refusal = yield* Effect.flip(Saga.run(given, numbers))
      expect(refusal._tag).toBe("ParseError")
      expect(refusal.message).toContain("and 900 more problems")
      expect(refusal.message.length).toBeLessThan(20_000)
      const later = yield* Plan.decode(
        planOf(readOnly("a", "give", numbers), readOnly("b", "take", { $ref: "/outputs/a" }))
      )
      const error = yield* Effect.flip(Saga.run(later, undefined))
      expect(error).toMatchObject({ _tag: "InvalidArguments", problems: { length: 101, 100: "and 900 more problems" } })
    }).pipe(Effect.provide(tools))
  })
})

it("names and arguments cannot forge a line of a message, nor tell a terminal what to do", () => {
  const evil = "\u001b]0;owned\u0007\n\u202eevil\u009b31m"
  const error = Effect.runSync(Effect.provide(
    Effect.flip(Plan.decode(planOf(
      readOnly(evil, evil, { [evil]: { $ref: `/outputs/${evil}/x` } }),
      { ...readOnly("b", "stat", { path: evil, [evil]: 1 }), [evil]: evil }
    ))),
    makeTools().layer
  ))
  const messages = [
    error.message,
    ...error.problems.map(({ message }) => message),
    new ToolExecutor.ToolFailed({ tool: evil, tag: "T", reason: "no" }).message,
    new ToolExecutor.UnknownTool({ tool: evil }).message,
    new ToolExecutor.InvalidArguments({ tool: evil, problems: [] }).message,
    new Plan.UnresolvedReference({ step: evil, reference: evil }).message
  ]
  expect(messages.length).toBeGreaterThan(8)
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  for (const message of messages) expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
  // The place is for programs, which look it up.
  expect(error.problems.some(({ at }) => at === `/steps/1/${evil}`)).toBe(true)
})

describe("Plan.decode accepts", () => {
  const isAccepted = (parameters: Schema.Schema<any, any>, args: unknown) =>
    Effect.gen(function*() {
      const tools = ToolExecutor.layer({
        it: ToolExecutor.tool({ parameters, classification: "ReadOnly", run: () => Effect.void })
      })
      const exit = yield* Effect.exit(Effect.provide(Plan.decode(planOf(readOnly("a", "it", args))), tools))
      expect(Exit.isSuccess(exit) ? "accepted" : Cause.pretty(exit.cause)).toBe("accepted")
    })
  const $ref = "/input/x"

  it.effect("arguments whose union member hangs on a reference, also below it", () => {
    const either = Schema.Union(Schema.Struct({ x: Schema.Number }), Schema.Struct({ y: Schema.String }))
    return Effect.all([
      isAccepted(either, { x: { $ref } }),
      isAccepted(Schema.Struct({ to: either }), { to: { y: { $ref } } }),
      isAccepted(Schema.Struct({ from: Schema.Int, to: Schema.Int }).pipe(Schema.filter(({ from, to }) => from < to)), {
        from: 3,
        to: { $ref }
      })
    ])
  })

  it.effect("arguments of a schema that needs time, or stumbles over a reference", () => {
    const slow = Schema.transformOrFail(Schema.String, Schema.String, {
      decode: (text) => Effect.delay(Effect.succeed(text), 1),
      encode: Effect.succeed
    })
    const throws = Schema.Any.pipe(Schema.filter((value) => (value.name as string).length > 0))
    return Effect.all([isAccepted(Schema.Struct({ id: slow }), { id: "1" }), isAccepted(throws, { $ref })])
  })

  it("ten thousand steps in a moment, and says of each what is wrong", () => {
    const steps = Array.from({ length: 10_000 }, (_, index) => write(`s${index}`))
    expect(problemsOf({ name: "many", steps: [...steps, write("s0")] })).toHaveLength(1)
  })

  it.effect("what stays as it was checked, whatever becomes of the document that was given", () => {
    const { layer, world } = makeTools()
    const json = planOf(write("a", { path: "good" }))
    return Effect.gen(function*() {
      const plan = yield* Plan.decode(json)
      ;(json.steps[0] as any).action.arguments.path = "evil"
      yield* Saga.run(plan, undefined)
      expect(world.standing()).toEqual(["good"])
      expect(() => void ((plan.document.steps[0] as any).name = "other")).toThrow(TypeError)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a document of another realm, as its own: of a vm context, for one", () => {
    const { layer, world } = makeTools()
    const json: unknown = runInNewContext(`JSON.parse(${JSON.stringify(JSON.stringify(planOf(write("a"))))})`)
    expect(Object.getPrototypeOf(json)).not.toBe(Object.prototype)
    return decoded(json, (plan) => Effect.map(Saga.run(plan, undefined), () => expect(world.standing()).toEqual(["a"])))
      .pipe(Effect.provide(layer))
  })

  it("nothing whose prototype is another object, though that has none itself", () => {
    for (const prototype of [{ hidden: 1 }, Object.create(null) as object, Object.freeze({ __proto__: null, x: 1 })]) {
      const json: unknown = Object.create(prototype, { name: { value: "p", enumerable: true } })
      expect(problemsOf(json)[0]!.message).toMatch(/^the plan is a .*, which is not plain JSON$/)
    }
  })

  it("nothing that throws when it is looked at", () => {
    const hostile = {
      get name(): string {
        throw new Error("boo")
      }
    }
    isSaid(hostile, ["Malformed", "", "the plan cannot be read: Error: boo"])
  })
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

describe("Plan.pretty", () => {
  it.effect("shows every call that may be made, and no line that the plan's author forged", () => {
    const json = {
      ...planOf(
        write("a\n1. read  ReadOnly: stat {}\u001b[8m"),
        final("b", "publish", { path: "b" }, {
          inDoubt: "verify",
          verify: { tool: "stat", arguments: { path: "b" } },
          timeout: "1 minute",
          retry: { times: 2 }
        })
      ),
      description: "ok\u001b[2K\nNothing in it would be undone.\u202e"
    }
    const tools = ToolExecutor.layerFunction(() => Effect.void)
    return decoded(json, (plan) =>
      Effect.sync(() => {
        const lines = Plan.pretty(Plan.explain(plan)).split("\n")
        expect(lines).toHaveLength(8)
        // oxlint-disable-next-line no-control-regex -- these are what must not be there
        expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u202e]/)
        expect(lines.join("\n")).toContain("asked by stat {\"path\":\"b\"}")
        expect(lines.join("\n")).toContain(", for at most 1 minute, retried {\"times\":2}, in doubt: verify")
      })).pipe(Effect.provide(tools))
  })
})

describe("Plan.jsonSchema", () => {
  it("tells a model what a plan is: every member, and nothing besides", () => {
    const schema = Plan.jsonSchema()
    expect(Object.keys(schema["$defs"] as object).sort()).toEqual([
      "Call",
      "CompensatableStep",
      "FinalStep",
      "Parallel",
      "ReadOnlyStep",
      "Retry"
    ])
    expect(schema).toMatchObject({
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      required: ["name", "steps"],
      additionalProperties: false,
      $defs: {
        CompensatableStep: {
          required: ["classification", "name", "action", "compensation"],
          additionalProperties: false
        },
        Call: { required: ["tool", "arguments"], additionalProperties: false }
      }
    })
  })
})
