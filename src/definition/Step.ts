/**
 * What a user writes for a step, and what the step's functions are given.
 */
import { type Brand, type Cause, type Duration, Effect, Fiber, type Option, type Schedule, type Schema } from "effect"
import type { EarlierOutputs, NoAction, NotGiven } from "./owed.ts"

/**
 * Identifies one side effect: the same over retries, resumes and recoveries of one execution, and never that of another
 * effect. Made from the execution's id, the step's path and the role (action or compensation); ASCII, fit for an HTTP
 * header. Hand it to the system that you call, so that doing it twice does it once.
 */
export type IdempotencyKey = string & Brand.Brand<"effect-saga/IdempotencyKey">

/** What an action is given. */
export interface ActionContext<Input, Outputs> {
  /** The input of the execution. */
  readonly input: Input
  /** What the earlier steps returned, by step name. */
  readonly outputs: EarlierOutputs<Outputs>
  /** The key of this action. */
  readonly idempotencyKey: IdempotencyKey
  readonly executionId: string
  /** Counts the calls of this action in this process, from 1. */
  readonly attempt: number
  /**
   * When this process's lease ends unless it is renewed, in epoch milliseconds by this process's clock: from then on another
   * process may drive the execution. Hand it to the system that you call as its deadline, if it takes one. Undefined in process,
   * and under an infinite lease.
   */
  readonly leaseEndsAt: number | undefined
}

/** What a compensation is given. */
export interface CompensationContext<Input, Outputs, Output> {
  /** The input of the execution. */
  readonly input: Input
  /** What the steps before this one returned, by step name. */
  readonly outputs: EarlierOutputs<Outputs>
  /** What this step's action returned. */
  // Where nothing tells its type, there is a mistake to be told already; then anything will do.
  readonly output: NoAction extends Output ? unknown extends Output ? Output : any : Output
  /** Why the saga is unwound. */
  readonly cause: Cause.Cause<unknown>
  /** The key of this compensation. */
  readonly idempotencyKey: IdempotencyKey
  /** The key that the action was called with. */
  readonly actionIdempotencyKey: IdempotencyKey
  readonly executionId: string
  /** Counts the calls of this compensation in this process, from 1. */
  readonly attempt: number
  /** As an action's. */
  readonly leaseEndsAt: number | undefined
}

/**
 * When to call again what failed, as `Effect.retry` takes it: at most `times` more, as the `schedule` says, and only
 * `while` the error is worth it. Of `times` and `schedule` at least one must be there; with `times` alone there is no
 * delay.
 */
export interface RetryPolicy<Error, Times extends number | NotGiven, ScheduleRequirements> {
  /** How many more calls after the first. */
  readonly times?: Times
  readonly schedule?: Schedule.Schedule<any, any, ScheduleRequirements>
  /** Asked about the errors that the action has by its type; not about what a timeout adds, nor about a doubt. */
  readonly while?: (error: Error) => boolean
}

/**
 * What to do when nobody knows whether an action happened: after `OutcomeUnknown`, or after a crash between the stored
 * intent and the stored outcome.
 *
 * - `"retry"`: run the action again under the same idempotency key
 * - `"verify"`: ask with `verify`; `Some(output)` means that it happened, `None` that it did not, and then it runs again
 * - `"park"`: stop and wait for a person (in process, where there is nowhere to wait: undo the earlier steps)
 */
export type InDoubtPolicy = "retry" | "verify" | "park"

/** Stands for `transaction: true` among the policies of a step: one type parameter is either, so that a step cannot say both. */
export type InTransaction = true

/** `true`, in a form that leaves it to the type parameter beside it: the compiler infers nothing where it finds `true` itself. */
export interface True {
  readonly valueOf: () => boolean
}

/**
 * Stands in the place of a step's `error` schema, and declines it: the first call of a durable run then fails with the error
 * itself, and each later call with `RecoveredFailure`.
 */
export type AsRecoveredFailure = "asRecoveredFailure"

/** What a function that looks back is given: a condition, or the input of a nested saga. It must be pure. */
export interface Earlier<Input, Outputs> {
  /** The input of the execution. */
  readonly input: Input
  /** What the earlier steps returned, by step name. */
  readonly outputs: EarlierOutputs<Outputs>
}

// The options of the three kinds of step are written out: inherited from a base they cost the compiler an eighth more a step.

/** A step without a side effect. */
export interface ReadOnlyStep<
  Input,
  Outputs,
  Output,
  Error,
  Requirements,
  Success,
  Failure,
  When,
  Timeout,
  RetryRequirements
> {
  /**
   * Does it. An action with a side effect must fail, or die, only if it had none, and fail with `OutcomeUnknown` when it
   * cannot tell. It is called again, under the same key, by a retry and after a crash.
   */
  readonly action: (context: ActionContext<Input, Outputs>) => Effect.Effect<Output, Error, Requirements>
  /**
   * Whether the step runs at all. Where it does not, it is recorded as skipped, and there is nothing to undo. With a
   * condition the step's output, as later steps see it, is an `Option`.
   */
  readonly when?: (earlier: Earlier<Input, Outputs>) => When
  /**
   * Cuts off each attempt after this time, which then fails with `TimeoutException`.
   */
  readonly timeout?: Timeout
  /** How a durable run stores the output. */
  readonly success?: Success & Schema.Schema<Output, any, never>
  /**
   * How a durable run stores the action's errors, so that each later call gets them as they were. With `"asRecoveredFailure"`
   * a later call gets `RecoveredFailure`, with their tag and message only.
   */
  readonly error?: Failure & (Schema.Schema<Error, any, never> | AsRecoveredFailure)
  /** When to call a failed action again. */
  readonly retry?: RetryPolicy<NoInfer<Error>, number, RetryRequirements>
}

/** A step with a side effect that its compensation reverses. */
export interface CompensatableStep<
  Input,
  Outputs,
  Output,
  Error,
  Requirements,
  CompensateRequirements,
  Success,
  Failure,
  When,
  Timeout,
  InDoubt,
  VerifyRequirements,
  RetryRequirements
> {
  /**
   * Does it. An action with a side effect must fail, or die, only if it had none, and fail with `OutcomeUnknown` when it
   * cannot tell. It is called again, under the same key, by a retry and after a crash.
   */
  readonly action: (context: ActionContext<Input, Outputs>) => Effect.Effect<Output, Error, Requirements>
  /**
   * Whether the step runs at all. Where it does not, it is recorded as skipped, and there is nothing to undo. With a
   * condition the step's output, as later steps see it, is an `Option`.
   */
  readonly when?: (earlier: Earlier<Input, Outputs>) => When
  /**
   * Cuts off each attempt after this time: the action is then in doubt (`OutcomeUnknown`). It bounds `verify`, too: one that is cut
   * off could not tell, and the doubt remains. In a `transaction` it fails with `TimeoutException`.
   */
  readonly timeout?: Timeout
  /** How a durable run stores the output. */
  readonly success?: Success & Schema.Schema<Output, any, never>
  /**
   * How a durable run stores the action's errors, so that each later call gets them as they were. With `"asRecoveredFailure"`
   * a later call gets `RecoveredFailure`, with their tag and message only.
   */
  readonly error?: Failure & (Schema.Schema<Error, any, never> | AsRecoveredFailure)
  /** What to do when nobody knows whether the action happened. */
  readonly inDoubt?: InDoubt & (InDoubtPolicy | NotGiven)
  /**
   * Runs the action, and the compensation, each in one SQL transaction with its outcome, on the database of the journals: it
   * happened or it did not, and is never in doubt. The action uses the `SqlClient` of that database as always. A `timeout`, an
   * error, a defect and an interruption roll it back; a serialization failure or a deadlock runs it
   * again as a whole. In place of `inDoubt`, `verify` and `interruptible`. On SQLite nobody else writes meanwhile: keep it short.
   */
  readonly transaction?: InDoubt & True
  /**
   * Lets an interruption reach the action, which otherwise waits for it. The action is in doubt then, and settled as
   * `inDoubt` says (`"park"` without it). `false` by default.
   */
  readonly interruptible?: boolean
  /** Asks whether the action happened under this key: `Some(output)` if it did, `None` if it did not. */
  readonly verify?: (
    context: ActionContext<Input, Outputs>
  ) => Effect.Effect<Option.Option<NoInfer<Output>>, unknown, VerifyRequirements>
  /** Reverses the side effect. It may be called again under the same key after a crash. */
  readonly compensate: (
    context: CompensationContext<Input, Outputs, Output>
  ) => Effect.Effect<unknown, unknown, CompensateRequirements>
  /** When to call a failed action again. */
  readonly retry?: RetryPolicy<NoInfer<Error>, number, RetryRequirements>
  /** When to call a failed compensation again. */
  readonly compensationRetry?: RetryPolicy<unknown, number, RetryRequirements>
  /** Cuts off each attempt at the compensation after this time, which counts as its failure. */
  readonly compensationTimeout?: Duration.DurationInput
}

/** A step with a side effect that nothing reverses. */
export interface FinalStep<
  Input,
  Outputs,
  Output,
  Error,
  Requirements,
  Success,
  Failure,
  When,
  Timeout,
  InDoubt,
  VerifyRequirements,
  Times extends number | NotGiven,
  RetryRequirements
> {
  /**
   * Does it. An action with a side effect must fail, or die, only if it had none, and fail with `OutcomeUnknown` when it
   * cannot tell. It is called again, under the same key, by a retry and after a crash.
   */
  readonly action: (context: ActionContext<Input, Outputs>) => Effect.Effect<Output, Error, Requirements>
  /**
   * Whether the step runs at all. Where it does not, it is recorded as skipped, and there is nothing to undo. With a
   * condition the step's output, as later steps see it, is an `Option`.
   */
  readonly when?: (earlier: Earlier<Input, Outputs>) => When
  /**
   * Cuts off each attempt after this time: the action is then in doubt (`OutcomeUnknown`). It bounds `verify`, too: one that is cut
   * off could not tell, and the doubt remains. In a `transaction` it fails with `TimeoutException`.
   */
  readonly timeout?: Timeout
  /** How a durable run stores the output. */
  readonly success?: Success & Schema.Schema<Output, any, never>
  /**
   * How a durable run stores the action's errors, so that each later call gets them as they were. With `"asRecoveredFailure"`
   * a later call gets `RecoveredFailure`, with their tag and message only.
   */
  readonly error?: Failure & (Schema.Schema<Error, any, never> | AsRecoveredFailure)
  /** What to do when nobody knows whether the action happened. */
  readonly inDoubt?: InDoubt & (InDoubtPolicy | NotGiven)
  /**
   * Runs the action, and the compensation, each in one SQL transaction with its outcome, on the database of the journals: it
   * happened or it did not, and is never in doubt. The action uses the `SqlClient` of that database as always. A `timeout`, an
   * error and a defect roll it back; a serialization failure or a deadlock runs it
   * again as a whole. In place of `inDoubt`, `verify` and `interruptible`. On SQLite nobody else writes meanwhile: keep it short.
   */
  readonly transaction?: InDoubt & True
  /**
   * Lets an interruption reach the action, which otherwise waits for it. The action is in doubt then, and settled as
   * `inDoubt` says (`"park"` without it). `false` by default.
   */
  readonly interruptible?: boolean
  /** Asks whether the action happened under this key: `Some(output)` if it did, `None` if it did not. */
  readonly verify?: (
    context: ActionContext<Input, Outputs>
  ) => Effect.Effect<Option.Option<NoInfer<Output>>, unknown, VerifyRequirements>
  /** When to call a failed action again. */
  readonly retry?: RetryPolicy<NoInfer<Error>, Times, RetryRequirements>
}

/**
 * Runs an effect in a fiber of its own, for an action or a compensation that interrupts a part of itself.
 *
 * The action of a step with a side effect is uninterruptible, and so are the fibers that it forks: an `Effect.timeout` in it waits
 * for what it wraps, a `race` for its loser, a failing concurrent `Effect.all` for the other effects, a `Fiber.interrupt` for a
 * child. In a fiber of its own they do what they say, and an interruption of the saga still does not reach it. A step with a
 * `timeout` runs so already. It costs as much as some twenty plain steps.
 *
 * @example
 * ```ts prelude=trip
 * const slow = Effect.sleep("1 hour")
 * const call = Effect.timeoutTo(slow, { duration: "1 millis", onSuccess: () => "slow", onTimeout: () => "cut" })
 * const saga = Saga.make("Call").final("call", { action: () => Step.inOwnFiber(call) }).build(({ outputs }) => outputs.call)
 * console.log(await Effect.runPromise(Saga.run(saga)))
 * // => cut
 * ```
 */
export const inOwnFiber = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDaemon(Effect.interruptible(effect)),
      // Where the step lets an interruption or its timeout reach the action, it reaches the fiber too.
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interrupt(fiber))
    )
  )
