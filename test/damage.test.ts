/** A file that is cut off or overwritten: whatever is read of it is what was written, or an error that says so. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { Checkpoint, Journal, Recovery, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { copyFileSync, mkdtempSync, openSync, rmSync, statSync, truncateSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventsOf } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-damage-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const make = (reached: Deferred.Deferred<void>, waits: () => boolean) => {
  const world = makeWorld()
  const step = (name: string) => ({ success: Schema.String, action: world.do(name), compensate: world.undo(name) })
  const saga = Saga.make("Trip")
    .compensatable("flight", step("flight"))
    .compensatable("hotel", step("hotel"))
    .readOnly("wait", {
      action: () => waits() ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
    })
    .final("charge", { success: Schema.String, action: world.do("charge"), inDoubt: "retry" })
    .build(({ outputs }) => outputs.charge)
  return { world, saga }
}

const ids = Array.from({ length: 12 }, (_, index) => `execution-${index}`)

/** A file with some executions that are finished and some that are not. */
const written = (filename: string) =>
  Effect.gen(function*() {
    let waits = false
    const reached = yield* Deferred.make<void>()
    const { saga, world } = make(reached, () => waits)
    yield* Effect.gen(function*() {
      for (const [index, executionId] of ids.entries()) {
        waits = index % 3 === 0
        const fiber = yield* Effect.fork(
          Saga.execute(saga, undefined, { executionId, onInterrupt: "suspend" })
        )
        if (waits) {
          yield* Effect.yieldNow()
          yield* Deferred.await(reached)
          yield* Fiber.interrupt(fiber)
        } else yield* Fiber.join(fiber)
      }
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename })))
    waits = false
    return { saga, world }
  })

const typed = ["CheckpointError", "JournalCorrupt", "ExecutionNotFound", "ExecutionConflict", "DefinitionChanged"]

const expectTyped = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return
  const failure = Cause.failureOption(exit.cause)
  expect(Cause.isDie(exit.cause), Cause.pretty(exit.cause)).toBe(false)
  expect(typed).toContain((failure as { readonly value?: { readonly _tag: string } }).value?._tag)
}

const damaged = (damage: (filename: string, page: number, pages: number) => void) =>
  Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    const whole = join(directory, "whole.db")
    const { saga, world } = yield* written(whole)
    const standing = [...world.standing()].sort()
    const pages = statSync(whole).size / 4096
    let refused = 0
    for (let page = 0; page < pages; page++) {
      const filename = join(directory, `${page}.db`)
      copyFileSync(whole, filename)
      damage(filename, page, pages)
      const program = Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        for (const executionId of ids) {
          // What can be read without a gap folds. One with a gap is refused, see S16.
          const commits = yield* Effect.exit(store.load(executionId))
          const isWhole = Exit.isSuccess(commits) && commits.value.every(({ sequence }, index) => sequence === index)
          const events = yield* Effect.exit(eventsOf(store, executionId))
          if (isWhole && Exit.isSuccess(events)) {
            expect(Journal.fold(events.value)).not.toBeInstanceOf(Journal.InvalidTransition)
          }
        }
        const recovered = yield* Effect.exit(Recovery.run([saga]))
        expectTyped(recovered)
        for (const executionId of ids) expectTyped(yield* Effect.exit(Saga.resume(saga, executionId)))
        return recovered
      })
      const exit = yield* Effect.exit(Effect.provide(program, SqliteCheckpoint.layer({ filename })))
      if (Exit.isFailure(exit) || Exit.isFailure(exit.value) || exit.value.value.leftAsItWas > 0) refused++
      if (Exit.isFailure(exit)) {
        const error = Cause.squash(exit.cause) as { readonly _tag?: string }
        expect(error._tag, Cause.pretty(exit.cause)).toBe("CheckpointError")
      }
      // Nothing was undone on the word of a damaged journal.
      expect(world.log.filter((line) => line.startsWith("-"))).toEqual([])
    }
    // What stood before stands, and nothing was done under another key than its own.
    const all = [...world.standing()].sort()
    for (const step of new Set(standing)) {
      expect(all.filter((name) => name === step).length).toBeLessThanOrEqual(ids.length)
    }
    expect(new Set(world.keys).size).toBeLessThanOrEqual(ids.length * 3)
    return { refused, pages }
  })

describe("a damaged file is refused with an error that says so, or read as it was written", () => {
  it.scoped("cut off after any of its pages", () =>
    Effect.gen(function*() {
      const { refused } = yield* damaged((filename, page) => truncateSync(filename, page * 4096 + 1000))
      expect(refused).toBeGreaterThan(0)
    }), 120_000)

  it.scoped("with garbage in any of its pages", () =>
    Effect.gen(function*() {
      const { refused } = yield* damaged((filename, page) => {
        const file = openSync(filename, "r+")
        const garbage = Buffer.from(Array.from({ length: 600 }, (_, index) => (index * 197 + page * 31) % 256))
        writeSync(file, garbage, 0, garbage.length, page * 4096 + (page === 0 ? 100 : 0))
        writeSync(file, garbage, 0, garbage.length, page * 4096 + 3000)
      })
      expect(refused).toBeGreaterThan(0)
    }), 120_000)
})

describe("a clock that is set back", () => {
  it.scoped("between the steps of an execution, or between its crash and its recovery, changes nothing else", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* TestClock.setTime(1_800_000_000_000)
      let waits = true
      const reached = yield* Deferred.make<void>()
      const { saga, world } = make(reached, () => waits)
      const layer = SqliteCheckpoint.layer({ filename: join(directory, "journal.db") })
      yield* Effect.provide(
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(
            Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "suspend" })
          )
          yield* Deferred.await(reached)
          yield* TestClock.setTime(1_700_000_000_000)
          yield* Fiber.interrupt(fiber)
        }),
        layer
      )
      waits = false
      yield* TestClock.setTime(1_600_000_000_000)
      yield* Effect.provide(
        Effect.gen(function*() {
          expect(yield* Recovery.run([saga])).toMatchObject({ succeeded: 1 })
          const events = yield* eventsOf(yield* Checkpoint.Checkpoint, "1")
          expect(Journal.fold(events)).toMatchObject({ status: "Succeeded", endedAt: 1_600_000_000_000 })
        }),
        layer
      )
      expect(world.standing()).toEqual(["flight", "hotel", "charge"])
    }))
})
