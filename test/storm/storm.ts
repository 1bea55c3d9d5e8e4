/** One storm, on one store. */
import Sqlite from "better-sqlite3"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { bundle } from "../support/bundle.ts"
import { Bank } from "./bank.ts"
import { check, checkLate, type Pause, type Violation } from "./checker.ts"
import type { Inspected, Place, Task } from "./messages.ts"
import type { Proxy } from "./proxy.ts"
import { chances } from "./random.ts"
import { readRows, type Stored } from "./rows.ts"

/** Makes one program of the sources of a worker. */
export const bundleWorker = (): Promise<string> => bundle(new URL("./worker.ts", import.meta.url))

const leaseMillis = 2000
/** What is left for recovery and for the checker where the beginning took too long. */
const timeToEnd = 15_000
const workerCount = 3
const spareCount = 1

export interface Storm {
  readonly executions: ReadonlyArray<Stored>
  readonly statuses: Readonly<Record<string, number>>
  readonly counts: {
    readonly kills: number
    readonly stops: number
    readonly pauses: number
    readonly longPauses: number
    readonly cuts: number
    readonly lostAcknowledgements: number
    readonly delays: number
    readonly calls: number
    readonly claims: number
    readonly starts: number
    readonly requests: number
    /** Requests that a driver has accepted, and that one has refused. */
    readonly accepted: number
    readonly refused: number
    readonly lateCalls: number
    readonly lateRefused: number
  }
  readonly violations: ReadonlyArray<Violation>
  readonly bank: Bank
}

interface Worker {
  readonly child: ChildProcess
  readonly process: number
  readonly name: string
  isReady: boolean
  /** Since when it is paused, in epoch milliseconds. */
  pausedAt?: number | undefined
  /** It was killed, or told to stop. */
  isEnding: boolean
}

/** The processes of a storm: so many that work, and some that are ready to take the place of those that die. */
class Crew {
  readonly pauses: Array<Pause> = []
  readonly crashes: Array<Violation> = []
  readonly counts = { kills: 0, stops: 0, pauses: 0, longPauses: 0 }
  private readonly all = new Set<Worker>()
  private readonly working = new Set<Worker>()
  private readonly spare: Array<Worker> = []
  private readonly taskOf: (name: string) => Task
  private readonly log: number
  private isOver = false
  private count = 0

  private readonly program: string

  constructor(program: string, taskOf: Crew["taskOf"], log: number) {
    this.program = program
    this.taskOf = taskOf
    this.log = log
    for (let index = 0; index < workerCount + spareCount; index++) this.spare.push(this.start(`w${this.count++}`))
  }

  get size() {
    return this.working.size
  }

  start(name: string): Worker {
    const child = spawn(process.execPath, [this.program, JSON.stringify(this.taskOf(name))], {
      stdio: ["pipe", "pipe", this.log]
    })
    const worker: Worker = { child, process: child.pid!, name, isReady: false, isEnding: false }
    this.all.add(worker)
    child.stdin!.on("error", () => {})
    child.on("exit", (code, signal) => {
      this.all.delete(worker)
      this.resumed(worker)
      if (!worker.isEnding && code !== 0) {
        const what = `process ${worker.process} (${name}) ended with ${code ?? signal}, see the log of the workers`
        this.crashes.push({ kind: "Crash", executionId: "", what })
      }
      this.working.delete(worker)
      this.sendWhoIsReady()
    })
    return worker
  }

  ready(process: number) {
    for (const worker of this.all) if (worker.process === process) worker.isReady = true
    this.sendWhoIsReady()
  }

  /** Sends to work who is ready, where somebody is missing, and has others made ready. */
  private sendWhoIsReady() {
    while (!this.isOver && this.working.size < workerCount) {
      const index = this.spare.findIndex(({ isReady }) => isReady)
      if (index === -1) return
      const [worker] = this.spare.splice(index, 1)
      this.working.add(worker!)
      worker!.child.stdin!.write("work\n")
      this.spare.push(this.start(`w${this.count++}`))
    }
  }

  private resumed(worker: Worker) {
    if (worker.pausedAt === undefined) return
    this.pauses.push({ process: worker.process, from: worker.pausedAt, to: Date.now() })
    worker.pausedAt = undefined
  }

  /** One of those that work; none where nobody could take its place. */
  private replaceable(chance: number): Worker | undefined {
    const from = Array.from(this.working).filter(({ isEnding }) => !isEnding)
    return this.spare.some(({ isReady }) => isReady) ? from[Math.floor(chance * from.length)] : undefined
  }

  kill(chance: number) {
    const worker = this.replaceable(chance)
    if (worker === undefined) return
    this.counts.kills++
    worker.isEnding = true
    worker.child.kill("SIGKILL")
  }

  stop(chance: number) {
    const worker = this.replaceable(chance)
    if (worker === undefined || worker.pausedAt !== undefined) return
    this.counts.stops++
    this.sendHome(worker)
  }

  private sendHome(worker: Worker) {
    worker.isEnding = true
    worker.child.stdin!.write("stop\n")
    setTimeout(() => worker.child.kill("SIGKILL"), 6000).unref()
  }

  /**
   * One always goes on, so that there is somebody who takes over. `mayPause` says whether a process may be left as it is now.
   */
  async pause(chance: number, millis: number, mayPause: () => boolean) {
    const awake = Array.from(this.working).filter(({ isEnding, pausedAt }) => pausedAt === undefined && !isEnding)
    const worker = awake.length < 2 ? undefined : awake[Math.floor(chance * awake.length)]
    if (worker === undefined) return
    this.counts.pauses++
    if (millis > leaseMillis) this.counts.longPauses++
    this.halt(worker)
    for (let tries = 0; tries < 100 && !mayPause(); tries++) {
      this.wake(worker)
      await sleep(1)
      this.halt(worker)
    }
    setTimeout(() => this.wake(worker), millis).unref()
  }

  private halt(worker: Worker) {
    worker.pausedAt = Date.now()
    worker.child.kill("SIGSTOP")
  }

  private wake(worker: Worker) {
    worker.child.kill("SIGCONT")
    this.resumed(worker)
  }

  /** Half of those that work are told to stop, all others are killed; but for one. */
  async end(but: Worker) {
    this.isOver = true
    let even = false
    for (const worker of this.all) {
      if (worker === but) continue
      this.wake(worker)
      even = !even
      if (even && this.working.has(worker)) this.sendHome(worker)
      else {
        if (this.working.has(worker)) this.counts.kills++
        worker.isEnding = true
        worker.child.kill("SIGKILL")
      }
    }
    while (this.all.size > 1) await sleep(20)
  }

  killAll() {
    this.isOver = true
    for (const worker of this.all) {
      worker.isEnding = true
      worker.child.kill("SIGKILL")
    }
  }
}

/** Whether somebody is in the midst of a write to a SQLite file. */
const isLocked = (place: Place): boolean => {
  if (place._tag !== "sqlite" || !existsSync(place.filename)) return false
  const connection = new Sqlite(place.filename, { timeout: 0 })
  try {
    connection.exec("BEGIN IMMEDIATE; ROLLBACK")
    return false
  } catch {
    return true
  } finally {
    connection.close()
  }
}

/** Has a process do one thing, and says whether it has done it in time. */
const hasDone = async ({ child }: Worker, what: "recover" | "inspect" | "settle", until: number): Promise<boolean> => {
  if (child.exitCode !== null) return false
  const said = once(child.stdout!, "data").then(([data]) => String(data).trim() === what)
  const ended = once(child, "exit").then(() => false)
  child.stdin!.write(`${what}\n`)
  return Promise.race([said, ended, sleep(until - Date.now(), false, { ref: false })])
}

const counted = (executions: ReadonlyArray<Stored>, tag: string): number =>
  executions.reduce((sum, { events }) => sum + events.filter(({ _tag }) => _tag === tag).length, 0)

export const storm = async (options: {
  readonly seconds: number
  /** When it must have come to its end, in epoch milliseconds. */
  readonly until: number
  readonly seed: string
  readonly directory: string
  /** The program of a worker, see {@link bundleWorker}. */
  readonly program: string
  readonly place: Place
  /** What the workers, and they only, reach the database by. */
  readonly proxy?: Proxy & { readonly place: Place }
}): Promise<Storm> => {
  const { directory, place, program, proxy, seconds, seed, until } = options
  mkdirSync(directory, { recursive: true })
  const socket = join(directory, "bank")
  const bank = new Bank(seed, socket, join(directory, "ledger"))
  const files = { executions: join(directory, "executions"), reports: join(directory, "reports") }
  const taskOf = (name: string): Task => ({
    // The clerk comes when the storm is over, by a way of its own.
    place: name === "clerk" ? place : proxy?.place ?? place,
    bank: socket,
    seed,
    name,
    leaseMillis,
    files
  })
  const crew = new Crew(program, taskOf, openSync(join(directory, "workers.log"), "a"))
  bank.onReady = (process) => crew.ready(process)
  const onExit = () => crew.killAll()
  process.on("exit", onExit)
  const clerk = crew.start("clerk")
  // It begins when all are there, however slowly this machine starts them.
  for (let waited = 0; waited < 10_000 && crew.size < workerCount; waited += 20) await sleep(20)
  const isOver = Math.min(Date.now() + seconds * 1000, until - timeToEnd)
  const wires = { cuts: 0, lostAcknowledgements: 0, delays: 0 }

  /** Does a thing again and again, after pauses of chance. */
  const keep = async (name: string, millis: number, act: (next: () => number) => unknown) => {
    const next = chances(`${seed} ${name}`)
    while (true) {
      const pause = millis * (0.3 + 1.4 * next())
      if (Date.now() + pause > isOver) return
      await sleep(pause)
      await act(next)
    }
  }
  await Promise.all([
    sleep(Math.max(0, isOver - Date.now())),
    keep("kills", 1500, (next) => next() < 0.85 ? crew.kill(next()) : crew.stop(next())),
    keep("pauses", 1300, async (next) => {
      const millis = next() < 0.6 ? 50 + 1700 * next() : leaseMillis + 200 + 1800 * next()
      // Paused in the midst of a write to a file, a process keeps all others from writing: that is seen often enough at one in ten.
      await crew.pause(next(), millis, next() < 0.1 ? () => true : () => !isLocked(place))
    }),
    keep("wires", 500, (next) => {
      switch (proxy?.disturb(next(), next())) {
        case "cut":
          wires.cuts++
          break
        case "acknowledgement lost":
          wires.lostAcknowledgements++
          break
        case "delay":
          wires.delays++
          break
        case undefined:
      }
    })
  ])
  await crew.end(clerk)
  proxy?.close()

  const violations: Array<Violation> = []
  const known = new Set<string>()
  const add = (found: ReadonlyArray<Violation>) => {
    for (const violation of found) {
      const text = JSON.stringify([violation.kind, violation.executionId, violation.what])
      if (known.has(text)) continue
      known.add(text)
      violations.push(violation)
    }
  }
  const mustDo = async (what: "recover" | "inspect" | "settle") => {
    if (await hasDone(clerk, what, until)) return
    add([{ kind: "Stuck", executionId: "", what: `a process that had to ${what} everything did not get to its end` }])
  }
  const hold = async (isSettled: boolean): Promise<ReadonlyArray<Stored>> => {
    const stored = await readRows(place)
    writeFileSync(files.executions, JSON.stringify(stored.map(({ executionId, saga }) => ({ executionId, saga }))))
    writeFileSync(files.reports, "[]")
    await mustDo("inspect")
    const inspected: ReadonlyArray<Inspected> = JSON.parse(readFileSync(files.reports, "utf8"))
    add(check({
      lines: bank.lines,
      effects: bank.effects.values(),
      stored,
      inspected,
      isSettled
    }))
    return stored
  }

  await mustDo("recover")
  const asLeft = await hold(false)
  const statuses: Record<string, number> = {}
  for (const { status } of asLeft) statuses[status] = (statuses[status] ?? 0) + 1
  bank.isCalm = true
  await mustDo("settle")
  const executions = await hold(true)
  const late = checkLate(bank.lines, crew.pauses)
  add(late.violations)
  add(crew.crashes)
  if (executions.length === 0 || crew.counts.kills === 0 || counted(executions, "CancellationRequested") === 0) {
    const what = "no execution was stored, or nobody was killed, or nothing was cancelled: nothing was tried"
    add([{ kind: "Empty", executionId: "", what }])
  }
  process.off("exit", onExit)
  crew.killAll()
  bank.close()
  const said = (tag: string) => bank.lines.filter(({ said }) => said._tag === tag).length
  return {
    executions,
    statuses,
    counts: {
      ...crew.counts,
      ...wires,
      calls: said("Call"),
      claims: said("Claimed"),
      starts: said("Begun"),
      requests: said("Asked"),
      accepted: counted(executions, "CancellationRequested"),
      refused: counted(executions, "CancellationRefused"),
      lateCalls: late.violations.length,
      lateRefused: late.refused
    },
    violations,
    bank
  }
}
