/** S19, S21: a cancellation is a message, which is stored, and which the driver of the execution takes once. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import { Checkpoint, Recovery, Saga } from "effect-saga"
import { Faults } from "effect-saga/testing"
import { failureOf } from "../support/exit.ts"
import { everyMinute, reserve, step, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, process, recoverAll } from "../support/store.ts"
import { makeWorld, type World } from "../support/world.ts"

const clerk = { by: "clerk 4", reason: "the customer called" }
const cancelled = { _tag: "Cancelled", executionId: "1", ...clerk }

const tagsOf = Effect.flatMap(
  Checkpoint.Checkpoint,
  (store) => Effect.map(eventsOf(store, "1"), (events) => events.map(({ _tag }) => _tag))
)

/** A read that begins, and then waits for `goOn`. */
const gate = Effect.gen(function*() {
  const inside = yield* Deferred.make<void>()
  const goOn = yield* Deferred.make<void>()
  const pass = Effect.zipRight(Deferred.succeed(inside, undefined), Deferred.await(goOn))
  return { pass, inside: Deferred.await(inside), open: Deferred.succeed(goOn, undefined) }
})

const looking = (world: World, pass: Effect.Effect<unknown>) =>
  reserve(world).readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })

const paying = (world: World, pass: Effect.Effect<unknown>) =>
  reserve(world)
    .final("charge", {
      success: Text,
      action: (context) => Effect.zipRight(pass, world.do("charge")(context)),
      inDoubt: "retry"
    })
    .final("email", { success: Text, action: world.do("email"), inDoubt: "retry" })
    .build(({ outputs }) => outputs.email)

describe("S19: cancelling", () => {
  it.effect("before the point of no return undoes the execution, and all who wait are told who and why", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = looking(world, pass).build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      const waiter = yield* Effect.fork(Saga.await(saga, "1"))
      yield* Effect.yieldNow()
      yield* Saga.cancel("1", clerk)
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
      expect(failureOf(yield* Fiber.await(waiter))).toMatchObject(cancelled)
      expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
      expect(yield* tagsOf).toEqual([
        "Started",
        "StepStarted",
        "StepSucceeded",
        "StepStarted",
        "StepSucceeded",
        "StepStarted",
        "StepFailed",
        "CancellationRequested",
        "UnwindingStarted",
        "CompensationStarted",
        "CompensationSucceeded",
        "CompensationStarted",
        "CompensationSucceeded",
        "Finished"
      ])
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject(
        cancelled
      )
      expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1")))).toMatchObject(cancelled)
      const polled = Option.getOrThrow(yield* Saga.poll(saga, "1"))
      expect(failureOf(polled)).toMatchObject(cancelled)
      const { summary } = yield* Saga.inspect(saga, "1")
      expect(summary).toBe("Reserve was undone: it was cancelled by clerk 4: the customer called")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("lets an action with a side effect end first, and undoes it too; the next step does not begin", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world)
        .compensatable("car", {
          ...step(world, "car"),
          action: (context) => Effect.zipRight(pass, world.do("car")(context))
        })
        .compensatable("train", step(world, "train"))
        .build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* Saga.cancel("1", clerk)
      yield* TestClock.adjust("1 minute")
      expect(world.log).toEqual(["+hotel", "+flight"])
      yield* open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
      expect(world.log).toEqual(["+hotel", "+flight", "+car", "-car", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a Final that is being called decides: it takes effect, the request is refused, and that is recorded", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = paying(world, pass)
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* Saga.cancel("1", clerk)
      yield* open
      expect(yield* Fiber.join(execution)).toBe("email-output")
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "+email"])
      const store = yield* Checkpoint.Checkpoint
      expect((yield* eventsOf(store, "1")).filter(({ _tag }) => _tag === "CancellationRefused"))
        .toMatchObject([{ ...clerk, why: "Committed" }])
      expect(yield* store.messages("1")).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a Final that is tried again is cancelled in the pause between two calls", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          error: "asRecoveredFailure",
          action: () => Effect.zipRight(pass, world.refuse("charge")()),
          retry: { schedule: everyMinute },
          inDoubt: "retry"
        })
        .build()
      for (const [executionId, cancelFirst] of [["1", true], ["2", false]] as const) {
        world.log.length = 0
        const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId }))
        yield* inside
        if (cancelFirst) yield* Saga.cancel(executionId, clerk)
        yield* open
        while (!world.log.includes("!charge")) yield* Effect.yieldNow()
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        if (!cancelFirst) yield* Saga.cancel(executionId, clerk)
        expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ ...cancelled, executionId })
        expect(world.log).toEqual(["+hotel", "+flight", "!charge", "-flight", "-hotel"])
      }
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a step that fails by itself meanwhile is why the execution is undone; the request is recorded", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world)
        .compensatable("car", {
          ...step(world, "car"),
          error: "asRecoveredFailure",
          action: () => Effect.zipRight(pass, world.refuse("car")())
        })
        .build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* Saga.cancel("1", clerk)
      yield* open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ _tag: "Refused", step: "car" })
      expect(yield* tagsOf).toContain("CancellationRequested")
      expect(world.log).toEqual(["+hotel", "+flight", "!car", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("is refused, and changes nothing, where the journal says that it comes too late", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const refusalOf = (executionId: string, options: Saga.CancelOptions = clerk) =>
        Effect.map(Effect.exit(Saga.cancel(executionId, options)), failureOf)
      expect(yield* refusalOf("nobody")).toMatchObject({ _tag: "ExecutionNotFound", executionId: "nobody" })
      expect(yield* refusalOf("\ud800")).toMatchObject({ _tag: "ExecutionNotFound" })

      const done = reserve(world).build()
      yield* Saga.execute(done, undefined, { executionId: "done" })
      expect(yield* refusalOf("done")).toMatchObject({ _tag: "CancellationRefused", reason: "Finished" })

      const committed = reserve(world)
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .final("email", {
          success: Text,
          action: (context) => Effect.zipRight(pass, world.do("email")(context)),
          inDoubt: "retry"
        })
        .build()
      const execution = yield* Effect.fork(Saga.execute(committed, undefined, { executionId: "committed" }))
      yield* inside
      expect(yield* refusalOf("committed")).toMatchObject({ reason: "Committed" })
      yield* open
      yield* Fiber.join(execution)

      expect(yield* refusalOf("done", null as never)).toMatchObject({ reason: "Unnamed" })
      expect(yield* refusalOf(undefined as never)).toMatchObject({ _tag: "ExecutionNotFound" })
      for (const by of ["", "  ", "x".repeat(401), "a\0b", "\ud800", undefined as unknown as string]) {
        expect(yield* refusalOf("done", { by })).toMatchObject({ reason: "Unnamed" })
      }
      expect(yield* refusalOf("done", { by: "me", reason: "x".repeat(4001) })).toMatchObject({
        reason: "InvalidReason"
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a second time is refused, before the driver has taken the first request and after it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inCar = yield* gate
      const inUndo = yield* gate
      const saga = Saga.make("Slow").compensatable("car", {
        success: Text,
        action: (context) => Effect.zipRight(inCar.pass, world.do("car")(context)),
        compensate: (context) => Effect.zipRight(inUndo.pass, world.undo("car")(context))
      }).build()
      const again = Effect.map(Effect.exit(Saga.cancel("1", { by: "clerk 5" })), failureOf)
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inCar.inside
      yield* Saga.cancel("1", clerk)
      expect(yield* again).toMatchObject({ _tag: "CancellationRefused", reason: "Requested" })
      yield* inCar.open
      yield* inUndo.inside
      expect(yield* again).toMatchObject({ _tag: "CancellationRefused", reason: "Requested" })
      yield* inUndo.open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
      expect(yield* again).toMatchObject({ _tag: "CancellationRefused", reason: "Finished" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what cannot be undone completely says so: PartlyUndone, because it was cancelled", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = Saga.make("Stuck")
        .compensatable("car", { ...step(world, "car"), compensate: world.refuse("undo") })
        .readOnly("look", { success: Text, action: () => Effect.as(pass, "seen") })
        .build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* Saga.cancel("1", clerk)
      const error = failureOf(yield* Fiber.await(execution))
      expect(error).toMatchObject({ _tag: "PartlyUndone", cause: { error: cancelled }, parked: true })
      // From the journal too.
      expect(failureOf(yield* Effect.exit(Saga.await(saga, "1")))).toMatchObject({ cause: { error: cancelled } })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("siblings of a block are interrupted or end first, and all are undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inCar = yield* gate
      const inLook = yield* gate
      const saga = reserve(world)
        .parallel((branch) =>
          branch
            .compensatable("car", {
              ...step(world, "car"),
              action: (context) => Effect.zipRight(inCar.pass, world.do("car")(context))
            })
            .readOnly("look", { success: Text, action: () => Effect.as(inLook.pass, "seen") })
        )
        .build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inCar.inside
      yield* inLook.inside
      yield* Saga.cancel("1", clerk)
      yield* inCar.open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
      expect(world.log).toEqual(["+hotel", "+flight", "+car", "-car", "-flight", "-hotel"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("the call that cancels by its interruption ends once a Final has taken effect, however long the rest takes", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          action: (context) => Effect.zipRight(pass, world.do("charge")(context)),
          inDoubt: "retry"
        })
        .final("email", {
          success: Text,
          error: "asRecoveredFailure",
          action: world.refuse("email"),
          retry: { schedule: everyMinute },
          inDoubt: "retry"
        })
        .build()
      const call = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }))
      yield* inside
      const interrupted = yield* Effect.fork(Fiber.interrupt(call))
      yield* Effect.yieldNow()
      yield* open
      expect(Exit.isInterrupted(yield* Fiber.join(interrupted))).toBe(true)
      yield* TestClock.adjust("90 seconds")
      expect(world.log).toEqual(["+hotel", "+flight", "+charge", "!email", "!email"])
      expect(yield* tagsOf).not.toContain("UnwindingStarted")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S21: a request to cancel that is stored", () => {
  const died = <A, E, R>(store: Checkpoint.Store, life: Effect.Effect<A, E, R>) =>
    process(
      store,
      Effect.flatMap(Checkpoint.Checkpoint, (service) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.provideService(life, Checkpoint.Checkpoint, service))
          return yield* Fiber.await(fiber)
        }))
    )

  it.effect("for an execution that nobody drives is taken by the next driver, before anything else", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const saga = looking(world, pass).final("charge", {
        success: Text,
        action: world.do("charge"),
        inDoubt: "retry"
      }).build()
      yield* died(
        store,
        Effect.gen(function*() {
          yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* inside
        })
      )
      yield* process(
        store,
        Effect.gen(function*() {
          yield* Saga.cancel("1", clerk)
          expect(world.log).toEqual(["+hotel", "+flight"])
          // Nothing would keep the next driver from charging.
          yield* open
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
          expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
        })
      )
    }))

  it.effect("by another process is taken within a second", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const { inside, pass } = yield* gate
      const saga = looking(world, pass).build()
      yield* process(
        store,
        Effect.gen(function*() {
          const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* inside
          yield* process(store, Saga.cancel("1", clerk))
          expect(failureOf(yield* Fiber.await(execution))).toMatchObject(cancelled)
          expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
        })
      )
    }))

  it.effect("in the moment in which the execution would end is not lost: it is undone, or the request is refused", () =>
    Effect.gen(function*() {
      for (
        const [ends, saga] of [
          ["Undone", (world: World) => reserve(world).build()],
          [
            "Succeeded",
            (world: World) =>
              reserve(world).final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" }).build()
          ]
        ] as const
      ) {
        const world = makeWorld()
        const memory = yield* Checkpoint.makeMemory
        let isSent = false
        const store: Checkpoint.Store = {
          ...memory,
          append: (commits) => {
            const last = commits.find(({ status }) => status === "Succeeded" || status === "Undone")
            if (last === undefined || isSent) return memory.append(commits)
            isSent = true
            const sending = process(memory, Saga.cancel(last.executionId, clerk))
            return Effect.zipRight(Effect.orDie(sending), memory.append(commits))
          }
        }
        yield* process(
          store,
          Effect.gen(function*() {
            const exit = yield* Effect.exit(Saga.execute(saga(world), undefined, { executionId: "1" }))
            const undone = ends === "Undone"
            expect(Exit.isSuccess(exit)).toBe(!undone)
            if (undone) expect(failureOf(exit)).toMatchObject(cancelled)
            expect(world.log).toEqual(
              undone ? ["+hotel", "+flight", "-flight", "-hotel"] : ["+hotel", "+flight", "+charge"]
            )
            expect(yield* tagsOf).toContain(undone ? "CancellationRequested" : "CancellationRefused")
          })
        )
      }
    }))

  it.effect("while the intent of its first Final is being stored undoes it: the Final is not called any more", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const memory = yield* Checkpoint.makeMemory
      yield* process(
        memory,
        Effect.gen(function*() {
          const service = yield* Checkpoint.Checkpoint
          let isSent = false
          const sending: Checkpoint.Service = {
            ...service,
            append: (commit) => {
              if (isSent || !commit.body.includes(`"charge"`)) return service.append(commit)
              isSent = true
              const sent = Effect.provideService(Saga.cancel("1", clerk), Checkpoint.Checkpoint, service)
              return Effect.zipRight(service.append(commit), Effect.orDie(sent))
            }
          }
          const execution = Saga.execute(paying(world, Effect.void), undefined, { executionId: "1" })
          const exit = yield* Effect.exit(Effect.provideService(execution, Checkpoint.Checkpoint, sending))
          expect(failureOf(exit)).toMatchObject(cancelled)
          expect(world.log).toEqual(["+hotel", "+flight", "-flight", "-hotel"])
        })
      )
    }))

  it.effect("for a parked execution in doubt waits for the doubt to be settled, over any number of processes", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = reserve(world)
        .compensatable("car", {
          ...step(world, "car"),
          action: () => Effect.never,
          timeout: "10 seconds",
          inDoubt: "park",
          interruptible: true
        })
        .compensatable("train", step(world, "train"))
        .build()
      yield* process(
        store,
        Effect.gen(function*() {
          const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* TestClock.adjust("10 seconds")
          expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ _tag: "OutcomeUnknown", parked: true })
          yield* Saga.cancel("1", clerk)
        })
      )
      yield* process(
        store,
        Effect.gen(function*() {
          expect(yield* recoverAll([saga])).toMatchObject([{
            _tag: "Parked",
            cause: { error: { _tag: "OutcomeUnknown" } }
          }])
          // The request is in the journal now: the next recovery has nothing to take.
          expect(yield* recoverAll([saga])).toEqual([])
          expect(yield* tagsOf).toContain("CancellationRequested")
          expect(failureOf(yield* Effect.exit(Saga.cancel("1", clerk)))).toMatchObject({ reason: "Requested" })
        })
      )
      yield* process(
        store,
        Effect.gen(function*() {
          const found = { step: "car", happened: true, output: "car-output" } as const
          expect(failureOf(yield* Effect.exit(Saga.resume(saga, "1", { found })))).toMatchObject(cancelled)
          expect(world.log).toEqual(["+hotel", "+flight", "-car", "-flight", "-hotel"])
        })
      )
    }))

  it.effect("while nobody knows whether its first Final has taken effect is refused if a finding says that it has", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = reserve(world)
        .final("charge", {
          success: Text,
          action: () => Effect.never,
          timeout: "10 seconds",
          inDoubt: "park"
        })
        .final("email", { success: Text, action: world.do("email"), inDoubt: "retry" })
        .build(({ outputs }) => outputs.email)
      yield* process(
        store,
        Effect.gen(function*() {
          const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
          yield* TestClock.adjust("10 seconds")
          expect(failureOf(yield* Fiber.await(execution))).toMatchObject({ _tag: "OutcomeUnknown", parked: true })
          yield* Saga.cancel("1", clerk)
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Parked" }])
          expect((yield* tagsOf).at(-2)).toBe("CancellationRequested")
          const found = { step: "charge", happened: true, output: "charge-output" } as const
          expect(yield* Saga.resume(saga, "1", { found })).toBe("email-output")
          const refused = (yield* eventsOf(store, "1")).filter(({ _tag }) => _tag === "CancellationRefused")
          expect(refused).toMatchObject([{ ...clerk, why: "Committed" }])
          expect((yield* Saga.inspect(saga, "1")).summary).not.toContain("cancelled")
          expect(world.log).toEqual(["+hotel", "+flight", "+email"])
        })
      )
    }))

  it.effect("of a block whose steps are in doubt lets none of its other steps begin", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const load = Saga.make("Load")
        .compensatable("crate", step(world, "crate"))
        .compensatable("seal", step(world, "seal"))
        .readOnly("weigh", { action: () => world.note("weigh") })
        .build()
      const saga = Saga.make("Convoy")
        .parallel((branch) =>
          branch
            .compensatable("truck", {
              ...step(world, "truck"),
              action: (context) => Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 50), world.do("truck")(context))
            })
            .saga("load", load, { input: () => undefined })
        )
        .build()
      // It dies once the intents of the block are stored.
      yield* process(
        Faults.crashAt(store, 0, "after"),
        Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      )
      yield* process(
        store,
        Effect.gen(function*() {
          yield* Saga.cancel("1", clerk)
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
          expect(world.log).toEqual(["+crate", "+truck", "-crate", "-truck"])
        })
      )
    }))

  it.effect("for one that is parked because it keeps failing undoes it at the next recovery", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const world = makeWorld()
      const saga = reserve(world).compensatable("car", step(world, "car")).build()
      /** Each of these lives dies before anything new of the execution is stored. */
      const dies = <A, E, R>(failAt: number, life: Effect.Effect<A, E, R>) =>
        process(
          store,
          Effect.flatMap(
            Checkpoint.Checkpoint,
            (service) =>
              Effect.exit(Effect.provideService(life, Checkpoint.Checkpoint, failingStore(service, { failAt })))
          )
        )
      yield* dies(2, Saga.execute(saga, undefined, { executionId: "1" }))
      for (let life = 0; life < 2; life++) yield* dies(0, recoverAll([saga], { maxClaims: 2 }))
      yield* process(store, recoverAll([saga], { maxClaims: 2 }))
      yield* process(
        store,
        Effect.gen(function*() {
          expect(yield* Stream.runCount(Recovery.parked([saga]))).toBe(1)
          yield* Saga.cancel("1", clerk)
          expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Undone", cause: { error: cancelled } }])
          expect(world.log.slice(-2)).toEqual(["-flight", "-hotel"])
        })
      )
    }))

  it.effect("in words that this release does not know is left to another: the execution is not ended", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const { inside, open, pass } = yield* gate
      const store = yield* Checkpoint.Checkpoint
      const saga = looking(world, pass).build()
      const execution = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* inside
      yield* store.send({ executionId: "1", body: JSON.stringify({ _tag: "Unheard" }) })
      yield* open
      expect(failureOf(yield* Fiber.await(execution))).toMatchObject({
        _tag: "JournalCorrupt",
        problem: "message 1 is none that this release knows"
      })
      expect((yield* tagsOf).at(-1)).not.toBe("Finished")
      expect(yield* store.messages("1")).toHaveLength(1)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
