/** The interface of a store. `Checkpoint` exports it to users. */
import { Brand, type Effect, type Stream } from "effect"
import type { Transacted, TransactionsService } from "../definition/transactions.ts"
import type { Status } from "../Journal.ts"
import type { CheckpointError } from "../SagaError.ts"

/**
 * The number of a lease, which the store has never given before. A process shows it with every write, so that a process that was
 * paused for longer than its lease cannot write any more (a fencing token).
 */
export type Token = number & Brand.Brand<"effect-saga/Token">

/** Makes a token of the number that a store has given. */
export const Token = Brand.nominal<Token>()

/** The right to write to one execution. A write under an earlier claim is refused after a later claim, also within one process. */
export interface Claim {
  /** The lease under which the execution was claimed. */
  readonly token: Token
  /** 0 for the process that starts the execution; each later claim has a higher one. */
  readonly fence: number
}

/** The attributes by which an execution is found: a plain value under each name. */
export interface Attributes {
  readonly [name: string]: string | number | boolean
}

/** One write to the journal of an execution. */
export interface Commit extends Claim {
  readonly executionId: string
  /** The name of the saga. */
  readonly saga: string
  /** The version of the saga's definition. */
  readonly version: number
  /** Whether the execution is one of a plan. Looked at in the first commit only. */
  readonly isPlan: boolean
  /** Counts the commits of one execution from 0, without a gap. */
  readonly sequence: number
  /** The status of the execution after this commit. */
  readonly status: Status
  /** The events, encoded as JSON. */
  readonly body: string
  /**
   * With the status `Waiting`: after how many milliseconds the execution is due; undefined if only a message wakes it. Undefined with
   * every other status.
   */
  readonly wakeIn: number | undefined
  /** The number of the last message of the execution that the driver has taken with this commit or an earlier one; 0 if none. */
  readonly taken: number
  /** What the execution is found by, with its first commit; undefined if there is nothing, and with later commits. */
  readonly attributes: Attributes | undefined
}

/** The first commit of an execution that nobody drives yet. */
export type Start = Pick<Commit, "executionId" | "saga" | "version" | "isPlan" | "body" | "attributes">

/** Which executions a worker claims. */
export interface Wanted {
  /** The sagas that it knows. */
  readonly sagas: ReadonlyArray<{ readonly name: string; readonly version: number }>
  /** Whether it drives those of plans too, whatever their names. */
  readonly plans: boolean
  /** Executions that it leaves to others. */
  readonly except: ReadonlyArray<string>
  /** How many at the most. */
  readonly limit: number
}

/** An execution that a worker has claimed. */
export interface ClaimedExecution
  extends Pick<UnfinishedExecution, "executionId" | "saga" | "version" | "status" | "isPlan">
{
  readonly fence: number
  /** The body of its first commit where that is its only one, which it then need not be asked for; else undefined. */
  readonly start: string | undefined
  /** Whether it has a message that no commit has taken. */
  readonly hasMessages: boolean
}

/** A message for an execution, which its driver takes. */
export interface StoredMessage {
  readonly number: number
  readonly body: string
}

/** A commit that was read back. */
export interface StoredCommit {
  readonly sequence: number
  readonly body: string
}

/** An execution that is not finished. */
export interface UnfinishedExecution {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  /** Whether it was started from a plan. */
  readonly isPlan: boolean
  readonly status: Exclude<Status, "Succeeded" | "Undone">
  /** For how many more milliseconds the lease of its driver lasts; 0 if no process drives it. */
  readonly leasedFor: number
  /** The lease under which it is driven, or was until that lease ended; undefined if the claim was released. */
  readonly token: Token | undefined
  /** The fence of its last claim: another number later on means that it was claimed in the meantime. */
  readonly fence: number
}

/** An execution as it is listed. */
export interface StoredExecution {
  /** The store's number of the execution: higher than that of each execution that was there when it started. */
  readonly number: number
  readonly executionId: string
  readonly saga: string
  readonly version: number
  readonly status: Status
  readonly attributes: Attributes
  /** In epoch milliseconds. */
  readonly startedAt: number
  /** When it finished; undefined if it has not. */
  readonly endedAt: number | undefined
}

/** Which executions are listed. An option that is undefined excludes none. */
export interface Listing {
  readonly saga: string | undefined
  readonly statuses: ReadonlyArray<Status> | undefined
  /** All of these, and possibly others. */
  readonly attributes: Attributes | undefined
  /** Those that started at this time or later. */
  readonly since: number | undefined
  /** Those that started before this time. */
  readonly until: number | undefined
  /** Those of a lower number. */
  readonly before: number | undefined
  /** How many at most. */
  readonly limit: number
}

/** How many executions of one saga have one status. */
export interface ExecutionCount {
  readonly saga: string
  readonly status: Status
  readonly count: number
}

/** Runs effects in transactions of the database of a store (S24). */
export interface StoreTransactions extends TransactionsService {
  /**
   * Like `run`, and stores a commit in the same transaction, once the effect has succeeded: both are stored, or neither is.
   * `commitOf` is asked for the commit when nothing but the commit and the end of the transaction is to follow. `Refused`: the store
   * refuses the commit, as `append` does, and has rolled the transaction back. Not to be called within a transaction of the caller.
   */
  readonly runWith: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    commitOf: (value: A) => Commit
  ) => Effect.Effect<Transacted<A, E> | { readonly _tag: "Refused"; readonly commit: Commit }, never, R>
}

/** A store. Hand one to `Checkpoint.make`. Wherever time matters, the store's own clock counts. */
export interface Store {
  /**
   * Stores commits, all in one transaction, and says of each whether it is stored. On success they are as durable as the store
   * promises.
   *
   * The store refuses a commit, and changes nothing, if its lease has ended, if its execution is not claimed by its token and
   * fence, if its sequence is taken or leaves a gap, or if it would finish an execution that has a message later than those taken, or let
   * it wait. The first commit of an execution claims it, with fence 0; a commit that finishes or parks the execution, or lets it wait, ends
   * the claim.
   */
  readonly append: (commits: ReadonlyArray<Commit>) => Effect.Effect<ReadonlyArray<boolean>, CheckpointError>
  /**
   * Stores the start of an execution, as running and claimed by nobody, with fence 0. If its id is taken nothing is stored, and this
   * returns the body of the first commit that is stored under it. Within a transaction of the caller on the store's own database the
   * start is stored with that transaction, or not at all.
   */
  readonly enqueue: (start: Start) => Effect.Effect<string | undefined, CheckpointError>
  /** Its transactions; undefined if it has no database that the actions of steps could use. */
  readonly transactions: StoreTransactions | undefined
  /** All commits of one execution, by sequence; none if the execution is unknown. */
  readonly load: (executionId: string) => Effect.Effect<ReadonlyArray<StoredCommit>, CheckpointError>
  /**
   * The executions that are parked; or those that are running or unwinding, oldest first, and after them those that wait and are due or
   * have a message; in pages. `withMessages` leaves out those that have no message which a commit has not taken. Those that wait and are
   * not due are not read, however many they are.
   */
  readonly unfinished: (
    which: { readonly parked: boolean; readonly withMessages?: boolean }
  ) => Stream.Stream<UnfinishedExecution, CheckpointError>
  /** Begins a lease that lasts so many milliseconds unless it is renewed. */
  readonly acquire: (lease: { readonly milliseconds: number }) => Effect.Effect<Token, CheckpointError>
  /** Lets a lease last its full time from now; false if it has ended, which it then has for good. */
  readonly renew: (token: Token) => Effect.Effect<boolean, CheckpointError>
  /** Ends these claims; without claims, ends the lease itself and so all claims under it. */
  readonly release: (
    token: Token,
    claims?: ReadonlyArray<{ readonly executionId: string; readonly fence: number }>
  ) => Effect.Effect<void, CheckpointError>
  /**
   * Claims an unfinished execution, also a parked one or one that waits, due or not, unless it is claimed under another lease that lasts. Returns the new fence,
   * higher than any before; `undefined` if another lease has it, if it is finished or unknown, or if the token's own lease has
   * ended.
   */
  readonly claim: (executionId: string, token: Token) => Effect.Effect<number | undefined, CheckpointError>
  /**
   * Stores a message for an unfinished execution, also a parked one or one that waits. Returns its number, which is above zero and higher than that
   * of any message of the execution before; `undefined` if the execution is finished or unknown.
   */
  readonly send: (
    message: { readonly executionId: string; readonly body: string }
  ) => Effect.Effect<number | undefined, CheckpointError>
  /** The messages of an execution that no commit has taken, in the order in which they were sent. */
  readonly messages: (executionId: string) => Effect.Effect<ReadonlyArray<StoredMessage>, CheckpointError>
  /** The executions claimed under this lease that have messages which no commit has taken. */
  readonly withMessages: (token: Token) => Effect.Effect<ReadonlyArray<string>, CheckpointError>
  /**
   * Claims those of the wanted executions that nobody drives, oldest first: running and unwinding ones, those that wait and are
   * due, and parked or waiting ones that have a message. None if the token's own lease has ended. Several who ask at once get different ones.
   */
  readonly claimNext: (
    wanted: Wanted,
    token: Token
  ) => Effect.Effect<ReadonlyArray<ClaimedExecution>, CheckpointError>
  /** Emits whenever an execution may have been enqueued, or a message sent, by any process. A store that cannot tell emits nothing. */
  readonly arrivals: Stream.Stream<void, CheckpointError>
  /** Stored executions, finished or not, those of the highest number first. */
  readonly list: (listing: Listing) => Effect.Effect<ReadonlyArray<StoredExecution>, CheckpointError>
  /** How many executions are stored of each saga and status, or of this saga; those of which there are none are left out. */
  readonly count: (saga: string | undefined) => Effect.Effect<ReadonlyArray<ExecutionCount>, CheckpointError>
  /** Deletes the executions that finished more than so many milliseconds ago, and returns how many they were. */
  readonly prune: (age: { readonly milliseconds: number }) => Effect.Effect<number, CheckpointError>
}
