/** S8: parallel blocks, in process and durable, and what they do to the other rules. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, FiberId, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { failureOf } from "../support/exit.ts"
import { interruptedAt } from "../support/interruptedAt.ts"
import { bothWays, forAMinute, refusing, slow, step, Text } from "../support/sagas.ts"
import { eventsOf, failingStore, recoverAll } from "../support/store.ts"
import { makeWorld, Refused, type World } from "../support/world.ts"

describe("S8: parallel blocks", () => {
  const block = (world: World) =>
    Saga.make("Block")
      .compensatable("first", step(world, "first"))
      .parallel((branch) =>
        branch
          .compensatable("slow", slow(world, "slow", "3 seconds"))
          .compensatable("quick", slow(world, "quick", "1 second"))
          .readOnly("look", { success: Schema.Number, action: () => Effect.delay(Effect.succeed(7), "2 seconds") })
      )

  it.effect("siblings run at the same time, and later steps see their outputs", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const saga = block(world).final("charge", {
          success: Text,
          action: ({ outputs }) => Effect.succeed(`${outputs.slow} ${outputs.quick} ${outputs.look}`),
          inDoubt: "retry"
        }).build(({ outputs }) => outputs.charge)
        const fiber = yield* Effect.fork(bothWays(saga)[way])
        yield* TestClock.adjust("3 seconds")
        expect(yield* Fiber.join(fiber)).toBe("slow-output quick-output 7")
        expect(world.log).toEqual(["+first", "+quick", "+slow"])
      }
    }))

  it.effect("when a later step fails, they are undone in declared order reversed, whatever finished first", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const saga = block(world).readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        const exit = yield* forAMinute(bothWays(saga)[way])
        expect(failureOf(exit)).toEqual(new Refused({ step: "check" }))
        expect(world.log).toEqual(["+first", "+quick", "+slow", "!check", "-quick", "-slow", "-first"])
      }
    }))

  it.effect("when one fails, those that run are waited for, and then all are undone", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const saga = Saga.make("Fails")
          .compensatable("first", step(world, "first"))
          .parallel((branch) =>
            branch
              .compensatable("slow", slow(world, "slow", "3 seconds"))
              .compensatable("bad", { ...refusing(world, "bad", "2 seconds"), error: "asRecoveredFailure" })
              .compensatable("quick", slow(world, "quick", "1 second"))
          )
          .build()
        const exit = yield* forAMinute(bothWays(saga)[way])
        expect(exit).toEqual(Exit.fail(new Refused({ step: "bad" })))
        expect(world.log).toEqual(["+first", "+quick", "!bad", "+slow", "-quick", "-slow", "-first"])
      }
    }))

  it.effect("siblings that have not begun when one fails do not begin", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Bounded")
        .parallel((branch) =>
          branch
            .compensatable("a", slow(world, "a", "1 second"))
            .compensatable("bad", { ...refusing(world, "bad", "1 second"), error: "asRecoveredFailure" })
            .compensatable("c", step(world, "c")), { concurrency: 1 })
        .build()
      yield* forAMinute(Saga.run(saga, undefined))
      expect(world.log).toEqual(["+a", "!bad", "-a"])
    }))

  it.effect("all failures are kept", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const saga = Saga.make("Both")
          .parallel((branch) =>
            branch
              .compensatable("a", { ...refusing(world, "a", "1 second"), error: "asRecoveredFailure" })
              .compensatable("b", { ...refusing(world, "b", "2 seconds"), error: "asRecoveredFailure" })
          )
          .build()
        const exit = yield* forAMinute(bothWays(saga)[way])
        expect(Exit.isFailure(exit) && Array.from(Cause.failures(exit.cause))).toEqual([
          new Refused({ step: "a" }),
          new Refused({ step: "b" })
        ])
      }
    }))

  it.effect("unwind: parallel undoes the block at the same time, and what came before it afterwards", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const undoSlowly = (name: string, duration: "1 second" | "2 seconds") => ({
          ...step(world, name),
          compensate: (context: Parameters<ReturnType<World["undo"]>>[0]) =>
            Effect.delay(world.undo(name)(context), duration)
        })
        const saga = Saga.make("Together")
          .compensatable("first", step(world, "first"))
          .parallel((branch) =>
            branch
              .compensatable("a", undoSlowly("a", "1 second"))
              .compensatable("b", undoSlowly("b", "2 seconds")), { unwind: "parallel" })
          .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
          .build()
        const fiber = yield* Effect.fork(Effect.exit(bothWays(saga)[way]))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(fiber)
        expect(world.log.slice(3)).toEqual(["!check", "-a", "-b", "-first"])
      }
    }))

  it.effect("a compensation of the block that fails is named with the others", () =>
    Effect.gen(function*() {
      for (const unwind of ["sequential", "parallel"] as const) {
        for (const policy of ["continue", "stop"] as const) {
          const world = makeWorld()
          const saga = Saga.make("Broken", { onCompensationFailure: policy })
            .compensatable("first", step(world, "first"))
            .parallel((branch) =>
              branch
                .compensatable("a", step(world, "a"))
                .compensatable("b", { ...step(world, "b"), compensate: world.refuse("undo b") }), { unwind })
            .readOnly("check", { action: world.refuse("check"), error: "asRecoveredFailure" })
            .build()
          const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined))) as SagaError.PartlyUndone<never>
          expect(error.failed).toEqual([{ step: "b", cause: Cause.fail(new Refused({ step: "undo b" })) }])
          const undone = policy === "continue" ? ["a", "first"] : unwind === "parallel" ? ["a"] : []
          const notTried = policy === "continue" ? [] : unwind === "parallel" ? ["first"] : ["a", "first"]
          expect(error).toMatchObject({ undone, notTried })
        }
      }
    }))

  it.effect("an interruption ends a ReadOnly sibling, waits for the others, and undoes them", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const inside = yield* Deferred.make<void>()
        const saga = Saga.make("Interrupted")
          .parallel((branch) =>
            branch
              .readOnly("look", { action: () => Effect.andThen(Deferred.succeed(inside, undefined), Effect.never) })
              .compensatable("slow", slow(world, "slow", "2 seconds"))
          )
          .compensatable("after", step(world, "after"))
          .build()
        const fiber = yield* Effect.fork(bothWays(saga)[way])
        yield* Deferred.await(inside)
        const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("2 seconds")
        expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
        expect(world.log).toEqual(["+slow", "-slow"])
      }
    }))

  it.effect("durably, siblings share commits: the intents of a block are one", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Shared")
        .parallel((branch) =>
          branch
            .compensatable("a", slow(world, "a", "1 second"))
            .compensatable("b", slow(world, "b", "1 second"))
            .compensatable("c", slow(world, "c", "1 second"))
        )
        .build()
      yield* forAMinute(Saga.execute(saga, undefined, { executionId: "1" }))
      const store = yield* Checkpoint.Checkpoint
      const commits = yield* store.load("1")
      expect(commits.length).toBe(2)
      const tags = (yield* eventsOf(store, "1")).map(({ _tag }) => _tag)
      expect(tags).toEqual([
        "Started",
        "StepStarted",
        "StepStarted",
        "StepStarted",
        "StepSucceeded",
        "StepSucceeded",
        "StepSucceeded",
        "Finished"
      ])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  const twoSagas = (world: World) => {
    const nested = (name: string) =>
      Saga.make(name).compensatable("one", step(world, `${name}1`)).compensatable("two", step(world, `${name}2`))
        .build()
    return Saga.make("Lost")
      .parallel((branch) =>
        branch.saga("a", nested("a"), { input: () => {} }).saga("b", nested("b"), { input: () => {} })
      )
      .build()
  }

  it.effect("durably, a store that is lost stops every sibling, and nothing is undone", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const saga = twoSagas(world)
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(world.log.filter((line) => line.startsWith("-"))).toEqual([])
      yield* recoverAll([saga])
      expect(new Set(world.standing())).toEqual(new Set(["a1", "a2", "b1", "b2"]))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("durably, also one whose answer is lost, although it goes on storing", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const saga = twoSagas(world)
      let appends = 0
      const losing: Checkpoint.Service = {
        ...store,
        append: (commit) =>
          appends++ === 1 ? Effect.zipRight(store.append(commit), Effect.die("no answer")) : store.append(commit)
      }
      const exit = yield* Effect.exit(
        Effect.provideService(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.Checkpoint, losing)
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError" })
      expect(world.log).not.toContain("+a2")
      expect(world.log).not.toContain("+b2")
      yield* recoverAll([saga])
      expect(new Set(world.standing())).toEqual(new Set(["a1", "a2", "b1", "b2"]))
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("durably, a sibling that failed beside one in doubt is not run again when the doubt is settled", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Doubtful")
        .parallel((branch) =>
          branch
            .compensatable("a", {
              success: Text,
              action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
              compensate: world.undo("a"),
              inDoubt: "park"
            })
            .compensatable("b", { ...step(world, "b"), action: world.refuse("b"), error: "asRecoveredFailure" })
        )
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(Exit.isFailure(exit) && Array.from(Cause.failures(exit.cause)).length).toBe(2)
      const found = { step: "a", happened: true, output: "found" } as const
      const resumed = yield* Effect.exit(Saga.resume(saga, "1", { found }))
      expect(failureOf(resumed)).toMatchObject({ _tag: "RecoveredFailure", tag: "Refused" })
      expect(world.log).toEqual(["!b", "-a"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("durably, nor is one that failed and was interrupted at the same time", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let calls = 0
      const saga = Saga.make("Doubtful")
        .parallel((branch) =>
          branch
            .compensatable("a", {
              success: Text,
              action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
              compensate: world.undo("a"),
              inDoubt: "park"
            })
            .compensatable("b", {
              ...step(world, "b"),
              action: () =>
                Effect.suspend(
                  () => (calls++, Effect.failCause(Cause.parallel(Cause.fail("no"), Cause.interrupt(FiberId.none))))
                ),
              error: "asRecoveredFailure"
            })
        )
        .build()
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      const found = { step: "a", happened: true, output: "found" } as const
      const resumed = yield* Effect.exit(Saga.resume(saga, "1", { found }))
      expect(failureOf(resumed)).toMatchObject({ _tag: "RecoveredFailure", detail: "no" })
      expect(calls).toBe(1)
      expect(world.log).toEqual(["-a"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("S8, resumed", () => {
  it.effect("what the siblings did before the crash is armed again or settled, whatever one of them comes to", () =>
    Effect.gen(function*() {
      for (let failAt = 1; failAt < 8; failAt++) {
        yield* Effect.gen(function*() {
          const store = yield* Checkpoint.Checkpoint
          const world = makeWorld()
          const inner = Saga.make("Inner")
            .compensatable("one", { ...step(world, "one"), inDoubt: "retry" })
            .compensatable("two", { ...step(world, "two"), inDoubt: "retry" })
            .build()
          const saga = Saga.make("Block")
            .parallel((branch) =>
              branch
                .compensatable("bad", {
                  ...step(world, "bad"),
                  action: world.refuse("bad"),
                  inDoubt: "retry",
                  error: "asRecoveredFailure"
                })
                .saga("inner", inner, { input: () => {} })
            )
            .build()
          yield* Effect.exit(
            Saga.execute(saga, undefined, { executionId: "1" }).pipe(
              Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
            )
          )
          yield* recoverAll([saga])
          expect(world.standing()).toEqual([])
          expect(yield* recoverAll([saga])).toEqual([])
        }).pipe(Effect.provide(Checkpoint.layerMemory))
      }
    }))
})

describe("S8, interrupted or in doubt", () => {
  const block = (world: World, concurrency: number | "unbounded" = "unbounded") => {
    const nested = (a: string, b: string) =>
      Saga.make("Inner").compensatable("one", step(world, a)).compensatable("two", step(world, b)).build()
    return Saga.make("Block")
      .compensatable("first", step(world, "first"))
      .parallel(
        (branch) => branch.saga("x", nested("a", "b"), { input: () => {} }).compensatable("c", step(world, "c")),
        { concurrency }
      )
      .compensatable("last", step(world, "last"))
  }

  it.effect("an interruption while a block is replayed forgets nothing that was done in it", () =>
    Effect.gen(function*() {
      for (const goingBack of [false, true]) {
        for (let yields = 0; yields < 12; yields++) {
          yield* Effect.gen(function*() {
            const store = yield* Checkpoint.Checkpoint
            const world = makeWorld()
            let over = false
            const saga = block(world).readOnly("check", {
              success: Text,
              action: () => goingBack || over ? world.refuse("check")() : Effect.never,
              error: "asRecoveredFailure"
            }).build()
            const fiber = yield* Effect.fork(
              Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }).pipe(
                Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: goingBack ? 5 : 99 }))
              )
            )
            yield* TestClock.adjust("1 second")
            yield* Fiber.interrupt(fiber)
            expect(world.log.filter((line) => line.startsWith("-")).length).toBe(goingBack ? 1 : 0)
            const resumed = yield* Effect.fork(Saga.resume(saga, "1", { onInterrupt: "cancel" }))
            for (let count = 0; count < yields; count++) yield* Effect.yieldNow()
            yield* Fiber.interrupt(resumed)
            over = true
            const exit = yield* Effect.exit(Saga.resume(saga, "1"))
            expect(Exit.isFailure(exit)).toBe(true)
            const undone = Array.from(new Set(world.log.filter((line) => line.startsWith("-"))))
            expect(undone).toEqual(["-last", "-c", "-b", "-a", "-first"])
          }).pipe(Effect.provide(Checkpoint.layerMemory))
        }
      }
    }))

  it.effect("nor one in the middle of a block of which an earlier process has done a part", () =>
    Effect.gen(function*() {
      for (const [failAt, concurrency] of [[2, 2], [3, 2], [2, 1], [3, 1], [4, 1]] as const) {
        for (let yields = 0; yields < 12; yields++) {
          yield* Effect.gen(function*() {
            const store = yield* Checkpoint.Checkpoint
            const world = makeWorld()
            const saga = block(world, concurrency)
              .readOnly("check", { success: Text, action: world.refuse("check"), error: "asRecoveredFailure" })
              .build()
            yield* Effect.exit(
              Saga.execute(saga, undefined, { executionId: "1" }).pipe(
                Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
              )
            )
            const resumed = yield* Effect.fork(Saga.resume(saga, "1"))
            for (let count = 0; count < yields; count++) yield* Effect.yieldNow()
            const exit = yield* Fiber.interrupt(resumed)
            expect(Exit.isFailure(exit) && Array.from(Cause.defects(exit.cause))).toEqual([])
            expect(Exit.isFailure(yield* Effect.exit(Saga.resume(saga, "1")))).toBe(true)
            expect(world.standing()).toEqual([])
          }).pipe(Effect.provide(Checkpoint.layerMemory))
        }
      }
    }))

  it.effect("nor one at any single operation of its replay", () =>
    Effect.gen(function*() {
      for (const leaves of ["a doubt", "no doubt"] as const) {
        for (let n = 1, reached = true; reached; n++) {
          yield* Effect.gen(function*() {
            const store = yield* Checkpoint.Checkpoint
            const world = makeWorld()
            let duringB: Effect.Effect<unknown> = Effect.void
            const during: World = {
              ...world,
              do: (name) => (context) =>
                Effect.zipLeft(world.do(name)(context), Effect.suspend(() => name === "b" ? duringB : Effect.void))
            }
            const saga = block(during, 1).readOnly("check", {
              success: Text,
              action: world.refuse("check"),
              error: "asRecoveredFailure"
            }).build()
            const run = (store: Checkpoint.Service) =>
              Effect.provideService(
                Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }),
                Checkpoint.Checkpoint,
                store
              )
            if (leaves === "a doubt") yield* Effect.exit(run(failingStore(store, { failAt: 3 })))
            else {
              const fiber = yield* Effect.fork(run(store))
              const isSuspended = Effect.sync(() => store.findDriven("1")?.isSuspended() === true)
              duringB = Effect.zipRight(
                Fiber.interruptFork(fiber),
                Effect.repeat(Effect.zipRight(Effect.yieldNow(), isSuspended), { until: (is) => is })
              )
              yield* Fiber.await(fiber)
              duringB = Effect.void
            }
            expect(world.log).toEqual(["+first", "+a", "+b"])
            const { exit, reached: wasReached } = yield* interruptedAt(n, Saga.resume(saga, "1"))
            reached = wasReached
            expect(Exit.isFailure(exit) && Array.from(Cause.defects(exit.cause))).toEqual([])
            expect(Exit.isFailure(yield* Effect.exit(Saga.resume(saga, "1")))).toBe(true)
            expect(world.standing()).toEqual([])
            const undone = Array.from(new Set(world.log.filter((line) => line.startsWith("-"))))
            expect(undone).toEqual(["-last", "-c", "-b", "-a", "-first"].filter((line) => undone.includes(line)))
          }).pipe(Effect.provide(Checkpoint.layerMemory))
        }
      }
    }), 180_000)

  it.effect("a doubt comes before a sibling's own error, which would mean that everything was undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Doubt")
        .parallel((branch) =>
          branch
            .compensatable("bad", { ...refusing(world, "bad", "1 second"), error: "asRecoveredFailure" })
            .compensatable("b", {
              ...step(world, "b"),
              action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
              inDoubt: "park"
            })
        )
        .build()
      expect(failureOf(yield* forAMinute(Saga.run(saga, undefined)))).toMatchObject({
        _tag: "OutcomeUnknown",
        step: "b"
      })
      const report = yield* forAMinute(Saga.report(saga, undefined))
      expect(report).toMatchObject({ value: { _tag: "OutcomeUnknown" } })
      const run = Saga.execute(saga, undefined, { executionId: "1" })
      for (const exit of [yield* forAMinute(run), yield* Effect.exit(run)]) {
        expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "b", parked: true })
      }
      expect(yield* recoverAll([saga], { parked: true })).toMatchObject([{ _tag: "Parked" }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a recorded failure of a ReadOnly sibling is not followed by a recovery that goes forward", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      let works = false
      const inner = Saga.make("Inner")
        .compensatable("one", slow(world, "one", "2 seconds"))
        .compensatable("two", slow(world, "two", "2 seconds"))
      const saga = Saga.make("Block")
        .parallel((branch) =>
          branch
            .readOnly("check", {
              success: Text,
              action: () => works ? Effect.succeed("") : Effect.delay(world.refuse("check")(), "1 second"),
              error: "asRecoveredFailure"
            })
            .saga("inner", inner.build(), { input: () => {} })
        )
        .build()
      yield* forAMinute(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      works = true
      expect(yield* forAMinute(recoverAll([saga]))).toMatchObject({ value: [{ _tag: "Undone" }] })
      expect(world.standing()).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what a sibling came to is stored, also when another's output cannot be", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Odd")
        .parallel((branch) =>
          branch
            .compensatable("a", {
              ...step(world, "a"),
              success: Schema.NonEmptyString,
              action: () => Effect.succeed("")
            })
            .compensatable("b", slow(world, "b", "1 second"))
        )
        .build()
      expect(failureOf(yield* forAMinute(Saga.execute(saga, undefined, { executionId: "1" })))).toMatchObject({
        _tag: "NotStorable"
      })
      const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
      expect(events.at(-1)).toMatchObject({ _tag: "StepSucceeded", step: "b" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a sibling does not see another's output, also not at run time, whoever is faster", () =>
    Effect.gen(function*() {
      const seen: Array<ReadonlyArray<string>> = []
      const look = (duration: "1 second" | "2 seconds") => ({
        action: ({ outputs }: { readonly outputs: object }) =>
          Effect.sync(() => void seen.push(Object.keys(outputs))).pipe(Effect.delay(duration))
      })
      const saga = Saga.make("Blind")
        .readOnly("before", { action: () => Effect.void })
        .parallel((branch) => branch.readOnly("a", look("1 second")).readOnly("b", look("2 seconds")))
        .build()
      expect(yield* forAMinute(Saga.run(saga, undefined))).toMatchObject({ _tag: "Success" })
      expect(seen).toEqual([["before"], ["before"]])
    }))

  it.effect("resumed on the way back, the original cause is not multiplied by the siblings", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const saga = Saga.make("Once")
        .compensatable("first", step(world, "first"))
        .parallel((branch) =>
          branch
            .compensatable("a", { ...step(world, "a"), error: Text, action: () => Effect.fail("no") })
            .compensatable("b", { ...step(world, "b"), error: Text, action: () => Effect.fail("no") })
        )
        .build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 3 }))
        )
      )
      const recorded = (yield* eventsOf(store, "1")).find((event) => event._tag === "UnwindingStarted")
      const exit = yield* Effect.exit(Saga.resume(saga, "1"))
      expect(Exit.isFailure(exit) && Array.from(Cause.failures(exit.cause))).toEqual(recorded?.failures.map(() => "no"))
      // That it was undone could not be stored, so it is undone again under its key.
      expect(world.log).toEqual(["+first", "-first", "-first"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a parked execution that several ask for at once is set going once", () =>
    Effect.gen(function*() {
      let calls = 0
      const saga = Saga.make("Asked").final("charge", {
        action: () => {
          calls++
          return Effect.delay(Effect.fail(new SagaError.OutcomeUnknown({ reason: "?" })), "1 second")
        },
        inDoubt: "retry"
      }).build()
      yield* forAMinute(Saga.execute(saga, undefined, { executionId: "1" }))
      calls = 0
      yield* forAMinute(
        Effect.all([1, 2, 3].map(() => Effect.exit(Saga.resume(saga, "1"))), { concurrency: "unbounded" })
      )
      expect(calls).toBe(2)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})
