/**
 * Sagas described by data: a JSON document of tool calls, written by a person or a model, that is checked before anything runs
 * and then is a saga like any other. Its tools are run by the `ToolExecutor`.
 */
import { type Cause, Effect, Option, type ParseResult } from "effect"
import * as Effect3 from "effect"
import type { OwedToScoped } from "../definition/owed.ts"
import { ofProgram } from "../definition/saga.ts"
import { planOf } from "../engine/load.ts"
import type { ExecutionState } from "../Journal.ts"
import { type Output, resume as resumeSaga, type ResumeOptions, type Saga } from "../Saga.ts"
import {
  type Cancelled,
  type CheckpointError,
  type DefinitionChanged,
  type ExecutionConflict,
  ExecutionNotFound,
  type FailedAfterCommit,
  type JournalCorrupt,
  type NotStorable,
  type OutcomeUnknown,
  type PartlyUndone,
  type RecoveredFailure,
  type StepNotInDoubt
} from "../SagaError.ts"
import { Checkpoint } from "../store/Checkpoint.ts"
import { textOrKind } from "../values/numbers.ts"
import { Document } from "./document.ts"
import { explain as explainDocument, type Explanation } from "./explanation.ts"
import { InvalidPlan, type UnresolvedReference } from "./problems.ts"
import { read } from "./reader.ts"
import { type ToolError, ToolExecutor } from "./ToolExecutor.ts"

export { Call, CompensatableStep, Document, FinalStep, Parallel, ReadOnlyStep, Retry, Step } from "./document.ts"
export { type ExplainedCall, type ExplainedStep, type Explanation, pretty } from "./explanation.ts"
export { fromMcpTools, type McpOptions, type McpTool } from "./mcp.ts"
export { InvalidPlan, type Problem, type ProblemTag, UnresolvedReference } from "./problems.ts"

/** The errors of a step of a plan: everything before it is undone then. */
export type StepError = ToolError | UnresolvedReference | OutcomeUnknown | Cause.TimeoutException

/**
 * A plan that was checked: a saga, which runs in every way that sagas run.
 *
 * Its input is plain JSON, of which a run keeps a copy. A run checks first that the input has what the plan refers to, and that the
 * tools take the arguments that come of it; otherwise it fails with `ParseError` before anything has happened. The output of a plan
 * is what its steps returned, by name.
 */
export interface Plan extends
  Saga<
    unknown,
    Readonly<Record<string, unknown>>,
    StepError | ParseResult.ParseError | FailedAfterCommit<StepError>,
    ToolExecutor,
    OwedToScoped
  >
{
  readonly document: Document
}

/**
 * Makes a plan of a JSON document, such as a model's answer, or fails with `InvalidPlan`, which names what is wrong with it, all at
 * once, in the words of the compiler's refusals. Never throws, and runs no tool.
 *
 * `Document` is the schema of the document. Arguments may hold references: `{ "$ref": "/outputs/draft/path" }` is a JSON Pointer into
 * the input and the earlier outputs, checked here as far as the tools' schemas tell.
 *
 * @example
 * ```ts prelude=plan
 * const program = Effect.gen(function*() {
 *   const plan = yield* Plan.decode(json) // what a model wrote
 *   console.log(yield* Saga.run(plan, { title: "Sagas" }))
 * })
 * await Effect.runPromise(Effect.provide(program, tools))
 * // => call writeDraft
 * // => call publish
 * // => { draft: 'writeDraft done', publish: 'publish done' }
 * ```
 */
export const decode = (json: unknown): Effect.Effect<Plan, InvalidPlan, ToolExecutor> => decodeFor(json, undefined)

const decodeFor = (json: unknown, stored: ExecutionState | undefined): Effect.Effect<Plan, InvalidPlan, ToolExecutor> =>
  Effect.flatMap(ToolExecutor, (tools): Effect.Effect<Plan, InvalidPlan> => {
    const plan = read(json, tools, stored)
    switch (plan._tag) {
      case "Refused":
        return Effect.fail(new InvalidPlan({ problems: plan.problems, more: plan.more }))
      case "Accepted": {
        const { document, program } = plan
        return Effect.succeed(Object.assign(ofProgram<Saga<unknown, any, any, any, any>>(program), { document }))
      }
    }
  })

/**
 * The JSON Schema (draft 7) of a plan, to be given to a model that writes them. It tells the form; `decode` checks the rest, which
 * depends on the tools and on other steps.
 */
export const jsonSchema = (): { readonly [member: string]: unknown } => {
  // A reference at the root is more than some models' interfaces understand.
  const { $defs: { Plan: plan, ...definitions } = {}, $schema } = Effect3.JSONSchema.make(Document)
  return { $schema, ...plan, $defs: definitions }
}

/**
 * Explains a plan: its calls, with the input in its place if one is given, what could be undone, and where the point of no return is.
 *
 * @example
 * ```ts prelude=plan
 * const plan = await Effect.runPromise(Effect.provide(Plan.decode(json), tools))
 * console.log(Plan.pretty(Plan.explain(plan, { input: { title: "Sagas" } })).split("\n", 1)[0])
 * // => Publish, version 1: 2 steps (1 Compensatable, 1 Final)
 * ```
 */
export const explain = (plan: Plan, options?: { readonly input: unknown }): Explanation =>
  explainDocument(plan.document, options === undefined ? Option.none() : Option.some(options.input))

/** Stands for every plan in the store, whatever its name: to be registered with `Recovery` beside sagas. */
export interface Stored {
  readonly [StoredTypeId]: typeof StoredTypeId
}
const StoredTypeId: unique symbol = Symbol.for("effect-saga/Plan/Stored")

/** See {@link Stored}. */
export const stored: Stored = { [StoredTypeId]: StoredTypeId }

/** @internal The plan of a stored execution; undefined if it was not started from a plan, or is not there. */
export const ofExecution = (
  executionId: string
): Effect.Effect<Plan | undefined, CheckpointError | JournalCorrupt | InvalidPlan, Checkpoint | ToolExecutor> =>
  Effect.flatMap(Checkpoint, (store) =>
    Effect.flatMap(
      planOf(store, executionId),
      (started) => started === undefined ? Effect.succeed(undefined) : decodeFor(started.document, started.state)
    ))

/**
 * Resumes a stored execution of a plan, as `Saga.resume` does with one of a saga; the plan comes from the store.
 *
 * Fails with `InvalidPlan`, and leaves the execution untouched, if the plan can no longer be run, for example because one of its
 * tools no longer exists; and with `ExecutionNotFound` if no execution of a plan is stored under this id.
 */
export const resume = (
  executionId: string,
  options?: ResumeOptions
): Effect.Effect<
  Output<Plan>,
  | StepError
  | ParseResult.ParseError
  | FailedAfterCommit<StepError | RecoveredFailure>
  | PartlyUndone<StepError | ParseResult.ParseError | RecoveredFailure | Cancelled>
  | RecoveredFailure
  | Cancelled
  | CheckpointError
  | ExecutionConflict
  | DefinitionChanged
  | JournalCorrupt
  | ExecutionNotFound
  | NotStorable
  | StepNotInDoubt
  | InvalidPlan,
  Checkpoint | ToolExecutor
> =>
  Effect.flatMap(
    ofExecution(executionId),
    (plan) =>
      plan === undefined
        ? Effect.fail(new ExecutionNotFound({ plan: true, executionId: textOrKind(executionId) }))
        : resumeSaga(plan, executionId, options)
  )
