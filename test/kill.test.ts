/**
 * A real process, a real file, a real SIGKILL: at every journal write in turn, before it and between it and its
 * acknowledgement. Afterwards a recovery in another process finishes the execution.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { recoverAll } from "./support/store.ts"
import { readWorld, trip } from "./support/trip.ts"

const driver = fileURLToPath(new URL("./support/killed.ts", import.meta.url))

const runToItsEnd = (...args: ReadonlyArray<string>) =>
  Effect.async<NodeJS.Signals | number>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", driver, ...args], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? code ?? -1)))
  })

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-kill-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const key = (step: string) => `trip/${step}/action`
const done = (step: string) => ({ what: "do", key: key(step) })
const undone = (step: string) => ({ what: "undo", key: key(step) })

/** Kills at this write, recovers, and tells whether there was such a write. */
const killAndRecover = (write: number, moment: "before" | "after", card: "accepted" | "declined") =>
  Effect.scoped(Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    const ended = yield* runToItsEnd(directory, String(write), moment, card)
    if (ended === 0) return false
    expect(ended).toBe("SIGKILL")
    const world = `${directory}/world`
    const saga = trip(world)
    yield* Effect.gen(function*() {
      const recovered = yield* recoverAll([saga])
      if (write === 0 && moment === "before") {
        // Nothing had been stored, and so nothing had been done.
        expect(recovered).toEqual([])
        expect(readWorld(world)).toEqual([])
        return
      }
      const finished = moment === "after" && write === (card === "accepted" ? 4 : 7)
      expect(recovered.length).toBe(finished ? 0 : 1)
      const exit = yield* Effect.exit(Saga.resume(saga, "trip"))
      if (card === "accepted") {
        expect(exit).toEqual(Exit.succeed(420))
        expect(readWorld(world)).toEqual([done("flight"), done("hotel"), done("car"), done("charge")])
      } else {
        expect(exit).toEqual(Exit.fail("declined"))
        expect(readWorld(world)).toEqual([
          done("flight"),
          done("hotel"),
          done("car"),
          undone("car"),
          undone("hotel"),
          undone("flight")
        ])
      }
      expect(yield* recoverAll([saga])).toEqual([])
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: `${directory}/journal.db` })))
    return true
  }))

describe("a process killed at each journal write in turn leaves an execution that recovery finishes", () => {
  for (const card of ["accepted", "declined"] as const) {
    for (const moment of ["before", "after"] as const) {
      it.live(
        `${card}, killed ${moment} the write is stored: every effect once, none left behind`,
        () =>
          Effect.gen(function*() {
            let writes = 0
            while (yield* killAndRecover(writes, moment, card)) writes++
            expect(writes).toBe(card === "accepted" ? 5 : 8)
          }),
        90_000
      )
    }
  }
})
