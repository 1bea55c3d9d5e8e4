/** The type of a saga that is being written, from its first Final on. */
import type { Cause, Duration, Option } from "effect"
import type { Pipeable } from "effect/Pipeable"
import type { FailedAfterCommit, OutcomeUnknown } from "../SagaError.ts"
import type { Build } from "./built.ts"
import type {
  Always,
  NoAction,
  NotGiven,
  OwesFinalInDoubt,
  OwesInDoubt,
  OwesNoFinal,
  OwesRetry,
  OwesSuccess,
  StepName
} from "./owed.ts"
import type { Signal } from "./Signal.ts"
import type { FinalStep, InDoubtPolicy, InTransaction } from "./Step.ts"
import type { Transactions } from "./transactions.ts"
import type { HowLong, WithoutTimeout, WithTimeoutValue } from "./Waits.ts"

/** A saga from its first Final step on: only Final steps may follow, and steps that wait and cannot fail. */
export interface FinalSagaBuilder<in out Input, Outputs, out Error, out Requirements, out Owed extends string>
  extends Pipeable
{
  /**
   * Adds a further Final step. When it fails the saga cannot go back: it is tried again as its `retry` says, and then the
   * run fails with `FailedAfterCommit`.
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
    | FailedAfterCommit<
      StepError | (NotGiven extends Timeout ? never : true extends InDoubt ? Cause.TimeoutException : OutcomeUnknown)
    >,
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
    | OwesRetry<
      Name,
      StepError | (NotGiven extends Timeout ? never : true extends InDoubt ? Cause.TimeoutException : OutcomeUnknown),
      Times,
      RetryRequirements
    >
  >

  /**
   * Adds a step that waits for a signal, which `Signal.deliver` sends from any process; its output is the value of the signal. After a
   * Final the saga can only go forward: with a `timeout` it must end with a value if nobody sends the signal in time.
   */
  wait<const Name extends string, Output>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options?: WithoutTimeout | WithTimeoutValue<Input, Outputs, NoInfer<Output>>
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error,
    Requirements,
    Owed | `${Name}.wait`
  >

  /** Adds a step that ends after a duration, or at a point in time. After the point of no return nothing cuts it short. */
  sleep<const Name extends string>(
    name: StepName<Name, Outputs>,
    howLong: HowLong<Input, Outputs>
  ): FinalSagaBuilder<Input, Outputs & { readonly [K in Name]: void }, Error, Requirements, Owed>

  readonly build: Build<Input, Outputs, Error, Requirements, Owed>
}
