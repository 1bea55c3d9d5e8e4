/** Real processes on one database, one of them paused (SIGSTOP) past its lease: the ledger shows every effect once. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { type Checkpoint, Executions, type Journal, Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "./support/bundle.ts"
import { type Change, readLedger } from "./support/ledger.ts"
import { describePostgres, freshDatabase } from "./support/postgres.ts"
import { effectsOf, isDeclined, trip } from "./support/trip.ts"
import type { Task } from "./support/worker.ts"

const worker = await bundle(new URL("./support/worker.ts", import.meta.url))
afterAll(() => rmSync(worker))

/** A worker, which ends with its test. */
const start = (task: Task) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [worker, JSON.stringify(task)], {
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => ({ child, said: listen(child) })
  )

/** What a process has said and will say, by the first word of the line. A process that ends without saying it is a defect. */
const listen = (child: ChildProcess) => {
  let all = ""
  const waiting = new Set<() => void>()
  child.on("close", () => {
    for (const look of waiting) look()
  })
  child.stdout!.on("data", (data) => {
    all += String(data)
    for (const look of waiting) look()
  })
  return (word: string) =>
    Effect.async<string>((resume) => {
      const look = () => {
        const line = all.split("\n").slice(0, -1).find((line) => line.startsWith(word))
        const ended = child.exitCode ?? child.signalCode
        if (line === undefined && ended === null) return
        waiting.delete(look)
        resume(
          line === undefined
            ? Effect.dieMessage(`the process ended with ${ended} and never said "${word}"`)
            : Effect.succeed(line.slice(word.length + 1))
        )
      }
      waiting.add(look)
      look()
    })
}

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-processes-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/**
 * Pauses a process, but not in the midst of a write to SQLite: paused there it keeps the lock of the file, and nobody can write
 * until it goes on.
 */
const pause = (child: ChildProcess, database: Task["database"]) =>
  Effect.gen(function*() {
    child.kill("SIGSTOP")
    if (database._tag !== "sqlite") return
    const isLocked = () => {
      const connection = new Sqlite(database.filename, { timeout: 0 })
      try {
        connection.exec("BEGIN IMMEDIATE; ROLLBACK")
        return false
      } catch {
        return true
      } finally {
        connection.close()
      }
    }
    while (isLocked()) {
      child.kill("SIGCONT")
      yield* Effect.yieldNow()
      child.kill("SIGSTOP")
    }
  })

const executionIds = Array.from({ length: 24 }, (_, index) => `${index % 3 === 0 ? "declined" : "accepted"}-${index}`)

const sorted = (changes: ReadonlyArray<Change>) => changes.map(({ key, what }) => `${what} ${key}`).sort()
const due = sorted(executionIds.flatMap(effectsOf))

const twoAndAPausedThird = (database: Task["database"], directory: string) =>
  Effect.gen(function*() {
    const ledger = join(directory, "ledger")
    const task: Task = { database, ledger, lease: "1 second", does: "recover", start: [] }
    // Only the lease of the first is to end: a loaded machine may stop the others for a second too.
    const recovery: Task = { ...task, lease: "10 seconds" }
    const paused = yield* start({ ...task, does: "execute", start: executionIds })
    yield* paused.said("begun")
    yield* pause(paused.child, database)

    const others = yield* Effect.all([start(recovery), start(recovery)])
    const finished = yield* Effect.forEach(
      others,
      ({ said }) => Effect.map(said("ended"), (line) => JSON.parse(line)),
      {
        concurrency: "unbounded"
      }
    )
    const recovered = finished.flat().filter((tag: string) => tag !== "Elsewhere")
    expect(recovered.every((tag: string) => tag === "Succeeded" || tag === "Undone")).toBe(true)
    const before = readLedger(ledger)
    expect(sorted(before.effects)).toEqual(due)

    paused.child.kill("SIGCONT")
    const came: ReadonlyArray<string> = JSON.parse(yield* paused.said("ended"))
    expect(came.length).toBe(executionIds.length)
    const after = readLedger(ledger)
    expect(sorted(after.effects)).toEqual(due)

    // The two never drove the same execution, whoever had it before.
    const driversOf = new Map<string, Set<number>>()
    for (const { key, process } of after.calls) {
      if (process === paused.child.pid) continue
      const executionId = key.split("/")[0]!
      driversOf.set(executionId, (driversOf.get(executionId) ?? new Set()).add(process))
    }
    // It came back to executions that were others', and could say no more than that.
    expect(driversOf.size).toBeGreaterThan(0)
    expect(came.filter((what) => what === "LeaseLost").length).toBe(driversOf.size)
    expect(Array.from(driversOf.values()).every(({ size }) => size === 1)).toBe(true)
  })

/** Nobody has made the tables before them. */
const allAtOnce = (database: Task["database"], directory: string) =>
  Effect.gen(function*() {
    const task = { database, ledger: join(directory, "ledger"), lease: "30 seconds", does: "execute" } as const
    const mine = (process: number) => executionIds.filter((_, index) => index % 4 === process)
    const workers = yield* Effect.all([0, 1, 2, 3].map((process) => start({ ...task, start: mine(process) })))
    const came = yield* Effect.forEach(workers, ({ said }) => Effect.map(said("ended"), (line) => JSON.parse(line)), {
      concurrency: "unbounded"
    })
    expect(came).toEqual(
      [0, 1, 2, 3].map((process) => mine(process).map((id) => isDeclined(id) ? expect.anything() : 420))
    )
    expect(sorted(readLedger(task.ledger).effects)).toEqual(due)
  })

// `DRAINED=10000` for a run by hand.
const drained = Number(process.env.DRAINED ?? 600)

/** One of two workers is killed when a third of what is enqueued has ended. */
const twoWorkersOneKilled = (
  database: Task["database"],
  store: Layer.Layer<Checkpoint.Checkpoint, unknown>,
  directory: string
) =>
  Effect.gen(function*() {
    const ledger = join(directory, "ledger")
    const saga = trip(ledger)
    const ids = Array.from({ length: drained }, (_, index) => `${index % 3 === 0 ? "declined" : "accepted"}-${index}`)
    yield* Effect.forEach(
      ids,
      (executionId) => Saga.enqueue(saga, { declined: isDeclined(executionId) }, { executionId }),
      { concurrency: 16, discard: true }
    )
    const ended = Effect.map(
      Executions.count({ saga: saga.name }),
      (counts) => counts.reduce((sum, { count, status }) => isEnd(status) ? sum + count : sum, 0)
    )
    const until = (count: number) =>
      Effect.repeat(ended, { until: (ended) => ended >= count, schedule: Schedule.spaced("50 millis") })
    const task: Task = { database, ledger, lease: "2 seconds", does: "work", start: [] }
    const [killed] = yield* Effect.all([start(task), start(task)])
    yield* killed.said("begun")
    yield* until(drained / 3)
    killed.child.kill("SIGKILL")
    yield* until(drained)

    const { calls, effects } = readLedger(ledger)
    expect(sorted(effects)).toEqual(sorted(ids.flatMap(effectsOf)))
    // Asked for twice is only what the killed one had begun: under the same key, so that it happened once.
    const twice = calls.length - new Set(calls.map(({ key, what }) => `${what} ${key}`)).size
    expect(twice).toBeLessThanOrEqual(32)
    expect(new Set(calls.map(({ process }) => process)).size).toBe(2)
    const counts = yield* Executions.count({ saga: saga.name })
    expect(Object.fromEntries(counts.map(({ count, status }) => [status, count]))).toEqual({
      Succeeded: ids.filter((id) => !isDeclined(id)).length,
      Undone: ids.filter(isDeclined).length
    })
  }).pipe(Effect.provide(store))

const isEnd = (status: Journal.Status) => status === "Succeeded" || status === "Undone"

describe("two workers on one SQLite file, of which one is killed", () => {
  it.scopedLive("drain what is enqueued, and the ledger shows every effect once", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const filename = join(directory, "journal.db")
      yield* twoWorkersOneKilled(
        { _tag: "sqlite", filename },
        SqliteCheckpoint.layer({ filename, durability: "process" }),
        directory
      )
    }), 300_000)
})

describePostgres("two workers on one database, of which one is killed", () => {
  it.scopedLive("drain what is enqueued, and the ledger shows every effect once", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      yield* twoWorkersOneKilled(
        { _tag: "postgres", url },
        SqlCheckpoint.layer().pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url) }))),
        yield* temporaryDirectory
      )
    }), 300_000)
})

describe("four processes that come to a fresh SQLite file at once", () => {
  it.scopedLive("all find their tables made, and drive what is theirs", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* allAtOnce({ _tag: "sqlite", filename: join(directory, "journal.db") }, directory)
    }), 300_000)
})

describePostgres("four processes that come to a fresh database at once", () => {
  it.scopedLive("all find their tables made, and drive what is theirs", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* allAtOnce({ _tag: "postgres", url: yield* freshDatabase }, directory)
    }), 300_000)
})

describe("two processes that recover what a third has begun, which is paused and wakes up when they are through", () => {
  it.scopedLive("on one SQLite file, the ledger shows every effect once", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* twoAndAPausedThird({ _tag: "sqlite", filename: join(directory, "journal.db") }, directory)
    }), 300_000)
})

describePostgres(
  "two processes that recover what a third has begun, which is paused and wakes up when they are through",
  () => {
    it.scopedLive("on one database, the ledger shows every effect once", () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        yield* twoAndAPausedThird({ _tag: "postgres", url: yield* freshDatabase }, directory)
      }), 300_000)
  }
)
