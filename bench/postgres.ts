/**
 * PostgreSQL: ours, what would be written by hand, DBOS, and `@effect/workflow` on its cluster engine, which run the same saga
 * on one server in one run. `npm run bench -- postgres`, or `npm run bench -- postgres 10` for rounds of 10 seconds.
 *
 * Each contender has in each round a fresh database and a process of its own, which is alone on the server meanwhile. The
 * contenders take turns at being the first. The figures are medians of the rounds. After each round a contender's effects are
 * counted, and what it has stored.
 */
import { readFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { findServer } from "../test/support/postgresServer.ts"
import { median } from "./order.ts"
import { missing } from "./peers/dbos.ts"
import { type Client, connect } from "./peers/pg.ts"
import { contenders, type Drive, type Driven, type Name, withContender } from "./peers/process.ts"
import { type Costs, serverCosts } from "./serverCosts.ts"

const rounds = 3

interface Figures {
  readonly rate: number
  /** Milliseconds a saga. */
  readonly node: number
  readonly server: number | undefined
  /** Of both. */
  readonly processor: number | undefined
  readonly transactions: number
  /** Bytes a saga. */
  readonly log: number
}

const cells = [1, 64].flatMap((concurrency) =>
  [false, true].map((declined) => ({ concurrency, declined, figures: new Map<Name, Array<Figures>>() }))
)

const figuresOf = ({ processor, sagas, seconds }: Driven, before: Costs, after: Costs): Figures => {
  const node = processor / sagas
  const server = before.processor === undefined || after.processor === undefined
    ? undefined
    : (after.processor - before.processor) / sagas
  return {
    rate: sagas / seconds,
    node,
    server,
    processor: server === undefined ? undefined : node + server,
    transactions: (after.transactions - before.transactions) / sagas,
    log: (after.log - before.log) / sagas
  }
}

const measure = async (name: Name, url: string, costs: () => Promise<Costs>, milliseconds: number) =>
  withContender(name, url, async (drive) => {
    const driveFor = (milliseconds: number, { concurrency, declined }: Omit<Drive, "milliseconds">) =>
      drive({ concurrency, declined, milliseconds })
    // So that its code is compiled and its connections are open.
    for (const declined of [false, true]) await driveFor(2000, { concurrency: 64, declined })
    for (const cell of cells) {
      const before = await costs()
      const driven = await driveFor(milliseconds, cell)
      const figures = figuresOf(driven, before, await costs())
      cell.figures.set(name, [...cell.figures.get(name) ?? [], figures])
    }
  })

/** Runs `use` with a database that is empty, and then gone. */
const withDatabase = async (server: string, administrator: Client, use: (url: string) => Promise<void>) => {
  const name = `effect_saga_bench_${crypto.randomUUID().replaceAll("-", "")}`
  await administrator.query(`CREATE DATABASE ${name} TEMPLATE template0`)
  try {
    const url = new URL(server)
    url.pathname = name
    // So that no contender pays for the pages of the one before.
    await administrator.query("CHECKPOINT").catch(() => {})
    await use(url.href)
  } finally {
    await administrator.query(`DROP DATABASE ${name} WITH (FORCE)`)
  }
}

const medianOf = (figures: ReadonlyArray<Figures>, key: keyof Figures): number | undefined => {
  const values = figures.map((one) => one[key])
  return values.includes(undefined) ? undefined : median(values as ReadonlyArray<number>)
}

const widest = Math.max(...Object.keys(contenders).map((name) => name.length))

const table = (names: ReadonlyArray<Name>, { concurrency, declined, figures }: (typeof cells)[number]) => {
  const rate = (name: Name) => medianOf(figures.get(name) ?? [], "rate") ?? NaN
  const processorOfOurs = medianOf(figures.get("ours") ?? [], "processor")
  const column = (name: Name, key: keyof Figures, digits: number, unit: number | undefined) => {
    const value = medianOf(figures.get(name) ?? [], key)
    return value === undefined || unit === undefined ? "?" : (value / unit).toFixed(digits)
  }
  const rows = names.map((name) => {
    const rates = (figures.get(name) ?? []).map(({ rate }) => rate)
    return name.padEnd(widest) + [
      rate(name).toFixed(0),
      `${Math.min(...rates).toFixed(0)}-${Math.max(...rates).toFixed(0)}`,
      (rate("ours") / rate(name)).toFixed(2),
      column(name, "processor", 2, processorOfOurs),
      column(name, "node", 2, 1),
      column(name, "server", 2, 1),
      column(name, "transactions", 2, 1),
      column(name, "log", 1, 1024)
    ].map((figure) => figure.padStart(12)).join("")
  })
  return [
    "",
    `${concurrency} at a time, ${declined ? "declined, three undone" : "to the end"}`,
    " ".repeat(widest) +
    ["sagas/s", "of rounds", "ours ÷ it", "cpu ÷ ours", "Node ms", "server ms", "writing tx", "log KiB"]
      .map((title) => title.padStart(12)).join(""),
    ...rows
  ]
}

const versionOf = (name: string): string => {
  try {
    const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")) as { version: string }
    return `${name} ${version}`
  } catch {
    return `${name} ?`
  }
}

const settings = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"]

const describe = async (administrator: Client) => {
  const shown: Array<string> = []
  for (const setting of settings) {
    const { rows: [row] } = await administrator.query(`SHOW ${setting}`)
    shown.push(`${setting} ${String(row?.[setting])}`)
  }
  return [
    `PostgreSQL: ${shown.join(", ")}`,
    `Node ${process.versions.node}, ${cpus().length} processors; ` +
    ["@effect/sql-pg", "pg", "@effect/workflow", "@effect/cluster", "@dbos-inc/dbos-sdk"].map(versionOf).join(", ")
  ]
}

const load = () => loadavg().map((one) => one.toFixed(1)).join(" ")

const compare = async (url: string, administrator: Client, seconds: number, print: (row: string) => void) => {
  const withoutDbos = missing()
  const names = (Object.keys(contenders) as Array<Name>).filter((name) => name !== "DBOS" || withoutDbos === undefined)
  for (const line of await describe(administrator)) print(line)
  if (withoutDbos !== undefined) print(withoutDbos)
  const costs = await serverCosts(administrator)
  print(`load before: ${load()}`)
  for (let round = 0; round < rounds; round++) {
    for (const turn of names.keys()) {
      const name = names[(turn + round) % names.length]!
      await withDatabase(url, administrator, (url) => measure(name, url, costs, seconds * 1000))
    }
  }
  print(`load after: ${load()}`)
  for (const cell of cells) for (const row of table(names, cell)) print(row)
}

export const postgres = async (seconds: number, print: (row: string) => void): Promise<void> => {
  // Its own server does not lose what it has said is stored.
  const server = await findServer("durable")
  if ("missing" in server) return print(`PostgreSQL was not measured: ${server.missing}`)
  try {
    const administrator = await connect(server.url)
    try {
      await compare(server.url, administrator, seconds, print)
    } finally {
      await administrator.end()
    }
  } finally {
    await server.stop()
  }
}
