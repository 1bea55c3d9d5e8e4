/**
 * What the items of a list cost, and whether that grows with the list: `npm run bench -- lists`, `npm run bench -- lists 100000`.
 *
 * Each item is a saga of one Compensatable step. A list of n items is held against the same n steps without a list, as a flat chain
 * of at most 300 steps can be built: so the price of an item is compared with that of a step.
 */
import { Effect, Exit, Schema } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { median } from "./order.ts"

const rounds = 5
const ofChain = 100

let standing = 0
const done = Effect.sync(() => standing++)
const undone = Effect.sync(() => void standing--)

const item = Saga.make("Item", { input: Schema.Int })
  .compensatable("do", {
    success: Schema.Int,
    action: ({ input }) => Effect.as(done, input),
    compensate: () => undone
  })
  .build(({ outputs }) => outputs.do)

const list = (count: number, fails: boolean) => {
  const items = Array.from({ length: count }, (_, index) => index)
  return Saga.make("List")
    .forEach("items", { items: () => items, step: item })
    .readOnly("check", { error: Schema.String, action: () => fails ? Effect.fail("no") : Effect.void })
    .build(({ outputs }) => outputs.items.length)
}

const chain = Array.from({ length: ofChain }).reduce<any>(
  (builder, _, index) =>
    builder.compensatable(`s${index}`, {
      success: Schema.Int,
      action: () => Effect.as(done, index),
      compensate: () => undone
    }),
  Saga.make("Chain")
).build() as Saga.Saga<void, unknown, never, never>

/** The median of the microseconds that each of `count` takes; `check` looks at how it ended. */
const each = async <A, E>(
  count: number,
  effect: () => Effect.Effect<A, E>,
  check: (exit: Exit.Exit<A, E>) => boolean
): Promise<number> => {
  const times: Array<number> = []
  for (let round = -1; round < rounds; round++) {
    standing = 0
    const start = performance.now()
    const exit = await Effect.runPromiseExit(effect())
    const took = performance.now() - start
    if (!check(exit)) throw new Error(`it ended ${exit._tag}, and ${standing} of ${count} stand`)
    if (round >= 0) times.push(took * 1000 / count)
  }
  return median(times)
}

const succeeds = (count: number) => (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) && standing === count
const isUndone = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) && standing === 0

const durably = (count: number) =>
  Effect.provide(
    Saga.execute(list(count, false), undefined, { executionId: "1" }),
    SqliteCheckpoint.layer({ filename: ":memory:" })
  )

/** Resumes an execution whose process has stored every item but the last. */
const resumed = async (count: number): Promise<number> => {
  const times: Array<number> = []
  for (let round = -1; round < rounds; round++) {
    const took = await Effect.runPromise(Effect.provide(
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const saga = list(count, false)
        let commits = 0
        const dying: Checkpoint.Service = {
          ...store,
          append: (commit) => Effect.suspend(() => commits++ < count ? store.append(commit) : Effect.interrupt)
        }
        yield* Effect.exit(
          Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1" }),
            Checkpoint.Checkpoint,
            dying
          )
        )
        const start = performance.now()
        if ((yield* Saga.resume(saga, "1")) !== count) throw new Error("an item was lost")
        return performance.now() - start
      }),
      Checkpoint.layerMemory
    ))
    if (round >= 0) times.push(took * 1000 / count)
  }
  return median(times)
}

/** The heap in MB that a run holds when its last step runs, beside its input; all memory of the process without `--expose-gc`. */
const held = async (count: number): Promise<number> => {
  const heap = () => {
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    return (globalThis.gc === undefined ? rss : heapUsed) / 1e6
  }
  const items = Array.from({ length: count }, (_, index) => index)
  const before = heap()
  let during = 0
  const saga = Saga.make("List")
    .forEach("items", { items: () => items, step: item })
    .readOnly("look", { action: () => Effect.sync(() => void (during = heap())) })
    .build()
  await Effect.runPromise(Saga.run(saga))
  return during - before
}

export const lists = async (most: number, print: (row: string) => void): Promise<void> => {
  const step = await each(ofChain, () => Saga.run(chain), succeeds(ofChain))
  print(`a step of a chain of ${ofChain}: ${step.toFixed(2)} µs`)
  print(
    "items     " +
      ["in process", "÷ a step", "undone", "on SQLite", "a resume", "held"].map((name) => name.padStart(11)).join("")
  )
  for (const count of [100, 1000, 10_000, 100_000].filter((count) => count <= most)) {
    const forward = await each(count, () => Saga.run(list(count, false)), succeeds(count))
    const figures = [
      `${forward.toFixed(2)} µs`,
      (forward / step).toFixed(1),
      `${(await each(count, () => Saga.run(list(count, true)), isUndone)).toFixed(2)} µs`,
      `${(await each(count, () => durably(count), succeeds(count))).toFixed(1)} µs`,
      `${(await resumed(count)).toFixed(1)} µs`,
      `${(await held(count)).toFixed(1)} MB`
    ]
    print(String(count).padEnd(10) + figures.map((figure) => figure.padStart(11)).join(""))
  }
}
