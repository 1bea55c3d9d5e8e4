import { describe, expect, it } from "@effect/vitest"
import { Effect, Schedule, Schema, TestClock } from "effect"
import { Checkpoint, Diagram, Journal, Saga, SagaError, SagaReport, Signal } from "effect-saga"
import { programOf } from "../src/definition/saga.ts"
import { visible, wrapped } from "../src/values/visible.ts"

const takes = <E = never>(millis: number, then: Effect.Effect<void, E> = Effect.void) => () =>
  Effect.zipRight(Effect.sleep(millis), then)

interface Wrong {
  readonly hotel?: Effect.Effect<void, string>
  readonly undoHotel?: Effect.Effect<void, string>
  readonly charge?: Effect.Effect<void, string | SagaError.OutcomeUnknown>
  readonly email?: Effect.Effect<void, string>
}

const insure = Saga.make("Insure").compensatable("policy", { action: takes(30), compensate: takes(3) }).build()

const tripWith = (wrong: Wrong) =>
  Saga.make("Trip")
    .readOnly("quote", { action: takes(12) })
    .parallel((branch) =>
      branch
        .compensatable("hotel", { action: takes(120, wrong.hotel), compensate: takes(20, wrong.undoHotel) })
        .compensatable("car", { action: takes(80), compensate: takes(25) }), { concurrency: 2 })
    .compensatable("gift", { when: () => false, action: takes(1), compensate: takes(1) })
    .saga("insurance", insure, { input: () => undefined })
    .final("charge", { action: takes(1500, wrong.charge), inDoubt: "park" })
    .final("email", { action: takes(5, wrong.email), retry: { times: 2, schedule: Schedule.spaced("1 second") } })
    .build()

const trip = tripWith({})

const reported = (wrong: Wrong) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Saga.report(tripWith(wrong), undefined))
    yield* TestClock.adjust("1 hour")
    return yield* fiber
  })

/** What a picture says of each box, by its name. */
const boxes = (text: string) =>
  Object.fromEntries(
    Array.from(text.matchAll(/^ *(\w+)\W+"(.*)"\W+$/gm), ([, id, label]) => {
      const [name, ...rest] = label!.replace(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))).split("<br/>")
      const look = new RegExp(`^  class (?:\\w+,)*${id}(?:,\\w+)* (\\w+)$`, "m").exec(text)?.[1]
      return [name!, [look, ...rest.filter((line) => !/^(?:ReadOnly|Compensatable|Final|━+)/.test(line))].join("; ")]
    }).filter(([name]) => name !== " ")
  )

const arrow = (text: string, label: string) =>
  new RegExp(`^  (.*)\\|"${label}"\\|(.*)$`, "m").exec(text)?.slice(1).join("")

describe("Diagram.mermaid", () => {
  it("draws the steps, the groups, the way back and the point of no return", () =>
    expect(Diagram.mermaid(trip)).toBe(`flowchart TB
  saga1(["Trip"])
  step1("quote<br/>ReadOnly")
  dot1((" "))
  subgraph group1["parallel, 2 at a time"]
    step2["hotel<br/>Compensatable"]
    step3["car<br/>Compensatable"]
  end
  dot2((" "))
  step4["gift<br/>Compensatable, conditional"]
  subgraph group2["insurance#58; saga Insure"]
    step5["policy<br/>Compensatable"]
  end
  line1["point of no return<br/>━━━━━━━━━━━━"]
  step6{{"charge<br/>Final"}}
  step7{{"email<br/>Final"}}
  saga1 --> step1
  step1 --> dot1
  dot1 --> step2
  step2 -.->|"undo hotel"| dot1
  dot1 --> step3
  step3 -.->|"undo car"| dot1
  step2 --> dot2
  step3 --> dot2
  dot1 -.-> saga1
  dot2 --> step4
  step4 -.->|"undo gift"| dot2
  step4 --> step5
  step5 -.->|"undo policy"| step4
  step5 --> line1
  line1 --> step6
  step6 ==> step7
  step6 -.->|"on failure"| step5
  class saga1 saga
  class step1 readOnly
  class dot1,dot2 dot
  class step2,step3,step4,step5 compensatable
  class line1 pointOfNoReturn
  class step6,step7 final
  classDef saga fill:#57606a,stroke:#8c959f,color:#ffffff
  classDef readOnly fill:#f6f8fa,stroke:#818b98,color:#1f2328
  classDef dot fill:#818b98,stroke:#818b98,color:#818b98
  classDef compensatable fill:#ddf4ff,stroke:#218bff,color:#0a3069
  classDef pointOfNoReturn fill:none,stroke:none,color:#e5534b
  classDef final fill:#fff1e5,stroke:#bc4c00,color:#762c00,stroke-width:3px
  style group1 fill:#818b981f,stroke:#818b98
  style group2 fill:#818b981f,stroke:#818b98
  linkStyle 3,5,8,10,12,16 stroke:#a475f9,stroke-width:2px
`))

  it.effect("says what became of each step, how long it took and how often it was tried", () =>
    Effect.gen(function*() {
      expect(boxes(Diagram.mermaid(trip, yield* reported({})))).toEqual({
        Trip: "succeeded; succeeded, 1.7 s",
        quote: "succeeded; ✓ done, 12 ms",
        hotel: "succeeded; ✓ done, 120 ms",
        car: "succeeded; ✓ done, 80 ms",
        gift: "skipped; ○ skipped",
        policy: "succeeded; ✓ done, 30 ms",
        "point of no return": "pointOfNoReturn; passed",
        charge: "succeeded; ✓ done, 1.5 s",
        email: "succeeded; ✓ done, 5 ms"
      })
      expect(boxes(Diagram.mermaid(trip, yield* reported({ charge: Effect.fail("declined") })))).toEqual({
        Trip: "undone; undone, 1.7 s",
        quote: "succeeded; ✓ done, 12 ms",
        hotel: "undone; ✓ done, 120 ms; ↩ undone, 20 ms",
        car: "undone; ✓ done, 80 ms; ↩ undone, 25 ms",
        gift: "skipped; ○ skipped",
        policy: "undone; ✓ done, 30 ms; ↩ undone, 3 ms",
        "point of no return": "pointOfNoReturn; not passed",
        charge: "failed; ✗ failed, 1.5 s",
        email: "notStarted; · not started"
      })
      expect(boxes(Diagram.mermaid(trip, yield* reported({ email: Effect.fail("bounced") })))).toMatchObject({
        Trip: "failed; failed after its point of no return, 3.7 s",
        "point of no return": "pointOfNoReturn; passed",
        charge: "succeeded; ✓ done, 1.5 s",
        email: "failed; ✗ failed, 3 attempts, 2.0 s"
      })
      const unknown = Effect.fail(new SagaError.OutcomeUnknown({ reason: "no answer" }))
      const doubt = Diagram.mermaid(trip, yield* reported({ charge: unknown }))
      expect(boxes(doubt)).toMatchObject({
        Trip: "inDoubt; in doubt, 1.7 s",
        policy: "undone; ✓ done, 30 ms; ↩ undone, 3 ms",
        "point of no return": "pointOfNoReturn; in doubt",
        charge: "inDoubt; ? in doubt, 1.5 s"
      })
      expect(arrow(doubt, "in doubt")).toBe("step6 -.-> step5")
      const partly = Diagram.mermaid(
        trip,
        yield* reported({ charge: Effect.fail("declined"), undoHotel: Effect.fail("stuck") })
      )
      expect(boxes(partly)).toMatchObject({
        Trip: "compensationFailed; partly undone, 1.7 s",
        hotel: "compensationFailed; ✓ done, 120 ms; ✗ undo failed, 20 ms",
        car: "undone; ✓ done, 80 ms; ↩ undone, 25 ms"
      })
    }))

  it.effect("turns back where it was turned back, and is grey where nothing went", () =>
    Effect.gen(function*() {
      const failed = Diagram.mermaid(trip, yield* reported({ hotel: Effect.fail("full") }))
      expect(arrow(failed, "failed")).toBe("step2 -.-> dot1")
      expect(arrow(failed, "on failure")).toBe(undefined)
      const succeeded = Diagram.mermaid(trip, yield* reported({}))
      expect(succeeded.match(/linkStyle .*/g)).toEqual(["linkStyle 3,5,8,10,12,16 stroke:#818b98,stroke-width:2px"])
    }))

  it("draws a saga that only reads, or has nothing but a Final, or no Final", () => {
    const action = () => Effect.void
    const read = Saga.make("Read").readOnly("a", { action }).build()
    expect(arrow(Diagram.mermaid(read), "on failure")).toBe("step1 -.-> saga1")
    const final = Saga.make("Pay").final("a", { action }).build()
    expect(arrow(Diagram.mermaid(final), "on failure")).toBe("step1 -.-> saga1")
    const reversible = Saga.make("Reserve").compensatable("a", { action, compensate: action }).build()
    expect(Diagram.mermaid(reversible)).not.toContain("on failure")
    const block = Saga.make("Look").parallel((branch) => branch.readOnly("a", { action }).readOnly("b", { action }))
      .build()
    expect(Diagram.mermaid(block)).not.toContain("-.->")
  })

  it("draws the fold of a journal, of an execution that runs or is parked", () => {
    const at = (event: unknown) => event as Journal.Event
    const { fingerprint } = programOf(trip)
    const events = [
      at({ _tag: "Started", saga: "Trip", version: 1, fingerprint, at: 0 }),
      at({ _tag: "StepStarted", step: "hotel", classification: "Compensatable", at: 10 }),
      at({ _tag: "StepSucceeded", step: "hotel", attempts: 2, at: 40 }),
      at({ _tag: "StepStarted", step: "car", classification: "Compensatable", at: 40 })
    ]
    const draw = (more: ReadonlyArray<unknown>) =>
      boxes(Diagram.mermaid(trip, Journal.fold([...events, ...more.map(at)]) as Journal.ExecutionState))
    expect(draw([])).toMatchObject({
      Trip: "started; running, 40 ms",
      hotel: "succeeded; ✓ done, 2 attempts, 30 ms",
      car: "started; ▶ started",
      charge: "notStarted; · not started"
    })
    const unwinding = [
      { _tag: "StepFailed", step: "car", failures: [], attempts: 1, at: 50 },
      { _tag: "UnwindingStarted", failures: [], at: 50 }
    ]
    expect(draw(unwinding)).toMatchObject({
      Trip: "started; unwinding, 50 ms",
      hotel: expect.stringMatching("^notTried; ")
    })
    expect(draw([...unwinding, { _tag: "CompensationStarted", step: "hotel", at: 60 }])).toMatchObject({
      hotel: "undoing; ✓ done, 2 attempts, 30 ms; ▶ undo started"
    })
    expect(
      draw([
        { _tag: "StepInDoubt", step: "car", reason: "no answer", attempts: 1, at: 50 },
        { _tag: "Parked", reason: "OutcomeUnknown", at: 50 }
      ])
    ).toMatchObject({ Trip: "inDoubt; parked: in doubt, 50 ms", car: "inDoubt; ? in doubt, 10 ms" })
  })

  it.effect("draws what is inspected, and a report that was JSON in between, as the report", () =>
    Effect.gen(function*() {
      const report = yield* reported({ charge: Effect.fail("declined") })
      const json = JSON.parse(JSON.stringify(SagaReport.toJson(report))) as SagaReport.Json
      expect(Diagram.mermaid(trip, json)).toBe(Diagram.mermaid(trip, report))
      const pay = Saga.make("Pay").final("charge", { action: () => Effect.void, inDoubt: "retry" }).build()
      yield* Saga.execute(pay, undefined, { executionId: "1" })
      expect(boxes(Diagram.mermaid(pay, yield* Saga.inspect(pay, "1")))).toMatchObject({
        Pay: "succeeded; succeeded, 0 ms",
        charge: "succeeded; ✓ done, 0 ms"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("shows a way back that no step began", () =>
    Effect.gen(function*() {
      const step = { action: () => Effect.void, compensate: () => Effect.void }
      const saga = Saga.make("Look").compensatable("a", step).readOnly("b", step).build(() => {
        throw new Error("no")
      })
      const text = Diagram.mermaid(saga, yield* Saga.report(saga, undefined))
      expect(boxes(text)).toEqual({
        Look: "undone; undone, 0 ms",
        a: "undone; ✓ done, 0 ms; ↩ undone, 0 ms",
        b: "succeeded; ✓ done, 0 ms"
      })
      expect(arrow(text, "on failure")).toBe("step2 -.-> step1")
      expect(text).toContain("linkStyle 1,3 stroke:#a475f9,stroke-width:2px\n")
    }))
})

describe("Diagram.dot", () => {
  it.effect("draws the same", () =>
    Effect.gen(function*() {
      const report = yield* reported({ charge: Effect.fail("declined") })
      expect(Diagram.dot(trip, report)).toBe(String.raw`digraph saga {
  graph [rankdir=TB, fontname="Helvetica", bgcolor="transparent", fontcolor="#818b98"]
  node [fontname="Helvetica", style="filled"]
  edge [fontname="Helvetica", color="#818b98", fontcolor="#818b98"]
  saga1 [shape="oval", style="filled", fillcolor="#fbefff", color="#a475f9", penwidth="2", label="Trip\nundone, 1.7 s", fontcolor="#3e1f79"]
  step1 [shape="box", style="filled,rounded", fillcolor="#dafbe1", color="#2da44e", penwidth="2", label="quote\nReadOnly\n✓ done, 12 ms", fontcolor="#044f1e"]
  dot1 [shape="point", color="#818b98"]
  subgraph cluster_group1 {
    graph [label="parallel, 2 at a time", color="#818b98", style="rounded"]
    step2 [shape="box", style="filled", fillcolor="#fbefff", color="#a475f9", penwidth="2", label="hotel\nCompensatable\n✓ done, 120 ms\n↩ undone, 20 ms", fontcolor="#3e1f79"]
    step3 [shape="box", style="filled", fillcolor="#fbefff", color="#a475f9", penwidth="2", label="car\nCompensatable\n✓ done, 80 ms\n↩ undone, 25 ms", fontcolor="#3e1f79"]
  }
  dot2 [shape="point", color="#818b98"]
  step4 [shape="box", style="filled,dashed", fillcolor="#818b9826", color="#818b98", penwidth="1", label="gift\nCompensatable, conditional\n○ skipped", fontcolor="#768390"]
  subgraph cluster_group2 {
    graph [label="insurance: saga Insure", color="#818b98", style="rounded"]
    step5 [shape="box", style="filled", fillcolor="#fbefff", color="#a475f9", penwidth="2", label="policy\nCompensatable\n✓ done, 30 ms\n↩ undone, 3 ms", fontcolor="#3e1f79"]
  }
  line1 [shape="underline", style="solid", color="#e5534b", penwidth="3", label="point of no return\nnot passed", fontcolor="#e5534b"]
  step6 [shape="hexagon", style="filled", fillcolor="#ffebe9", color="#e5534b", penwidth="3", label="charge\nFinal\n✗ failed, 1.5 s", fontcolor="#82071e"]
  step7 [shape="hexagon", style="filled,dashed", fillcolor="#818b9826", color="#818b98", penwidth="1", label="email\nFinal\n· not started", fontcolor="#768390"]
  saga1 -> step1
  step1 -> dot1
  dot1 -> step2
  step2 -> dot1 [style="dashed", color="#a475f9", fontcolor="#a475f9", constraint="false", label="undo hotel"]
  dot1 -> step3
  step3 -> dot1 [style="dashed", color="#a475f9", fontcolor="#a475f9", constraint="false", label="undo car"]
  step2 -> dot2
  step3 -> dot2
  dot1 -> saga1 [style="dashed", color="#a475f9", fontcolor="#a475f9", constraint="false"]
  dot2 -> step4
  step4 -> dot2 [style="dashed", color="#818b98", fontcolor="#818b98", constraint="false", label="undo gift"]
  step4 -> step5
  step5 -> step4 [style="dashed", color="#a475f9", fontcolor="#a475f9", constraint="false", label="undo policy"]
  step5 -> line1
  line1 -> step6
  step6 -> step7 [penwidth="3"]
  step6 -> step5 [style="dashed", color="#e5534b", fontcolor="#e5534b", constraint="false", label="failed"]
}
`)
    }))
})

describe("a record of something else is refused, by its difference", () => {
  const step = { action: () => Effect.void, compensate: () => Effect.void }
  const two = Saga.make("Two").compensatable("a", step).readOnly("b", step).build()
  const difference = (saga: Saga.Any, recording: Diagram.Recording) => {
    for (const draw of [Diagram.mermaid, Diagram.dot]) {
      try {
        return draw(saga, recording)
      } catch (error) {
        if (error instanceof SagaError.OtherSaga) return error.difference
        throw error
      }
    }
  }

  it.effect("another saga, another version, other steps", () =>
    Effect.gen(function*() {
      const report = yield* Saga.report(two, undefined)
      expect(difference(trip, report)).toBe("it is of saga \"Two\"")
      const newer = Saga.make("Two", { version: 2 }).compensatable("a", step).readOnly("b", step).build()
      expect(difference(newer, report)).toBe("it has version 1, this definition has version 2")
      const renamed = Saga.make("Two").compensatable("a", step).readOnly("c", step).build()
      expect(difference(renamed, report)).toBe("step 2 was ReadOnly \"b\" and is ReadOnly \"c\"")
      const shorter = Saga.make("Two").compensatable("a", step).build()
      expect(difference(shorter, report)).toBe("step 2 was ReadOnly \"b\" and is gone")
      const longer = Saga.make("Two").compensatable("a", step).readOnly("b", step).readOnly("c", step).build()
      expect(difference(longer, report)).toBe("step 3 was not there and is ReadOnly \"c\"")
      const compensations = [{ step: "b", status: "Undone" as const, attempts: 1 }]
      expect(difference(two, { ...SagaReport.toJson(report), compensations })).toBe("it has a compensation of \"b\"")
    }))

  it("a journal of another definition, or with a step that its own definition does not have", () => {
    const { fingerprint } = programOf(two)
    const fold = (fingerprint: string, step: string) =>
      Journal.fold([
        { _tag: "Started", saga: "Two", version: 1, fingerprint, at: 0 },
        { _tag: "StepStarted", step, classification: "Compensatable", at: 0 }
      ]) as Journal.ExecutionState
    expect(difference(two, fold("[\"ReadOnly \\\"a\\\"\"]", "a"))).toBe(
      "step 1 was ReadOnly \"a\" and is Compensatable \"a\""
    )
    expect(difference(two, fold(fingerprint, "z"))).toBe("it has a step \"z\"")
    expect(difference(two, fold(fingerprint, "a"))).toContain("flowchart TB")
  })

  it("says so in a sentence", () =>
    expect(new SagaError.OtherSaga({ saga: "Trip", difference: "it is of saga \"Two\"" }).message).toBe(
      "this is no record of saga \"Trip\" as it is defined here: it is of saga \"Two\". Nothing was drawn: draw the record with " +
        "the definition that it was run with"
    ))
})

describe("names", () => {
  it("are shown with what cannot be seen", () =>
    expect(visible("a\0\n\x7f\x9b\ud800\uffff\u202eb é👩‍👩‍👧")).toBe("a␀␊␡����b é👩‍👩‍👧"))

  it("are broken after a space where there is one, and whole otherwise", () => {
    expect(wrapped("abc", 3)).toEqual(["abc"])
    expect(wrapped("ab cd ef", 4)).toEqual(["ab ", "cd ", "ef"])
    expect(wrapped("abcdefgh", 4)).toEqual(["abcd", "efgh"])
    expect(wrapped("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 2)).toEqual(["👩‍👩‍👧👩‍👩‍👧", "👩‍👩‍👧"])
  })
})

describe("a saga that waits", () => {
  const Approval = Signal.make("approval", { success: Schema.Void })
  const order = Saga.make("Order")
    .compensatable("reserve", { success: Schema.Void, action: () => Effect.void, compensate: () => Effect.void })
    .wait("approve", Approval, { timeout: "2 days" })
    .final("charge", { success: Schema.Void, inDoubt: "retry", action: () => Effect.void })
    .sleep("rest", "1 day")
    .build()

  it("is drawn with what it waits for, and has nothing to undo there", () => {
    const text = Diagram.mermaid(order)
    expect(text).toContain(`>"approve<br/>waits for approval, not for ever"]`)
    expect(text).toContain(`>"rest<br/>sleeps"]`)
    expect(text).not.toContain("undo approve")
    expect(Diagram.dot(order)).toContain(`shape="cds"`)
  })

  it.effect("is drawn as it waits", () =>
    Effect.gen(function*() {
      yield* Saga.start(order, undefined, { executionId: "1" })
      yield* TestClock.adjust("1 hour")
      const text = Diagram.mermaid(order, yield* Saga.inspect(order, "1"))
      expect(text).toContain("… waiting")
      expect(text).toContain(`"Order<br/>waiting, `)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
