/**
 * Reads a fiber: its clock, its services, its tracer, its metric tags, its interruption. Every use of a fiber's own parts stands in
 * this file, because they change with each major version of Effect.
 */
import { Cause, Clock, Context, Effect, Exit, type Fiber, type MetricLabel, Tracer } from "effect"
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

/**
 * Runs an effect with one more service. `Effect.provideService` costs several times as much: it has to take the service back
 * whatever happens, and here the caller does that, by being uninterruptible and by calling `end` with every exit of the effect.
 */
export const withService = <Id, Service, A, E, R, B, E2, R2>(
  fiber: AnyFiber,
  [tag, service]: readonly [Context.Tag<Id, Service>, Service],
  effect: Effect.Effect<A, E, R>,
  end: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E2, Exclude<R, Id> | R2> => {
  const before = fiber.getFiberRef(Effect3.FiberRef.currentContext)
  const takenBack = (exit: Exit.Exit<A, E>) => Effect.zipRight(setContext(before), end(exit))
  return Effect.zipRight(
    setContext(Context.add(before, tag, service) as Context.Context<never>),
    Effect.matchCauseEffect(effect as Effect.Effect<A, E, any>, {
      onFailure: (cause) => takenBack(Exit.failCause(cause)),
      onSuccess: (value) => takenBack(Exit.succeed(value))
    })
  )
}

const setContext = (context: Context.Context<never>): Effect.Effect<void> =>
  Effect3.FiberRef.set(Effect3.FiberRef.currentContext, context)
