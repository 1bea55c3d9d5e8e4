/**
 * A process that runs a trip on a SQLite file and is killed by SIGKILL at the journal write that it is told: before the
 * write, or after it and before its acknowledgement.
 *
 * Arguments: directory, number of the write (from 0), "before" or "after", "declined" or "accepted".
 */
import { Effect } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { trip } from "./trip.ts"

const [, , directory, write, moment, card] = process.argv

const die = Effect.async<never>(() => {
  process.kill(process.pid, "SIGKILL")
})

const program = Effect.gen(function*() {
  const store = yield* Checkpoint.Checkpoint
  const deadly: Checkpoint.Service = {
    ...store,
    append: (commit) =>
      commit.sequence !== Number(write)
        ? store.append(commit)
        : moment === "before"
        ? die
        : Effect.zipRight(store.append(commit), die)
  }
  return yield* Saga.execute(trip(`${directory}/world`), { declined: card === "declined" }, { executionId: "trip" })
    .pipe(
      Effect.provideService(Checkpoint.Checkpoint, deadly)
    )
})

void Effect.runPromiseExit(
  Effect.provide(program, SqliteCheckpoint.layer({ filename: `${directory}/journal.db`, durability: "process" }))
)
