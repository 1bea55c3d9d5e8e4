import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { Checkpoint, Plan, Saga, SagaError, ToolExecutor } from "effect-saga"
import { runInNewContext } from "node:vm"
import { decoded, final, makeTools, planOf, readOnly, write } from "./support/tools.ts"
import { makeWorld } from "./support/world.ts"

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

  describe("keeps the input as it was given", () => {
    const json = planOf(
      readOnly("a", "any", { to: { $ref: "/input/to" } }),
      readOnly("b", "any", { to: { $ref: "/input/to" }, amount: { $ref: "/input/amounts/0" } })
    )
    const ways: Record<string, (plan: Plan.Plan, input: unknown) => Effect.Effect<unknown, unknown, any>> = {
      "Saga.run": (plan, input) => Saga.run(plan, input),
      "Saga.report": (plan, input) => Saga.report(plan, input),
      "Saga.execute": (plan, input) => Saga.execute(plan, input, { executionId: "1" }),
      "in a saga written in code": (plan, input) =>
        Saga.run(Saga.make("Outer").saga("plan", plan, { input: () => input }).build(), undefined)
    }
    for (const [way, run] of Object.entries(ways)) {
      it.effect(`whatever becomes of the object meanwhile: ${way}`, () => {
        const seen: Array<unknown> = []
        const input = { to: "alice", amounts: [5] }
        const layer = ToolExecutor.layerFunction((call) =>
          Effect.sync(() => {
            seen.push(call.arguments)
            input.to = "mallory"
            input.amounts[0] = 5000
          })
        )
        return decoded(json, (plan) =>
          Effect.gen(function*() {
            yield* run(plan, input)
            expect(seen).toEqual([{ to: "alice" }, { to: "alice", amount: 5 }])
            expect(Object.isFrozen(input)).toBe(false)
          })).pipe(Effect.provide([layer, Checkpoint.layerMemory]))
      })
    }

    it.effect("and each run the input of its own moment", () => {
      const seen: Array<unknown> = []
      const layer = ToolExecutor.layerFunction((call) => Effect.sync(() => seen.push(call.arguments)))
      const input = { to: "alice", amounts: [5] }
      return decoded(planOf(readOnly("a", "any", { $ref: "/input/to" })), (plan) =>
        Effect.gen(function*() {
          const run = Saga.run(plan, input)
          yield* run
          input.to = "bob"
          yield* run
          expect(seen).toEqual(["alice", "bob"])
        })).pipe(Effect.provide(layer))
    })
  })

  it.effect("takes an input and results of another realm, of a vm context for one", () => {
    const foreign = (): unknown => runInNewContext("({ list: [{ a: 1 }] })")
    const layer = ToolExecutor.layerFunction(() => Effect.sync(foreign))
    return decoded(planOf(readOnly("a", "any", { $ref: "/input/list" })), (plan) =>
      Effect.gen(function*() {
        expect(yield* Saga.execute(plan, foreign(), { executionId: "1" })).toStrictEqual({ a: { list: [{ a: 1 }] } })
      })).pipe(Effect.provide([layer, Checkpoint.layerMemory]))
  })

  it.effect("keeps what a tool returned as it was, whoever provides the tools", () => {
    const seen: Array<unknown> = []
    const shared = { to: "alice" }
    const tools = Layer.succeed(ToolExecutor.ToolExecutor, {
      describe: () => ({}),
      execute: ({ arguments: given, step }) =>
        Effect.sync(() => {
          seen.push(given)
          if (step === "b") shared.to = "mallory"
          return step === "c" ? new Map() : shared
        })
    })
    const steps = ["b", "c"].map((name) => readOnly(name, "any", { $ref: "/outputs/a/to" }))
    return decoded(planOf(readOnly("a", "any"), ...steps), (plan) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Saga.run(plan, undefined))
        expect(seen).toEqual([{}, "alice", "alice"])
        expect(error).toMatchObject({
          _tag: "ToolFailed",
          reason: "tool \"any\" returned what cannot be stored: it is a Map, which is not plain JSON"
        })
      })).pipe(Effect.provide(tools))
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
      }, { limits: { minDelay: 0 } })
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
