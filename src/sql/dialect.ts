/** What differs between SQL dialects. */
import type { Status } from "../Journal.ts"
import { holders } from "../journal/statuses.ts"
import type { CheckpointError } from "../SagaError.ts"
import type { Commit, Start, Token, Wanted } from "../store/Checkpoint.ts"

/** A text with `?` where its parameters go. */
export interface Statement {
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
}

export interface Dialect {
  /** Makes the tables of the first migration. */
  readonly tables: ReadonlyArray<string>
  /** The database's time in epoch milliseconds. */
  readonly now: string
  readonly begin: string
  /**
   * Store commits. Each statement returns the `execution_id` and `sequence` of the commits that it has stored. It leaves out a
   * commit whose lease has ended, whose execution it has not claimed, or whose sequence is taken or leaves a gap.
   */
  readonly append: (commits: ReadonlyArray<Commit>) => ReadonlyArray<Statement>
  /** Stores the start of an execution that nobody drives, and returns a row if its id was not taken. */
  readonly enqueue: (start: Start) => Statement
  /** Claims wanted executions that nobody drives. Each row has `execution`, their number, and the members of a `ClaimedExecution`. */
  readonly claimNext: (wanted: Wanted, token: Token) => Statement
  /** Stores a message, given its body and the id of the execution, and returns its `number`; no row if the execution is not unfinished. */
  readonly send: string
  /** Deletes finished executions by their numbers, with all their commits. */
  readonly remove: (ids: ReadonlyArray<unknown>) => Statement
  /** The text as the driver takes it. */
  readonly prepare: (text: string) => string
  /** The reason that a driver's error code stands for. */
  readonly reasonOf: (code: string) => CheckpointError["reason"] | undefined
}

const listOf = (holder: typeof holders[Status]): string =>
  `(${Object.entries(holders).flatMap(([status, who]) => who === holder ? [`'${status}'`] : []).join(", ")})`

/** The statuses of executions that have a driver, and of those that nobody will drive again, as lists. */
export const pending = listOf("driver")
export const finished = listOf("nobody")
/** The number of an execution, by its id. */
export const numberOf = "(SELECT id FROM effect_saga_execution WHERE execution_id = ?)"
