/**
 * The storm: processes that execute, resume and recover sagas on one store while they are killed and paused and their connections
 * cut, with a ledger on the other side that outlives them; then a checker that holds the ledger against the store.
 *
 *     npm run test:storm -- [--store sqlite|postgres] [--seconds N] [--seed S]
 *
 * Without arguments: both stores, one after the other, 60 seconds in all, and a seed of chance, which is printed. A seed repeats
 * what goes wrong and how often, but not what the operating system does with it. The run ends within 60 seconds after its time.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { findServer } from "../support/postgresServer.ts"
import type { Violation } from "./checker.ts"
import type { Place } from "./messages.ts"
import { type Proxy, startProxy } from "./proxy.ts"
import { bundleWorker, type Storm, storm } from "./storm.ts"

const mostPrinted = 10

const { values } = parseArgs({
  options: { store: { type: "string" }, seconds: { type: "string" }, seed: { type: "string" } }
})
const stores = values.store === undefined ? ["sqlite", "postgres"] as const : [values.store]
const seconds = Number(values.seconds ?? 60)
const seed = values.seed ?? String(Math.floor(Math.random() * 1e9))
if (!stores.every((store) => store === "sqlite" || store === "postgres") || !(seconds > 0)) {
  process.stderr.write("usage: npm run test:storm -- [--store sqlite|postgres] [--seconds N] [--seed S]\n")
  process.exit(2)
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const directory = mkdtempSync(join(tmpdir(), "effect-saga-storm-"))
const total = { executions: 0, kills: 0, pauses: 0, cuts: 0, violations: 0 }

const administrate = (url: string, statement: string) =>
  Effect.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
    )
  )

const common = {
  seconds: seconds / stores.length,
  seed,
  program: await bundleWorker()
}

/** The end of each storm: all of them, and whatever they need besides, take no longer than 55 seconds more than they were given. */
const until = (store: string) =>
  performance.timeOrigin +
  (1 + stores.findIndex((other) => other === store)) * (common.seconds + 55 / stores.length) * 1000

process.on("exit", () => rmSync(common.program, { force: true }))

const onSqlite = () =>
  storm({
    ...common,
    until: until("sqlite"),
    directory: join(directory, "sqlite"),
    place: { _tag: "sqlite", filename: join(directory, "journal.db") }
  })

const onPostgres = async (): Promise<Storm> => {
  const server = await findServer()
  if ("missing" in server) {
    say(`there is no PostgreSQL for the storm: ${server.missing}`)
    process.exit(2)
  }
  const name = `effect_saga_storm_${process.pid}`
  try {
    await administrate(server.url, `CREATE DATABASE ${name} TEMPLATE template0`)
    const url = new URL(server.url)
    url.pathname = name
    const place = { _tag: "postgres", url: url.href } as const
    const proxy = await startProxy({ host: url.hostname, port: Number(url.port || 5432) })
    const throughProxy = new URL(url)
    throughProxy.hostname = "127.0.0.1"
    throughProxy.port = String(proxy.port)
    const behind: Proxy & { readonly place: Place } = { ...proxy, place: { _tag: "postgres", url: throughProxy.href } }
    return await storm({
      ...common,
      until: until("postgres"),
      directory: join(directory, "postgres"),
      place,
      proxy: behind
    })
  } finally {
    await administrate(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await server.stop()
  }
}

/** What a person needs to see what happened: the journal of the execution, and its lines of the ledger. */
const print = ({ executionId, kind, what }: Violation, { bank, executions }: Storm) => {
  say(`\n  ${kind}${executionId === "" ? "" : ` of ${executionId}`}: ${what}`)
  const stored = executions.find((stored) => stored.executionId === executionId)
  if (stored !== undefined) {
    say(`    journal of ${stored.saga} ${executionId} (${stored.status}), written under ${stored.tokens.join(", ")}`)
    for (const { _tag, at, ...rest } of stored.events) say(`      ${at} ${_tag} ${JSON.stringify(rest)}`)
  }
  const lines = bank.lines.filter(({ said }) => said._tag !== "Ready" && said.executionId === executionId)
  if (lines.length > 0) say("    ledger")
  for (const { at, came, process, said, sequence } of lines) {
    const { _tag, ...rest } = said
    const answer = came === undefined ? "" : ` -> ${JSON.stringify(came)}`
    say(`      ${at} line ${sequence}, process ${process}: ${_tag} ${JSON.stringify(rest)}${answer}`)
  }
}

const sum = () =>
  `${total.executions} executions, ${total.kills} kills, ${total.pauses} pauses, ${total.cuts} cuts: ${total.violations} violations`

setTimeout(() => {
  total.violations++
  say(`the storm does not come to its end; its files: ${directory}`)
  say(sum())
  process.exit(1)
}, performance.timeOrigin + (seconds + 59) * 1000 - Date.now()).unref()

say(`storm with --seed ${seed}, ${seconds} seconds`)
for (const store of stores) {
  const result = await (store === "sqlite" ? onSqlite : onPostgres)()
  const { counts, executions, statuses, violations } = result
  const words = (record: Readonly<Record<string, number>>) =>
    Object.entries(record).map(([name, count]) => `${count} ${name}`).join(", ")
  say(`${store}: ${executions.length} executions (${words(statuses)})`)
  say(`  ${words(counts)}`)
  if (violations.length > 0) {
    const kinds: Record<string, number> = {}
    for (const { kind } of violations) kinds[kind] = (kinds[kind] ?? 0) + 1
    say(`  violations: ${words(kinds)}`)
    for (const violation of violations.slice(0, mostPrinted)) print(violation, result)
    if (violations.length > mostPrinted) say(`\n  and ${violations.length - mostPrinted} more`)
    say(`\n  again: npm run test:storm -- --store ${store} --seconds ${common.seconds} --seed ${seed}`)
  }
  total.executions += executions.length
  total.kills += counts.kills
  total.pauses += counts.pauses
  total.cuts += counts.cuts + counts.lostAcknowledgements
  total.violations += violations.length
}
if (total.violations === 0) rmSync(directory, { recursive: true })
else say(`ledger, log and files: ${directory}`)
say(sum())
process.exit(total.violations === 0 ? 0 : 1)
