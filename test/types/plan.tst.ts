/** The types of plans and of the tools that they call. */
import { Context, Effect, Layer, Schema } from "effect"
import { type Checkpoint, Plan, Recovery, Saga, type SagaError, ToolExecutor } from "effect-saga"
import { describe, expect, test } from "tstyche"

class Disk extends Context.Tag("Disk")<Disk, { readonly free: number }>() {}
class Net extends Context.Tag("Net")<Net, { readonly up: boolean }>() {}

const Path = Schema.Struct({ path: Schema.String })
declare const plan: Plan.Plan
const look = Saga.make("Look").readOnly("look", { action: () => Effect.asVoid(Net) }).build()

describe("a plan", () => {
  test("is a saga that needs the ToolExecutor", () => {
    expect(Plan.decode({})).type.toBe<Effect.Effect<Plan.Plan, Plan.InvalidPlan, ToolExecutor.ToolExecutor>>()
    expect<Saga.Requirements<Plan.Plan>>().type.toBe<ToolExecutor.ToolExecutor>()
    expect<Saga.Output<Plan.Plan>>().type.toBe<Readonly<Record<string, unknown>>>()
    expect(Saga.execute).type.toBeCallableWith(plan, {}, { executionId: "1" })
  })

  test("cannot be left armed in a scope, for it may have a Final", () => {
    expect(Saga.scoped).type.not.toBeCallableWith(plan, {})
  })

  test("counts as Final in another saga", () => {
    const outer = Saga.make("Outer").saga("plan", plan, { input: () => ({}) })
    expect(outer).type.not.toHaveProperty("readOnly")
    expect(outer).type.toHaveProperty("final")
  })
})

describe("recovery", () => {
  test("needs the ToolExecutor where plans are registered, and only there", () => {
    expect(Recovery.run([look, Plan.stored])).type.toBe<
      Effect.Effect<
        Recovery.Summary,
        SagaError.CheckpointError,
        Checkpoint.Checkpoint | Net | ToolExecutor.ToolExecutor
      >
    >()
    expect(Recovery.run([look])).type.toBe<
      Effect.Effect<Recovery.Summary, SagaError.CheckpointError, Checkpoint.Checkpoint | Net>
    >()
  })
})

describe("a tool", () => {
  test("is run with what its parameters decode to, and returns what its success encodes", () => {
    ToolExecutor.tool({
      parameters: Schema.Struct({ size: Schema.NumberFromString }),
      success: Schema.DateFromString,
      run: ({ size }, { idempotencyKey }) => {
        expect(size).type.toBe<number>()
        return Effect.succeed(new Date(size + idempotencyKey.length))
      }
    })
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    ToolExecutor.tool({ parameters: Path, success: Schema.String, run: () => Effect.succeed(1) })
  })

  test("has its own errors in its failure schema, and not those that every tool may have", () => {
    ToolExecutor.tool({
      parameters: Path,
      failure: Schema.Literal("full"),
      run: (): Effect.Effect<void, "full" | SagaError.OutcomeUnknown | ToolExecutor.ToolFailed> => Effect.fail("full")
    })
    ToolExecutor.tool({
      parameters: Path,
      // @ts-expect-error Type '"full"' is not assignable to type '"empty"'
      failure: Schema.Literal("full"),
      run: () => Effect.fail("empty" as const)
    })
  })

  test("gives its requirements to the layer", () => {
    const tools = ToolExecutor.layer({
      write: ToolExecutor.tool({ parameters: Path, run: () => Effect.asVoid(Disk) }),
      send: ToolExecutor.tool({ parameters: Path, run: () => Effect.asVoid(Net) })
    })
    expect(tools).type.toBe<Layer.Layer<ToolExecutor.ToolExecutor, never, Disk | Net>>()
    expect(ToolExecutor.layer({})).type.toBe<Layer.Layer<ToolExecutor.ToolExecutor>>()
  })
})
