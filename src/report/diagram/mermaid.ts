/** Prints a graph as a flowchart of Mermaid. */
import type { Arrow, Box, Graph, Group, Item, Look, Shape } from "./graph.ts"
import { type Colors, looks } from "./looks.ts"

export const toMermaid = ({ arrows, items }: Graph): string => {
  const boxes = items.flatMap(boxesOf)
  return [
    "flowchart TB",
    ...items.flatMap((item) => printItem(item, "  ")),
    ...arrows.map(printArrow),
    ...distinct(boxes, ({ look }) => look).map(([look, boxes]) =>
      `  class ${boxes.map(({ id }) => id).join(",")} ${className(look)}`
    ),
    ...distinct(boxes, ({ look }) => look).map(([look]) => `  classDef ${className(look)} ${styleOf(looks[look])}`),
    ...groupsOf(items).map(({ id }) => `  style ${id} fill:#818b981f,stroke:#818b98`),
    ...distinct(
      arrows.map((arrow, index) => ({ ...arrow, index })).filter(({ kind }) => kind === "Back"),
      ({ look }) => look
    )
      .map(([look, arrows]) =>
        `  linkStyle ${arrows.map(({ index }) => index).join(",")} stroke:${looks[look].stroke},stroke-width:2px`
      )
  ].join("\n") + "\n"
}

const boxesOf = (item: Item): ReadonlyArray<Box> => item._tag === "Box" ? [item] : item.items.flatMap(boxesOf)

const groupsOf = (items: ReadonlyArray<Item>): ReadonlyArray<Group> =>
  items.flatMap((item) => item._tag === "Box" ? [] : [item, ...groupsOf(item.items)])

const distinct = <A>(all: ReadonlyArray<A>, lookOf: (one: A) => Look) =>
  Array.from(new Set(all.map(lookOf)), (look) => [look, all.filter((one) => lookOf(one) === look)] as const)

const printItem = (item: Item, indent: string): ReadonlyArray<string> =>
  item._tag === "Box"
    ? [`${indent}${item.id}${frames[item.shape][0]}"${labelOf(item)}"${frames[item.shape][1]}`]
    : [
      `${indent}subgraph ${item.id}["${joined(item.title)}"]`,
      ...item.items.flatMap((inside) => printItem(inside, `${indent}  `)),
      `${indent}end`
    ]

const frames: { readonly [K in Shape]: readonly [open: string, close: string] } = {
  Saga: ["([", "])"],
  ReadOnly: ["(", ")"],
  Compensatable: ["[", "]"],
  Final: ["{{", "}}"],
  Wait: [">", "]"],
  PointOfNoReturn: ["[", "]"],
  Dot: ["((", "))"]
}

// Mermaid has no horizontal rule.
const line = "━".repeat(12)

const labelOf = ({ lines, shape }: Box): string =>
  shape === "Dot"
    ? " "
    : joined(shape === "PointOfNoReturn" ? [lines[0]!, line, ...lines.slice(1)] : lines)

const joined = (lines: ReadonlyArray<string>) => lines.map(escape).join("<br/>")

const printArrow = ({ from, kind, label, to }: Arrow): string => {
  const text = label.length === 0 ? "" : `|"${joined(label)}"|`
  return `  ${from} ${kind === "Back" ? "-.->" : kind === "Committed" ? "==>" : "-->"}${text} ${to}`
}

const className = (look: Look) => look[0]!.toLowerCase() + look.slice(1)

const styleOf = ({ dashed, fill, stroke, text, width }: Colors): string =>
  [
    `fill:${fill}`,
    `stroke:${stroke}`,
    `color:${text}`,
    ...width === undefined ? [] : [`stroke-width:${width}px`],
    ...dashed === true ? ["stroke-dasharray:4 3"] : []
  ].join(",")

/**
 * Writes each character that Mermaid or HTML could interpret as its number. After it has decoded the numbers, Mermaid interprets some
 * texts once more: line breaks (`\\n`), formulas (`$$`), icons (`fa:fa-car`), its own notation for numbers (`ﬂ°`, `¶ß`) and, in
 * version 11.4, lists and addresses. An invisible word joiner takes these apart.
 */
const escape = (text: string): string =>
  text
    .replace(/^(?=[-+#>]|\d+[.)])|\\(?=n)|\$(?=\$)|:(?=fa-|\/\/)|ﬂ(?=°)|¶(?=ß)|@|www(?=\.)/g, "$&\u2060")
    .replace(/[!-+/:-@[-`{-~°¶]/gu, (character) => `#${character.codePointAt(0)};`)
