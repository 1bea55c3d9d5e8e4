/**
 * S20 and S21 with a real process, a real file and a real SIGKILL: at every write in turn, while an execution begins to wait, while its
 * signal is stored, and while it is taken. Afterwards another process finishes it, with the same signal sent again.
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
import { answer, effectsOf, held, isRefused } from "./support/held.ts"
import { readLedger } from "./support/ledger.ts"
import { eventsOf } from "./support/store.ts"

const driver = await bundle(new URL("./support/killedWaiting.ts", import.meta.url))
afterAll(() => rmSync(driver))

const runToItsEnd = (...args: ReadonlyArray<string>) =>
  Effect.async<NodeJS.Signals | number>((resume) => {
    const child = spawn(process.execPath, [driver, ...args], { stdio: ["ignore", "ignore", "inherit"] })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? code ?? -1)))
  })

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-kill-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/** Kills at this write, and finishes in this process. Tells the status that the killed one has left; undefined if it was not killed. */
const killAndFinish = (write: number, moment: "before" | "after", executionId: string) =>
  Effect.scoped(Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    const ended = yield* runToItsEnd(directory, String(write), moment, executionId)
    if (ended === 0) return undefined
    expect(ended).toBe("SIGKILL")
    const ledger = `${directory}/ledger`
    const saga = held(ledger)
    return yield* Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const left = Journal.fold(yield* eventsOf(store, executionId))
      expect(left).not.toBeInstanceOf(Journal.InvalidTransition)
      const status = (left as Journal.ExecutionState | undefined)?.status ?? "nothing"
      if (status === "nothing") expect(readLedger(ledger).effects).toEqual([])
      yield* Saga.start(saga, undefined, { executionId })
      // The sender does not know whether its signal was stored: it sends it again.
      yield* Effect.catchTag(
        answer(executionId),
        "SignalRefused",
        ({ reason }) => Effect.sync(() => expect(["Unwinding", "Finished"]).toContain(reason))
      )
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId }))
      expect(exit).toEqual(isRefused(executionId) ? Exit.fail("refused") : Exit.succeed("paid"))
      expect(readLedger(ledger).effects).toEqual(effectsOf(executionId))
      const events = yield* eventsOf(store, executionId)
      const answers = events.filter(({ _tag }) => _tag === "SignalReceived")
      expect(answers).toHaveLength(1)
      expect(yield* store.messages(executionId)).toEqual([])
      return status
    }).pipe(Effect.provide(SqliteCheckpoint.layer({ filename: `${directory}/journal.db` })))
  }))

describe("a process killed at each write of an execution that waits leaves one that another process finishes", () => {
  for (const executionId of ["approved", "refused", "approved-early"]) {
    for (const moment of ["before", "after"] as const) {
      it.live(
        `${executionId}, killed ${moment} the write is stored: every effect once, and the signal once`,
        () =>
          Effect.gen(function*() {
            const left: Array<string> = []
            for (let write = 0;; write++) {
              const status = yield* killAndFinish(write, moment, executionId)
              if (status === undefined) break
              left.push(status)
            }
            // Before and after the first effect, to wait, for the signal, and for the end; and the message.
            expect(left.length).toBeGreaterThan(4)
            expect(left).toContain("Waiting")
            expect(left).toContain("Running")
          }),
        300_000
      )
    }
  }
})
