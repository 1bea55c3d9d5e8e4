/**
 * In process, 10 steps: what it costs to be observed, in one run. `npm run bench -- observed`.
 *
 * The contenders take turns of a few milliseconds, and each is held against the first within its turn, so that a machine that
 * others use too has little say. `BEFORE=/path/to/dist/index.js` adds another build of this library, to hold this one against.
 */
import { Effect, Exit, Layer, ManagedRuntime, Stream, Tracer } from "effect"
import { Saga, SagaEvents, SagaMetrics } from "effect-saga"
import { median } from "./order.ts"

const length = 10
const runsATurn = 150

const counter = { done: 0 }

const sagaOf = (make: (name: string) => unknown, fails: boolean) => {
  let builder: any = make("Bench")
  for (let index = 0; index < length; index++) {
    builder = builder.compensatable(`step${index}`, {
      action: () => fails && index === length - 1 ? Effect.fail("stop") : Effect.sync(() => ++counter.done),
      compensate: () => Effect.sync(() => counter.done--)
    })
  }
  return builder.build()
}

/** Spans that go nowhere: what a tracer does with them is its own. */
const silent = Tracer.make({
  span: (name, parent, context, links, startTime, kind) => ({
    _tag: "Span",
    name,
    spanId: "1",
    traceId: "1",
    parent,
    context,
    links,
    sampled: true,
    kind,
    status: { _tag: "Started", startTime },
    attributes: new Map(),
    end: () => {},
    attribute: () => {},
    event: () => {},
    addLinks: () => {}
  }),
  context: (f) => f()
})

interface Contender {
  readonly run: (fails: boolean) => Exit.Exit<unknown, unknown>
  readonly close: () => Promise<void>
}

const contender = (
  layer: Layer.Layer<any> | Layer.Layer<never>,
  options: { readonly make?: (name: string) => unknown; readonly run?: typeof Saga.run; readonly listens?: boolean } =
    {}
): Contender => {
  const runtime = ManagedRuntime.make(layer as Layer.Layer<any>)
  const [succeeds, failing] = [false, true].map((fails) => {
    return (options.run ?? Saga.run)(sagaOf(options.make ?? Saga.make, fails), undefined)
  })
  if (options.listens === true) runtime.runFork(Stream.runDrain(SagaEvents.stream))
  return { run: (fails) => runtime.runSyncExit(fails ? failing! : succeeds!), close: () => runtime.dispose() }
}

export const observed = async (turns: number, print: (row: string) => void) => {
  const contenders = new Map<string, Contender>()
  const before = process.env["BEFORE"]
  if (before !== undefined) {
    const { Saga } = await import(before) as typeof import("effect-saga")
    contenders.set("before", contender(Layer.empty, { make: Saga.make, run: Saga.run }))
  }
  contenders.set("nobody", contender(Layer.empty))
  contenders.set("no listener", contender(SagaEvents.layer))
  contenders.set("a listener", contender(SagaEvents.layer, { listens: true }))
  contenders.set("metrics", contender(SagaMetrics.layer))
  contenders.set("a tracer", contender(Layer.setTracer(silent)))
  print("               " + Array.from(contenders.keys(), (name) => name.padStart(19)).join(""))
  for (const fails of [false, true]) {
    const times = new Map(Array.from(contenders.keys(), (name) => [name, [] as Array<number>]))
    for (let turn = -Math.ceil(turns / 10); turn < turns; turn++) {
      const names = Array.from(contenders.keys())
      const shift = turn % names.length
      for (const name of [...names.slice(shift), ...names.slice(0, shift)]) {
        const { run } = contenders.get(name)!
        // A turn of the event loop, in which a listener may listen; and nobody pays for what another left behind.
        await new Promise((resolve) => setImmediate(resolve))
        globalThis.gc?.({ type: "minor", execution: "sync" })
        const start = performance.now()
        for (let count = 0; count < runsATurn; count++) {
          if (Exit.isSuccess(run(fails)) === fails) throw new Error(`${name} ended otherwise`)
        }
        if (turn >= 0) times.get(name)!.push((performance.now() - start) * 1000 / runsATurn)
      }
    }
    const [first = []] = times.values()
    const cells = Array.from(times.values(), (own) => {
      const ratio = median(own.map((time, turn) => time / first[turn]!))
      return `${median(own).toFixed(1).padStart(8)} µs ${ratio.toFixed(3).padStart(6)} ×`
    })
    print(`${String(length).padStart(5)} steps ${fails ? "fail" : "ok  "}${cells.join("")}`)
  }
  for (const { close } of contenders.values()) await close()
}
