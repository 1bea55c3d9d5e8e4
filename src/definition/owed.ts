/**
 * The type-level machinery of the builder.
 *
 * Outputs accumulate as an intersection and are flattened only where a callback or a built saga shows them: flattening at
 * each step dies with TS2589 at about 50 steps. What a saga still owes is one union of sentences, to which each method adds
 * its own (as separate members: a union of their own would be shown by its alias); a run takes only a saga whose sentences
 * all begin with the name of another kind of run, so that the compiler prints the one that does not.
 */
import type { Option } from "effect"
import type { OutcomeUnknown } from "../SagaError.ts"
import type * as Message from "./messages.ts"

/**
 * The type of an option that was not given. It is `undefined`, so that an explicit `undefined` counts as not given too.
 */
export type NotGiven = undefined

/** The outputs of the earlier steps, by name. `& {}` makes the compiler show the members and not this alias. */
export type EarlierOutputs<Outputs> = { readonly [Name in keyof Outputs]: Outputs[Name] } & {}

/** The name itself where it is allowed, else the sentence that says why not. */
export type StepName<Name extends string, Outputs> = Name extends keyof Outputs ? Message.DuplicateStep<Name>
  : string extends Name ? Message.WideStepName
  : Name extends "" ? Message.EmptyStepName
  : Name extends `${string}/${string}` | "__proto__" ? Message.ReservedStepName<Name>
  : Name

export type SagaName<Name extends string> = Name extends "" ? Message.EmptySagaName : Name

/** A literal version must be a positive integer; a `number` is checked by `build()`. */
export type Version<Value extends number> = number extends Value ? number
  : `${Value}` extends `-${string}` | `${string}.${string}` | `${string}e-${string}` | "0" ?
    Message.InvalidVersion<Value>
  : Value

/** Requirements that were given; `never` where the option was left out. */
export type Given<Requirements> = Requirements extends NotGiven ? never : Requirements

export type OwesSuccess<Name extends string, Output, Success> = NotGiven extends Success
  ? IsAny<Output> extends true ? Message.MissingSuccess<Name>
  : [Output] extends [void] ? never
  : Message.MissingSuccess<Name>
  : never

type IsAny<Value> = 0 extends 1 & Value ? true : false

export type OwesInDoubt<Name extends string, Error, Timeout, InDoubt, VerifyRequirements> = NotGiven extends InDoubt
  ? NotGiven extends Timeout ? [Extract<Error, OutcomeUnknown>] extends [never] ? never : Message.MissingInDoubt<Name>
  : Message.MissingInDoubt<Name>
  : [InDoubt] extends ["retry" | "park"] ? never
  : IsNotGiven<VerifyRequirements> extends true ? Message.MissingVerify<Name>
  : never

type IsNotGiven<Option> = [Option] extends [never] ? false : NotGiven extends Option ? true : false

export type OwesFinalInDoubt<Name extends string, InDoubt> = NotGiven extends InDoubt
  ? Message.MissingFinalInDoubt<Name>
  : never

/** A later Final that cannot fail has nothing to try again. */
export type OwesRetry<Name extends string, Error, Times, RetryRequirements> = [Error] extends [never] ? never
  : IsNotGiven<Times> extends true ? IsNotGiven<RetryRequirements> extends true ? Message.MissingRetry<Name> : never
  : never

/** What a saga may still lack and yet be run by `Saga.run` and `Saga.report`. */
export type OwedElsewhere = OwedToExecute | OwedToScoped
export type OwedToExecute = `Saga.execute ${string}`
export type OwedToScoped = `Saga.scoped ${string}`

/** What later steps see of a step that may be skipped. */
export type WhenOutput<Output, When> = [When] extends [never] ? Output : Option.Option<Output>

/** What a timeout adds to a step's errors. */
export type CutOff<Timeout, TimeoutError> = NotGiven extends Timeout ? never : TimeoutError

/** The sentence about the Final in a nested saga, if it has one. */
export type NestedFinal<Owed extends string> = Extract<Owed, Message.FinalInScope<string>>

/** A nested saga may stand in a parallel block unless it has a Final. */
export type NoFinal<Name extends string, Owed extends string> = [NestedFinal<Owed>] extends [never] ? unknown
  : Message.FinalInParallel<Name>

/** The argument for a saga's input, which may be left out where the saga takes none. */
export type InputArgument<Input> = [Input] extends [void] ? [input?: Input] : [input: Input]
