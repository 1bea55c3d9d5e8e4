/** Sagas to draw: random ones, and ones with names that no format of pictures expects. */
import { Effect, FastCheck as fc } from "effect"
import { Saga } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { visible } from "../../src/values/visible.ts"

/** A random saga, and what became of it. */
export const reported = (program: SagaArbitrary.Program) => {
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
export const fewNames = fc.uniqueArray(name, { minLength: 8, maxLength: 20 })

/** Every kind of box, group and arrow, of these names. */
export const named = ([first, ...names]: ReadonlyArray<string>) => {
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
export const seen = (text: string) => visible(text).replace(/[\u2060\s]+/g, "")
