/**
 * Where journals are kept. The service is small, so that a store is easily written: it keeps texts in order and knows
 * nothing of what they say.
 */
import { Context, Effect, Layer, Stream } from "effect"
import type { Deferred } from "effect"
import type { Status } from "./Journal.ts"
import { type CheckpointError, ExecutionConflict } from "./SagaError.ts"

/** What is written in one go. */
export interface Commit {
  readonly executionId: string
  /** The name of the saga. */
  readonly saga: string
  /** The version of the saga's definition. */
  readonly version: number
  /** Counts the commits of one execution from 0, without a gap. */
  readonly sequence: number
  /** Where the execution is after this commit. */
  readonly status: Status
  /** The events, encoded. */
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
}

/** What a store has to do. Hand one to {@link make}. */
export interface Store {
  /**
   * Stores a commit, all of it or nothing. When it has succeeded, the commit survives whatever the store promises to
   * survive. Fails with `ExecutionConflict` (`OtherDriver`) when the execution already has a commit of this sequence or
   * lacks the one before it: then another process drives it.
   */
  readonly append: (commit: Commit) => Effect.Effect<void, CheckpointError | ExecutionConflict>
  /** All commits of one execution, by sequence; none where it is unknown. */
  readonly load: (executionId: string) => Effect.Effect<ReadonlyArray<StoredCommit>, CheckpointError>
  /** The executions whose last commit is neither `Succeeded` nor `Undone`, oldest first. */
  readonly unfinished: Stream.Stream<UnfinishedExecution, CheckpointError>
}

/** An execution that this process drives now: by which definition, with which input, and what will come of it. */
export interface DrivenExecution {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  /** As one text; undefined where the call that drives it gave none. */
  readonly input: string | undefined
  /** Made by the first call that waits for it: hardly any execution is joined. */
  result: Deferred.Deferred<unknown, unknown> | undefined
}

/** A store, and what this process drives, so that a second call for the same execution joins the first. */
export interface Service extends Store {
  readonly driven: Map<string, DrivenExecution>
}

/** Stores the journals of durable sagas. */
export class Checkpoint extends Context.Tag("effect-saga/Checkpoint")<Checkpoint, Service>() {}

/** Makes the service of a store. */
export const make = (store: Store): Service => ({ ...store, driven: new Map() })

/**
 * Keeps journals in this process: for tests, and for sagas that need no more than joining by `executionId`. Nothing
 * survives the process.
 */
export const layerMemory: Layer.Layer<Checkpoint> = Layer.sync(Checkpoint, () => {
  const executions = new Map<string, { status: Status; version: number; saga: string; commits: Array<StoredCommit> }>()
  return make({
    append: ({ body, executionId, saga, sequence, status, version }) =>
      Effect.suspend(() => {
        const known = executions.get(executionId)
        if ((known?.commits.length ?? 0) !== sequence) {
          return Effect.fail(new ExecutionConflict({ reason: "OtherDriver", saga, executionId }))
        }
        if (known === undefined) executions.set(executionId, { status, version, saga, commits: [{ sequence, body }] })
        else {
          known.status = status
          known.commits.push({ sequence, body })
        }
        return Effect.void
      }),
    load: (executionId) => Effect.sync(() => executions.get(executionId)?.commits.slice() ?? []),
    unfinished: Stream.suspend(() =>
      Stream.fromIterable(
        Array.from(executions, ([executionId, { saga, status, version }]) => ({ executionId, saga, status, version }))
          .filter((execution): execution is UnfinishedExecution =>
            execution.status !== "Succeeded" && execution.status !== "Undone"
          )
      )
    )
  })
})
