/** A plan uses a tool as what it is by its owner's word, and undoes it by the tools that its owner names. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Plan, Saga, ToolExecutor } from "effect-saga"
import { decoded, planOf } from "./support/tools.ts"

const parameters = Schema.Struct({ of: Schema.optional(Schema.String) })
const tool = (declared: Pick<ToolExecutor.Description, "classification" | "compensatedBy" | "inDoubt">) =>
  ToolExecutor.tool({ parameters, run: () => Effect.void, ...declared as {} })

const tools = {
  look: tool({ classification: "ReadOnly" }),
  createBranch: tool({ compensatedBy: ["deleteBranch", "archiveBranch"] }),
  deleteBranch: tool({ classification: "Final" }),
  archiveBranch: tool({}),
  merge: tool({ classification: "Final", inDoubt: "retry" }),
  label: tool({ classification: "Compensatable" }),
  unlabel: tool({}),
  comment: tool({})
}

const call = (tool: string) => ({ tool, arguments: {} })
const step = (classification: string, action: string, compensation?: string, more: object = {}) => ({
  name: `${action} as ${classification}`,
  classification,
  action: call(action),
  ...(compensation === undefined ? {} : { compensation: call(compensation) }),
  ...more
})

const problemsIn = (layer: Layer.Layer<ToolExecutor.ToolExecutor>, ...steps: ReadonlyArray<object>) =>
  Effect.runSync(
    Effect.match(Effect.provide(Plan.decode(planOf(...steps)), layer), {
      onSuccess: () => [],
      onFailure: ({ problems }) => problems.map(({ _tag, at, message }) => `${_tag} ${at}: ${message}`)
    })
  )

const said = (...steps: ReadonlyArray<object>) => problemsIn(ToolExecutor.layer(tools), ...steps)

describe("a plan that says of a tool what its owner does not", () => {
  it("is refused where it would not undo what can be undone, or undo what cannot", () => {
    expect(said(step("Final", "createBranch", undefined, { inDoubt: "retry" }))).toEqual([
      `WrongClassification /steps/0/action/tool: Final step "createBranch as Final" calls tool "createBranch", whose owner says that it is Compensatable`
    ])
    expect(said(step("Compensatable", "merge", "comment"))).toEqual([
      `WrongClassification /steps/0/action/tool: Compensatable step "merge as Compensatable" calls tool "merge", whose owner says that it is Final`
    ])
    const looks = step("Final", "look", undefined, { inDoubt: "retry" })
    expect(said(step("Compensatable", "look", "comment"), looks)).toEqual([
      `WrongClassification /steps/0/action/tool: Compensatable step "look as Compensatable" calls tool "look", whose owner says that it is ReadOnly`,
      `WrongClassification /steps/1/action/tool: Final step "look as Final" calls tool "look", whose owner says that it is ReadOnly`
    ])
  })

  it("is refused where it says that a tool with a side effect only reads, also in a parallel block", () => {
    const reads = said({ parallel: [step("ReadOnly", "createBranch"), step("ReadOnly", "comment")] })
    expect(reads.map((line) => line.split(":")[0])).toEqual([
      "NotReadOnly /steps/0/parallel/0/action/tool",
      "NotReadOnly /steps/0/parallel/1/action/tool"
    ])
  })

  it("is refused where it undoes by another tool, by one that only reads, or by one that nothing reverses", () => {
    expect(said(step("Compensatable", "createBranch", "merge"))).toEqual([
      `WrongCompensation /steps/0/compensation/tool: step "createBranch as Compensatable" is undone by tool "merge", and the owner of tool "createBranch" says that "deleteBranch" or "archiveBranch" undoes it`
    ])
    expect(said(step("Compensatable", "label", "look"))).toEqual([
      `WrongCompensation /steps/0/compensation/tool: step "label as Compensatable" is undone by tool "look", whose owner says that it is ReadOnly`
    ])
    expect(said(step("Compensatable", "label", "deleteBranch"))).toEqual([
      `WrongCompensation /steps/0/compensation/tool: step "label as Compensatable" is undone by tool "deleteBranch", whose owner says that it is Final`
    ])
  })

  it("is accepted where it says what the owners say, or they say nothing", () => {
    expect(said(
      step("ReadOnly", "look"),
      step("Compensatable", "createBranch", "deleteBranch"),
      { ...step("Compensatable", "createBranch", "archiveBranch"), name: "another" },
      step("Compensatable", "label", "unlabel"),
      step("Compensatable", "comment", "unlabel"),
      step("Final", "merge"),
      step("Final", "comment", undefined, { inDoubt: "retry", retry: { times: 1 } })
    )).toEqual([])
  })
})

describe("the declarations of a tool", () => {
  const made = (declared: object) => () => ToolExecutor.layer({ ...tools, pay: tool(declared) })

  it("are refused where they name no tool, or cannot be kept", () => {
    expect(made({ compensatedBy: ["refnud"] })).toThrow(
      `the compensatedBy of tool "pay" names "refnud", and there is no such tool`
    )
    expect(made({ compensatedBy: [] })).toThrow(`the compensatedBy of tool "pay" is no list of tools`)
    expect(made({ compensatedBy: ["merge"], classification: "Final" })).toThrow(
      `the compensatedBy of tool "pay" names tools, and its classification does not let a step be Compensatable`
    )
    expect(made({ classification: [] })).toThrow("is an empty list, so that no step could call it")
    expect(made({ classification: ["Final", "Often"] })).toThrow(`the classification of tool "pay" is "Often"`)
  })

  it("hold for an executor of one function, which then has no other tools", () => {
    const calls: Array<string> = []
    const layer = ToolExecutor.layerFunction(
      ({ tool }) => Effect.sync(() => void calls.push(tool)).pipe(Effect.as(null)),
      { tools: { pay: { classification: "Final", inDoubt: "retry" }, refund: {} } }
    )
    expect(problemsIn(layer, step("Compensatable", "pay", "refund")).map((line) => line.split(" ")[0]))
      .toEqual(["WrongClassification"])
    expect(
      problemsIn(layer, step("Final", "constructor", undefined, { inDoubt: "park" })).map((line) => line.split(" ")[0])
    )
      .toEqual(["UnknownTool"])
    expect(problemsIn(layer, step("Final", "pay"))).toEqual([])
    expect(() => ToolExecutor.layerFunction(() => Effect.void, { tools: { pay: { compensatedBy: ["refund"] } } }))
      .toThrow(
        `the compensatedBy of tool "pay" names "refund"`
      )
    expect(calls).toEqual([])
  })
})

describe("the tools of an MCP server", () => {
  const list: ReadonlyArray<Plan.McpTool> = [
    { name: "search", description: "Searches.", annotations: { readOnlyHint: true } },
    { name: "create", annotations: { destructiveHint: false, idempotentHint: true } },
    { name: "delete", annotations: { idempotentHint: true } },
    { name: "send" }
  ]
  const final = (inDoubt: "retry" | "park") => ({ classification: "Final", inDoubt })

  it("are all Final to a host that does not trust it, whatever it hints", () => {
    expect(Plan.fromMcpTools(list, { trusted: false })).toEqual({
      search: { ...final("park"), description: "Searches." },
      create: { ...final("park"), description: undefined },
      delete: { ...final("park"), description: undefined },
      send: { ...final("park"), description: undefined }
    })
  })

  it("only read, or can be called again, by the hints of one that is trusted; that they can be undone, no hint says", () => {
    expect(Plan.fromMcpTools(list, { trusted: true })).toMatchObject({
      search: { classification: "ReadOnly" },
      create: final("retry"),
      delete: final("retry"),
      send: final("park")
    })
  })

  it("are what the host says of them, and nothing that is not in the list", () => {
    const tools = Plan.fromMcpTools(list, {
      trusted: false,
      tools: { create: { compensatedBy: ["delete"], inDoubt: "retry" }, delete: { inDoubt: "retry" }, other: {} }
    })
    expect(Object.keys(tools)).toEqual(["search", "create", "delete", "send"])
    expect(tools.create).toMatchObject({ classification: "Compensatable", compensatedBy: ["delete"], inDoubt: "retry" })
    const layer = ToolExecutor.layerFunction(() => Effect.succeed(null), { tools })
    // The other one: a doubt about it is left to a person, and a compensation is called again after a crash.
    expect(problemsIn(layer, step("Compensatable", "create", "search")).map((line) => line.split(" ")[0]))
      .toEqual(["BeyondLimit", "WrongCompensation"])
    expect(problemsIn(layer, step("ReadOnly", "search")).map((line) => line.split(" ")[0])).toEqual(["NotReadOnly"])
    const plan = planOf(step("Compensatable", "create", "delete"), step("Final", "send"))
    return Effect.runPromise(
      Effect.provide(decoded(plan, (plan) => Saga.run(plan, undefined)), layer)
    )
  })

  it("are no safer by a member that the host leaves undefined", () => {
    const tools = Plan.fromMcpTools([{ name: "drop" }], {
      trusted: false,
      tools: { drop: { classification: undefined, inDoubt: undefined, description: "drops" } }
    })
    expect(tools.drop).toEqual({ ...final("park"), description: "drops" })
    const layer = ToolExecutor.layerFunction(() => Effect.succeed(null), { tools: { drop: { description: "drops" } } })
    expect(problemsIn(layer, step("ReadOnly", "drop")).map((line) => line.split(" ")[0])).toEqual(["NotReadOnly"])
  })

  it("are not believed under a name that the list has twice", () => {
    const twice = [...list, { name: "search" }]
    expect(Plan.fromMcpTools(twice, { trusted: true }).search).toMatchObject(final("park"))
  })
})
