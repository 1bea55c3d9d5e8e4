/** The real Graphviz, compiled to WebAssembly. */
import { instance } from "@viz-js/viz"

const viz = await instance()

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const textIn = (svg: string): string =>
  Array.from(
    svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g),
    ([, text]) =>
      text!.replace(
        /&(?:#(\d+)|(\w+));/g,
        (_, code, name) => name ? entities[name]! : String.fromCodePoint(Number(code))
      )
  ).join("")

/** What a reader sees of a picture; throws what Graphviz says of one that it cannot draw. */
export const graphviz = (dot: string) => {
  const { errors, output, status } = viz.render(dot, { format: "svg" })
  // It warns of letters whose width it does not know, having no fonts.
  const problems = errors.filter(({ level }) => level === "error").map(({ message }) => message)
  if (status === "failure" || problems.length > 0) throw new Error([...problems, dot].join("\n"))
  const parts = Array.from(output.matchAll(/<g id="\w+" class="(\w+)">\n<title>([^<]*)<\/title>([^]*?)<\/g>/g))
  const of = (kind: string) => parts.filter(([, found]) => found === kind)
  return {
    boxes: of("node").map(([, , id, svg]) => ({ id: id!, text: textIn(svg!) })),
    groups: of("cluster").map(([, , , svg]) => textIn(svg!)),
    labels: of("edge").map(([, , , svg]) => textIn(svg!))
  }
}
