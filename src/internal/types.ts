/**
 * The type-level machinery of the builder.
 *
 * Outputs accumulate as an intersection and are flattened only where a callback or a built saga shows them: flattening at
 * each step dies with TS2589 at about 50 steps. What a saga still owes to a run is one union of sentences, to which each
 * method adds its own; a run refuses the sentences that begin with its name.
 */
import type { NotGiven } from "../Step.ts"
import type { OutcomeUnknown } from "../SagaError.ts"
import type * as Message from "./messages.ts"

/** The outputs of the earlier steps, by name. */
export type EarlierOutputs<Outputs> = { readonly [Name in keyof Outputs]: Outputs[Name] }

/** The name itself where it is allowed, else the sentence that says why not. */
export type StepName<Name extends string, Outputs> = Name extends keyof Outputs ? Message.DuplicateStep<Name>
  : string extends Name ? Message.WideStepName
  : Name extends "" ? Message.EmptyStepName
  : Name extends `${string}/${string}` | "__proto__" ? Message.ReservedStepName<Name>
  : Name

export type SagaName<Name extends string> = Name extends "" ? Message.EmptySagaName : Name

/** A version that the compiler can read must be a positive integer; one that it cannot is checked by `build()`. */
export type Version<Value extends number> = number extends Value ? number
  : `${Value}` extends `-${string}` | `${string}.${string}` | `${string}e-${string}` | "0" ? Message.InvalidVersion<Value>
  : Value

/** Requirements that were given; `never` where the option was left out. */
export type Given<Requirements> = Requirements extends NotGiven ? never : Requirements

type OwesSuccess<Name extends string, Output, Success> = [Success] extends [NotGiven]
  ? [Output] extends [void] ? never : Message.MissingSuccess<Name>
  : never

type OwesInDoubt<Name extends string, Error, InDoubt, VerifyRequirements> = [InDoubt] extends [NotGiven]
  ? [Extract<Error, OutcomeUnknown>] extends [never] ? never : Message.MissingInDoubt<Name>
  : [InDoubt] extends ["verify"] ? IsNotGiven<VerifyRequirements> extends true ? Message.MissingVerify<Name> : never
  : never

type IsNotGiven<Option> = [Option] extends [never] ? false : [Option] extends [NotGiven] ? true : false

export type ReadOnlyOwes<Name extends string, Output, Success> = OwesSuccess<Name, Output, Success>

export type CompensatableOwes<Name extends string, Output, Success, Error, InDoubt, VerifyRequirements> =
  | OwesSuccess<Name, Output, Success>
  | OwesInDoubt<Name, Error, InDoubt, VerifyRequirements>

export type FinalOwes<Name extends string, Output, Success, Error, InDoubt, VerifyRequirements> =
  | CompensatableOwes<Name, Output, Success, Error, InDoubt, VerifyRequirements>
  | Message.FinalInScope<Name>
  | ([InDoubt] extends [NotGiven] ? Message.MissingFinalInDoubt<Name> : never)

export type LaterFinalOwes<Name extends string, Error, Times, RetryRequirements> = [Error] extends [never] ? never
  : IsNotGiven<Times> extends true ? IsNotGiven<RetryRequirements> extends true ? Message.MissingRetry<Name> : never
  : never

/** Nothing where a saga owes this run nothing, else what it owes, so that the compiler prints the sentence. */
export type Refusal<Owed extends string, Run extends string> = [Extract<Owed, `${Run} ${string}`>] extends [never]
  ? unknown
  : Extract<Owed, `${Run} ${string}`>
