/**
 * A process that runs an execution which waits, on a SQLite file, and is killed by SIGKILL at the write that it is told: before the
 * write, or after it and before its acknowledgement. Writes are commits of journals, and messages.
 *
 * Arguments: directory, number of the write (from 0), "before" or "after", and the execution.
 */
import { Effect, Schedule } from "effect"
import { Checkpoint, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { answer, held, isEarly } from "./held.ts"

const [, , directory, write, moment, executionId = ""] = process.argv

const die = Effect.async<never>(() => {
  process.kill(process.pid, "SIGKILL")
})

const program = Effect.gen(function*() {
  const store = yield* SqliteCheckpoint.make({ filename: `${directory}/journal.db`, durability: "process" })
  let writes = 0
  const killed = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => writes++ !== Number(write) ? effect : moment === "before" ? die : Effect.zipRight(effect, die))
  const service = yield* Checkpoint.make({
    ...store,
    append: (commits) => killed(store.append(commits)),
    send: (message) => killed(store.send(message))
  })
  const saga = held(`${directory}/ledger`)
  // Early, or once its step waits.
  const isTime = Effect.filterOrFail(
    Saga.inspect(saga, executionId),
    ({ steps }) => isEarly(executionId) || steps[2]?.status === "Waiting",
    () => "not yet"
  )
  const answered = Effect.zipRight(Effect.retry(isTime, Schedule.spaced("5 millis")), answer(executionId))
  yield* Effect.all([Effect.exit(Saga.execute(saga, undefined, { executionId })), answered], {
    concurrency: 2
  }).pipe(Effect.provideService(Checkpoint.Checkpoint, service))
})

void Effect.runPromiseExit(Effect.scoped(program))
