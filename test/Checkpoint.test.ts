import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import { Context, Effect, Exit, Layer, Logger, LogLevel, Schema, Scope, Stream, TestClock, Tracer } from "effect"
import { Checkpoint, Saga, SagaError } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { copyFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { checkpointLaws } from "./support/checkpointLaws.ts"
import { commitOf } from "./support/commit.ts"
import { failureOf } from "./support/exit.ts"
import { recoverAll } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => join(directory, "journal.db")
)

/** Every call on a connection of its own, so that nothing is remembered but what is in the file. */
const reopened = Effect.map(temporaryFile, (filename): Checkpoint.Store => {
  const use = <A, E>(call: (store: Checkpoint.Store) => Effect.Effect<A, E>) =>
    Effect.scoped(
      Effect.flatMap(Layer.build(Layer.orDie(SqliteClient.layer({ filename }))), (context) =>
        Effect.provide(Effect.flatMap(SqlCheckpoint.make(), call), context))
    )
  return {
    append: (commits) => use((store) => store.append(commits)),
    enqueue: (start) => use((store) => store.enqueue(start)),
    claimNext: (wanted, token) => use((store) => store.claimNext(wanted, token)),
    arrivals: Stream.empty,
    transactions: undefined,
    load: (executionId) => use((store) => store.load(executionId)),
    unfinished: (which) =>
      Stream.unwrap(use((store) =>
        Effect.map(
          Stream.runCollect(store.unfinished(which)),
          Stream.fromChunk
        )
      )),
    acquire: (lease) => use((store) => store.acquire(lease)),
    renew: (token) => use((store) => store.renew(token)),
    release: (token, executionIds) => use((store) => store.release(token, executionIds)),
    claim: (executionId, token) => use((store) => store.claim(executionId, token)),
    send: (message) => use((store) => store.send(message)),
    messages: (executionId) => use((store) => store.messages(executionId)),
    withMessages: (token) => use((store) => store.withMessages(token)),
    list: (listing) => use((store) => store.list(listing)),
    count: (saga) => use((store) => store.count(saga)),
    prune: (age) => use((store) => store.prune(age))
  }
})

const onClient = (options: Parameters<typeof SqliteClient.layer>[0]) =>
  Effect.flatMap(
    Layer.build(Layer.orDie(SqliteClient.layer(options))),
    (context) => Effect.provide(SqlCheckpoint.make(), context)
  )

describe("a store in memory", () => checkpointLaws(Checkpoint.makeMemory))
describe("a SQLite store in memory", () => checkpointLaws(SqliteCheckpoint.make({ filename: ":memory:" })))
describe("a SQLite store in a file", () =>
  checkpointLaws(
    Effect.flatMap(temporaryFile, (filename) => SqliteCheckpoint.make({ filename, durability: "process" }))
  ))
describe("a SQLite store in a file that is opened again for each call", () => checkpointLaws(reopened))
describe("a SQL store on a client of the application's", () =>
  checkpointLaws(onClient({ filename: ":memory:", transformQueryNames: (name) => name.toUpperCase() })))

const openError = (filename: string) =>
  Effect.map(
    Effect.exit(Effect.provide(Checkpoint.Checkpoint, SqliteCheckpoint.layer({ filename, lockTimeout: "100 millis" }))),
    failureOf
  )

/** Another process that holds the write lock of a database until it is told to let go. */
const holdLock = (filename: string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly letGo: Effect.Effect<void> }>((resume) => {
      const script = `
        const database = new (require("better-sqlite3"))(${JSON.stringify(filename)})
        database.exec("BEGIN IMMEDIATE")
        console.log("locked")
        process.stdin.on("data", () => { database.exec("COMMIT"); process.exit(0) })`
      const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] })
      child.stdout.once("data", () =>
        resume(Effect.succeed({
          letGo: Effect.async<void>((done) => {
            if (child.exitCode !== null) return done(Effect.void)
            child.once("exit", () => done(Effect.void))
            child.stdin.write("go\n")
          })
        })))
    }),
    ({ letGo }) => letGo
  )

/** Makes the table of the migrations, and then the others, as the first process does. */
const statementsThatMakeTables = Effect.scoped(Effect.gen(function*() {
  const client = yield* Layer.build(SqliteClient.layer({ filename: yield* temporaryFile }))
  yield* Effect.provide(SqlCheckpoint.make(), client)
  const made = yield* Context.get(client, SqlClient.SqlClient)<{ readonly sql: string }>`
    SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid`
  return made.map(({ sql }) => sql)
}))

const reserve = () => {
  const world = makeWorld()
  const saga = Saga.make("Reserve")
    .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
    .build(({ outputs }) => outputs.hotel)
  return { world, saga }
}

describe("a SQLite store that cannot be used says why, and no step runs whose intent is not stored", () => {
  it.scoped("a file that is not a database", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      writeFileSync(
        filename,
        "this is a letter to my aunt, and not a database at all; it goes on for a while".repeat(20)
      )
      expect(yield* openError(filename)).toMatchObject({
        _tag: "CheckpointError",
        reason: "NotADatabase",
        operation: "open"
      })
    }))

  it.scoped("a folder that does not exist", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      expect(yield* openError(`${filename}/nowhere/journal.db`)).toMatchObject({
        reason: "Unavailable",
        operation: "open"
      })
    }))

  it.scoped("a database that is read-only", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.provide(Checkpoint.Checkpoint, SqliteCheckpoint.layer({ filename }))
      const { saga, world } = reserve()
      const exit = yield* Effect.exit(
        Saga.execute(saga, undefined, { executionId: "1" }).pipe(
          Effect.provide(SqlCheckpoint.layer()),
          Effect.provide(SqliteClient.layer({ filename, readonly: true, disableWAL: true }))
        )
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "ReadOnly", operation: "lease" })
      expect(world.log).toEqual([])
    }))

  it.scopedLive("a database that another process holds", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const context = yield* Layer.build(SqliteCheckpoint.layer({ filename, lockTimeout: "200 millis" }))
      const { saga, world } = reserve()
      yield* Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: "0" }), context)
      const lock = yield* holdLock(filename)
      const execute = Effect.provide(Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })), context)
      expect(failureOf(yield* execute)).toMatchObject({ reason: "Locked", operation: "append", executionId: "1" })
      expect(world.log).toEqual([])
      yield* lock.letGo
      expect(yield* execute).toEqual(Exit.succeed("hotel-output"))
    }))

  it.scopedLive("but it waits for the other process to let go, and does not block this one meanwhile", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const context = yield* Layer.build(SqliteCheckpoint.layer({ filename }))
      const lock = yield* holdLock(filename)
      const running = yield* Effect.fork(
        Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: "1" }), context)
      )
      yield* Effect.yieldNow()
      yield* lock.letGo
      expect(yield* running).toBe("hotel-output")
    }))

  it.scopedLive("a fresh database that another process holds is waited for, and then has its tables", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.scoped(Layer.build(SqliteClient.layer({ filename })))
      const lock = yield* holdLock(filename)
      expect(yield* openError(filename)).toMatchObject({ reason: "Locked", operation: "open" })
      const opening = yield* Effect.fork(Layer.build(SqliteCheckpoint.layer({ filename })))
      yield* Effect.yieldNow()
      yield* lock.letGo
      const context = yield* opening
      expect(yield* Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: "1" }), context)).toBe(
        "hotel-output"
      )
    }))

  it.scopedLive("a fresh database is waited for whose tables another process is making", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new Sqlite(filename)),
        (database) => Effect.sync(() => database.close())
      )
      const [first, ...tables] = yield* statementsThatMakeTables
      other.pragma("journal_mode = WAL")
      other.exec(first!)
      other.exec("BEGIN IMMEDIATE")
      for (const statement of tables) other.exec(statement)
      other.exec("INSERT INTO effect_saga_migration (migration_id, name) VALUES (1, 'initial')")
      // Once the layer has looked for the tables in vain, they are there.
      let missed = 0
      const usual = yield* Effect.tracer
      const tracer = Tracer.make({
        context: (use, fiber) => usual.context(use, fiber),
        span: (...given) => {
          const span = usual.span(...given)
          return Object.assign(span, {
            end: (_: bigint, exit: Exit.Exit<unknown, unknown>) => {
              const isLook = String(span.attributes.get("db.query.text")).includes("FROM effect_saga_commit")
              if (isLook && Exit.isFailure(exit) && ++missed === 1) other.exec("COMMIT")
            }
          })
        }
      })
      const context = yield* Effect.withTracer(Layer.build(SqliteCheckpoint.layer({ filename })), tracer)
      expect(missed).toBe(1)
      expect(yield* Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: "1" }), context)).toBe(
        "hotel-output"
      )
    }))

  it.scoped("a transaction of the caller, which could take the journal back", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(SqliteClient.layer({ filename: yield* temporaryFile }))
      const context = yield* Effect.provide(Layer.build(SqlCheckpoint.layer()), client)
      const sql = Context.get(client, SqlClient.SqlClient)
      const { saga, world } = reserve()
      const exit = yield* Effect.exit(
        sql.withTransaction(Effect.provide(Saga.execute(saga, undefined, { executionId: "1" }), context))
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "InTransaction" })
      expect(world.log).toEqual([])
    }))

  it.scoped("not so a client that returns bigints", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(SqliteClient.layer({ filename: yield* temporaryFile }))
      const context = yield* Effect.provide(Layer.build(SqlCheckpoint.layer()), client)
      const { saga } = reserve()
      const program = Effect.andThen(
        Saga.execute(saga, undefined, { executionId: "1" }),
        Saga.resume(saga, "1")
      )
      expect(
        yield* program.pipe(Effect.provide(context), Effect.provideService(SqlClient.SafeIntegers, true))
      ).toBe("hotel-output")
    }))

  it.scoped("a disk without room", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(SqliteClient.layer({ filename: yield* temporaryFile }))
      const context = yield* Effect.provide(Layer.build(SqlCheckpoint.layer()), client)
      const store = Context.get(context, Checkpoint.Checkpoint)
      const sql = Context.get(client, SqlClient.SqlClient)
      const [{ page_count: pages }] = (yield* sql`PRAGMA page_count`) as unknown as [{ page_count: number }]
      yield* sql.unsafe(`PRAGMA max_page_count = ${pages + 2}`)
      const { saga, world } = reserve()
      let error: unknown
      for (let index = 0; error === undefined; index++) {
        world.log.length = 0
        const exit = yield* Effect.exit(
          Saga.execute(saga, undefined, { executionId: `${index}-${"x".repeat(500)}` }).pipe(
            Effect.provideService(Checkpoint.Checkpoint, store)
          )
        )
        error = failureOf(exit)
      }
      expect(error).toMatchObject({ _tag: "CheckpointError", reason: "Full", operation: "append" })
      // What is done has its intent on disk; where the intent found no room, nothing is done.
      const stored = (yield* store.load((error as SagaError.CheckpointError).executionId!)).length
      expect(world.log).toEqual(stored === 0 ? [] : ["+hotel"])
      // Once there is room again, what was left is finished.
      yield* sql.unsafe("PRAGMA max_page_count = 100000")
      expect(yield* Effect.provideService(recoverAll([saga]), Checkpoint.Checkpoint, store)).toMatchObject(
        stored === 0 ? [] : [{ _tag: "Succeeded" }]
      )
      expect(new Set(world.keys).size).toBe(world.standing().length)
    }))
})

describe("a group of commits that a SQL store cannot write", () => {
  it.scoped("is not written in part, and the next one is written", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(SqliteClient.layer({ filename: ":memory:" }))
      const store = yield* Effect.provide(SqlCheckpoint.make(), client)
      const sql = Context.get(client, SqlClient.SqlClient)
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const commit = (executionId: string, sequence: number, body = "{}") =>
        commitOf({ executionId, sequence, body, token })
      yield* store.append([commit("a", 0)])
      yield* sql`CREATE TRIGGER broken BEFORE INSERT ON effect_saga_commit WHEN NEW.body = 'broken'
        BEGIN SELECT RAISE(ABORT, 'the page is broken'); END`
      const exit = yield* Effect.exit(store.append([commit("b", 0), commit("a", 1, "broken")]))
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", detail: "the page is broken" })
      expect(yield* store.load("b")).toEqual([])
      expect(yield* store.append([commit("b", 0), commit("a", 1)])).toEqual([true, true])
    }))
})

describe("what a stored commit survives is read back from the database and said in the log", () => {
  const said = (durability?: "power-loss" | "process") =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ annotations, message }) => {
        lines.push([message, Object.fromEntries(annotations)])
      })
      const filename = yield* temporaryFile
      yield* Effect.provide(
        Checkpoint.Checkpoint,
        SqliteCheckpoint.layer({ filename, ...(durability === undefined ? {} : { durability }) })
      ).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      return { lines, filename }
    })

  it.scoped("a power cut by default", () =>
    Effect.gen(function*() {
      const { filename, lines } = yield* said()
      expect(lines[0]).toEqual([["journals are stored"], { filename, journal_mode: "wal", synchronous: "FULL" }])
    }))

  it.scoped("a killed process where that is enough", () =>
    Effect.gen(function*() {
      const { lines } = yield* said("process")
      expect(lines[0]).toMatchObject([["journals are stored"], { synchronous: "NORMAL" }])
    }))
})

describe("commits of concurrent executions", () => {
  const counting = Effect.map(Checkpoint.makeMemory, (store) => {
    const groups: Array<number> = []
    const counted: Checkpoint.Store = {
      ...store,
      append: (commits) => Effect.suspend(() => (groups.push(commits.length), store.append(commits)))
    }
    return { store: counted, groups }
  })
  const execute = (service: Checkpoint.Service, executionId: string) =>
    Effect.provideService(
      Saga.execute(reserve().saga, undefined, { executionId }),
      Checkpoint.Checkpoint,
      service
    )

  it.scoped("share their writes; alone, each is written at once", () =>
    Effect.gen(function*() {
      const { groups, store } = yield* counting
      const service = yield* Checkpoint.make(store)
      yield* execute(service, "alone")
      expect(groups).toEqual([1, 1])
      groups.length = 0
      const ids = Array.from({ length: 100 }, (_, index) => `e${index}`)
      yield* Effect.forEach(ids, (id) => execute(service, id), { concurrency: "unbounded" })
      expect(groups.reduce((sum, size) => sum + size)).toBe(200)
      expect(groups.length).toBeLessThan(10)
    }))

  it.scoped("fail together where the store fails, each with an error of its own", () =>
    Effect.gen(function*() {
      const { store } = yield* counting
      let dies = true
      const service = yield* Checkpoint.make({
        ...store,
        append: (commits) => dies ? Effect.die("the disk has gone") : store.append(commits)
      })
      const ids = ["a", "b", "c"]
      const exits = yield* Effect.forEach(ids, (id) => Effect.exit(execute(service, id)), { concurrency: "unbounded" })
      expect(exits.map((exit) => failureOf(exit))).toMatchObject(
        ids.map((executionId) => ({ _tag: "CheckpointError", operation: "append", executionId }))
      )
      // And the writer goes on.
      dies = false
      expect(yield* execute(service, "a")).toBe("hotel-output")
    }))

  it.scoped("that are refused are refused alone", () =>
    Effect.gen(function*() {
      const service = yield* Checkpoint.make(yield* Checkpoint.makeMemory)
      const token = yield* service.token
      const commit = (executionId: string, sequence: number) =>
        Effect.exit(service.append(commitOf({ executionId, sequence, token })))
      const exits = yield* Effect.all([commit("a", 0), commit("b", 7), commit("c", 0), commit("a", 0)], {
        concurrency: "unbounded"
      })
      expect(exits.map((exit) => (failureOf(exit) as { readonly reason?: string } | undefined)?.reason)).toEqual([
        undefined,
        "OtherDriver",
        undefined,
        "OtherDriver"
      ])
    }))

  it.effect("that come after the store is closed fail with an error that says so", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const service = yield* Scope.extend(Checkpoint.make(yield* Checkpoint.makeMemory), scope)
      const token = yield* service.token
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Effect.exit(
        service.append(commitOf({ executionId: "a", token }))
      )
      expect(failureOf(exit)).toMatchObject({ _tag: "CheckpointError", detail: "the store is closed" })
    }))
})

describe("a group of commits", () => {
  /** A store that notes the groups that it is given, and its service with all of them waiting at once. */
  const appendAll = (
    spoil: (store: Checkpoint.Store) => Checkpoint.Store["append"],
    commits: ReadonlyArray<{ readonly executionId: string; readonly body?: string }>
  ) =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const groups: Array<ReadonlyArray<string>> = []
      const append = spoil(store)
      const service = yield* Checkpoint.make({
        ...store,
        append: (commits) =>
          Effect.suspend(() => (groups.push(commits.map(({ executionId }) => executionId)), append(commits)))
      })
      const token = yield* service.token
      const exits = yield* Effect.forEach(
        commits,
        (commit) => Effect.exit(service.append(commitOf({ ...commit, token }))),
        { concurrency: "unbounded" }
      )
      return { groups, store, failures: exits.map((exit) => failureOf(exit)) }
    })
  const unavailable = (detail: string): SagaError.CheckpointError =>
    new SagaError.CheckpointError({ reason: "Unavailable", operation: "append", detail })

  it.scoped("is bounded by the length of its texts, and one that is longer goes alone", () =>
    Effect.gen(function*() {
      const megabytes = (count: number) => JSON.stringify("x".repeat(count * 1024 * 1024))
      const { failures, groups } = yield* appendAll((store) => store.append, [
        { executionId: "a", body: megabytes(3) },
        { executionId: "b", body: megabytes(3) },
        { executionId: "c", body: megabytes(9) },
        { executionId: "d", body: megabytes(1) },
        { executionId: "e", body: megabytes(1) }
      ])
      expect(failures).toEqual(Array(5).fill(undefined))
      expect(groups).toEqual([["a"], ["b"], ["c"], ["d", "e"]])
    }))

  it.scoped("that fails for any reason fails only those that fail alone too", () =>
    Effect.gen(function*() {
      const { failures, store } = yield* appendAll(
        (store) => (commits) => {
          // The message of V8 for a text that is too long, thrown by a driver.
          if (commits.some(({ executionId }) => executionId === "c")) throw new RangeError("Invalid string length")
          return store.append(commits)
        },
        ["a", "b", "c", "d"].map((executionId) => ({ executionId }))
      )
      expect(failures).toMatchObject([undefined, undefined, { _tag: "CheckpointError", executionId: "c" }, undefined])
      expect((yield* store.load("d")).length).toBe(1)
    }))

  it.scoped("fails as a whole, after a few, where the store cannot be reached", () =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 100 }, (_, index) => `e${index}`)
      const { failures, groups } = yield* appendAll(
        () => () => Effect.fail(unavailable("out of reach")),
        ids.map((executionId) => ({ executionId }))
      )
      expect(failures).toMatchObject(ids.map((executionId) => ({ _tag: "CheckpointError", executionId })))
      expect(groups.length).toBeLessThan(10)
    }))

  it.scoped("of which only the answer is lost is not said to be another process's", () =>
    Effect.gen(function*() {
      const { failures } = yield* appendAll(
        (store) => (commits) =>
          commits.length === 1
            ? store.append(commits)
            : Effect.zipRight(store.append(commits), Effect.fail(unavailable("the connection was lost"))),
        ["a", "b"].map((executionId) => ({ executionId }))
      )
      expect(failures).toMatchObject(
        ["a", "b"].map((executionId) => ({ _tag: "CheckpointError", executionId, detail: "the connection was lost" }))
      )
    }))
})

describe("an option that is no usable number", () => {
  const refused: Record<string, Checkpoint.Options> = {
    "a lease that is no number": { lease: NaN },
    "a lease of nothing": { lease: 0 },
    "a lease below zero": { lease: "-5 seconds" },
    "a lease that no unit belongs to": { lease: "5 secs" as "5 seconds" },
    "a retention that is no number": { retention: NaN },
    "a retention of nothing": { retention: "0 days" },
    "a retention below zero": { retention: -1 }
  }
  for (const [name, options] of Object.entries(refused)) {
    it.scoped(`is refused in a sentence: ${name}`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.makeMemory
        const exit = yield* Effect.exit(Layer.build(Checkpoint.layer(Effect.succeed(store), options)))
        const [option] = Object.keys(options)
        expect(failureOf(exit)).toMatchObject({
          _tag: "CheckpointError",
          reason: "InvalidOption",
          detail: expect.stringMatching(
            new RegExp(`^${option} is .+, and must be a duration of longer than zero, like "30 seconds"$`)
          )
        })
      }))
  }

  for (const lockTimeout of [NaN, -1, "-1 millis"] as const) {
    it.scoped(`is refused in a sentence: a lockTimeout of ${lockTimeout}`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Layer.build(SqliteCheckpoint.layer({ filename: ":memory:", lockTimeout })))
        expect(failureOf(exit)).toMatchObject({
          reason: "InvalidOption",
          detail: expect.stringMatching(/^lockTimeout/)
        })
      }))
  }

  it.scoped("deletes nothing where it is asked for by hand", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const service = yield* Checkpoint.make(store)
      yield* service.append(commitOf({ executionId: "1", token: yield* service.token, status: "Succeeded" }))
      yield* TestClock.adjust("1 minute")
      for (const age of [NaN, -1]) {
        expect(failureOf(yield* Effect.exit(service.prune(age)))).toMatchObject({ reason: "InvalidOption" })
      }
      expect((yield* store.load("1")).length).toBe(1)
    }))
})

describe("finished executions", () => {
  it.scoped("are kept, unless it is said for how long: then they are deleted, and their ids are free", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const { saga, world } = reserve()
      const as = (service: Checkpoint.Service) => Effect.provideService(Checkpoint.Checkpoint, service)
      const forever = yield* Checkpoint.make(store, { lease: "1000 days" })
      yield* as(forever)(Saga.execute(saga, undefined, { executionId: "1" }))
      yield* TestClock.adjust("100 days")
      expect((yield* store.load("1")).length).toBe(2)
      yield* Checkpoint.make(store, { lease: "1000 days", retention: "101 days" })
      yield* TestClock.adjust("23 hours")
      expect((yield* store.load("1")).length).toBe(2)
      yield* TestClock.adjust("2 hours")
      expect(yield* store.load("1")).toEqual([])
      yield* as(forever)(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(world.log).toEqual(["+hotel", "+hotel"])
    }))

  it.scoped("can be deleted when it is asked for", () =>
    Effect.gen(function*() {
      const service = yield* Checkpoint.make(yield* Checkpoint.makeMemory)
      yield* Effect.provideService(
        Saga.execute(reserve().saga, undefined, { executionId: "1" }),
        Checkpoint.Checkpoint,
        service
      )
      expect(yield* service.prune("1 day")).toBe(0)
      yield* TestClock.adjust("2 days")
      expect(yield* service.prune("1 day")).toBe(1)
    }))

  it.scoped("are looked at when the store opens, also by a process that does not live for an hour", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const as = (service: Checkpoint.Service) => Effect.provideService(Checkpoint.Checkpoint, service)
      const first = yield* Checkpoint.make(store)
      yield* as(first)(Saga.execute(reserve().saga, undefined, { executionId: "1" }))
      yield* TestClock.adjust("2 days")
      yield* Effect.scoped(Effect.zipRight(Checkpoint.make(store, { retention: "1 day" }), Effect.yieldNow()))
      expect(yield* store.load("1")).toEqual([])
    }))

  it.scoped("are as old as their end: one that ran for long is kept", () =>
    Effect.gen(function*() {
      const client = yield* Layer.build(SqliteClient.layer({ filename: ":memory:" }))
      const store = yield* Effect.provide(SqlCheckpoint.make(), client)
      const sql = Context.get(client, SqlClient.SqlClient)
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const commit = (sequence: number, status: Checkpoint.Commit["status"]) =>
        commitOf({ executionId: "1", token, sequence, status })
      yield* store.append([commit(0, "Running")])
      yield* sql`UPDATE effect_saga_execution SET started_at = 0`
      yield* store.append([commit(1, "Succeeded")])
      expect(yield* store.prune({ milliseconds: 3_600_000 })).toBe(0)
      yield* sql`UPDATE effect_saga_commit SET ended_at = 1`
      expect(yield* store.prune({ milliseconds: 3_600_000 })).toBe(1)
    }))
})

describe("a SQLite file that is deleted or replaced while it is open", () => {
  for (const [how, change] of Object.entries({ deleted: rmSync, replaced: replace })) {
    it.scopedLive(`ends what is driven with a typed error: ${how}`, () =>
      Effect.gen(function*() {
        const filename = yield* temporaryFile
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => void lines.push(String(message)))
        const context = yield* Layer.build(SqliteCheckpoint.layer({ filename, lease: "2 seconds" })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        const service = Context.get(context, Checkpoint.Checkpoint)
        yield* Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: "0" }), context)
        change(filename)
        let attempt = 0
        const failed = yield* Effect.repeat(
          Effect.delay(
            Effect.suspend(() =>
              Effect.exit(
                Effect.provide(Saga.execute(reserve().saga, undefined, { executionId: `${++attempt}` }), context)
              )
            ),
            "50 millis"
          ),
          { until: Exit.isFailure }
        )
        const error = failureOf(failed)
        expect(error).toMatchObject({ _tag: "CheckpointError", reason: "Unavailable" })
        expect((error as SagaError.CheckpointError).detail).toContain(`the file ${filename} was deleted or replaced`)
        // And it is so from then on, whatever is asked.
        expect(failureOf(yield* Effect.exit(service.load("0")))).toMatchObject({ reason: "Unavailable" })
        expect(lines.filter((line) => line.includes("was deleted or replaced")).length).toBe(1)
      }))
  }
})

describe("a SQLite file that is where it was", () => {
  const leasedOn = (filename: string) =>
    Effect.gen(function*() {
      const store = yield* SqliteCheckpoint.make({ filename })
      return { store, token: yield* store.acquire({ milliseconds: 60_000 }) }
    })

  it.scopedLive("is found by its relative name after the process has changed its directory", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const before = process.cwd()
      yield* Effect.addFinalizer(() => Effect.sync(() => process.chdir(before)))
      process.chdir(dirname(filename))
      const { store, token } = yield* leasedOn(basename(filename))
      process.chdir(before)
      expect(yield* store.renew(token)).toBe(true)
      expect(yield* store.append([commitOf({ executionId: "1", token })])).toEqual([true])
      // And its loss is noticed there, too.
      rmSync(filename)
      expect(failureOf(yield* Effect.exit(store.renew(token)))).toMatchObject({
        detail: expect.stringContaining(`the file ${filename} was deleted or replaced`)
      })
    }))

  it.scopedLive("and cannot be looked at for a while, is not taken for lost", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const directory = dirname(filename)
      const { store, token } = yield* leasedOn(filename)
      // A link to itself: an error that a superuser gets, too.
      renameSync(directory, `${directory}.away`)
      symlinkSync(directory, directory)
      const calls = {
        renew: store.renew(token),
        claim: store.claim("1", token),
        acquire: store.acquire({ milliseconds: 60_000 }),
        unfinished: Stream.runDrain(store.unfinished({ parked: false })),
        prune: store.prune({ milliseconds: 0 })
      }
      const exits = yield* Effect.all(
        Object.values<Effect.Effect<unknown, SagaError.CheckpointError>>(calls).map(Effect.exit)
      )
      rmSync(directory)
      renameSync(`${directory}.away`, directory)
      for (const exit of exits) {
        expect(failureOf(exit)).toMatchObject({
          _tag: "CheckpointError",
          reason: "Unavailable",
          detail: expect.stringMatching(`^the file ${filename} cannot be looked at: .*ELOOP`)
        })
      }
      expect(yield* store.renew(token)).toBe(true)
      expect(yield* store.append([commitOf({ executionId: "1", token })])).toEqual([true])
    }))

  for (const filename of ["", " ", "\t\n"]) {
    it.scopedLive(`has a name: ${JSON.stringify(filename)} is refused`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Layer.build(SqliteCheckpoint.layer({ filename })))
        expect(failureOf(exit)).toMatchObject({
          _tag: "CheckpointError",
          reason: "InvalidOption",
          operation: "open",
          detail: `filename is blank: name the file of the database, or ":memory:"`
        })
      }))
  }
})

/** As a backup is put back: another file of the same name. */
function replace(filename: string) {
  copyFileSync(filename, `${filename}.copy`)
  renameSync(`${filename}.copy`, filename)
}
