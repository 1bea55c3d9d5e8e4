/**
 * Reads a fiber: its clock, its services, its tracer, its metric tags, its interruption. Every use of a fiber's own parts stands in
 * this file, because they change with each major version of Effect.
 */
import { Cause, Clock, Context, Effect, type Fiber, type MetricLabel, Tracer } from "effect"
import * as Effect3 from "effect"

type AnyFiber = Fiber.RuntimeFiber<any, any>

/** The clock of a fiber, in epoch milliseconds. */
export const nowOf = (fiber: AnyFiber): () => number => {
  const clock = Context.get(fiber.getFiberRef(Effect3.DefaultServices.currentServices), Clock.Clock)
  return () => clock.unsafeCurrentTimeMillis()
}

/** A service that a fiber was given, or undefined. */
export const serviceOf = <Id, Service>(fiber: AnyFiber, tag: Context.Tag<Id, Service>): Service | undefined =>
  fiber.getFiberRef(Effect3.FiberRef.currentContext).unsafeMap.get(tag.key)

const nativeTracer = Context.get(Effect3.DefaultServices.liveServices, Tracer.Tracer)

/** Whether a fiber has a tracer that keeps spans: Effect's own drops them. */
export const isTraced = (fiber: AnyFiber): boolean =>
  fiber.getFiberRef(Effect3.DefaultServices.currentServices).unsafeMap.get(Tracer.Tracer.key) !== nativeTracer

/** The tags that `Effect.tagMetrics` gave a fiber. */
export const metricTagsOf = (fiber: AnyFiber): ReadonlyArray<MetricLabel.MetricLabel> =>
  fiber.getFiberRef(Effect3.FiberRef.currentMetricLabels)

/** Whether a fiber was interrupted, and has not been told yet. */
export const isInterruptPending = (fiber: AnyFiber): boolean =>
  !Cause.isEmpty(fiber.getFiberRef(Effect3.FiberRef.interruptedCause))

/** Interrupts the fiber that runs it as another fiber would: an uninterruptible region goes on to its end. */
export const interruptSelf: Effect.Effect<void> = Effect.withFiberRuntime<void>((fiber) => {
  fiber.unsafeInterruptAsFork(fiber.id())
  return Effect.void
})

/**
 * A pause whose fiber goes on after the code that ends the pause. Effect 3 does that by itself; Effect 4 runs the woken fiber within
 * the call that wakes it, and needs `Effect.yieldNow()` after the pause. Here a yield would cost a durable run a tenth.
 */
export const afterItsWaker = <A, E, R>(pause: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => pause

/** Gives the fiber that runs it one more service, for good. `Effect.provideService` costs several times as much: it takes it back. */
export const giveService = <Id, Service>(
  fiber: AnyFiber,
  tag: Context.Tag<Id, Service>,
  service: Service
): Effect.Effect<void> => {
  const { currentContext } = Effect3.FiberRef
  const context = Context.add(fiber.getFiberRef(currentContext), tag, service)
  return Effect3.FiberRef.set(currentContext, context as Context.Context<never>)
}
