/** The tools of an MCP server, as a host of plans registers them. */
import type { Description } from "./ToolExecutor.ts"

/** A tool as `tools/list` of the Model Context Protocol gives it, as far as it is used here. */
export interface McpTool {
  readonly name: string
  readonly description?: string | undefined
  readonly annotations?: {
    readonly readOnlyHint?: boolean | undefined
    readonly idempotentHint?: boolean | undefined
    readonly destructiveHint?: boolean | undefined
    readonly openWorldHint?: boolean | undefined
  } | undefined
}

/** How far the server is believed, and what the host knows better. */
export interface McpOptions {
  /**
   * Whether the hints of the server are believed. The protocol says that they are not to be, unless the server is trusted: without trust
   * no hint makes a call safer.
   */
  readonly trusted: boolean
  /** What the host says of a tool, by its name: it wins over each hint. A tool that is not in the list is not registered. */
  readonly tools?: Readonly<Record<string, Description>> | undefined
}

/**
 * Makes descriptions for `ToolExecutor.layerFunction` of the tool list of an MCP server.
 *
 * A tool is Final and a doubt about it is left to a person, unless more is known: of a trusted server `readOnlyHint: true` makes it
 * ReadOnly, and `idempotentHint: true` lets a doubt be settled by another call. That it can be undone, and by which tool, only
 * the host can say: `tools: { createBranch: { compensatedBy: ["deleteBranch"] }, deleteBranch: { inDoubt: "retry" } }`, where the
 * second is one that may be called again after a crash, as each tool that undoes another must be. `destructiveHint: false` says that a tool only
 * adds, which is not that anything reverses it, and `openWorldHint: false` says nothing about undoing either. A name that the list has
 * twice is not believed.
 */
export const fromMcpTools = (
  list: ReadonlyArray<McpTool>,
  { tools = {}, trusted }: McpOptions
): Readonly<Record<string, Description>> => {
  const names = list.map(({ name }) => name)
  return Object.fromEntries(list.map(({ annotations, description, name }) => {
    const isBelieved = trusted && names.indexOf(name) === names.lastIndexOf(name)
    const own = Object.hasOwn(tools, name) ? tools[name]! : {}
    const isCompensatable = own.compensatedBy !== undefined
    const hinted: Description = {
      description,
      classification: isBelieved && annotations?.readOnlyHint === true ? "ReadOnly" : "Final",
      inDoubt: isBelieved && annotations?.idempotentHint === true ? "retry" : "park"
    }
    const said = isCompensatable ? { ...hinted, classification: "Compensatable" as const } : hinted
    return [name, { ...said, ...withoutUndefined(own) }]
  }))
}

/** A member that is there and undefined says nothing: it must not take back what is known without it. */
const withoutUndefined = (description: Description): Description =>
  Object.fromEntries(Object.entries(description).filter(([, value]) => value !== undefined))
