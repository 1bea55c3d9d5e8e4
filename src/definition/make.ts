/** How a saga is begun: its name, its input, its version, and the policies of its steps. */
import type { Cause, Duration, ParseResult, Schema } from "effect"
import type { OutcomeUnknown } from "../SagaError.ts"
import type { Covered, Definition, OnCompensationFailure } from "./definition.ts"
import type { NotGiven, OwesDefaultInDoubt, SagaName, Version } from "./owed.ts"
import { Builder, type Ending } from "./saga.ts"
import type { SagaBuilder } from "./SagaBuilder.ts"
import type { RetryPolicy } from "./Step.ts"

/** Policies for each step of a saga that has none of its own. */
export interface Defaults<Timeout, RetryRequirements, InDoubt> {
  readonly retry?: RetryPolicy<unknown, number, RetryRequirements>
  /** For every action. Those with a side effect are in doubt when they are cut off, so `inDoubt` must be given too. */
  readonly timeout?: Timeout
  /** Does not free a Final: before a durable run each Final must still say `inDoubt` itself. */
  readonly inDoubt?: InDoubt
  readonly compensationRetry?: RetryPolicy<unknown, number, RetryRequirements>
  readonly compensationTimeout?: Duration.DurationInput
}

/** Each default that a user can give has a member in the definition: one that has not does not compile. */
type KnownDefaults = Pick<
  Definition["defaults"],
  Covered<keyof Definition["defaults"], keyof Defaults<never, never, never>>
>

/** Refuses `{ amount: Schema.Int }` at its fields. Nothing is of this type. */
interface FieldsWithoutSchema {
  readonly [field: string]: "the input is a schema: write Schema.Struct around its fields"
  readonly [noSchema]: never
}
declare const noSchema: unique symbol

/** The attributes by which executions are found: a plain value under each name. One that is `undefined` is left out. */
export interface AttributeValues {
  readonly [name: string]: string | number | boolean | undefined
}

/** The options of a saga. */
export interface Options<Input, Encoded, V extends number, Timeout, RetryRequirements, InDoubt> {
  /** What a run is given; a durable run stores it. Left out, a saga takes no input. */
  readonly input?: Schema.Schema<Input, Encoded, never> | FieldsWithoutSchema
  /** Tells definitions of one name apart: a positive integer, 1 by default. Raise it when you change the steps. */
  readonly version?: Version<V>
  /**
   * What to do when a compensation fails for good: `"continue"` undoes the older steps all the same; `"stop"` leaves them as
   * they are, for sagas whose older compensations rely on the younger ones having run. `"continue"` by default. A nested saga
   * follows its parent.
   */
  readonly onCompensationFailure?: OnCompensationFailure
  /** Policies for each step that has none of its own. */
  readonly defaults?: Defaults<Timeout, RetryRequirements, InDoubt>
  /**
   * How long an execution may take before it has passed its point of no return, from its start: then it is cancelled by
   * `"its deadline"`, also while it waits. Past the point of no return nothing happens. A parked execution is cancelled once somebody
   * sets it going again. For durable runs only, and not asked of a nested saga.
   */
  readonly deadline?: Duration.DurationInput
  /**
   * Makes the attributes by which `Executions.list` finds the stored executions of this saga. Called once, when a durable execution starts,
   * and stored with the start, in plain: it is no place for secrets. At most 32, with names of at most 64 characters; a value is a
   * text of at most 400 characters, a finite number or a boolean. Anything else fails the start with `NotStorable`. In process
   * nothing is stored, and nobody asks; nor is a nested saga asked.
   */
  readonly attributes?: (given: { readonly input: NoInfer<Input> }) => AttributeValues
}

/**
 * Begins the definition of a saga. The name identifies its stored executions.
 *
 * Add steps with `readOnly`, `compensatable`, `final`, `parallel`, `saga` and `forEach`, and end with `build`, which throws
 * `InvalidSaga` where a rule is broken that the compiler could not see. Input that does not match its schema fails a run with
 * `ParseError` before anything has happened.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Saga } from "effect-saga"
 *
 * const trip = Saga.make("Trip", { input: Schema.Struct({ card: Schema.String }) })
 *   .compensatable("flight", {
 *     action: () => Effect.succeed("LH 400"),
 *     compensate: ({ output }) => Effect.sync(() => console.log(`cancel ${output}`))
 *   })
 *   .final("charge", {
 *     action: ({ input, outputs }) => Effect.succeed(`${outputs.flight} paid with ${input.card}`)
 *   })
 *   .build(({ outputs }) => outputs.charge)
 *
 * console.log(await Effect.runPromise(Saga.run(trip, { card: "4711" })))
 * // => LH 400 paid with 4711
 * ```
 */
export const make = <
  const Name extends string,
  Input = void,
  Encoded = NotGiven,
  const V extends number = 1,
  Timeout extends Duration.DurationInput | NotGiven = NotGiven,
  RetryRequirements = never,
  InDoubt extends "retry" | "park" | NotGiven = NotGiven
>(
  name: SagaName<Name>,
  options?: Options<Input, Encoded, V, Timeout, RetryRequirements, InDoubt>
): SagaBuilder<
  Input,
  {},
  | (NotGiven extends Encoded ? never : ParseResult.ParseError)
  | (NotGiven extends Timeout ? never : OutcomeUnknown | Cause.TimeoutException),
  RetryRequirements,
  NotGiven extends Timeout ? never : NotGiven extends InDoubt ? OwesDefaultInDoubt : never
> => {
  const header: Omit<Definition, Ending> = {
    name,
    version: options?.version as number | undefined ?? 1,
    input: options?.input as Definition["input"],
    onCompensationFailure: options?.onCompensationFailure ?? "continue",
    attributes: options?.attributes,
    deadline: options?.deadline,
    defaults: options?.defaults as KnownDefaults | undefined ?? {}
  }
  // The one cast between the public type, which tracks names, errors and what is owed, and the class that only collects.
  return new Builder(header, []) as any
}
