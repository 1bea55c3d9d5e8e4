/**
 * The types of a saga while it is being written. `Saga.make` begins one; each method returns a new builder and leaves the
 * old one as it was.
 */
import type { FailedAfterCommit } from "./SagaError.ts"
import type {
  CompensatableOwes,
  EarlierOutputs,
  FinalOwes,
  Given,
  LaterFinalOwes,
  ReadOnlyOwes,
  StepName
} from "./internal/types.ts"
import type { NoSteps } from "./internal/messages.ts"
import type { Saga } from "./Saga.ts"
import type { CompensatableStep, FinalStep, InDoubtPolicy, NotGiven, ReadOnlyStep } from "./Step.ts"

/** What the projection of a saga is given. */
export interface ProjectionContext<Input, Outputs> {
  readonly input: Input
  readonly outputs: Outputs
}

/** A saga before its first Final step: every kind of step may follow. */
export interface SagaBuilder<in out Input, Outputs, out Error, out Requirements, out Owed extends string> {
  /** Adds a step without a side effect. When the saga is unwound there is nothing to undo, and it is skipped. */
  readOnly<
    const Name extends string,
    Output,
    StepError,
    StepRequirements,
    Success = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven
  >(
    name: StepName<Name, Outputs>,
    step: ReadOnlyStep<
      Input,
      EarlierOutputs<Outputs>,
      Output,
      StepError,
      StepRequirements,
      Success,
      Times,
      RetryRequirements
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    Requirements | StepRequirements | Given<RetryRequirements>,
    Owed | ReadOnlyOwes<Name, Output, Success>
  >

  /**
   * Adds a step whose side effect its compensation reverses. The compensation is armed in the same uninterruptible act that
   * completes the action, as with `Effect.acquireRelease`, and runs when a later step fails.
   */
  compensatable<
    const Name extends string,
    Output,
    StepError,
    StepRequirements,
    CompensateRequirements,
    Success = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven,
    CompensationRetryRequirements = never
  >(
    name: StepName<Name, Outputs>,
    step: CompensatableStep<
      Input,
      EarlierOutputs<Outputs>,
      Output,
      StepError,
      StepRequirements,
      Success,
      Times,
      RetryRequirements,
      InDoubt,
      VerifyRequirements,
      CompensateRequirements,
      CompensationRetryRequirements
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    | Requirements
    | StepRequirements
    | CompensateRequirements
    | CompensationRetryRequirements
    | Given<RetryRequirements>
    | Given<VerifyRequirements>,
    Owed | CompensatableOwes<Name, Output, Success, StepError, InDoubt, VerifyRequirements>
  >

  /**
   * Adds a step that cannot be undone. When it has taken effect the saga has passed its point of no return: from there on it
   * only goes forward, and only Final steps may follow.
   */
  final<
    const Name extends string,
    Output,
    StepError,
    StepRequirements,
    Success = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven
  >(
    name: StepName<Name, Outputs>,
    step: FinalStep<
      Input,
      EarlierOutputs<Outputs>,
      Output,
      StepError,
      StepRequirements,
      Success,
      Times,
      RetryRequirements,
      InDoubt,
      VerifyRequirements
    >
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    Requirements | StepRequirements | Given<RetryRequirements> | Given<VerifyRequirements>,
    Owed | FinalOwes<Name, Output, Success, StepError, InDoubt, VerifyRequirements>
  >

  /** Ends the definition. The saga's output is what `project` makes of the steps' outputs; all of them, by name, by default. */
  readonly build: Build<Input, Outputs, Error, Requirements, Owed>
}

/** A saga from its first Final step on: only Final steps may follow. */
export interface FinalSagaBuilder<in out Input, Outputs, out Error, out Requirements, out Owed extends string> {
  /**
   * Adds a further Final step. When it fails the saga cannot go back: it is tried again as its `retry` says, and then the
   * run fails with `FailedAfterCommit`.
   */
  final<
    const Name extends string,
    Output,
    StepError,
    StepRequirements,
    Success = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven
  >(
    name: StepName<Name, Outputs>,
    step: FinalStep<
      Input,
      EarlierOutputs<Outputs>,
      Output,
      StepError,
      StepRequirements,
      Success,
      Times,
      RetryRequirements,
      InDoubt,
      VerifyRequirements
    >
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | FailedAfterCommit<StepError>,
    Requirements | StepRequirements | Given<RetryRequirements> | Given<VerifyRequirements>,
    | Owed
    | FinalOwes<Name, Output, Success, StepError, InDoubt, VerifyRequirements>
    | LaterFinalOwes<Name, StepError, Times, RetryRequirements>
  >

  /** Ends the definition. The saga's output is what `project` makes of the steps' outputs; all of them, by name, by default. */
  readonly build: Build<Input, Outputs, Error, Requirements, Owed>
}

/** A saga without steps cannot be built: then this is the sentence that says so. */
type Build<Input, Outputs, Error, Requirements, Owed extends string> = [keyof Outputs] extends [never] ? NoSteps : {
  (): Saga<Input, EarlierOutputs<Outputs>, Error, Requirements, Owed>
  <Output>(
    project: (context: ProjectionContext<Input, EarlierOutputs<Outputs>>) => Output
  ): Saga<Input, Output, Error, Requirements, Owed>
}
