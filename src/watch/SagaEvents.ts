/**
 * What goes on in the sagas of a process, while it goes on: for progress bars and user interfaces.
 */
import { Context, Effect, Exit, Fiber, Layer, Mailbox, Option, Schema, Scope, Stream } from "effect"
import * as Journal from "../Journal.ts"

/** A failure in words: the error itself, and what it carries, stays with the run. */
const Failure = Schema.Struct({ tag: Schema.String, message: Schema.String })

const whose = { saga: Schema.String, version: Schema.Number, executionId: Schema.String, at: Schema.Number }

const Failures = Schema.Array(Failure)

/** An execution began, or this process goes on with one that another began, or that was parked. */
export const Started = Schema.TaggedStruct("Started", { ...whose, resumed: Schema.Boolean })
export const StepStarted = Schema.TaggedStruct("StepStarted", { ...whose, ...Journal.StepStarted.omit("_tag").fields })
export const StepSkipped = Schema.TaggedStruct("StepSkipped", { ...whose, ...Journal.StepSkipped.omit("_tag").fields })
export const StepSucceeded = Schema.TaggedStruct("StepSucceeded", {
  ...whose,
  step: Schema.String,
  attempts: Schema.Number
})
export const StepFailed = Schema.TaggedStruct("StepFailed", {
  ...whose,
  step: Schema.String,
  attempts: Schema.Number,
  failures: Failures
})
export const StepInDoubt = Schema.TaggedStruct("StepInDoubt", { ...whose, ...Journal.StepInDoubt.omit("_tag").fields })
export const UnwindingStarted = Schema.TaggedStruct("UnwindingStarted", { ...whose, failures: Failures })
export const CompensationStarted = Schema.TaggedStruct("CompensationStarted", { ...whose, step: Schema.String })
export const CompensationSucceeded = Schema.TaggedStruct("CompensationSucceeded", {
  ...whose,
  step: Schema.String,
  attempts: Schema.Number
})
export const CompensationFailed = Schema.TaggedStruct("CompensationFailed", {
  ...whose,
  step: Schema.String,
  attempts: Schema.Number,
  failures: Failures
})
export const Parked = Schema.TaggedStruct("Parked", { ...whose, reason: Journal.ParkedReason })
export const Finished = Schema.TaggedStruct("Finished", { ...whose, result: Journal.Finished.fields.result })

/**
 * One thing that happened, at a time in epoch milliseconds. How a step or a compensation ended is told at once; that one with a
 * side effect starts, and how the execution ends, once that is stored, where it is durable. So an end that could not be stored has
 * been told, and after a resume the step may end again, and otherwise.
 *
 * It is plain JSON, and has neither inputs nor outputs in it.
 */
export const SagaEvent = Schema.Union(
  Started,
  StepStarted,
  StepSkipped,
  StepSucceeded,
  StepFailed,
  StepInDoubt,
  UnwindingStarted,
  CompensationStarted,
  CompensationSucceeded,
  CompensationFailed,
  Parked,
  Finished
)
export type SagaEvent = typeof SagaEvent.Type

/** Hands events from runs to listeners. */
export interface Service {
  /** Whether anybody listens: nothing is told otherwise. */
  readonly isHeard: () => boolean
  readonly tell: (event: SagaEvent) => void
  /** Listens from now on, until the scope closes. */
  readonly subscribe: Effect.Effect<Mailbox.Mailbox<SagaEvent>, never, Scope.Scope>
}

/** The events of the runs that are given it. */
export class SagaEvents extends Context.Tag("effect-saga/SagaEvents")<SagaEvents, Service>() {}

/** How events are kept for those who listen. */
export interface Options {
  /** How many events a listener may be behind before it loses the oldest. 1024 by default. */
  readonly capacity?: number
}

/**
 * Lets runs under this layer be listened to: provide it to the runs, and to whoever listens.
 *
 * A listener never slows a saga down: one that is more than `capacity` events behind loses the oldest.
 */
export const layer = (options: Options = {}): Layer.Layer<SagaEvents> => Layer.sync(SagaEvents, () => make(options))

const make = ({ capacity = 1024 }: Options): Service => {
  const listeners = new Set<Mailbox.Mailbox<SagaEvent>>()
  return {
    isHeard: () => listeners.size > 0,
    tell: (event) => {
      for (const listener of listeners) listener.unsafeOffer(event)
    },
    subscribe: Effect.acquireRelease(
      Effect.tap(
        Mailbox.make<SagaEvent>({ capacity, strategy: "sliding" }),
        (mailbox) => Effect.sync(() => listeners.add(mailbox))
      ),
      (mailbox) => Effect.zipRight(Effect.sync(() => listeners.delete(mailbox)), mailbox.end)
    )
  }
}

/**
 * Listens from now on, until the scope closes: the stream has what happens in all runs under the layer, without an end.
 *
 * A `Saga.run` or `Saga.scoped` that began while nobody listened is not heard; any other run is heard from here on, though its
 * `Started` may have gone by.
 */
export const subscribe: Effect.Effect<Stream.Stream<SagaEvent>, never, SagaEvents | Scope.Scope> = Effect.flatMap(
  SagaEvents,
  ({ subscribe }) => Effect.map(subscribe, Mailbox.toStream)
)

/** The same, from when the stream is run. */
export const stream: Stream.Stream<SagaEvent, never, SagaEvents> = Stream.unwrapScoped(subscribe)

/**
 * Runs an effect, and tells `listener` of all that happens in the sagas under it, one thing after another, while it goes on; for a
 * progress bar. Ends as the effect does, once the listener has been told of the last thing. Needs no layer; who listens to a layer
 * outside of it is told too. An interruption does not wait for the listener, who is told of the rest all the same; one that dies is
 * told no more, which the log says.
 *
 * @example
 * ```ts prelude=trip
 * const run = Saga.run(trip, { card: "full" })
 * await Effect.runPromise(SagaEvents.listen(run, (event) => Effect.sync(() => console.log(event._tag))))
 * // => Started
 * // => StepStarted
 * // => StepSucceeded
 * // => StepStarted
 * // => StepSucceeded
 * // => Finished
 * ```
 */
export const listen = <A, E, R, R2>(
  effect: Effect.Effect<A, E, R>,
  listener: (event: SagaEvent) => Effect.Effect<unknown, never, R2>,
  options: Options = {}
): Effect.Effect<A, E, Exclude<R, SagaEvents> | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const outer = Option.getOrUndefined(yield* Effect.serviceOption(SagaEvents))
      const inner = make(options)
      // A scope of its own: that of the caller is the effect's.
      const scope = yield* Scope.make()
      const mailbox = yield* Scope.extend(inner.subscribe, scope)
      const told = yield* Stream.runForEach(Mailbox.toStream(mailbox), listener).pipe(
        Effect.tapErrorCause((cause) => Effect.logError("who listened to sagas has died, and hears no more", cause)),
        Effect.interruptible,
        Effect.forkDaemon
      )
      const service: Service = {
        ...inner,
        tell: (event) => {
          inner.tell(event)
          outer?.tell(event)
        }
      }
      const exit = yield* Effect.exit(restore(Effect.provideService(effect, SagaEvents, service)))
      yield* mailbox.end
      yield* restore(Fiber.await(told))
      yield* Scope.close(scope, Exit.void)
      return yield* exit
    })
  ) as Effect.Effect<A, E, Exclude<R, SagaEvents> | R2>
