/** How executions are shown: as lines of a table, or as JSON, a line each. */
import type { Execution } from "../executions/Executions.ts"
import type * as Journal from "../Journal.ts"
import { formatDuration } from "../report/words.ts"
import { printable } from "../values/visible.ts"

/** Lines with columns of one width each; the last one is as long as it is. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const clean = rows.map((row) => row.map(printable))
  const widths = (clean[0] ?? []).map((_, column) => Math.max(...clean.map((row) => row[column]!.length)))
  return clean.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join("  ")
  )
    .join("\n")
}

const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString()

const attributesOf = ({ attributes }: Execution): string =>
  Object.entries(attributes).map(([name, value]) => `${name}=${value}`).join(" ")

/** The line of an execution. `now` is in epoch milliseconds. */
export const executionRow = (execution: Execution, now: number): ReadonlyArray<string> => {
  const { endedAt, executionId, saga, startedAt, status, version } = execution
  const lasted = formatDuration((endedAt ?? now) - startedAt)
  return [
    executionId,
    `${saga} v${version}`,
    status,
    timeOf(startedAt),
    endedAt === undefined ? `for ${lasted}` : `took ${lasted}`,
    attributesOf(execution)
  ]
}

/** The line of an event: when, what, of which step, and all else that it says. */
export const eventRow = ({ _tag, at, ...said }: Journal.Event): ReadonlyArray<string> => {
  const { step, ...rest } = said as { readonly step?: string }
  return [timeOf(at), _tag, step ?? "", Object.keys(rest).length === 0 ? "" : JSON.stringify(rest)]
}
