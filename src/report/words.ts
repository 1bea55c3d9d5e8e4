/**
 * How reports are said in signs and words, for whoever prints them.
 */
import { Duration } from "effect"
import type { CompensationReport, StepReport } from "./SagaReport.ts"

/** What can become of a step or a compensation. */
export type Kind = StepReport["status"] | CompensationReport["status"]

export const signs: { readonly [K in Kind]: { readonly unicode: string; readonly ascii: string } } = {
  NotStarted: { unicode: "·", ascii: "." },
  Skipped: { unicode: "○", ascii: "o" },
  Started: { unicode: "▶", ascii: ">" },
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
  Succeeded: "done",
  Failed: "failed",
  InDoubt: "in doubt",
  Undone: "undone",
  NotTried: "not tried"
}

export const inWords = (milliseconds: number): string =>
  milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : milliseconds < 60_000
    ? `${(milliseconds / 1000).toFixed(1)} s`
    : Duration.format(Duration.seconds(Math.min(Math.round(milliseconds / 1000), Number.MAX_SAFE_INTEGER / 1e6)))
