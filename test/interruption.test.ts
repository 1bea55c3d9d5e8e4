/** Interruptions at any moment of a saga's life, and of actions that let them in. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { bothWays, step, Text } from "./support/sagas.ts"
import { recoverAll } from "./support/store.ts"
import { makeWorld, Refused, type World } from "./support/world.ts"

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
        action: () => fails ? world.refuse("check")() : Effect.delay(Effect.succeed(""), "1 second"),
        error: "asRecoveredFailure"
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
        }).pipe(Effect.provide(Checkpoint.layerMemory)), 180_000)
    }
  }
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
