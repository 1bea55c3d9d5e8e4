/**
 * Tells others what a run does: listeners, metrics, the tracer, the log. A run that nobody observes has none of this, and pays
 * for one look whether somebody does.
 */
import { Clock, Context, DefaultServices, Effect, Exit, type Fiber, FiberRef, type MetricLabel, Tracer } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import { keyOf } from "../definition/program.ts"
import type * as Journal from "../Journal.ts"
import { causeWithoutSecrets } from "../values/secrets.ts"
import { type SagaEvent, SagaEvents } from "./SagaEvents.ts"
import { SagaMetrics } from "./SagaMetrics.ts"

// What users' functions return has been checked by the builder; in here it is opaque.
type AnyEffect = Effect.Effect<unknown, unknown, any>

/** The calls of a step's action or compensation. */
interface Calls {
  readonly step: StepNode
  /** How many there were in this process. */
  readonly attempt: number
}

/** What the run writes down, as far as it is told to others. */
interface Recorded {
  readonly state: () => Journal.ExecutionState | undefined
  readonly now: () => number
}

const nativeTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** The clock of a fiber, in epoch milliseconds. */
export const nowOf = (fiber: Fiber.RuntimeFiber<any, any>): () => number => {
  const clock = Context.get(fiber.getFiberRef(DefaultServices.currentServices), Clock.Clock)
  return () => clock.unsafeCurrentTimeMillis()
}

/**
 * Who observes the runs of a fiber, if anybody does. Of a run that is recorded only for them, which costs as much as the run,
 * nobody who is not there when it begins; others hear of a run from when they come.
 */
export const observerOf = (
  fiber: Fiber.RuntimeFiber<any, any>,
  execution: { readonly program: Program; readonly executionId: string; readonly resumed: boolean },
  isRecorded: boolean
): Observer | undefined => {
  const context = fiber.getFiberRef(FiberRef.currentContext).unsafeMap
  const events: SagaEvents["Type"] | undefined = context.get(SagaEvents.key)
  const metrics: SagaMetrics["Type"] | undefined = context.get(SagaMetrics.key)
  const isTraced = fiber.getFiberRef(DefaultServices.currentServices).unsafeMap.get(Tracer.Tracer.key) !== nativeTracer
  const isListened = events !== undefined && (isRecorded || events.isHeard())
  return isTraced || metrics !== undefined || isListened
    ? new Observer(execution, { events, metrics, isTraced, labels: fiber.getFiberRef(FiberRef.currentMetricLabels) })
    : undefined
}

/** Tells of one execution. */
export class Observer {
  private readonly whose: { readonly saga: string; readonly version: number; readonly executionId: string }
  private readonly resumed: boolean
  private readonly to: {
    readonly events: SagaEvents["Type"] | undefined
    readonly metrics: SagaMetrics["Type"] | undefined
    readonly isTraced: boolean
    readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
  }
  private span: Tracer.Span | undefined

  constructor(execution: Parameters<typeof observerOf>[1], to: Observer["to"]) {
    const { name: saga, version } = execution.program
    this.whose = { saga, version, executionId: execution.executionId }
    this.resumed = execution.resumed
    this.to = to
  }

  readonly tell = (event: Journal.Event, state: Journal.ExecutionState): void => {
    const { events, labels, metrics } = this.to
    metrics?.tell(event, state, labels)
    if (events?.isHeard() !== true) return
    const told = inPublic(event, this.whose)
    if (told !== undefined) events.tell(told)
  }

  /**
   * Goes around what an execution does; for a caller who cannot be interrupted. Where the execution `staysOpen` after it has
   * succeeded, `end` goes around the rest.
   */
  begin(effect: AnyEffect, recorded: Recorded, staysOpen: boolean): AnyEffect {
    const { events, isTraced } = this.to
    const { saga } = this.whose
    const begun = Effect.suspend(() => {
      const { resumed, whose } = this
      if (events?.isHeard() === true) events.tell({ _tag: "Started", ...whose, at: recorded.now(), resumed })
      return this.within(effect, recorded, staysOpen)
    })
    if (!isTraced) return begun
    const attributes = { ...this.attributes, "saga.resumed": this.resumed }
    return Effect.flatMap(Effect.makeSpan(`saga ${saga}`, { attributes, captureStackTrace: false }), (span) => {
      this.span = span
      return begun
    })
  }

  /** Goes around what an execution that stayed open has left to do. */
  end(effect: AnyEffect, recorded: Recorded): AnyEffect {
    return this.within(effect, recorded, false)
  }

  private within(effect: AnyEffect, recorded: Recorded, staysOpen: boolean): AnyEffect {
    const { span, whose: { executionId, saga } } = this
    const inSpan = span === undefined ? effect : Effect.onExit(Effect.withParentSpan(effect, span), (exit) => {
      if (staysOpen && exit._tag === "Success") return Effect.void
      return Effect.clockWith((clock) =>
        Effect.sync(() => {
          span.attribute("saga.status", recorded.state()?.status)
          span.end(clock.unsafeCurrentTimeNanos(), Exit.mapErrorCause(exit, causeWithoutSecrets))
        })
      )
    })
    return this.isLogged ? Effect.annotateLogs(inSpan, { saga, executionId }) : inSpan
  }

  aroundCalls(role: "action" | "compensation", calls: Calls, effect: AnyEffect): AnyEffect {
    const { classification, path } = calls.step
    const inSpan = this.to.isTraced ?
      this.spanned(`${role} ${path}`, calls, effect, {
        "saga.step": path,
        "saga.step.classification": classification,
        "saga.idempotency_key": keyOf(encodeURIComponent(this.whose.executionId), calls.step, role)
      }) :
      effect
    return this.isLogged ? Effect.annotateLogs(inSpan, "step", path) : inSpan
  }

  private spanned(name: string, calls: Calls, effect: AnyEffect, own: Record<string, unknown>): AnyEffect {
    return Effect.suspend(() => {
      let ended: Exit.Exit<unknown, unknown> | undefined
      const noted = Effect.onExit(effect, (exit) => {
        ended = exit
        return Effect.annotateCurrentSpan("saga.attempts", calls.attempt)
      })
      const attributes = { ...this.attributes, ...own }
      return Effect.catchAllCause(
        Effect.withSpan(Effect.mapErrorCause(noted, causeWithoutSecrets), name, {
          attributes,
          captureStackTrace: false
        }),
        // A tracer that dies of the span's end must not make a failure of what has happened.
        (cause) => ended ?? Effect.failCause(cause)
      )
    })
  }

  /** What goes into the log must not change with who listens, and it costs too much for those who have asked for nothing. */
  private get isLogged(): boolean {
    return this.to.isTraced || this.to.metrics !== undefined
  }

  private get attributes() {
    const { executionId, saga, version } = this.whose
    return { "saga.name": saga, "saga.version": version, "saga.execution_id": executionId }
  }
}

/** An event without what only the journal may hold. */
const inPublic = (
  event: Journal.Event,
  whose: { readonly saga: string; readonly version: number; readonly executionId: string }
): SagaEvent | undefined => {
  switch (event._tag) {
    // That an execution starts, or goes on, is told when it is driven.
    case "Started":
    case "Resumed":
      return undefined
    case "StepSucceeded": {
      const { output: _, ...said } = event
      return { ...whose, ...said }
    }
    case "StepFailed":
    case "CompensationFailed":
    case "UnwindingStarted":
      return { ...whose, ...event, failures: event.failures.map(inWords) }
    case "Parked": {
      const { at, reason } = event
      return { ...whose, _tag: "Parked", at, reason }
    }
    default:
      return { ...whose, ...event }
  }
}

const inWords = (failure: Journal.StoredFailure) =>
  failure.kind === "Interrupt"
    ? { tag: "Interrupted", message: "interrupted" }
    : { tag: failure.tag, message: failure.message }
