/**
 * The type-level machinery of the builder.
 *
 * Outputs accumulate as an intersection and are flattened only where a callback or a built saga shows them: flattening at
 * each step dies with TS2589 at about 50 steps. What a saga still owes is one union of debts, to which each method adds
 * its own (as separate members: a union of their own would be shown by its alias). The parameter of a run is the saga if none
 * of them concerns it, and else the sentence that says what is missing.
 */
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
  : Name extends Unfit ? UnfitName<Name>
  : Name

type Unfit = "" | "__proto__" | `${string}/${string}`
type UnfitName<Name extends string> = Name extends "" ? Message.EmptyStepName : Message.ReservedStepName<Name>

export type SagaName<Name extends string> = Name extends "" ? Message.EmptySagaName : Name

/** A literal version must be a positive integer; a `number` is checked by `build()`. */
export type Version<Value extends number> = number extends Value ? number
  : `${Value}` extends `-${string}` | `${string}.${string}` | `${string}e-${string}` | "0" ?
    Message.InvalidVersion<Value>
  : Value

/**
 * The default of a step's output, where nothing tells its type. It takes the output of every action, so that a mistake in
 * another option is not put down to the action.
 */
export type NoAction = {} | void | "the output of an action that stands below"

/** The default of `when`: a step without a condition always runs. */
export interface Always {
  readonly _: unique symbol
}

// A debt is written as `flight.success`: short, for it is shown with the type of every saga, and no mistake in itself. A run
// turns those that concern it into a sentence.

/** The debts of a step without a `success` schema. */
export type OwesSuccess<Name extends string, Output> = unknown extends Output ? `${Name}.success`
  : [Output] extends [void] ? never
  : `${Name}.success`

/** The same of a step with a compensation: one that the compiler reads before the action is given an output of no type. */
export type OwesSuccessOrAction<Name extends string, Output> = NoAction extends Output
  ? unknown extends Output ? `${Name}.success` : `${Name}.success` | `${Name}.action`
  : OwesSuccess<Name, Output>

export type OwesInDoubt<Name extends string, Error, Timeout, InDoubt, VerifyRequirements> = NotGiven extends InDoubt
  ? NotGiven extends Timeout ? [Extract<Error, OutcomeUnknown>] extends [never] ? never : `${Name}.OutcomeUnknown`
  : `${Name}.OutcomeUnknown`
  : "verify" extends InDoubt ? unknown extends VerifyRequirements ? `${Name}.verify` : never
  : never

export type OwesFinalInDoubt<Name extends string, InDoubt> = NotGiven extends InDoubt ? `${Name}.inDoubt` : never

/** A later Final that cannot fail has nothing to try again. */
export type OwesRetry<Name extends string, Error, Times, RetryRequirements> = [Error] extends [never] ? never
  : NotGiven extends Times ? unknown extends RetryRequirements ? `${Name}.retry` : never
  : never

/** The Final steps of a saga are no debt but in a scope. */
export type OwesNoFinal<Name extends string> = `${Name}.final`

/** A step that waits for a signal is no debt but in process. */
export type OwesWait<Name extends string> = `${Name}.wait`

/** No step can have this name. */
export type OwesDefaultInDoubt = "defaults/inDoubt"

/** The debt of a value that is no built saga: nothing is inferred of it. */
export type NotBuilt = "/build"

/** The debt of a branch that was not returned: nothing is inferred of it. */
export type NotReturned = "/return"

/** What every run refuses. */
type OwedToAll =
  | `${string}.OutcomeUnknown`
  | `${string}.verify`
  | `${string}.retry`
  | `${string}.action`
  | OwesDefaultInDoubt
  | NotBuilt

/** What `Saga.execute` and the other durable runs refuse besides. */
export type OwedToExecute = `${string}.success` | `${string}.error` | `${string}.inDoubt`

/** What a run in process refuses besides. */
export type OwedInProcess = OwesWait<string>

/** What `Saga.scoped` refuses besides. */
export type OwedToScoped = OwesNoFinal<string>

/** The saga where it owes a run nothing, else the sentence that refuses it. */
type Ready<Saga, Owed extends string, Refused extends string> = unknown extends Owed ? Saga
  : string extends Owed ? Message.UnknownSaga
  : [Extract<Owed, Refused>] extends [never] ? Saga
  : AllOf<Extract<Owed, Refused>>

export type ReadyToRun<Saga, Owed extends string> = Ready<Saga, Owed, OwedToAll | OwedInProcess>
export type ReadyToScope<Saga, Owed extends string> = Ready<Saga, Owed, OwedToAll | OwedInProcess | OwedToScoped>
export type ReadyToExecute<Saga, Owed extends string> = Ready<Saga, Owed, OwedToAll | OwedToExecute>

/** The sentence for a debt. */
type Sentence<Debt> = Debt extends `${infer Name}.success` ? Message.MissingSuccess<Name>
  : Debt extends `${infer Name}.error` ? Message.MissingError<Name>
  : Debt extends `${infer Name}.inDoubt` ? Message.MissingFinalInDoubt<Name>
  : Debt extends `${infer Name}.final` ? Message.FinalInScope<Name>
  : Debt extends `${infer Name}.wait` ? Message.WaitsInProcess<Name>
  : Debt extends `${infer Name}.OutcomeUnknown` ? Message.MissingInDoubt<Name>
  : Debt extends `${infer Name}.verify` ? Message.MissingVerify<Name>
  : Debt extends `${infer Name}.retry` ? Message.MissingRetry<Name>
  : Debt extends `${infer Name}.action` ? Message.ActionAfterCompensation<Name>
  : Debt extends OwesDefaultInDoubt ? Message.MissingDefaultInDoubt
  : Message.NotBuilt

/**
 * One sentence for all debts: the first one's in full and the others in short, since the compiler cuts a type that it prints after
 * 320 characters, and a union after 160. It tells nine, which is as many as there is room for.
 */
type AllOf<Debts, Others extends string = "", Room extends ReadonlyArray<1> = [1, 1, 1, 1, 1, 1, 1, 1]> =
  LastOf<Debts> extends infer Debt extends string
    ? [Exclude<Debts, Debt>] extends [never] ? `${Sentence<Debt>}${Others extends "" ? "" : `${Others})`}`
    : Room extends readonly [1, ...infer Less extends ReadonlyArray<1>]
      ? AllOf<Exclude<Debts, Debt>, `${Others extends "" ? " (also missing: " : `${Others}, `}${Debt}`, Less>
    : `${Sentence<Debt>}${Others}, and others)`
    : never

/** The last member of a union: inference from overloads takes the last of them. */
type LastOf<Union> = (Union extends unknown ? (_: () => Union) => void : never) extends (_: infer Overloads) => void
  ? Overloads extends () => infer Last ? Last : never
  : never

/** The debt for the Final in a nested saga, if it has one. */
export type NestedFinal<Owed extends string> = Extract<Owed, OwesNoFinal<string>>

/** A nested saga must be built. */
export type Built<Saga, Owed extends string> = NotBuilt extends Owed ? Message.NotBuilt : Saga

/** A nested saga may stand in a parallel block unless it has a Final, or waits for a signal. `build()` refuses one that sleeps. */
export type BuiltWithoutFinal<Saga, Name extends string, Owed extends string> = [NestedFinal<Owed>] extends [never]
  ? [Extract<Owed, OwesWait<string>>] extends [never] ? Built<Saga, Owed> : Message.WaitInParallel<Name>
  : Message.FinalInParallel<Name>

/** What the function of a parallel block returns: its branch, with steps. */
export type Returned<Branch, Outputs, Owed extends string> = NotReturned extends Owed ? Message.UnreturnedBranch
  : [keyof Outputs] extends [never] ? Message.EmptyParallel
  : Branch

/** The argument for a saga's input, which may be left out where the saga takes none. */
export type InputArgument<Input> = [Input] extends [void] ? [input?: Input] : [input: Input]
