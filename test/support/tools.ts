/** Plans, and the tools that they call, which do something to a world. */
import { Effect, Schema } from "effect"
import { Plan, ToolExecutor } from "effect-saga"
import { makeWorld } from "./world.ts"

export const readOnly = (name: string, tool: string, args: unknown = {}, more: object = {}) => ({
  name,
  classification: "ReadOnly",
  action: { tool, arguments: args },
  ...more
})

export const write = (name: string, args: unknown = { path: name }, more: object = {}) => ({
  name,
  classification: "Compensatable",
  action: { tool: "write", arguments: args },
  compensation: { tool: "remove", arguments: { path: { $ref: `/outputs/${name}/path` } } },
  ...more
})

export const final = (name: string, tool = "publish", args: unknown = { path: name }, more: object = {}) => ({
  name,
  classification: "Final",
  action: { tool, arguments: args },
  ...more
})

/** Steps of the tools that one function runs, whatever their names are. */
export const look = (name: string) => readOnly(name, "look", { at: name })

export const store = (name: string) => ({
  name,
  classification: "Compensatable",
  action: { tool: "store", arguments: { as: name, text: "hello" } },
  compensation: { tool: "remove", arguments: { as: name } }
})

export const announce = (name: string) => ({ ...final(name, "announce", { to: name }), inDoubt: "retry" })

/** For every Final but the first. */
export const once = { retry: { times: 1 } }

export const planOf = (...steps: ReadonlyArray<unknown>) => ({ name: "Report", steps })

export const decoded = <A, E, R>(json: unknown, use: (plan: Plan.Plan) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Plan.decode(json), use)

export const Path = Schema.Struct({ path: Schema.String })

/** Tools and their world: described ones, which return what they were given, and any others, which one function runs. */
export const makeTools = () => {
  const world = makeWorld()
  const calls: Array<ToolExecutor.ToolCall> = []
  const refused = new Map<string, string>()
  const tools = {
    world,
    /** `?a` for looked, `+a` for done, `-a` for undone, `!a` for refused, and `!-a` where the undoing was. */
    log: world.log,
    standing: world.standing,
    calls,
    keys: () => calls.map(({ idempotencyKey }) => idempotencyKey),
    /** From now on the action of this step is refused, or its compensation, where it begins with `-`. */
    refuse: (step: string, reason: string) => void refused.set(step, reason),
    allow: (step: string) => void refused.delete(step),
    /** What happens when a tool is called, before it has done anything. */
    before: undefined as ((call: ToolExecutor.ToolCall) => Effect.Effect<void>) | undefined
  }
  const called = <A, E>(call: ToolExecutor.ToolCall, does: Effect.Effect<A, E>): Effect.Effect<A, E | string> =>
    Effect.suspend(() => {
      calls.push(call)
      const step = call.role === "compensation" ? `-${call.step}` : call.step
      const reason = refused.get(step)
      const answer: Effect.Effect<A, E | string> = reason === undefined
        ? does
        : Effect.zipRight(world.note(`!${step}`), Effect.fail(reason))
      return Effect.zipRight(tools.before?.(call) ?? Effect.void, answer)
    })
  const layer = ToolExecutor.layer({
    stat: ToolExecutor.tool({
      classification: ["ReadOnly", "Compensatable", "Final"],
      parameters: Path,
      success: Schema.Struct({ size: Schema.Number, tags: Schema.Array(Schema.String) }),
      run: (_, call) => called(call, Effect.succeed({ size: 3, tags: ["a", "b"] }))
    }),
    write: ToolExecutor.tool({
      parameters: Schema.Struct({
        path: Schema.String,
        size: Schema.optionalWith(Schema.NumberFromString, { exact: true })
      }),
      success: Path,
      run: ({ path }, call) => called(call, Effect.as(world.do(path)(call), { path }))
    }),
    remove: ToolExecutor.tool({ parameters: Path, run: ({ path }, call) => called(call, world.undo(path)(call)) }),
    publish: ToolExecutor.tool({
      parameters: Path,
      inDoubt: "retry",
      run: ({ path }, call) => called(call, Effect.asVoid(world.do(path)(call)))
    }),
    refuse: ToolExecutor.tool({
      parameters: Schema.Struct({}),
      failure: Schema.Union(Schema.Struct({ code: Schema.Number }), Schema.String),
      inDoubt: "retry",
      run: (_, call) => called(call, Effect.fail({ code: 409 }))
    })
  })
  const byFunction = ToolExecutor.layerFunction((call): Effect.Effect<unknown, string> =>
    called(
      call,
      call.tool === "look"
        ? Effect.as(world.note(`?${call.step}`), `${call.step}-output`)
        : call.role === "compensation"
        ? world.undo(call.step)(call)
        : world.do(call.step)(call)
    ), { limits: { minDelay: 0 } })
  return Object.assign(tools, { layer, byFunction })
}

export type Tools = ReturnType<typeof makeTools>

/** A test that has tools of its own, which one function runs. */
export const withTools = <A, E, R>(test: (tools: Tools) => Effect.Effect<A, E, R | ToolExecutor.ToolExecutor>) => () =>
  Effect.suspend(() => {
    const tools = makeTools()
    return Effect.provide(test(tools), tools.byFunction)
  })
