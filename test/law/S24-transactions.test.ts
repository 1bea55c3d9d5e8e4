/** S24: the effect of a step with `transaction: true` and its outcome are one commit; it is never in doubt. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { Checkpoint, Journal, Saga, SagaError, SagaEvents, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { failureOf } from "../support/exit.ts"
import { heard, inWords } from "../support/observed.ts"
import { describePostgres, freshClient } from "../support/postgres.ts"
import { eventsOf, recoverAll } from "../support/store.ts"
import { booking, makeTables, NoFunds, order, OutOfStock, transfer } from "../support/transactional.ts"

type Services = Checkpoint.Checkpoint | Checkpoint.Transactions | SqlClient.SqlClient

/** The stores, each with a database of its own for each test. */
const stores: ReadonlyArray<readonly [name: string, live: Layer.Layer<Services, unknown>, isPostgres: boolean]> = [
  ["a SQLite file of the library", SqliteCheckpoint.layerWithClient({ filename: ":memory:" }), false],
  [
    "the application's client of SQLite",
    Layer.provideMerge(SqlCheckpoint.layer(), SqliteClient.layer({ filename: ":memory:" })),
    false
  ],
  ["the application's client of PostgreSQL", Layer.provideMerge(SqlCheckpoint.layer(), freshClient), true]
]

const onEach = (
  tests: (
    test: <E>(name: string, effect: Effect.Effect<unknown, E, Services>, timeout?: number) => void,
    isPostgres: boolean
  ) => void
) => {
  for (const [name, live, isPostgres] of stores) {
    const declare = isPostgres ? describePostgres : describe
    declare(`S24 on ${name}: a transactional step`, () =>
      tests(
        (sentence, effect, timeout) =>
          it.live(sentence, () => Effect.provide(Effect.zipRight(makeTables, effect), live), timeout),
        isPostgres
      ))
  }
}

const sqlOf = SqlClient.SqlClient
const count = (table: string) =>
  Effect.flatMap(sqlOf, (sql) => Effect.map(sql`SELECT 1 FROM ${sql(table)}`, (rows) => rows.length))

const write = (id: string) => Effect.flatMap(sqlOf, (sql) => sql`INSERT INTO outbox (id, body) VALUES (${id}, ${"x"})`)

/** The events of each commit of an execution. */
const commitsOf = (executionId: string) =>
  Effect.flatMap(
    Checkpoint.Checkpoint,
    (store) =>
      Effect.flatMap(store.load(executionId), (commits) =>
        Effect.forEach(commits, ({ body }) =>
          Effect.map(
            Effect.orDieWith(Journal.decodeCommit(body), String),
            (events) => events.map((event) => "step" in event ? `${event._tag} ${event.step}` : event._tag).join(", ")
          )))
  )

const step = { success: Schema.Void, error: "asRecoveredFailure", transaction: true } as const

/** A saga of one Final step that is a transaction. */
const one = <E, R>(action: (attempt: number) => Effect.Effect<unknown, E, R>) =>
  Saga.make("One").final("act", { ...step, action: ({ attempt }) => Effect.asVoid(action(attempt)) }).build()

onEach((test, isPostgres) => {
  test(
    "is stored with its intent and its outcome, in one commit",
    Effect.gen(function*() {
      expect(yield* Saga.execute(order, { sku: "lamp", declined: false }, { executionId: "1" })).toBe("1")
      expect(yield* commitsOf("1")).toEqual([
        "Started, StepStarted order, StepSucceeded order",
        "StepStarted confirm, StepSucceeded confirm",
        "Finished"
      ])
      yield* Saga.execute(transfer, { amount: 3 }, { executionId: "2" })
      expect(yield* count("entry")).toBe(2)
      // Nothing is done again: the result is in the journal.
      yield* Saga.execute(transfer, { amount: 3 }, { executionId: "2" })
      expect(yield* Saga.execute(order, { sku: "lamp", declined: false }, { executionId: "1" })).toBe("1")
    })
  )

  test(
    "that fails after its writes leaves none of them, and its compensations are transactions too",
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Saga.execute(order, { sku: "lamp", declined: true }, { executionId: "1" }))
      expect(exit).toEqual(Exit.fail("declined"))
      expect([yield* count("orders"), yield* count("outbox")]).toEqual([0, 0])
      expect(yield* commitsOf("1")).toEqual([
        "Started, StepStarted order, StepSucceeded order",
        "StepStarted confirm, StepFailed confirm, UnwindingStarted",
        "CompensationStarted order, CompensationSucceeded order",
        "Finished"
      ])
      const sql = yield* sqlOf
      expect(yield* sql`SELECT available FROM stock`).toEqual([{ available: 1_000_000 }])
      const missing = yield* Effect.exit(Saga.execute(order, { sku: "chair", declined: true }, { executionId: "2" }))
      expect(failureOf(missing)).toEqual(new OutOfStock({ sku: "chair" }))
      expect(yield* count("orders")).toBe(0)
      const poor = yield* Effect.exit(Saga.execute(transfer, { amount: 2_000_000 }, { executionId: "3" }))
      expect(failureOf(poor)).toEqual(new NoFunds({ account: "alice" }))
    })
  )

  test(
    "that dies leaves nothing",
    Effect.gen(function*() {
      const saga = one(() => Effect.zipRight(write("1"), Effect.die("no")))
      expect((yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))).toString()).toContain("no")
      expect(yield* count("outbox")).toBe(0)
    })
  )

  test(
    "that takes too long fails with TimeoutException, is tried again as its retry says, and leaves nothing of the tries before",
    Effect.gen(function*() {
      const attempts: Array<number> = []
      const saga = Saga.make("Slow")
        .compensatable("act", {
          ...step,
          timeout: "20 millis",
          retry: { times: 1 },
          action: ({ attempt }) => {
            attempts.push(attempt)
            const written = write(String(attempt))
            return Effect.asVoid(attempt === 1 ? Effect.zipRight(written, Effect.never) : written)
          },
          compensate: () => Effect.void
        })
        .final("never", {
          ...step,
          timeout: "20 millis",
          action: () => Effect.zipRight(write("never"), Effect.never)
        })
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimeoutException" })
      expect(attempts).toEqual([1, 2])
      const sql = yield* sqlOf
      expect(yield* sql`SELECT id FROM outbox`).toEqual([{ id: "2" }])
      const { steps } = yield* Saga.inspect(saga, "1")
      expect(steps.map(({ attempts, status }) => [attempts, status])).toEqual([[2, "Succeeded"], [1, "Failed"]])
    })
  )

  test(
    "that is cancelled is rolled back at once, and what was done is undone",
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const saga = Saga.make("Cancelled")
        .compensatable("first", {
          ...step,
          action: () => Effect.asVoid(write("first")),
          compensate: () => Effect.flatMap(sqlOf, (sql) => sql`DELETE FROM outbox WHERE id = ${"first"}`)
        })
        .compensatable("second", {
          ...step,
          action: () =>
            Effect.zipRight(Effect.zipRight(write("second"), Deferred.succeed(begun, undefined)), Effect.never),
          compensate: () => Effect.dieMessage("it was never done")
        })
        .build()
      const fiber = yield* Effect.fork(
        Effect.exit(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      expect(yield* count("outbox")).toBe(0)
      expect((yield* Saga.inspect(saga, "1")).status).toBe("Undone")
    })
  )

  test(
    "that is a Final, and is being called, decides on a cancellation",
    Effect.gen(function*() {
      const [begun, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const saga = one(() =>
        Effect.zipRight(Effect.zipRight(write("1"), Deferred.succeed(begun, undefined)), Deferred.await(goOn))
      )
      yield* Saga.execute(order, { sku: "lamp", declined: false }, { executionId: "0" })
      const fiber = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1", onInterrupt: "cancel" }))
      yield* Deferred.await(begun)
      const left = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.sleep("20 millis")
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(left)
      yield* Saga.await(saga, "1")
      expect(yield* count("outbox")).toBe(2)
      expect((yield* commitsOf("1")).join(", ")).toBe(
        "Started, StepStarted act, StepSucceeded act, CancellationRefused, Finished"
      )
    })
  )

  test(
    "that is a Final is not interrupted: after the point of no return the saga runs to its end",
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const slow = (id: string) =>
        Effect.zipRight(
          Effect.zipRight(write(id), Deferred.succeed(begun, undefined)),
          Effect.asVoid(Effect.sleep("20 millis"))
        )
      const saga = Saga.make("Interrupted")
        .final("first", { ...step, action: () => Effect.asVoid(write("first")) })
        .final("second", { ...step, action: () => slow("second"), retry: { times: 1 } })
        .build()
      const fiber = yield* Effect.fork(Saga.run(saga))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      expect(yield* count("outbox")).toBe(2)
    })
  )

  test(
    "whose execution was claimed by another process meanwhile is rolled back, and happens there",
    Effect.gen(function*() {
      let calls = 0
      const sql = yield* sqlOf
      const saga = Saga.make("Late")
        .compensatable("first", {
          success: Schema.Void,
          error: "asRecoveredFailure",
          action: () => Effect.asVoid(sql`UPDATE effect_saga_unfinished SET fence = 1 WHERE fence = 0`),
          compensate: () => Effect.void
        })
        .final("second", {
          ...step,
          action: () => Effect.zipRight(Effect.sync(() => calls++), Effect.asVoid(write(`call ${calls}`)))
        })
        .build()
      yield* Saga.execute(saga, undefined, { executionId: "1" })
      expect(calls).toBe(2)
      expect(yield* count("outbox")).toBe(1)
    })
  )

  test(
    "whose process has lost its lease is rolled back",
    Effect.gen(function*() {
      const sql = yield* sqlOf
      const saga = Saga.make("Late")
        .compensatable("first", {
          success: Schema.Void,
          error: "asRecoveredFailure",
          action: () => Effect.asVoid(sql`DELETE FROM effect_saga_lease`),
          compensate: () => Effect.void
        })
        .final("second", { ...step, action: () => Effect.asVoid(write("second")) })
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "ExecutionConflict", reason: "LeaseLost" })
      expect(yield* count("outbox")).toBe(0)
      expect(yield* commitsOf("1")).toEqual(["Started, StepStarted first"])
    })
  )

  test(
    "that cannot tell whether it happened has not: it is rolled back, and fails",
    Effect.gen(function*() {
      const saga = one(() => Effect.zipRight(write("1"), new SagaError.OutcomeUnknown({ reason: "no reply" })))
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", happened: false, step: "act" })
      expect(yield* count("outbox")).toBe(0)
      expect((yield* Saga.inspect(saga, "1")).status).toBe("Undone")
    })
  )

  test(
    "whose output cannot be stored has not happened",
    Effect.gen(function*() {
      const saga = Saga.make("Unstorable")
        .final("act", { ...step, success: Schema.Number, action: () => Effect.as(write("1"), "one" as never) })
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(`the output of step "act" cannot be stored`)
      expect(yield* count("outbox")).toBe(0)
      expect((yield* Saga.inspect(saga, "1")).status).toBe("Undone")
    })
  )

  test(
    "is cut off also where its caller may not be interrupted",
    Effect.gen(function*() {
      const saga = Saga.make("Cut")
        .compensatable("act", {
          ...step,
          timeout: "20 millis",
          action: () => Effect.zipRight(write("1"), Effect.never),
          compensate: () => Effect.void
        })
        .build()
      const exit = yield* Effect.exit(Effect.uninterruptible(Saga.run(saga)))
      expect(failureOf(exit)).toMatchObject({ _tag: "TimeoutException" })
      expect(yield* count("outbox")).toBe(0)
    })
  )

  test(
    "whose compensation fails leaves nothing of that compensation",
    Effect.gen(function*() {
      const saga = Saga.make("Stuck")
        .compensatable("act", {
          ...step,
          action: () => Effect.asVoid(write("1")),
          compensate: () =>
            Effect.zipRight(
              Effect.flatMap(sqlOf, (sql) => sql`DELETE FROM outbox`),
              Effect.fail("the letter is out")
            ),
          compensationRetry: { times: 1 }
        })
        .final("no", { ...step, action: () => Effect.fail("no") })
        .build()
      const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "PartlyUndone" })
      expect(yield* count("outbox")).toBe(1)
      expect(yield* commitsOf("1")).toEqual([
        "Started, StepStarted act, StepSucceeded act",
        "StepStarted no, StepFailed no, UnwindingStarted",
        "CompensationStarted act, CompensationFailed act, Parked"
      ])
    })
  )

  test(
    "that ends its transaction itself, or goes on after an error that has ended it, has done nothing",
    Effect.gen(function*() {
      const sql = yield* sqlOf
      const twice = Effect.zipRight(write("1"), Effect.ignore(write("1")))
      for (const [id, act] of [["1", Effect.zipRight(write("2"), sql`ROLLBACK`)], ["2", twice]] as const) {
        const exit = yield* Effect.exit(Saga.execute(one(() => act), undefined, { executionId: id }))
        // On SQLite a statement that fails is not the end of its transaction.
        const goesOn = id === "2" && !isPostgres
        expect(exit._tag).toBe(goesOn ? "Success" : "Failure")
        if (Exit.isFailure(exit)) {
          expect(Cause.pretty(exit.cause)).toContain("Put what may fail into sql.withTransaction")
        }
        expect(yield* count("outbox")).toBe(goesOn ? 1 : 0)
        yield* sql`DELETE FROM outbox`
      }
      const careful = Effect.zipRight(write("1"), Effect.ignore(sql.withTransaction(write("1"))))
      yield* Saga.execute(one(() => careful), undefined, { executionId: "3" })
      expect(yield* count("outbox")).toBe(1)
    })
  )

  test(
    "can enqueue another saga, which exists if and only if the step has happened",
    Effect.gen(function*() {
      const ship = Saga.make("Ship").final("send", { ...step, action: () => Effect.asVoid(write("sent")) }).build()
      const buy = (declined: boolean) =>
        one(() =>
          Effect.zipRight(
            Saga.enqueue(ship, undefined, { executionId: "ship" }),
            declined ? Effect.fail("declined") : Effect.void
          )
        )
      expect(failureOf(yield* Effect.exit(Saga.execute(buy(true), undefined, { executionId: "1" })))).toBe("declined")
      expect(yield* commitsOf("ship")).toEqual([])
      yield* Saga.execute(buy(false), undefined, { executionId: "2" })
      expect(yield* commitsOf("ship")).toEqual(["Started"])
      yield* Effect.provide(Saga.await(ship, "ship"), Worker.layer([ship]))
      expect(yield* count("outbox")).toBe(1)
      // To be driven to its end within the transaction of another one it would need a journal that can be taken back.
      const inside = one(() => Saga.execute(ship, undefined, { executionId: "inside" }))
      const exit = yield* Effect.exit(Saga.execute(inside, undefined, { executionId: "3" }))
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "InTransaction" })
    })
  )

  test(
    "runs in process in a transaction of its own, or in a part of that which its caller is in",
    Effect.gen(function*() {
      const sql = yield* sqlOf
      yield* Saga.run(order, { sku: "lamp", declined: false })
      expect(yield* sql`SELECT body FROM outbox`).toEqual([{ body: "confirmed" }])
      const declined = Saga.run(order, { sku: "lamp", declined: true })
      expect(yield* Effect.exit(declined)).toEqual(Exit.fail("declined"))
      expect([yield* count("orders"), yield* count("outbox")]).toEqual([1, 1])
      const inside = sql.withTransaction(Effect.zipRight(
        Effect.zipRight(write("mine"), Effect.exit(declined)),
        Effect.zipRight(Saga.run(order, { sku: "lamp", declined: false }), count("outbox"))
      ))
      expect(yield* inside).toBe(3)
      expect(yield* count("outbox")).toBe(3)
      const report = yield* Saga.report(order, { sku: "lamp", declined: true })
      expect(report._tag).toBe("Undone")
      expect(report.steps.map(({ status }) => status)).toEqual(["Succeeded", "Failed"])
    })
  )

  test(
    "takes its turn with its siblings, whose events are stored in the order in which they count",
    Effect.gen(function*() {
      const plain = { success: Schema.Void, error: "asRecoveredFailure", compensate: () => Effect.void } as const
      const inTransaction = (id: string) => ({
        ...step,
        action: () => Effect.asVoid(Effect.zipLeft(write(id), Effect.sleep("10 millis"))),
        compensate: () => Effect.flatMap(sqlOf, (sql) => sql`DELETE FROM outbox WHERE id = ${id}`)
      })
      const saga = (fails: boolean) =>
        Saga.make("Siblings", { input: Schema.Number })
          .parallel((branch) =>
            branch
              .compensatable("a", inTransaction("a"))
              .compensatable("b", { ...plain, action: () => Effect.sleep("5 millis") })
              .compensatable("c", inTransaction("c"))
              .compensatable("d", { ...plain, action: () => Effect.sleep("15 millis") })
              .compensatable("e", inTransaction("e")), { unwind: "parallel" })
          .final("end", { ...step, action: () => fails ? Effect.fail("no") : Effect.void })
          .build()
      yield* Saga.execute(saga(false), 1, { executionId: "1" })
      expect(yield* count("outbox")).toBe(3)
      yield* (yield* sqlOf)`DELETE FROM outbox`
      expect(yield* Effect.exit(Saga.execute(saga(true), 1, { executionId: "2" }))).toEqual(Exit.fail("no"))
      expect(yield* count("outbox")).toBe(0)
      for (const id of ["1", "2"]) {
        const state = Journal.fold(yield* eventsOf(yield* Checkpoint.Checkpoint, id))
        expect(state).toMatchObject({ status: id === "1" ? "Succeeded" : "Undone" })
      }
    })
  )

  test(
    "is told of when it starts, and when it has ended",
    Effect.gen(function*() {
      const { events } = yield* heard(Saga.execute(order, { sku: "lamp", declined: true }, { executionId: "1" }))
      expect(inWords(events)).toEqual([
        "Started",
        "StepStarted order",
        "StepSucceeded order",
        "StepStarted confirm",
        "StepFailed confirm",
        "UnwindingStarted",
        "CompensationStarted order",
        "CompensationSucceeded order",
        "Finished Undone"
      ])
    }).pipe(Effect.provide(SagaEvents.layer))
  )

  test(
    "leaves room for the commits of others: none of many fails as Locked",
    Effect.gen(function*() {
      const plain = Saga.make("Plain", { input: Schema.Number })
        .compensatable("act", {
          success: Schema.Number,
          action: ({ input }) => Effect.as(Effect.sleep("1 millis"), input),
          compensate: () => Effect.void
        })
        .final("end", {
          success: Schema.Number,
          action: ({ outputs }) => Effect.succeed(outputs.act),
          inDoubt: "retry"
        })
        .build(({ outputs }) => outputs.end)
      const held = (id: string) =>
        Saga.make("Held").final("act", {
          ...step,
          action: () => Effect.asVoid(Effect.zipLeft(write(id), Effect.sleep("2 millis")))
        }).build()
      const ended = yield* Effect.forEach(
        Array.from({ length: 128 }, (_, index) => index),
        (index): Effect.Effect<unknown, unknown, Services> =>
          index % 2 === 0
            ? Saga.execute(plain, index, { executionId: `plain-${index}` })
            : Saga.execute(held(String(index)), undefined, { executionId: `held-${index}` }),
        { concurrency: "unbounded" }
      )
      expect(ended.length).toBe(128)
      expect(yield* count("outbox")).toBe(64)
    }),
    60_000
  )
})

describe("S24 between two processes on one SQLite file: transactional steps", () => {
  it.live("wait for each other, and none fails", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
      )
      const live = () =>
        SqliteCheckpoint.layerWithClient({ filename: join(directory, "app.db"), durability: "process" })
      yield* Effect.provide(makeTables, live())
      const life = (name: string) =>
        Effect.provide(
          Effect.forEach(
            Array.from({ length: 30 }, (_, index) => `${name}-${index}`),
            (executionId) => Saga.execute(order, { sku: "lamp", declined: false }, { executionId }),
            { concurrency: 4 }
          ),
          live()
        )
      yield* Effect.all([life("one"), life("other")], { concurrency: "unbounded" })
      expect(yield* Effect.provide(count("orders"), live())).toBe(60)
    }).pipe(Effect.scoped), 60_000)
})

describePostgres("S24 under the rules of PostgreSQL: a transactional step", () => {
  const live = Layer.provideMerge(SqlCheckpoint.layer(), freshClient)

  /** Waits in its first call until the other one is as far. */
  const meeting = Effect.gen(function*() {
    const [one, other] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    return (isOne: boolean, attempt: number) =>
      attempt > 1
        ? Effect.void
        : Effect.zipRight(Deferred.succeed(isOne ? one : other, undefined), Deferred.await(isOne ? other : one))
  })

  it.live(
    "that could not be serialized runs again as a whole, whatever its action made of the error",
    () =>
      Effect.gen(function*() {
        yield* makeTables
        const meet = yield* meeting
        const attempts: Array<string> = []
        const saga = (isOne: boolean) =>
          one((attempt) =>
            Effect.gen(function*() {
              attempts.push(`${isOne ? "one" : "other"} ${attempt}`)
              const sql = yield* sqlOf
              yield* sql`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`
              // Each must see the other's entry, or be seen by it: together they must not be more than one.
              const entries = yield* sql`SELECT 1 FROM entry`
              yield* meet(isOne, attempt)
              if (entries.length > 0) return
              yield* sql`INSERT INTO entry (id, account, amount) VALUES (${String(isOne)}, ${"alice"}, 1)`
            }).pipe(Effect.mapError(() => "mine"))
          )
        yield* Effect.all([
          Saga.execute(saga(true), undefined, { executionId: "one" }),
          Saga.execute(saga(false), undefined, { executionId: "other" })
        ], { concurrency: "unbounded" })
        expect(yield* count("entry")).toBe(1)
        expect(attempts.length).toBeGreaterThan(2)
      }).pipe(Effect.provide(live)),
    30_000
  )

  it.live("that is ended by a deadlock runs again as a whole", () =>
    Effect.gen(function*() {
      yield* makeTables
      const meet = yield* meeting
      const saga = (isOne: boolean) =>
        one((attempt) =>
          Effect.gen(function*() {
            const sql = yield* sqlOf
            const accounts = isOne ? ["alice", "bob"] : ["bob", "alice"]
            yield* sql`UPDATE account SET balance = balance + 1 WHERE id = ${accounts[0]!}`
            yield* meet(isOne, attempt)
            yield* sql`UPDATE account SET balance = balance + 1 WHERE id = ${accounts[1]!}`
          })
        )
      yield* Effect.all([
        Saga.execute(saga(true), undefined, { executionId: "one" }),
        Saga.execute(saga(false), undefined, { executionId: "other" })
      ], { concurrency: "unbounded" })
      const sql = yield* sqlOf
      expect(yield* sql`SELECT balance FROM account ORDER BY id`).toEqual([{ balance: 1_000_002 }, { balance: 2 }])
    }).pipe(Effect.provide(live)), 30_000)

  it.live(
    "that keeps being ended by others fails as it failed, once lockTimeout is over",
    () =>
      Effect.gen(function*() {
        yield* makeTables
        let calls = 0
        const saga = one(() =>
          Effect.suspend(() => {
            calls++
            return Effect.flatMap(
              sqlOf,
              (sql) => sql`DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`
            )
          })
        )
        const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        expect(failureOf(exit)).toMatchObject({ _tag: "SqlError" })
        expect(calls).toBeGreaterThan(1)
        expect((yield* Saga.inspect(saga, "1")).status).toBe("Undone")
      }).pipe(Effect.provide(Layer.provideMerge(SqlCheckpoint.layer({ lockTimeout: "300 millis" }), freshClient))),
    30_000
  )

  it.live(
    "whose constraint is checked at the commit, and broken, has done nothing and dies",
    () =>
      Effect.gen(function*() {
        const sql = yield* sqlOf
        yield* makeTables
        yield* sql`ALTER TABLE booking ADD CONSTRAINT late UNIQUE (seat) DEFERRABLE INITIALLY DEFERRED`
        yield* sql`ALTER TABLE booking DROP CONSTRAINT booking_seat_key`
        const saga = one(() => sql`INSERT INTO booking (id, seat) VALUES (${"a"}, ${"1"}), (${"b"}, ${"1"})`)
        const exit = yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
        expect(yield* count("booking")).toBe(0)
        expect((yield* Saga.inspect(saga, "1")).status).toBe("Undone")
      }).pipe(Effect.provide(live)),
    30_000
  )
})

describe("S24 if the answer to a commit is lost: a transactional step", () => {
  /** A store on the client, which from then on gets no answer to a commit: it is executed, or not. */
  const deaf = (isExecuted: boolean) =>
    Effect.gen(function*() {
      const sql = yield* sqlOf
      const lost = new SqlError({ cause: Object.assign(new Error("the connection broke"), { code: "ECONNRESET" }) })
      let isDeaf = false
      const reserve = Effect.map(sql.reserve, (connection) => ({
        ...connection,
        execute: (...statement: Parameters<typeof connection.execute>) => {
          const sent = connection.execute(...statement)
          if (statement[0] !== "COMMIT" || !isDeaf) return sent
          return Effect.zipRight(isExecuted ? sent : connection.execute("ROLLBACK", [], undefined), Effect.fail(lost))
        }
      }))
      const client = new Proxy(sql, { get: (target, key) => key === "reserve" ? reserve : Reflect.get(target, key) })
      const services = yield* Layer.build(Layer.provide(SqlCheckpoint.layer(), Layer.succeed(sqlOf, client)))
      isDeaf = true
      return services
    })

  for (const isExecuted of [true, false]) {
    it.scopedLive(`stops, and its journal says later that it ${isExecuted ? "happened" : "did not"}`, () =>
      Effect.gen(function*() {
        yield* makeTables
        const run = Saga.execute(transfer, { amount: 3 }, { executionId: "1" })
        const exit = yield* Effect.exit(Effect.provide(run, yield* deaf(isExecuted)))
        expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "Unavailable" })
        expect(yield* count("entry")).toBe(isExecuted ? 2 : 0)
        yield* Effect.provide(run, SqlCheckpoint.layer())
        expect(yield* count("entry")).toBe(2)
      }).pipe(Effect.provide(SqliteClient.layer({ filename: ":memory:" }))))
  }

  it.scopedLive("in process is in doubt: there is no journal that could tell", () =>
    Effect.gen(function*() {
      yield* makeTables
      const exit = yield* Effect.exit(Effect.provide(Saga.run(transfer, { amount: 3 }), yield* deaf(true)))
      expect(failureOf(exit)).toMatchObject({ _tag: "OutcomeUnknown", step: "move" })
    }).pipe(Effect.provide(SqliteClient.layer({ filename: ":memory:" }))))
})

describe("S24 on a store without transactions: a transactional step", () => {
  it.effect("is refused before anything has run", () =>
    Effect.gen(function*() {
      let effects = 0
      const saga = Saga.make("Refused")
        .compensatable("before", {
          success: Schema.Void,
          action: () => Effect.sync(() => void effects++),
          compensate: () => Effect.void
        })
        .saga("inner", one(() => Effect.void), { input: () => undefined })
        .build()
      const none = Layer.succeed(Checkpoint.Transactions, { run: () => Effect.dieMessage("not these") })
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown, Checkpoint.Checkpoint | Checkpoint.Transactions>> = [
        Saga.execute(saga, undefined, { executionId: "1" }),
        Saga.start(saga, undefined, { executionId: "1" })
      ]
      for (const call of calls) {
        const exit = yield* Effect.exit(Effect.provide(call, none))
        const error = failureOf(exit)
        expect(error).toMatchObject({ _tag: "CheckpointError", reason: "NoTransactions" })
        expect(String((error as Error).message)).toContain(`step "inner/act" says transaction: true`)
      }
      expect(effects).toBe(0)
      expect(yield* (yield* Checkpoint.Checkpoint).load("1")).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("does not get a layer of transactions", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(
        Effect.scoped(Layer.build(Checkpoint.layerWithTransactions(Checkpoint.makeMemory)))
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "NoTransactions" })
    }))

  it("is refused by build() if it says what to do in doubt, or is ReadOnly", () => {
    const action = () => Effect.void
    for (const option of [{ inDoubt: "retry" }, { verify: action }, { interruptible: true }, { transaction: false }]) {
      expect(() => Saga.make("Sure").final("act", { action, transaction: true, ...option } as {} as any).build())
        .toThrow(SagaError.InvalidSaga)
    }
    expect(() => Saga.make("Sure").readOnly("act", { action, transaction: true } as {} as any).build())
      .toThrow("it has no side effect that could be stored with its outcome")
    expect(() =>
      Saga.make("Sure", { defaults: { inDoubt: "park" } }).final("act", { action, transaction: true }).build()
    )
      .not.toThrow()
  })
})

describe("S24 beside steps that are none: the charge of a booking", () => {
  it.live("keeps its doubt, and the seat is given back in a transaction if it fails", () =>
    Effect.gen(function*() {
      yield* makeTables
      const failing = booking(() => Effect.fail("declined"))
      const exit = yield* Effect.exit(Saga.execute(failing, { seat: "12A" }, { executionId: "1" }))
      expect(failureOf(exit)).toBe("declined")
      expect(yield* count("booking")).toBe(0)
      const fine = booking((key) => Effect.succeed(key))
      expect(yield* Saga.execute(fine, { seat: "12A" }, { executionId: "2" })).toBe("2/charge/action")
      // The seat is taken: the statement fails, as it says in its type.
      const taken = yield* Effect.exit(Saga.execute(fine, { seat: "12A" }, { executionId: "3" }))
      expect(failureOf(taken)).toMatchObject({ _tag: "SqlError" })
      expect(yield* Saga.await(fine, "2")).toBe("2/charge/action")
      expect(yield* recoverAll([fine])).toEqual([])
    }).pipe(Effect.provide(SqliteCheckpoint.layerWithClient({ filename: ":memory:" }))))
})
