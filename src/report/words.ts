/**
 * Signs and words for statuses, shared by timelines and diagrams.
 */
import { Duration } from "effect"
import type { CompensationReport, StepReport } from "./SagaReport.ts"

/** How a step or a compensation ended, or that it has not. */
export type Kind = StepReport["status"] | CompensationReport["status"]

export const signs: { readonly [K in Kind]: { readonly unicode: string; readonly ascii: string } } = {
  NotStarted: { unicode: "·", ascii: "." },
  Skipped: { unicode: "○", ascii: "o" },
  Started: { unicode: "▶", ascii: ">" },
  Waiting: { unicode: "…", ascii: "~" },
  Succeeded: { unicode: "✓", ascii: "+" },
  Failed: { unicode: "✗", ascii: "x" },
  InDoubt: { unicode: "?", ascii: "?" },
  Undone: { unicode: "↩", ascii: "<" },
  NotTried: { unicode: "·", ascii: "." }
}

export const words: { readonly [K in Kind]: string } = {
  NotStarted: "not started",
  Skipped: "skipped",
  Started: "started",
  Waiting: "waiting",
  Succeeded: "done",
  Failed: "failed",
  InDoubt: "in doubt",
  Undone: "undone",
  NotTried: "not tried"
}

/** The words for a compensation. */
export const undoWords: { readonly [K in CompensationReport["status"]]: string } = {
  Undone: "undone",
  Failed: "undo failed",
  NotTried: "undo not tried",
  Started: "undo started"
}

/** A duration as text. A clock may go back, or be another host's: a negative duration counts as none. */
export const formatDuration = (duration: number): string => {
  const milliseconds = Math.max(0, duration)
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  return Duration.format(Duration.seconds(Math.min(Math.round(milliseconds / 1000), Number.MAX_SAFE_INTEGER / 1e6)))
}

/** A time of epoch milliseconds as text. Whoever wrote it may have had years in mind that no calendar has. */
export const formatTime = (time: number): string => {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? `${time} ms after 1970` : date.toISOString()
}
