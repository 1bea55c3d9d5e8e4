/** What tests do to stores. */
import { Chunk, Effect, Stream } from "effect"
import { Checkpoint, Journal, Recovery, Saga, SagaError } from "effect-saga"

/** A store whose appends fail from the one numbered `failAt` (from 0) on, as if the disk had gone. */
export const failingStore = (store: Checkpoint.Service, options: { readonly failAt: number }): Checkpoint.Service => {
  let appends = 0
  return {
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
  }
}

/** Starts an execution and loses its store after the second commit. */
export const abandon = <A, E, R>(saga: Saga.Saga<void, A, E, R, `${string}.final`>, executionId: string) =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    Effect.exit(
      Saga.execute(saga, undefined, { executionId }).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 2 }))
      )
    ))

/** All stored events of an execution. */
export const eventsOf = (store: Pick<Checkpoint.Service, "load">, executionId: string) =>
  Effect.gen(function*() {
    const events: Array<Journal.Event> = []
    for (const { body } of yield* store.load(executionId)) events.push(...(yield* Journal.decodeCommit(body)))
    return events
  })

/** What became of each execution that was left. */
export const recoverAll = <const Sagas extends ReadonlyArray<unknown>>(
  sagas: Sagas & Recovery.Registered<Sagas>,
  options?: Recovery.Options
) =>
  Recovery.events<Sagas>(sagas, options).pipe(
    Stream.filter((event): event is Recovery.Recovered<Saga.Output<Sagas[number]>> => event._tag !== "Begun"),
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray)
  )

/** One life of a process on a store, which stays. */
export const process = <A, E, R>(store: Checkpoint.Store, life: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.flatMap(
      Checkpoint.make(store),
      (service) => Effect.provideService(life, Checkpoint.Checkpoint, service)
    )
  )
