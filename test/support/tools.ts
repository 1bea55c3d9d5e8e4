/** Plans of three tools, `look`, `store` (undone by `remove`) and `announce`, and the world in which these do something. */
import { Effect } from "effect"
import { Checkpoint, ToolExecutor } from "effect-saga"
import { makeWorld } from "./world.ts"

export const look = (name: string) => ({
  name,
  classification: "ReadOnly",
  action: { tool: "look", arguments: { at: name } }
})

export const store = (name: string) => ({
  name,
  classification: "Compensatable",
  action: { tool: "store", arguments: { as: name, text: "hello" } },
  compensation: { tool: "remove", arguments: { as: name } }
})

export const announce = (name: string) => ({
  name,
  classification: "Final",
  action: { tool: "announce", arguments: { to: name } },
  inDoubt: "retry"
})

/** For every Final but the first. */
export const once = { retry: { times: 1 } }

export const planOf = (...steps: ReadonlyArray<unknown>) => ({ name: "Release", steps })

export const makeTools = () => {
  const world = makeWorld()
  const calls: Array<ToolExecutor.ToolCall> = []
  const refused = new Map<string, string>()
  const tools = {
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
  const layer = ToolExecutor.layerFunction((call): Effect.Effect<unknown, string> =>
    Effect.suspend(() => {
      calls.push(call)
      const step = call.role === "compensation" ? `-${call.step}` : call.step
      const reason = refused.get(step)
      const does = reason !== undefined
        ? Effect.zipRight(world.note(`!${step}`), Effect.fail(reason))
        : call.tool === "look"
        ? Effect.as(world.note(`?${step}`), `${step}-output`)
        : call.role === "compensation"
        ? world.undo(call.step)(call)
        : world.do(call.step)(call)
      return Effect.zipRight(tools.before?.(call) ?? Effect.void, does)
    }), { limits: { minDelay: 0 } })
  return Object.assign(tools, { layer })
}

export type Tools = ReturnType<typeof makeTools>

/** A test that has tools of its own. */
export const withTools = <A, E, R>(test: (tools: Tools) => Effect.Effect<A, E, R | ToolExecutor.ToolExecutor>) => () =>
  Effect.suspend(() => {
    const tools = makeTools()
    return Effect.provide(test(tools), tools.layer)
  })

/** One life of a process on a store, which stays. */
export const process = <A, E, R>(store: Checkpoint.Store, life: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.flatMap(
      Checkpoint.make(store),
      (service) => Effect.provideService(life, Checkpoint.Checkpoint, service)
    )
  )
