import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schema } from "effect"
import { Checkpoint, Plan, Saga, SagaError, ToolExecutor } from "effect-saga"
import { eventsOf } from "./support/store.ts"

const step = (tool: string, args: unknown, classification = "ReadOnly") => ({
  name: "a",
  classification,
  action: { tool, arguments: args }
})
const run = (...steps: ReadonlyArray<unknown>) =>
  Effect.flatMap(Plan.decode({ name: "Tools", steps }), (plan) => Saga.run(plan, undefined))

class Disk extends Context.Tag("Disk")<Disk, { readonly free: number }>() {}

describe("ToolExecutor.layer", () => {
  it.effect("decodes what a tool takes and encodes what it returns", () => {
    const tools = ToolExecutor.layer({
      next: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Struct({ day: Schema.DateFromString }),
        success: Schema.Struct({ day: Schema.DateFromString }),
        run: ({ day }) => Effect.succeed({ day: new Date(day.getTime() + 86_400_000) })
      })
    })
    return Effect.gen(function*() {
      expect(yield* run(step("next", { day: "2026-02-28T00:00:00.000Z" }))).toEqual({
        a: { day: "2026-03-01T00:00:00.000Z" }
      })
    }).pipe(Effect.provide(tools))
  })

  it.effect("gives its tools the services that were there when it was built, but the caller's own before them", () => {
    const tools = ToolExecutor.layer({
      free: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Struct({}),
        success: Schema.Number,
        run: () => Effect.map(Disk, ({ free }) => free)
      })
    }).pipe(Layer.provide(Layer.succeed(Disk, { free: 1 })))
    return Effect.gen(function*() {
      expect(yield* run(step("free", {}))).toEqual({ a: 1 })
      expect(yield* Effect.provideService(run(step("free", {})), Disk, { free: 2 })).toEqual({ a: 2 })
    }).pipe(Effect.provide(tools))
  })

  it.effect("tells an error that its failure schema does not know by tag and message, and no more of it", () => {
    class Full extends Schema.TaggedError<Full>()("Full", { secret: Schema.String }) {
      override get message() {
        return "the disk is full"
      }
    }
    const tools = ToolExecutor.layer({
      fill: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Struct({}),
        run: () => new Full({ secret: "s3cret" })
      })
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(run(step("fill", {})))
      expect(error).toEqual(new ToolExecutor.ToolFailed({ tool: "fill", tag: "Full", reason: "the disk is full" }))
    }).pipe(Effect.provide(tools))
  })

  it.effect("has no tool that was there when the plan was read, and calls none: the steps before are undone", () => {
    const log: Array<string> = []
    const note = ToolExecutor.tool({
      classification: ["ReadOnly", "Compensatable", "Final"],
      parameters: Schema.Struct({ line: Schema.String }),
      run: ({ line }) => Effect.sync(() => void log.push(line))
    })
    const say = (line: string) => ({ tool: "note", arguments: { line } })
    const json = {
      name: "Tools",
      steps: [
        { name: "a", classification: "Compensatable", action: say("+a"), compensation: say("-a") },
        { name: "b", classification: "ReadOnly", action: { tool: "gone", arguments: { line: "b" } } }
      ]
    }
    return Effect.gen(function*() {
      const plan = yield* Effect.provide(Plan.decode(json), ToolExecutor.layer({ note, gone: note }))
      const error = yield* Effect.flip(Effect.provide(Saga.run(plan, undefined), ToolExecutor.layer({ note })))
      expect(error).toEqual(new ToolExecutor.UnknownTool({ tool: "gone" }))
      expect(log).toEqual(["+a", "-a"])
    })
  })

  it.effect("does not call a tool with arguments that turn out wrong", () => {
    const parameters = Schema.Struct({ size: Schema.Int, name: Schema.String })
    const tools = ToolExecutor.layer({
      give: ToolExecutor.tool({
        classification: "ReadOnly",
        parameters: Schema.Struct({}),
        success: Schema.Unknown,
        run: () => Effect.succeed("x")
      }),
      take: ToolExecutor.tool({ classification: "ReadOnly", parameters, run: () => Effect.die("called") })
    })
    return Effect.gen(function*() {
      const reference = { $ref: "/outputs/a" }
      const error = yield* Effect.flip(
        run(step("give", {}), { ...step("take", { size: reference, name: reference }), name: "b" })
      )
      expect(error).toEqual(
        new ToolExecutor.InvalidArguments({ tool: "take", problems: ["size Expected number, actual \"x\""] })
      )
    }).pipe(Effect.provide(tools))
  })
})

describe("a tool's failure", () => {
  const stored = (tool: ToolExecutor.Tool<never>) =>
    Effect.gen(function*() {
      const plan = yield* Plan.decode({
        name: "Tools",
        steps: [
          {
            name: "w",
            classification: "Compensatable",
            action: { tool: "w", arguments: {} },
            compensation: { tool: "w", arguments: {} }
          },
          { ...step("it", {}), name: "b" }
        ]
      })
      const error = yield* Effect.flip(Saga.execute(plan, undefined, { executionId: "1" }))
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      return { error, journal: JSON.stringify(events) }
    }).pipe(
      Effect.provide(ToolExecutor.layer({
        it: tool,
        w: ToolExecutor.tool({ parameters: Schema.Struct({}), run: () => Effect.void })
      })),
      Effect.provide(Checkpoint.layerMemory)
    )
  const parameters = Schema.Struct({})

  it.effect("is stored by tag and message alone, where no schema says more: a token in it is not", () =>
    Effect.gen(function*() {
      for (const failure of [{ _tag: "Denied", message: "no", token: "t0ken" }, { token: "t0ken" }, ["t0ken"]]) {
        const { error, journal } = yield* stored(
          ToolExecutor.tool({ parameters, classification: "ReadOnly", run: () => Effect.fail(failure) })
        )
        expect(error).toBeInstanceOf(ToolExecutor.ToolFailed)
        expect(Object.keys(error)).not.toContain("failure")
        expect(journal).toContain("ToolFailed")
        expect(journal).not.toContain("t0ken")
      }
    }))

  it.effect("is stored as its schema encodes it, where it does; a schema that throws has refused it", () =>
    Effect.gen(function*() {
      const Denied = Schema.Struct({ code: Schema.NumberFromString })
      const throws = Schema.transform(Schema.Unknown, Schema.Any, {
        decode: (value) => value,
        encode: () => {
          throw new Error("boo")
        }
      })
      const fails = (failure: Schema.Schema<any, any>) =>
        stored(
          ToolExecutor.tool({
            parameters,
            failure,
            classification: "ReadOnly",
            run: () => Effect.fail({ code: 7, token: "t0ken" })
          })
        )
      const known = yield* fails(Denied)
      expect(known.error).toMatchObject({ _tag: "ToolFailed", failure: { code: "7" } })
      expect(known.journal).not.toContain("t0ken")
      const unknown = yield* fails(throws)
      expect(unknown.error).toMatchObject({ _tag: "ToolFailed", tag: "Object" })
      expect(unknown.error).not.toHaveProperty("failure")
      expect(unknown.journal).not.toContain("t0ken")
    }))
})

describe("a tool's outcome", () => {
  const parameters = Schema.Struct({})
  const final = (tool: string) => ({ ...step(tool, {}, "Final"), inDoubt: "park" })
  const tools = (run: Effect.Effect<any, unknown>, success: Schema.Schema<any, any> = Schema.Any) =>
    ToolExecutor.layer({
      it: ToolExecutor.tool({
        classification: ["ReadOnly", "Compensatable", "Final"],
        parameters,
        success,
        run: () => run
      })
    })
  const end = (layer: Layer.Layer<ToolExecutor.ToolExecutor>, ...steps: ReadonlyArray<unknown>) =>
    Effect.exit(Effect.provide(run(...steps), layer))

  it.effect("is in doubt when it is so beside another failure", () => {
    const both = Effect.all([
      Effect.fail("no"),
      Effect.uninterruptible(
        Effect.zipRight(Effect.yieldNow(), Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })))
      )
    ], { concurrency: 2 })
    return Effect.gen(function*() {
      for (const layer of [tools(both), ToolExecutor.layerFunction(() => both)]) {
        expect(yield* end(layer, final("it"))).toMatchObject({
          cause: { error: { _tag: "OutcomeUnknown", step: "a" } }
        })
      }
    })
  })

  it.effect("that only reads is a failure where it cannot be read, for nothing can have happened", () =>
    Effect.gen(function*() {
      for (
        const outcome of [Effect.succeed(() => 1), Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))]
      ) {
        expect(yield* end(tools(outcome), step("it", {}))).toMatchObject({
          cause: { error: { _tag: "ToolFailed", tag: "OutcomeUnknown" } }
        })
      }
    }))

  it.effect("is as the journal would have it: without members that are undefined", () =>
    Effect.gen(function*() {
      const given = { id: 1, note: undefined, list: [{ also: undefined }] }
      const exit = yield* end(tools(Effect.succeed(given)), step("it", {}))
      expect(exit).toStrictEqual(Exit.succeed({ a: { id: 1, list: [{}] } }))
      given.id = 2
      expect(exit).toMatchObject({ value: { a: { id: 1 } } })
    }))

  it.effect("is in doubt when its schema throws", () => {
    const throws = Schema.transform(Schema.String, Schema.Any, {
      decode: (text) => text,
      encode: () => {
        throw new Error("encoder broke")
      }
    })
    return Effect.gen(function*() {
      expect(yield* end(tools(Effect.succeed(1), throws), final("it"))).toMatchObject({
        cause: { error: { _tag: "OutcomeUnknown", reason: expect.stringContaining("the schema threw: Error") } }
      })
    })
  })

  it.effect("of a compensation is nobody's concern, if it worked", () => {
    const layer = ToolExecutor.layerFunction(({ role, tool }): Effect.Effect<unknown, string> =>
      role === "compensation" ? Effect.succeed(new Map()) : tool === "fail" ? Effect.fail("no") : Effect.succeed(1)
    )
    const write = { name: "w", classification: "Compensatable", action: { tool: "do", arguments: 1 } }
    return Effect.gen(function*() {
      const exit = yield* end(layer, { ...write, compensation: { tool: "undo", arguments: 1 } }, step("fail", {}))
      expect(exit).toMatchObject({ cause: { error: { _tag: "ToolFailed", reason: "no" } } })
    })
  })

  it.effect("does not change what others are given: each call has its arguments for itself", () => {
    const seen: Array<string> = []
    const layer = ToolExecutor.layerFunction(({ arguments: given }) =>
      Effect.sync(() => {
        const { list } = given as { list: Array<number> }
        list.push(0)
        seen.push(list.join())
        return { list }
      })
    )
    const reference = { list: { $ref: "/outputs/a/list" } }
    return Effect.gen(function*() {
      yield* end(layer, step("any", { list: [1] }), { ...step("any", reference), name: "b" }, {
        ...step("any", reference),
        name: "c"
      })
      expect(seen).toEqual(["1,0", "1,0,0", "1,0,0"])
    })
  })
})

describe("ToolExecutor.layerFunction", () => {
  it.effect("tells its errors as tools do", () => {
    const fails = (error: unknown) =>
      Effect.flip(run(step("any", {}))).pipe(Effect.provide(ToolExecutor.layerFunction(() => Effect.fail(error))))
    return Effect.gen(function*() {
      const failed = (tag: string, reason: string) => new ToolExecutor.ToolFailed({ tool: "any", tag, reason })
      expect(yield* fails("no")).toEqual(failed("string", "no"))
      expect(yield* fails(new RangeError("too long"))).toEqual(failed("RangeError", "too long"))
      expect(yield* fails({ code: 7, token: "s3cret" })).toEqual(failed("Object", "Object"))
      for (
        const error of [
          new ToolExecutor.UnknownTool({ tool: "any" }),
          new ToolExecutor.InvalidArguments({ tool: "any", problems: ["no"] }),
          failed("Mine", "mine")
        ]
      ) expect(yield* fails(error)).toBe(error)
    })
  })

  it.effect("dies of what a function throws", () =>
    Effect.gen(function*() {
      const tools = ToolExecutor.layerFunction(() => {
        throw new Error("thrown")
      })
      const exit = yield* Effect.exit(Effect.provide(run(step("any", {})), tools))
      expect(exit).toMatchObject({ cause: { _tag: "Die", defect: { message: "thrown" } } })
    }))
})

describe("ToolExecutor.layerToolkit", () => {
  const Weather = Tool.make("weather", {
    description: "Tells the weather of a city.",
    parameters: { city: Schema.String, at: Schema.Date },
    success: Schema.Struct({ celsius: Schema.NumberFromString })
  }).annotate(Tool.Readonly, true)
  const Publish = Tool.make("publish", { parameters: { text: Schema.String }, failure: Schema.Literal("closed") })
    .annotate(Tool.Idempotent, true)
  const Polite = Tool.make("polite", { failure: Schema.Literal("closed"), failureMode: "return" })
  const Lost = Tool.make("lost", { failure: Schema.Any })
  const Wrong = Tool.make("wrong", { success: Schema.Int })
  const toolkit = Toolkit.make(Weather, Publish, Polite, Lost, Wrong)
  const keys: Array<string | undefined> = []
  const handlers = toolkit.toLayer({
    weather: ({ at, city }) => Effect.succeed({ celsius: city.length + at.getUTCDate() }),
    publish: ({ text }) =>
      Effect.flatMap(ToolExecutor.CurrentCall, (call) => {
        keys.push(call?.idempotencyKey)
        return text === "" ? Effect.fail("closed" as const) : Effect.void
      }),
    polite: () => Effect.fail("closed" as const),
    lost: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
    wrong: () => Effect.succeed(1.5)
  })
  const tools = Layer.provide(ToolExecutor.layerToolkit(toolkit, { tools: { wrong: { inDoubt: "park" } } }), handlers)

  it.effect("runs the handlers of @effect/ai's tools, which find their idempotency key", () =>
    Effect.gen(function*() {
      const weather = step("weather", { city: "Rome", at: "2026-01-02T00:00:00.000Z" })
      const publish = { ...step("publish", { text: { $ref: "/outputs/a/celsius" } }, "Final"), name: "b" }
      expect(yield* run(weather, publish)).toEqual({ a: { celsius: "6" }, b: null })
      expect(keys.at(-1)).toMatch(/\/b\/action$/)
    }).pipe(Effect.provide(tools)))

  it.effect("refuses what a plan gets wrong about them", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(Plan.decode({
        name: "Tools",
        steps: [
          step("weather", { city: 1, at: "soon" }),
          { ...step("publish", { text: { $ref: "/outputs/a/fahrenheit" } }), name: "b" },
          { ...step("polite", {}, "Final"), name: "c" },
          { ...step("wrong", {}, "Final"), name: "d", retry: { times: 1 } }
        ]
      }))
      expect(refused.problems.map(({ _tag, at }) => `${_tag} ${at}`)).toEqual([
        "InvalidArguments /steps/0/action/arguments/at",
        "InvalidArguments /steps/0/action/arguments/city",
        "UnresolvedReference /steps/1/action/arguments/text",
        "NotReadOnly /steps/1/action/tool",
        "MissingInDoubt /steps/2"
      ])
    }).pipe(Effect.provide(tools)))

  it.effect("takes a failure for a failure, and what cannot be read for a doubt", () =>
    Effect.gen(function*() {
      const end = (tool: string, args: unknown = {}) =>
        Effect.flip(run({ ...step(tool, args, "Final"), inDoubt: "park" }))
      const closed = { _tag: "ToolFailed", tag: "string", reason: "closed", failure: "closed" }
      expect(yield* end("publish", { text: "" })).toMatchObject(closed)
      expect(yield* end("polite")).toMatchObject(closed)
      expect(yield* end("lost")).toMatchObject({ _tag: "OutcomeUnknown", reason: "no reply" })
      expect(yield* end("wrong")).toMatchObject({
        _tag: "OutcomeUnknown",
        reason: expect.stringContaining("\"wrong\"")
      })
    }).pipe(Effect.provide(tools)))
})
