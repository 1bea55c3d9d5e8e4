/** The service by which a step with `transaction: true` runs on the database of the journals. `Checkpoint` exports it. */
import { type Cause, Context, type Effect } from "effect"
import type { CheckpointError } from "../SagaError.ts"

/**
 * How a transaction ended.
 *
 * - `Committed`: the effect succeeded, and all that it wrote is stored
 * - `RolledBack`: the effect failed with this cause, and nothing that it wrote is stored
 * - `NotRun`: the database did not take the transaction, of which nothing is stored
 * - `Unknown`: the database did not answer the commit: whether it is stored is not known
 */
export type Transacted<A, E> =
  | { readonly _tag: "Committed"; readonly value: A }
  | { readonly _tag: "RolledBack"; readonly cause: Cause.Cause<E> }
  | { readonly _tag: "NotRun"; readonly error: CheckpointError }
  | { readonly _tag: "Unknown"; readonly error: CheckpointError }

/** Runs effects in transactions of the database of the journals. */
export interface TransactionsService {
  /**
   * Runs an effect in one transaction: in one of its own, or in a part (a savepoint) of that which its caller is in. What the effect
   * writes through the `SqlClient` of this database is stored if it succeeds, and rolled back if it does not. If the database ends the
   * transaction because of another one (a serialization failure, a deadlock), the effect runs again as a whole, for as long
   * as the store's `lockTimeout` says.
   */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Transacted<A, E>, never, R>
}

/**
 * The transactions of the database in which journals are kept. A saga with a step that says `transaction: true` needs them; the
 * layers of `SqlCheckpoint`, and `SqliteCheckpoint.layerWithClient`, provide them.
 */
export class Transactions extends Context.Tag("effect-saga/Transactions")<Transactions, TransactionsService>() {}
