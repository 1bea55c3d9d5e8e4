/**
 * Signals: an execution waits for one with the builder's `wait`, and anybody sends it, from any process.
 */
import type { Effect } from "effect"
import type { Schema } from "effect"
import * as definition from "./definition/Signal.ts"
import * as engine from "./engine/deliver.ts"
import type { CheckpointError, ExecutionNotFound, JournalCorrupt, NotStorable, SignalRefused } from "./SagaError.ts"
import type { Checkpoint } from "./store/Checkpoint.ts"

export { type Any, isSignal, type Signal } from "./definition/Signal.ts"

/**
 * Makes a signal. Journals know it by its name, of 1 to 400 characters; its value is stored as the `success` schema encodes it, and is
 * read with that schema by whoever drives the execution. `build()` refuses a saga that waits for one whose name or schema does not fit.
 *
 * @example
 * ```ts
 * import { Effect, Fiber, Schema } from "effect"
 * import { Checkpoint, Saga, Signal } from "effect-saga"
 *
 * const Approval = Signal.make("approval", { success: Schema.Struct({ by: Schema.String }) })
 *
 * const order = Saga.make("Order")
 *   .wait("approve", Approval, { timeout: "2 days" })
 *   .build(({ outputs }) => `approved by ${outputs.approve.by}`)
 *
 * const program = Effect.gen(function*() {
 *   yield* Saga.start(order, undefined, { executionId: "order-17" })
 *   const result = yield* Effect.fork(Saga.execute(order, undefined, { executionId: "order-17" }))
 *   yield* Signal.deliver(Approval, { executionId: "order-17", by: "clerk 4" }, { by: "Ada" })
 *   console.log(yield* Fiber.join(result))
 * })
 * await Effect.runPromise(Effect.provide(program, Checkpoint.layerMemory))
 * // => approved by Ada
 * ```
 */
export const make: <A, Encoded>(
  name: string,
  options: {
    /** What it carries; `Schema.Void` where it carries nothing. */
    readonly success: Schema.Schema<A, Encoded, never>
  }
) => definition.Signal<A> = definition.make

/** The receiver and the sender of a signal. */
export interface DeliverOptions {
  readonly executionId: string
  /** Names who sends it: 1 to 400 characters. It is stored in the journal. */
  readonly by: string
  /** The path of the step that is to have it. Left out, the first step has it that waits for this signal. */
  readonly step?: string
  /** Identifies this sending, 1 to 400 characters: a signal that is sent again under the same id is acknowledged, and has no effect. */
  readonly id?: string
}

/**
 * Sends a signal to a stored execution, from any process, and succeeds once it is stored. It needs neither the saga nor its services.
 * The execution goes on at once where this process waits for it or has a worker, within a second in another process (on PostgreSQL at
 * once), and with nobody there as soon as somebody is. A signal that comes before its step waits is kept for it.
 *
 * Fails with `ExecutionNotFound` where nothing is stored; with `SignalRefused`, and changes nothing, where the execution has ended or is
 * being undone, where no step of its definition waits for this signal, and where every one that does has its answer; with `NotStorable`
 * where the schema of the signal does not encode the value. When two send at the same moment for one step, both may be acknowledged:
 * the step uses the first, and the journal has both.
 */
export const deliver = <A>(
  signal: definition.Signal<A>,
  options: DeliverOptions,
  value: NoInfer<A>
): Effect.Effect<
  void,
  SignalRefused | ExecutionNotFound | NotStorable | JournalCorrupt | CheckpointError,
  Checkpoint
> =>
  // Code without types may leave the options out: then nobody is named.
  engine.deliver(signal, {
    executionId: options?.executionId,
    by: options?.by,
    step: options?.step,
    id: options?.id
  }, value)
