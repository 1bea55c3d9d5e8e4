/** S16: a stored execution that does not fit is reported and left untouched. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Checkpoint, Journal, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { reserve, Text } from "../support/sagas.ts"
import { failingStore, recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

describe("S16: a stored execution that does not fit is reported and left untouched", () => {
  const unfinished = Effect.gen(function*() {
    const store = yield* Checkpoint.Checkpoint
    yield* Effect.exit(
      Saga.execute(reserve(makeWorld()).build(), undefined, { executionId: "old" }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
      )
    )
    return store
  })
  type Changed = Saga.Saga<void, unknown, never, never>
  const changes: Record<string, (world: World) => Changed> = {
    "a renamed step": (world: World) =>
      Saga.make("Reserve")
        .compensatable("room", { action: () => Effect.void, compensate: () => Effect.void })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .build(),
    "reordered steps": (world: World) =>
      Saga.make("Reserve")
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(),
    "a removed step": (world: World) =>
      Saga.make("Reserve")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(),
    "an added step": (world: World) => reserve(world).readOnly("check", { action: () => Effect.void }).build(),
    "another version": (world: World) =>
      Saga.make("Reserve", { version: 2 })
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", { success: Text, action: world.do("flight"), compensate: world.undo("flight") })
        .build()
  }
  const differences: Record<string, string> = {
    "a renamed step": `step 1 was Compensatable "hotel" and is Compensatable "room"`,
    "reordered steps": `step 1 was Compensatable "hotel" and is Compensatable "flight"`,
    "a removed step": `step 2 was Compensatable "flight" and is gone`,
    "an added step": `this definition has more steps: ReadOnly "check"`,
    "another version": `it has version 1, this definition has version 2`
  }
  for (const [what, change] of Object.entries(changes)) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const store = yield* unfinished
        const before = yield* store.load("old")
        const world = makeWorld()
        const error = failureOf(yield* Effect.exit(Saga.resume(change(world), "old")))
        expect(error).toMatchObject({
          _tag: "DefinitionChanged",
          difference: differences[what]
        })
        expect(world.log).toEqual([])
        expect(yield* store.load("old")).toEqual(before)
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }

  it.effect("an output that its schema cannot read, and a journal that is none", () =>
    Effect.gen(function*() {
      const store = yield* unfinished
      const changed = Saga.make("Reserve")
        .compensatable("hotel", {
          success: Schema.Number,
          action: () => Effect.succeed(1),
          compensate: () => Effect.void
        })
        .compensatable("flight", { success: Text, action: () => Effect.succeed(""), compensate: () => Effect.void })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.resume(changed, "old")))
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect((error as Error).message).toContain(`the output of step "hotel"`)
      const commit = {
        executionId: "garbage",
        saga: "Reserve",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0,
        taken: 0,
        wakeIn: undefined,
        isPlan: false,
        attributes: undefined
      } as const
      yield* store.append({ ...commit, body: "{" })
      const newer = JSON.stringify({ format: 2, events: [{ _tag: "Unheard" }] })
      yield* store.append({ ...commit, executionId: "newer", body: newer })
      yield* store.append({
        ...commit,
        executionId: "headless",
        body: Journal.encodeCommit([{ _tag: "Finished", result: "Undone", at: 0 }])
      })
      const saga = reserve(makeWorld()).build()
      for (const executionId of ["garbage", "newer", "headless"]) {
        const error = failureOf(yield* Effect.exit(Saga.resume(saga, executionId)))
        expect(error).toMatchObject({ _tag: "JournalCorrupt", executionId })
        expect((error as Error).message.length).toBeLessThan(300)
      }
      expect(String(failureOf(yield* Effect.exit(Saga.resume(saga, "newer"))))).toContain(
        "it has format 2, and this release reads up to 1"
      )
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a journal in which a commit is missing", () =>
    Effect.gen(function*() {
      const store = yield* unfinished
      const world = makeWorld()
      const lossy = {
        ...store,
        load: (id: string) => Effect.map(store.load(id), (commits) => commits.filter(({ sequence }) => sequence !== 0))
      }
      const exit = yield* Effect.exit(
        Effect.provideService(Saga.resume(reserve(world).build(), "old"), Checkpoint.Checkpoint, lossy)
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "JournalCorrupt", problem: "commit 0 is missing" })
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("and does not stop the recovery of the others", () =>
    Effect.gen(function*() {
      const store = yield* unfinished
      yield* store.append({
        executionId: "garbage",
        saga: "Reserve",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0,
        taken: 0,
        wakeIn: undefined,
        isPlan: false,
        attributes: undefined,
        body: "not json"
      })
      yield* store.append({
        executionId: "stranger",
        saga: "Unheard",
        version: 1,
        sequence: 0,
        status: "Running",
        token: yield* store.token,
        fence: 0,
        taken: 0,
        wakeIn: undefined,
        isPlan: false,
        attributes: undefined,
        body: "not json"
      })
      const recovered = yield* recoverAll([reserve(makeWorld()).build()])
      expect(Object.fromEntries(recovered.map(({ _tag, executionId }) => [executionId, _tag]))).toEqual({
        old: "Succeeded",
        garbage: "LeftAsItWas",
        stranger: "Unregistered"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
