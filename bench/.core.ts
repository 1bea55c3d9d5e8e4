import { Effect, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
const step = (n: string) => ({
  success: Schema.Struct({ id: Schema.String }),
  action: ({ idempotencyKey }: any) => Effect.succeed({ id: n }),
  compensate: () => Effect.void
})
const make = (fail: boolean) =>
  Saga.make("T", { input: Schema.Struct({ card: Schema.String }) }).readOnly("q", {
    success: Schema.Number,
    action: () => Effect.succeed(1)
  }).compensatable("a", step("a")).compensatable("b", step("b")).compensatable("c", step("c")).final("f", {
    success: Schema.String,
    error: Schema.Literal("no"),
    action: () => fail ? Effect.fail("no" as const) : Effect.succeed("ok"),
    inDoubt: "retry"
  }).build(({ outputs }) => outputs.f)
const prog = Effect.gen(function*() {
  for (const fail of [false, true]) {
    for (const mem of ["memory", "null"]) {
      const saga = make(fail)
      const ctx = mem === "memory"
        ? (yield* Checkpoint.Checkpoint)
        : ({
          append: () => Effect.void,
          load: () => Effect.succeed([]),
          unfinished: null as any,
          token: Effect.succeed(1),
          holds: () => true,
          claim: null as any,
          letGo: () => Effect.void,
          prune: null as any,
          driven: new Map()
        })
      const one = (i: number) => Effect.exit(Saga.execute(saga, { card: "x" }, { executionId: mem + fail + "e" + i }))
      const all = Effect.gen(function*() {
        for (let i = 0; i < 2000; i++) yield* one(-i - 1)
        const t = process.hrtime.bigint()
        const n = 5000
        for (let i = 0; i < n; i++) yield* one(i)
        console.log(mem, fail, (Number(process.hrtime.bigint() - t) / 1000 / n).toFixed(1), "us")
      })
      yield* Effect.provideService(all, Checkpoint.Checkpoint, ctx)
    }
  }
})
Effect.runPromise(Effect.provide(prog, Checkpoint.layerMemory))
