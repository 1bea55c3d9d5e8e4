/** What tests do to stores. */
import { Effect } from "effect"
import { Checkpoint, Journal, SagaError } from "effect-saga"

/** A store whose appends fail from the one numbered `failAt` (from 0) on, as if the disk had gone. */
export const failingStore = (store: Checkpoint.Store, options: { readonly failAt: number }): Checkpoint.Service => {
  let appends = 0
  return Checkpoint.make({
    ...store,
    append: (commit) =>
      Effect.suspend(() =>
        appends++ >= options.failAt
          ? Effect.fail(
            new SagaError.CheckpointError({
              reason: "Full",
              operation: "append",
              executionId: commit.executionId,
              detail: "no space left on device"
            })
          )
          : store.append(commit)
      )
  })
}

/** All stored events of an execution. */
export const eventsOf = (store: Checkpoint.Store, executionId: string) =>
  Effect.gen(function*() {
    const events: Array<Journal.Event> = []
    for (const { body } of yield* store.load(executionId)) events.push(...(yield* Journal.decodeCommit(body)))
    return events
  })
