/**
 * A process of the storm. Its argument is its task, as JSON; its input says what to do, a word a line, and when that ends it ends.
 *
 * - `work`: until it reads `stop` it starts and enqueues executions, drives what is enqueued, joins those of others, interrupts some, cancels some of its own and of others
 *   and asks for their ends, recovers what others have left, and settles what is parked
 * - `recover`, `inspect`, `settle`: after the storm it recovers everything, writes what the library says of each execution, or
 *   settles everything that is parked; it says the word when it has done so
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Redacted, Schedule, Stream } from "effect"
import { Checkpoint, Recovery, Saga, type SagaError, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { openBank } from "./customer.ts"
import type { CancelAnswer, Inspected, Outcome, Task } from "./messages.ts"
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
    ),
  claimNext: (wanted) =>
    Effect.tap(store.claimNext(wanted), (claimed) =>
      Effect.sync(() => {
        for (const { claim: { fence, token }, executionId } of claimed) {
          bank.note({ _tag: "Claimed", executionId, fence, token })
        }
      }))
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

type Called<A = unknown> = Effect.Effect<A, unknown, Checkpoint.Checkpoint>

const definitionOf = (executionId: string): Sagas["all"]["Order"] =>
  sagas.all[shapeNames[Math.floor(shapeNames.length * chanceOf(`shape ${executionId}`))]!] as Sagas["all"]["Order"]

/** What an execution is, is told by its id: whoever begins it begins the same. */
const inputOf = (executionId: string) => ({ amount: Math.floor(1000 * chanceOf(`amount ${executionId}`)) })

const tell = (
  by: "execute" | "start" | "resume" | "await" | "poll",
  executionId: string,
  exit: Exit.Exit<unknown, unknown>
) => bank.note({ _tag: "Ended", by, executionId, outcome: answerOf(exit) })

/** A call whose caller goes away now and then; its exit. */
const callAndLeave = (call: Called, leaves: boolean): Called<Exit.Exit<unknown, unknown>> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(call)
    if (leaves) {
      yield* Effect.sleep(60 * next())
      yield* Fiber.interrupt(fiber)
    }
    return yield* Fiber.await(fiber)
  })

const execute = (executionId: string): Called<Exit.Exit<unknown, unknown>> =>
  Effect.gen(function*() {
    const leaves = next()
    const onInterrupt = leaves < 0.03 ? "suspend" as const : leaves < 0.07 ? "cancel" as const : undefined
    const options = { executionId, ...(onInterrupt === undefined ? {} : { onInterrupt }) }
    const call = Saga.execute(definitionOf(executionId), inputOf(executionId), options)
    const exit = yield* callAndLeave(call, leaves < 0.1)
    tell("execute", executionId, exit)
    return exit
  })

const awaitEnd = (executionId: string, leaves: boolean): Called<Exit.Exit<unknown, unknown>> =>
  Effect.tap(
    callAndLeave(Saga.await(definitionOf(executionId), executionId), leaves),
    (exit) => Effect.sync(() => tell("await", executionId, exit))
  )

const beginAndAwait =
  (begin: typeof Saga.start | typeof Saga.enqueue) => (executionId: string): Called<Exit.Exit<unknown, unknown>> =>
    Effect.gen(function*() {
      const beginning: Called<void> = begin(definitionOf(executionId), inputOf(executionId), { executionId })
      const started = yield* Effect.exit(beginning)
      if (Exit.isFailure(started)) {
        tell("start", executionId, started)
        return started
      }
      bank.note({ _tag: "Begun", executionId })
      if (next() < 0.1) {
        yield* Effect.sleep(40 * next())
        yield* cancel(executionId)
      }
      return yield* awaitEnd(executionId, next() < 0.1)
    })

/** The ways in which an execution begins, each with its share. */
const ways: ReadonlyArray<readonly [share: number, begin: typeof execute]> = [
  [0.4, execute],
  [0.3, beginAndAwait(Saga.start)],
  // The workers of all processes drive these.
  [0.3, beginAndAwait(Saga.enqueue)]
]

const wayOf = (chance: number): typeof execute => {
  let sum = 0
  return ways.find(([share]) => chance < (sum += share))![1]
}

let begun = 0
const startOne = Effect.gen(function*() {
  // Of a name that other processes come to at the same time.
  const isShared = next() < 0.15
  const executionId = isShared ? `shared-${Math.floor(Date.now() / 250)}` : `${task.name}-${begun++}`
  const exit = yield* wayOf(next())(executionId)
  yield* Effect.sleep(Exit.isFailure(exit) ? 20 + 20 * next() : 10 * next())
})

let requests = 0
const cancel = (executionId: string): Called<void> =>
  Effect.gen(function*() {
    const name = `${task.name}/${requests++}`
    bank.note({ _tag: "Asking", executionId, name })
    const answer = yield* Effect.matchCause(Saga.cancel(executionId, { by: name }), {
      onSuccess: (): CancelAnswer => ({ _tag: "Stored" }),
      onFailure: (cause): CancelAnswer => {
        const message = Cause.pretty(cause).slice(0, 600)
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        switch (error?._tag) {
          case "CancellationRefused":
            return { _tag: "Refused", reason: error.reason }
          case "ExecutionNotFound":
            return { _tag: "NotFound" }
          case "CheckpointError":
            return { _tag: "Unsure" }
          case "JournalCorrupt":
          case undefined:
            return { _tag: "Failed", message }
        }
      }
    })
    bank.note({ _tag: "Asked", executionId, name, answer })
  })

/** Somebody who has not begun it cancels an execution, or asks for its end; sometimes one that nobody has begun. */
const meddle = Effect.gen(function*() {
  const executionId = next() < 0.05 ? `nobody-${begun}` : yield* bank.which(next())
  if (executionId === undefined) return
  const chance = next()
  if (chance < 0.5) return yield* cancel(executionId)
  if (chance < 0.8) {
    const exit = yield* Effect.exit(Effect.timeout(Saga.await(definitionOf(executionId), executionId), "2 seconds"))
    const isLate = Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), Cause.isTimeoutException)
    if (!isLate) tell("await", executionId, exit)
    return
  }
  const polled = yield* Effect.exit(Saga.poll(definitionOf(executionId), executionId))
  if (Exit.isFailure(polled)) tell("poll", executionId, polled)
  else if (Option.isSome(polled.value)) tell("poll", executionId, polled.value.value)
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
    tell("resume", executionId, exit)
  })

const settleSome = Effect.gen(function*() {
  // The oldest only: to list a parked execution its journal is read.
  const parked = Array.from(yield* Stream.runCollect(Stream.take(Recovery.parked(sagas.recovered), 8)))
  const act = (execution: Recovery.Parked) => next() < 0.3 ? cancel(execution.executionId) : settle(execution)
  yield* Effect.forEach(parked.filter(() => next() < 0.3), act, { concurrency: 4, discard: true })
})

/** Whatever the store cannot do at this moment it may do at the next. */
const again = <E>(effect: Effect.Effect<unknown, E, Checkpoint.Checkpoint>, pause: number) =>
  Effect.forever(Effect.zipRight(
    Effect.catchAllCause(effect, (cause) => Effect.logDebug("again", cause)),
    Effect.suspend(() => Effect.sleep(pause * (0.5 + next())))
  ))

const work = Effect.all(
  [
    ...Array.from({ length: 8 }, () => Effect.forever(startOne)),
    ...Array.from({ length: 3 }, () => again(meddle, 60)),
    again(Effect.asVoid(recover), 400),
    again(settleSome, 1000),
    again(Layer.launch(Worker.layer(sagas.recovered, { concurrency: 8, interval: "200 millis" })), 400)
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
