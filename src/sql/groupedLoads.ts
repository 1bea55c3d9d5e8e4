/** Loads journals in groups: those that are asked for while a statement is under way share the next one. */
import { Effect, Exit } from "effect"
import { CheckpointError } from "../SagaError.ts"
import type { Store, StoredCommit } from "../store/Checkpoint.ts"
import type { Database } from "./connections.ts"
import { outsideTransactions } from "./effectSql.ts"

type Loaded = ReadonlyArray<StoredCommit>
type Answer = (exit: Exit.Exit<Loaded, CheckpointError>) => void

const mostAtOnce = 100

const text = `SELECT execution.execution_id, 0 AS sequence, execution.body
  FROM effect_saga_execution AS execution WHERE execution.execution_id = ANY(?::text[])
  UNION ALL
  SELECT execution.execution_id, later.sequence, later.body
  FROM effect_saga_execution AS execution JOIN effect_saga_commit AS later ON later.execution = execution.id
  WHERE execution.execution_id = ANY(?::text[])
  ORDER BY sequence`

const loadAll = ({ perform }: Database, ids: ReadonlyArray<string>): Effect.Effect<
  ReadonlyMap<string, Loaded>,
  CheckpointError
> =>
  Effect.map(perform("load", { text, parameters: [ids, ids] }), (rows) => {
    const loaded = new Map<string, Array<StoredCommit>>(ids.map((id) => [id, []]))
    for (const { body, execution_id, sequence } of rows) {
      loaded.get(execution_id)?.push({ body, sequence: Number(sequence) })
    }
    return loaded
  })

/**
 * The `load` of a store. Each call of `Saga.execute` looks whether its execution is there: one statement for each would cost the driver
 * more than all else that a saga does with the database.
 */
export const groupedLoads = (database: Database): Store["load"] => {
  const waiting = new Map<string, Set<Answer>>()
  let isUnderWay = false
  const next: Effect.Effect<void> = Effect.suspend(() => {
    const group = Array.from(waiting).slice(0, mostAtOnce)
    for (const [id] of group) waiting.delete(id)
    return Effect.flatMap(Effect.exit(loadAll(database, group.map(([id]) => id))), (exit) => {
      for (const [id, answers] of group) {
        const own = Exit.mapBoth(exit, {
          onSuccess: (loaded) => loaded.get(id) ?? [],
          onFailure: ({ cause, detail, operation, reason }) =>
            new CheckpointError({
              reason,
              operation,
              executionId: id,
              detail,
              ...(cause === undefined ? {} : { cause })
            })
        })
        for (const answer of answers) answer(own)
      }
      isUnderWay = waiting.size > 0
      return isUnderWay ? next : Effect.void
    })
  })
  return (id) =>
    outsideTransactions(
      "load",
      Effect.async<Loaded, CheckpointError>((resume) => {
        const answers = waiting.get(id) ?? new Set()
        waiting.set(id, answers.add(resume))
        if (!isUnderWay) {
          isUnderWay = true
          // After a turn of the scheduler, so that calls of the same moment are in one group.
          Effect.runFork(Effect.zipRight(Effect.yieldNow(), next))
        }
        return Effect.sync(() => {
          answers.delete(resume)
          if (answers.size === 0 && waiting.get(id) === answers) waiting.delete(id)
        })
      }),
      id
    )
}
