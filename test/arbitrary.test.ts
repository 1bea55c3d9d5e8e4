/** Random sagas are what they say, shrink to what matters, and what is false about a run is found. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, FastCheck as fc } from "effect"
import { Saga } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"

const programs = SagaArbitrary.program()

/** The smallest program that the property refuses. */
const counterexample = (
  holds: (program: SagaArbitrary.Program) => boolean,
  examples: ReadonlyArray<SagaArbitrary.Program> = []
) =>
  fc.check(fc.property(programs, holds), {
    seed: 1,
    numRuns: 1000,
    examples: examples.map((program): [SagaArbitrary.Program] => [program])
  }).counterexample?.[0]

describe("a program", () => {
  it("can be built, has its steps in declared order under the names of its sentences, and is made of what was asked for", () => {
    const sentences = new Set<string>()
    fc.assert(fc.property(programs, (program) => {
      const { steps } = SagaArbitrary.build(program)
      const declared = Array.from(SagaArbitrary.steps(program))
      expect(steps.map(({ name }) => name.split("/").at(-1))).toEqual(declared.map(([name]) => name))
      expect(steps.map(({ classification }) => classification.toLowerCase()))
        .toEqual(declared.map(([, sentence]) => sentence.split(" ", 1)[0]!.toLowerCase()))
      for (const [, sentence] of declared) sentences.add(sentence)
    }))
    expect(sentences.size).toBe(19)
    const plain = SagaArbitrary.program({
      finals: false,
      parallel: false,
      nested: false,
      lists: false,
      timeouts: false,
      maxLength: 3
    })
    fc.assert(fc.property(plain, (program) => {
      expect(program.length).toBeLessThanOrEqual(3)
      for (const part of program) expect(part).toMatch(/^(?!final).*(?<!takes too long once)$/)
    }))
  })

  it("has names also for more steps than there are letters", () => {
    const program = Array.from({ length: 60 }, () => "readOnly" as const)
    const names = Array.from(SagaArbitrary.steps(program).keys())
    expect([names[25], names[26], names[59]]).toEqual(["z", "a2", "h3"])
    expect(SagaArbitrary.build(program).steps.length).toBe(60)
  })

  it("shrinks to the parts that matter, blocks and sentences included", () => {
    const text = (program: SagaArbitrary.Program) => JSON.stringify(program)
    expect(counterexample((program) => !text(program).includes("parallel"))).toEqual([{ parallel: ["readOnly"] }])
    expect(counterexample((program) => !text(program).includes("each"))).toEqual([{ each: ["readOnly"] }])
    expect(counterexample((program) => !text(program).includes("undo fails"))).toEqual([
      "compensatable whose undo fails"
    ])
    expect(counterexample((program) => SagaArbitrary.steps(program).size < 4)).toEqual(Array(4).fill("readOnly"))
    expect(counterexample((program) => !/compensatable".*"final/.test(text(program)))).toEqual([
      "compensatable",
      "final"
    ])
  })

  it("shrinks also when it was written by hand, and stays one that can be built", () => {
    const byHand: SagaArbitrary.Program = [
      "readOnly",
      { parallel: ["compensatable", { nested: [{ parallel: ["readOnly", "compensatable that dies"] }] }] },
      "final"
    ]
    const holds = (program: SagaArbitrary.Program) => {
      SagaArbitrary.build(program)
      return !JSON.stringify(program).includes("compensatable")
    }
    expect(counterexample(holds, [byHand])).toEqual(["compensatable"])
  })
})

describe("what is false about a run is found:", () => {
  const program: SagaArbitrary.Program = ["compensatable", "compensatable", "readOnly that fails"]
  const problemsAfter = (
    spoil: (ledger: Ledger.Service) => Effect.Effect<unknown>,
    exit: Exit.Exit<unknown, unknown> = Exit.fail("c failed")
  ) =>
    Effect.gen(function*() {
      const ledger = yield* Ledger.Ledger
      yield* spoil(ledger)
      return (yield* Effect.flip(SagaArbitrary.check(program, exit))).problems
    }).pipe(Effect.provide(Ledger.layer))
  const both = ({ do: act }: Ledger.Service) => Effect.zipRight(act("a", "1"), act("b", "2"))

  it.effect("nothing, where the law was kept", () =>
    Effect.gen(function*() {
      const exit = yield* SagaArbitrary.exit(Saga.run(SagaArbitrary.build(program), undefined))
      yield* SagaArbitrary.check(program, exit)
    }).pipe(Effect.provide(Ledger.layer)))

  it.effect("an order, a compensation left out, one called twice, an end that cannot be", () =>
    Effect.gen(function*() {
      expect(yield* problemsAfter((l) => Effect.all([both(l), l.undo("a", "1"), l.undo("b", "2")]))).toEqual([
        "undone was, in this order: a, b; that should be b, a"
      ])
      expect(yield* problemsAfter((l) => Effect.all([both(l), l.undo("b", "2")]))).toEqual([
        "undone was, in this order: b; that should be b, a",
        "what stands: a; that should be nothing"
      ])
      const undone = (l: Ledger.Service) => Effect.all([both(l), l.undo("b", "2"), l.undo("a", "1")])
      expect(yield* problemsAfter((l) => Effect.all([undone(l), l.undo("a", "1")]))).toEqual([
        "undone was, in this order: b, a, a; that should be b, a"
      ])
      expect(yield* problemsAfter(undone, Exit.fail("no reason"))).toEqual([
        "it failed with \"no reason\", which none of its steps can have said"
      ])
      expect(yield* problemsAfter(both, Exit.succeed({}))).toEqual([
        "it succeeded, although c is a readOnly that fails"
      ])
    }))
})
