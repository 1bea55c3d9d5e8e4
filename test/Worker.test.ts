import { describe, expect, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Schedule,
  Schema,
  Scope,
  Stream,
  TestClock
} from "effect"
import { Checkpoint, Recovery, Saga, SagaError, Worker } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { failureOf } from "./support/exit.ts"
import { abandon, eventsOf, process } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Text = Schema.String

/** As `node --expose-gc` would give it. */
const collectGarbage: () => void = (setFlagsFromString("--expose-gc"), runInNewContext("gc"))

const make = (name: string, version = 1) => {
  const world = makeWorld()
  const reserve = (step: string) => ({ success: Text, action: world.do(step), compensate: world.undo(step) })
  const begin = Saga.make(name, { version }).compensatable("hotel", reserve("hotel"))
    .compensatable("flight", reserve("flight"))
  return { world, begin, saga: begin.compensatable("car", reserve("car")).build(({ outputs }) => outputs.car) }
}

/** Keeps what is logged, without debug lines. */
const makeLog = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push([message].flat().map(String).join(" ")))
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}

/** An execution whose action waits for its turn, and that tells how many run at the same time. */
const counting = Effect.sync(() => {
  let running = 0
  const counted = { most: 0, order: [] as Array<string> }
  const saga = (name: string, lasts = "1 minute") =>
    Saga.make(name).compensatable("step", {
      action: ({ executionId }) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            counted.order.push(executionId)
            counted.most = Math.max(counted.most, ++running)
          }),
          () => Effect.sleep(lasts as "1 minute"),
          () => Effect.sync(() => void running--)
        ),
      compensate: () => Effect.void
    }).build(() => undefined)
  return { counted, saga }
})

/** A worker that claims execution "1" while a call of this process, for a saga of this name, is about the same. */
const workerThatMeets = <A, E>(saga: Saga.Saga<void, A, E, never>, name: string) =>
  Effect.gen(function*() {
    const checkpoint = yield* Checkpoint.Checkpoint
    const [started] = yield* eventsOf(checkpoint, "1")
    const fingerprint = started?._tag === "Started" ? started.fingerprint : ""
    const call = { saga: name, version: 1, fingerprint, plan: undefined, input: "another" }
    const meeting: Checkpoint.Service = {
      ...checkpoint,
      claimNext: (wanted) =>
        Effect.tap(checkpoint.claimNext(wanted), (claimed) => {
          if (claimed.length > 0) checkpoint.startDriving("1", call)
        })
    }
    yield* Effect.provideService(
      Layer.build(Worker.layer([saga], { interval: "1 hour" })),
      Checkpoint.Checkpoint,
      meeting
    )
    yield* TestClock.adjust("1 second")
    return {
      letGo: (error: SagaError.ExecutionConflict) => Effect.sync(() => checkpoint.endDriving("1", Exit.fail(error)))
    }
  })

describe("Worker.layer", () => {
  it.scoped("drives what is enqueued in this process at once, without a look of its own", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      yield* Layer.build(Worker.layer([saga], { interval: "1 hour" }))
      // Its first look is over.
      yield* TestClock.adjust("1 second")
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      expect(yield* Saga.await(saga, "1")).toBe("car-output")
      expect(world.log).toEqual(["+hotel", "+flight", "+car"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("drives what another process enqueues within its interval", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { saga } = make("Trip")
      yield* process(
        store,
        Effect.scoped(Effect.gen(function*() {
          yield* Layer.build(Worker.layer([saga]))
          yield* TestClock.adjust("1 second")
          yield* process(store, Saga.enqueue(saga, undefined, { executionId: "1" }))
          yield* TestClock.adjust("1 second")
          expect(yield* Saga.await(saga, "1")).toBe("car-output")
        }))
      )
    }))

  it.scoped("finishes what an earlier process left, as recovery does", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      yield* abandon(saga, "1")
      expect(world.log).toEqual(["+hotel", "+flight"])
      yield* Layer.build(Worker.layer([saga]))
      expect(yield* Saga.await(saga, "1")).toBe("car-output")
      expect(world.standing()).toEqual(["hotel", "flight", "car"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("undoes a parked execution that was cancelled, and leaves other parked ones", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { success: Text, action: world.do("hotel"), compensate: world.undo("hotel") })
        .compensatable("flight", {
          success: Text,
          action: () => Effect.never,
          compensate: world.undo("flight"),
          timeout: "1 second",
          interruptible: true,
          inDoubt: "park"
        })
        .build()
      for (const executionId of ["1", "2"]) {
        const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId }))
        yield* TestClock.adjust("1 second")
        expect(failureOf(yield* Fiber.await(fiber))).toMatchObject({ _tag: "OutcomeUnknown", parked: true })
      }
      yield* Saga.cancel("1", { by: "clerk" })
      const { layer, lines } = makeLog()
      yield* Effect.provide(Layer.build(Worker.layer([saga])), layer)
      yield* TestClock.adjust("10 seconds")
      const store = yield* Checkpoint.Checkpoint
      expect((yield* eventsOf(store, "1")).map(({ _tag }) => _tag).slice(-4)).toEqual([
        "Resumed",
        "StepInDoubt",
        "CancellationRequested",
        "Parked"
      ])
      expect((yield* eventsOf(store, "2")).at(-1)).toMatchObject({ _tag: "Parked" })
      expect(lines.filter((line) => line.startsWith("Trip 2 is parked")).length).toBe(1)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("drives as many at a time as it is told, oldest first, and fewer of a saga that has its own limit", () =>
    Effect.gen(function*() {
      const { counted, saga } = yield* counting
      const many = saga("Many")
      const few = saga("Few")
      for (let index = 0; index < 20; index++) yield* Saga.enqueue(many, undefined, { executionId: `many ${index}` })
      for (let index = 0; index < 5; index++) yield* Saga.enqueue(few, undefined, { executionId: `few ${index}` })
      yield* Layer.build(Worker.layer([many, few], { concurrency: 4, perSaga: { Few: 1 } }))
      yield* TestClock.adjust("30 seconds")
      expect(counted.order).toEqual(["few 0", "many 0", "many 1", "many 2"])
      yield* TestClock.adjust("7 minutes")
      expect(counted.order.length).toBe(25)
      expect(counted.most).toBe(4)
      const order = counted.order.filter((id) => id.startsWith("many"))
      expect(order).toEqual(Array.from({ length: 20 }, (_, index) => `many ${index}`))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("goes on at once as long as there is something, also when a look finds no place", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      const executionIds = Array.from({ length: 100 }, (_, index) => `${index}`)
      for (const executionId of executionIds) yield* Saga.enqueue(saga, undefined, { executionId })
      yield* Layer.build(Worker.layer([saga], { concurrency: 8, interval: "1 hour" }))
      for (const executionId of executionIds) yield* Saga.await(saga, executionId)
      expect(world.log.length).toBe(3 * executionIds.length)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("takes a place that has become free while it was claiming for another", () =>
    Effect.gen(function*() {
      const checkpoint = yield* Checkpoint.Checkpoint
      const executionIds = ["1", "2", "3", "4"] as const
      const gate = () => ({ begun: Effect.runSync(Deferred.make<void>()), goOn: Effect.runSync(Deferred.make<void>()) })
      const gates = { 1: gate(), 2: gate(), 3: gate(), 4: gate() }
      const gateOf = (executionId: string) => gates[executionId as "1"]
      const saga = Saga.make("Gated").compensatable("step", {
        action: ({ executionId }) =>
          Effect.zipRight(
            Deferred.succeed(gateOf(executionId).begun, undefined),
            Deferred.await(gateOf(executionId).goOn)
          ),
        compensate: () => Effect.void
      }).build(() => undefined)
      // The second ends while the third is being claimed, whose step lasts.
      const meanwhile: Checkpoint.Service = {
        ...checkpoint,
        claimNext: (wanted) =>
          Effect.tap(checkpoint.claimNext(wanted), (claimed) =>
            claimed.some(({ executionId }) => executionId === "3")
              ? Effect.zipRight(Deferred.succeed(gates[2].goOn, undefined), Effect.repeatN(Effect.yieldNow(), 20))
              : Effect.void)
      }
      yield* Effect.forEach(executionIds, (executionId) => Saga.enqueue(saga, undefined, { executionId }))
      yield* Effect.provideService(
        Layer.build(Worker.layer([saga], { concurrency: 2, interval: "1 hour" })),
        Checkpoint.Checkpoint,
        meanwhile
      )
      yield* Effect.forEach([gates[1], gates[2]], ({ begun }) => Deferred.await(begun))
      yield* Deferred.succeed(gates[1].goOn, undefined)
      yield* Deferred.await(gates[4].begun)
      yield* Effect.forEach([gates[3], gates[4]], ({ goOn }) => Deferred.succeed(goOn, undefined))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("drives what a call of this process has asked for with another input, once that call has its refusal", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      const { letGo } = yield* workerThatMeets(saga, "Trip")
      expect(world.log).toEqual([])
      yield* letGo(new SagaError.ExecutionConflict({ reason: "OtherInput", saga: "Trip", executionId: "1" }))
      expect(yield* Saga.await(saga, "1")).toBe("car-output")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("leaves to others what a call of this process has asked for by another saga", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      const { letGo } = yield* workerThatMeets(saga, "Other")
      const [unfinished] = yield* Stream.runCollect((yield* Checkpoint.Checkpoint).unfinished({ parked: false }))
      yield* letGo(new SagaError.ExecutionConflict({ reason: "OtherSaga", saga: "Other", executionId: "1" }))
      expect(unfinished).toMatchObject({ executionId: "1", leasedFor: 0 })
      expect(world.log).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory), Effect.provide(makeLog().layer)))

  it.scoped("goes on with another while one pauses for a second or longer, and not while one only works long", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const begun: Array<string> = []
      const saga = Saga.make("Mail", { input: Text })
        .final("email", {
          action: ({ input }) =>
            Effect.gen(function*() {
              begun.push(input)
              if (input === "endless") return yield* Effect.fail("mail is down" as const)
              if (input === "slow") yield* Effect.sleep("30 seconds")
              done.push(input)
            }),
          inDoubt: "retry",
          retry: { schedule: Schedule.spaced("1 second") },
          error: "asRecoveredFailure"
        })
        .build(() => undefined)
      for (const input of ["endless", "first", "slow", "last"]) {
        yield* Saga.enqueue(saga, input, { executionId: input })
      }
      yield* Layer.build(Worker.layer([saga], { concurrency: 1 }))
      yield* TestClock.adjust("10 seconds")
      expect(done).toEqual(["first"])
      expect(begun.filter((input) => input === "endless").length).toBeGreaterThan(5)
      expect(begun).toContain("slow")
      expect(begun).not.toContain("last")
      yield* TestClock.adjust("30 seconds")
      expect(done).toEqual(["first", "slow", "last"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("lets at most ten times as many pause as it drives", () =>
    Effect.gen(function*() {
      const begun = new Set<string>()
      const saga = Saga.make("Mail")
        .final("email", {
          action: ({ executionId }) => Effect.suspend(() => (begun.add(executionId), Effect.fail("down" as const))),
          inDoubt: "retry",
          retry: { schedule: Schedule.spaced("10 seconds") },
          error: "asRecoveredFailure"
        })
        .build(() => undefined)
      for (let index = 0; index < 60; index++) yield* Saga.enqueue(saga, undefined, { executionId: `${index}` })
      yield* Layer.build(Worker.layer([saga], { concurrency: 2 }))
      yield* TestClock.adjust("3 minutes")
      expect(begun.size).toBe(22)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("leaves executions of other sagas and versions alone, and warns once of how many there are", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip", 2)
      const old = make("Trip", 1)
      const stranger = make("Unheard")
      for (const executionId of ["a", "b"]) yield* Saga.enqueue(old.saga, undefined, { executionId })
      yield* Saga.enqueue(stranger.saga, undefined, { executionId: "c" })
      const { layer, lines } = makeLog()
      yield* Effect.provide(Layer.build(Worker.layer([saga])), layer)
      yield* TestClock.adjust("10 minutes")
      const warning = "no saga of this worker drives these executions, which are left alone: "
      expect(lines).toEqual([`${warning}2 of Trip (version 1), 1 of Unheard (version 1)`])
      yield* Saga.enqueue(stranger.saga, undefined, { executionId: "d" })
      yield* Saga.enqueue(saga, undefined, { executionId: "e" })
      yield* TestClock.adjust("10 minutes")
      expect(lines.slice(1)).toEqual([`${warning}2 of Trip (version 1), 2 of Unheard (version 1)`])
      expect([old.world.log, stranger.world.log]).toEqual([[], []])
      expect(world.log).toEqual(["+hotel", "+flight", "+car"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("says once of one that does not fit why not, leaves it to others, and drives the rest", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      // The same version, with other steps: nobody raised it.
      const changed = make("Trip").begin.build()
      const store = yield* Checkpoint.Checkpoint
      yield* Saga.enqueue(changed, undefined, { executionId: "changed" })
      const { layer, lines } = makeLog()
      let claims = 0
      const counted: Checkpoint.Service = {
        ...store,
        claimNext: (wanted) =>
          Effect.tap(store.claimNext(wanted), (claimed) => {
            claims += claimed.filter(({ executionId }) => executionId === "changed").length
          })
      }
      yield* Layer.build(Worker.layer([saga], { concurrency: 1 })).pipe(
        Effect.provide(layer),
        Effect.provideService(Checkpoint.Checkpoint, counted)
      )
      yield* TestClock.adjust("10 seconds")
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      expect(yield* Saga.await(saga, "1")).toBe("car-output")
      expect(claims).toBe(1)
      yield* TestClock.adjust("10 minutes")
      expect(claims).toBe(1)
      expect(lines.length).toBe(1)
      expect(lines[0]).toMatch(/^could not recover Trip changed: it is left as it was/)
      expect(world.log).toEqual(["+hotel", "+flight", "+car"])
      // It is free for a worker that has its definition.
      const other = yield* Effect.fork(Saga.await(changed, "changed"))
      yield* Layer.build(Worker.layer([changed]))
      yield* TestClock.adjust("2 minutes")
      expect(yield* Fiber.join(other)).toEqual({ hotel: "hotel-output", flight: "flight-output" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("closed in the middle, leaves what it drives to the checkpoint, and claims nothing more", () =>
    Effect.gen(function*() {
      const { begin, world } = make("Trip")
      const { saga: other, world: untouched } = make("Other")
      const inside = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const saga = begin.readOnly("look", {
        action: () => Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn))
      }).build(() => "seen")
      const scope = yield* Scope.make()
      const context = yield* Effect.context<Checkpoint.Checkpoint>()
      yield* Layer.buildWithScope(Worker.layer([saga, other]), scope).pipe(Effect.provide(context))
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      yield* Deferred.await(inside)
      yield* Scope.close(scope, Exit.void)
      yield* Saga.enqueue(other, undefined, { executionId: "2" })
      yield* TestClock.adjust("1 hour")
      expect([world.log, untouched.log]).toEqual([["+hotel", "+flight"], []])
      expect(Context.get(context, Checkpoint.Checkpoint).findDriven("1")).not.toBe(undefined)
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Saga.await(saga, "1")).toBe("seen")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("refuses options that are no numbers, before it does anything", () =>
    Effect.gen(function*() {
      const { saga } = make("Trip")
      for (
        const options of [
          { concurrency: 0 },
          { concurrency: NaN },
          { perSaga: { Trip: 0.5 } },
          { interval: 0 },
          { interval: NaN },
          { maxClaims: -1 },
          { perSaga: { Trap: 2 } }
        ]
      ) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(Worker.layer([saga], options))))
        expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "InvalidOption" })
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("refuses two definitions of one name and version, of which only one could drive", () =>
    Effect.gen(function*() {
      const sagas = [make("Trip").saga, make("Trip").saga] as const
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Worker.layer(sagas))))
      expect(error.message).toContain("this worker has two definitions of Trip (version 1): raise the version of one")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("drives any number at a time, also on a database, whose numbers end", () =>
    Effect.gen(function*() {
      const { saga } = make("Trip")
      yield* Layer.build(Worker.layer([saga], { concurrency: Infinity }))
      for (const executionId of ["1", "2", "3"]) yield* Saga.enqueue(saga, undefined, { executionId })
      for (const executionId of ["1", "2", "3"]) expect(yield* Saga.await(saga, executionId)).toBe("car-output")
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: ":memory:" }))))

  it.scoped("gives the place of an execution whose step awaits another one to that one", () =>
    Effect.gen(function*() {
      const { saga: child } = make("Child")
      const parent = Saga.make("Parent").compensatable("ask", {
        success: Text,
        error: "asRecoveredFailure",
        inDoubt: "retry",
        action: ({ executionId }) =>
          Effect.zipRight(
            Saga.enqueue(child, undefined, { executionId: `child of ${executionId}` }),
            Saga.await(child, `child of ${executionId}`)
          ),
        compensate: () => Effect.void
      }).build(({ outputs }) => outputs.ask)
      yield* Layer.build(Worker.layer([parent, child], { concurrency: 2 }))
      const ids = ["1", "2", "3", "4"]
      for (const executionId of ids) yield* Saga.enqueue(parent, undefined, { executionId })
      for (const executionId of ids) expect(yield* Saga.await(parent, executionId)).toBe("car-output")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("tries again after a minute what a failure of the store has stopped", () =>
    Effect.gen(function*() {
      const { saga, world } = make("Trip")
      const store = yield* Checkpoint.Checkpoint
      let fails = 1
      const failing: Checkpoint.Service = {
        ...store,
        append: (commit) =>
          commit.sequence === 2 && fails-- > 0
            ? Effect.fail(new SagaError.CheckpointError({ reason: "Locked", operation: "append", detail: "a backup" }))
            : store.append(commit)
      }
      const { layer, lines } = makeLog()
      yield* Layer.build(Worker.layer([saga])).pipe(
        Effect.provide(layer),
        Effect.provideService(Checkpoint.Checkpoint, failing)
      )
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      yield* TestClock.adjust("10 seconds")
      expect(lines[0]).toMatch(/^could not recover Trip 1: it is left as it was/)
      expect(world.log).toEqual(["+hotel"])
      yield* TestClock.adjust("1 minute")
      expect(yield* Saga.await(saga, "1")).toBe("car-output")
      expect(world.standing()).toEqual(["hotel", "flight", "car"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.scoped("keeps nothing of a look once it is over, however often it looks", () =>
    Effect.gen(function*() {
      const service = yield* Checkpoint.Checkpoint
      // The fiber of each look and whatever it was given: a schedule would hand it the fiber of the look before.
      const given: Array<WeakRef<object>> = []
      let looks = 0
      const seen: Checkpoint.Service = {
        ...service,
        claimNext: (wanted) =>
          Effect.withFiberRuntime((fiber) =>
            Effect.flatMap(Effect.context<never>(), ({ unsafeMap }) => {
              looks++
              for (const object of [fiber, ...unsafeMap.values()]) given.push(new WeakRef(object))
              return service.claimNext(wanted)
            })
          )
      }
      yield* Layer.build(Worker.layer([make("Trip").saga], { interval: "1 minute" })).pipe(
        Effect.provideService(Checkpoint.Checkpoint, seen)
      )
      for (let look = 1; look <= 200; look++) yield* TestClock.adjust("1 minute")
      expect(looks).toBe(201)
      // A turn of the event loop first: until then weak references count as strong.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      collectGarbage()
      const kept = new Set(given.flatMap((reference) => reference.deref() ?? []))
      // The services that all looks share, and perhaps what the last look had.
      expect(kept.size).toBeLessThan(50)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("and a recovery beside it get each execution once", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { saga, world } = make("Trip")
      const ids = Array.from({ length: 40 }, (_, index) => `${index}`)
      yield* process(
        store,
        Effect.forEach(ids, (executionId) => Saga.enqueue(saga, undefined, { executionId }), { discard: true })
      )
      yield* process(
        store,
        Effect.scoped(Effect.gen(function*() {
          yield* Layer.build(Worker.layer([saga], { concurrency: 3 }))
          yield* process(store, Recovery.run([saga], { leaseWait: 0 }))
          yield* Effect.forEach(ids, (executionId) => Saga.await(saga, executionId), { discard: true })
        }))
      )
      expect(world.keys.length).toBe(120)
      expect(new Set(world.keys).size).toBe(120)
    }))
})
