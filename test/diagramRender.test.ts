/** What Diagram.mermaid prints is drawn by the real Mermaid in a real browser, and a reader sees every name as it is. */
import { expect, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Diagram, Saga } from "effect-saga"
import { SagaArbitrary } from "effect-saga/testing"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describeChromium, Mermaid } from "./support/chromium.ts"
import { fewNames, named, reported, seen } from "./support/drawn.ts"

const arrowsOf = (text: string) =>
  Array.from(text.matchAll(/^ {2}(\w+) (-->|==>|-\.->)(?:\|.*\|)? (\w+)$/gm), ([, from, kind, to]) => ({
    from: from!,
    kind: kind!,
    to: to!
  }))

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const documents = [
  at("README.md"),
  ...readdirSync(at("docs"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"))
    .map((path) => at(`docs/${path}`))
]

describeChromium("Diagram.mermaid is drawn by Mermaid", () => {
  layer(Mermaid.layer, { timeout: 180_000, excludeTestServices: false })((it) => {
    it.effect.prop(
      "every box and every arrow, forward downwards and the way back upwards, whatever the saga and whatever happened",
      [SagaArbitrary.program({ sleeps: true })],
      ([program]) =>
        Effect.gen(function*() {
          const { report, saga } = yield* reported(program)
          for (const text of [Diagram.mermaid(saga), Diagram.mermaid(saga, report)]) {
            const { arrows, boxes, foreign } = yield* Effect.flatMap(Mermaid, ({ draw }) => draw(text))
            const printed = arrowsOf(text)
            expect(arrows).toBe(printed.length)
            expect(foreign).toBe(0)
            for (const { from, kind, to } of printed) {
              const [upper, lower] = kind === "-.->" ? [boxes[to]!, boxes[from]!] : [boxes[from]!, boxes[to]!]
              expect(upper.bottom, `${from} ${kind} ${to} in\n${text}`).toBeLessThan(lower.top)
            }
          }
        }),
      { timeout: 300_000, fastCheck: { numRuns: 25 } }
    )

    it.effect("every picture in README.md and docs/", () =>
      Effect.gen(function*() {
        const drawn = yield* Effect.forEach(
          documents.flatMap((path) => Array.from(readFileSync(path, "utf8").matchAll(/^```mermaid\n([^]*?)^```$/gm))),
          ([, text]) => Effect.flatMap(Mermaid, ({ draw }) => draw(text!))
        )
        expect(drawn.length).toBeGreaterThan(1)
        for (const { arrows } of drawn) expect(arrows).toBeGreaterThan(0)
      }))

    it.effect("a saga of 200 steps", () =>
      Effect.gen(function*() {
        const step = { action: () => Effect.void, compensate: () => Effect.void }
        let saga: any = Saga.make("Long")
        for (let index = 0; index < 200; index++) saga = saga.compensatable(`step-${index}`, step)
        const { boxes } = yield* Effect.flatMap(Mermaid, ({ draw }) => draw(Diagram.mermaid(saga.build())))
        expect(Object.keys(boxes).length).toBe(201)
      }), 180_000)

    it.effect.prop(
      "names are seen as they are, and do nothing",
      [fewNames],
      ([names]) =>
        Effect.gen(function*() {
          const { boxes, group, labels, saga } = named(names)
          const text = Diagram.mermaid(saga)
          const drawn = yield* Effect.flatMap(Mermaid, ({ draw }) => draw(text))
          const steps = Object.entries(drawn.boxes).filter(([id]) => id.startsWith("step")).map(([, { text }]) =>
            seen(text)
          )
          expect(steps.sort()).toEqual(boxes.map(seen).sort())
          expect(Object.values(drawn.groups).map(seen).sort()).toEqual([group, "parallel"].map(seen).sort())
          expect(seen(drawn.boxes.saga1!.text)).toBe(seen(names[0]!))
          expect(drawn.labels.map(seen).filter((label) => label !== "" && label !== "onfailure").sort()).toEqual(
            labels.map(seen).sort()
          )
          expect(drawn.foreign).toBe(0)
        }),
      { timeout: 300_000, fastCheck: { numRuns: 25 } }
    )
  })
})
