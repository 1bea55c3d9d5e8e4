/** S14: a process that was paused past its lease does not call: another may have taken the execution over. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Schedule, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { eventsOf, failingStore } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

const Text = Schema.String

/** A process that is paused, for longer than its lease lasts, right after this event was stored. */
const pausedAfter = (store: Checkpoint.Service, event: string): Checkpoint.Service => {
  let paused = false
  return {
    ...store,
    isValid: (token) => !paused && store.isValid(token),
    renew: (token) => paused ? Effect.succeed(false) : store.renew(token),
    append: (commit) =>
      Effect.tap(store.append(commit), () =>
        Effect.sync(() => {
          if (commit.body.includes(event)) paused = true
        }))
  }
}

const lifeOn = <A, E, R>(event: string, life: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (store) => Effect.exit(Effect.provideService(life, Checkpoint.Checkpoint, pausedAfter(store, event)))
  )

const lost = { _tag: "ExecutionConflict", reason: "LeaseLost" }

describe("S14: a call does not begin after the lease has ended", () => {
  it.effect("not the first call of an action, whose intent is stored", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build()
      const exit = yield* lifeOn(`"step":"charge"`, Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject(lost)
      expect(world.log).toEqual(["+hotel"])
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(events.at(-1)).toMatchObject({ _tag: "StepStarted", step: "charge" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor that of a compensation", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .readOnly("check", { action: () => Effect.fail("no"), error: Text })
        .build()
      const exit = yield* lifeOn(`"CompensationStarted"`, Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject(lost)
      expect(world.log).toEqual(["+hotel"])
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(events.at(-1)).toMatchObject({ _tag: "CompensationStarted", step: "hotel" })
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toBe("no")
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor that of a verify, whose answer would be old by the time it counts", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let asked = 0
      const saga = Saga.make("Order")
        .final("first", {
          success: Text,
          action: world.do("first"),
          inDoubt: "verify",
          verify: () => Effect.sync(() => (asked++, Option.some("first-output")))
        })
        .build()
      const store = yield* Checkpoint.Checkpoint
      yield* lifeOn(`"step":"first"`, Saga.execute(saga, undefined, { executionId: "1" }))
      expect(world.log).toEqual([])
      const late = { ...store, isValid: () => false, renew: () => Effect.succeed(false) }
      const exit = yield* Effect.exit(Effect.provideService(Saga.resume(saga, "1"), Checkpoint.Checkpoint, late))
      expect(failureOf(exit)).toMatchObject(lost)
      expect(asked).toBe(0)
      yield* Saga.resume(saga, "1")
      expect(asked).toBe(1)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("but it does where only the clock went on, and the store says that the lease lasts", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const store = yield* Checkpoint.Checkpoint
      let asked = false
      const jumped = {
        ...store,
        isValid: () => asked,
        renew: (token: Checkpoint.Token) => Effect.tap(store.renew(token), () => Effect.sync(() => (asked = true)))
      }
      yield* Effect.provideService(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.Checkpoint, jumped)
      expect(world.log).toEqual(["+hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("nor where the store cannot be asked", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const store = yield* Checkpoint.Checkpoint
      const silent = { ...store, isValid: () => false, renew: () => Effect.fail(full) }
      const exit = yield* Effect.exit(
        Effect.provideService(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.Checkpoint, silent)
      )
      expect(failureOf(exit)).toMatchObject(lost)
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

const full = new SagaError.CheckpointError({
  reason: "Full",
  operation: "append",
  executionId: "1",
  detail: "no space left on device"
})

describe("S14: of siblings of which each has a reason to stop, the first one's is told", () => {
  const nothing = { action: () => Effect.void, compensate: () => Effect.void }
  const storing = (name: string, after: "1 second" | "8 seconds") =>
    Saga.make(name).compensatable("one", { ...nothing, action: () => Effect.sleep(after) })
      .compensatable("two", nothing).build()

  /** `a` has an outcome to store after a second, `late` after eight; `b` is to be tried again after two. */
  const siblings = (tried: () => void) =>
    Saga.make("Block")
      .parallel((branch) =>
        branch
          .saga("late", storing("Late", "8 seconds"), { input: () => {} })
          .saga("a", storing("A", "1 second"), { input: () => {} })
          .compensatable("b", {
            ...nothing,
            action: () => Effect.zipRight(Effect.sync(tried), Effect.fail("busy" as const)),
            retry: { times: 2, schedule: Schedule.spaced("2 seconds") },
            error: "asRecoveredFailure"
          })
      )
      .build()

  const run = (change: (store: Checkpoint.Service) => Partial<Checkpoint.Service>) =>
    Effect.gen(function*() {
      let tries = 0
      const store = yield* Checkpoint.Checkpoint
      const fiber = yield* Effect.fork(Effect.exit(Effect.provideService(
        Saga.execute(siblings(() => tries++), undefined, { executionId: "1" }),
        Checkpoint.Checkpoint,
        { ...store, ...change(store) }
      )))
      yield* TestClock.adjust("10 seconds")
      return { error: failureOf(yield* Fiber.join(fiber)), tries }
    }).pipe(Effect.provide(Checkpoint.layerMemory))

  const failing = (store: Checkpoint.Service, after: "0 seconds" | "3 seconds"): Partial<Checkpoint.Service> => ({
    append: (commit) => commit.sequence === 0 ? store.append(commit) : Effect.delay(Effect.fail(full), after)
  })

  it.effect("a store that has failed: the other is not called again", () =>
    Effect.gen(function*() {
      const { error, tries } = yield* run((store) => failing(store, "0 seconds"))
      expect(error).toMatchObject({ _tag: "CheckpointError", reason: "Full" })
      expect(tries).toBe(1)
    }))

  it.effect("a lease that is lost, and then a store that fails", () =>
    Effect.gen(function*() {
      let asked = 0
      const { error, tries } = yield* run((store) => ({
        ...failing(store, "3 seconds"),
        // Of their first calls it is sure.
        isValid: (token) => ++asked <= 3 && store.isValid(token),
        renew: () => Effect.succeed(false)
      }))
      expect(error).toMatchObject(lost)
      expect(tries).toBe(1)
    }))

  it.effect("a store that fails, and then a lease that is lost", () =>
    Effect.gen(function*() {
      let asked = 0
      const { error, tries } = yield* run((store) => ({
        ...failing(store, "3 seconds"),
        isValid: (token) => ++asked <= 3 && store.isValid(token),
        renew: () => Effect.delay(Effect.succeed(false), "5 seconds")
      }))
      expect(error).toMatchObject({ _tag: "CheckpointError", reason: "Full" })
      expect(tries).toBe(1)
    }))
})

describe("S14: a renewal whose answer comes late", () => {
  it.effect("is asked for again, and does not let a call begin", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const store = yield* Checkpoint.Checkpoint
      const paused = { ...store, isValid: () => false, renew: () => Effect.succeed(true) }
      const exit = yield* Effect.exit(
        Effect.provideService(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.Checkpoint, paused)
      )
      expect(failureOf(exit)).toMatchObject(lost)
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S14: a process that could not store the end of an execution", () => {
  it.scoped("lets go of it, so that another can", () =>
    Effect.gen(function*() {
      const shared = yield* Checkpoint.makeMemory
      const [ours, other] = [yield* Checkpoint.make(shared), yield* Checkpoint.make(shared)]
      const world = makeWorld()
      const saga = Saga.make("Order")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build(() => "booked")
      yield* Effect.exit(
        Effect.provideService(
          Saga.execute(saga, undefined, { executionId: "1" }),
          Checkpoint.Checkpoint,
          failingStore(ours, { failAt: 1 })
        )
      )
      expect(yield* Effect.provideService(Saga.resume(saga, "1"), Checkpoint.Checkpoint, other)).toBe("booked")
    }))
})

describe("leaseEndsAt", () => {
  const seen: Array<number | undefined> = []
  const saga = Saga.make("Order")
    .compensatable("hotel", {
      action: ({ leaseEndsAt }) => Effect.sync(() => void seen.push(leaseEndsAt)),
      compensate: ({ leaseEndsAt }) => Effect.sync(() => void seen.push(leaseEndsAt))
    })
    .readOnly("check", { error: Text, action: () => Effect.fail("no") })
    .build()
  const run = (lease: Duration.DurationInput) =>
    Effect.gen(function*() {
      seen.length = 0
      const store = yield* Checkpoint.make(yield* Checkpoint.makeMemory, { lease })
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, store)
        )
      )
      return [...seen]
    }).pipe(Effect.scoped)

  it.effect("is the end of the lease, for an action and a compensation", () =>
    Effect.gen(function*() {
      const before = Date.now()
      const [action, compensation] = yield* run("1 hour")
      for (const endsAt of [action, compensation]) {
        expect(endsAt).toBeGreaterThan(before)
        expect(endsAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
      }
    }))

  it.effect("is undefined in process, and under a lease without an end", () =>
    Effect.gen(function*() {
      expect(yield* run(Duration.infinity)).toEqual([undefined, undefined])
      seen.length = 0
      yield* Effect.exit(Saga.run(saga))
      expect(seen).toEqual([undefined, undefined])
    }))
})
