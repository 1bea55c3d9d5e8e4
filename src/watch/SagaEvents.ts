/**
 * Live events of the sagas in this process, for progress bars and user interfaces.
 */
import { Context, Effect, Exit, Fiber, Layer, Option, Schema, Scope, Stream } from "effect"
import * as Effect3 from "effect"
import * as Journal from "../Journal.ts"

/** A failure as a tag and a message: the error value itself stays with the run. */
const Failure = Schema.Struct({ tag: Schema.String, message: Schema.String })

const whose = { saga: Schema.String, version: Schema.Number, executionId: Schema.String, at: Schema.Number }

const Failures = Schema.Array(Failure)

const ended = { ...whose, step: Schema.String, attempts: Schema.Number }

/** A call failed, and another one follows at `nextAt`, in epoch milliseconds. `attempts` counts the calls in this process so far. */
const retried = { ...ended, failures: Failures, nextAt: Schema.Number }

/** Who asked for the cancellation of the execution, and why. */
const asked = { by: Schema.String, reason: Schema.optional(Schema.String) }

/**
 * One event of a run, at a time in epoch milliseconds. It is plain JSON, without inputs and outputs.
 *
 * `Started` comes when this process begins to drive an execution; `resumed` says that the execution existed before. The end of a
 * step or a compensation is sent at once. The start of one with a side effect, and the end of the execution, are sent once they
 * are stored, where the run is durable. If the end of a step could not be stored, the step may end again, differently, after a
 * resume.
 *
 * `ItemsListed` comes before the first item of a `forEach`: how many items there are.
 * `WaitStarted` is the start of a step that waits. `Waiting` is sent once it is stored: from then on no process drives the execution,
 * and the `Started` of the one that goes on with it is the next event. `SignalReceived` comes when the driver takes a signal.
 *
 * `StepRetried` and `CompensationRetried` are sent when a call has failed and another one will follow: why it failed, and when the
 * next call begins. The journal does not have them.
 */
export const SagaEvent = Schema.Union(
  Schema.TaggedStruct("Started", { ...whose, resumed: Schema.Boolean }),
  Schema.TaggedStruct("StepStarted", { ...whose, ...Journal.StepStarted.omit("_tag").fields }),
  Schema.TaggedStruct("WaitStarted", { ...whose, ...Journal.WaitStarted.omit("_tag").fields }),
  Schema.TaggedStruct("Waiting", whose),
  Schema.TaggedStruct("SignalReceived", {
    ...whose,
    ...Journal.SignalReceived.omit("_tag", "value", "message").fields
  }),
  Schema.TaggedStruct("StepRetried", retried),
  Schema.TaggedStruct("StepSkipped", { ...whose, ...Journal.StepSkipped.omit("_tag").fields }),
  Schema.TaggedStruct("StepSucceeded", ended),
  Schema.TaggedStruct("StepFailed", { ...ended, failures: Failures }),
  Schema.TaggedStruct("StepInDoubt", { ...whose, ...Journal.StepInDoubt.omit("_tag").fields }),
  Schema.TaggedStruct("ItemsListed", { ...whose, list: Schema.String, count: Schema.Number }),
  Schema.TaggedStruct("UnwindingStarted", { ...whose, failures: Failures }),
  Schema.TaggedStruct("CompensationStarted", { ...whose, step: Schema.String }),
  Schema.TaggedStruct("CompensationRetried", retried),
  Schema.TaggedStruct("CompensationSucceeded", ended),
  Schema.TaggedStruct("CompensationFailed", { ...ended, failures: Failures }),
  Schema.TaggedStruct("CancellationRequested", { ...whose, ...asked }),
  Schema.TaggedStruct("CancellationRefused", { ...whose, ...asked, why: Journal.RefusedReason }),
  Schema.TaggedStruct("Parked", { ...whose, reason: Journal.ParkedReason }),
  Schema.TaggedStruct("Finished", { ...whose, result: Journal.Finished.fields.result })
)
export type SagaEvent = typeof SagaEvent.Type

/** Passes events from runs to listeners. */
export interface Service {
  /** Whether there is a listener: a run sends nothing otherwise. */
  readonly isHeard: () => boolean
  readonly tell: (event: SagaEvent) => void
  /** Listens from now on, until the scope closes. */
  readonly subscribe: Effect.Effect<Effect3.Mailbox.Mailbox<SagaEvent>, never, Scope.Scope>
}

/** Receives the events of the runs that it is provided to. */
export class SagaEvents extends Context.Tag("effect-saga/SagaEvents")<SagaEvents, Service>() {}

/** How events are kept for a listener. */
export interface Options {
  /** How many events a listener may be behind before it loses the oldest. 1024 by default. */
  readonly capacity?: number
}

/**
 * Makes the runs under this layer heard: provide it to the runs and to the listeners.
 *
 * A listener never slows a saga down: one that is more than 1024 events behind loses the oldest.
 */
export const layer: Layer.Layer<SagaEvents> = Layer.sync(SagaEvents, () => make({}))

/** Like {@link layer}, with options. */
export const layerWith = (options: Options): Layer.Layer<SagaEvents> => Layer.sync(SagaEvents, () => make(options))

const make = ({ capacity = 1024 }: Options): Service => {
  const listeners = new Set<Effect3.Mailbox.Mailbox<SagaEvent>>()
  return {
    isHeard: () => listeners.size > 0,
    tell: (event) => {
      for (const listener of listeners) listener.unsafeOffer(event)
    },
    subscribe: Effect.acquireRelease(
      Effect.tap(
        Effect3.Mailbox.make<SagaEvent>({ capacity, strategy: "sliding" }),
        (mailbox) => Effect.sync(() => listeners.add(mailbox))
      ),
      (mailbox) => Effect.zipRight(Effect.sync(() => listeners.delete(mailbox)), mailbox.end)
    )
  }
}

/**
 * Listens from now on, until the scope closes: the stream has the events of all runs under the layer, and does not end by itself.
 *
 * A `Saga.run` or `Saga.scoped` that began before there was any listener is not heard. Any other run is heard from this moment on,
 * though its `Started` may have been sent before.
 */
export const subscribe: Effect.Effect<Stream.Stream<SagaEvent>, never, SagaEvents | Scope.Scope> = Effect.flatMap(
  SagaEvents,
  ({ subscribe }) => Effect.map(subscribe, Effect3.Mailbox.toStream)
)

/** Like {@link subscribe}, from the moment the stream is run. */
export const stream: Stream.Stream<SagaEvent, never, SagaEvents> = Stream.unwrapScoped(subscribe)

/**
 * Runs an effect, and calls `listener` with each event of the sagas under it, one after another, while they run; for a progress
 * bar. It ends as the effect ends, once the listener has had the last event. It needs no layer; listeners outside of this call
 * still hear the events.
 *
 * An interruption does not wait for the listener, which still gets the remaining events. If the listener dies, an error is logged
 * and it gets no more events.
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
      // Not the caller's scope: that one belongs to the effect.
      const scope = yield* Scope.make()
      const mailbox = yield* Scope.extend(inner.subscribe, scope)
      const listening = yield* Stream.runForEach(Effect3.Mailbox.toStream(mailbox), listener).pipe(
        Effect.tapErrorCause((cause) =>
          Effect.logError("a listener of saga events has died, and gets no more events", cause)
        ),
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
      yield* restore(Fiber.await(listening))
      yield* Scope.close(scope, Exit.void)
      return yield* exit
    })
  ) as Effect.Effect<A, E, Exclude<R, SagaEvents> | R2>
