/**
 * A real process, a real file, a real SIGKILL: at every journal write in turn, before it and between it and its
 * acknowledgement. Afterwards a recovery in another process finishes the executions, at once.
 */
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Checkpoint, Journal, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "./support/bundle.ts"
import { readLedger } from "./support/ledger.ts"
import { effectsOfOrder, order } from "./support/order.ts"
import { eventsOf, recoverAll } from "./support/store.ts"
import { effectsOf, isDeclined, trip } from "./support/trip.ts"

const driver = await bundle(new URL("./support/killed.ts", import.meta.url))
afterAll(() => rmSync(driver))

const runToItsEnd = (...args: ReadonlyArray<string>) =>
  Effect.async<NodeJS.Signals | number>((resume) => {
    const child = spawn(process.execPath, [driver, ...args], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? code ?? -1)))
  })

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-kill-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

type Moment = "before" | "after"

/** The sagas that are killed, and what takes effect in an execution of them. */
const sagas = {
  trip: { make: trip, effectsOf },
  order: { make: order, effectsOf: (id: string) => effectsOfOrder(id, isDeclined(id)) }
}
type Kind = keyof typeof sagas

/** Kills at this write, recovers, and tells whether there was such a write, and how many executions were recovered. */
const killAndRecover = (kind: Kind, write: number, moment: Moment, executionIds: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    const ended = yield* runToItsEnd(kind, directory, String(write), moment, ...executionIds)
    if (ended === 0) return undefined
    expect(ended).toBe("SIGKILL")
    const ledger = `${directory}/ledger`
    const saga = sagas[kind].make(ledger)
    return yield* Effect.gen(function*() {
      const recovered = yield* recoverAll([saga])
      expect(recovered.every(({ _tag }) => _tag === "Succeeded" || _tag === "Undone")).toBe(true)
      const store = yield* Checkpoint.Checkpoint
      for (const executionId of executionIds) {
        const effects = readLedger(ledger).effects.filter(({ key }) => key.startsWith(`${executionId}/`))
        const events = yield* eventsOf(store, executionId)
        if (events.length === 0) {
          // Nothing had been stored, and so nothing had been done.
          expect(effects).toEqual([])
          continue
        }
        expect(Journal.fold(events)).not.toBeInstanceOf(Journal.InvalidTransition)
        expect(effects).toEqual(sagas[kind].effectsOf(executionId))
        const exit = yield* Effect.exit(Saga.resume(saga, executionId))
        expect(exit).toEqual(isDeclined(executionId) ? Exit.fail("declined") : Exit.succeed(420))
      }
      expect(yield* recoverAll([saga])).toEqual([])
      return recovered.length
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: `${directory}/journal.db` })))
  }))

const atEveryWrite = (kind: Kind, moment: Moment, executionIds: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const recovered: Array<number> = []
    while (true) {
      const count = yield* killAndRecover(kind, recovered.length, moment, executionIds)
      if (count === undefined) return recovered
      recovered.push(count)
    }
  })

describe("a process killed at each journal write in turn leaves an execution that recovery finishes", () => {
  const executions: ReadonlyArray<readonly [Kind, "accepted" | "declined", writes: number]> = [
    ["trip", "accepted", 5],
    ["trip", "declined", 8],
    ["order", "accepted", 8],
    ["order", "declined", 14]
  ]
  for (const [kind, card, writes] of executions) {
    for (const moment of ["before", "after"] as const) {
      it.live(
        `${kind} ${card}, killed ${moment} the write is stored: every effect once, none left behind`,
        () =>
          Effect.gen(function*() {
            const recovered = yield* atEveryWrite(kind, moment, [card])
            // Nothing is left before the first write, nor after the last.
            const expected = Array.from({ length: writes }, () => 1)
            expected[moment === "before" ? 0 : writes - 1] = 0
            expect(recovered).toEqual(expected)
          }),
        300_000
      )
    }
  }
})

describe("a process killed at each write of many executions at once leaves all of them to recovery", () => {
  const executionIds = Array.from({ length: 8 }, (_, index) => `${index % 2 === 0 ? "accepted" : "declined"}-${index}`)
  for (const moment of ["before", "after"] as const) {
    it.live(
      `killed ${moment} the write is stored: every effect once, none left behind`,
      () =>
        Effect.gen(function*() {
          const recovered = yield* atEveryWrite("trip", moment, executionIds)
          // They share their writes, or there would be more than fifty.
          expect(recovered.length).toBeLessThan(20)
          expect(recovered.filter((count) => count === executionIds.length).length).toBeGreaterThan(2)
        }),
      300_000
    )
  }
})
