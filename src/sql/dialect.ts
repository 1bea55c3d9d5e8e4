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
  /** The unfinished executions as `unfinished`, read by an index of {@link drivingIndexes}. */
  readonly unfinishedBy: (index: "ready" | "due") => string
  /** The database's time as an index takes it, once for a statement. */
  readonly nowOnce: string
  /** Makes the tables of the first migration. */
  readonly tables: ReadonlyArray<string>
  /** The database's time in epoch milliseconds. */
  readonly now: string
  readonly begin: string
  /** Begin a transaction for the statements of others. */
  readonly beginForOthers: ReadonlyArray<string>
  /** Fails unless the transaction that `beginForOthers` began is open, and takes statements. */
  readonly isStillOpen: string
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
  /** The index's form of the value of an attribute, which a parameter gives as JSON. */
  readonly attributeValue: string
  /** The numbers that a query gives for each saga of which some have finished so: the query takes its saga from `counted`. */
  readonly ofEachSaga: (status: Status, numbers: string) => string
  /** The attributes of an execution as text. */
  readonly attributesText: string
  /** Sums up the counts of finished executions, where that is not done as they are counted. */
  readonly foldCounts: string | undefined
  /** Whether a statement costs so much more than what it does that loads had better share one. */
  readonly loadsInGroups: boolean
  /** Deletes finished executions by their numbers, with all their commits. */
  readonly remove: (ids: ReadonlyArray<unknown>) => Statement
  /** The text as the driver takes it. */
  readonly prepare: (text: string) => string
  /** The reason that a driver's error code stands for. */
  readonly reasonOf: (code: string) => CheckpointError["reason"] | undefined
}

const listOf = (holder: typeof holders[Status]): string =>
  `(${Object.entries(holders).flatMap(([status, who]) => who === holder ? [`'${status}'`] : []).join(", ")})`

/** The statuses of executions that have a driver, of those that wait, and of those that nobody will drive again, as lists. */
export const pending = listOf("driver")
export const waiting = listOf("nobody for now")
export const finished = listOf("nobody")

/** When an execution is due that only a message wakes: later than any clock goes. */
export const never = "9007199254740991"

/**
 * The indexes by which a driver is found for an execution. One that waits is in the second, by when it is due, until somebody claims it or
 * sends it a message; every other unfinished one is in the first. So nobody reads what waits and is not due.
 */
export const drivingIndexes: ReadonlyArray<string> = [
  "CREATE INDEX effect_saga_unfinished_ready ON effect_saga_unfinished (execution) WHERE wake_at IS NULL",
  "CREATE INDEX effect_saga_unfinished_due ON effect_saga_unfinished (wake_at, execution) WHERE wake_at IS NOT NULL"
]
/** Joins to each execution what its status and its end are read from. */
export const withStatus = `LEFT JOIN effect_saga_unfinished AS unfinished ON unfinished.execution = execution.id
  LEFT JOIN effect_saga_commit AS ended
    ON ended.saga = execution.saga AND ended.status IN ${finished} AND ended.execution = execution.id
      AND ended.ended_at IS NOT NULL`
/** The status of an execution that is joined so. */
export const statusOf = "COALESCE(unfinished.status, ended.status, execution.status)"
/** When an execution that is joined so has finished. */
export const endOf = `COALESCE(ended.ended_at, CASE WHEN execution.status IN ${finished} THEN execution.started_at END)`

/** A view for people. `timeOf` makes a time of epoch milliseconds. */
export const executionsView = (timeOf: (milliseconds: string) => string, now: string): string =>
  `CREATE VIEW effect_saga_executions AS
  SELECT execution.id, execution.execution_id, execution.saga, execution.version, ${statusOf} AS status,
    execution.attributes, ${timeOf("execution.started_at")} AS started_at, ${timeOf(endOf)} AS ended_at,
    ${timeOf(`NULLIF(unfinished.wake_at, ${never})`)} AS wakes_at, ${
    timeOf("lease.expires_at")
  } AS leased_until, lease.token AS lease, NULLIF(lease.owner, '') AS driver
  FROM effect_saga_execution AS execution
  ${withStatus}
  LEFT JOIN effect_saga_lease AS lease ON lease.token = unfinished.token AND lease.expires_at > ${now}`

/** The indexes by which finished executions are listed, newest first. A row that is not the end of an execution is in none. */
export const listingIndexes: ReadonlyArray<string> = [
  "CREATE INDEX effect_saga_ended_by_saga ON effect_saga_commit (saga, status, execution) WHERE ended_at IS NOT NULL",
  `CREATE INDEX effect_saga_ended_at_once_by_saga ON effect_saga_execution (saga, status, id) WHERE status IN ${finished}`
]

/** The body of an execution, given as its number, where that holds its only commit; else NULL. */
export const onlyCommit = (execution: string, body: string): string =>
  `CASE WHEN NOT EXISTS (SELECT 1 FROM effect_saga_commit AS later WHERE later.execution = ${execution}) THEN ${body} END`

/** The number of an execution, by its id. */
export const numberOf = "(SELECT id FROM effect_saga_execution WHERE execution_id = ?)"
