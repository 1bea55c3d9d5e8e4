/** What a store of journals is: `Checkpoint` gives these types to users, and {@link Store} to whoever writes one. */
import type { Effect, Stream } from "effect"
import type { Status } from "../Journal.ts"
import type { CheckpointError } from "../SagaError.ts"

/**
 * The right to drive executions, as long as its lease lasts: a number that the store has never given before. Whoever writes
 * shows it, so that a process that was paused past its lease cannot write any more (a fencing token).
 */
export type Token = number

/**
 * The right to write to one execution: under which lease, and which claim of it this is, as the store counts them. What was sent
 * under an earlier claim cannot be stored after a later one, also where both are of the same process.
 */
export interface Claim {
  readonly token: Token
  /** 0 for whoever starts an execution; each later claim has a higher one. */
  readonly fence: number
}

/** What is written in one go. */
export interface Commit extends Claim {
  readonly executionId: string
  /** The name of the saga. */
  readonly saga: string
  /** The version of the saga's definition. */
  readonly version: number
  /** Counts the commits of one execution from 0, without a gap. */
  readonly sequence: number
  /** Where the execution is after this commit. */
  readonly status: Status
  /** The events, encoded as JSON. */
  readonly body: string
}

/** A commit as it is read back. */
export interface StoredCommit {
  readonly sequence: number
  readonly body: string
}

/** An execution that is not finished. */
export interface UnfinishedExecution {
  readonly executionId: string
  readonly saga: string
  readonly version: number
  readonly status: Exclude<Status, "Succeeded" | "Undone">
  /** For how many more milliseconds it is leased to whoever drives it; 0 where nobody does. */
  readonly leasedFor: number
  /** The lease under which it is or was driven, unless that let go of it. */
  readonly token: Token | undefined
  /** The fence of its last claim: another number later on means that it was claimed in the meantime. */
  readonly fence: number
}

/** What a store has to do. Hand one to `Checkpoint.make`. Time, wherever it matters, is the store's own. */
export interface Store {
  /**
   * Stores commits, all in one transaction, and says of each whether it is stored. When it has succeeded they survive whatever
   * the store promises to survive.
   *
   * A commit is refused, and changes nothing, when its lease has ended, when its execution is not claimed by its token and fence, or
   * when its sequence is taken or leaves a gap. The first commit of an execution claims it, with fence 0; one that finishes or
   * parks it ends the claim.
   */
  readonly append: (commits: ReadonlyArray<Commit>) => Effect.Effect<ReadonlyArray<boolean>, CheckpointError>
  /** All commits of one execution, by sequence; none where it is unknown. */
  readonly load: (executionId: string) => Effect.Effect<ReadonlyArray<StoredCommit>, CheckpointError>
  /** The executions that are parked, or those that are running or unwinding; oldest first, in pages. */
  readonly unfinished: (which: { readonly parked: boolean }) => Stream.Stream<UnfinishedExecution, CheckpointError>
  /** Begins a lease that lasts so many milliseconds unless it is renewed. */
  readonly acquire: (lease: { readonly milliseconds: number }) => Effect.Effect<Token, CheckpointError>
  /** Lets a lease last its full time from now; false where it has ended, which is then for good. */
  readonly renew: (token: Token) => Effect.Effect<boolean, CheckpointError>
  /** Ends these claims, or, where none are named, the lease itself and so all claims under it. */
  readonly release: (
    token: Token,
    claims?: ReadonlyArray<{ readonly executionId: string; readonly fence: number }>
  ) => Effect.Effect<void, CheckpointError>
  /**
   * Claims an unfinished execution, a parked one too, unless it is claimed under another lease that lasts: answers with the new
   * fence, higher than any before; or `undefined` where it cannot be had, is finished or unknown, or where the token's own lease
   * has ended.
   */
  readonly claim: (executionId: string, token: Token) => Effect.Effect<number | undefined, CheckpointError>
  /** Deletes what finished more than so many milliseconds ago, and says how many executions that were. */
  readonly prune: (age: { readonly milliseconds: number }) => Effect.Effect<number, CheckpointError>
}
