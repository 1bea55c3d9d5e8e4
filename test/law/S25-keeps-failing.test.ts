/** S25: an execution that makes no progress stops being tried, and says what was seen. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, LogLevel, Schema, Stream } from "effect"
import { Checkpoint, Recovery, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

const Text = Schema.String

const make = (receipt: () => string) => {
  const world = makeWorld()
  let charges = 0
  const saga = Saga.make("Order")
    .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
    .final("charge", {
      success: Schema.NonEmptyString,
      action: () => Effect.sync(() => (charges++, receipt())),
      inDoubt: "retry"
    })
    .build(({ outputs }) => outputs.charge)
  return { world, saga, charges: () => charges }
}

describe("S25: an execution that makes no progress is parked", () => {
  it.effect("an outcome that can never be stored: its action is called again ten times, and no more", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let receipt = ""
      const { charges, saga } = make(() => receipt)
      yield* process(store, Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      for (let life = 1; life <= 10; life++) {
        expect(yield* process(store, recoverAll([saga]))).toMatchObject([{ _tag: "LeftAsItWas" }])
        expect(charges()).toBe(1 + life)
      }
      const error = { _tag: "KeepsFailing", claims: 11, step: "charge", stands: ["hotel"] }
      const [recovered] = yield* process(store, recoverAll([saga]))
      expect(recovered).toMatchObject({ _tag: "Parked", cause: { error } })
      expect(charges()).toBe(11)
      // It waits for a person from then on, whoever asks.
      yield* process(
        store,
        Effect.gen(function*() {
          expect(yield* recoverAll([saga])).toEqual([])
          expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject(
            error
          )
          expect(yield* Stream.runHead(Recovery.parked([saga]))).toMatchObject({ value: { executionId: "1", error } })
          expect(yield* Saga.inspect(saga, "1")).toMatchObject({ status: "Parked", parked: "KeepsFailing" })
          const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
          expect(events.at(-1)).toMatchObject({ _tag: "Parked", reason: "KeepsFailing", claims: 11 })
        })
      )
      expect(charges()).toBe(11)
      receipt = "paid"
      expect(yield* process(store, Saga.resume(saga, "1"))).toBe("paid")
    }))

  it.effect("one whose process ends each time, after as many claims as recovery is told", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { saga, world } = make(() => "paid")
      /** The process ends before anything of this life is stored. */
      const dies = <A, E, R>(life: Effect.Effect<A, E, R>) =>
        process(
          store,
          Effect.flatMap(
            Checkpoint.Checkpoint,
            (service) => Effect.provideService(life, Checkpoint.Checkpoint, failingStore(service, { failAt: 0 }))
          )
        )
      yield* process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.exit(Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1" }),
            Checkpoint.Checkpoint,
            failingStore(service, { failAt: 1 })
          )))
      )
      for (let life = 1; life <= 3; life++) {
        expect(yield* dies(recoverAll([saga], { maxClaims: 3 }))).toMatchObject([{ _tag: "LeftAsItWas" }])
      }
      expect(yield* process(store, recoverAll([saga], { maxClaims: 3 }))).toMatchObject([
        { _tag: "Parked", cause: { error: { _tag: "KeepsFailing", claims: 4, step: "hotel", stands: [] } } }
      ])
      expect(yield* process(store, Saga.resume(saga, "1"))).toBe("paid")
      expect(world.standing()).toEqual(["hotel"])
    }))

  it.effect("but not one that gets on a little with each of many lives", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const step = (name: string) => ({ success: Text, action: world.do(name), compensate: world.undo(name) })
      const saga = Saga.make("Long")
        .compensatable("a", step("a")).compensatable("b", step("b")).compensatable("c", step("c"))
        .compensatable("d", step("d")).compensatable("e", step("e")).compensatable("f", step("f"))
        .build(() => "done")
      const life = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        process(
          store,
          Effect.flatMap(
            Checkpoint.Checkpoint,
            (service) => Effect.provideService(effect, Checkpoint.Checkpoint, failingStore(service, { failAt: 1 }))
          )
        )
      yield* Effect.exit(life(Saga.execute(saga, undefined, { executionId: "1" })))
      let lives = 0
      let ended: string | undefined
      while (ended === undefined || ended === "LeftAsItWas") {
        const [recovered] = yield* life(recoverAll([saga], { maxClaims: 1 }))
        ended = recovered?._tag
        lives++
      }
      expect(ended).toBe("Succeeded")
      expect(lives).toBeGreaterThan(4)
      expect(world.standing()).toEqual(["a", "b", "c", "d", "e", "f"])
    }))

  /** A saga whose first call is stored as an intent, and which gets no further in any life before `works`. */
  const stuck = (store: Checkpoint.Store) => {
    const { saga, world } = make(() => "paid")
    const lost = (failAt: number) => <A, E, R>(life: Effect.Effect<A, E, R>) =>
      process(
        store,
        Effect.flatMap(
          Checkpoint.Checkpoint,
          (service) => Effect.provideService(life, Checkpoint.Checkpoint, failingStore(service, { failAt }))
        )
      )
    return { saga, world, lost, begin: lost(1)(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))) }
  }

  it.effect("but what a person sets going is driven, however often it was claimed before", () =>
    Effect.gen(function*() {
      const { begin, lost, saga, world } = stuck(yield* Checkpoint.makeMemory)
      yield* begin
      for (let life = 1; life <= 15; life++) {
        const exit = yield* lost(0)(Effect.exit(Saga.resume(saga, "1")))
        expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      }
      expect(yield* lost(99)(Saga.resume(saga, "1"))).toBe("paid")
      expect(world.standing()).toEqual(["hotel"])
    }))

  it.effect("and what keeps failing is woken by no recovery, only by a person", () =>
    Effect.gen(function*() {
      const { begin, lost, saga } = stuck(yield* Checkpoint.makeMemory)
      yield* begin
      const options = { parked: true, maxClaims: 1 }
      yield* lost(0)(recoverAll([saga], options))
      for (let life = 1; life <= 3; life++) {
        expect(yield* lost(99)(recoverAll([saga], options))).toMatchObject([
          { _tag: "Parked", cause: { error: { _tag: "KeepsFailing" } } }
        ])
      }
      expect(yield* lost(99)(Saga.resume(saga, "1"))).toBe("paid")
    }))

  it.effect("and the log warns when it parks, once, whoever set it going", () =>
    Effect.gen(function*() {
      const { begin, lost, saga } = stuck(yield* Checkpoint.makeMemory)
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) warnings.push(String(message))
      })
      yield* Effect.gen(function*() {
        yield* begin
        for (let life = 1; life <= 10; life++) {
          yield* lost(0)(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
        }
        expect(warnings).toEqual([])
        // No recovery runs, which would warn by itself.
        const exit = yield* lost(99)(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
        const error = failureOf(exit)
        expect(error).toMatchObject({ _tag: "KeepsFailing", claims: 11 })
        expect(warnings).toEqual([`Order 1 is parked: ${error?.message}`])
        yield* lost(99)(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
        expect(warnings.length).toBe(1)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }))

  it.effect("a store that fails while it is being parked is told as that, and it stays for another time", () =>
    Effect.gen(function*() {
      const { begin, lost, saga } = stuck(yield* Checkpoint.makeMemory)
      yield* begin
      for (let life = 1; life <= 4; life++) {
        expect(yield* lost(0)(recoverAll([saga], { maxClaims: 2 }))).toMatchObject([
          { _tag: "LeftAsItWas", cause: { _tag: "Fail", error: { _tag: "CheckpointError", reason: "Full" } } }
        ])
      }
      expect(yield* lost(99)(recoverAll([saga], { maxClaims: 2 }))).toMatchObject([
        { _tag: "Parked", cause: { error: { _tag: "KeepsFailing", claims: 5 } } }
      ])
    }))

  it.effect("on the way back, too: it names the compensation, and what stands", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const step = (name: string) => ({ success: Text, action: world.do(name), compensate: world.undo(name) })
      const saga = Saga.make("Trip")
        .compensatable("hotel", step("hotel")).compensatable("flight", step("flight")).compensatable("car", step("car"))
        .readOnly("check", { action: () => Effect.fail("no" as const), error: "asRecoveredFailure" })
        .build()
      const life = (failAt: number) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        process(
          store,
          Effect.flatMap(
            Checkpoint.Checkpoint,
            (service) => Effect.provideService(effect, Checkpoint.Checkpoint, failingStore(service, { failAt }))
          )
        )
      // Three intents, the decision with the first compensation's intent, and the second's.
      yield* life(5)(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(world.log.slice(3)).toEqual(["-car", "-flight"])
      yield* life(0)(recoverAll([saga], { maxClaims: 1 }))
      expect(yield* life(99)(recoverAll([saga], { maxClaims: 1 }))).toMatchObject([{
        _tag: "Parked",
        cause: { error: { _tag: "KeepsFailing", claims: 2, step: "flight", stands: ["hotel", "flight"] } }
      }])
    }))

  it.effect("one whose compensation ends its process each time, too", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let undone = 0
      const saga = Saga.make("Order")
        .compensatable("hotel", { action: () => Effect.void, compensate: () => Effect.sync(() => void undone++) })
        .readOnly("check", { error: Text, action: () => Effect.fail("no") })
        .build()
      /** The process ends after this many commits. */
      const life = <A, E, R>(commits: number, effect: Effect.Effect<A, E, R>) =>
        process(
          store,
          Effect.flatMap(
            Checkpoint.Checkpoint,
            (service) =>
              Effect.exit(
                Effect.provideService(effect, Checkpoint.Checkpoint, failingStore(service, { failAt: commits }))
              )
          )
        )
      yield* life(2, Saga.execute(saga, undefined, { executionId: "1" }))
      expect(undone).toBe(1)
      for (let lives = 0; lives < 30; lives++) yield* life(0, recoverAll([saga], { maxClaims: 3 }))
      expect(undone).toBe(4)
      expect(yield* process(store, recoverAll([saga], { maxClaims: 3 }))).toMatchObject([
        { _tag: "Parked", cause: { error: { _tag: "KeepsFailing", step: "hotel", stands: ["hotel"] } } }
      ])
      expect(failureOf(yield* Effect.exit(process(store, Saga.resume(saga, "1"))))).toBe("no")
      expect(undone).toBe(5)
    }))

  it.effect("which a recovery does not wake, also where it wakes what is parked", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { charges, saga } = make(() => "")
      yield* process(store, Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      for (let life = 0; life < 20; life++) yield* process(store, recoverAll([saga], { maxClaims: 3, parked: true }))
      expect(charges()).toBe(4)
    }))

  it.effect("nor is what waits for a doubt to be settled parked anew, however often a recovery could not wake it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let answers = false
      const saga = Saga.make("Order")
        .final("charge", {
          success: Text,
          action: () =>
            answers ? Effect.succeed("paid") : Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.charge)
      const options = { parked: true, maxClaims: 2 }
      yield* process(store, Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      for (let life = 1; life <= 5; life++) {
        const lost = Effect.flatMap(
          Checkpoint.Checkpoint,
          (service) =>
            Effect.provideService(
              recoverAll([saga], options),
              Checkpoint.Checkpoint,
              failingStore(service, { failAt: 0 })
            )
        )
        expect(yield* process(store, lost)).toMatchObject([
          { _tag: "LeftAsItWas", cause: { _tag: "Fail", error: { _tag: "CheckpointError" } } }
        ])
        const [parked] = yield* process(
          store,
          Effect.map(Stream.runCollect(Recovery.parked([saga])), Array.from<Recovery.Parked>)
        )
        expect(parked).toMatchObject({ executionId: "1", error: { _tag: "OutcomeUnknown", step: "charge" } })
      }
      answers = true
      expect(yield* process(store, recoverAll([saga], options))).toMatchObject([{ _tag: "Succeeded", output: "paid" }])
    }))

  it.effect("and a journal that does not say under which claims it was written is counted from now on", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { saga, world } = make(() => "paid")
      const old: Checkpoint.Store = {
        ...store,
        load: (id) =>
          Effect.map(
            store.load(id),
            (commits) => commits.map(({ body, sequence }) => ({ sequence, body: body.replace(/"fence":\d+,/, "") }))
          )
      }
      yield* process(
        old,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.exit(Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1" }),
            Checkpoint.Checkpoint,
            failingStore(service, { failAt: 1 })
          )))
      )
      const token = yield* store.acquire({ milliseconds: 60_000 })
      for (let claims = 0; claims < 12; claims++) yield* store.claim("1", token)
      yield* store.release(token)
      expect(yield* process(old, recoverAll([saga]))).toMatchObject([{ _tag: "Succeeded" }])
      expect(world.standing()).toEqual(["hotel"])
    }))
})
