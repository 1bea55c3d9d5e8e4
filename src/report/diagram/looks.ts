/**
 * The colours of a picture, for light pages and dark ones: light boxes with dark text, and middle tones for the lines and texts that
 * stand on the page itself.
 */
import type { Look } from "./graph.ts"

export interface Colors {
  readonly fill: string
  readonly stroke: string
  readonly text: string
  readonly width?: number
  readonly dashed?: boolean
}

export const looks: { readonly [K in Look]: Colors } = {
  Saga: { fill: "#57606a", stroke: "#8c959f", text: "#ffffff" },
  ReadOnly: { fill: "#f6f8fa", stroke: "#818b98", text: "#1f2328" },
  Compensatable: { fill: "#ddf4ff", stroke: "#218bff", text: "#0a3069" },
  Final: { fill: "#fff1e5", stroke: "#bc4c00", text: "#762c00", width: 3 },
  Wait: { fill: "#fffbdd", stroke: "#9a6700", text: "#4d2d00" },
  PointOfNoReturn: { fill: "none", stroke: "none", text: "#e5534b" },
  Dot: { fill: "#818b98", stroke: "#818b98", text: "#818b98" },
  Plain: { fill: "none", stroke: "#818b98", text: "#818b98" },
  NotStarted: { fill: "#818b9826", stroke: "#818b98", text: "#768390", dashed: true },
  Skipped: { fill: "#818b9826", stroke: "#818b98", text: "#768390", dashed: true },
  Started: { fill: "#ddf4ff", stroke: "#218bff", text: "#0a3069", width: 2 },
  Waiting: { fill: "#fffbdd", stroke: "#9a6700", text: "#4d2d00", width: 2 },
  Succeeded: { fill: "#dafbe1", stroke: "#2da44e", text: "#044f1e", width: 2 },
  Failed: { fill: "#ffebe9", stroke: "#e5534b", text: "#82071e", width: 3 },
  InDoubt: { fill: "#fff8c5", stroke: "#bf8700", text: "#4d2d00", width: 3, dashed: true },
  Undone: { fill: "#fbefff", stroke: "#a475f9", text: "#3e1f79", width: 2 },
  Undoing: { fill: "#ddf4ff", stroke: "#a475f9", text: "#3e1f79", width: 2 },
  CompensationFailed: { fill: "#cf222e", stroke: "#82071e", text: "#ffffff", width: 3 },
  NotTried: { fill: "#ffd8b5", stroke: "#bc4c00", text: "#5c2200", width: 3 }
}
