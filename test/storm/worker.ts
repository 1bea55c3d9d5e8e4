/**
 * A process of the storm. Its argument is its task, as JSON; its input says what to do, a word a line, and when that ends it ends.
 *
 * - `work`: until it reads `stop` it starts executions, joins those of others, interrupts some, recovers what others have left,
 *   and settles what is parked
 * - `recover`, `inspect`, `settle`: after the storm it recovers everything, writes what the library says of each execution, or
 *   settles everything that is parked; it says the word when it has done so
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Redacted, Schedule, Stream } from "effect"
import { Checkpoint, Recovery, Saga, type SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { openBank } from "./customer.ts"
import type { Inspected, Outcome, Task } from "./messages.ts"
import { chanceOf, chances } from "./random.ts"
import { type Sagas, sagasOf } from "./sagas.ts"
import { shapeNames } from "./shapes.ts"

const task: Task = JSON.parse(process.argv[2]!)
const bank = await openBank(task.bank)
const sagas = sagasOf(bank)
const next = chances(`${task.seed} ${task.name}`)

const storeOf = ({ leaseMillis, place }: Task): Layer.Layer<Checkpoint.Checkpoint, unknown> =>
  place._tag === "sqlite"
    ? SqliteCheckpoint.layer({ filename: place.filename, durability: "process", lease: leaseMillis })
    : SqlCheckpoint.layer({ lease: leaseMillis }).pipe(
      Layer.provide(PgClient.layer({ url: Redacted.make(place.url), maxConnections: 4 }))
    )

/** The store as it is, but the bank hears of every claim. */
const noted = (store: Checkpoint.Service): Checkpoint.Service => ({
  ...store,
  claim: (execution) =>
    Effect.tap(
      store.claim(execution),
      ({ fence, token }) =>
        Effect.sync(() => bank.note({ _tag: "Claimed", executionId: execution.executionId, fence, token }))
    )
})

const store = Layer.effect(Checkpoint.Checkpoint, Effect.map(Checkpoint.Checkpoint, noted)).pipe(
  Layer.provide(storeOf(task))
)

const outcomeOf = (cause: Cause.Cause<unknown>): Outcome => {
  const message = Cause.pretty(cause).slice(0, 600)
  if (Cause.isInterruptedOnly(cause)) return { _tag: "Interrupted" }
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  if (error === undefined) return { _tag: "Died", message }
  if (typeof error === "string") return { _tag: "Failed", tag: error, reason: undefined, parked: false, message }
  const { _tag: tag, parked, reason } = error as { _tag?: string; reason?: string; parked?: boolean }
  return { _tag: "Failed", tag: tag ?? "unknown", reason, parked: parked === true, message }
}

const answerOf: (exit: Exit.Exit<unknown, unknown>) => Outcome = Exit.match({
  onSuccess: (output) => ({ _tag: "Succeeded", output }),
  onFailure: outcomeOf
})

type Called = Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>

/** What an execution is, is told by its id: whoever starts it starts the same. */
const start = (executionId: string, onInterrupt: Saga.ExecuteOptions["onInterrupt"]): Called => {
  const saga = sagas.all[shapeNames[Math.floor(shapeNames.length * chanceOf(`shape ${executionId}`))]!]
  const input = { amount: Math.floor(1000 * chanceOf(`amount ${executionId}`)) }
  return Saga.execute(saga as Sagas["all"]["Order"], input, {
    executionId,
    ...(onInterrupt === undefined ? {} : { onInterrupt })
  })
}

let begun = 0
const startOne = Effect.gen(function*() {
  // Of a name that other processes come to at the same time.
  const isShared = next() < 0.15
  const executionId = isShared ? `shared-${Math.floor(Date.now() / 250)}` : `${task.name}-${begun++}`
  const interrupted = next()
  const onInterrupt = interrupted < 0.03 ? "suspend" : interrupted < 0.07 ? "cancel" : undefined
  const fiber = yield* Effect.fork(start(executionId, onInterrupt))
  if (interrupted < 0.1) {
    yield* Effect.sleep(60 * next())
    yield* Fiber.interrupt(fiber)
  }
  const exit = yield* Fiber.await(fiber)
  bank.note({ _tag: "Ended", by: "execute", executionId, outcome: answerOf(exit) })
  yield* Effect.sleep(Exit.isFailure(exit) ? 20 + 20 * next() : 10 * next())
})

/** As `Recovery.run` does, but the bank hears of each. */
const recoverAndTell = Stream.runForEach(Recovery.events(sagas.recovered), (event) =>
  Effect.sync(() => {
    if (event._tag === "Begun") return
    const outcome = "cause" in event
      ? outcomeOf(event.cause)
      : event._tag === "Succeeded"
      ? { _tag: "Succeeded" as const, output: event.output }
      : undefined
    bank.note({ _tag: "Recovered", executionId: event.executionId, as: event._tag, outcome })
  }))

const recover = Effect.suspend(() =>
  next() < 0.7 ? recoverAndTell : Recovery.run(sagas.recovered, { parked: next() < 0.2 })
)

/** Settles a parked execution as a person would, who asks the bank about a doubt. */
const settle = ({ error, executionId, saga }: Recovery.Parked): Effect.Effect<void, never, Checkpoint.Checkpoint> =>
  Effect.gen(function*() {
    const definition = sagas.all[saga as keyof Sagas["all"]] as Sagas["all"]["Order"]
    const doubt = error?._tag === "OutcomeUnknown"
      ? error
      : error?._tag === "FailedAfterCommit"
      ? Option.getOrUndefined(Cause.failureOption(error.cause)) as SagaError.OutcomeUnknown | undefined
      : undefined
    const isDoubt = doubt?._tag === "OutcomeUnknown" && doubt.step !== undefined && doubt.idempotencyKey !== undefined
    const found = isDoubt
      ? Option.match(yield* bank.peek(doubt.idempotencyKey!), {
        onNone: () => ({ step: doubt.step!, happened: false }) as const,
        onSome: (output) => ({ step: doubt.step!, happened: true, output }) as const
      })
      : undefined
    const exit = yield* Effect.exit(Saga.resume(definition, executionId, found === undefined ? {} : { found }))
    bank.note({ _tag: "Ended", by: "resume", executionId, outcome: answerOf(exit) })
  })

const settleSome = Effect.gen(function*() {
  // The oldest only: to list a parked execution its journal is read.
  const parked = Array.from(yield* Stream.runCollect(Stream.take(Recovery.parked(sagas.recovered), 8)))
  yield* Effect.forEach(parked.filter(() => next() < 0.3), settle, { concurrency: 4, discard: true })
})

/** Whatever the store cannot do at this moment it may do at the next. */
const again = <E>(effect: Effect.Effect<void, E, Checkpoint.Checkpoint>, pause: number) =>
  Effect.forever(Effect.zipRight(
    Effect.catchAllCause(effect, (cause) => Effect.logDebug("again", cause)),
    Effect.suspend(() => Effect.sleep(pause * (0.5 + next())))
  ))

const work = Effect.all(
  [
    ...Array.from({ length: 8 }, () => Effect.forever(startOne)),
    again(Effect.asVoid(recover), 400),
    again(settleSome, 1000)
  ],
  { concurrency: "unbounded", discard: true }
)

/** Until there is nothing left to recover; whoever waits for this gives up when it takes too long. */
const recoverAll = Effect.gen(function*() {
  const { unfinished } = yield* Checkpoint.Checkpoint
  while (true) {
    yield* recoverAndTell
    const left = yield* Stream.runCollect(Stream.take(unfinished({ parked: false }), 1))
    if (left.length === 0) return
    yield* Effect.sleep("200 millis")
  }
})

/** Until nothing is parked; what still is after many rounds the checker will find. */
const settleAll = Effect.gen(function*() {
  for (let round = 0; round < 20; round++) {
    const parked = Array.from(yield* Stream.runCollect(Recovery.parked(sagas.recovered)))
    if (parked.length === 0) return
    yield* Effect.forEach(parked, settle, { concurrency: 16, discard: true })
  }
})

const inspect = (executionId: string, saga: string, error: Recovery.Parked["error"]) =>
  Effect.match(Saga.inspect(sagas.all[saga as keyof Sagas["all"]], executionId), {
    onFailure: (problem): Inspected => ({ executionId, problem: problem.message }),
    onSuccess: ({ compensations, parked, status, steps }): Inspected => ({
      executionId,
      status,
      ...(parked === undefined ? {} : { parked }),
      steps: steps.map(({ status, step }) => ({ step, status })),
      compensations: compensations.map(({ status, step }) => ({ step, status })),
      ...(error === undefined ? {} : { error: wordsOf(error) })
    })
  })

const wordsOf = (error: NonNullable<Recovery.Parked["error"]>): NonNullable<Inspected["error"]> => {
  switch (error._tag) {
    case "PartlyUndone":
      return {
        tag: error._tag,
        undone: error.undone,
        stands: [...error.failed.map(({ step }) => step), ...error.notTried]
      }
    case "FailedAfterCommit":
      return { tag: error._tag, step: error.step, stands: error.stands }
    case "KeepsFailing":
      return { tag: error._tag, stands: error.stands }
    case "OutcomeUnknown":
      return { tag: error._tag, step: error.step }
    case "DefinitionChanged":
    case "JournalCorrupt":
    case "ExecutionConflict":
    case "InvalidPlan":
      return { tag: error._tag }
  }
}

const inspectAll = Effect.gen(function*() {
  const { executions, reports } = task.files
  const stored: ReadonlyArray<{ executionId: string; saga: string }> = JSON.parse(readFileSync(executions, "utf8"))
  const parked = yield* Stream.runCollect(Recovery.parked(sagas.recovered))
  const errors = new Map(Array.from(parked, ({ error, executionId }) => [executionId, error]))
  const inspected = yield* Effect.forEach(
    stored,
    ({ executionId, saga }) => inspect(executionId, saga, errors.get(executionId))
  )
  writeFileSync(reports, JSON.stringify(inspected))
})

const run = (effect: Effect.Effect<void, unknown, Checkpoint.Checkpoint>) =>
  Effect.runFork(effect.pipe(
    Effect.provide(store),
    // What fails is the opening of the store, of which the storm may have cut the connection.
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))),
    Logger.withMinimumLogLevel(LogLevel.Error)
  ))

const endWith = (exit: Exit.Exit<void, unknown>) => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) process.exit(0)
  process.stderr.write(`${task.name}: ${Cause.pretty(exit.cause)}\n`)
  process.exit(1)
}

const commands = { recover: recoverAll, inspect: inspectAll, settle: settleAll }
let working: Fiber.RuntimeFiber<void, unknown> | undefined
const input = createInterface({ input: process.stdin })
input.on("close", () => process.exit(0))
input.on("line", (line) => {
  switch (line) {
    case "work":
      working = run(work)
      return working.addObserver(endWith)
    case "stop":
      return working === undefined ? process.exit(0) : void Effect.runFork(Fiber.interrupt(working))
    case "recover":
    case "inspect":
    case "settle":
      return run(commands[line]).addObserver((exit) => {
        if (Exit.isFailure(exit)) return endWith(exit)
        process.stdout.write(`${line}\n`)
      })
  }
})
bank.note({ _tag: "Ready", process: process.pid })
