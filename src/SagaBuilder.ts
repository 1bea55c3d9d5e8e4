/**
 * The types of a saga, while it is being written and when it is built. `Saga.make` begins one; each method returns a new
 * builder and leaves the old one as it was.
 */
import type { FinalInScope, NoSteps } from "./internal/messages.ts"
import type {
  EarlierOutputs,
  Given,
  NotGiven,
  OwesFinalInDoubt,
  OwesInDoubt,
  OwesRetry,
  OwesSuccess,
  StepName
} from "./internal/types.ts"
import type { Classification } from "./Journal.ts"
import type { FailedAfterCommit } from "./SagaError.ts"
import type { CompensatableStep, FinalStep, InDoubtPolicy, ReadOnlyStep } from "./Step.ts"

export const TypeId: unique symbol = Symbol.for("effect-saga/Saga")
export type TypeId = typeof TypeId

/**
 * A definition that can be run.
 *
 * - `Input`: what a run is given
 * - `Output`: what a run that succeeds returns
 * - `Error`: the errors of its steps; one of them in the error channel of a run means that everything was undone
 * - `Requirements`: the services that its actions and compensations need
 * - `Owed`: what it lacks for some kinds of run, a sentence each; a run refuses the sentences that begin with its name
 */
export interface Saga<in Input, out Output, out Error, out Requirements, out Owed extends string = never> {
  readonly [TypeId]: {
    readonly _Input: (_: Input) => void
    readonly _Output: () => Output
    readonly _Error: () => Error
    readonly _Requirements: () => Requirements
    readonly _Owed: () => Owed
  }
  readonly name: string
  readonly version: number
  /** The steps in declared order. */
  readonly steps: ReadonlyArray<{ readonly name: string; readonly classification: Classification }>
}

/** Any saga, whatever it takes, returns and needs. */
export type Any = Saga<never, unknown, unknown, unknown, string>

/** What a saga returns. */
export type Output<S> = S extends Saga<any, infer A, any, any, any> ? A : never

/** The errors of a saga's steps. */
export type Error<S> = S extends Saga<any, any, infer E, any, any> ? E : never

/** The services that a saga needs. */
export type Requirements<S> = S extends Saga<any, any, any, infer R, any> ? R : never

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
    StepError = never,
    StepRequirements = never,
    Success = NotGiven,
    RetryRequirements = never
  >(
    name: StepName<Name, Outputs>,
    step: ReadOnlyStep<Input, Outputs, Output, StepError, StepRequirements, Success, RetryRequirements>
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    Requirements | StepRequirements | RetryRequirements,
    Owed | OwesSuccess<Name, Output, Success>
  >

  /**
   * Adds a step whose side effect its compensation reverses. The compensation is armed in the same uninterruptible act that
   * completes the action, as with `Effect.acquireRelease`, and runs when a later step fails.
   */
  compensatable<
    const Name extends string,
    Output,
    StepError = never,
    StepRequirements = never,
    CompensateRequirements = never,
    Success = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven,
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
      InDoubt,
      VerifyRequirements,
      RetryRequirements
    >
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    Requirements | StepRequirements | CompensateRequirements | RetryRequirements | Given<VerifyRequirements>,
    Owed | OwesSuccess<Name, Output, Success> | OwesInDoubt<Name, StepError, InDoubt, VerifyRequirements>
  >

  /**
   * Adds a step that cannot be undone. When it has taken effect the saga has passed its point of no return: from there on it
   * only goes forward, and only Final steps may follow.
   */
  final<
    const Name extends string,
    Output,
    StepError = never,
    StepRequirements = never,
    Success = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven
  >(
    name: StepName<Name, Outputs>,
    step: FinalStep<
      Input,
      Outputs,
      Output,
      StepError,
      StepRequirements,
      Success,
      InDoubt,
      VerifyRequirements,
      Times,
      RetryRequirements
    >
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | StepError,
    Requirements | StepRequirements | Given<RetryRequirements> | Given<VerifyRequirements>,
    | Owed
    | OwesSuccess<Name, Output, Success>
    | OwesInDoubt<Name, StepError, InDoubt, VerifyRequirements>
    | OwesFinalInDoubt<Name, InDoubt>
    | FinalInScope<Name>
  >

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
    StepError = never,
    StepRequirements = never,
    Success = NotGiven,
    InDoubt extends InDoubtPolicy | NotGiven = NotGiven,
    VerifyRequirements = NotGiven,
    Times extends number | NotGiven = NotGiven,
    RetryRequirements = NotGiven
  >(
    name: StepName<Name, Outputs>,
    step: FinalStep<
      Input,
      Outputs,
      Output,
      StepError,
      StepRequirements,
      Success,
      InDoubt,
      VerifyRequirements,
      Times,
      RetryRequirements
    >
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | FailedAfterCommit<StepError>,
    Requirements | StepRequirements | Given<RetryRequirements> | Given<VerifyRequirements>,
    | Owed
    | OwesSuccess<Name, Output, Success>
    | OwesInDoubt<Name, StepError, InDoubt, VerifyRequirements>
    | OwesFinalInDoubt<Name, InDoubt>
    | FinalInScope<Name>
    | OwesRetry<Name, StepError, Times, RetryRequirements>
  >

  readonly build: Build<Input, Outputs, Error, Requirements, Owed>
}

/** A saga without steps cannot be built: then `this` has to be the sentence that says so. */
type Build<Input, Outputs, Error, Requirements, Owed extends string> = [keyof Outputs] extends [never]
  ? (this: NoSteps) => never
  : {
    /** Ends the definition. The saga's output is its steps' outputs, by name. */
    (): Saga<Input, EarlierOutputs<Outputs>, Error, Requirements, Owed>
    /** Ends the definition. The saga's output is what `project`, which must not fail, makes of its steps' outputs. */
    <Output>(
      project: (context: ProjectionContext<Input, EarlierOutputs<Outputs>>) => Output
    ): Saga<Input, Output, Error, Requirements, Owed>
  }
