/**
 * Workers on SQLite: what is enqueued and drained, and what is started and awaited, against `Saga.execute` of as many at a time. All
 * in one run, each on a file of its own, in turns. `npm run bench -- work 20000`.
 */
import { Effect, Layer, ManagedRuntime } from "effect"
import { Checkpoint, Saga, Worker } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inputOf, median, order, world } from "./order.ts"

const concurrency = 64
const rounds = 3

type Ways = "execute" | "start and await" | "enqueue" | "drain"

const inGarbage = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

const within = async <A>(
  use: (opened: ReturnType<typeof open<Checkpoint.Checkpoint>>, filename: string) => Promise<A>
) => {
  const directory = mkdtempSync(join(tmpdir(), "effect-saga-work-"))
  const filename = join(directory, "journal.db")
  const opened = open(SqliteCheckpoint.layer({ filename, durability: "process" }))
  try {
    return await use(opened, filename)
  } finally {
    await opened.close()
    rmSync(directory, { recursive: true })
  }
}

const open = <R>(layer: Layer.Layer<R | Checkpoint.Checkpoint, unknown>) => {
  const runtime = ManagedRuntime.make(Layer.orDie(layer))
  return {
    run: <A, E>(effect: Effect.Effect<A, E, R | Checkpoint.Checkpoint>) => runtime.runPromise(effect),
    close: () => runtime.dispose()
  }
}

const secondsOf = async (effect: () => Promise<unknown>) => {
  const start = performance.now()
  await effect()
  return (performance.now() - start) / 1000
}

const all = <E>(count: number, one: (executionId: string) => Effect.Effect<unknown, E, Checkpoint.Checkpoint>) =>
  Effect.forEach(Array.from({ length: count }, (_, index) => `order-${index}`), one, { concurrency, discard: true })

const enqueueAll = (count: number) => all(count, (executionId) => Saga.enqueue(order, inputOf(false), { executionId }))

/** Drains what is enqueued on a file with a worker of its own, as a process that comes later would. */
const drain = async (filename: string, count: number, seen: () => void = () => {}) => {
  const effects = world.effects
  world.seen = seen
  const worker = open(
    Worker.layer([order], { concurrency }).pipe(
      Layer.provideMerge(SqliteCheckpoint.layer({ filename, durability: "process" }))
    )
  )
  await worker.run(Saga.await(order, `order-${count - 1}`))
  while (world.effects < effects + 4 * count) await new Promise((resolve) => setTimeout(resolve, 5))
  world.seen = () => {}
  return worker.close
}

/** The seconds of each way for so many executions. */
const round = async (count: number): Promise<Record<Ways, number>> => {
  const seconds: Partial<Record<Ways, number>> = {}
  const input = inputOf(false)
  await within(async ({ run }) => {
    seconds.execute = await secondsOf(() =>
      run(all(count, (executionId) => Saga.execute(order, input, { executionId })))
    )
  })
  await within(async ({ run }) => {
    seconds["start and await"] = await secondsOf(() =>
      run(
        all(count, (executionId) =>
          Effect.zipRight(Saga.start(order, input, { executionId }), Saga.await(order, executionId)))
      )
    )
  })
  await within(async ({ close, run }, filename) => {
    seconds.enqueue = await secondsOf(() => run(enqueueAll(count)))
    await close()
    let closeWorker = () => Promise.resolve()
    seconds.drain = await secondsOf(async () => {
      closeWorker = await drain(filename, count)
    })
    await closeWorker()
  })
  return seconds as Record<Ways, number>
}

/** The heap in MB before, during and after a worker drains so many executions. To measure it costs time, so it is a round of its own. */
const heapOf = (count: number) =>
  within(async ({ close, run }, filename) => {
    await run(enqueueAll(count))
    await close()
    const before = inGarbage()
    let largest = 0
    let charged = 0
    const closeWorker = await drain(filename, count, () => {
      if (++charged % Math.ceil(count / 20) === 0) largest = Math.max(largest, inGarbage())
    })
    const after = inGarbage()
    await closeWorker()
    return [before, largest, after]
  })

export const work = async (count: number, print: (row: string) => void): Promise<void> => {
  const ways: ReadonlyArray<Ways> = ["execute", "start and await", "enqueue", "drain"]
  const all: Array<Record<Ways, number>> = []
  for (let turn = 0; turn < rounds; turn++) all.push(await round(count))
  for (const way of ways) {
    const rate = median(all.map((seconds) => count / seconds[way]))
    const ratio = median(all.map((seconds) => seconds.execute / seconds[way]))
    print(`${way.padEnd(16)} ${rate.toFixed(0).padStart(7)} a second   ${ratio.toFixed(2)} of execute`)
  }
  const heap = (await heapOf(count)).map((megabytes) => megabytes.toFixed(1)).join(" / ")
  print(`heap in MB when ${count} are enqueued / at most while they are drained / afterwards: ${heap}`)
}
