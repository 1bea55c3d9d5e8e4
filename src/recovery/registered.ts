/** The sagas that are given to a recovery or to a worker. */
import { Effect } from "effect"
import type { NoList, NotBuilt } from "../definition/messages.ts"
import type { OwedInProcess, OwedToScoped, ReadyToExecute } from "../definition/owed.ts"
import * as Plan from "../plan/Plan.ts"
import type * as Saga from "../Saga.ts"
import type { CheckpointError, JournalCorrupt } from "../SagaError.ts"
import type { UnfinishedExecution } from "../store/Checkpoint.ts"

/** A saga that may be run durably, or every plan. */
export type Durable = Saga.Saga<never, unknown, unknown, unknown, OwedInProcess | OwedToScoped> | Plan.Stored

/**
 * Refuses those of the sagas that may not be run durably, each by the sentence that says why not; and as one what is no list, or one
 * of any sagas, in which there is nothing to see.
 */
export type Registered<Sagas extends ReadonlyArray<unknown>> = [Exclude<Sagas[number], Durable>] extends [never] ?
  unknown
  : number extends Sagas["length"] ? [Saga.Any] extends [Sagas[number]] ? NoList : Each<Sagas>
  : Each<Sagas>

type Each<Sagas extends ReadonlyArray<unknown>> = { readonly [Index in keyof Sagas]: Registrable<Sagas[Index]> }

type Registrable<S> = S extends Durable ? unknown
  : S extends Saga.Saga<never, any, any, any, infer Owed> ? ReadyToExecute<unknown, Owed>
  : NotBuilt

export type HasPlans<Sagas extends ReadonlyArray<unknown>, Yes> = Extract<Sagas[number], Plan.Stored> extends never ?
  never
  : Yes

/**
 * Finds the definition that started an execution: a plan, or the saga of its name and version, or one of its name, which then says how it differs.
 * A plan may have the name of a saga.
 */
export const definitionOf = (
  sagas: ReadonlyArray<Durable>,
  { executionId, isPlan, saga: name, version }: Pick<UnfinishedExecution, "executionId" | "isPlan" | "saga" | "version">
): Effect.Effect<Saga.Any | undefined, CheckpointError | JournalCorrupt | Plan.InvalidPlan, any> => {
  const coded = sagas.filter((saga) => saga !== Plan.stored) as ReadonlyArray<Saga.Any>
  const found = coded.find((saga) => saga.name === name && saga.version === version) ??
    coded.find((saga) => saga.name === name)
  return !isPlan || coded.length === sagas.length
    ? Effect.succeed(found)
    : Effect.map(Plan.ofExecution(executionId), (plan) => plan ?? found)
}
