/** Recovery says what became of an execution by its journal, and never by an error that may be another's. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, Schema, Stream } from "effect"
import { Checkpoint, Recovery, Saga, SagaError } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { failingStore, process, recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Text = Schema.String

/** Runs an effect on a store that fails from this append on. */
const losing = <A, E, R>(failAt: number, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (store) => Effect.exit(Effect.provideService(effect, Checkpoint.Checkpoint, failingStore(store, { failAt })))
  )

describe("a schema that throws on a resume", () => {
  const decoders = {
    throws: () => {
      throw new TypeError("Invalid URL")
    },
    dies: () => Effect.die(new TypeError("Invalid URL")),
    "throws later": () =>
      Effect.flatMap(Effect.sleep("1 millis"), () => {
        throw new TypeError("Invalid URL")
      })
  }
  for (const [how, decode] of Object.entries(decoders)) {
    const schema = (isBroken: () => boolean): Schema.Schema<string> =>
      Schema.transformOrFail(Text, Text, {
        decode: (text) => (isBroken() ? decode() : Effect.succeed(text)) as Effect.Effect<string>,
        encode: (text) => Effect.succeed(text)
      })
    for (const  of of["input", "output"] as const) {
      it.live(`${how}, of an ${of}: the journal is corrupt, and left as it is`, () =>
        Effect.gen(function*() {
          const world = makeWorld()
          let broken = false
          const Broken = schema(() => broken)
          const saga = Saga.make("Trip", { input: of === "input" ? Broken : Text })
            .compensatable("hotel", {
              success: of === "output" ? Broken : Text,
              action: world.do("hotel"),
              compensate: world.undo("hotel")
            })
            .compensatable("car", { success: Text, action: world.do("car"), compensate: world.undo("car") })
            .build()
          yield* losing(2, Saga.execute(saga, "Rome", { executionId: "1" }))
          broken = true
          // Not its message, which may quote what is stored.
          const where = of === "input" ? "the input" : `the output of step "hotel"`
          const corrupt = { _tag: "JournalCorrupt", problem: `${where}: the schema threw: TypeError` }
          const [recovered] = yield* recoverAll([saga])
          expect(recovered).toMatchObject({ _tag: "LeftAsItWas", cause: { error: corrupt } })
          expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toMatchObject(corrupt)
          expect(failureOf(yield* Effect.exit(Saga.inspect(saga, "1")))).toMatchObject(corrupt)
          broken = false
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Succeeded" }])
          expect(world.standing()).toEqual(["hotel", "car"])
        }).pipe(Effect.provide(Checkpoint.layerMemory)))
    }
    it.live(`${how}, of an error: it comes back by tag and message, and everything is undone`, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        let broken = false
        const saga = Saga.make("Trip")
          .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
          .readOnly("check", { error: schema(() => broken), action: () => Effect.fail("sold out") })
          .build()
        yield* losing(2, Saga.execute(saga, undefined, { executionId: "1" }))
        broken = true
        const [recovered] = yield* recoverAll([saga])
        expect(recovered).toMatchObject({ _tag: "Undone", cause: { error: { _tag: "RecoveredFailure" } } })
        expect(world.standing()).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }
})

describe("a step that fails with another execution's error", () => {
  const other = { saga: "Other", executionId: "other" }
  const errors = {
    "another driver": new SagaError.ExecutionConflict({ ...other, reason: "OtherDriver" }),
    "a store that is out of reach": new SagaError.CheckpointError({
      reason: "Unavailable",
      operation: "append",
      executionId: "other",
      detail: "gone"
    }),
    "a definition that changed": new SagaError.DefinitionChanged({ ...other, difference: "all" }),
    "what was partly undone": new SagaError.PartlyUndone({
      ...other,
      cause: Cause.fail("no"),
      undone: [],
      failed: [],
      notTried: [],
      parked: true
    }),
    "what failed after its commit": new SagaError.FailedAfterCommit({
      ...other,
      step: "x",
      cause: Cause.fail("no"),
      stands: [],
      parked: true
    })
  }
  for (const [name, error] of Object.entries(errors)) {
    it.effect(`${name}: it is undone, and recovery says so`, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = Saga.make("Trip")
          .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
          .readOnly("other", { action: () => Effect.fail(error), error: "asRecoveredFailure" })
          .build()
        yield* losing(1, Saga.execute(saga, undefined, { executionId: "1" }))
        const [recovered] = yield* recoverAll([saga])
        expect(recovered).toMatchObject({ _tag: "Undone" })
        expect(yield* Saga.inspect(saga, "1")).toMatchObject({ status: "Undone" })
        expect(world.standing()).toEqual([])
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }
})

describe("two recoveries of what is parked", () => {
  it.effect("try each execution again once, between them", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let calls = 0
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          action: () => Effect.void,
          compensate: () =>
            Effect.zipRight(Effect.sync(() => calls++), Effect.zipRight(Effect.yieldNow(), Effect.fail("no")))
        })
        .readOnly("check", { action: () => Effect.fail("sold out"), error: "asRecoveredFailure" })
        .build()
      const ids = Array.from({ length: 40 }, (_, index) => `${index}`)
      yield* process(
        store,
        Effect.forEach(ids, (executionId) => Effect.exit(Saga.execute(saga, undefined, { executionId })))
      )
      expect(calls).toBe(40)
      calls = 0
      // Both have their list before either has begun.
      const listed = yield* process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, ({ unfinished }) => Stream.runCollect(unfinished({ parked: true })))
      )
      const recover = process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.provideService(recoverAll([saga], { parked: true, concurrency: 3 }), Checkpoint.Checkpoint, {
            ...service,
            unfinished: ({ parked }) =>
              parked ? Stream.fromChunk(listed) : Stream.empty
          }))
      )
      const both = yield* Effect.all([recover, recover], { concurrency: 2 })
      expect(calls).toBe(40)
      expect(
        both.flat().filter(({ _tag }) =>
          _tag !== "Parked" && _tag !== "Elsewhere"
        )
      ).toEqual([])
    }))

  it.effect("and one that was not asked to wakes none that was parked since it looked", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let calls = 0
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          action: () => Effect.void,
          compensate: () => Effect.zipRight(Effect.sync(() => calls++), Effect.fail("no"))
        })
        .readOnly("check", { action: () => Effect.fail("sold out"), error: "asRecoveredFailure" })
        .build()
      yield* process(store, losing(1, Saga.execute(saga, undefined, { executionId: "1" })))
      // The second recovery has its list before the first has begun.
      const late = process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.provideService(recoverAll([saga]), Checkpoint.Checkpoint, {
            ...service,
            claim: (execution) =>
              Effect.zipRight(Effect.orDie(process(store, recoverAll([saga]))), service.claim(execution))
          }))
      )
      expect(yield* late).toMatchObject([{ _tag: "Parked" }])
      expect(calls).toBe(1)
    }))
})

describe("a recovery that is paused between its claim and its second look", () => {
  const paused = (meanwhile: (store: Checkpoint.Store) => Effect.Effect<unknown, unknown>, output = () => "booked") =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("car", { success: Text, action: world.do("car"), compensate: world.undo("car") })
        .build(output)
      yield* process(store, losing(1, Saga.execute(saga, undefined, { executionId: "1" })))
      const recovered = yield* process(
        store,
        Effect.flatMap(
          Checkpoint.Checkpoint,
          (service) =>
            Effect.provideService(recoverAll([saga]), Checkpoint.Checkpoint, {
              ...service,
              claim: (execution) =>
                Effect.tap(service.claim(execution), (claim) =>
                  Effect.orDie(Effect.zipRight(
                    // Its lease ends while it is paused; another process takes over and comes to the end.
                    store.release(claim.token),
                    Effect.zipRight(process(store, recoverAll([saga])), meanwhile(store))
                  )))
            })
        )
      )
      return { recovered, world }
    })

  it.effect("finds what was finished meanwhile as it is", () =>
    Effect.gen(function*() {
      const { recovered, world } = yield* paused(() => Effect.void)
      expect(recovered).toMatchObject([{ _tag: "Succeeded", output: "booked" }])
      expect(world.log).toEqual(["+hotel", "+hotel", "+car"])
    }))

  it.effect("also where the output can no longer be made: what succeeded is not undone", () =>
    Effect.gen(function*() {
      let broken = false
      const output = () => {
        if (broken) throw new TypeError("no room")
        return "booked"
      }
      const { recovered, world } = yield* paused(() => Effect.sync(() => (broken = true)), output)
      expect(recovered).toMatchObject([{ _tag: "LeftAsItWas", cause: { _tag: "Die" } }])
      expect(world.standing()).toEqual(["hotel", "car"])
    }))

  it.effect("and what was pruned meanwhile is not there", () =>
    Effect.gen(function*() {
      const { recovered } = yield* paused((store) =>
        Effect.zipRight(Effect.yieldNow(), store.prune({ milliseconds: -1 }))
      )
      expect(recovered).toMatchObject([{ _tag: "LeftAsItWas", cause: { error: { _tag: "ExecutionNotFound" } } }])
    }))
})

describe("a recovery that loses its lease", () => {
  it.effect("has left the execution, and does not say that another was first", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const saga = Saga.make("Trip")
        .compensatable("hotel", { action: () => Effect.void, compensate: () => Effect.void })
        .compensatable("car", { action: () => Effect.void, compensate: () => Effect.void })
        .build()
      yield* process(store, losing(1, Saga.execute(saga, undefined, { executionId: "1" })))
      const late = process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          Effect.provideService(recoverAll([saga]), Checkpoint.Checkpoint, {
            ...service,
            isValid: () =>
              false,
            renew: () => Effect.succeed(false)
          }))
      )
      expect(yield* late).toMatchObject([{
        _tag: "LeftAsItWas",
        cause: { error: { _tag: "ExecutionConflict", reason: "LeaseLost" } }
      }])
    }))
})

describe("errors of another copy of this package", () => {
  it.effect("an OutcomeUnknown of it is in doubt, and not undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("a copy/OutcomeUnknown")("OutcomeUnknown", {
        reason: Schema.String
      }) {}
      const saga = Saga.make("Trip")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .final("charge", {
          success: Text,
          action: () => Effect.fail(new OutcomeUnknown({ reason: "no reply" }) as unknown as SagaError.OutcomeUnknown),
          inDoubt: "park"
        })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject({
        _tag: "OutcomeUnknown",
        parked: true,
        step: "charge"
      })
      expect(world.standing()).toEqual(["hotel"])
      expect(yield* Saga.report(saga)).toMatchObject({ _tag: "OutcomeUnknown" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("a lease of another process that lasts long", () => {
  for (const lease of ["1 hour", "25 days", Infinity] as const) {
    it.effect(`(${lease}) is not waited for, for longer than recovery is told`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const reached = yield* Deferred.make<void>()
        const saga = Saga.make("Trip").compensatable("hotel", {
          action: () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never),
          compensate: () => Effect.void,
          interruptible: true,
          inDoubt: "retry"
        }).build()
        const other = yield* Checkpoint.make(store, { lease })
        const running = yield* Effect.fork(
          Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }),
            Checkpoint.Checkpoint,
            other
          )
        )
        yield* Deferred.await(reached)
        const nothing = {
          succeeded: 0,
          undone: 0,
          parked: 0,
          waiting: 0,
          leftAsItWas: 0,
          elsewhere: 0,
          unregistered: 0,
          goesOn: 0
        }
        expect(yield* process(store, Recovery.run([saga]))).toEqual(nothing)
        yield* Fiber.interrupt(running)
      }).pipe(Effect.scoped))
  }
})
