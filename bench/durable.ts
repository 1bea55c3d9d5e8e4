/**
 * Durable: ours on SQLite against what a careful author would write by hand, in one run. `npm run bench -- durable`.
 *
 * The floor is better-sqlite3 without a library: prepared statements, one row an event, the outcome of a step and the intent
 * of the next in one transaction, and all sagas of a batch share each transaction. It stores the same events of the steps
 * with a side effect, makes the same commits, and does nothing else: it does not look for an execution of the same id, check
 * an input, store what a ReadOnly step returned, or run fibers. "one row" appends one row a commit, from which nothing could
 * be recovered: no journal is cheaper.
 *
 * All have the same driver, the same settings of SQLite and a fresh file each in the same directory, and take turns. A
 * disk and a processor that others use too change the rates from one minute to the next; the processor time, less.
 */
import Database from "better-sqlite3"
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checkOurs, commitsOf, inputOf, median, openOurs, order, price, type Timing, world } from "./order.ts"

const rounds = 5
const milliseconds = 200

type Synchronous = "FULL" | "NORMAL"

interface Contender {
  /** The effects that stand after each saga. */
  readonly effects: number
  readonly drive: (concurrency: number, milliseconds: number) => Promise<Timing>
  /** Throws unless everything that was driven is stored. */
  readonly check: (sagas: number) => Promise<void> | void
  readonly close: () => Promise<void> | void
}

const ours = (filename: string, synchronous: Synchronous, declined: boolean): Contender => {
  const store = openOurs(filename, synchronous === "FULL" ? "power-loss" : "process")
  return {
    effects: declined ? 0 : 4,
    drive: (concurrency, milliseconds) => store.drive(concurrency, milliseconds, declined),
    check: () => checkOurs(store, store.ids, declined),
    close: store.close
  }
}

const open = (filename: string, synchronous: Synchronous) => {
  const db = new Database(filename)
  db.pragma("journal_mode = WAL")
  db.pragma(`synchronous = ${synchronous}`)
  return db
}

/** The sagas advance in lockstep and share each transaction. */
const lockstep = (db: Database.Database) => {
  const begin = db.prepare("BEGIN IMMEDIATE")
  const commit = db.prepare("COMMIT")
  return <A>(all: ReadonlyArray<A>, write: (one: A) => void) => {
    begin.run()
    for (const one of all) write(one)
    commit.run()
  }
}

const untilTheTimeIsUp =
  (batch: (concurrency: number) => void): Contender["drive"] => async (concurrency, milliseconds) => {
    const start = performance.now()
    let sagas = 0
    do {
      batch(concurrency)
      sagas += concurrency
    } while (performance.now() - start < milliseconds)
    return { sagas, seconds: (performance.now() - start) / 1000 }
  }

const reservations = ["flight", "hotel", "car"]

/** As large as ours, by which a resume sees that the definition is the same. */
const fingerprint = JSON.stringify(order.steps.map(({ classification, name }) => `${classification} "${name}"`))

const floor = (filename: string, synchronous: Synchronous, declined: boolean): Contender => {
  const db = open(filename, synchronous)
  db.exec(`
    CREATE TABLE execution (id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE event (
      execution INTEGER NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (execution, sequence)
    ) WITHOUT ROWID`)
  const insertExecution = db.prepare("INSERT INTO execution (execution_id, status, body) VALUES (?, 'Running', ?)")
  const insertEvent = db.prepare("INSERT INTO event (execution, sequence, body) VALUES (?, ?, ?)")
  const updateStatus = db.prepare("UPDATE execution SET status = ? WHERE id = ?")
  const together = lockstep(db)

  interface Execution {
    id: number | bigint
    sequence: number
    readonly input: ReturnType<typeof inputOf>
    output: unknown
  }
  const note = (execution: Execution, event: object) =>
    insertEvent.run(execution.id, execution.sequence++, JSON.stringify({ ...event, at: Date.now() }))
  const intent = (execution: Execution, step: string) => {
    const classification = step === "charge" ? "Final" : "Compensatable"
    note(execution, { _tag: "StepStarted", step, classification })
  }
  const outcome = (execution: Execution, step: string) =>
    note(execution, { _tag: "StepSucceeded", step, output: execution.output, attempts: 1 })
  const end = (execution: Execution, status: "Succeeded" | "Undone") => {
    note(execution, { _tag: "Finished", result: status })
    updateStatus.run(status, execution.id)
  }
  const batch = (concurrency: number) => {
    const all = Array.from(
      { length: concurrency },
      (): Execution => ({ id: 0, sequence: 0, input: inputOf(declined), output: undefined })
    )
    together(all, (execution) => {
      const saga = { saga: "Order", version: 1 }
      execution.id = insertExecution.run(crypto.randomUUID(), JSON.stringify(saga)).lastInsertRowid
      note(execution, { _tag: "Started", ...saga, fingerprint, input: execution.input })
      intent(execution, "flight")
    })
    for (const [index, step] of reservations.entries()) {
      for (const execution of all) {
        world.effects++
        execution.output = { id: `${step}-1`, seats: execution.input.seats }
      }
      together(all, (execution) => {
        outcome(execution, step)
        intent(execution, reservations[index + 1] ?? "charge")
      })
    }
    if (!declined) {
      for (const execution of all) {
        world.effects++
        execution.output = `paid ${price}`
      }
      together(all, (execution) => {
        outcome(execution, "charge")
        end(execution, "Succeeded")
      })
      return
    }
    const failures = [{ kind: "Fail", step: "charge", tag: "string", message: "declined", encoded: "declined" }]
    together(all, (execution) => {
      note(execution, { _tag: "StepFailed", step: "charge", failures, attempts: 1 })
      note(execution, { _tag: "UnwindingStarted", failures })
      note(execution, { _tag: "CompensationStarted", step: "car" })
    })
    for (let index = reservations.length - 1; index >= 0; index--) {
      const step = reservations[index]
      world.effects -= all.length
      together(all, (execution) => {
        note(execution, { _tag: "CompensationSucceeded", step, attempts: 1 })
        if (index === 0) end(execution, "Undone")
        else note(execution, { _tag: "CompensationStarted", step: reservations[index - 1] })
      })
    }
  }
  return {
    effects: declined ? 0 : 4,
    drive: untilTheTimeIsUp(batch),
    check: (sagas) => {
      expectCount(db, `execution WHERE status = '${declined ? "Undone" : "Succeeded"}'`, sagas)
      expectCount(db, "event", sagas * (declined ? 17 : 10))
    },
    close: () => void db.close()
  }
}

const oneRow = (filename: string, synchronous: Synchronous, declined: boolean): Contender => {
  const db = open(filename, synchronous)
  db.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
  const insert = db.prepare("INSERT INTO log (body) VALUES (?)")
  const together = lockstep(db)
  const event = { _tag: "StepSucceeded", step: "flight", output: { id: "flight-1", seats: 2 }, attempts: 1 }
  return {
    effects: 0,
    drive: untilTheTimeIsUp((concurrency) => {
      const all = Array.from({ length: concurrency }, () => event)
      for (let commit = 0; commit < commitsOf(declined); commit++) {
        together(all, (event) => insert.run(JSON.stringify({ ...event, at: Date.now() })))
      }
    }),
    check: (sagas) => expectCount(db, "log", sagas * commitsOf(declined)),
    close: () => void db.close()
  }
}

const expectCount = (db: Database.Database, what: string, expected: number) => {
  const count = db.prepare(`SELECT count(*) FROM ${what}`).pluck().get()
  if (count !== expected) throw new Error(`${String(count)} of ${what}, and should be ${expected}`)
}

const contenders = { floor, ours, "one row": oneRow }

/**
 * The commits that SQLite made meanwhile, read from its write-ahead log: the frame that ends a commit says how large the
 * database is then, and any other says 0. A reader that stays keeps SQLite from starting the log anew.
 */
const commitsDuring = async (filename: string, work: () => Promise<unknown>): Promise<number> => {
  const reader = new Database(filename)
  try {
    const busy = reader.pragma("wal_checkpoint(TRUNCATE)", { simple: true })
    if (busy !== 0) throw new Error("the write-ahead log could not be emptied")
    reader.exec("BEGIN")
    reader.prepare("SELECT count(*) FROM sqlite_master").get()
    await work()
    const log = readFileSync(`${filename}-wal`)
    const frame = 24 + log.readUInt32BE(8)
    let commits = 0
    for (let at = 32; at + frame <= log.length; at += frame) if (log.readUInt32BE(at + 4) !== 0) commits++
    return commits
  } finally {
    reader.close()
  }
}

const numbers = (): Array<number> => []

const measure = async (directory: string, synchronous: Synchronous, declined: boolean, concurrency: number) => {
  const all = Object.entries(contenders).map(([name, make]) => {
    const filename = join(directory, `${name}-${synchronous}-${declined}-${concurrency}.db`)
    return { filename, contender: make(filename, synchronous, declined), sagas: 0, rates: numbers(), cpu: numbers() }
  })
  // The first round warms up. The contenders take turns at being the first, too.
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < all.length; turn++) {
      const one = all[(turn + round + all.length) % all.length]!
      const before = world.effects
      const cpu = process.cpuUsage()
      const { sagas, seconds } = await one.contender.drive(concurrency, milliseconds)
      const { system, user } = process.cpuUsage(cpu)
      if (world.effects - before !== sagas * one.contender.effects) {
        throw new Error(`${world.effects - before} effects stand of ${sagas} sagas`)
      }
      one.sagas += sagas
      if (round < 0) continue
      one.rates.push(sagas / seconds)
      one.cpu.push((user + system) / sagas)
    }
  }
  const commits: Array<number> = []
  for (const { contender, filename, sagas } of all) {
    let more = 0
    const made = await commitsDuring(filename, async () => {
      more = (await contender.drive(concurrency, 0)).sagas
    })
    commits.push(made / more)
    await contender.check(sagas + more)
    await contender.close()
  }
  const [floor, ours, least] = all.map(({ cpu, rates }) => ({ rate: median(rates), cpu: median(cpu) }))
  const figures = [
    floor!.rate.toFixed(0),
    ours!.rate.toFixed(0),
    least!.rate.toFixed(0),
    `${(ours!.rate / floor!.rate).toFixed(2)} ×`,
    commits[0]!.toFixed(2),
    commits[1]!.toFixed(2),
    `${floor!.cpu.toFixed(0)} µs`,
    `${ours!.cpu.toFixed(0)} µs`
  ]
  return `${synchronous.padEnd(6)} ${declined ? "fail" : "ok  "}${String(concurrency).padStart(5)}` +
    figures.map((figure) => figure.padStart(11)).join("")
}

/** Without it nobody could compare the rates at one saga at a time with those of another disk. */
const flush = (directory: string): number => {
  const file = openSync(join(directory, "flush"), "w")
  const page = Buffer.alloc(4096)
  const times = Array.from({ length: 100 }, () => {
    const start = performance.now()
    writeSync(file, page)
    fsyncSync(file)
    return performance.now() - start
  })
  closeSync(file)
  return median(times)
}

export const durable = async (print: (row: string) => void): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-saga-bench-"))
  try {
    print(`in ${directory}, where a flush takes ${flush(directory).toFixed(2)} ms`)
    print(
      "                            sagas a second                 ours       commits a saga      processor time a saga"
    )
    print("                C      floor       ours    one row     ÷ floor      floor       ours      floor       ours")
    // So that all code is compiled before the first figure.
    for (const declined of [false, true]) await measure(directory, "NORMAL", declined, 16)
    for (const synchronous of ["FULL", "NORMAL"] as const) {
      for (const declined of [false, true]) {
        for (const concurrency of [1, 8, 64, 256]) print(await measure(directory, synchronous, declined, concurrency))
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
