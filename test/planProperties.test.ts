/** A plan is the saga that the builder would make of the same steps; and what is no plan is told so, and nothing else happens. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Cause, Chunk, Effect, Exit, FastCheck as fc, Layer, Schema } from "effect"
import { Checkpoint, Plan, Recovery, Saga, SagaError, ToolExecutor } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { documentOf, tools } from "./support/planned.ts"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"

const isPlannable = (program: SagaArbitrary.Program): boolean =>
  program.every((part) =>
    typeof part === "string" ? !part.endsWith("is skipped") : "parallel" in part && isPlannable(part.parallel)
  )

const programs = SagaArbitrary.program({ nested: false }).filter(isPlannable)
const policy = fc.constantFrom("continue" as const, "stop" as const)

/** How a run ended, as far as a caller can tell; a tool's failure is told as what the builder's step fails with. */
const toldExit = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? { output: exit.value } : toldCause(exit.cause)

const toldCause = (cause: Cause.Cause<unknown>) => ({
  failures: Chunk.toReadonlyArray(Cause.failures(cause)).map(toldError),
  defects: Chunk.toReadonlyArray(Cause.defects(cause))
})

const toldError = (error: unknown): unknown => {
  if (error instanceof ToolExecutor.ToolFailed) return error.failure
  if (error instanceof SagaError.FailedAfterCommit) {
    const { cause, parked, stands, step } = error
    return { step, stands, parked, cause: toldCause(cause) }
  }
  if (error instanceof SagaError.PartlyUndone) {
    const { cause, failed, notTried, parked, undone } = error
    const failedFor = failed.map(({ cause, step }) => ({ step, cause: toldCause(cause) }))
    return { undone, failed: failedFor, notTried, parked, cause: toldCause(cause) }
  }
  if (error instanceof SagaError.OutcomeUnknown) return { step: error.step, reason: error.reason, parked: error.parked }
  return error
}

const toldRecovery = (recovered: Recovery.Recovered) => ({
  _tag: recovered._tag,
  end: "output" in recovered ? recovered.output : "cause" in recovered ? toldCause(recovered.cause) : undefined
})

/** What the world was asked, and what was written down of it. Siblings may take turns otherwise. */
const traces = (program: SagaArbitrary.Program) =>
  Effect.gen(function*() {
    const ledger = yield* Ledger.Ledger
    const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "x")
    const calls = (yield* ledger.calls).map(({ _tag, changed, what }) => `${_tag} ${what} ${changed}`)
    const journal = events.map((event) => "step" in event ? `${event._tag} ${event.step}` : event._tag)
    const inOrder = program.every((part) => typeof part === "string")
    return inOrder ? { calls, journal } : { calls: calls.sort(), journal: journal.sort() }
  })

const world = Layer.merge(Checkpoint.layerMemory, Layer.provideMerge(tools(), Ledger.layer))

describe("a plan behaves exactly as the same saga written with the builder", () => {
  it.effect.prop("in process", [programs, policy], ([program, onCompensationFailure]) =>
    Effect.gen(function*() {
      const end = <A, E, R>(saga: Saga.Saga<void, A, E, R, any>) =>
        Effect.gen(function*() {
          const exit = yield* SagaArbitrary.exit(Saga.run(saga, undefined))
          return { end: toldExit(exit), ...yield* traces(program) }
        })
      const saga = SagaArbitrary.build(program, { onCompensationFailure })
      const plan = Plan.decode(documentOf(program, { onCompensationFailure }))
      expect(yield* Effect.provide(Effect.flatMap(plan, end), world)).toEqual(yield* Effect.provide(end(saga), world))
    }), { timeout: 180_000, fastCheck: { numRuns: 150 } })

  it.effect.prop(
    "durable, and recovered from the store alone",
    [programs, fc.nat(12)],
    ([program, failAt]) =>
      Effect.gen(function*() {
        const end = <A, E, R>(saga: Saga.Saga<void, A, E, R, any>, registered: typeof Plan.stored | typeof saga) =>
          Effect.gen(function*() {
            const store = yield* Checkpoint.Checkpoint
            const lost = Effect.provideService(
              Saga.execute(saga, undefined, { executionId: "x" }),
              Checkpoint.Checkpoint,
              failingStore(store, { failAt })
            )
            const exit = yield* SagaArbitrary.exit(lost)
            const recovered = yield* SagaArbitrary.exit(recoverAll([registered]))
            return {
              end: toldExit(exit),
              recovered: Exit.map(recovered, (all) => all.map(toldRecovery)),
              ...yield* traces(program)
            }
          })
        const saga = SagaArbitrary.build(program)
        const plan = Plan.decode(documentOf(program))
        expect(yield* Effect.provide(Effect.flatMap(plan, (plan) => end(plan, Plan.stored)), world))
          .toEqual(yield* Effect.provide(end(saga, saga), world))
      }),
    { timeout: 180_000, fastCheck: { numRuns: 150 } }
  )
})

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [name: string]: Json }

/** A document with something in it replaced or left out: at each level the seeds choose where to go. */
const spoil = (value: Json, seeds: ReadonlyArray<number>, put: Json | undefined): Json | undefined => {
  const [seed, ...deeper] = seeds
  if (seed === undefined || typeof value !== "object" || value === null) return put
  const entries = Object.entries(value)
  if (entries.length === 0) return put
  const chosen = seed % entries.length
  const spoiled = entries.flatMap(([name, member], index) => {
    const instead = index === chosen ? spoil(member, deeper, put) : member
    return instead === undefined ? [] : [[name, instead] as const]
  })
  return Array.isArray(value) ? spoiled.map(([, member]) => member) : Object.fromEntries(spoiled)
}

const anyJson = fc.jsonValue() as fc.Arbitrary<Json>
const reference = fc.string().map((text) => ({ $ref: `/${text}` }))
const spoiled = fc.tuple(
  programs,
  fc.array(fc.nat(1000), { minLength: 1, maxLength: 8 }),
  fc.option(fc.oneof(anyJson, reference, fc.constantFrom("Final", "ReadOnly", "a", "5 seconds", 1)), { nil: undefined })
).map(([program, seeds, put]) => spoil(JSON.parse(JSON.stringify(documentOf(program))) as Json, seeds, put))

describe("whatever is given to Plan.decode", () => {
  it.effect.prop(
    "it never throws, never runs a tool, and names what is wrong where it is",
    [fc.oneof(anyJson, spoiled, fc.anything())],
    ([json]) =>
      Effect.gen(function*() {
        const calls = { count: 0 }
        const exit = yield* Effect.exit(Plan.decode(json)).pipe(
          Effect.provide(Layer.provide(tools(calls), Ledger.layer))
        )
        expect(calls.count).toBe(0)
        if (Exit.isSuccess(exit)) {
          expect(Schema.is(Plan.Document)(json)).toBe(true)
          expect(Plan.pretty(Plan.explain(exit.value))).toContain(exit.value.name)
          return
        }
        const [invalid] = Chunk.toReadonlyArray(Cause.failures(exit.cause))
        expect(Cause.defects(exit.cause).length).toBe(0)
        expect(invalid?.problems.length).toBeGreaterThan(0)
        for (const { at, message } of invalid!.problems) {
          expect(at).toMatch(/^(\/([^~/]|~[01])*)*$/)
          expect(message).not.toBe("")
        }
      }),
    { timeout: 180_000, fastCheck: { numRuns: 1000 } }
  )
})

interface Tree {
  readonly value: number
  readonly below: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.JsonNumber,
  below: Schema.Array(Schema.suspend(() => Tree))
})

const parameters: Record<string, Schema.Schema<any, any>> = {
  struct: Schema.Struct({
    a: Schema.String,
    b: Schema.NullOr(Schema.Boolean),
    c: Schema.optionalWith(Schema.Int, { exact: true })
  }),
  defaults: Schema.Struct({ a: Schema.optionalWith(Schema.JsonNumber, { default: () => 1 }) }),
  "a union of tagged structs": Schema.Union(
    Schema.TaggedStruct("A", { x: Schema.JsonNumber }),
    Schema.TaggedStruct("B", { y: Schema.String })
  ),
  "a union of other structs": Schema.Union(
    Schema.Struct({ x: Schema.JsonNumber }),
    Schema.Struct({ y: Schema.String })
  ),
  "a tuple with a rest": Schema.Tuple([Schema.String], Schema.JsonNumber),
  "a record": Schema.Record({ key: Schema.String, value: Schema.Union(Schema.String, Schema.JsonNumber) }),
  "a recursive struct": Tree,
  "transformed members": Schema.Struct({ d: Schema.Date, n: Schema.NumberFromString, o: Schema.Option(Schema.String) }),
  "a condition on the whole": Schema.Struct({ from: Schema.Int, to: Schema.Int }).pipe(
    Schema.filter(({ from, to }) => from <= to ? undefined : { path: ["to"], message: "is before from" })
  )
}

const pathsIn = (json: Json, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> => [
  at,
  ...typeof json === "object" && json !== null
    ? Object.entries(json).flatMap(([name, member]) => pathsIn(member, [...at, name]))
    : []
]

const put = (json: Json, [name, ...deeper]: ReadonlyArray<string>, instead: Json): Json =>
  name === undefined
    ? instead
    : Array.isArray(json)
    ? json.map((member, index) => String(index) === name ? put(member, deeper, instead) : member)
    : { ...json as { [name: string]: Json }, [name]: put((json as { [name: string]: Json })[name]!, deeper, instead) }

describe("arguments that a tool takes are accepted with any of their parts as a reference", () => {
  for (const [kind, schema] of Object.entries(parameters)) {
    const tools = ToolExecutor.layer({
      it: ToolExecutor.tool({ parameters: schema, readOnly: true, run: () => Effect.void })
    })
    const plan = (given: Json) =>
      Plan.decode({
        name: "p",
        steps: [{ name: "a", classification: "ReadOnly", action: { tool: "it", arguments: given } }]
      })
    it.effect.prop(kind, [Arbitrary.make(schema), fc.nat()], ([value, seed]) =>
      Effect.gen(function*() {
        const given = JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value))) as Json
        const paths = pathsIn(given)
        const path = paths[seed % paths.length]!
        // What JSON cannot say, NaN for one, is not what the tool takes.
        if (Exit.isFailure(yield* Effect.exit(plan(given)))) return
        yield* plan(put(given, path, { $ref: "/input/x" }))
      }).pipe(Effect.provide(tools)), { fastCheck: { numRuns: 100 } })
  }
})
