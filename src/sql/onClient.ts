/** The layer of a store that shares its client with the application. */
import { Context, type Effect, Layer, type Scope } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { outsideTransactions } from "./effectSql.ts"

/** Refuses to keep a journal inside a transaction of the caller, other than that of a step. */
export const onClient = <E, R>(
  store: Effect.Effect<Checkpoint.Store, E, R>,
  options: Checkpoint.Options | undefined
): Layer.Layer<Checkpoint.Checkpoint | Checkpoint.Transactions, E | CheckpointError, Exclude<R, Scope.Scope>> =>
  Layer.map(Checkpoint.layerWithTransactions(store, options), (services) => {
    const { append, transact, ...service } = Context.get(services, Checkpoint.Checkpoint)
    return Context.add(services, Checkpoint.Checkpoint, {
      ...service,
      // Here already: the writer would wait for the caller's transaction, and the transaction for the writer.
      append: (commit) => outsideTransactions("append", append(commit), commit.executionId),
      transact: transact &&
        ((executionId, effect, commitOf) =>
          outsideTransactions("append", transact(executionId, effect, commitOf), executionId))
    })
  })
