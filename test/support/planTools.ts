/** Plans of typed tools, and the world in which these do something. */
import { Effect, Schema } from "effect"
import { Plan, type Step, ToolExecutor } from "effect-saga"
import { makeWorld } from "./world.ts"

export const Path = Schema.Struct({ path: Schema.String })

/** Tools that do what they are named for to a world, and return what they were given. */
export const makeTools = () => {
  const world = makeWorld()
  const calls: Array<ToolExecutor.ToolCall> = []
  const noted = <A, E>(effect: Effect.Effect<A, E>, call: ToolExecutor.ToolCall) =>
    Effect.zipRight(Effect.sync(() => calls.push(call)), effect)
  const keys = (call: ToolExecutor.ToolCall) => call as { readonly idempotencyKey: Step.IdempotencyKey }
  const layer = ToolExecutor.layer({
    stat: ToolExecutor.tool({
      readOnly: true,
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
export const planOf = (...steps: ReadonlyArray<unknown>) => ({ name: "Report", steps })

export const decoded = <A, E, R>(json: unknown, use: (plan: Plan.Plan) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Plan.decode(json), use)
