/** The type of a built saga, and the types of its parts. */
import type { Schema } from "effect"
import type { Inspectable } from "effect/Inspectable"
import type { Pipeable } from "effect/Pipeable"
import type { Classification } from "../Journal.ts"
import type { NoSteps } from "./messages.ts"
import type { EarlierOutputs } from "./owed.ts"

export const TypeId: unique symbol = Symbol.for("effect-saga/Saga")
export type TypeId = typeof TypeId

/**
 * A definition that can be run.
 *
 * - `Input`: what a run is given
 * - `Output`: what a run that succeeds returns
 * - `Error`: the errors of its steps; one of them in the error channel of a run means that everything was undone
 * - `Requirements`: the services that its actions and compensations need
 * - `Owed`: what it lacks for some kinds of run, by step and option; a run that it concerns refuses the saga in a sentence
 */
export interface Saga<in Input, out Output, out Error, out Requirements, out Owed extends string = never>
  extends Pipeable, Inspectable
{
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

/** How the output of a saga is kept. */
export interface BuildOptions<Output> {
  /**
   * How a durable run stores the output, with the end of the execution. The result of an execution that has succeeded can then be
   * read by any later version of the saga whose own `success` schema reads it. A run in process, and a parent saga, do not ask for it.
   */
  readonly success: Schema.Schema<Output, any, never>
}

/** A saga without steps cannot be built: then `this` has to be the sentence that says so. */
export type Build<Input, Outputs, Error, Requirements, Owed extends string> = [keyof Outputs] extends [never]
  ? (this: NoSteps) => never
  : {
    /** Ends the definition. The saga's output is its steps' outputs, by name. */
    (): Saga<Input, EarlierOutputs<Outputs>, Error, Requirements, Owed>
    /** Ends the definition. The saga's output is what `project`, which must not fail, makes of its steps' outputs. */
    <Output>(
      project: (context: ProjectionContext<Input, EarlierOutputs<Outputs>>) => Output
    ): Saga<Input, Output, Error, Requirements, Owed>
    /** Ends the definition. The saga's output is stored with the end of an execution, by the `success` schema. */
    <Output>(
      project: (context: ProjectionContext<Input, EarlierOutputs<Outputs>>) => NoInfer<Output>,
      options: BuildOptions<Output>
    ): Saga<Input, Output, Error, Requirements, Owed>
  }
