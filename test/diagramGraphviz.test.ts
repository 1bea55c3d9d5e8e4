/** What Diagram.dot prints is drawn by the real Graphviz, and a reader sees every name as it is. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Diagram } from "effect-saga"
import { SagaArbitrary } from "effect-saga/testing"
import { fewNames, named, reported, seen } from "./support/drawn.ts"
import { graphviz } from "./support/graphviz.ts"

describe("Diagram.dot is drawn by Graphviz", () => {
  it.effect.prop(
    "whatever the saga and whatever happened",
    [SagaArbitrary.program({ sleeps: true })],
    ([program]) =>
      Effect.gen(function*() {
        const { report, saga } = yield* reported(program)
        const [plain, colored] = [Diagram.dot(saga), Diagram.dot(saga, report)].map(graphviz)
        expect(plain!.boxes.filter(({ id }) => id.startsWith("step")).length).toBe(saga.steps.length)
        expect(colored!.boxes.map(({ id }) => id)).toEqual(plain!.boxes.map(({ id }) => id))
      }),
    { timeout: 180_000, fastCheck: { numRuns: 50 } }
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
  }, { timeout: 180_000, fastCheck: { numRuns: 50 } })
})
