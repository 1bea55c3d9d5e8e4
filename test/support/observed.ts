/** Everything that others can see of a run. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Chunk, Effect, type Exit, Fiber, HashMap, Inspectable, Logger, type Scope, Stream } from "effect"
import { SagaEvents } from "effect-saga"

const last = { _tag: "Started", saga: "", version: 1, executionId: "", at: 0, resumed: false } as const

/** How a run ended, and the events of it that a listener heard who was there before it began. */
export const heard = <A, E, R>(
  run: Effect.Effect<A, E, R>
): Effect.Effect<
  { readonly exit: Exit.Exit<A, E>; readonly events: ReadonlyArray<SagaEvents.SagaEvent> },
  never,
  Exclude<R, Scope.Scope> | SagaEvents.SagaEvents
> =>
  Effect.scoped(Effect.gen(function*() {
    const events = yield* SagaEvents.SagaEvents
    const stream = yield* SagaEvents.subscribe
    const listener = yield* Effect.fork(
      Stream.runCollect(Stream.takeWhile(stream, (event) => event.saga !== last.saga))
    )
    const exit = yield* Effect.exit(run)
    events.tell(last)
    return { exit, events: Chunk.toReadonlyArray(yield* Fiber.join(listener)) }
  }))

/** Events as words, without whose and when. */
export const inWords = (events: ReadonlyArray<SagaEvents.SagaEvent>): ReadonlyArray<string> =>
  events.map((event) => {
    switch (event._tag) {
      case "Started":
        return event.resumed ? "Started again" : "Started"
      case "Parked":
        return `Parked ${event.reason}`
      case "Finished":
        return `Finished ${event.result}`
      case "UnwindingStarted":
        return "UnwindingStarted"
      case "CancellationRequested":
      case "CancellationRefused":
        return `${event._tag} ${event.by}`
      case "ItemsListed":
        return `ItemsListed ${event.list} ${event.count}`
      case "Waiting":
        return "Waiting"
      case "SignalReceived":
        return `SignalReceived ${event.signal}`
      default:
        return `${event._tag} ${event.step}`
    }
  })

/** Keeps its spans also when the layer that it belongs to is closed. */
class Exporter extends InMemorySpanExporter {
  override shutdown() {
    return Promise.resolve()
  }
}

/** A tracer that exports to OpenTelemetry's SDK, and what it has exported. */
export const makeTracer = () => {
  const exporter = new Exporter()
  const spans = (): ReadonlyArray<ReadableSpan> => exporter.getFinishedSpans()
  return {
    layer: NodeSdk.layer(() => ({
      spanProcessor: new SimpleSpanProcessor(exporter),
      resource: { serviceName: "test" }
    })),
    spans,
    span: (name: string) => {
      const found = spans().filter((span) => span.name === name)
      if (found.length !== 1) {
        throw new Error(`${found.length} spans "${name}" of ${spans().map(({ name }) => name).join()}`)
      }
      return found[0]!
    }
  }
}

/** A logger that keeps what it is given. */
export const makeLog = () => {
  const lines: Array<{ readonly message: string; readonly annotations: Readonly<Record<string, unknown>> }> = []
  const logger = Logger.make<unknown, void>(({ annotations, message }) =>
    void lines.push({
      message: [message].flat().map((part) => Inspectable.toStringUnknown(part)).join(" "),
      annotations: Object.fromEntries(HashMap.entries(annotations))
    })
  )
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}
