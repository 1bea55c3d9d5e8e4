/**
 * Parallel blocks, nested sagas, conditions and timeouts, in process and durable: S7 to S9 of `docs/semantics.md`, and what
 * they do to the other rules.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, FiberRef, Option, Schema, TestClock } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { interruptedAt } from "./support/interruptedAt.ts"
import { eventsOf, failingStore, recoverAll } from "./support/store.ts"
import { makeWorld, Refused, type World } from "./support/world.ts"

const Text = Schema.String

const failureOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

const step = (world: World, name: string) => ({ success: Text, action: world.do(name), compensate: world.undo(name) })

/** A step that takes this long. */
const slow = (world: World, name: string, duration: string) => ({
  ...step(world, name),
  action: (context: Parameters<ReturnType<World["do"]>>[0]) =>
    Effect.delay(world.do(name)(context), duration as "1 second")
})

const refusing = (world: World, name: string, duration: string) => ({
  ...step(world, name),
  action: () => Effect.delay(world.refuse(name)(), duration as "1 second")
})

/** Runs an effect while a minute passes. */
const forAMinute = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(effect))
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  })

/** In process, and durably with a store in memory. */
const bothWays = <A, E, R>(saga: Saga.Saga<void, A, E, R, `${string}.final`>) => ({
  "in process": Saga.run(saga, undefined),
  durably: Effect.provide(Saga.execute(saga, undefined, { executionId: "1" }), Checkpoint.layerMemory)
})

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
        const saga = block(world).readOnly("check", { action: world.refuse("check") }).build()
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
              .compensatable("bad", refusing(world, "bad", "2 seconds"))
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
            .compensatable("bad", refusing(world, "bad", "1 second"))
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
              .compensatable("a", refusing(world, "a", "1 second"))
              .compensatable("b", refusing(world, "b", "2 seconds"))
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
          .readOnly("check", { action: world.refuse("check") })
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
            .readOnly("check", { action: world.refuse("check") })
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
            .compensatable("b", { ...step(world, "b"), action: world.refuse("b") })
        )
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(Exit.isFailure(exit) && Array.from(Cause.failures(exit.cause)).length).toBe(2)
      const found = { step: "a", happened: true, output: "found" } as const
      const resumed = yield* Effect.exit(Saga.resume(saga, "1", { found }))
      expect(failureOf(resumed)).toMatchObject({ _tag: "RecoveredFailure", tag: "Refused" })
      expect(world.log).toEqual(["!b", "-a"])
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
                .compensatable("bad", { ...step(world, "bad"), action: world.refuse("bad"), inDoubt: "retry" })
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
              action: () => goingBack || over ? world.refuse("check")() : Effect.never
            }).build()
            const fiber = yield* Effect.fork(
              Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }).pipe(
                Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: goingBack ? 5 : 99 }))
              )
            )
            yield* TestClock.adjust("1 second")
            yield* Fiber.interrupt(fiber)
            expect(world.log.filter((line) => line.startsWith("-")).length).toBe(goingBack ? 1 : 0)
            const resumed = yield* Effect.fork(Saga.resume(saga, "1"))
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
              .readOnly("check", { success: Text, action: world.refuse("check") })
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
            const saga = block(world, 1).readOnly("check", { success: Text, action: world.refuse("check") }).build()
            const run = (store: Checkpoint.Service) =>
              Effect.provideService(
                Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }),
                Checkpoint.Checkpoint,
                store
              )
            if (leaves === "a doubt") yield* Effect.exit(run(failingStore(store, { failAt: 3 })))
            else {
              const fiber = yield* Effect.fork(run(store))
              while (world.log.length < 2) yield* Effect.yieldNow()
              yield* Fiber.interrupt(fiber)
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
    }), 60_000)

  it.effect("a doubt comes before a sibling's own error, which would mean that everything was undone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Doubt")
        .parallel((branch) =>
          branch
            .compensatable("bad", refusing(world, "bad", "1 second"))
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
              action: () => works ? Effect.succeed("") : Effect.delay(world.refuse("check")(), "1 second")
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

describe("an interruption at any moment", () => {
  /** Every action, compensation and commit takes a second. */
  const slowly = (world: World, fails: boolean) => {
    const reserve = (name: string) => ({
      success: Text,
      action: (context: Parameters<ReturnType<World["do"]>>[0]) => Effect.delay(world.do(name)(context), "1 second"),
      compensate: (context: Parameters<ReturnType<World["undo"]>>[0]) =>
        Effect.delay(world.undo(name)(context), "1 second")
    })
    return Saga.make("Slowly")
      .readOnly("look", { success: Text, action: () => Effect.delay(Effect.succeed(""), "1 second") })
      .compensatable("a", reserve("a"))
      .parallel((branch) =>
        branch.compensatable("b", { ...reserve("b"), timeout: "5 seconds", inDoubt: "park" }).compensatable(
          "c",
          reserve("c")
        )
      )
      .saga("inner", Saga.make("Inner").compensatable("d", reserve("d")).build(), { input: () => {} })
      .readOnly("check", {
        success: Text,
        action: () => fails ? world.refuse("check")() : Effect.delay(Effect.succeed(""), "1 second")
      })
      .final("e", { success: Text, action: reserve("e").action, inDoubt: "retry" })
      .final("f", { success: Text, action: reserve("f").action, inDoubt: "retry", retry: { times: 1 } })
      .build()
  }

  for (const fails of [false, true]) {
    for (const durable of [false, true]) {
      const title = `${durable ? "durably" : "in process"}, of a saga that ${fails ? "fails" : "succeeds"}`
      it.effect(`${title}: everything stands, or nothing`, () =>
        Effect.gen(function*() {
          const seconds = durable ? 26 : 14
          let succeeded = 0
          for (let half = 0; half <= 2 * seconds; half++) {
            const world = makeWorld()
            const store = yield* Checkpoint.Checkpoint
            const slowStore: Checkpoint.Service = {
              ...store,
              append: (commit) => Effect.delay(store.append(commit), "1 second")
            }
            const executionId = `${fails} ${half}`
            const saga = slowly(world, fails)
            const run = durable ? Saga.execute(saga, undefined, { executionId }) : Saga.run(saga, undefined)
            const fiber = yield* Effect.fork(Effect.provideService(run, Checkpoint.Checkpoint, slowStore))
            yield* TestClock.adjust(half * 500)
            const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
            yield* TestClock.adjust("1 minute")
            yield* Fiber.join(interruption)
            // What a durable run has left for recovery can only go forward.
            if (durable) {
              yield* Fiber.join(yield* Effect.zipLeft(Effect.fork(recoverAll([saga])), TestClock.adjust("1 minute")))
            }
            const standing = [...world.standing()].sort().join("")
            expect(["", "abcdef"]).toContain(standing)
            if (standing !== "") succeeded++
            else {
              const undone = world.log.filter((line) => line.startsWith("-")).map((line) => line.slice(1))
              expect(undone).toEqual([...undone].sort().reverse())
            }
          }
          if (fails) expect(succeeded).toBe(0)
          else expect(succeeded).toBeGreaterThan(5)
        }).pipe(Effect.provide(Checkpoint.layerMemory)))
    }
  }
})

describe("S9: nested sagas", () => {
  const insure = (world: World) =>
    Saga.make("Insure", { input: Schema.Struct({ value: Schema.Int.pipe(Schema.positive()) }) })
      .readOnly("premium", { success: Schema.Number, action: ({ input }) => Effect.succeed(input.value / 10) })
      .compensatable("policy", step(world, "policy"))
      .build(({ outputs }) => ({ policy: outputs.policy, premium: outputs.premium }))

  const trip = (world: World, value: number) =>
    Saga.make("Trip", { input: Schema.Int })
      .compensatable("flight", step(world, "flight"))
      .saga("insurance", insure(world), {
        input: ({ input, outputs }) => ({ value: outputs.flight === "flight-output" ? input * value : NaN })
      })

  it.effect("their input is made of what came before, their output is the step's", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = trip(world, 10).compensatable("hotel", step(world, "hotel")).build(({ outputs }) =>
        outputs.insurance
      )
      expect(yield* Saga.run(saga, 5)).toEqual({ policy: "policy-output", premium: 5 })
      expect(world.log).toEqual(["+flight", "+policy", "+hotel"])
    }))

  it.effect("one that completed is unwound with its parent, newest first", () =>
    Effect.gen(function*() {
      for (const durable of [false, true]) {
        const world = makeWorld()
        const saga = trip(world, 10)
          .compensatable("hotel", step(world, "hotel"))
          .readOnly("check", { action: world.refuse("check") })
          .build()
        const run = durable ? Saga.execute(saga, 5, { executionId: "1" }) : Saga.run(saga, 5)
        yield* Effect.exit(Effect.provide(run, Checkpoint.layerMemory))
        expect(world.log).toEqual(["+flight", "+policy", "+hotel", "!check", "-hotel", "-policy", "-flight"])
      }
    }))

  it.effect("input that does not match fails the step, and unwinds the parent", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const exit = yield* Effect.exit(Saga.run(trip(world, -1).build(), 5))
      expect(failureOf(exit)).toMatchObject({ _tag: "ParseError" })
      expect(world.log).toEqual(["+flight", "-flight"])
    }))

  it.effect("errors, the journal and keys name their steps by path", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Saga.make("Inner").compensatable("policy", {
        ...step(world, "policy"),
        compensate: world.refuse("undo policy")
      }).build()
      const saga = Saga.make("Outer")
        .saga("insurance", Saga.make("Middle").saga("deep", inner, { input: () => {} }).build(), { input: () => {} })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      expect(saga.steps.map(({ name }) => name)).toEqual(["insurance/deep/policy", "check"])
      const error = failureOf(yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })))
      expect(error).toMatchObject({ failed: [{ step: "insurance/deep/policy" }] })
      expect(world.keys).toEqual(["1/insurance/deep/policy/action"])
      const report = yield* Saga.report(saga, undefined)
      expect(report.steps[0]).toMatchObject({ step: "insurance/deep/policy", status: "Succeeded" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("the same saga nested twice keeps its steps apart", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Saga.make("Inner").compensatable("book", step(world, "book")).build(({ outputs }) => outputs.book)
      const saga = Saga.make("Twice")
        .saga("out", inner, { input: () => {} })
        .saga("back", inner, { input: () => {} })
        .build()
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toEqual({
        out: "book-output",
        back: "book-output"
      })
      expect(world.keys).toEqual(["1/out/book/action", "1/back/book/action"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a Final in one is the point of no return of the parent", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const pay = Saga.make("Pay")
        .compensatable("hold", step(world, "hold"))
        .final("charge", { success: Text, action: world.do("charge"), inDoubt: "retry" })
        .build()
      const saga = Saga.make("Trip")
        .compensatable("flight", step(world, "flight"))
        .saga("payment", pay, { input: () => {} })
        .final("email", { success: Text, action: world.refuse("email"), inDoubt: "retry", retry: { times: 1 } })
        .build()
      const error = failureOf(yield* Effect.exit(Saga.run(saga, undefined)))
      expect(error).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "email",
        stands: ["flight", "payment/hold", "payment/charge"]
      })
      expect(world.standing()).toEqual(["flight", "hold", "charge"])
    }))

  it.effect("durably, an execution goes on in the middle of one", () =>
    Effect.gen(function*() {
      for (let failAt = 0; failAt < 5; failAt++) {
        const layer = Checkpoint.layerMemory
        yield* Effect.gen(function*() {
          const store = yield* Checkpoint.Checkpoint
          const world = makeWorld()
          const saga = trip(world, 10).compensatable("hotel", step(world, "hotel")).build(({ outputs }) =>
            outputs.insurance
          )
          yield* Effect.exit(
            Saga.execute(saga, 5, { executionId: "1" }).pipe(
              Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
            )
          )
          yield* recoverAll([saga])
          expect(yield* Saga.execute(saga, 5, { executionId: "1" })).toEqual({ policy: "policy-output", premium: 5 })
          expect(world.standing()).toEqual(["flight", "policy", "hotel"])
        }).pipe(Effect.provide(layer))
      }
    }))

  it.effect("durably, a doubt in one is not undone when an interruption cuts off the check of its input", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      let slow = false
      // It lets itself be interrupted where nothing else is.
      const check = (input: unknown) =>
        Effect.suspend(() => slow ? Effect.interruptible(Effect.never) : Effect.succeed(input as string))
      const Checked = Schema.declare([], { decode: () => check, encode: () => check })
      const inner = Saga.make("Inner", { input: Checked }).compensatable("one", step(world, "one")).build()
      const saga = Saga.make("Outer")
        .compensatable("first", step(world, "first"))
        .saga("inner", inner, { input: () => "given" })
        .readOnly("check", { success: Text, action: world.refuse("check") })
        .build()
      yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
        )
      )
      expect(world.log).toEqual(["+first", "+one", "!check"])
      slow = true
      const resumed = yield* Effect.fork(Saga.resume(saga, "1"))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.interrupt(resumed)
      expect(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)).toBe(true)
      expect(world.log).toEqual(["+first", "+one", "!check"])
      slow = false
      yield* recoverAll([saga])
      expect(world.log.slice(3)).toEqual(["+one", "!check", "-one", "-first"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a step added inside of one is another definition", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const outer = (inner: Saga.Saga<void, unknown, never, never>) =>
        Saga.make("Outer").compensatable("first", step(world, "first")).saga("inner", inner, { input: () => {} })
          .build(() => "done")
      const before = Saga.make("Inner").compensatable("a", step(world, "a")).build()
      const after = Saga.make("Inner").compensatable("a", step(world, "a")).compensatable("b", step(world, "b")).build()
      yield* Effect.exit(
        Saga.execute(outer(before), undefined, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect(failureOf(yield* Effect.exit(Saga.resume(outer(after), "1")))).toMatchObject({
        _tag: "DefinitionChanged",
        difference: `this definition has more steps: Compensatable "inner/b"`
      })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("timeouts", () => {
  const charge = (
    world: World,
    inDoubt: "retry" | "verify" | "park",
    times: ReadonlyArray<"1 second" | "9 seconds">
  ) => {
    let calls = 0
    return Saga.make("Slow")
      .compensatable("hotel", step(world, "hotel"))
      .final("charge", {
        success: Text,
        action: (context) =>
          Effect.suspend(() => Effect.delay(world.do("charge")(context), times[calls++] ?? "9 seconds")),
        timeout: "5 seconds",
        inDoubt,
        verify: () => Effect.succeedSome("found")
      })
      .build(({ outputs }) => outputs.charge)
  }

  it.effect("an action with a side effect that takes too long is cut off and in doubt", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const error = failureOf(yield* forAMinute(bothWays(charge(world, "park", []))[way]))
        expect(error).toMatchObject({
          _tag: "OutcomeUnknown",
          step: "charge",
          reason: "it took longer than 5s",
          parked: way === "durably"
        })
        expect(world.log).toEqual(way === "durably" ? ["+hotel"] : ["+hotel", "-hotel"])
      }
    }))

  it.effect("and its doubt is settled by its policy", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      expect(yield* forAMinute(Saga.run(charge(world, "verify", []), undefined))).toEqual(Exit.succeed("found"))
      expect(yield* forAMinute(Saga.run(charge(world, "retry", ["9 seconds", "1 second"]), undefined))).toEqual(
        Exit.succeed("charge-output")
      )
    }))

  it.effect("in time is in time", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      expect(yield* forAMinute(Saga.run(charge(world, "park", ["1 second"]), undefined))).toEqual(
        Exit.succeed("charge-output")
      )
    }))

  it.effect("the condition of a retry is asked about the action's errors only, and one that throws hides no doubt", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const asked: Array<unknown> = []
      const saga = Saga.make("While")
        .compensatable("first", step(world, "first"))
        .compensatable("book", {
          ...step(world, "book"),
          action: ({ attempt }) =>
            attempt === 2 ? Effect.fail(new Refused({ step: "book" })) : Effect.as(Effect.never, ""),
          timeout: "1 second",
          inDoubt: "retry",
          retry: {
            times: 2,
            while: (error) => {
              asked.push(error)
              return error.step.length > 0
            }
          }
        })
        .build()
      const exit = yield* forAMinute(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", parked: true })
      expect(asked).toEqual([new Refused({ step: "book" })])
      expect(world.log).toEqual(["+first"])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("what a guarded action sets in its fiber is set for the steps after it", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake("before")
      const saga = Saga.make("Fiber")
        .compensatable("set", {
          action: () => FiberRef.set(ref, "after"),
          compensate: () => Effect.void,
          timeout: "1 second",
          inDoubt: "park"
        })
        .readOnly("get", { action: () => FiberRef.get(ref) })
        .build(({ outputs }) => outputs.get)
      expect(yield* Saga.run(saga, undefined)).toBe("after")
    }))

  it.effect("an interruption from outside does not reach the action that the timeout guards", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Guarded")
        .compensatable("hotel", { ...slow(world, "hotel", "3 seconds"), timeout: "5 seconds", inDoubt: "park" })
        .compensatable("flight", step(world, "flight"))
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))

  it.effect("nor the compensation that one guards", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Guarded")
        .compensatable("hotel", {
          ...step(world, "hotel"),
          compensate: (context) => Effect.delay(world.undo("hotel")(context), "2 seconds"),
          compensationTimeout: "5 seconds"
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga, undefined))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(interruption)
      expect(world.log).toEqual(["+hotel", "!check", "-hotel"])
    }))

  it.effect("a ReadOnly action that takes too long fails with TimeoutException, each attempt by itself", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Look")
        .compensatable("hotel", step(world, "hotel"))
        .readOnly("look", {
          action: ({ attempt }) => Effect.delay(world.note(`look ${attempt}`), attempt < 3 ? "9 seconds" : "1 second"),
          timeout: "5 seconds",
          retry: { times: 1, while: () => false }
        })
        .build()
      const exit = yield* forAMinute(Saga.run(saga, undefined))
      expect(failureOf(exit)).toBeInstanceOf(Cause.TimeoutException)
      expect(world.log).toEqual(["+hotel", "-hotel"])
      const report = yield* forAMinute(Saga.report(saga, undefined))
      expect(report).toMatchObject({ value: { steps: [{}, { step: "look", attempts: 2 }] } })
    }))

  it.effect("a compensation that takes too long has failed, and is tried again as its own retry says", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = (duration: (attempt: number) => "1 second" | "9 seconds") =>
        Saga.make("Undo")
          .compensatable("hotel", {
            ...step(world, "hotel"),
            compensate: (context) => Effect.delay(world.undo("hotel")(context), duration(context.attempt)),
            compensationTimeout: "5 seconds",
            compensationRetry: { times: 1 }
          })
          .readOnly("check", { action: world.refuse("check") })
          .build()
      const stuck = failureOf(yield* forAMinute(Saga.run(saga(() => "9 seconds"), undefined)))
      expect(stuck).toMatchObject({ _tag: "PartlyUndone", failed: [{ step: "hotel" }] })
      const again = yield* forAMinute(Saga.run(saga((attempt) => attempt === 1 ? "9 seconds" : "1 second"), undefined))
      expect(failureOf(again)).toEqual(new Refused({ step: "check" }))
    }))
})

describe("interruptible: true", () => {
  const interrupted = (world: World, inDoubt: "verify" | "park", inside: Deferred.Deferred<void>) =>
    Saga.make("Open")
      .compensatable("hotel", step(world, "hotel"))
      .compensatable("flight", {
        success: Text,
        action: () => Effect.andThen(Deferred.succeed(inside, undefined), Effect.as(Effect.never, "")),
        compensate: world.undo("flight"),
        interruptible: true,
        inDoubt,
        verify: () => Effect.as(world.note("verify"), Option.some("found"))
      })
      .build()

  it.effect("an interruption reaches the action, which is then in doubt: verified, it is undone with the rest", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inside = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(Saga.run(interrupted(world, "verify", inside), undefined))
      yield* Deferred.await(inside)
      const exit = yield* Fiber.interrupt(fiber)
      expect(Exit.isInterrupted(exit)).toBe(true)
      expect(world.log).toEqual(["+hotel", "verify", "-flight", "-hotel"])
    }))

  it.effect("what stays unknown is named beside the interruption, durably with nothing undone", () =>
    Effect.gen(function*() {
      for (const way of ["in process", "durably"] as const) {
        const world = makeWorld()
        const inside = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(bothWays(interrupted(world, "park", inside))[way])
        yield* Deferred.await(inside)
        const exit = yield* Fiber.interrupt(fiber)
        expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "flight", reason: "it was interrupted" })
        expect(world.log).toEqual(way === "durably" ? ["+hotel"] : ["+hotel", "-hotel"])
      }
    }))
})

describe("interruptible: true, and suspended", () => {
  it.effect("an action's own mixture of failure and interruption is its failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Mixed").compensatable("a", {
        action: () => Effect.all([world.refuse("a")(), Effect.never], { concurrency: 2 }),
        compensate: world.undo("a"),
        interruptible: true,
        inDoubt: "park"
      }).build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga, undefined)))).toEqual(new Refused({ step: "a" }))
    }))

  it.effect("interrupted with a doubt it is left for recovery, which settles it, and not parked", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let works = false
      const saga = Saga.make("Left").final("charge", {
        success: Text,
        action: (context) => works ? world.do("charge")(context) : Effect.as(Effect.never, ""),
        interruptible: true,
        inDoubt: "retry"
      }).build(({ outputs }) => outputs.charge)
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      works = true
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Succeeded", output: "charge-output" }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("conditions", () => {
  const upgrade = (world: World, asked: { count: number }) =>
    Saga.make("Upgrade", { input: Schema.Boolean })
      .compensatable("seat", {
        ...step(world, "seat"),
        when: ({ input }) => {
          asked.count++
          return input
        }
      })
      .compensatable("hotel", step(world, "hotel"))

  it.effect("a step whose condition holds runs, and its output is Some", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = upgrade(world, { count: 0 }).build(({ outputs }) => outputs.seat)
      expect(yield* Saga.run(saga, true)).toEqual(Option.some("seat-output"))
      expect(yield* Saga.run(saga, false)).toEqual(Option.none())
      expect(world.log).toEqual(["+seat", "+hotel", "+hotel"])
    }))

  it.effect("a step that was skipped is not undone, one that was not gets its plain output", () =>
    Effect.gen(function*() {
      const outputs: Array<unknown> = []
      const world = makeWorld()
      const saga = Saga.make("Undo", { input: Schema.Boolean })
        .compensatable("seat", {
          ...step(world, "seat"),
          when: ({ input }) => input,
          compensate: (context) =>
            Effect.andThen(Effect.sync(() => outputs.push(context.output)), world.undo("seat")(context))
        })
        .readOnly("check", { action: world.refuse("check") })
        .build()
      yield* Effect.exit(Saga.run(saga, false))
      expect(world.log).toEqual(["!check"])
      yield* Effect.exit(Saga.run(saga, true))
      expect(outputs).toEqual(["seat-output"])
    }))

  it.effect("skipped is recorded as skipped, and not decided again on a resume", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const world = makeWorld()
      const asked = { count: 0 }
      const saga = upgrade(world, asked).compensatable("car", step(world, "car")).build(({ outputs }) => outputs.seat)
      yield* Effect.exit(
        Saga.execute(saga, false, { executionId: "1" }).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 }))
        )
      )
      expect((yield* eventsOf(store, "1")).map(({ _tag }) => _tag)).toEqual(["Started", "StepSkipped", "StepStarted"])
      expect(yield* Saga.resume(saga, "1")).toEqual(Option.none())
      expect(asked.count).toBe(1)
      expect(yield* Saga.execute(saga, false, { executionId: "1" })).toEqual(Option.none())
      const report = yield* Saga.report(saga, false)
      expect(report.steps[0]).toMatchObject({ step: "seat", status: "Skipped", attempts: 0 })
      expect(report.summary).toBe("Upgrade succeeded: 2 steps took effect, 1 was skipped")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("a condition, or a nested projection, that throws after the point of no return is named", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const fail = (): never => {
        throw new Error("thrown")
      }
      const late = Saga.make("Late")
        .final("charge", { action: world.do("charge") })
        .final("email", { action: world.do("email"), when: (): boolean => fail() })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(late, undefined)))).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "email",
        stands: ["charge"]
      })
      const pay = Saga.make("Pay").final("charge", { action: world.do("charge") }).build(fail)
      const outer = Saga.make("Outer").saga("pay", pay, { input: () => {} }).final("email", {
        action: world.do("email")
      })
      expect(failureOf(yield* Effect.exit(Saga.run(outer.build(), undefined)))).toMatchObject({
        _tag: "FailedAfterCommit",
        step: "pay",
        stands: ["pay/charge"]
      })
    }))

  it.effect("a condition that throws fails the step", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Throws")
        .compensatable("hotel", step(world, "hotel"))
        .compensatable("seat", {
          ...step(world, "seat"),
          when: (): boolean => {
            throw new Error("condition")
          }
        })
        .build()
      const exit = yield* Effect.exit(Saga.run(saga, undefined))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(world.log).toEqual(["+hotel", "-hotel"])
    }))
})

describe("defaults of a saga", () => {
  it.effect("hold for each step that says nothing itself", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const failing = (name: string, succeedsAt: number) => ({ attempt }: { readonly attempt: number }) =>
        Effect.suspend(() => {
          calls.push(`${name} ${attempt}`)
          return attempt < succeedsAt ? Effect.fail(new Refused({ step: name })) : Effect.void
        })
      const saga = Saga.make("Defaults", { defaults: { retry: { times: 1 }, compensationRetry: { times: 2 } } })
        .compensatable("a", { action: failing("a", 2), compensate: failing("undo a", 3) })
        .compensatable("b", { action: failing("b", 3), compensate: () => Effect.void, retry: { times: 2 } })
        .readOnly("c", { action: failing("c", 9) })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.run(saga, undefined)))).toEqual(new Refused({ step: "c" }))
      expect(calls).toEqual(["a 1", "a 2", "b 1", "b 2", "b 3", "c 1", "c 2", "undo a 1", "undo a 2", "undo a 3"])
    }))

  it.effect("a timeout for all, and what a cut-off action then means", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const saga = Saga.make("Defaults", {
        defaults: { timeout: "2 seconds", inDoubt: "park", compensationTimeout: "1 second" }
      })
        .compensatable("quick", slow(world, "quick", "1 second"))
        .compensatable("slow", slow(world, "slow", "3 seconds"))
        .build()
      const exit = yield* forAMinute(Saga.run(saga, undefined))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "slow" })
      expect(world.log).toEqual(["+quick", "-quick"])
    }))
})
