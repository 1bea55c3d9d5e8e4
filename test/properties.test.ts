/**
 * Random sagas with random failures and defects, in process and durable, also with a store that is lost at a random write.
 *
 * A step is written as a sentence, so that a counterexample reads as a saga.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck as fc, Option, Schema } from "effect"
import { Checkpoint, Journal, Recovery, Saga, SagaError } from "effect-saga"
import { eventsOf, failingStore } from "./support/store.ts"
import { makeWorld, type World } from "./support/world.ts"

const before = fc.constantFrom(
  "readOnly",
  "readOnly",
  "compensatable",
  "compensatable",
  "compensatable",
  "readOnly that fails",
  "readOnly that dies",
  "compensatable that fails",
  "compensatable that dies",
  "compensatable that fails once",
  "compensatable whose undo fails",
  "compensatable whose undo dies",
  "compensatable whose undo fails once"
)
const final = fc.constantFrom("final", "final", "final that fails", "final that dies", "final that fails once")
const steps = fc.tuple(fc.array(before, { maxLength: 7 }), fc.array(final, { maxLength: 3 }))
  .map(([before, finals]) => [...before, ...finals])
  .filter((all) => all.length > 0)
const policy = fc.constantFrom("continue" as const, "stop" as const)

const once = { times: 1 }

/** The saga of these sentences. Its steps are called a, b, c, … */
const build = (sentences: ReadonlyArray<string>, onCompensationFailure: "continue" | "stop", world: World) => {
  let builder: any = Saga.make("Random", { onCompensationFailure })
  sentences.forEach((sentence, index) => {
    const name = nameOf(index)
    const [kind = "", does = ""] = sentence.split(" that ")
    const undoDoes = sentence.split(" whose undo ")[1]
    const act = (does: string | undefined, attempt: number, ok: Effect.Effect<unknown>) =>
      does === "dies"
        ? Effect.die(`${name} died`)
        : does === "fails" || (does === "fails once" && attempt === 1)
        ? Effect.fail(`${name} failed`)
        : ok
    const step = {
      success: Schema.String,
      error: Schema.String,
      inDoubt: "retry",
      retry: does === "fails once" || kind === "final" ? once : undefined,
      compensationRetry: undoDoes === "fails once" ? once : undefined,
      action: (context: any) =>
        act(does, context.attempt, kind === "readOnly" ? Effect.succeed(name) : world.do(name)(context)),
      compensate: (context: any) => act(undoDoes, context.attempt, world.undo(name)(context))
    }
    builder = builder[kind.split(" ")[0]!](name, step)
  })
  return builder.build() as Saga.Saga<void, unknown, string, never>
}

const nameOf = (index: number) => String.fromCharCode(97 + index)

const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

const did = (world: World) => world.log.filter((line) => line.startsWith("+")).map((line) => line.slice(1))
const undid = (world: World) => world.log.filter((line) => line.startsWith("-")).map((line) => line.slice(1))

/** What must be true of the world after a run that ended so. */
const checkTheLaw = (sentences: ReadonlyArray<string>, exit: Exit.Exit<unknown, unknown>, world: World) => {
  const error = failureOf(exit)
  const standing = world.standing()
  const culprit = sentences.findIndex((sentence) => / that (fails|dies)$/.test(sentence))
  // Newest first: what was undone is what was done, backwards, with nothing left out but what the error names.
  const namedAsStanding = error instanceof SagaError.CompensationFailed
    ? [...error.failed.map(({ step }) => step), ...error.notTried]
    : error instanceof SagaError.FailedAfterCommit || Exit.isSuccess(exit)
    ? did(world)
    : []
  expect(undid(world)).toEqual(did(world).reverse().filter((name) => !namedAsStanding.includes(name)))
  expect([...standing].sort()).toEqual([...namedAsStanding].sort())
  if (Exit.isSuccess(exit)) {
    expect(culprit).toBe(-1)
    return
  }
  // The cause of it all comes out unchanged, wherever it is carried.
  const cause = error instanceof SagaError.CompensationFailed || error instanceof SagaError.FailedAfterCommit
    ? error.cause
    : exit.cause
  const name = nameOf(culprit)
  if (sentences[culprit]?.endsWith("dies")) {
    expect(Array.from(Cause.defects(cause), String)).toEqual([expect.stringContaining(`${name} died`)])
  } else expect(Array.from(Cause.failures(cause))).toEqual([`${name} failed`])
  if (error instanceof SagaError.FailedAfterCommit) expect(error.stands).toEqual(standing)
}

describe("whatever a saga is made of, what was done is exactly undone, newest first, or named in the error", () => {
  it.effect.prop("in process", [steps, policy], ([sentences, policy]) =>
    Effect.gen(function*() {
      const world = makeWorld()
      checkTheLaw(sentences, yield* Effect.exit(Saga.run(build(sentences, policy, world), undefined)), world)
    }), { fastCheck: { numRuns: 500 } })

  it.effect.prop(
    "in a scope that fails",
    [fc.array(before, { minLength: 1, maxLength: 7 })],
    ([sentences]) =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = build(sentences, "continue", world)
        yield* Effect.exit(Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), Effect.fail("outside"))))
        const undoable = sentences.map((sentence, index) =>
          / undo (fails|dies)$/.test(sentence) ? undefined : nameOf(index)
        )
        expect(undid(world)).toEqual(did(world).reverse().filter((name) => undoable.includes(name)))
      }),
    { fastCheck: { numRuns: 200 } }
  )

  it.effect.prop(
    "durably, and then the journal says the same",
    [steps, policy],
    ([sentences, policy]) =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = build(sentences, policy, world)
        const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        checkTheLaw(sentences, exit, world)
        const store = yield* Checkpoint.Checkpoint
        const state = Journal.fold(yield* eventsOf(store, "1"))
        expect(state).not.toBeInstanceOf(Journal.InvalidTransition)
        const error = failureOf(exit)
        expect((state as Journal.ExecutionState).status).toBe(
          Exit.isSuccess(exit)
            ? "Succeeded"
            : error instanceof SagaError.CompensationFailed || error instanceof SagaError.FailedAfterCommit
            ? "Parked"
            : "Undone"
        )
        // Asked again, it answers the same and does nothing.
        const log = [...world.log]
        const again = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        checkTheLaw(sentences, again, world)
        expect(again._tag).toBe(exit._tag)
        expect(world.log).toEqual(log)
      }).pipe(Effect.provide(Checkpoint.layerMemory)),
    { fastCheck: { numRuns: 300 } }
  )

  it.effect.prop(
    "durably, with the store lost at any write and a recovery afterwards",
    [steps, policy, fc.nat({ max: 20 })],
    ([sentences, policy, failAt]) =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const world = makeWorld()
        const saga = build(sentences, policy, world)
        const exit = yield* Effect.exit(
          Saga.execute(saga, undefined, { executionId: "1" }).pipe(
            Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
          )
        )
        const lost = failureOf(exit) instanceof SagaError.CheckpointError
        yield* Recovery.run([saga])
        expect(yield* Recovery.run([saga])).toEqual([])
        const stored = yield* store.load("1")
        if (stored.length === 0) {
          expect(lost).toBe(true)
          expect(world.log).toEqual([])
          return
        }
        const ended = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        if (failureOf(ended) instanceof SagaError.OutcomeUnknown) {
          // A step that was in doubt died when it was run again, which settles nothing: it waits, and nothing is undone.
          expect(sentences.some((sentence) => sentence.endsWith("that dies"))).toBe(true)
          expect(world.log.filter((line) => line.startsWith("-"))).toEqual([])
          return
        }
        // Doing a thing again under its key does it once, so the world must be as after a run without a loss.
        const undisturbed = makeWorld()
        const expected = yield* Effect.exit(Saga.run(build(sentences, policy, undisturbed), undefined))
        expect([...world.standing()].sort()).toEqual([...undisturbed.standing()].sort())
        expect(ended._tag).toBe(expected._tag)
        expect((failureOf(ended) as any)?._tag).toBe((failureOf(expected) as any)?._tag)
      }).pipe(Effect.provide(Checkpoint.layerMemory)),
    { fastCheck: { numRuns: 500 } }
  )
})
