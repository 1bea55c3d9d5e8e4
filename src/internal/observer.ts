/**
 * Tells others what a run does: listeners, metrics, the tracer, the log. A run that nobody observes has none of this, and pays
 * for one look whether somebody does.
 */
import { Clock, Context, DefaultServices, Effect, type Fiber, FiberRef, Tracer } from "effect"
import type * as Journal from "../Journal.ts"
import { type SagaEvent, SagaEvents } from "../SagaEvents.ts"
import { SagaMetrics } from "../SagaMetrics.ts"
import type { Program, StepNode } from "./definition.ts"
import { keyOf } from "./key.ts"

// What users' functions return has been checked by the builder; in here it is opaque.
type AnyEffect = Effect.Effect<unknown, unknown, any>

/** The calls of a step's action or compensation. */
export interface Calls {
  readonly step: StepNode
  /** How many there were in this process. */
  readonly attempt: number
}

export interface Observer {
  readonly tell: (event: Journal.Event, state: Journal.ExecutionState) => void
  readonly aroundExecution: (
    effect: AnyEffect,
    recorder: { readonly state: () => Journal.ExecutionState | undefined; readonly now: () => number }
  ) => AnyEffect
  readonly aroundCalls: (role: "action" | "compensation", calls: Calls, effect: AnyEffect) => AnyEffect
}

const nativeTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** The clock of a fiber, in epoch milliseconds. */
export const nowOf = (fiber: Fiber.RuntimeFiber<any, any>): () => number => {
  const clock = Context.get(fiber.getFiberRef(DefaultServices.currentServices), Clock.Clock)
  return () => clock.unsafeCurrentTimeMillis()
}

/** Who observes the runs of a fiber, if anybody does. */
export const observerOf = (
  fiber: Fiber.RuntimeFiber<any, any>,
  program: Program,
  executionId: string,
  resumed: boolean
): Observer | undefined => {
  const context = fiber.getFiberRef(FiberRef.currentContext).unsafeMap
  const events: SagaEvents["Type"] | undefined = context.get(SagaEvents.key)
  const metrics: SagaMetrics["Type"] | undefined = context.get(SagaMetrics.key)
  const tracer = fiber.getFiberRef(DefaultServices.currentServices).unsafeMap.get(Tracer.Tracer.key)
  const isTraced = tracer !== nativeTracer
  if (!isTraced && metrics === undefined && events?.isHeard() !== true) return undefined

  const { name: saga, version } = program
  const attributes = { "saga.name": saga, "saga.version": version, "saga.execution_id": executionId }
  const spanned = (
    name: string,
    effect: AnyEffect,
    known: Record<string, unknown>,
    knownAtEnd: () => Record<string, unknown>
  ) =>
    isTraced
      ? Effect.withSpan(Effect.onExit(effect, () => Effect.annotateCurrentSpan(knownAtEnd())), name, {
        attributes: { ...attributes, ...known },
        captureStackTrace: false
      })
      : effect
  return {
    tell: (event, state) => {
      metrics?.tell(event, state)
      const told = events === undefined ? undefined : inPublic(event, { saga, version, executionId })
      if (told !== undefined) events?.tell(told)
    },
    aroundExecution: (effect, recorder) => {
      const span = spanned(`saga ${saga}`, effect, { "saga.resumed": resumed }, () => ({
        "saga.status": recorder.state()?.status
      }))
      const told = events === undefined ? span : Effect.suspend(() => {
        events.tell({ _tag: "Started", saga, version, executionId, at: recorder.now(), resumed })
        return span
      })
      return Effect.annotateLogs(told, { saga, executionId })
    },
    aroundCalls: (role, calls, effect) => {
      const { classification, path } = calls.step
      const own = {
        "saga.step": path,
        "saga.step.classification": classification,
        "saga.idempotency_key": keyOf(encodeURIComponent(executionId), calls.step, role)
      }
      const span = spanned(`${role} ${path}`, effect, own, () => ({ "saga.attempts": calls.attempt }))
      return Effect.annotateLogs(span, "step", path)
    }
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
