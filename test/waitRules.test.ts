/** What `build()` refuses of steps that wait, where there are no types. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { Saga, SagaError, Signal } from "effect-saga"

const Approval = Signal.make("approval", { success: Schema.Number })
const begin: any = Saga.make("Order")
const sealed = begin.final("charge", { action: () => Effect.void })

const problemsOf = (builder: () => any): ReadonlyArray<string> => {
  try {
    builder().build()
    return []
  } catch (error) {
    return (error as SagaError.InvalidSaga).problems
  }
}

const refused: Record<string, readonly [builder: () => any, problem: string]> = {
  "in a parallel block": [
    () => begin.parallel((branch: any) => branch.wait("a", Approval)),
    `"a" has a step that waits: in a parallel block its siblings would have to stop in the middle`
  ],
  "that sleeps, within a nested saga, in a parallel block": [
    () =>
      begin.parallel((branch: any) =>
        branch.saga("inner", Saga.make("Inner").sleep("a", "1 day").build(), { input: () => {} })
      ),
    `"inner" has a step that waits: in a parallel block its siblings would have to stop in the middle`
  ],
  "in the saga of a list": [
    () => begin.forEach("lines", { items: () => [], step: Saga.make("Line").sleep("a", 1).build() }),
    `"lines" has a step that waits: the other items of the list would have to stop in the middle`
  ],
  "with a name that is there": [
    () => begin.wait("a", Approval).sleep("a", 1),
    `step "a" is already declared in this saga`
  ],
  "for what is no signal": [
    () => begin.wait("a", { name: "approval" }),
    `step "a" waits for an object, which is no signal`
  ],
  "for a signal whose name cannot be stored": [
    () => begin.wait("a", Signal.make("\ud800", { success: Schema.Void })),
    "a signal needs a name: well-formed text of at most 400 characters, without U+0000, or it could not be stored"
  ],
  "for no time": [
    () => begin.sleep("a", "tomorrow"),
    `the end of step "a" is no time: "tomorrow" is neither a duration of some length nor a DateTime`
  ],
  "for ever": [
    () => begin.wait("a", Approval, { timeout: Infinity }),
    `the end of step "a" is no time: Infinity is neither a duration of some length nor a DateTime`
  ],
  "with a policy that is none": [
    () => begin.wait("a", Approval, { timeout: 1, onTimeout: "park" }),
    `the onTimeout of step "a" cannot be followed: "park" is neither "fail" nor an object with a value`
  ],
  "with a value for a time that it has not": [
    () => begin.wait("a", Approval, { onTimeout: { value: 1 } }),
    `step "a" has onTimeout, and no timeout`
  ],
  "with a value that its signal could not carry": [
    () => begin.wait("a", Approval, { timeout: 1, onTimeout: { value: "one" } }),
    `the value with which step "a" ends when nobody sends its signal is none of that signal: its schema does not encode it`
  ],
  "after a Final, and can fail": [
    () => sealed.wait("a", Approval, { timeout: 1 }),
    `step "a" can fail, because nobody sends its signal in time, and stands after Final step "charge": give it a value for that ` +
    "case, or no timeout"
  ],
  "for a signal whose value could never be stored": [
    () => begin.wait("a", Signal.make("approval", { success: Schema.BigIntFromSelf })),
    `the output of step "a" could never be stored`
  ]
}

describe("build() refuses a step that waits", () => {
  for (const [what, [builder, problem]] of Object.entries(refused)) {
    it(what, () => expect(problemsOf(builder)[0]).toContain(problem))
  }
})

it("build() refuses a deadline that is none", () => {
  expect(problemsOf(() => (Saga.make as any)("Order", { deadline: "soon" }).sleep("a", 1))).toEqual([
    `the deadline of this saga cannot be kept: "soon" is no duration longer than zero`
  ])
})

it("build() takes every other step that waits", () => {
  expect(problemsOf(() => sealed.wait("a", Approval, { timeout: 1, onTimeout: { value: 1 } }).sleep("b", 0))).toEqual(
    []
  )
  expect(problemsOf(() => begin.sleep("a", () => "tomorrow").wait("b", Approval))).toEqual([])
})

it.effect("a run in process, which the types refuse, says that nobody could send the signal, and undoes what was done", () =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const saga: Saga.Saga<void, unknown, never, never> = begin
      .compensatable("reserve", { action: () => Effect.void, compensate: () => Effect.sync(() => log.push("free")) })
      .wait("approve", Approval)
      .build()
    const exit = yield* Effect.exit(Saga.run(saga))
    expect(Exit.isFailure(exit) && String(Cause.squash(exit.cause))).toContain(
      `Saga.run cannot wait for a signal at step "approve", for nothing is stored to which it could be delivered`
    )
    expect(log).toEqual(["free"])
  }))
