/** S14: an execution has one driver at a time, and one that has lost its lease cannot write. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it, vi } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import {
  Chunk,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  FiberRef,
  FiberRefs,
  HashMap,
  Layer,
  List,
  Logger,
  Option,
  Schedule,
  Schema,
  Scope,
  Stream,
  TestClock,
  Tracer
} from "effect"
import { Checkpoint, Journal, Recovery, Saga, SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commitOf } from "../support/commit.ts"
import { failureOf } from "../support/exit.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"
import { failingStore, recoverAll } from "../support/store.ts"
import { makeWorld } from "../support/world.ts"

/** Two steps with a gate between them, at which a run waits the first time only. */
const make = () =>
  Effect.gen(function*() {
    const world = makeWorld()
    const reached = yield* Deferred.make<void>()
    const gate = yield* Deferred.make<void>()
    let first = true
    const saga = Saga.make("Trip")
      .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
      .readOnly("wait", {
        action: () => {
          const waits = first
          first = false
          return waits ? Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(gate)) : Effect.void
        }
      })
      .final("charge", { success: Schema.String, action: world.do("charge"), inDoubt: "retry" })
      .build(({ outputs }) => outputs.charge)
    return { world, saga, reached, gate }
  })

/** A saga that is tried again without end. */
const busy = (attempt: () => void, every: "1 second" | "5 millis") =>
  Saga.make("Trip")
    .final("charge", {
      action: () => Effect.zipRight(Effect.sync(attempt), Effect.fail("busy" as const)),
      inDoubt: "retry",
      retry: { schedule: Schedule.spaced(every) },
      error: "asRecoveredFailure"
    })
    .build()

/** What one process sees of a store. */
const processOn = (store: Checkpoint.Store, options?: Checkpoint.Options) => Checkpoint.make(store, options)

const as = (service: Checkpoint.Service) => Effect.provideService(Checkpoint.Checkpoint, service)

describe("S14: an execution has one driver at a time", () => {
  it.scoped("another process that resumes it is refused, one that executes it waits, and neither has done anything", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      const { gate, reached, saga, world } = yield* make()
      const running = yield* Effect.fork(as(ours)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Deferred.await(reached)
      expect(failureOf(yield* Effect.exit(as(other)(Saga.resume(saga, "1"))))).toMatchObject({
        _tag: "ExecutionConflict",
        reason: "OtherDriver",
        executionId: "1"
      })
      const waiting = yield* Effect.fork(as(other)(Saga.execute(saga, undefined, { executionId: "1" })))
      const reading = yield* Effect.fork(as(other)(Saga.await(saga, "1")))
      expect(yield* as(other)(Saga.poll(saga, "1"))).toEqual(Option.none())
      expect(world.log).toEqual(["+hotel"])
      yield* Deferred.succeed(gate, undefined)
      expect(yield* running).toBe("charge-output")
      expect([yield* waiting, yield* reading]).toEqual(["charge-output", "charge-output"])
      // What came of it is everybody's.
      expect(yield* as(other)(Saga.execute(saga, undefined, { executionId: "1" }))).toBe("charge-output")
      expect(world.log).toEqual(["+hotel", "+charge"])
    }))

  it.scoped("of two processes that start the same execution at once, one goes on before anything is done", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const processes = yield* Effect.all(Array.from({ length: 5 }, () => processOn(store)))
      const { gate, saga, world } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Effect.forEach(
        processes,
        (service) => Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "1" }))),
        { concurrency: "unbounded" }
      )
      expect(exits).toEqual(Array(5).fill(Exit.succeed("charge-output")))
      expect(world.log).toEqual(["+hotel", "+charge"])
    }))

  it.scoped("a process that was paused past its lease cannot write: another has gone on, and it stops", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const [paused, other] = [yield* processOn(store), yield* processOn(store)]
      const { gate, reached, saga, world } = yield* make()
      const running = yield* Effect.fork(as(paused)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Deferred.await(reached)
      yield* TestClock.adjust("31 seconds")
      expect(yield* as(other)(recoverAll([saga]))).toMatchObject([{ _tag: "Succeeded", output: "charge-output" }])
      yield* Deferred.succeed(gate, undefined)
      expect(failureOf(yield* Fiber.await(running))).toMatchObject({
        _tag: "ExecutionConflict",
        reason: "LeaseLost",
        executionId: "1"
      })
      // The outcome of the hotel was not stored yet: it was asked for again, under its key, by the other.
      expect(world.log).toEqual(["+hotel", "+hotel", "+charge"])
      expect(world.standing()).toEqual(["hotel", "charge"])
    }))

  it.scoped("nor can it where nobody has taken over; under a new lease it goes on itself", () =>
    Effect.gen(function*() {
      const service = yield* processOn(yield* Checkpoint.makeMemory)
      const { gate, reached, saga, world } = yield* make()
      const running = yield* Effect.fork(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Deferred.await(reached)
      yield* TestClock.adjust("30 seconds")
      yield* Deferred.succeed(gate, undefined)
      expect(failureOf(yield* Fiber.await(running))).toMatchObject({ reason: "LeaseLost" })
      expect(world.log).toEqual(["+hotel"])
      expect(yield* as(service)(Saga.resume(saga, "1"))).toBe("charge-output")
      expect(world.standing()).toEqual(["hotel", "charge"])
    }))

  it.scoped("what a process drove is free when it closes", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const other = yield* processOn(store)
      const { reached, saga, world } = yield* make()
      const scope = yield* Scope.make()
      const closing = yield* Scope.extend(processOn(store), scope)
      const running = yield* Effect.fork(
        as(closing)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      yield* Scope.close(scope, Exit.void)
      expect(yield* as(other)(recoverAll([saga]))).toMatchObject([{ _tag: "Succeeded" }])
      yield* Fiber.interrupt(running)
      expect(world.standing()).toEqual(["hotel", "charge"])
    }))

  it.scoped("what a process leaves unfinished is free for others at once, although it goes on living", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      const { reached, saga, world } = yield* make()
      const running = yield* Effect.fork(
        as(ours)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(running)
      expect(yield* as(other)(recoverAll([saga]))).toMatchObject([{ _tag: "Succeeded" }])
      expect(world.log).toEqual(["+hotel", "+charge"])
    }))

  it.scoped("what another did between the look at an execution and its claim is seen: what it parked stays parked", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const other = yield* processOn(store)
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .final("charge", {
          action: () =>
            Effect.zipRight(world.note("?charge"), Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))),
          inDoubt: "park"
        })
        .build()
      yield* Effect.exit(
        as(failingStore(other, { failAt: 1 }))(Saga.execute(saga, undefined, { executionId: "1" }))
      )
      expect(world.log).toEqual(["+hotel"])
      const late = yield* processOn({
        ...store,
        claim: (executionId, token) =>
          Effect.zipRight(Effect.exit(as(other)(Saga.resume(saga, "1"))), store.claim(executionId, token))
      })
      const exit = yield* Effect.exit(as(late)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "charge", parked: true })
      expect(world.log).toEqual(["+hotel", "+hotel", "?charge"])
    }))

  it.scoped("a parked execution is nobody's, whoever parked it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      let broken = true
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          action: () => Effect.void,
          compensate: () => broken ? Effect.fail("busy" as const) : Effect.void
        })
        .readOnly("check", { action: () => Effect.fail("no" as const), error: "asRecoveredFailure" })
        .build()
      const exit = yield* Effect.exit(as(ours)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "PartlyUndone", parked: true })
      broken = false
      expect(failureOf(yield* Effect.exit(as(other)(Saga.resume(saga, "1"))))).toMatchObject({
        _tag: "RecoveredFailure",
        detail: "no"
      })
    }))
})

describe("S14: what is sent under an earlier claim is not stored after a later one", () => {
  it.scoped("also where both are of one process: a commit that was given up for lost, and comes late", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let late: ReadonlyArray<Checkpoint.Commit> = []
      let loses = true
      const service = yield* processOn({
        ...store,
        append: (commits) => {
          if (!loses || commits[0]!.sequence === 0) return store.append(commits)
          late = commits
          return Effect.die("the connection was lost")
        }
      })
      const world = makeWorld()
      let soldOut = true
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          success: Schema.String,
          action: (context) => soldOut ? Effect.fail("sold out" as const) : world.do("hotel")(context),
          compensate: world.undo("hotel"),
          error: "asRecoveredFailure"
        })
        .build()
      const lost = yield* Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(lost)).toMatchObject({ _tag: "CheckpointError" })
      loses = false
      soldOut = false
      expect(yield* as(service)(Saga.resume(saga, "1"))).toEqual({ hotel: "hotel-output" })
      // It says that the hotel failed, and nothing was done.
      expect(yield* store.append(late)).toEqual([false])
      expect(yield* as(service)(Saga.resume(saga, "1"))).toEqual({ hotel: "hotel-output" })
      expect(world.standing()).toEqual(["hotel"])
    }))

  it.scopedLive("and a release that was put off does not end a later claim", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let reachable = true
      const released: Array<number> = []
      const ours = yield* processOn({
        ...store,
        release: (token, claims) => {
          if (!reachable) return Effect.die("out of reach")
          released.push(...(claims ?? []).map(({ fence }) => fence))
          return store.release(token, claims)
        }
      }, { lease: "3 seconds" })
      const other = yield* processOn(store)
      const { gate, reached, saga } = yield* make()
      const first = yield* Effect.fork(
        as(ours)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      reachable = false
      yield* Fiber.interrupt(first)
      const inside = yield* Deferred.make<void>()
      const again = Saga.make("Trip")
        .compensatable("hotel", {
          success: Schema.String,
          action: () => Effect.succeed(""),
          compensate: () => Effect.void
        })
        .readOnly("wait", { action: () => Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(gate)) })
        .final("charge", { success: Schema.String, action: () => Effect.succeed("paid"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.charge)
      const second = yield* Effect.fork(as(ours)(Saga.resume(again, "1")))
      yield* Deferred.await(inside)
      reachable = true
      yield* Effect.repeat(Effect.sync(() => released.length), {
        until: (count) => count > 0,
        schedule: Schedule.spaced("10 millis")
      })
      expect(failureOf(yield* Effect.exit(as(other)(Saga.resume(again, "1"))))).toMatchObject({ reason: "OtherDriver" })
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(second)).toBe("paid")
    }))
})

describe("S14: a claim is released by its process", () => {
  it.scoped("also of an execution that it leaves while unwinding", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("flight", {
          success: Schema.String,
          action: world.do("flight"),
          compensate: world.undo("flight")
        })
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .readOnly("check", { action: () => Effect.fail("no" as const), error: "asRecoveredFailure" })
        .build()
      // Both intents, and the decision to unwind: what comes of the compensation of the hotel is not stored any more.
      const exit = yield* Effect.exit(
        as(failingStore(ours, { failAt: 3 }))(Saga.execute(saga, undefined, { executionId: "1" }))
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(yield* Effect.map(Stream.runCollect(store.unfinished({ parked: false })), Chunk.toReadonlyArray))
        .toMatchObject([{ executionId: "1", status: "Unwinding", token: undefined }])
      expect(failureOf(yield* Effect.exit(as(other)(Saga.resume(saga, "1"))))).toMatchObject({ detail: "no" })
      expect(world.standing()).toEqual([])
    }))

  /** An execution whose process died after the intent of its hotel was stored. */
  const begun = (store: Checkpoint.Store) =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Trip")
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const ours = yield* processOn(store)
      yield* Effect.exit(as(failingStore(ours, { failAt: 1 }))(Saga.execute(saga, undefined, { executionId: "1" })))
      return saga
    })

  /** Ends a life of a process with this error; afterwards another one may claim the execution. */
  const freed = (
    store: Checkpoint.Store,
    life: Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>,
    error: object
  ) =>
    Effect.gen(function*() {
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      expect(failureOf(yield* Effect.exit(as(ours)(life)))).toMatchObject(error)
      yield* other.claim({ executionId: "1", saga: "Trip" })
    })

  const ends = {
    "success": () => Effect.succeed("room 7"),
    "undoing": () => Effect.fail("no" as const),
    "doubt, with which it parks": () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
  }
  for (const [end, action] of Object.entries(ends)) {
    it.scoped(`also of an execution whose end it cannot store: its ${end}`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const [ours, other] = [yield* processOn(store), yield* processOn(store)]
        const saga = Saga.make("Trip")
          .compensatable("hotel", {
            success: Schema.String,
            action: action as () => Effect.Effect<string, "no" | SagaError.OutcomeUnknown>,
            compensate: () => Effect.void,
            inDoubt: "park",
            error: "asRecoveredFailure"
          })
          .build()
        const life = Saga.execute(saga, undefined, { executionId: "1" })
        expect(failureOf(yield* Effect.exit(as(failingStore(ours, { failAt: 1 }))(life)))).toMatchObject({
          _tag: "CheckpointError"
        })
        yield* other.claim({ executionId: "1", saga: "Trip" })
      }))
  }

  for (const [end, action] of Object.entries(ends)) {
    it.scoped(`and a recovery that cannot store an execution's end says that it was left: its ${end}`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const [ours, other] = [yield* processOn(store), yield* processOn(store)]
        const saga = Saga.make("Trip")
          .compensatable("hotel", {
            success: Schema.String,
            action: action as () => Effect.Effect<string, "no" | SagaError.OutcomeUnknown>,
            compensate: () => Effect.void,
            inDoubt: "retry",
            error: "asRecoveredFailure"
          })
          .build()
        const began = as(failingStore(ours, { failAt: 1 }))(Saga.execute(saga, undefined, { executionId: "1" }))
        yield* Effect.exit(began)
        expect(yield* as(failingStore(other, { failAt: 0 }))(recoverAll([saga]))).toMatchObject([
          { _tag: "LeftAsItWas", cause: { _tag: "Fail", error: { _tag: "CheckpointError", reason: "Full" } } }
        ])
        yield* ours.claim({ executionId: "1", saga: "Trip" })
      }))
  }

  it.scoped("also of an execution that keeps failing, where it cannot store that", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const saga = yield* begun(store)
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      for (let life = 1; life <= 2; life++) {
        expect(yield* as(failingStore(ours, { failAt: 0 }))(recoverAll([saga], { maxClaims: 1 }))).toMatchObject([
          { _tag: "LeftAsItWas", cause: { _tag: "Fail", error: { _tag: "CheckpointError" } } }
        ])
      }
      yield* other.claim({ executionId: "1", saga: "Trip" })
    }))

  it.scoped("also of an execution whose journal it can load before the claim, and not after it", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const saga = yield* begun(store)
      let loads = 0
      const damaged: Checkpoint.Store = {
        ...store,
        load: (executionId) =>
          Effect.map(store.load(executionId), (commits) => ++loads === 1 ? commits : [{ sequence: 0, body: "{" }])
      }
      yield* freed(damaged, Saga.resume(saga, "1"), { _tag: "JournalCorrupt" })
    }))

  it.scoped("also of an execution that another has parked since it looked", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const saga = yield* begun(store)
      const commits = yield* store.load("1")
      const body = Journal.encodeCommit([
        { _tag: "StepInDoubt", step: "hotel", reason: "no reply", attempts: 1, at: 0 },
        { _tag: "Parked", reason: "OutcomeUnknown", at: 0 }
      ])
      let loads = 0
      const parked: Checkpoint.Store = {
        ...store,
        load: () => Effect.sync(() => ++loads === 1 ? commits : [...commits, { sequence: 1, body }])
      }
      yield* freed(parked, Saga.execute(saga, undefined, { executionId: "1" }), {
        _tag: "OutcomeUnknown",
        step: "hotel"
      })
    }))

  it.scoped("also of an execution about which it refuses a finding that has grown old", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const saga = yield* begun(store)
      // Between the look and the claim its outcome is stored.
      const commits = yield* store.load("1")
      const body = Journal.encodeCommit([
        { _tag: "StepSucceeded", step: "hotel", output: "room 7", attempts: 1, at: 0 }
      ])
      let loads = 0
      const settled: Checkpoint.Store = {
        ...store,
        load: () => Effect.sync(() => ++loads === 1 ? commits : [...commits, { sequence: 1, body }])
      }
      const found = { step: "hotel", happened: false } as const
      yield* freed(settled, Saga.resume(saga, "1", { found }), { _tag: "StepNotInDoubt" })
    }))

  it.scopedLive("with the next renewal if it was put off, although an earlier release of it has come through meanwhile", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const arrived = yield* Deferred.make<void>()
      const answers = yield* Deferred.make<void>()
      let calls = 0
      const service = yield* processOn({
        ...store,
        release: (token, claims) =>
          Effect.suspend(() => {
            switch (++calls) {
              case 1:
                return Effect.zipRight(
                  Deferred.succeed(arrived, undefined),
                  Effect.zipRight(Deferred.await(answers), store.release(token, claims))
                )
              case 2:
                return Effect.die("out of reach")
              default:
                return store.release(token, claims)
            }
          })
      }, { lease: "3 seconds" })
      const token = yield* service.token
      yield* service.append(commitOf({ executionId: "1", token }))
      const execution = { executionId: "1", saga: "Trip" }
      const early = yield* Effect.fork(service.release("1", { token, fence: 0 }))
      yield* Deferred.await(arrived)
      yield* service.release("1", yield* service.claim(execution))
      yield* Deferred.succeed(answers, undefined)
      yield* Fiber.join(early)
      const other = yield* processOn(store)
      // Only the renewal is left to release it.
      yield* Effect.retry(other.claim(execution), { schedule: Schedule.spaced("50 millis") })
      expect(service.isValid(token)).toBe(true)
    }))
})

describe("a lease by the clocks of its process", () => {
  it.scopedLive("lasts from when the store was asked, not from when it answered", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const slowly = Effect.delay("700 millis")
      const service = yield* processOn({
        ...store,
        acquire: (lease) => slowly(store.acquire({ milliseconds: lease.milliseconds * 100 }))
      }, { lease: "600 millis" })
      expect(service.isValid(yield* service.token)).toBe(false)
    }))

  it.scoped("ends for it while the machine sleeps, of which one clock knows nothing", () =>
    Effect.gen(function*() {
      const service = yield* processOn(yield* Checkpoint.makeMemory)
      const token = yield* service.token
      expect(service.isValid(token)).toBe(true)
      const spy = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 31_000)
      yield* Effect.addFinalizer(() => Effect.sync(() => spy.mockRestore()))
      expect(service.isValid(token)).toBe(false)
      // The store decides: there the lease lasts still.
      expect(yield* service.token).toBe(token)
      expect(service.isValid(token)).toBe(true)
    }))
})

describe("a store that does not answer any more", () => {
  it.scopedLive("keeps no process from closing for longer than its lease", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const never = Effect.uninterruptible(Effect.never)
      const asked: Array<string> = []
      const silent = (operation: string) => Effect.zipRight(Effect.sync(() => void asked.push(operation)), never)
      const scope = yield* Scope.make()
      const service = yield* Scope.extend(
        processOn({
          ...store,
          append: () => silent("append"),
          renew: () => silent("renew"),
          release: () => silent("release")
        }, { lease: "1 second" }),
        scope
      )
      const token = yield* service.token
      yield* Effect.forkDaemon(service.append(commitOf({ executionId: "1", token })))
      yield* Effect.repeat(Effect.sync(() => asked), {
        until: (asked) => asked.includes("append") && asked.includes("renew"),
        schedule: Schedule.spaced("20 millis")
      })
      yield* Scope.close(scope, Exit.void)
      expect(service.isValid(token)).toBe(false)
    }))
})

describe("a process that is busy with executions without a pause", () => {
  for (const concurrency of [1, 7]) {
    it.scoped(`lets timers fire, those that renew its lease too: ${concurrency} at a time`, () =>
      Effect.gen(function*() {
        const store = yield* SqliteCheckpoint.make({ filename: ":memory:" })
        const service = yield* processOn(store)
        let fired = 0
        yield* Effect.acquireRelease(
          Effect.sync(() => setInterval(() => fired++, 1)),
          (timer) => Effect.sync(() => clearInterval(timer))
        )
        const saga = Saga.make("Trip").final("charge", { action: () => Effect.void, inDoubt: "retry" }).build()
        yield* Effect.forEach(
          Array.from({ length: 5000 }, (_, index) => `${index}`),
          // Effect itself lets a timer fire now and then.
          (executionId) => fired > 5 ? Effect.void : as(service)(Saga.execute(saga, undefined, { executionId })),
          { concurrency, discard: true }
        )
        expect(fired).toBeGreaterThan(5)
      }))
  }
})

describe("the fibers of a store", () => {
  it.scopedLive("have no annotations and no span of the call that came first", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const lines: Array<readonly [string, ReadonlyArray<string>, boolean]> = []
      const logger = Logger.make(({ annotations, context, message, spans }) => {
        const hasSpan = Option.isSome(
          Context.getOption(FiberRefs.getOrDefault(context, FiberRef.currentContext), Tracer.ParentSpan)
        )
        lines.push([String(message), Array.from(HashMap.keys(annotations)), hasSpan || !List.isNil(spans)])
      })
      yield* Effect.gen(function*() {
        const service = yield* processOn(
          {
            ...store,
            renew: () => Effect.succeed(false),
            append: (commits) => Effect.zipRight(Effect.logInfo("writes"), store.append(commits))
          },
          { lease: "300 millis" }
        )
        const first = Effect.flatMap(service.token, (token) => service.append(commitOf({ executionId: "1", token })))
          .pipe(
            Effect.annotateLogs("request", "first"),
            Effect.withLogSpan("request"),
            Effect.withSpan("request")
          )
        yield* Effect.exit(first)
        yield* Effect.repeat(Effect.sync(() => lines.length), {
          until: (count) => count >= 2,
          schedule: Schedule.spaced("20 millis")
        })
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      expect(lines.slice(0, 2)).toEqual([
        ["writes", [], false],
        [expect.stringMatching(/^the lease of this process has ended/), [], false]
      ])
    }))
})

describe("a process whose store or lease goes wrong", () => {
  it.scoped("goes on writing after a store that died while a refusal was to be explained", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let broken = true
      const service = yield* processOn({
        ...store,
        append: (commits) => broken ? Effect.succeed(commits.map(() => false)) : store.append(commits),
        renew: (token) => broken ? Effect.die("out of reach") : store.renew(token)
      })
      const { gate, saga } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      const exit = yield* Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
      broken = false
      expect(yield* as(service)(Saga.execute(saga, undefined, { executionId: "2" }))).toBe("charge-output")
    }))

  it.scoped("attempts nothing any more once it is closed", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const scope = yield* Scope.make()
      const closing = yield* Scope.extend(processOn(store), scope)
      let attempts = 0
      const saga = busy(() => attempts++, "1 second")
      const running = yield* Effect.fork(as(closing)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* TestClock.adjust("3 seconds")
      expect(attempts).toBe(4)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      expect(attempts).toBe(4)
      expect(failureOf(yield* Fiber.await(running))).toMatchObject({
        _tag: "CheckpointError",
        reason: "Unavailable",
        detail: "the store is closed"
      })
    }))

  it.scopedLive("starts something new after a pause under a new lease", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const service = yield* processOn(store, { lease: "1 second" })
      const { gate, saga } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      yield* as(service)(Saga.execute(saga, undefined, { executionId: "1" }))
      const until = performance.now() + 1200
      while (performance.now() < until) { /* The event loop stands still, as in a pause. */ }
      expect(yield* as(service)(Saga.execute(saga, undefined, { executionId: "2" }))).toBe("charge-output")
    }))

  it.scoped("remembers once what it has to let go of, however often it fails", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const full = Effect.fail(new SagaError.CheckpointError({ reason: "Full", operation: "append", detail: "" }))
      let most = 0
      const service = yield* processOn({
        ...store,
        append: () => full,
        release: (_, claims) => (most = Math.max(most, claims?.length ?? 0), full)
      })
      const { gate, saga } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      for (let time = 0; time < 50; time++) {
        yield* Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "same" })))
      }
      expect(most).toBe(1)
    }))
})

describe("leases that have ended and cannot be cleared away", () => {
  it.scopedLive("keep no process from renewing its own, and none from listing what is left", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(sqliteDatabase.client)
      const store = yield* Effect.provide(SqlCheckpoint.make(), context)
      const sql = Context.get(context, SqlClient.SqlClient)
      const ended = yield* store.acquire({ milliseconds: 60_000 })
      const token = yield* store.acquire({ milliseconds: 60_000 })
      yield* store.append([commitOf({ executionId: "1", token: ended })])
      yield* sql`UPDATE effect_saga_lease SET expires_at = 1 WHERE token = ${ended}`
      yield* sql`CREATE TRIGGER stuck BEFORE DELETE ON effect_saga_lease BEGIN SELECT RAISE(ABORT, 'stuck'); END`
      const endsAt = sql<{ at: number }>`SELECT expires_at AS at FROM effect_saga_lease WHERE token = ${token}`
      yield* sql`UPDATE effect_saga_lease SET expires_at = expires_at - 10000 WHERE token = ${token}`
      const [before] = yield* endsAt
      expect(yield* store.renew(token)).toBe(true)
      const [after] = yield* endsAt
      expect(after!.at).toBeGreaterThan(before!.at)
      const listed = yield* Stream.runCollect(store.unfinished({ parked: false }))
      expect(Chunk.toReadonlyArray(listed)).toMatchObject([{ executionId: "1", leasedFor: 0 }])
      // A lease of its own is another matter: a process that begins is told.
      expect(failureOf(yield* Effect.exit(store.acquire({ milliseconds: 60_000 })))).toMatchObject({ detail: "stuck" })
    }))
})

const sqliteDatabase = {
  client: Layer.orDie(SqliteClient.layer({ filename: ":memory:" })) as Layer.Layer<SqlClient.SqlClient>,
  now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
}
const postgresDatabase = {
  client: freshClient as Layer.Layer<SqlClient.SqlClient>,
  now: "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
}

describe("a lease on SQLite, by the database's clock", () => leasesOn(sqliteDatabase))
describePostgres("a lease, by the database's clock", () => leasesOn(postgresDatabase))

function leasesOn({ client, now }: typeof sqliteDatabase) {
  /** A database, as several processes see it, and a connection to look into it. */
  const database = Effect.gen(function*() {
    const context = yield* Layer.build(client)
    const store = yield* Effect.provide(SqlCheckpoint.make(), context)
    return { store, sql: Context.get(context, SqlClient.SqlClient) }
  })

  it.scopedLive("is renewed for as long as the process lives", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const service = yield* processOn(store, { lease: "3 seconds" })
      const { gate, reached, saga } = yield* make()
      const running = yield* Effect.fork(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Deferred.await(reached)
      const ends = Effect.map(
        sql<{ at: number | string }>`SELECT expires_at AS at FROM effect_saga_lease`,
        (rows) => Number(rows[0]!.at)
      )
      const began = yield* ends
      // Several times its length later it lasts still.
      yield* Effect.repeat(ends, { until: (at) => at > began + 2500, schedule: Schedule.spaced("20 millis") })
      yield* Deferred.succeed(gate, undefined)
      expect(yield* running).toBe("charge-output")
    }))

  it.scopedLive("that has run out lets nobody write, claim or renew, although nobody has cleared it away", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const [token, other] = [
        yield* store.acquire({ milliseconds: 60_000 }),
        yield* store.acquire({ milliseconds: 60_000 })
      ]
      const commit = (executionId: string, sequence: number) => commitOf({ executionId, sequence, token })
      yield* store.append([commit("a", 0), commit("b", 0)])
      yield* sql`UPDATE effect_saga_lease SET expires_at = 0 WHERE token = ${token}`
      expect(yield* store.append([commit("a", 1)])).toEqual([false])
      expect(yield* store.append([commit("new", 0)])).toEqual([false])
      expect(yield* store.claim("a", token)).toBe(undefined)
      expect(yield* store.claim("a", other)).toBe(1)
      yield* sql`UPDATE effect_saga_lease SET expires_at = 0 WHERE token = ${token}`
      expect(yield* store.renew(token)).toBe(false)
      const tokens = Effect.map(
        sql<{ token: number | string }>`SELECT token FROM effect_saga_lease`,
        (rows) => rows.map(({ token }) => Number(token))
      )
      // Whoever renews a lease clears away those that are over.
      expect(yield* store.renew(other)).toBe(true)
      expect(yield* tokens).toEqual([other])
    }))

  it.scopedLive("may be without an end", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      const service = yield* processOn(store, { lease: Infinity })
      const { gate, saga } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      expect(yield* as(service)(Saga.execute(saga, undefined, { executionId: "1" }))).toBe("charge-output")
    }))

  it.scopedLive("that is lost ends a retry before its next attempt", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const service = yield* processOn(store, { lease: "3 seconds" })
      let attempts = 0
      const saga = busy(() => attempts++, "5 millis")
      const running = yield* Effect.fork(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Effect.repeat(Effect.sync(() => attempts), {
        until: (attempts) => attempts > 3,
        schedule: Schedule.spaced("5 millis")
      })
      yield* sql`DELETE FROM effect_saga_lease`
      expect(failureOf(yield* Fiber.await(running))).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
      // Nothing is recorded of what it could not say any more.
      expect((yield* store.load("1")).length).toBe(1)
    }))

  it.scopedLive("that runs out while the store is out of reach ends a retry too", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      const service = yield* processOn({ ...store, renew: () => Effect.die("out of reach") }, { lease: "1 second" })
      const saga = Saga.make("Trip")
        .final("charge", {
          action: () => Effect.fail("busy" as const),
          inDoubt: "retry",
          retry: { schedule: Schedule.spaced("5 millis"), times: 2000 },
          error: "asRecoveredFailure"
        })
        .build()
      const exit = yield* Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
      expect((yield* store.load("1")).length).toBe(1)
    }))

  it.scopedLive("that is lost ends the retry of a compensation too", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const service = yield* processOn(store, { lease: "3 seconds" })
      let attempts = 0
      const saga = Saga.make("Trip")
        .compensatable("hotel", {
          action: () => Effect.void,
          compensate: () => Effect.suspend(() => (attempts++, Effect.fail("busy" as const))),
          compensationRetry: { schedule: Schedule.spaced("5 millis") }
        })
        .readOnly("check", { action: () => Effect.fail("no" as const), error: "asRecoveredFailure" })
        .build()
      const running = yield* Effect.fork(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Effect.repeat(Effect.sync(() => attempts), {
        until: (attempts) => attempts > 3,
        schedule: Schedule.spaced("5 millis")
      })
      yield* sql`DELETE FROM effect_saga_lease`
      expect(failureOf(yield* Fiber.await(running))).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
    }))

  it.scopedLive("of a process that has died is waited for by recovery, and then what it drove is finished", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const service = yield* processOn(store)
      // It renews nothing and releases nothing.
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const dead: Checkpoint.Service = {
        ...service,
        token: Effect.succeed(token),
        isValid: () => true,
        release: () => Effect.void
      }
      const { reached, saga, world } = yield* make()
      const running = yield* Effect.fork(
        as(dead)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(running)
      expect(failureOf(yield* Effect.exit(as(service)(Saga.resume(saga, "1"))))).toMatchObject({
        reason: "OtherDriver"
      })
      yield* sql.unsafe(`UPDATE effect_saga_lease SET expires_at = ${now} + 500 WHERE token = ${token}`)
      expect(yield* as(service)(Recovery.run([saga]))).toMatchObject({ succeeded: 1 })
      expect(world.log).toEqual(["+hotel", "+charge"])
    }))

  // Recovery waits by the clock of the test, and the lease lasts by that of the database.
  it.scoped("of a process that lives is left to it by recovery", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      const [ours, other] = [yield* processOn(store), yield* processOn(store)]
      const { gate, reached, saga, world } = yield* make()
      const running = yield* Effect.fork(as(ours)(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* Deferred.await(reached)
      const recovering = yield* Effect.fork(as(other)(recoverAll([saga])))
      yield* Effect.repeat(
        Effect.zipRight(
          TestClock.adjust("1 minute"),
          Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
        ),
        { until: () => Effect.map(Fiber.poll(recovering), Option.isSome) }
      )
      expect(yield* Fiber.join(recovering)).toEqual([])
      yield* Deferred.succeed(gate, undefined)
      expect(yield* running).toBe("charge-output")
      expect(world.log).toEqual(["+hotel", "+charge"])
    }))

  it.scopedLive("does not outlast its time because the clock was set back", () =>
    Effect.gen(function*() {
      const { sql, store } = yield* database
      const token = yield* store.acquire({ milliseconds: 500 })
      // An hour back: what was to end in a moment seems to end in an hour.
      yield* sql`UPDATE effect_saga_lease SET expires_at = expires_at + 3600000`
      expect(yield* store.renew(token)).toBe(true)
      yield* sql`UPDATE effect_saga_lease SET expires_at = expires_at + 3600000`
      // Another process comes, and from then on it lasts no longer than it was given for.
      yield* store.acquire({ milliseconds: 500 })
      const tooLong = sql.unsafe(`SELECT token FROM effect_saga_lease WHERE expires_at > ${now} + 1000`)
      expect(yield* tooLong).toEqual([])
    }))

  it.scopedLive("that could not be let go of, for the store was out of reach, is let go of with the next renewal", () =>
    Effect.gen(function*() {
      const { store } = yield* database
      let reachable = true
      const service = yield* processOn({
        ...store,
        release: (token, executionIds) => reachable ? store.release(token, executionIds) : Effect.die("out of reach")
      }, { lease: "3 seconds" })
      const other = yield* processOn(store)
      const { reached, saga } = yield* make()
      const running = yield* Effect.fork(
        as(service)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      reachable = false
      yield* Fiber.interrupt(running)
      expect(yield* Effect.exit(as(other)(Saga.resume(saga, "1")))).toMatchObject({ _tag: "Failure" })
      reachable = true
      expect(
        yield* Effect.retry(as(other)(Saga.resume(saga, "1")), { schedule: Schedule.spaced("20 millis") })
      ).toBe("charge-output")
    }))
}

describe("a lease on a SQLite file under Linux", () => {
  it.scoped.skipIf(process.platform !== "linux")(
    "ends at once where its process has ended, although another process has its number now",
    () =>
      Effect.gen(function*() {
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-leases-"))),
          (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
        )
        const filename = join(directory, "journal.db")
        const store = yield* SqliteCheckpoint.make({ filename })
        const [living, dead] = [
          yield* store.acquire({ milliseconds: 60_000 }),
          yield* store.acquire({ milliseconds: 60_000 })
        ]
        const database = new Sqlite(filename)
        const ownerOf = (token: number) =>
          database.prepare("SELECT owner FROM effect_saga_lease WHERE token = ?").pluck().get(token)
        // The last part of the name is when the process started: this one has our number, and is not us.
        const owner = String(ownerOf(dead))
        database.prepare("UPDATE effect_saga_lease SET owner = ? WHERE token = ?").run(
          owner.replace(/[0-9]+$/, "1"),
          dead
        )
        expect(yield* store.renew(living)).toBe(true)
        const left = database.prepare("SELECT token FROM effect_saga_lease").pluck().all()
        database.close()
        expect(left).toEqual([living])
      })
  )
})

describe("a process", () => {
  it.scoped("begins one lease, however many executions it begins with at once", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let leases = 0
      const service = yield* processOn({
        ...store,
        acquire: (lease) => Effect.suspend(() => (leases++, Effect.zipRight(Effect.yieldNow(), store.acquire(lease))))
      })
      const { gate, saga } = yield* make()
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => `e${index}`),
        (executionId) => as(service)(Saga.execute(saga, undefined, { executionId })),
        { concurrency: "unbounded" }
      )
      expect(leases).toBe(1)
    }))

  it.scopedLive("keeps its lease although the store fails it now and then", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      let renewals = 0
      const service = yield* processOn({
        ...store,
        renew: (token) => Effect.suspend(() => renewals++ % 2 === 0 ? Effect.die("out of reach") : store.renew(token))
      }, { lease: "2 seconds" })
      const token = yield* service.token
      yield* Effect.repeat(Effect.sync(() => renewals), {
        until: (renewals) => renewals >= 4,
        schedule: Schedule.spaced("20 millis")
      })
      expect(service.isValid(token)).toBe(true)
      expect(yield* service.token).toBe(token)
    }))

  it.scopedLive("stops by itself when it has been out of touch for as long as its lease", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const service = yield* processOn({ ...store, renew: () => Effect.die("out of reach") }, { lease: "1 second" })
      const saga = Saga.make("Trip")
        .final("charge", {
          action: () => Effect.fail("busy" as const),
          inDoubt: "retry",
          retry: { schedule: Schedule.spaced("5 millis") },
          error: "asRecoveredFailure"
        })
        .build()
      const exit = yield* Effect.exit(as(service)(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(failureOf(exit)).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
    }))

  it.scoped("returns what another has come to, which finished the execution just before it was to be claimed", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const other = yield* processOn(store)
      const { reached, saga, world } = yield* make()
      const ours = yield* processOn({
        ...store,
        claim: (executionId, token) =>
          Effect.zipRight(Effect.orDie(as(other)(Saga.resume(saga, executionId))), store.claim(executionId, token))
      })
      const first = yield* Effect.fork(
        as(other)(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(first)
      expect(yield* as(ours)(Saga.resume(saga, "1"))).toBe("charge-output")
      expect(world.log.filter((line) => line === "+charge").length).toBe(1)
    }))

  it.scopedLive("writes what waits for its writer before it closes", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const writing = yield* Deferred.make<void>()
      const written = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const service = yield* Scope.extend(
        processOn({
          ...store,
          append: (commits) =>
            Effect.zipRight(
              Deferred.succeed(writing, undefined),
              Effect.zipRight(Deferred.await(written), store.append(commits))
            )
        }),
        scope
      )
      const token = yield* service.token
      const append = (executionId: string) => Effect.fork(Effect.exit(service.append(commitOf({ executionId, token }))))
      const first = yield* append("first")
      yield* Deferred.await(writing)
      const second = yield* append("second")
      yield* Effect.yieldNow()
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(written, undefined)
      yield* Fiber.join(closing)
      expect(Exit.isSuccess(yield* Fiber.join(first))).toBe(true)
      expect(Exit.isSuccess(yield* Fiber.join(second))).toBe(true)
      expect((yield* store.load("second")).length).toBe(1)
    }))
})
