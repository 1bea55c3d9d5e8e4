/**
 * A report as text for a terminal: how each step and each compensation ended, and when.
 */
import { Console, Effect } from "effect"
import { printable } from "../values/visible.ts"
import type { CompensationReport, ReportDetails, StepReport } from "./SagaReport.ts"
import { detected } from "./terminal.ts"
import { formatDuration, type Kind, signs, words } from "./words.ts"

/** How a timeline is written. */
export interface Options {
  /** Colours by ANSI codes. `false` by default. */
  readonly color?: boolean
  /** Signs and bars in ASCII. `false` by default. */
  readonly ascii?: boolean
  /** The columns of a bar. 24 by default. */
  readonly width?: number
}

/**
 * A report as text: its summary, and a line for each step and each compensation: how it ended, when it began, how long it took, a bar
 * for its place in the whole, and why it failed. A space stands for each control character in names and reasons.
 *
 * @example
 * ```ts prelude=trip
 * const report = await Effect.runPromise(Saga.report(trip, { card: "full" }))
 * console.log(Timeline.pretty(report).split("\n", 1)[0])
 * // => Trip succeeded: 2 steps took effect
 * ```
 */
export const pretty = (report: ReportDetails, options: Options = {}): string =>
  timeline(report, {
    color: options.color ?? false,
    ascii: options.ascii ?? false,
    width: widthOrDefault(options.width)
  })

const widthOrDefault = (width = 24) => Number.isFinite(width) ? Math.max(1, Math.min(1000, Math.round(width))) : 24

/**
 * Prints {@link pretty} to the `Console`: in colours where standard output is a terminal and neither `NO_COLOR` is set nor `TERM` is
 * `dumb`, and in ASCII where the locale (`LC_ALL`, `LC_CTYPE`, `LANG`) is not UTF-8. They are read by the `ConfigProvider`.
 */
export const print = (report: ReportDetails, options: Options = {}): Effect.Effect<void> =>
  Effect.flatMap(
    detected,
    (detected) => Console.log(pretty(report, { ...detected, ...options }))
  )

type Style = Required<Options>

/** The ANSI colour codes by status. */
const colors: { readonly [K in Kind]: number } = {
  NotStarted: 90,
  Skipped: 90,
  Started: 36,
  Waiting: 36,
  Succeeded: 32,
  Failed: 31,
  InDoubt: 35,
  Undone: 33,
  NotTried: 31
}

interface Row {
  readonly kind: Kind
  readonly cells: ReadonlyArray<string>
  readonly from: number | undefined
  readonly duration: number | undefined
  readonly note: string
}

const timeline = (details: ReportDetails, style: Style): string => {
  const { ascii, color } = style
  const paint = (code: number, text: string) => color && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
  const rows = [...details.steps.map(stepRow(details)), ...details.compensations.map(compensationRow(details))]
  const columns = rows[0]?.cells.map((_, column) => greatest(0, rows, ({ cells }) => widthOf(cells[column]!))) ?? []
  const whole = greatest(1, rows, ({ duration = 0, from = 0 }) => from + duration)
  const line = ({ cells, duration, from, kind, note }: Row) => {
    const code = colors[kind]
    const aligned = cells.map((cell, column) => {
      const padding = " ".repeat(columns[column]! - widthOf(cell))
      return column < 2 ? cell + padding : padding + cell
    })
    const place = from === undefined ? "" : barOf(from / whole, (duration ?? 0) / whole, style)
    const bar = note === "" ? place.trimEnd() : place
    return `  ${paint(code, signs[kind][ascii ? "ascii" : "unicode"])} ${aligned.join("  ")}  ${paint(code, bar)}${
      note === "" ? "" : `  ${note}`
    }`.trimEnd()
  }
  return [paint(1, printable(details.summary)), ...rows.map(line)].join("\n")
}

/** Not by the arguments of one call: a long list has more rows than a call may have arguments. */
const greatest = (least: number, rows: ReadonlyArray<Row>, of: (row: Row) => number) =>
  rows.reduce((most, row) => Math.max(most, of(row)), least)

const stepRow = ({ startedAt }: ReportDetails) => (step: StepReport): Row => ({
  kind: step.status,
  cells: [printable(step.step), `${step.classification}, ${words[step.status]}`, ...times(step, startedAt)],
  from: step.startedAt === undefined || step.status === "Skipped" ? undefined : step.startedAt - startedAt,
  duration: step.duration,
  note: noteOf(step)
})

const compensationRow = ({ startedAt }: ReportDetails) => (compensation: CompensationReport): Row => ({
  kind: compensation.status,
  cells: [
    printable(compensation.step),
    `compensation, ${words[compensation.status]}`,
    ...times(compensation, startedAt)
  ],
  from: compensation.startedAt === undefined ? undefined : compensation.startedAt - startedAt,
  duration: compensation.duration,
  note: noteOf(compensation)
})

const times = (
  { duration, startedAt }: { readonly startedAt: number | undefined; readonly duration: number | undefined },
  from: number
) => [
  startedAt === undefined ? "" : `+${formatDuration(startedAt - from)}`,
  duration === undefined ? "" : formatDuration(duration)
]

const noteOf = ({ attempts, reason }: { readonly attempts: number; readonly reason: string | undefined }) =>
  [...attempts > 1 ? [`${attempts} attempts`] : [], ...reason === undefined ? [] : [printable(reason)]].join(": ")

/** A bar at a step's place in the whole: at least one column long, so that it is always seen. */
const barOf = (from: number, duration: number, { ascii, width }: Style): string => {
  // A clock may go back, or be another host's: then the time lies outside of the whole.
  const within = (share: number) => Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0
  const length = Math.max(1, Math.round(within(duration) * width))
  const start = Math.min(Math.round(within(from) * width), width - length)
  return `${" ".repeat(start)}${(ascii ? "#" : "▇").repeat(length)}${" ".repeat(width - start - length)}`
}

const segmenter = new Intl.Segmenter("en")
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u

/** The columns that a terminal gives to a text. */
const widthOf = (text: string): number => {
  // Most text is; a segmenter takes a hundred times as long.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let columns = 0
  for (const { segment } of segmenter.segment(text)) columns += wide.test(segment) ? 2 : 1
  return columns
}
