/**
 * In process: ours against what a careful author would write by hand, in one run. `npm run bench -- in-process`.
 *
 * The contenders' steps count a number up and their compensations count it down. The two written by hand have the same
 * guarantee as ours: an own stack of undos, each pushed in the same uninterruptible act that completes its action.
 */
import { Effect, Exit } from "effect"
import { Saga } from "effect-saga"
import { Bench } from "tinybench"

class Stop {
  readonly _tag = "Stop"
}

const counter = { done: 0 }
const act = Effect.sync(() => ++counter.done)
const undo = Effect.sync(() => {
  counter.done--
})
const failure = Effect.fail(new Stop())

const ours = (length: number, fails: boolean) => {
  let builder: any = Saga.make("Bench")
  for (let index = 0; index < length; index++) {
    const last = fails && index === length - 1
    builder = builder.compensatable(`step${index}`, {
      action: () => last ? failure : act,
      compensate: () => undo
    })
  }
  const saga = builder.build() as Saga.Saga<void, unknown, Stop, never>
  return Saga.run(saga, undefined)
}

/** As a careful author writes it: each step a region of its own, its undo on the stack before the region ends. */
const handWritten = (length: number, fails: boolean) =>
  withUndos((undos) => {
    const step = (last: boolean) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Effect.void), () =>
          Effect.map(last ? failure : act, (value) => {
            undos.push(undo)
            return value
          }))
      )
    return Effect.gen(function*() {
      const outputs: Record<string, number> = {}
      for (let index = 0; index < length; index++) {
        outputs[`step${index}`] = yield* step(fails && index === length - 1)
      }
      return outputs
    })
  })

/** As one writes it who knows what ours does: one region for the whole run. */
const oneRegion = (length: number, fails: boolean) =>
  Effect.uninterruptibleMask((restore) =>
    withUndos((undos) =>
      Effect.gen(function*() {
        const outputs: Record<string, number> = {}
        for (let index = 0; index < length; index++) {
          yield* restore(Effect.void)
          outputs[`step${index}`] = yield* (fails && index === length - 1 ? failure : act)
          undos.push(undo)
        }
        return outputs
      })
    )
  )

const withUndos = <A, E>(body: (undos: Array<Effect.Effect<unknown>>) => Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const undos: Array<Effect.Effect<unknown>> = []
    return Effect.onExit(body(undos), (exit) =>
      Exit.isSuccess(exit) ? Effect.void : Effect.gen(function*() {
        while (undos.length > 0) yield* Effect.exit(undos.pop()!)
      }))
  })

const acquireRelease = (length: number, fails: boolean) =>
  Effect.scoped(Effect.gen(function*() {
    const outputs: Record<string, number> = {}
    for (let index = 0; index < length; index++) {
      const last = fails && index === length - 1
      outputs[`step${index}`] = yield* Effect.acquireRelease(
        last ? failure : act,
        (_, exit) => Exit.isSuccess(exit) ? Effect.void : undo
      )
    }
    return outputs
  }))

const contenders = { ours, "hand-written": handWritten, "one region": oneRegion, acquireRelease }

export const inProcess = async (time: number): Promise<ReadonlyArray<string>> => {
  const rows: Array<string> = []
  for (const length of [10, 100]) {
    for (const fails of [false, true]) {
      const bench = new Bench({ time, warmupTime: time / 4 })
      for (const [name, make] of Object.entries(contenders)) {
        const program = make(length, fails) as Effect.Effect<unknown, unknown>
        const before = counter.done
        const exit = await Effect.runPromiseExit(program)
        const stands = counter.done - before
        if (Exit.isSuccess(exit) === fails || stands !== (fails ? 0 : length)) {
          throw new Error(`${name} is wrong: ${stands} effects stand`)
        }
        bench.add(name, () => Effect.runSyncExit(program))
      }
      await bench.run()
      const p50 = (name: string) => {
        const result = bench.getTask(name)!.result
        if (!("latency" in result)) throw new Error(`${name} did not run`)
        return result.latency.p50 * 1000
      }
      const figures = Object.keys(contenders).map((name) => p50(name))
      const [us = NaN, ...others] = figures
      rows.push(
        `${String(length).padStart(5)} steps ${fails ? "fail" : "ok  "}` +
          figures.map((figure) => `${figure.toFixed(1).padStart(9)} µs`).join("") + "   " +
          others.map((figure) => `${(us / figure).toFixed(2)} ×`.padStart(9)).join("")
      )
    }
  }
  return rows
}
