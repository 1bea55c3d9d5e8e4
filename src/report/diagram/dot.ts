/** Prints a graph in DOT, the language of Graphviz. */
import type { Arrow, Box, Graph, Item, Shape } from "./graph.ts"
import { looks } from "./looks.ts"

export const toDot = ({ arrows, items }: Graph): string =>
  [
    "digraph saga {",
    `  graph [rankdir=TB, fontname="Helvetica", bgcolor="transparent", fontcolor="#818b98"]`,
    `  node [fontname="Helvetica", style="filled"]`,
    `  edge [fontname="Helvetica", color="#818b98", fontcolor="#818b98"]`,
    ...items.flatMap((item) => printItem(item, "  ")),
    ...arrows.map(printArrow),
    "}"
  ].join("\n") + "\n"

const printItem = (item: Item, indent: string): ReadonlyArray<string> =>
  item._tag === "Box"
    ? [`${indent}${item.id} [${attributes(attributesOf(item))}]`]
    : [
      `${indent}subgraph cluster_${item.id} {`,
      `${indent}  graph [label=${quoted(item.title)}, color="#818b98", style="rounded"]`,
      ...item.items.flatMap((inside) => printItem(inside, `${indent}  `)),
      `${indent}}`
    ]

const attributesOf = ({ lines, look, shape }: Box): Record<string, string> => {
  if (shape === "Dot") return { shape: "point", color: looks[look].stroke }
  const { dashed, fill, stroke, text, width } = looks[look]
  const label = { label: quoted(lines), fontcolor: text }
  if (shape === "PointOfNoReturn") return { shape: "underline", style: "solid", color: text, penwidth: "3", ...label }
  const styles = ["filled", ...shape === "ReadOnly" ? ["rounded"] : [], ...dashed === true ? ["dashed"] : []]
  return {
    shape: shapes[shape],
    style: styles.join(","),
    fillcolor: fill,
    color: stroke,
    penwidth: `${width ?? 1}`,
    ...label
  }
}

const shapes: { readonly [K in Exclude<Shape, "Dot" | "PointOfNoReturn">]: string } = {
  Saga: "oval",
  ReadOnly: "box",
  Compensatable: "box",
  Final: "hexagon",
  Wait: "cds"
}

const printArrow = ({ from, kind, label, look, to }: Arrow): string => {
  const { stroke } = looks[look]
  const style: Record<string, string> = kind === "Back"
    // Undo arrows must not influence the layout.
    ? { style: "dashed", color: stroke, fontcolor: stroke, constraint: "false" }
    : kind === "Committed"
    ? { penwidth: "3" }
    : {}
  const all = { ...style, ...label.length === 0 ? {} : { label: quoted(label) } }
  return `  ${from} -> ${to}${Object.keys(all).length === 0 ? "" : ` [${attributes(all)}]`}`
}

const attributes = (all: Record<string, string>): string =>
  Object.entries(all).map(([name, value]) => `${name}=${value.startsWith("\"") ? value : `"${value}"`}`).join(", ")

/** The order counts: each replacement leaves the ones before it alone. */
const escapes = [
  // Graphviz reads the entities of HTML in every label.
  ["&", "&amp;"],
  // A page that embeds the text must not find a tag in it, such as the end of its own script.
  ["<", "&lt;"],
  [">", "&gt;"],
  ["\\", "\\\\"],
  ["\"", "\\\""]
] as const

const escape = (line: string): string =>
  escapes.reduce((text, [character, escaped]) => text.replaceAll(character, escaped), line)

const quoted = (lines: ReadonlyArray<string>): string => `"${lines.map(escape).join("\\n")}"`
