/**
 * A report as text, for a terminal: what became of each step and each compensation, and when.
 */
import { Config, Console, Duration, Effect } from "effect"
import { printable } from "./internal/printable.ts"
import type { CompensationReport, ReportDetails, StepReport } from "./SagaReport.ts"

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
 * A report as text: its sentence, and a line for each step and each compensation with what became of it, when it began, how long it
 * took, its place in the whole as a bar, and why it failed. Control characters in names and reasons are left out.
 */
export const pretty = (report: ReportDetails, options: Options = {}): string =>
  timeline(report, { color: options.color ?? false, ascii: options.ascii ?? false, width: options.width ?? 24 })

const terminal = Effect.map(
  Config.all({
    noColor: Config.withDefault(Config.string("NO_COLOR"), ""),
    kind: Config.withDefault(Config.string("TERM"), ""),
    locale: Config.orElse(
      Config.string("LC_ALL"),
      () => Config.orElse(Config.string("LC_CTYPE"), () => Config.withDefault(Config.string("LANG"), ""))
    )
  }),
  ({ kind, locale, noColor }): Options => ({
    color: globalThis.process?.stdout?.isTTY === true && noColor === "" && kind !== "dumb",
    // A system that says nothing of its locale is none of those that cannot show more.
    ascii: kind === "dumb" || (locale !== "" && !/utf-?8/i.test(locale))
  })
)

/**
 * Prints {@link pretty} to the `Console`: in colours where standard output is a terminal and neither `NO_COLOR` is set nor `TERM` is
 * `dumb`, and in ASCII where the locale (`LC_ALL`, `LC_CTYPE`, `LANG`) is not UTF-8. They are read by the `ConfigProvider`.
 */
export const print = (report: ReportDetails, options: Options = {}): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.orElseSucceed(terminal, () => ({})),
    (detected) => Console.log(pretty(report, { ...detected, ...options }))
  )

type Style = Required<Options>

type Kind = StepReport["status"] | CompensationReport["status"]

/** Which sign and colour (an ANSI code) stand for what became of something, and what it is called. */
const signs: { readonly [K in Kind]: readonly [unicode: string, ascii: string, color: number] } = {
  NotStarted: ["·", ".", 90],
  Skipped: ["○", "o", 90],
  Started: ["▶", ">", 36],
  Succeeded: ["✓", "+", 32],
  Failed: ["✗", "x", 31],
  InDoubt: ["?", "?", 35],
  Undone: ["↩", "<", 33],
  NotTried: ["·", ".", 31]
}

const words: { readonly [K in Kind]: string } = {
  NotStarted: "not started",
  Skipped: "skipped",
  Started: "started",
  Succeeded: "done",
  Failed: "failed",
  InDoubt: "in doubt",
  Undone: "undone",
  NotTried: "not tried"
}

interface Row {
  readonly sign: readonly [string, string, number]
  readonly cells: ReadonlyArray<string>
  readonly from: number | undefined
  readonly duration: number | undefined
  readonly note: string
}

const timeline = (details: ReportDetails, style: Style): string => {
  const { ascii, color } = style
  const paint = (code: number, text: string) => color && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
  const rows = [...details.steps.map(stepRow(details)), ...details.compensations.map(compensationRow(details))]
  const columns = rows[0]?.cells.map((_, column) => Math.max(...rows.map(({ cells }) => widthOf(cells[column]!)))) ?? []
  const whole = Math.max(1, ...rows.map(({ duration = 0, from = 0 }) => from + duration))
  const line = ({ cells, duration, from, note, sign: [unicode, plain, code] }: Row) => {
    const aligned = cells.map((cell, column) => {
      const padding = " ".repeat(columns[column]! - widthOf(cell))
      return column < 2 ? cell + padding : padding + cell
    })
    const place = from === undefined ? "" : barOf(from / whole, (duration ?? 0) / whole, style)
    const bar = note === "" ? place.trimEnd() : place
    return `  ${paint(code, ascii ? plain : unicode)} ${aligned.join("  ")}  ${paint(code, bar)}${
      note === "" ? "" : `  ${note}`
    }`.trimEnd()
  }
  return [paint(1, printable(details.summary)), ...rows.map(line)].join("\n")
}

const stepRow = ({ startedAt }: ReportDetails) => (step: StepReport): Row => ({
  sign: signs[step.status],
  cells: [printable(step.step), `${step.classification}, ${words[step.status]}`, ...times(step, startedAt)],
  from: step.startedAt === undefined || step.status === "Skipped" ? undefined : step.startedAt - startedAt,
  duration: step.duration,
  note: noteOf(step)
})

const compensationRow = ({ startedAt }: ReportDetails) => (compensation: CompensationReport): Row => ({
  sign: signs[compensation.status],
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
) => [startedAt === undefined ? "" : `+${inWords(startedAt - from)}`, duration === undefined ? "" : inWords(duration)]

const noteOf = ({ attempts, reason }: { readonly attempts: number; readonly reason: string | undefined }) =>
  [...attempts > 1 ? [`${attempts} attempts`] : [], ...reason === undefined ? [] : [printable(reason)]].join(": ")

const inWords = (milliseconds: number): string =>
  milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : milliseconds < 60_000
    ? `${(milliseconds / 1000).toFixed(1)} s`
    : Duration.format(Duration.seconds(Math.round(milliseconds / 1000)))

/** Where something lies in the whole, and how long it is: at least one column, so that nothing is invisible. */
const barOf = (from: number, duration: number, { ascii, width }: Style): string => {
  const length = Math.max(1, Math.round(duration * width))
  const start = Math.min(Math.round(from * width), width - length)
  return `${" ".repeat(start)}${(ascii ? "#" : "▇").repeat(length)}${" ".repeat(width - start - length)}`
}

const segmenter = new Intl.Segmenter("en")
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u

/** Columns that a terminal gives to a text. */
const widthOf = (text: string): number => {
  let columns = 0
  for (const { segment } of segmenter.segment(text)) columns += wide.test(segment) ? 2 : 1
  return columns
}
