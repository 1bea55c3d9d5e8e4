/**
 * The types of a saga while it is being written. `Saga.make` begins one; each method returns a new builder and leaves the old one
 * as it was.
 */
import type { Cause, Duration, Option } from "effect"
import type { Pipeable } from "effect/Pipeable"
import type { InvalidItems, OutcomeUnknown, SignalTimeout } from "../SagaError.ts"
import type { BranchBuilder } from "./BranchBuilder.ts"
import type { Build, Saga } from "./built.ts"
import type { ParallelOptions } from "./definition.ts"
import type { FinalSagaBuilder } from "./FinalSagaBuilder.ts"
import type { ByIndex, ListOptions, ListWithoutFinal } from "./List.ts"
import type {
  Always,
  Built,
  NestedFinal,
  NoAction,
  NotBuilt,
  NotGiven,
  NotReturned,
  OwesFinalInDoubt,
  OwesInDoubt,
  OwesNoFinal,
  OwesSuccess,
  OwesSuccessOrAction,
  Returned,
  StepName
} from "./owed.ts"
import type { Signal } from "./Signal.ts"
import type { CompensatableStep, Earlier, FinalStep, InDoubtPolicy, InTransaction, ReadOnlyStep } from "./Step.ts"
import type { Transactions } from "./transactions.ts"
import type { HowLong, Value, WithoutTimeout, WithTimeout } from "./Waits.ts"

export type { BranchBuilder } from "./BranchBuilder.ts"
export type { FinalSagaBuilder } from "./FinalSagaBuilder.ts"

// The conditional types in what a method returns are written out: by an alias they cost the compiler more. A type parameter
// keeps its default where the option that it is inferred from is left out: then `Timeout` is `undefined`, `When` is `Always` and
// the services of a `retry` or a `verify` are `unknown`. An action that fails only with `OutcomeUnknown` owes no `error` schema,
// and one that fails with `any` does.

/** A saga before its first Final step: every kind of step may follow. */
export interface SagaBuilder<in out Input, Outputs, out Error, out Requirements, out Owed extends string>
  extends Pipeable
{
  /** Adds a step without a side effect. When the saga is unwound there is nothing to undo, and it is skipped. */
  readOnly<
    const Name extends string,
    Output = NoAction,
    StepError = any,
    StepRequirements = unknown,
    Success = NotGiven,
    Failure = NotGiven,
    When extends boolean | Always = boolean | Always,
    Timeout extends Duration.DurationInput | NotGiven = NotGiven,
    RetryRequirements = never
  >(
    name: StepName<Name, Outputs>,
    step: ReadOnlyStep<
      Input,
      Outputs,
      Output,
      StepError,
      StepRequirements,
      Success,
      Failure,
      When,
      Timeout,
      RetryRequirements
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Always extends When ? Output : Option.Option<Output> },
    Error | StepError | (NotGiven extends Timeout ? never : Cause.TimeoutException),
    Requirements | (unknown extends StepRequirements ? never : StepRequirements) | RetryRequirements,
    | Owed
    | (NotGiven extends Success ? OwesSuccess<Name, Output> : never)
    | (NotGiven extends Failure ? StepError extends OutcomeUnknown ? never : `${Name}.error` : never)
  >

  /**
   * Adds a step whose side effect its compensation reverses. The compensation is armed in the same uninterruptible act that
   * completes the action, as with `Effect.acquireRelease`, and runs when a later step fails.
   */
  compensatable<
    const Name extends string,
    Output = NoAction,
    StepError = any,
    StepRequirements = unknown,
    CompensateRequirements = unknown,
    Success = NotGiven,
    Failure = NotGiven,
    When extends boolean | Always = boolean | Always,
    Timeout extends Duration.DurationInput | NotGiven = NotGiven,
    InDoubt extends InDoubtPolicy | InTransaction | NotGiven = NotGiven,
    VerifyRequirements = unknown,
    RetryRequirements = never
  >(
    name: StepName<Name, Outputs>,
    step: CompensatableStep<
      Input,
      Outputs,
      Output,
      StepError,
      StepRequirements,
      CompensateRequirements,
      Success,
      Failure,
      When,
      Timeout,
      InDoubt,
      VerifyRequirements,
      RetryRequirements
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Always extends When ? Output : Option.Option<Output> },
    | Error
    | StepError
    | (NotGiven extends Timeout ? never : true extends InDoubt ? Cause.TimeoutException : OutcomeUnknown),
    | Requirements
    | (unknown extends StepRequirements ? never : StepRequirements)
    | (unknown extends CompensateRequirements ? never : CompensateRequirements)
    | RetryRequirements
    | (unknown extends VerifyRequirements ? never : VerifyRequirements)
    | (true extends InDoubt ? Transactions : never),
    | Owed
    | (NotGiven extends Success ? OwesSuccessOrAction<Name, Output> : never)
    | (NotGiven extends Failure ? StepError extends OutcomeUnknown ? never : `${Name}.error` : never)
    | OwesInDoubt<Name, StepError, Timeout, InDoubt, VerifyRequirements>
  >

  /**
   * Adds a step that cannot be undone. When it has taken effect the saga has passed its point of no return: from there on it
   * only goes forward, and only Final steps may follow.
   */
  final<
    const Name extends string,
    Output = NoAction,
    StepError = any,
    StepRequirements = unknown,
    Success = NotGiven,
    Failure = NotGiven,
    When extends boolean | Always = boolean | Always,
    Timeout extends Duration.DurationInput | NotGiven = NotGiven,
    InDoubt extends InDoubtPolicy | InTransaction | NotGiven = NotGiven,
    VerifyRequirements = unknown,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = unknown
  >(
    name: StepName<Name, Outputs>,
    step: FinalStep<
      Input,
      Outputs,
      Output,
      StepError,
      StepRequirements,
      Success,
      Failure,
      When,
      Timeout,
      InDoubt,
      VerifyRequirements,
      Times,
      RetryRequirements
    >
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Always extends When ? Output : Option.Option<Output> },
    | Error
    | StepError
    | (NotGiven extends Timeout ? never : true extends InDoubt ? Cause.TimeoutException : OutcomeUnknown),
    | Requirements
    | (unknown extends StepRequirements ? never : StepRequirements)
    | (unknown extends RetryRequirements ? never : RetryRequirements)
    | (unknown extends VerifyRequirements ? never : VerifyRequirements)
    | (true extends InDoubt ? Transactions : never),
    | Owed
    | (NotGiven extends Success ? OwesSuccess<Name, Output> : never)
    | (NotGiven extends Failure ? StepError extends OutcomeUnknown ? never : `${Name}.error` : never)
    | OwesInDoubt<Name, StepError, Timeout, InDoubt, VerifyRequirements>
    | OwesFinalInDoubt<Name, InDoubt>
    | OwesNoFinal<Name>
  >

  /**
   * Adds steps that run at the same time and do not see each other's outputs; later steps see them all. When one fails,
   * those that run are waited for, and then all are undone, in declared order reversed whatever finished first (or at the same
   * time: `unwind: "parallel"`). All failures are kept in the cause.
   */
  parallel<BranchOutputs, BranchError, BranchRequirements, BranchOwed extends string = NotReturned>(
    branches: (
      branch: BranchBuilder<Input, Outputs, {}, never, never, never>
    ) => Returned<
      BranchBuilder<Input, Outputs, BranchOutputs, BranchError, BranchRequirements, BranchOwed>,
      BranchOutputs,
      BranchOwed
    >,
    options?: ParallelOptions
  ): SagaBuilder<
    Input,
    Outputs & BranchOutputs,
    Error | BranchError,
    Requirements | BranchRequirements,
    Owed | BranchOwed
  >

  /**
   * Adds another saga as a step, which is undone with this one. Its input is made of this one's input and earlier outputs, by
   * a pure function; its output is the step's. With a Final in it, only Final steps may follow.
   */
  saga<
    const Name extends string,
    NestedInput,
    Output,
    NestedError,
    NestedRequirements,
    NestedOwed extends string = NotBuilt
  >(
    name: StepName<Name, Outputs>,
    nested: Built<Saga<NestedInput, Output, NestedError, NestedRequirements, NestedOwed>, NestedOwed>,
    options: { readonly input: (earlier: Earlier<Input, Outputs>) => NoInfer<NestedInput> }
  ): [NestedFinal<NestedOwed>] extends [never] ? SagaBuilder<
      Input,
      Outputs & { readonly [K in Name]: Output },
      Error | NestedError,
      Requirements | NestedRequirements,
      Owed | NestedOwed
    > :
    FinalSagaBuilder<
      Input,
      Outputs & { readonly [K in Name]: Output },
      Error | NestedError,
      Requirements | NestedRequirements,
      Owed | NestedOwed
    >

  /**
   * Runs another saga once for each item of a list, which is made when the run comes to it, and gives their outputs in the order of
   * the list. The items are known by their keys (`lines/A-1/reserve`), and are undone like the steps of a parallel block. An item does
   * not see the outputs before the list: `items` puts into each what it needs.
   *
   * @example
   * ```ts
   * import { Effect, Schema } from "effect"
   * import { Saga } from "effect-saga"
   *
   * const Line = Schema.Struct({ sku: Schema.String, count: Schema.Int })
   *
   * const reserveLine = Saga.make("ReserveLine", { input: Line })
   *   .compensatable("reserve", {
   *     action: ({ input }) => input.count > 5 ? Effect.fail("sold out") : Effect.succeed(`${input.count} ${input.sku}`),
   *     compensate: ({ output }) => Effect.sync(() => console.log(`put back ${output}`))
   *   })
   *   .build(({ outputs }) => outputs.reserve)
   *
   * const order = Saga.make("Order", { input: Schema.Array(Line) })
   *   .forEach("lines", { items: ({ input }) => input, key: ({ sku }) => sku, step: reserveLine })
   *   .build(({ outputs }) => outputs.lines)
   *
   * console.log(await Effect.runPromise(Saga.run(order, [{ sku: "bolts", count: 4 }, { sku: "nuts", count: 5 }])))
   * console.log(await Effect.runPromise(Effect.flip(Saga.run(order, [{ sku: "bolts", count: 4 }, { sku: "nuts", count: 6 }]))))
   * // => [ '4 bolts', '5 nuts' ]
   * // => put back 4 bolts
   * // => sold out
   * ```
   */
  forEach<
    const Name extends string,
    Item,
    Output,
    ItemError,
    ItemRequirements,
    ItemOwed extends string = NotBuilt,
    Key extends string | ByIndex = string | ByIndex
  >(
    name: StepName<Name, Outputs>,
    list: ListOptions<
      Input,
      Outputs,
      Item,
      ListWithoutFinal<Saga<Item, Output, ItemError, ItemRequirements, ItemOwed>, Name, ItemOwed>,
      Key
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: ReadonlyArray<Output> },
    Error | ItemError | (ByIndex extends Key ? never : InvalidItems),
    Requirements | ItemRequirements,
    Owed | ItemOwed
  >

  /**
   * Adds a step that waits for a signal, which `Signal.deliver` sends from any process; its output is the value of the signal. While
   * an execution waits, no process drives it, and nothing of it is in memory. It needs a durable run, and cannot stand in a parallel
   * block. With a `timeout` it fails with `SignalTimeout`, or ends with a value, if nobody sends the signal in time.
   */
  wait<const Name extends string, Output, OnTimeout extends "fail" | Value<NoInfer<Output>> | NotGiven = NotGiven>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options: WithTimeout<Input, Outputs, OnTimeout>
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | (OnTimeout extends Value<any> ? never : SignalTimeout),
    Requirements,
    Owed | `${Name}.wait`
  >
  wait<const Name extends string, Output>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options?: WithoutTimeout
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error,
    Requirements,
    Owed | `${Name}.wait`
  >

  /**
   * Adds a step that ends after a duration, or at a point in time. In a durable run the execution waits in the store, as long as
   * that is: no process drives it, and nothing of it is in memory. In process the run sleeps, and can be interrupted before the
   * point of no return. It cannot stand in a parallel block.
   */
  sleep<const Name extends string>(
    name: StepName<Name, Outputs>,
    howLong: HowLong<Input, Outputs>
  ): SagaBuilder<Input, Outputs & { readonly [K in Name]: void }, Error, Requirements, Owed>

  readonly build: Build<Input, Outputs, Error, Requirements, Owed>
}
