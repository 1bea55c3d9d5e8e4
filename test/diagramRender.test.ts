/** What Diagram prints is drawn by the programs that it is for, and the reader sees every name as it is. */
import { describe, expect, it, layer } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { Diagram, Saga } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { visible } from "../src/internal/visible.ts"
import { describeChromium, Mermaid } from "./support/chromium.ts"
import { graphviz } from "./support/graphviz.ts"

const reported = (program: SagaArbitrary.Program) => {
  const saga = SagaArbitrary.build(program)
  return Effect.map(
    Effect.flatten(SagaArbitrary.exit(Saga.report(saga, undefined))),
    (report) => ({ saga, report })
  ).pipe(Effect.provide(Ledger.layer))
}

const nasty = [
  "end",
  "subgraph",
  "flowchart TB",
  "class",
  "style x:y #z;",
  "classDef a:b#c;d",
  "%%{init: {}}%%",
  "%% c",
  "---",
  "-->",
  "==>",
  "|x|",
  "\"",
  "'",
  "`",
  "\\",
  "\\n",
  "\\u0041",
  "\n",
  "\t",
  "\r\n",

  "\x7f",
  "\x9b",
  "#",
  "#35;",
  "#quot;",
  "&lt;",
  "&amp;lt;",
  "&",
  ";",
  "<script>alert(1)</script>",
  "<br>",
  "<br/>",
  "<b>x</b>",
  "<img src=x onerror=alert(1)>",
  "javascript:alert(1)",
  "{{x}}",
  "[",
  "]",
  "(",
  ")",
  "{",
  "}",
  "$$x$$",
  "$$",
  "*x*",
  "_x_",
  "__x__",
  "~~x~~",
  "`x`",
  "1. x",
  "- x",
  "# x",
  "+ x",
  "> x",
  "[x](y)",
  "fa:fa-car",
  "www.example.com",
  "a@b.c",
  "x=y",
  "ﬂ°°35¶ß",
  "ﬂ°",
  "¶ß",
  "👩‍👩‍👧",
  "車",
  "é",
  "e\u0301",
  "שלום",
  "مرحبا",
  "\u202e",
  "\u2060",
  "\u200b",
  " ",
  "  ",
  "\u00a0",
  "\u2028",
  "\uffff",
  "\ufffe",
  "\\N",
  "\\G",
  "\\L",
  "\\l",
  "x".repeat(800),
  "constructor",
  "toString"
]
const isName = (name: string) =>
  name !== "" && name !== "__proto__" && !name.includes("/") && !/\0|\p{Surrogate}/u.test(name) && name.length <= 800
const name = fc.oneof(
  fc.constantFrom(...nasty),
  fc.array(
    fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 5 }), fc.string({ maxLength: 5 })),
    {
      minLength: 1,
      maxLength: 4
    }
  ).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 })
).map((text) => text.replaceAll("/", "")).filter(isName)
const fewNames = fc.uniqueArray(name, { minLength: 8, maxLength: 20 })

/** Every kind of box, group and arrow, of these names. */
const named = ([first, ...names]: ReadonlyArray<string>) => {
  const effect = { action: () => Effect.void, compensate: () => Effect.void }
  const inner = (Saga.make(first as "saga") as any).readOnly(names[0]!, effect).compensatable(names[1]!, effect).build()
  const [nested, a, b, final, ...rest] = names.slice(2)
  let saga: any = (Saga.make(first as "saga") as any)
    .saga(nested, inner, { input: () => undefined })
    .parallel((branch: any) => branch.compensatable(a, effect).readOnly(b, effect))
  for (const name of rest) saga = saga.compensatable(name, effect)
  saga = saga.final(final, effect).build()
  const boxes = [`${names[0]}ReadOnly`, `${names[1]}Compensatable`, `${a}Compensatable`, `${b}ReadOnly`]
  return {
    saga: saga as Saga.Any,
    boxes: [...boxes, ...rest.map((name) => `${name}Compensatable`), `${final}Final`],
    group: `${nested}: saga ${first}`,
    labels: [names[1], a, ...rest].map((name) => `undo ${name}`)
  }
}

/** As a reader sees it, but for white space, which layouts break and trim, and the word joiner, which is not seen. */
const seen = (text: string) => visible(text).replace(/[\u2060\s]+/g, "")

const arrowsOf = (text: string) =>
  Array.from(text.matchAll(/^ {2}(\w+) (-->|==>|-\.->)(?:\|.*\|)? (\w+)$/gm), ([, from, kind, to]) => ({
    from: from!,
    kind: kind!,
    to: to!
  }))

describeChromium("Diagram.mermaid is drawn by Mermaid", () => {
  layer(Mermaid.layer, { timeout: 60_000, excludeTestServices: false })((it) => {
    it.effect.prop(
      "every box and every arrow, forward downwards and the way back upwards, whatever the saga and whatever happened",
      [SagaArbitrary.program()],
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
      { timeout: 120_000, fastCheck: { numRuns: 40 } }
    )

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
      { timeout: 120_000, fastCheck: { numRuns: 40 } }
    )
  })
})

describe("Diagram.dot is drawn by Graphviz", () => {
  it.effect.prop(
    "whatever the saga and whatever happened",
    [SagaArbitrary.program()],
    ([program]) =>
      Effect.gen(function*() {
        const { report, saga } = yield* reported(program)
        const [plain, colored] = [Diagram.dot(saga), Diagram.dot(saga, report)].map(graphviz)
        expect(plain!.boxes.filter(({ id }) => id.startsWith("step")).length).toBe(report.steps.length)
        expect(colored!.boxes.map(({ id }) => id)).toEqual(plain!.boxes.map(({ id }) => id))
      }),
    { timeout: 60_000, fastCheck: { numRuns: 50 } }
  )

  it.prop("names are seen as they are", [fewNames], ([names]) => {
    const { boxes, group, labels, saga } = named(names)
    const drawn = graphviz(Diagram.dot(saga))
    const steps = drawn.boxes.filter(({ id }) => id.startsWith("step")).map(({ text }) => seen(text))
    expect(steps.sort()).toEqual(boxes.map(seen).sort())
    expect(drawn.groups.map(seen).sort()).toEqual([group, "parallel"].map(seen).sort())
    expect(drawn.labels.map(seen).filter((label) => label !== "" && label !== "onfailure").sort()).toEqual(
      labels.map(seen).sort()
    )
  }, { timeout: 60_000, fastCheck: { numRuns: 50 } })
})
