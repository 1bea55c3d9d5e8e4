/**
 * The benchmarks, one after the other; each compares its contenders in one run.
 *
 * `npm run bench`, or some of them by name: `npm run bench -- durable`, `npm run bench -- scale 100000`.
 */
import { durable } from "./durable.ts"
import { inProcess } from "./inProcess.ts"
import { listing } from "./listing.ts"
import { lists } from "./lists.ts"
import { observed } from "./observed.ts"
import { isContender, serve } from "./peers/process.ts"
import { postgres } from "./postgres.ts"
import { scale } from "./scale.ts"
import { transactions } from "./transactions.ts"
import { work } from "./work.ts"

const print = (row: string) => console.log(row)

const benchmarks = new Map<string, (count: number | undefined) => Promise<void>>([
  ["in-process", async () => {
    print("In process: the median time of a saga, then ours as a multiple of each of the others'")
    print("               ours   hand-written  one region  acquireRelease")
    print((await inProcess(1000)).join("\n"))
  }],
  ["observed", async (turns = 500) => {
    print("Observed: the median time of a saga in process by who observes it, and as a multiple of the first")
    await observed(turns, print)
  }],
  ["durable", async () => {
    print("Durable: C sagas at a time on SQLite, synchronous FULL and NORMAL, to the end or undone")
    await durable(print)
  }],
  ["transactions", async () => {
    print("Transactions: a step in one transaction with its outcome, and the same step with verify, on one SQLite file")
    await transactions(print)
  }],
  ["work", async (count = 20_000) => {
    print(
      `Work: ${count} executions that are enqueued and drained by a worker, or started and awaited, 64 at a time on SQLite`
    )
    await work(count, print)
  }],
  ["lists", async (count = 10_000) => {
    print("Lists: what an item costs in lists of several lengths; with a step of a chain of steps as the measure")
    await lists(count, print)
  }],
  ["scale", async (count = 1_000_000) => {
    print("Scale: what finished executions that are stored cost those that come after")
    await scale(count, print)
  }],
  ["listing", async (count = 1_000_000) => {
    print(`Listing: ${count} stored executions; the median time of a first page of 100, and of a count`)
    await listing(count, print)
  }],
  ["postgres", async (seconds = 4) => {
    print(`PostgreSQL: a saga of 5 steps, by whom it is run; ${seconds} seconds a round`)
    await postgres(seconds, print)
  }]
])

const words = process.argv.slice(2)
const isCount = (word: string) => /^[1-9][0-9]*$/.test(word)
const names = words.filter((word) => !isCount(word))
const count = words.filter(isCount).map(Number)[0]
const unknown = names.find((name) => !benchmarks.has(name))
if (isContender()) {
  await serve()
} else if (unknown !== undefined) {
  console.error(`There is no benchmark "${unknown}". There are ${Array.from(benchmarks.keys()).join(", ")}.`)
  process.exitCode = 1
} else {
  const byDefault = ["in-process", "durable"]
  for (const name of names.length > 0 ? names : byDefault) await benchmarks.get(name)!(count)
  if (names.length === 0) {
    print("Left out because it takes minutes: `npm run bench -- scale`, which stores a million executions twice")
  }
}
