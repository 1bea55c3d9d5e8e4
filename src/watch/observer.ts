/**
 * Reports a run to listeners, metrics, the tracer and the log. A run that nobody observes pays for one look-up.
 */
import { Clock, Effect, Exit, type Fiber, type Tracer } from "effect"
import type { Program, StepNode } from "../definition/definition.ts"
import { keyOf } from "../definition/program.ts"
import type * as Journal from "../Journal.ts"
import type { AnyEffect } from "../values/anyEffect.ts"
import { sayCancelled } from "../values/describe.ts"
import { isTraced, metricTagsOf, serviceOf } from "../values/fiber.ts"
import { causeWithoutSecrets } from "../values/secrets.ts"
import { visible } from "../values/visible.ts"
import type { FiberTags } from "./counters.ts"
import { type MetricNames, metricNamesOf } from "./metricNames.ts"
import { type SagaEvent, SagaEvents } from "./SagaEvents.ts"
import { SagaMetrics } from "./SagaMetrics.ts"

/** An action or a compensation, with all its calls. */
export type Role = "action" | "compensation"

/** The calls of a step's action or compensation. */
export interface Calls {
  readonly step: StepNode
  /** How many calls there were in this process. */
  readonly attempt: number
}

/** The part of a recorder that an observer reads. */
interface RecorderView {
  readonly state: () => Journal.ExecutionState | undefined
  readonly now: () => number
}

interface Whose {
  readonly saga: string
  readonly version: number
  readonly executionId: string
}

interface Execution {
  readonly program: Program
  readonly executionId: string
  readonly resumed: boolean
}

interface Destinations {
  readonly events: SagaEvents["Type"] | undefined
  readonly metrics: SagaMetrics["Type"] | undefined
  readonly isTraced: boolean
  readonly tags: FiberTags
}

/**
 * The observer of a fiber's runs; undefined if nobody observes. To record a run costs as much as the run itself, so a run in process
 * is recorded only for listeners that are there when it starts. A run that `isRecorded` anyway is heard by later listeners too.
 */
export const findObserver = (
  fiber: Fiber.RuntimeFiber<any, any>,
  execution: Execution,
  isRecorded: boolean
): Observer | undefined => {
  const events = serviceOf(fiber, SagaEvents)
  const metrics = serviceOf(fiber, SagaMetrics)
  const traced = isTraced(fiber)
  const isListened = events !== undefined && (isRecorded || events.isHeard())
  return traced || metrics !== undefined || isListened
    ? new Observer(execution, { events, metrics, isTraced: traced, tags: metricTagsOf(fiber) })
    : undefined
}

/** Observes one execution. */
export class Observer {
  private readonly whose: Whose
  private readonly resumed: boolean
  private readonly names: MetricNames
  private readonly to: Destinations
  private span: Tracer.Span | undefined

  constructor(execution: Execution, to: Destinations) {
    const { name: saga, version } = execution.program
    this.whose = { saga, version, executionId: execution.executionId }
    this.resumed = execution.resumed
    this.names = metricNamesOf(execution.program)
    this.to = to
  }

  readonly tell = (event: Journal.Event, state: Journal.ExecutionState): void => {
    const { events, metrics, tags } = this.to
    metrics?.tell({ event, state, names: this.names, tags })
    if (events?.isHeard() !== true) return
    const told = toSagaEvent(event, this.whose)
    if (told !== undefined) events.tell(told)
  }

  /** Tells listeners that a call has failed at `at`, and that another one follows at `nextAt`. The journal has no such event. */
  tellRetry(
    role: Role,
    calls: Calls,
    retry: {
      readonly failures: () => ReadonlyArray<Journal.StoredFailure>
      readonly at: number
      readonly nextAt: number
    }
  ): void {
    const { events } = this.to
    if (events?.isHeard() !== true) return
    const { at, nextAt } = retry
    events.tell({
      _tag: role === "action" ? "StepRetried" : "CompensationRetried",
      ...this.whose,
      step: calls.step.path,
      attempts: calls.attempt,
      failures: retry.failures().map(toFailure),
      at,
      nextAt
    })
  }

  /**
   * Wraps an execution in its span and its log annotations. The caller must be uninterruptible. With `staysOpen` the span stays open
   * after a success, until {@link end}.
   */
  begin(effect: AnyEffect, recorder: RecorderView, staysOpen: boolean): AnyEffect {
    const { events } = this.to
    const { saga } = this.whose
    const begun = Effect.suspend(() => {
      const { resumed, whose } = this
      if (events?.isHeard() === true) events.tell({ _tag: "Started", ...whose, at: recorder.now(), resumed })
      return this.within(effect, recorder, staysOpen)
    })
    if (!this.to.isTraced) return begun
    const attributes = { ...this.attributes, "saga.resumed": this.resumed }
    return Effect.flatMap(
      Effect.makeSpan(visible(`saga ${saga}`), { attributes, captureStackTrace: false }),
      (span) => {
        this.span = span
        return begun
      }
    )
  }

  /** Wraps the rest of an execution that {@link begin} left open. */
  end(effect: AnyEffect, recorder: RecorderView): AnyEffect {
    return this.within(effect, recorder, false)
  }

  private within(effect: AnyEffect, recorder: RecorderView, staysOpen: boolean): AnyEffect {
    const { span, whose: { executionId, saga } } = this
    const inSpan = span === undefined ? effect : Effect.onExit(Effect.withParentSpan(effect, span), (exit) => {
      if (staysOpen && exit._tag === "Success") return Effect.void
      return Effect.map(Clock.currentTimeNanos, (nanos) => {
        span.attribute("saga.status", recorder.state()?.status)
        span.end(nanos, Exit.mapErrorCause(exit, causeWithoutSecrets))
      })
    })
    return this.isLogged
      ? Effect.annotateLogs(inSpan, { saga: visible(saga), executionId: visible(executionId) })
      : inSpan
  }

  /** Wraps all calls of an action or a compensation in one span, and in log annotations. */
  spanCalls(role: Role, calls: Calls, effect: AnyEffect): AnyEffect {
    const { classification, path } = calls.step
    const inSpan = this.to.isTraced ?
      this.spanned(visible(`${role} ${this.names.span(path)}`), calls, effect, {
        "saga.step": path,
        "saga.step.classification": classification,
        "saga.idempotency_key": keyOf(encodeURIComponent(this.whose.executionId), calls.step, role)
      }) :
      effect
    return this.isLogged ? Effect.annotateLogs(inSpan, "step", visible(path)) : inSpan
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
        // If the tracer dies while it ends the span, keep the outcome of the calls.
        (cause) => ended ?? Effect.failCause(cause)
      )
    })
  }

  /** Annotations are too expensive to be always there, and the log must not depend on listeners. */
  private get isLogged(): boolean {
    return this.to.isTraced || this.to.metrics !== undefined
  }

  private get attributes() {
    const { executionId, saga, version } = this.whose
    return { "saga.name": saga, "saga.version": version, "saga.execution_id": executionId }
  }
}

/** The public form of a journal event: no outputs, no encoded errors, no plan. */
const toSagaEvent = (event: Journal.Event, whose: Whose): SagaEvent | undefined => {
  switch (event._tag) {
    // `begin` sends `Started` whenever the execution is driven.
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
      return { ...whose, ...event, failures: event.failures.map(toFailure) }
    case "Parked": {
      const { at, reason } = event
      return { ...whose, _tag: "Parked", at, reason }
    }
    case "CancellationRequested":
    case "CancellationRefused": {
      const { message: _, ...said } = event
      return { ...whose, ...said }
    }
    case "ItemsListed": {
      const { items, ...said } = event
      return { ...whose, ...said, count: items.length }
    }
    case "SignalReceived": {
      const { message: _, value: __, ...said } = event
      return { ...whose, ...said }
    }
    case "WaitStarted":
    case "Waiting":
    case "StepStarted":
    case "StepSkipped":
    case "StepInDoubt":
    case "CompensationStarted":
    case "CompensationSucceeded":
      return { ...whose, ...event }
    case "Finished": {
      const { output: _, ...said } = event
      return { ...whose, ...said }
    }
  }
}

const toFailure = (failure: Journal.StoredFailure): { readonly tag: string; readonly message: string } => {
  switch (failure.kind) {
    case "Interrupt":
      return { tag: "Interrupted", message: "interrupted" }
    case "Cancel":
      return { tag: "Cancelled", message: sayCancelled(failure) }
    case "Fail":
    case "Die":
      return { tag: failure.tag, message: failure.message }
  }
}
