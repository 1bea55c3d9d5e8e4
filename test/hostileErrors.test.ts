/** Errors that throw when they are looked at, and errors that quote secrets. */
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect, Redacted, Schema } from "effect"
import { Checkpoint, Plan, Saga, SagaEvents, ToolExecutor } from "effect-saga"
import { failingStore } from "./support/store.ts"
import { makeWorld, type World } from "./support/world.ts"

describe("an error whose own message throws", () => {
  class Broken extends Data.TaggedError("Broken")<{ readonly user?: { readonly name: string } }> {
    override get message(): string {
      return `no seat for ${this.user!.name}`
    }
  }
  const reserve = (world: World, step: string) => ({
    success: Schema.String,
    action: world.do(step),
    compensate: world.undo(step)
  })
  const ways = {
    "Saga.run": (saga: Saga.Saga<void, unknown, unknown, never, any>) => Effect.exit(Saga.run(saga, undefined)),
    "Saga.report": (saga: Saga.Saga<void, unknown, unknown, never, any>) => Saga.report(saga, undefined),
    "Saga.execute": (saga: Saga.Saga<void, unknown, unknown, never, any>) =>
      Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })),
    "Saga.run, observed": (saga: Saga.Saga<void, unknown, unknown, never, any>) =>
      SagaEvents.listen(Effect.exit(Saga.run(saga, undefined)), () => Effect.void)
  }
  for (const [way, run] of Object.entries(ways)) {
    it.effect(`keeps nothing from being undone: ${way}`, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = Saga.make("Broken")
          .compensatable("a", reserve(world, "a"))
          .compensatable("b", { ...reserve(world, "b"), compensate: () => Effect.fail(new Broken({})) })
          .final("c", { success: Schema.String, action: () => Effect.fail(new Broken({})), inDoubt: "retry" })
          .build()
        const end = yield* run(saga)
        expect(JSON.stringify(end)).toContain("PartlyUndone")
        expect(world.standing()).toEqual(["b"])
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }
})

describe("a secret", () => {
  const secret = "s3cr3t-4711"
  const Secret = Schema.Redacted(Schema.String.pipe(Schema.minLength(3)))

  class Login extends Schema.Class<Login>("Login")({ password: Secret }) {}

  it.effect("is not told where what holds it does not match", () =>
    Effect.gen(function*() {
      const inputs = [
        [Login, { password: Redacted.make(secret) }],
        [Login, { password: secret }],
        [Schema.Array(Login), { password: secret }],
        [Schema.Struct({ login: Login }), { login: secret }],
        [
          Schema.Redacted(Schema.Struct({ pin: Schema.String.pipe(Schema.maxLength(3)) })),
          Redacted.make({ pin: secret })
        ]
      ] as const
      for (const [input, given] of inputs) {
        const saga = Saga.make("Login", { input: input as Schema.Schema<any, any> })
          .readOnly("a", { action: () => Effect.void }).build()
        const error = yield* Effect.flip(Saga.run(saga, given))
        expect(error._tag).toBe("ParseError")
        expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(secret)
      }
    }))

  it.effect("is not told of a journal that another schema wrote", () =>
    Effect.gen(function*() {
      const stored = Saga.make("Login", { input: Schema.Struct({ password: Schema.Redacted(Schema.String) }) })
      const later = Saga.make("Login", {
        input: Schema.Struct({ password: Schema.parseJson(Schema.Struct({ hash: Secret })) })
      })
      const step = { success: Schema.Void, action: () => Effect.void, compensate: () => Effect.void }
      yield* Saga.execute(stored.compensatable("a", step).build(), { password: Redacted.make(secret) }, {
        executionId: "1"
      })
      const error = yield* Effect.flip(Saga.resume(later.compensatable("a", step).build(), "1"))
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect(error.message).not.toContain(secret)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("among a plan's arguments is not told, neither when it is refused nor when it is another", () => {
    const tools = ToolExecutor.layer({
      login: ToolExecutor.tool({
        parameters: Schema.Struct({ password: Schema.Redacted(Schema.String.pipe(Schema.maxLength(20))) }),
        run: () => Effect.void
      })
    })
    const plan = (password: string) => ({
      name: "Login",
      steps: [{
        name: "a",
        classification: "Compensatable",
        action: { tool: "login", arguments: { password } },
        compensation: { tool: "login", arguments: { password } }
      }]
    })
    return Effect.gen(function*() {
      const refused = yield* Effect.flip(Plan.decode(plan(secret.repeat(3))))
      expect(refused.problems).toHaveLength(2)
      expect(refused.message).not.toContain(secret)
      const store = yield* Checkpoint.Checkpoint
      yield* Effect.exit(Saga.execute(yield* Plan.decode(plan(secret)), undefined, { executionId: "1" })).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
      )
      const other = yield* Plan.decode(plan("other"))
      const changed = yield* Effect.flip(Saga.execute(other, undefined, { executionId: "1" }))
      expect(changed).toMatchObject({
        _tag: "DefinitionChanged",
        difference: "step 1 of its plan has another action, compensation"
      })
    }).pipe(Effect.provide([tools, Checkpoint.layerMemory]))
  })
})
