/**
 * What stored executions cost: a saga, finding what is pending, and the heap of a recovery, on a file that holds many
 * finished executions against an empty one. `npm run bench -- scale`, `npm run bench -- scale 100000`.
 *
 * Some thousand executions are run, and multiplied under new ids until there are enough: random ones (UUID), which land all
 * over the index, and ones that begin with a count, which land at its end. The empty file and the full one take turns; with 0
 * stored the two are alike, so that row shows what is noise.
 */
import Database from "better-sqlite3"
import { Effect, Stream } from "effect"
import { Checkpoint } from "effect-saga"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  checkOurs,
  commitsOf,
  countUnfinished,
  leaveUnfinished,
  median,
  openOurs,
  recover,
  type Store,
  world
} from "./order.ts"

const rounds = 9
const milliseconds = 200
const cost = ["empty", "stored", "ratio", "written"]
const left = 300
const really = 2000

const idKinds: Record<string, () => () => string> = {
  "random": () => () => crypto.randomUUID(),
  "by time": () => {
    let count = 0
    return () => (count++).toString(16).padStart(12, "0") + crypto.randomUUID().slice(12)
  }
}

/** Stores finished executions until there are `target`, of which `stored` are there. */
const fill = async (filename: string, newId: () => string, stored: number, target: number) => {
  const ours = openOurs(filename, "process", newId)
  while (ours.ids.length < Math.min(target - stored, really)) await ours.drive(64, 100)
  await ours.close()
  const missing = Math.max(0, target - stored - ours.ids.length)
  if (missing > 0) {
    const copies: Array<string> = []
    multiply(filename, ours.ids, missing, () => {
      const id = newId()
      if (copies.length < 100) copies.push(id)
      return id
    })
    const store = openOurs(filename, "process")
    await checkOurs(store, copies, false)
    await store.close()
  }
  return stored + ours.ids.length + missing
}

/** Copies executions under new ids, in the order in which those come. All that this benchmark knows of the tables is here. */
const multiply = (filename: string, ids: ReadonlyArray<string>, copies: number, newId: () => string) => {
  const db = new Database(filename)
  // Nothing here has to survive anything.
  db.pragma("journal_mode = MEMORY")
  db.pragma("synchronous = OFF")
  db.pragma("cache_size = -1000000")
  db.function("new_id", { deterministic: false }, newId)
  // What they keep is about executions that are not finished.
  const triggers = db.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all() as ReadonlyArray<
    { readonly name: string; readonly sql: string }
  >
  db.exec("BEGIN")
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`)
  db.exec("CREATE TEMP TABLE original (id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL)")
  const insert = db.prepare("INSERT INTO original VALUES (?, ?)")
  for (const [index, id] of ids.entries()) insert.run(index, id)
  db.prepare(`
    CREATE TEMP TABLE copy AS
    WITH RECURSIVE count (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n + 1 < ?)
    SELECT n, new_id() AS execution_id FROM count`).run(copies)
  // In the order of their executions, for so they would have been written.
  db.prepare(`
    INSERT INTO effect_saga_execution (execution_id, saga, version, status, token, started_at, body)
    SELECT copy.execution_id, saga, version, status, token, started_at, body
    FROM copy CROSS JOIN original ON original.id = copy.n % ${ids.length}
    CROSS JOIN effect_saga_execution AS execution ON execution.execution_id = original.execution_id
    ORDER BY copy.n`).run()
  const { changes } = db.prepare(`
    INSERT INTO effect_saga_commit (execution, sequence, status, token, ended_at, body, saga)
    SELECT copied.id, sequence, effect_saga_commit.status, effect_saga_commit.token, ended_at, effect_saga_commit.body,
      effect_saga_commit.saga
    FROM copy CROSS JOIN original ON original.id = copy.n % ${ids.length}
    CROSS JOIN effect_saga_execution AS execution ON execution.execution_id = original.execution_id
    CROSS JOIN effect_saga_execution AS copied ON copied.execution_id = copy.execution_id
    CROSS JOIN effect_saga_commit ON effect_saga_commit.execution = execution.id`).run()
  if (changes !== copies * (commitsOf(false) - 1)) {
    throw new Error(`${changes} rows were copied for ${copies} executions`)
  }
  for (const { sql } of triggers) db.exec(sql)
  db.exec("COMMIT")
  db.pragma("journal_mode = WAL")
  db.close()
}

/** What a saga takes on each of the stores: the median time, and the bytes given to the file system, checkpoints included, where Linux counts them. */
const costsOf = async (stores: ReadonlyArray<Store>, concurrency: number) => {
  const costs = stores.map((store) => ({ store, times: [] as Array<number>, bytes: 0, sagas: 0 }))
  for (let round = -1; round < rounds; round++) {
    for (const cost of round % 2 === 0 ? costs : costs.slice().reverse()) {
      const before = bytesWritten()
      const { sagas, seconds } = await cost.store.drive(concurrency, milliseconds)
      if (round < 0) continue
      cost.times.push(seconds * 1e6 / sagas)
      cost.bytes += bytesWritten() - before
      cost.sagas += sagas
    }
  }
  const [empty, stored] = costs.map(({ bytes, sagas, times }) => ({ time: median(times), written: bytes / sagas }))
  return [
    `${empty!.time.toFixed(0)} µs`,
    `${stored!.time.toFixed(0)} µs`,
    `${(stored!.time / empty!.time).toFixed(2)} ×`,
    `${(stored!.written / empty!.written).toFixed(2)} ×`
  ]
}

const bytesWritten = (): number =>
  existsSync("/proc/self/io") ? Number(/^wchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]) : NaN

const collected = globalThis.gc !== undefined

/** The heap in MB after a collection; without `--expose-gc`, all memory of the process. */
const heap = () => {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return (collected ? heapUsed : rss) / 1e6
}

const timed = async (work: () => Promise<unknown>) => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const measure = async (kind: string, filename: string, empty: string, newId: () => string, stored: number) => {
  const full = openOurs(filename, "power-loss", newId)
  const stores = [openOurs(empty, "power-loss", newId), full]
  const one = await costsOf(stores, 1)
  const many = await costsOf(stores, 64)
  await checkOurs(full, full.ids, false)

  await full.run(leaveUnfinished(left, newId))
  const finding: Array<number> = []
  for (let round = 0; round < rounds; round++) finding.push(await timed(() => full.run(countUnfinished)))
  const pending = await full.run(
    Effect.flatMap(Checkpoint.Checkpoint, (store) => Stream.runCollect(store.unfinished({ parked: false })))
  )
  if (pending.length !== left) throw new Error(`${pending.length} are unfinished, and should be ${left}`)

  const before = heap()
  let during = 0
  let resumed = 0
  world.seen = () => {
    if (resumed++ % 50 === 0) during = Math.max(during, heap())
  }
  const recovered = await full.run(recover)
  world.seen = () => {}
  if (recovered.succeeded !== left) {
    throw new Error("recovery did not finish all that was left")
  }
  await checkOurs(full, full.ids, false)
  for (const store of stores) await store.close()

  const figures = [
    String(stored),
    `${(statSync(filename).size / 1e6).toFixed(0)} MB`,
    ...one,
    ...many,
    `${median(finding).toFixed(1)} ms`,
    `${before.toFixed(1)} MB`,
    `${during.toFixed(1)} MB`
  ]
  return {
    row: kind.padEnd(8) + figures.map((figure) => figure.padStart(10)).join(""),
    finished: full.ids.length + left
  }
}

export const scale = async (most: number, print: (row: string) => void): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-saga-bench-"))
  try {
    print("                                a saga at C = 1                         a saga at C = 64")
    const columns = ["stored", "file", ...cost, ...cost, `${left} found`, collected ? "heap" : "memory", "recovery"]
    print("ids     " + columns.map((column) => column.padStart(10)).join(""))
    for (const [kind, newIds] of Object.entries(idKinds)) {
      const newId = newIds()
      const filename = join(directory, `${kind}.db`)
      let stored = 0
      for (const target of [0, ...[10_000, 100_000, 1_000_000].filter((target) => target < most), most]) {
        stored = await fill(filename, newId, stored, target)
        const { finished, row } = await measure(
          kind,
          filename,
          join(directory, `empty-${kind}-${target}.db`),
          newId,
          stored
        )
        print(row)
        stored += finished
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
