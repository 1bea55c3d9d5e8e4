/**
 * A process that runs trips, or orders, on a SQLite file and is killed by SIGKILL at the journal write that it is told: before the write,
 * or after it and before its acknowledgement. What several executions write at a time is one write.
 *
 * Arguments: "trip" or "order", directory, number of the write (from 0), "before" or "after", and the executions, those that are to be declined
 * with a name that begins so.
 */
import { Effect } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { order } from "./order.ts"
import { isDeclined, trip } from "./trip.ts"

const [, , kind, directory, write, moment, ...executionIds] = process.argv

const die = Effect.async<never>(() => {
  process.kill(process.pid, "SIGKILL")
})

const program = Effect.gen(function*() {
  const store = yield* SqliteCheckpoint.make({ filename: `${directory}/journal.db`, durability: "process" })
  let writes = 0
  const service = yield* Checkpoint.make({
    ...store,
    append: (commits) =>
      Effect.suspend(() =>
        writes++ !== Number(write)
          ? store.append(commits)
          : moment === "before"
          ? die
          : Effect.zipRight(store.append(commits), die)
      )
  })
  const saga = (kind === "order" ? order : trip)(`${directory}/ledger`)
  yield* Effect.forEach(
    executionIds,
    (executionId) => Effect.exit(Saga.execute(saga, { declined: isDeclined(executionId) }, { executionId })),
    { concurrency: "unbounded" }
  ).pipe(Effect.provideService(Checkpoint.Checkpoint, service))
})

void Effect.runPromiseExit(Effect.scoped(program))
