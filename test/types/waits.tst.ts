/** Steps that wait: what the compiler refuses, in which words, and the types that a user sees. */
import { DateTime, Duration, Effect, type Layer, type ParseResult, Schema } from "effect"
import { type Checkpoint, Recovery, Saga, type SagaError, Signal, Worker } from "effect-saga"
import { describe, expect, test } from "tstyche"

const Approval = Signal.make("approval", { success: Schema.Struct({ clerk: Schema.String }) })
const Paid = Signal.make("paid", { success: Schema.DateTimeUtc })
interface Approved {
  readonly clerk: string
}

const begin = Saga.make("Order", { input: Schema.String })
const undo = () => Effect.void
const sealed = begin.final("charge", { success: Schema.Number, inDoubt: "retry", action: () => Effect.succeed(1) })

describe("a step that waits", () => {
  test("has an output of the type of its signal", () => {
    const saga = begin
      .wait("approve", Approval)
      .wait("pay", Paid, { timeout: "1 day" })
      .sleep("rest", ({ input, outputs }) => {
        expect(input).type.toBe<string>()
        expect(outputs).type.toBe<{ readonly approve: Approved; readonly pay: DateTime.Utc }>()
        return Duration.minutes(input.length)
      })
      .sleep("until", ({ outputs }) => DateTime.add(outputs.pay, { days: 1 }))
      .build()
    expect(saga).type.toBe<
      Saga.Saga<
        string,
        {
          readonly approve: Approved
          readonly pay: DateTime.Utc
          readonly rest: void
          readonly until: void
        },
        ParseResult.ParseError | SagaError.SignalTimeout,
        never,
        "approve.wait" | "pay.wait"
      >
    >()
  })

  test("can fail only where its time can be over without a value", () => {
    expect<Saga.Error<ReturnType<typeof never.build>>>().type.toBe<never>()
    expect<Saga.Error<ReturnType<typeof failing.build>>>().type.toBe<SagaError.SignalTimeout>()
    expect<Saga.Error<ReturnType<typeof alsoFailing.build>>>().type.toBe<SagaError.SignalTimeout>()
    expect<Saga.Error<ReturnType<typeof withValue.build>>>().type.toBe<never>()
  })
  const plain = Saga.make("Plain")
  const never = plain.wait("a", Approval)
  const failing = plain.wait("a", Approval, { timeout: "1 day" })
  const alsoFailing = plain.wait("a", Approval, { timeout: "1 day", onTimeout: "fail" })
  const withValue = plain.wait("a", Approval, {
    timeout: () => "1 day",
    onTimeout: { value: { clerk: "nobody" } }
  })

  test("refuses a value of another type, and a policy for a time that it has not", () => {
    // @ts-expect-error Type 'number' is not assignable to type 'string'.
    begin.wait("a", Approval, { timeout: "1 day", onTimeout: { value: { clerk: 7 } } })
    // @ts-expect-error No overload matches this call.
    begin.wait("a", Approval, { onTimeout: "fail" })
    // @ts-expect-error is not assignable to parameter of type 'Signal<
    begin.wait("a", { name: "approval" })
  })

  test("has a name like any other step", () => {
    // @ts-expect-error step \"a\" is already declared in this saga
    begin.wait("a", Approval).sleep("a", "1 day")
    // @ts-expect-error step \"a/b\" cannot have this name
    begin.sleep("a/b", "1 day")
  })

  test("may stand after a Final, where it must not fail", () => {
    expect(sealed.wait("a", Approval).sleep("b", "1 day")).type.not.toRaiseError()
    expect(sealed.wait("a", Approval, { timeout: "1 day", onTimeout: { value: { clerk: "" } } })).type.not
      .toRaiseError()
    // @ts-expect-error Property 'onTimeout' is missing
    sealed.wait("a", Approval, { timeout: "1 day" })
    // @ts-expect-error "after a Final this step must not fail: say onTimeout: { value }"
    sealed.wait("a", Approval, { timeout: "1 day", onTimeout: "fail" })
    // @ts-expect-error Property 'readOnly' does not exist on type 'FinalSagaBuilder<
    void sealed.sleep("b", "1 day").readOnly
  })

  test("stands in no parallel block", () => {
    begin.parallel((branch) => {
      // @ts-expect-error Property 'wait' does not exist on type 'BranchBuilder<
      void branch.wait
      // @ts-expect-error Property 'sleep' does not exist on type 'BranchBuilder<
      void branch.sleep
      const inner = Saga.make("Inner").wait("a", Approval).build()
      return branch
        .readOnly("one", { action: () => Effect.void })
        // @ts-expect-error "inner\" has a step that waits: in a parallel block its siblings would have to stop in the middle
        .saga("inner", inner, { input: () => {} })
    })
  })
})

describe("a saga that waits for a signal", () => {
  const inner = Saga.make("Inner").wait("approve", Approval).build()
  const outer = begin.saga("inner", inner, { input: () => {} })
    .compensatable("a", { success: Schema.Void, action: () => Effect.void, compensate: undo }).build()

  test("is refused in process, also where a nested one waits", () => {
    // @ts-expect-error Saga.run cannot wait for a signal at step \"approve\", for nothing is stored to which it could be delivered
    Saga.run(inner)
    // @ts-expect-error Saga.run cannot wait for a signal at step \"approve\"
    Saga.report(inner)
    // @ts-expect-error Saga.run cannot wait for a signal at step \"approve\"
    Saga.scoped(inner)
    // @ts-expect-error Saga.run cannot wait for a signal at step \"approve\"
    Saga.run(outer, "Rome")
  })

  test("runs durably, and everywhere where it only sleeps", () => {
    expect(Saga.execute(outer, "Rome", { executionId: "1" })).type.not.toRaiseError()
    expect(Saga.start(outer, "Rome", { executionId: "1" })).type.not.toRaiseError()
    expect(Saga.enqueue(outer, "Rome", { executionId: "1" })).type.not.toRaiseError()
    expect(Recovery.run([outer])).type.not.toRaiseError()
    expect(Worker.layer([outer])).type.toBeAssignableTo<Layer.Layer<never, unknown, Checkpoint.Checkpoint>>()
    const nap = Saga.make("Nap").sleep("night", "8 hours").build()
    expect(Saga.run(nap)).type.not.toRaiseError()
    expect(Saga.scoped(nap)).type.not.toRaiseError()
  })
})

describe("Signal.deliver", () => {
  test("takes the value of its signal, and needs nothing but the store", () => {
    expect(Signal.deliver(Approval, { executionId: "1", by: "clerk" }, { clerk: "Ada" })).type.toBe<
      Effect.Effect<
        void,
        | SagaError.SignalRefused
        | SagaError.ExecutionNotFound
        | SagaError.NotStorable
        | SagaError.JournalCorrupt
        | SagaError.CheckpointError,
        Checkpoint.Checkpoint
      >
    >()
    // @ts-expect-error Type 'number' is not assignable to type 'string'.
    Signal.deliver(Approval, { executionId: "1", by: "clerk" }, { clerk: 7 })
    // @ts-expect-error Property 'by' is missing
    Signal.deliver(Approval, { executionId: "1" }, { clerk: "Ada" })
  })
})
