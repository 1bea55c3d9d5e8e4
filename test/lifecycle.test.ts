/** The life of an execution (S17, S18, S19, S21, S26) on every store, with two processes on one of it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, ExecutionStrategy, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failureOf } from "./support/exit.ts"
import { describePostgres, freshDatabase } from "./support/postgres.ts"
import { reserve, step, Text } from "./support/sagas.ts"
import { eventsOf, recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

/** Opens a store as one process does; each process of a test opens it for itself. */
type Open = Effect.Effect<Checkpoint.Store, unknown, Scope.Scope>

/** A process, until its scope closes. */
const begin = (open: Open, wrap: (store: Checkpoint.Store) => Checkpoint.Store = (store) => store) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const service = yield* Scope.extend(Effect.flatMap(open, (store) => Checkpoint.make(wrap(store))), scope)
    return {
      service,
      within: Effect.provideService(Checkpoint.Checkpoint, service),
      close: Scope.close(scope, Exit.void)
    }
  })

const gate = Effect.gen(function*() {
  const inside = yield* Deferred.make<void>()
  const goOn = yield* Deferred.make<void>()
  const pass = Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn))
  return { pass, inside: Deferred.await(inside), open: Deferred.succeed(goOn, undefined) }
})

const clerk = { by: "clerk 4", reason: "the customer called" }
const cancelled = { _tag: "Cancelled", executionId: "1", ...clerk }
const undone = ["+hotel", "+flight", "-flight", "-hotel"]

class Airline extends Context.Tag("Airline")<Airline, { readonly seat: string }>() {}

const lifecycle = (place: Effect.Effect<Open, never, Scope.Scope>) => {
  const both = Effect.flatMap(
    place,
    (open) => Effect.map(Effect.all([begin(open), begin(open)]), ([here, there]) => ({ here, there, open }))
  )

  it.scopedLive("S18: a start that is acknowledged is stored, and its end is there for a process without the services", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const { open, pass } = yield* gate
      const saga = Saga.make("Seat").compensatable("seat", {
        success: Text,
        action: () => Effect.zipRight(pass, Effect.map(Airline, ({ seat }) => seat)),
        compensate: () => Effect.void
      }).build(({ outputs }) => outputs.seat)
      const starting = Saga.start(saga, undefined, { executionId: "1" })
      yield* here.within(Effect.provideService(starting, Airline, { seat: "12A" }))
      expect((yield* eventsOf(there.service, "1"))[0]).toMatchObject({ _tag: "Started", saga: "Seat" })
      expect(yield* there.within(Saga.poll(saga, "1"))).toEqual(Option.none())
      const waiter = yield* Effect.fork(there.within(Saga.await(saga, "1")))
      yield* open
      expect(yield* Fiber.join(waiter)).toBe("12A")
      expect(yield* there.within(Saga.poll(saga, "1"))).toEqual(Option.some(Exit.succeed("12A")))
    }))

  it.scopedLive("S17: a caller that hangs up changes nothing, and one in another process gets the result", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world).readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })
        .build(({ outputs }) => outputs.look)
      const execute = Saga.execute(saga, undefined, { executionId: "1" })
      const call = yield* Effect.fork(here.within(execute))
      yield* inside
      expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
      const again = yield* Effect.fork(there.within(execute))
      yield* open
      expect(yield* Fiber.join(again)).toBe("seen")
      expect(world.log).toEqual(["+hotel", "+flight"])
    }))

  it.scopedLive("S17: a process that closes leaves what it drives at the next safe point, for another at once", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = Saga.make("Closing")
        .compensatable("hotel", {
          ...step(world, "hotel"),
          action: (context) => Effect.zipRight(pass, world.do("hotel")(context))
        })
        .compensatable("flight", step(world, "flight"))
        .build(({ outputs }) => outputs.flight)
      yield* here.within(Saga.start(saga, undefined, { executionId: "1" }))
      yield* inside
      const closing = yield* Effect.fork(here.close)
      yield* Effect.yieldNow()
      yield* open
      yield* Fiber.join(closing)
      expect(world.log).toEqual(["+hotel"])
      expect(yield* there.within(Saga.resume(saga, "1"))).toBe("flight-output")
      expect(world.log).toEqual(["+hotel", "+flight"])
    }))

  it.scopedLive("S19: a cancellation by another process undoes it, and all who wait are told who and why", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = reserve(world).readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") }).build()
      const call = yield* Effect.fork(here.within(Saga.execute(saga, undefined, { executionId: "1" })))
      const waiter = yield* Effect.fork(Effect.zipRight(inside, there.within(Saga.await(saga, "1"))))
      yield* inside
      yield* there.within(Saga.cancel("1", clerk))
      expect(failureOf(yield* Fiber.await(call))).toMatchObject(cancelled)
      expect(failureOf(yield* Fiber.await(waiter))).toMatchObject(cancelled)
      expect(world.log).toEqual(undone)
      expect(yield* there.service.messages("1")).toEqual([])
    }))

  it.scopedLive("S19: of two that cancel at once one is accepted, and each hears so, or the journal says why not", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = reserve(world).readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") }).build()
      const call = yield* Effect.fork(here.within(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* inside
      const asked = yield* Effect.all(
        [here, there].map(({ within }, index) => Effect.exit(within(Saga.cancel("1", { by: `clerk ${index}` })))),
        { concurrency: 2 }
      )
      expect(failureOf(yield* Fiber.await(call))).toMatchObject({ _tag: "Cancelled" })
      expect(world.log).toEqual(undone)
      const events = yield* eventsOf(there.service, "1")
      const names = (tag: string) => events.flatMap((event) => event._tag === tag && "by" in event ? [event.by] : [])
      const told = asked.flatMap((exit, index) => Exit.isFailure(exit) ? [`clerk ${index}`] : [])
      expect(names("CancellationRequested")).toHaveLength(1)
      expect([...names("CancellationRequested"), ...names("CancellationRefused"), ...told].sort())
        .toEqual(["clerk 0", "clerk 1"])
    }))

  it.scopedLive("S19: after the point of no return another process is refused, and changes nothing", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          success: Text,
          action: (context) => Effect.zipRight(pass, world.do("email")(context)),
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.email)
      const call = yield* Effect.fork(here.within(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* inside
      const refusal = Effect.map(Effect.exit(there.within(Saga.cancel("1", clerk))), failureOf)
      expect(yield* refusal).toMatchObject({ _tag: "CancellationRefused", reason: "Committed" })
      yield* open
      expect(yield* Fiber.join(call)).toBe("email-output")
      expect(yield* refusal).toMatchObject({ _tag: "CancellationRefused", reason: "Finished" })
      expect(failureOf(yield* Effect.exit(there.within(Saga.cancel("2", clerk))))).toMatchObject({
        _tag: "ExecutionNotFound"
      })
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "+email"])
    }))

  it.scopedLive("S21: a cancellation while nobody drives it is taken by the next driver, before anything else", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = reserve(world)
        .readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build()
      yield* here.within(Saga.start(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* here.close
      yield* there.within(Saga.cancel("1", clerk))
      expect(world.log).toEqual(["+hotel", "+flight"])
      expect(yield* there.within(recoverAll([saga]))).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
      expect(world.log).toEqual(undone)
    }))

  for (const ends of ["Undone", "Succeeded"] as const) {
    it.scopedLive(`S21: a cancellation in the moment of the end is not lost: it is ${ends}, and the journal says so`, () =>
      Effect.gen(function*() {
        const open = yield* place
        const there = yield* begin(open)
        const world = makeWorld()
        let isSent = false
        const here = yield* begin(open, (store) => ({
          ...store,
          append: (commits) => {
            if (isSent || !commits.some(({ status }) => status === "Succeeded")) return store.append(commits)
            isSent = true
            return Effect.zipRight(Effect.orDie(there.within(Saga.cancel("1", clerk))), store.append(commits))
          }
        }))
        const saga = ends === "Undone"
          ? reserve(world).build(() => "done")
          : reserve(world).final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
            .build(() => "done")
        const exit = yield* Effect.exit(here.within(Saga.execute(saga, undefined, { executionId: "1" })))
        if (ends === "Undone") expect(failureOf(exit)).toMatchObject(cancelled)
        else expect(exit).toEqual(Exit.succeed("done"))
        expect(world.log).toEqual(ends === "Undone" ? undone : ["+hotel", "+flight", "+charge"])
        expect((yield* eventsOf(there.service, "1")).map(({ _tag }) => _tag))
          .toContain(ends === "Undone" ? "CancellationRequested" : "CancellationRefused")
      }))
  }

  it.scopedLive("S26: the error of what was undone, and of what is parked, is there for another process", () =>
    Effect.gen(function*() {
      const { here, there } = yield* both
      const world = makeWorld()
      const failing = (isStuck: boolean) =>
        Saga.make("Failing")
          .compensatable("hotel", {
            ...step(world, "hotel"),
            compensate: (context) => isStuck ? world.refuse("undo")() : world.undo("hotel")(context)
          })
          .readOnly("check", { action: () => Effect.fail("sold out"), error: Text })
          .build()
      const [undoing, stuck] = [failing(false), failing(true)]
      yield* here.within(Effect.exit(Saga.execute(undoing, undefined, { executionId: "undone" })))
      yield* here.within(Effect.exit(Saga.execute(stuck, undefined, { executionId: "parked" })))
      const polled = (saga: typeof stuck, id: string) => Effect.flatten(Effect.flatten(Saga.poll(saga, id)))
      for (const get of [(saga: typeof stuck, id: string) => Saga.await(saga, id), polled]) {
        expect(failureOf(yield* Effect.exit(there.within(get(undoing, "undone"))))).toBe("sold out")
        expect(failureOf(yield* Effect.exit(there.within(get(stuck, "parked"))))).toMatchObject({
          _tag: "PartlyUndone",
          failed: [{ step: "hotel" }],
          parked: true
        })
      }
      // Reading it has set nothing going.
      expect(world.log).toEqual(["+hotel", "-hotel", "+hotel", "!undo"])
    }))
}

describe("in memory", () => lifecycle(Effect.map(Checkpoint.makeMemory, Effect.succeed)))

describe("on SQLite", () =>
  lifecycle(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    ),
    (directory) => SqliteCheckpoint.make({ filename: join(directory, "journal.db"), durability: "process" })
  )))

describePostgres("on PostgreSQL", () =>
  lifecycle(Effect.map(freshDatabase, (url) =>
    Effect.flatMap(
      Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 })),
      (client) => Effect.provide(SqlCheckpoint.make(), client)
    ))))
