/** S17, S19, S21: what comes in the worst moment: a request at the end, two at once, a checkpoint that closes meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Scope } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { makeLog } from "../support/observed.ts"
import { everyMinute, reserve, step, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

const liveClock = Clock.make()

const clerk = { by: "clerk 4", reason: "the customer called" }
const cancelled = { _tag: "Cancelled", executionId: "1", ...clerk }

/** A call that begins, and then waits for `open`. */
const gate = Effect.gen(function*() {
  const inside = yield* Deferred.make<void>()
  const goOn = yield* Deferred.make<void>()
  const pass = Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn))
  return { pass, inside: Deferred.await(inside), open: Deferred.succeed(goOn, undefined) }
})

const looking = (world: World, pass: Effect.Effect<unknown>) =>
  reserve(world).readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })

/** The events of execution 1. */
const journal = Effect.flatMap(Checkpoint.Checkpoint, (store) => eventsOf(store, "1"))
const tags = Effect.map(journal, (events) => events.map(({ _tag }) => _tag))

/** A store in which somebody else sends a request to cancel in the moment in which an execution would end. */
const withRequestAtTheEnd = (memory: Checkpoint.Store): Checkpoint.Store => {
  let isSent = false
  return {
    ...memory,
    append: (commits) => {
      const last = commits.find(({ status }) => status === "Succeeded" || status === "Undone")
      if (last === undefined || isSent) return memory.append(commits)
      isSent = true
      const body = JSON.stringify({ _tag: "Cancel", by: "clerk 5" })
      return Effect.zipRight(memory.send({ executionId: last.executionId, body }), memory.append(commits))
    }
  }
}

/** A process whose checkpoint the test closes. */
const closable = (store: Checkpoint.Store, options?: Checkpoint.Options) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const service = yield* Scope.extend(Checkpoint.make(store, options), scope)
    return { as: Effect.provideService(Checkpoint.Checkpoint, service), close: Scope.close(scope, Exit.void) }
  })

describe("S21: a second request in the moment in which a cancelled execution would end", () => {
  it.effect("does not keep it from ending, and is recorded as refused", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = looking(world, pass).build()
      yield* process(
        withRequestAtTheEnd(yield* Checkpoint.makeMemory),
        Effect.gen(function*() {
          const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* inside
          yield* Saga.cancel("1", clerk)
          expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
          expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
          expect((yield* journal).filter(({ _tag }) => _tag.startsWith("Cancel"))).toMatchObject([
            { _tag: "CancellationRequested", by: "clerk 4" },
            { _tag: "CancellationRefused", by: "clerk 5" }
          ])
          expect((yield* tags).at(-1)).toBe("Finished")
        })
      )
    }))

  it.effect("the same where its own caller has cancelled it, whose request is recorded once", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = looking(world, pass).build()
      yield* process(
        withRequestAtTheEnd(yield* Checkpoint.makeMemory),
        Effect.gen(function*() {
          const call = yield* Effect.fork(
            Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" })
          )
          yield* inside
          expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
          expect((yield* journal).filter(({ _tag }) => _tag.startsWith("Cancel"))).toMatchObject([
            { _tag: "CancellationRequested", by: "its caller" },
            { _tag: "CancellationRefused", by: "clerk 5" }
          ])
          expect((yield* tags).at(-1)).toBe("Finished")
        })
      )
    }))

  it.effect("a finding is not asked for again: it is in the journal", () =>
    Effect.gen(function*() {
      const memory = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = reserve(world)
        .compensatable("car", {
          ...step(world, "car"),
          action: () => Effect.never,
          timeout: "1 milli",
          inDoubt: "park"
        })
        .build()
      yield* process(memory, Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      yield* process(
        withRequestAtTheEnd(memory),
        Effect.gen(function*() {
          const found = { step: "car", happened: true, output: "car-output" } as const
          const exit = yield* Effect.exit(Saga.resume(saga, "1", { found }))
          expect(failureOf(exit)).toMatchObject({ _tag: "Cancelled", by: "clerk 5" })
          expect(world.log).toEqual(["+hotel", "+flight", "-car", "-flight", "-hotel"])
        })
      )
    }).pipe(Effect.withClock(liveClock)))
})

describe("S19: a request that has to wait", () => {
  it.effect("for a doubt interrupts the reading siblings once the doubt has ended in a failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const doubting = yield* gate
      let calls = 0
      const saga = reserve(world)
        .parallel((branch) =>
          branch
            .compensatable("car", {
              ...step(world, "car"),
              error: "asRecoveredFailure",
              action: () =>
                ++calls === 1
                  ? Effect.never
                  : Effect.zipRight(doubting.pass, world.refuse("car")()),
              timeout: "1 second",
              inDoubt: "retry"
            })
            .readOnly("look", { success: Text, action: () => Effect.as(Effect.never, "seen") })
        )
        .build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* doubting.inside
      yield* Saga.cancel("1", clerk)
      yield* doubting.open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ _tag: "Refused", step: "car" })
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "-flight", "-hotel"])
      expect(yield* tags).toContain("CancellationRequested")
    }).pipe(Effect.withClock(liveClock), Effect.provide(Checkpoint.layerMemory)))
})

describe("S19: a cancellation that the journal keeps while a step is in doubt", () => {
  const inDoubt = (world: World, verify: Effect.Effect<Option.Option<string>, string>, last: "train" | "none") => {
    const saga = reserve(world).compensatable("car", {
      ...step(world, "car"),
      action: () => Effect.never,
      timeout: "1 milli",
      inDoubt: "verify",
      verify: () => verify
    })
    return last === "train" ? saga.compensatable("train", step(world, "train")).build() : saga.build()
  }

  it.effect("is not forgotten where the doubt is settled while the checkpoint closes", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      let verify: Effect.Effect<Option.Option<string>, string> = Effect.fail("nobody knows")
      const saga = inDoubt(world, Effect.suspend(() => verify), "train")
      yield* process(
        store,
        Effect.gen(function*() {
          yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* Saga.cancel("1", clerk)
          yield* recoverAll([saga])
          expect((yield* tags).slice(-2)).toEqual(["CancellationRequested", "Parked"])
        })
      )
      const { inside, open, pass } = yield* gate
      verify = Effect.as(pass, Option.some("car-output"))
      const second = yield* closable(store)
      yield* Effect.fork(second.as(Effect.exit(Saga.resume(saga, "1"))))
      yield* inside
      const closed = yield* Effect.fork(second.close)
      yield* Effect.yieldNow()
      yield* open
      yield* Fiber.join(closed)
      yield* process(
        store,
        Effect.gen(function*() {
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
          expect(world.log).toEqual(["+hotel", "+flight", "-car", "-flight", "-hotel"])
        })
      )
    }).pipe(Effect.withClock(liveClock)))

  it.effect("is refused, which the journal says, where it was a Final that has taken effect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", { success: Text, action: () => Effect.never, timeout: "1 milli", inDoubt: "park" })
        .final("email", { success: Text, action: world.do("email"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.email)
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* Saga.cancel("1", clerk)
      yield* recoverAll([saga])
      const found = { step: "charge", happened: true, output: "receipt" } as const
      expect(yield* Saga.resume(saga, "1", { found })).toBe("email-output")
      expect((yield* journal).filter(({ _tag }) => _tag.startsWith("Cancel"))).toMatchObject([
        { _tag: "CancellationRequested", ...clerk },
        { _tag: "CancellationRefused", ...clerk, why: "Committed" }
      ])
      expect((yield* Saga.inspect(saga, "1")).summary).not.toContain("cancelled")
    }).pipe(Effect.withClock(liveClock), Effect.provide(Checkpoint.layerMemory)))
})

describe("S17: a checkpoint that closes", () => {
  it.effect("suspends a cancelled execution in the pause between two calls of a compensation", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const { inside, pass } = yield* gate
      let works = false
      const saga = Saga.make("Stuck")
        .compensatable("car", {
          ...step(world, "car"),
          compensate: (context) => works ? world.undo("car")(context) : world.refuse("undo")(),
          compensationRetry: { schedule: everyMinute }
        })
        .readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })
        .build()
      const first = yield* closable(store)
      yield* first.as(Saga.start(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* first.as(Saga.cancel("1", clerk))
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      expect(world.log).toEqual(["+car", "!undo"])
      const before = performance.now()
      yield* first.close
      expect(performance.now() - before).toBeLessThan(9_000)
      works = true
      // It is free at once, and its next driver undoes the rest.
      yield* process(
        store,
        Effect.gen(function*() {
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
        })
      )
    }))
})

describe("S19: a request from another process", () => {
  it.effect("is taken also by a process whose lease is infinite", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = looking(world, pass).build()
      const service = yield* Checkpoint.make(store, { lease: Duration.infinity })
      yield* Effect.gen(function*() {
        const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
        yield* inside
        yield* process(store, Saga.cancel("1", clerk))
        expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
      }).pipe(Effect.provideService(Checkpoint.Checkpoint, service))
    }).pipe(Effect.scoped))

  it.effect(
    "is sent by a call that is interrupted while another process drives its execution, at whatever moment",
    () =>
      Effect.forEach([3, 5, 8, 10, 20, 50, 100], (yields) =>
        Effect.gen(function*() {
          const store = yield* Checkpoint.makeMemory
          const world = makeWorld()
          const { inside, pass } = yield* gate
          const saga = looking(world, pass).build()
          const call = Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" })
          yield* process(
            store,
            Effect.gen(function*() {
              const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
              yield* inside
              yield* process(
                store,
                Effect.gen(function*() {
                  const waiting = yield* Effect.fork(call)
                  yield* Effect.repeatN(Effect.yieldNow(), yields)
                  // The call ends once the request is stored.
                  expect(Exit.isInterrupted(yield* Fiber.interrupt(waiting))).toBe(true)
                })
              )
              expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ _tag: "Cancelled", by: "its caller" })
              expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
            })
          )
        }), { discard: true }),
    30_000
  )
})

describe("S18: an execution that its process has to leave", () => {
  it.effect("is logged also where the call that waited for it has gone", () =>
    Effect.gen(function*() {
      const memory = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = looking(world, pass).compensatable("car", step(world, "car")).build()
      const { layer, lines } = makeLog()
      yield* Effect.scoped(Effect.gen(function*() {
        const service = failingStore(yield* Checkpoint.make(memory), { failAt: 2 })
        yield* Effect.gen(function*() {
          const call = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* inside
          yield* Fiber.interrupt(call)
          yield* open
          yield* Effect.repeatN(Effect.yieldNow(), 100)
        }).pipe(Effect.provideService(Checkpoint.Checkpoint, service))
      })).pipe(Effect.provide(layer))
      expect(JSON.stringify(lines)).toContain("Reserve 1 is left for recovery: ")
    }))
})
