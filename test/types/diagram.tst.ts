import { Effect } from "effect"
import { Diagram, type Journal, Saga, type SagaReport } from "effect-saga"
import { describe, expect, it } from "tstyche"

const begun = Saga.make("Pay").final("charge", { action: () => Effect.succeed("receipt") })
const pay = begun.build()

declare const report: SagaReport.SagaReport<string, never>
declare const recorded: SagaReport.Recorded
declare const state: Journal.ExecutionState
declare const events: ReadonlyArray<Journal.Event>

describe("Diagram", () => {
  it("draws what was built, and takes whatever tells what happened", () => {
    expect(Diagram.mermaid).type.toBeCallableWith(pay)
    expect(Diagram.mermaid).type.toBeCallableWith(pay, report)
    expect(Diagram.mermaid).type.toBeCallableWith(pay, recorded)
    expect(Diagram.dot).type.toBeCallableWith(pay, state)
  })

  it("refuses a saga that is still being written, a fold that may have failed, and events", () => {
    expect(Diagram.mermaid).type.not.toBeCallableWith(begun)
    expect(Diagram.mermaid).type.not.toBeCallableWith(pay, events)
    expect(Diagram.mermaid).type.not.toBeCallableWith(pay, {} as Journal.InvalidTransition | undefined)
    expect(Diagram.mermaid).type.not.toBeCallableWith(pay, {} as Effect.Effect<typeof report>)
  })
})
