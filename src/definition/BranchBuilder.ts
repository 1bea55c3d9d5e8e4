/** The type of the steps of a parallel block while they are being written. */
import type { Cause, Duration, Option } from "effect"
import type { Pipeable } from "effect/Pipeable"
import type { OutcomeUnknown } from "../SagaError.ts"
import type { Saga } from "./built.ts"
import type {
  Always,
  BuiltWithoutFinal,
  NoAction,
  NotBuilt,
  NotGiven,
  OwesInDoubt,
  OwesSuccess,
  OwesSuccessOrAction,
  StepName
} from "./owed.ts"
import type { CompensatableStep, Earlier, InDoubtPolicy, InTransaction, ReadOnlyStep } from "./Step.ts"
import type { Transactions } from "./transactions.ts"

/**
 * The steps of a parallel block. Each sees the outputs of the steps before the block (`Seen`), and none of its siblings'
 * (`Outputs`).
 */
export interface BranchBuilder<in out Input, Seen, Outputs, out Error, out Requirements, out Owed extends string>
  extends Pipeable
{
  /** Adds a step without a side effect. */
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
    name: StepName<Name, Seen & Outputs>,
    step: ReadOnlyStep<
      Input,
      Seen,
      Output,
      StepError,
      StepRequirements,
      Success,
      Failure,
      When,
      Timeout,
      RetryRequirements
    >
  ): BranchBuilder<
    Input,
    Seen,
    Outputs & { readonly [K in Name]: Always extends When ? Output : Option.Option<Output> },
    Error | StepError | (NotGiven extends Timeout ? never : Cause.TimeoutException),
    Requirements | (unknown extends StepRequirements ? never : StepRequirements) | RetryRequirements,
    | Owed
    | (NotGiven extends Success ? OwesSuccess<Name, Output> : never)
    | (NotGiven extends Failure ? StepError extends OutcomeUnknown ? never : `${Name}.error` : never)
  >

  /** Adds a step whose side effect its compensation reverses. */
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
    name: StepName<Name, Seen & Outputs>,
    step: CompensatableStep<
      Input,
      Seen,
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
  ): BranchBuilder<
    Input,
    Seen,
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

  /** Adds another saga as a sibling. It must not have a Final: the other siblings could still fail, and not be undone. */
  saga<
    const Name extends string,
    NestedInput,
    Output,
    NestedError,
    NestedRequirements,
    NestedOwed extends string = NotBuilt
  >(
    name: StepName<Name, Seen & Outputs>,
    nested: BuiltWithoutFinal<Saga<NestedInput, Output, NestedError, NestedRequirements, NestedOwed>, Name, NestedOwed>,
    options: { readonly input: (earlier: Earlier<Input, Seen>) => NoInfer<NestedInput> }
  ): BranchBuilder<
    Input,
    Seen,
    Outputs & { readonly [K in Name]: Output },
    Error | NestedError,
    Requirements | NestedRequirements,
    Owed | NestedOwed
  >
}
