/**
 * Random sagas with random failures, defects and doubts, in parallel blocks and nested sagas too, in process and durable, also
 * with a store that is lost at a random write.
 *
 * A step is written as a sentence, a parallel block as `{ parallel: [...] }`, a nested saga as `{ nested: [...] }`, so that a
 * counterexample reads as a saga.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck as fc, Fiber, Option, Schema, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"
import { makeWorld, type World } from "./support/world.ts"

type Part = string | { readonly parallel: ReadonlyArray<Part> } | { readonly nested: ReadonlyArray<Part> }

const sentence = fc.constantFrom(
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
  "compensatable that is unknown once",
  "compensatable that takes too long once",
  "compensatable that is skipped",
  "compensatable whose undo fails",
  "compensatable whose undo dies",
  "compensatable whose undo fails once"
)
const final = fc.constantFrom(
  "final",
  "final",
  "final that fails",
  "final that dies",
  "final that fails once",
  "final that is unknown once",
  "final that takes too long once"
)

const nested = fc.array(sentence, { minLength: 1, maxLength: 3 }).map((nested): Part => ({ nested }))
const parallel = fc.array(fc.oneof(sentence, nested), { minLength: 1, maxLength: 3 })
  .map((parallel): Part => ({ parallel }))
const part = fc.oneof(
  { weight: 5, arbitrary: sentence },
  { weight: 1, arbitrary: nested },
  { weight: 1, arbitrary: parallel }
)
const parts = fc.tuple(fc.array(part, { maxLength: 6 }), fc.array(final, { maxLength: 3 }))
  .map(([before, finals]): ReadonlyArray<Part> => [...before, ...finals])
  .filter((all) => all.length > 0)
const reversible = fc.array(part, { minLength: 1, maxLength: 6 })
const policy = fc.constantFrom("continue" as const, "stop" as const)

const once = { times: 1 }

/** The saga of these sentences. Its steps are called a, b, c, … in declared order. */
const build = (parts: ReadonlyArray<Part>, onCompensationFailure: "continue" | "stop", world: World) => {
  let count = 0
  const nextName = () => String.fromCharCode(97 + count++)
  const add = (builder: any, part: Part): any => {
    if (typeof part !== "string") {
      if ("parallel" in part) {
        // Three siblings one after the other, fewer at the same time.
        return builder.parallel((branch: any) => part.parallel.reduce(add, branch), {
          concurrency: part.parallel.length > 2 ? 1 : "unbounded"
        })
      }
      const inner = part.nested.reduce(add, Saga.make("Inner")).build()
      return builder.saga(`nested${count}`, inner, { input: () => {} })
    }
    const name = nextName()
    const [kind = "", does = ""] = part.split(" that ")
    const undoDoes = part.split(" whose undo ")[1]
    const act = (does: string | undefined, attempt: number, ok: Effect.Effect<unknown>) =>
      does === "dies"
        ? Effect.die(`${name} died`)
        : does === "fails" || (does === "fails once" && attempt === 1)
        ? Effect.fail(`${name} failed`)
        : does === "takes too long once" && attempt === 1
        ? Effect.andThen(ok, Effect.never)
        : does === "is unknown once" && attempt === 1
        ? Effect.andThen(ok, Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })))
        : ok
    const step = {
      success: Schema.String,
      error: Schema.String,
      inDoubt: "retry",
      when: does === "is skipped" ? () => false : undefined,
      timeout: does === "takes too long once" ? "1 second" : undefined,
      retry: does === "fails once" || kind === "final" ? once : undefined,
      compensationRetry: undoDoes === "fails once" ? once : undefined,
      // A service that honours a key does not refuse what it has done under it.
      action: (context: any) =>
        kind !== "readOnly" && world.has(context.idempotencyKey)
          ? world.do(name)(context)
          : act(does, context.attempt, kind === "readOnly" ? Effect.succeed(name) : world.do(name)(context)),
      compensate: (context: any) => act(undoDoes, context.attempt, world.undo(name)(context))
    }
    return builder[kind.split(" ")[0]!](name, step)
  }
  return parts.reduce(add, Saga.make("Random", { onCompensationFailure }) as any).build() as Saga.Saga<
    void,
    unknown,
    string,
    never
  >
}

/** The sentences by step name. */
const sentencesOf = (parts: ReadonlyArray<Part>): ReadonlyMap<string, string> => {
  const leaves = (part: Part): ReadonlyArray<string> =>
    typeof part === "string" ? [part] : ("parallel" in part ? part.parallel : part.nested).flatMap(leaves)
  return new Map(parts.flatMap(leaves).map((sentence, index) => [String.fromCharCode(97 + index), sentence]))
}

/** How it ends, while time passes for what takes too long. */
const exitOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(effect))
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

const lastOf = (path: string) => path.split("/").at(-1)!

/** Doing a thing again under its key is doing it once. */
const did = (world: World) =>
  Array.from(new Set(world.log.filter((line) => line.startsWith("+")))).map((line) => line.slice(1))
const undid = (world: World) => world.log.filter((line) => line.startsWith("-")).map((line) => line.slice(1))

/** What must be true of the world after a run that ended so. */
const checkTheLaw = (parts: ReadonlyArray<Part>, exit: Exit.Exit<unknown, unknown>, world: World) => {
  const sentences = sentencesOf(parts)
  const error = failureOf(exit)
  const standing = world.standing()
  const culprits = Array.from(sentences).filter(([, sentence]) => / that (fails|dies)$/.test(sentence))
  // Newest first: what was undone is what was done, in declared order (which is the alphabet's) backwards, with nothing left
  // out but what the error names.
  const namedAsStanding = error instanceof SagaError.CompensationFailed
    ? [...error.failed.map(({ step }) => step), ...error.notTried].map(lastOf)
    : error instanceof SagaError.FailedAfterCommit || Exit.isSuccess(exit)
    ? did(world)
    : []
  expect(undid(world)).toEqual(did(world).sort().reverse().filter((name) => !namedAsStanding.includes(name)))
  expect([...standing].sort()).toEqual([...namedAsStanding].sort())
  if (Exit.isSuccess(exit)) {
    expect(culprits).toEqual([])
    return
  }
  // The cause of it all comes out unchanged, wherever it is carried.
  const cause = error instanceof SagaError.CompensationFailed || error instanceof SagaError.FailedAfterCommit
    ? error.cause
    : exit.cause
  const reasons = [
    ...Cause.failures(cause),
    ...Array.from(Cause.defects(cause), (defect) => defect instanceof Error ? defect.message : defect)
  ]
  expect(reasons.length).toBeGreaterThan(0)
  // A step that was in doubt and died when it was run again stays in doubt.
  const stuck = culprits.some(([, sentence]) => sentence.endsWith("dies"))
  const possible = culprits.map(([name, sentence]) => sentence.endsWith("dies") ? `${name} died` : `${name} failed`)
  for (const reason of reasons) {
    if (!(stuck && reason instanceof SagaError.OutcomeUnknown)) expect(possible).toContain(reason)
  }
  if (error instanceof SagaError.FailedAfterCommit) {
    expect(error.stands.map(lastOf).sort()).toEqual([...standing].sort())
  }
}

describe("whatever a saga is made of, what was done is exactly undone, newest first, or named in the error", () => {
  it.effect.prop("in process", [parts, policy], ([parts, policy]) =>
    Effect.gen(function*() {
      const world = makeWorld()
      checkTheLaw(parts, yield* exitOf(Saga.run(build(parts, policy, world), undefined)), world)
    }), { fastCheck: { numRuns: 500 } })

  it.effect.prop("in a scope that fails", [reversible], ([parts]) =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = build(parts, "continue", world)
      yield* exitOf(Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), Effect.fail("outside"))))
      const stuck = Array.from(sentencesOf(parts))
        .flatMap(([name, sentence]) => / undo (fails|dies)$/.test(sentence) ? [name] : [])
      expect(undid(world)).toEqual(did(world).sort().reverse().filter((name) => !stuck.includes(name)))
    }), { fastCheck: { numRuns: 200 } })

  it.effect.prop(
    "durably, and then the journal says the same",
    [parts, policy],
    ([parts, policy]) =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = build(parts, policy, world)
        const exit = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        checkTheLaw(parts, exit, world)
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
        const again = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        checkTheLaw(parts, again, world)
        if (Exit.isSuccess(exit)) expect(again).toEqual(exit)
        expect(again._tag).toBe(exit._tag)
        expect(world.log).toEqual(log)
      }).pipe(Effect.provide(Checkpoint.layerMemory)),
    { fastCheck: { numRuns: 300 } }
  )

  it.effect.prop(
    "durably, with the store lost at any write and a recovery afterwards",
    [parts, policy, fc.nat({ max: 20 })],
    ([parts, policy, failAt]) =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const world = makeWorld()
        const saga = build(parts, policy, world)
        const exit = yield* exitOf(
          Saga.execute(saga, undefined, { executionId: "1" }).pipe(
            Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
          )
        )
        const lost = failureOf(exit) instanceof SagaError.CheckpointError
        yield* exitOf(recoverAll([saga]))
        expect(yield* recoverAll([saga])).toEqual([])
        const stored = yield* store.load("1")
        if (stored.length === 0) {
          expect(lost).toBe(true)
          expect(world.log).toEqual([])
          return
        }
        const ended = yield* exitOf(Saga.execute(saga, undefined, { executionId: "1" }))
        if (failureOf(ended) instanceof SagaError.OutcomeUnknown) {
          // A step that was in doubt died when it was run again, which settles nothing: it waits, and nothing is undone.
          expect(Array.from(sentencesOf(parts).values()).some((sentence) => sentence.endsWith("that dies"))).toBe(true)
          expect(undid(world)).toEqual([])
          return
        }
        checkTheLaw(parts, ended, withoutRepeats(world))
      }).pipe(Effect.provide(Checkpoint.layerMemory)),
    { fastCheck: { numRuns: 500 } }
  )
})

describe("however often it is lost, resumed and interrupted, an execution ends with a journal that tells the truth", () => {
  it.effect.prop(
    "of the world",
    [
      parts,
      policy,
      fc.nat({ max: 8 }),
      fc.array(fc.record({ lostAt: fc.nat({ max: 8 }), interruptedAfter: fc.nat({ max: 25 }) }), { maxLength: 4 })
    ],
    ([parts, policy, first, rounds]) =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const world = makeWorld()
        const saga = build(parts, policy, world)
        yield* exitOf(Effect.provideService(
          Saga.execute(saga, undefined, { executionId: "1" }),
          Checkpoint.Checkpoint,
          failingStore(store, { failAt: first })
        ))
        for (const { interruptedAfter, lostAt } of rounds) {
          const fiber = yield* Effect.fork(Effect.provideService(
            Saga.resume(saga, "1"),
            Checkpoint.Checkpoint,
            failingStore(store, { failAt: lostAt })
          ))
          for (let count = 0; count < interruptedAfter; count++) yield* Effect.yieldNow()
          const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
          yield* TestClock.adjust("1 hour")
          checkDefects(yield* Fiber.join(interruption))
        }
        checkDefects(yield* exitOf(Saga.resume(saga, "1")))
        const state = Journal.fold(yield* eventsOf(store, "1"))
        if (state === undefined) {
          expect(world.log).toEqual([])
          return
        }
        if (state instanceof Journal.InvalidTransition) throw new Error(state.problem)
        expect(["Succeeded", "Undone", "Parked"]).toContain(state.status)
        if (state.status === "Undone") expect(world.standing()).toEqual([])
        if (state.status === "Succeeded") expect(undid(world)).toEqual([])
        const done = Journal.steps(state).filter(({ classification, status }) =>
          classification !== "ReadOnly" && (status === "Succeeded" || status === "UndoFailed")
        )
        if (state.status === "Parked" && !Journal.steps(state).some(Journal.isInDoubt)) {
          expect(done.map(({ step }) => lastOf(step)).sort()).toEqual([...world.standing()].sort())
        }
      }).pipe(Effect.provide(Checkpoint.layerMemory)),
    { fastCheck: { numRuns: 400 } }
  )
})

/** A defect is a step's own, or says what stands: never one of the library's. */
const checkDefects = (exit: Exit.Exit<unknown, unknown>) => {
  for (const defect of Exit.isFailure(exit) ? Cause.defects(exit.cause) : []) {
    if (!(defect instanceof SagaError.FailedAfterCommit)) expect(String(defect)).toMatch(/[a-z] died$/)
  }
}

/** The world with what was undone again under its key left out. */
const withoutRepeats = (world: World): World => ({ ...world, log: Array.from(new Set(world.log)) })
