/** Executions are found, counted and read by anybody who has the store. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Redacted, Schedule, Schema, type Scope, Stream } from "effect"
import { Checkpoint, Executions, Journal, Saga, SagaError, Signal } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { commitOf } from "./support/commit.ts"
import { failureOf } from "./support/exit.ts"
import { describePostgres, freshClient, freshDatabase } from "./support/postgres.ts"
import { eventsOf } from "./support/store.ts"
import { makeWorld } from "./support/world.ts"

const Order = Schema.Struct({ customer: Schema.String, seats: Schema.NumberFromString, declined: Schema.Boolean })

/** Orders, found by their customer, and by their code if they have one. */
const orders = (name = "Order") => {
  const world = makeWorld()
  const saga = Saga.make(name, {
    input: Order,
    attributes: ({ input }) => ({
      customer: input.customer,
      seats: input.seats,
      code: input.customer === "Eve" ? undefined : `${input.customer}!`
    })
  })
    .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
    .final("charge", {
      success: Schema.Void,
      error: Schema.Literal("declined"),
      inDoubt: "park",
      action: ({ input }) => input.declined ? Effect.fail("declined" as const) : Effect.void
    })
    .build(() => undefined)
  const place = (executionId: string, customer: string, declined = false) =>
    Effect.exit(Saga.execute(saga, { customer, seats: 2, declined }, { executionId }))
  return { saga, place, world }
}

const idsOf = ({ executions }: Executions.Page) => executions.map(({ executionId }) => executionId)

const onEachStore = (layer: Layer.Layer<Checkpoint.Checkpoint, SagaError.CheckpointError>) => {
  it.scoped("are found by what their saga says of them, with their status and their times", () =>
    Effect.gen(function*() {
      const { place } = orders()
      yield* place("1", "Ada")
      yield* place("2", "Eve", true)
      yield* place("3", "Ada", true)
      const all = yield* Executions.list()
      expect(all.next).toEqual(Option.none())
      expect(all.executions.map(({ endedAt, startedAt, ...execution }) => ({
        ...execution,
        lasted: endedAt !== undefined && endedAt >= startedAt
      }))).toEqual([
        {
          executionId: "3",
          saga: "Order",
          version: 1,
          status: "Undone",
          attributes: { customer: "Ada", seats: 2, code: "Ada!" },
          lasted: true
        },
        {
          executionId: "2",
          saga: "Order",
          version: 1,
          status: "Undone",
          attributes: { customer: "Eve", seats: 2 },
          lasted: true
        },
        {
          executionId: "1",
          saga: "Order",
          version: 1,
          status: "Succeeded",
          attributes: { customer: "Ada", seats: 2, code: "Ada!" },
          lasted: true
        }
      ])
      expect(idsOf(yield* Executions.list({ attributes: { customer: "Ada" } }))).toEqual(["3", "1"])
      expect(idsOf(yield* Executions.list({ attributes: { customer: "Ada" }, status: "Undone" }))).toEqual(["3"])
      expect(idsOf(yield* Executions.list({ status: ["Succeeded", "Parked"], saga: "Order" }))).toEqual(["1"])
      expect(idsOf(yield* Executions.list({ since: new Date(Date.now() + 3_600_000) }))).toEqual([])
      expect(idsOf(yield* Executions.list({ attributes: { customer: "Eve", seats: 2 } }))).toEqual(["2"])
      expect(idsOf(yield* Executions.list({ attributes: { seats: "2" } }))).toEqual([])
    }).pipe(Effect.provide(layer)))

  it.scoped("are found by a time between two milliseconds as by the next of these", () =>
    Effect.gen(function*() {
      const { place } = orders()
      yield* place("1", "Ada")
      const startedAt = (yield* Executions.list()).executions[0]!.startedAt
      const found = (filter: Executions.Filter) => Effect.map(Executions.list(filter), idsOf)
      expect(yield* found({ since: startedAt - 0.5 })).toEqual(["1"])
      expect(yield* found({ since: startedAt + 0.5 })).toEqual([])
      expect(yield* found({ until: startedAt + 0.5 })).toEqual(["1"])
      expect(yield* found({ until: startedAt - 0.5 })).toEqual([])
    }).pipe(Effect.provide(layer)))

  it.scoped("come in pages that have each of them once, and as a stream", () =>
    Effect.gen(function*() {
      const { place } = orders()
      const ids = ["1", "2", "3", "4", "5"]
      for (const id of ids) yield* place(id, "Ada")
      const seen: Array<ReadonlyArray<string>> = []
      let cursor: string | undefined
      do {
        const page = yield* Executions.list({ cursor, limit: 2, attributes: { customer: "Ada" } })
        seen.push(idsOf(page))
        cursor = Option.getOrUndefined(page.next)
      } while (cursor !== undefined)
      expect(seen).toEqual([["5", "4"], ["3", "2"], ["1"]])
      const whole = yield* Executions.list({ limit: 5 })
      expect([idsOf(whole).length, whole.next]).toEqual([5, Option.none()])
      const first = Option.getOrThrow((yield* Executions.list({ limit: 1 })).next)
      const rest = yield* Stream.runCollect(Executions.stream({ saga: "Order", cursor: first }))
      expect(Chunk.toReadonlyArray(rest).map(({ executionId }) => executionId)).toEqual(["4", "3", "2", "1"])
    }).pipe(Effect.provide(layer)))

  it.scoped("are streamed page by page, however many there are", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const token = yield* store.token
      yield* Effect.forEach(
        Array.from({ length: 1101 }, (_, index) => `e${index}`),
        (executionId) => store.append(commitOf({ executionId, token, status: "Parked" })),
        { concurrency: "unbounded", discard: true }
      )
      const streamed = yield* Stream.runCollect(Executions.stream({ status: "Parked" }))
      expect(new Set(Chunk.map(streamed, ({ executionId }) => executionId)).size).toBe(1101)
      expect(streamed.length).toBe(1101)
    }).pipe(Effect.provide(layer)))

  it.scoped("are counted by saga and status", () =>
    Effect.gen(function*() {
      const { place } = orders()
      yield* place("1", "Ada")
      yield* place("2", "Ada")
      yield* place("3", "Ada", true)
      yield* orders("Another").place("4", "Ada")
      expect(yield* Executions.count()).toEqual([
        { saga: "Another", status: "Succeeded", count: 1 },
        { saga: "Order", status: "Succeeded", count: 2 },
        { saga: "Order", status: "Undone", count: 1 }
      ])
      expect(yield* Executions.count({ saga: "Another" })).toEqual([{ saga: "Another", status: "Succeeded", count: 1 }])
      expect(yield* Executions.count({ saga: "Nothing" })).toEqual([])
    }).pipe(Effect.provide(layer)))

  it.scoped("tell what happened to them, event by event", () =>
    Effect.gen(function*() {
      const { place } = orders()
      yield* place("1", "Ada", true)
      const events = yield* Executions.history("1")
      expect(events.map((event) => "step" in event ? `${event._tag} ${event.step}` : event._tag)).toEqual([
        "Started",
        "StepStarted hotel",
        "StepSucceeded hotel",
        "StepStarted charge",
        "StepFailed charge",
        "UnwindingStarted",
        "CompensationStarted hotel",
        "CompensationSucceeded hotel",
        "Finished"
      ])
      expect(events).toEqual(yield* eventsOf(yield* Checkpoint.Checkpoint, "1"))
      expect(events[0]).toMatchObject({ saga: "Order", input: { customer: "Ada", seats: "2" } })
    }).pipe(Effect.provide(layer)))

  it.scoped("are reported on without their definition as with it", () =>
    Effect.gen(function*() {
      const step = { success: Schema.Void, action: () => Effect.void, compensate: () => Effect.void }
      const inner = Saga.make("Inner").compensatable(`a "quoted" name`, step).build(() => undefined)
      const line = Saga.make("Line", { input: Schema.String })
        .parallel((branch) => branch.compensatable("reserve", step).compensatable("pack", step))
        .build(() => undefined)
      const saga = Saga.make("Outer", { version: 3 })
        .readOnly("look", { success: Schema.Void, action: () => Effect.void })
        .parallel((branch) => branch.compensatable("left", step).saga("inner", inner, { input: () => undefined }))
        .wait(`a "quoted" wait`, Signal.make("go", { success: Schema.String }), {
          timeout: 0,
          onTimeout: { value: "late" }
        })
        .sleep("nap", 0)
        .forEach("lines", { items: () => ["A", `"$&`], key: (line) => line, step: line })
        .compensatable("never", { ...step, when: () => false })
        .final("charge", {
          success: Schema.Void,
          error: Schema.String,
          inDoubt: "park",
          action: () => Effect.fail("declined")
        })
        .final("email", { success: Schema.Void, inDoubt: "retry", action: () => Effect.void })
        .build(() => undefined)
      yield* Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
      const report = yield* Executions.inspect("1")
      expect(report).toEqual(yield* Saga.inspect(saga, "1"))
      expect(report.steps.map(({ status, step }) => `${step}: ${status}`)).toEqual([
        "look: Succeeded",
        "left: Succeeded",
        `inner/a "quoted" name: Succeeded`,
        `a "quoted" wait: Succeeded`,
        "nap: Succeeded",
        "lines/A/reserve: Succeeded",
        "lines/A/pack: Succeeded",
        `lines/"$&/reserve: Succeeded`,
        `lines/"$&/pack: Succeeded`,
        "never: Skipped",
        "charge: Failed",
        "email: NotStarted"
      ])
      expect(yield* Effect.flip(Executions.inspect("2"))).toMatchObject({ _tag: "ExecutionNotFound", executionId: "2" })
    }).pipe(Effect.provide(layer)))
}

const sqlite = Layer.provide(SqlCheckpoint.layer(), Layer.orDie(SqliteClient.layer({ filename: ":memory:" })))

describe("executions in memory", () => onEachStore(Checkpoint.layerMemory))
describe("executions on SQLite", () => onEachStore(sqlite))
describePostgres("executions", () => onEachStore(Layer.provide(SqlCheckpoint.layer(), freshClient)))

describe("a history", () => {
  it.effect("of an unknown id is none, nor of one that cannot be stored", () =>
    Effect.gen(function*() {
      for (const executionId of ["unknown", "", "a\0b", "\ud800"]) {
        const error = yield* Effect.flip(Executions.history(executionId))
        expect(error).toMatchObject({ _tag: "ExecutionNotFound", executionId })
      }
      expect((yield* Effect.flip(Executions.history("17"))).message).toBe("no execution 17 is stored")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("that cannot be read is reported, with the place", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const token = yield* store.token
      yield* store.append(commitOf({ executionId: "1", token, body: "{" }))
      yield* store.append(commitOf({
        executionId: "2",
        token,
        body: Journal.encodeCommit([{ _tag: "Finished", result: "Undone", at: 0 }])
      }))
      expect(yield* Effect.flip(Executions.history("1"))).toMatchObject({ _tag: "JournalCorrupt", executionId: "1" })
      expect((yield* Effect.flip(Executions.history("2"))).message).toContain("does not begin with Started")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("a query that is none is refused, typed and in a sentence, and the store is not asked", () => {
  const queries: Record<string, readonly [options: any, problem: string]> = {
    "limit NaN": [{ limit: NaN }, "limit is NaN, and must be a whole number from 1 to 1000"],
    "limit 0": [{ limit: 0 }, "limit is 0,"],
    "limit 1e9": [{ limit: 1e9 }, "limit is 1000000000,"],
    "limit 1.5": [{ limit: 1.5 }, "limit is 1.5,"],
    "a status that nobody knows": [{ status: "Done" }, `"Done" is no status: there are "Running", "Unwinding",`],
    "a status among others": [{ status: ["Undone", undefined] }, "undefined is no status"],
    "no status at all": [{ status: [] }, "status is an empty list"],
    "since after until": [
      { since: 2000, until: 1000 },
      "since (1970-01-01T00:00:02.000Z) is after until (1970-01-01T00:00:01.000Z)"
    ],
    "a date that is none": [{ since: new Date("yesterday") }, "since is NaN"],
    "a time that is text": [{ until: "2026-01-01" }, `until is "2026-01-01"`],
    "an attribute without a value": [{ attributes: { customer: undefined } }, `attribute "customer" is undefined`],
    "an attribute that is an object": [{ attributes: { customer: {} } }, `attribute "customer" is an object`],
    "attributes that are still to come": [
      { attributes: Promise.resolve({ customer: "Ada" }) },
      "attributes is a promise"
    ],
    "attributes that are a map": [{ attributes: new Map([["customer", "Ada"]]) }, "attributes is a collection"],
    "attributes that are text": [{ attributes: "customer" }, `attributes is "customer"`],
    "an attribute that is no number": [{ attributes: { seats: NaN } }, `attribute "seats" is NaN`],
    "a saga's name with U+0000": [{ saga: "a\0b" }, `"a\\u0000b" is no name of a saga`],
    "a saga": [{ saga: orders().saga }, "an object is no name of a saga"]
  }
  for (const [name, [options, problem]] of Object.entries(queries)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const none = {} as Checkpoint.Service
        const error = yield* Effect.flip(Effect.provideService(Executions.list(options), Checkpoint.Checkpoint, none))
        expect(error._tag).toBe("InvalidQuery")
        expect(error.message).toContain(`executions cannot be asked for so: ${problem}`)
        expect(error.message).toContain("The store was not asked: mend the query")
      }))
  }

  it.effect("by a stream too, and by a count", () =>
    Effect.gen(function*() {
      const streamed = Stream.runDrain(Executions.stream({ status: [] }))
      expect(yield* Effect.flip(streamed)).toMatchObject({ _tag: "InvalidQuery" })
      expect(yield* Effect.flip(Executions.count({ saga: "" }))).toMatchObject({ _tag: "InvalidQuery" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  for (const cursor of ["", "17", "a", "aZ", "a01", "azzzzzzzzzzz", "b1", "a1 ", "' OR 1"]) {
    it.effect(`a cursor that is none: ${JSON.stringify(cursor)}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Executions.list({ cursor }))
        expect(error._tag).toBe("InvalidQuery")
        expect(error.message).toContain(`the cursor ${JSON.stringify(cursor)} is none that a page has given`)
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }
})

describe("attributes that cannot be stored fail the start, and nothing is stored or done", () => {
  const long = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`a${index}`, index]))
  const refused: Record<string, readonly [attributes: () => any, problem: string]> = {
    "an object": [() => ({ customer: { name: "Ada" } }), `attribute "customer" is an object`],
    "a bigint": [() => ({ seats: 1n }), `attribute "seats" is a bigint`],
    "null": [() => ({ seats: null }), `attribute "seats" is null`],
    "a number that is none": [() => ({ seats: NaN }), `attribute "seats" is NaN, and must be a finite number`],
    "text that is too long": [
      () => ({ text: "x".repeat(401) }),
      `attribute "text" has 401 characters, and may have 400`
    ],
    "text with U+0000": [() => ({ text: "a\0" }), `attribute "text" is no well-formed text, or holds U+0000`],
    "half a character": [() => ({ text: "\ud83d" }), `attribute "text" is no well-formed text`],
    "too many": [() => long, "they are 33, and may be 32"],
    "an empty name": [() => ({ "": 1 }), `"" is no name of an attribute`],
    "a long name": [() => ({ ["n".repeat(65)]: 1 }), "is no name of an attribute"],
    "no object": [() => "Ada", `they are "Ada", and must be an object of plain values`],
    "an array": [() => ["Ada"], "they are an array"],
    "a promise": [async () => ({ customer: "Ada" }), "they are a promise, and must be an object of plain values"],
    "a promise that fails": [() => Promise.reject(new Error("no customer")), "they are a promise"],
    "an effect": [() => Effect.succeed({ customer: "Ada" }), "they are an effect"],
    "a map": [() => new Map([["customer", "Ada"]]), "they are a collection"],
    "a date": [() => new Date(0), "they are a date"],
    "a function that throws": [
      () => {
        throw new TypeError("no customer")
      },
      "the function that makes them threw TypeError: no customer"
    ]
  }
  for (const [name, [attributes, problem]] of Object.entries(refused)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        const saga = Saga.make("Refused", { attributes })
          .compensatable("hotel", {
            success: Schema.String,
            action: world.do("hotel"),
            compensate: world.undo("hotel")
          })
          .build()
        const once = { executionId: "1" }
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown, Checkpoint.Checkpoint>> = [
          Saga.execute(saga, undefined, once),
          Saga.start(saga, undefined, once),
          Saga.enqueue(saga, undefined, once)
        ]
        for (const call of calls) {
          const error = failureOf(yield* Effect.exit(call)) as SagaError.NotStorable
          expect(error._tag).toBe("NotStorable")
          expect(error.message).toContain(`its attributes cannot be stored: `)
          expect(error.message).toContain(problem)
          expect(error.message).toContain("The journal of execution 1 of Refused is as it was")
        }
        expect(world.log).toEqual([])
        expect(idsOf(yield* Executions.list())).toEqual([])
        // In process nobody asks.
        yield* Saga.run(saga)
        expect(world.log).toEqual(["+hotel"])
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }

  it.effect("and an error of theirs does not quote an input that holds a secret", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Secret", {
        input: Schema.Struct({ card: Schema.Redacted(Schema.String) }),
        attributes: ({ input }) => {
          throw new Error(`what is ${Redacted.value(input.card)}?`)
        }
      }).readOnly("look", { success: Schema.Void, action: () => Effect.void }).build(() => undefined)
      const error = failureOf(
        yield* Effect.exit(Saga.execute(saga, { card: Redacted.make("4711") }, { executionId: "1" }))
      )
      expect(String(error)).toContain("the function that makes them threw Error")
      expect(String(error)).not.toContain("4711")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

describe("attributes", () => {
  it.effect("are asked for once, when an execution starts, of the input as it is stored", () =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const world = makeWorld()
      const saga = Saga.make("Asked", {
        input: Schema.Struct({ at: Schema.DateFromString }),
        attributes: ({ input }) => {
          asked.push(input.at)
          return { year: input.at.getUTCFullYear() }
        }
      })
        .compensatable("hotel", { success: Schema.String, action: world.do("hotel"), compensate: world.undo("hotel") })
        .build()
      const at = new Date(Date.UTC(2026, 10, 27))
      yield* Saga.execute(saga, { at }, { executionId: "1" })
      yield* Saga.execute(saga, { at }, { executionId: "1" })
      yield* Saga.resume(saga, "1")
      expect(asked).toEqual([at])
      expect(asked[0]).not.toBe(at)
      const { executions } = yield* Executions.list({ attributes: { year: 2026 } })
      expect(executions.map(({ attributes }) => attributes)).toEqual([{ year: 2026 }])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of a nested saga are not asked for", () =>
    Effect.gen(function*() {
      const { saga } = orders("Inner")
      const outer = Saga.make("Outer", { attributes: () => ({ kind: "outer" }) })
        .saga("inner", saga, { input: () => ({ customer: "Ada", seats: 1, declined: false }) })
        .build(() => undefined)
      yield* Saga.execute(outer, undefined, { executionId: "1" })
      expect((yield* Executions.list()).executions[0]?.attributes).toEqual({ kind: "outer" })
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

/** What somebody sees who looks into the database. */
const theView = (
  client: Layer.Layer<SqlClient.SqlClient>,
  timeOf: (value: any) => number
) =>
  it.scoped("shows each execution, its times as such, and who drives it", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SqlCheckpoint.make()
      const token = yield* store.acquire({ milliseconds: 60_000 })
      yield* store.append(
        ["done", "open", "parked"].map((executionId) =>
          commitOf({ executionId, token, attributes: executionId === "open" ? { customer: "Ada" } : undefined })
        )
      )
      yield* store.append([
        commitOf({ executionId: "done", sequence: 1, status: "Undone", token }),
        commitOf({ executionId: "parked", sequence: 1, status: "Parked", token })
      ])
      const listed = yield* store.list({
        saga: undefined,
        statuses: undefined,
        attributes: undefined,
        since: undefined,
        until: undefined,
        before: undefined,
        limit: 10
      })
      const rows: ReadonlyArray<any> = yield* sql`SELECT * FROM effect_saga_executions ORDER BY id DESC`
      expect(
        rows.map(({ ended_at, execution_id, id, saga, started_at, status, version }) => ({
          number: Number(id),
          executionId: execution_id,
          saga,
          version: Number(version),
          status,
          startedAt: timeOf(started_at),
          endedAt: ended_at === null ? undefined : timeOf(ended_at)
        }))
      ).toEqual(listed.map(({ attributes: _attributes, ...execution }) => execution))
      const rowOf = (executionId: string) => rows.find(({ execution_id }) => execution_id === executionId)
      expect(timeOf(rowOf("open").leased_until)).toBeGreaterThan(listed[0]!.startedAt)
      expect(Number(rowOf("open").lease)).toBe(token)
      expect(rowOf("done").leased_until).toBe(null)
      expect(rowOf("parked").lease).toBe(null)
      const attributes = rowOf("open").attributes
      expect(typeof attributes === "string" ? JSON.parse(attributes) : attributes).toEqual({ customer: "Ada" })
      expect(rowOf("done").attributes).toBe(null)
    }).pipe(Effect.provide(client)))

/** Executions whose times are known, because the test has set them. */
const byTime = (client: Layer.Layer<SqlClient.SqlClient>) =>
  it.scoped("are found by the time at which they started, to the millisecond", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SqlCheckpoint.make()
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const ids = Array.from({ length: 50 }, (_, index) => `e${index}`)
      for (const [index, executionId] of ids.entries()) {
        yield* store.append([commitOf({ executionId, token, status: index % 2 === 0 ? "Parked" : "Succeeded" })])
      }
      const [{ first }] = (yield* sql`SELECT MIN(id) AS first FROM effect_saga_execution`) as any
      yield* sql`UPDATE effect_saga_execution SET started_at = 1000000000 + 40000 * (id - ${Number(first)})`
      // Some were deleted.
      yield* sql`DELETE FROM effect_saga_execution WHERE execution_id IN ('e20', 'e21', 'e22', 'e30')`
      const left = ids.filter((id) => !["e20", "e21", "e22", "e30"].includes(id))
      const timeOf = (id: string) => 1_000_000_000 + 40_000 * Number(id.slice(1))
      const service = yield* Checkpoint.make(store)
      for (const status of [undefined, ["Parked", "Succeeded"] as const]) {
        for (const since of [undefined, 0, 1_000_000_000, 1_000_400_000, 1_000_400_001, 1_000_840_000, 2_000_000_000]) {
          for (const until of [1_000_399_999, 1_000_400_001, 1_001_200_000, 1_001_960_000, undefined]) {
            if ((since ?? 0) > (until ?? Infinity)) continue
            const page = yield* Effect.provideService(
              Executions.list({ since, until, status }),
              Checkpoint.Checkpoint,
              service
            )
            expect(idsOf(page)).toEqual(
              left.filter((id) => timeOf(id) >= (since ?? 0) && timeOf(id) < (until ?? Infinity)).reverse()
            )
          }
        }
      }
    }).pipe(Effect.provide(client)))

describe("in a SQLite file, executions", () => {
  const client = Layer.orDie(SqliteClient.layer({ filename: ":memory:" }))
  theView(client, (text: string) => Date.parse(text))
  byTime(client)
})

describePostgres("executions in its tables", () => {
  theView(freshClient, (time: Date) => time.getTime())
  byTime(freshClient)

  it.scopedLive("are counted in rows that are summed up, so that a count stays fast", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const open = (scope: Scope.Scope) =>
        Effect.flatMap(
          Layer.buildWithScope(Layer.orDie(PgClient.layer({ url: Redacted.make(url) })), scope),
          (client) => Effect.provide(SqlCheckpoint.make(), client)
        )
      const store = yield* Effect.flatMap(Effect.scope, open)
      const sql = yield* Effect.map(
        Layer.build(Layer.orDie(PgClient.layer({ url: Redacted.make(url) }))),
        (context) => Effect.provide(SqlClient.SqlClient, context)
      ).pipe(Effect.flatten)
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const ids = Array.from({ length: 1200 }, (_, index) => `e${index}`)
      // Each in a statement of its own.
      yield* Effect.forEach(ids, (executionId, index) =>
        store.append([commitOf({ executionId, token, status: index % 3 === 0 ? "Undone" : "Succeeded" })]), {
        concurrency: 4
      })
      const rows = Effect.map(sql`SELECT COUNT(*) AS n FROM effect_saga_count`, ([row]) =>
        Number((row as any).n))
      const counts = [{ saga: "Trip", status: "Succeeded", count: 800 }, { saga: "Trip", status: "Undone", count: 400 }]
      const counted = Effect.map(
        store.count(undefined),
        (counts) =>
          [...counts].sort((one, other) =>
            one.count < other.count ? 1 : -1
          )
      )
      expect(yield* rows).toBe(1200)
      expect(yield* counted).toEqual(counts)
      // Another process that opens the database sums them up.
      yield* Effect.flatMap(Effect.scope, open)
      expect(yield* Effect.repeat(rows, { until: (n) => n <= 2, schedule: Schedule.spaced("20 millis") })).toBeDefined()
      expect(yield* rows).toBe(2)
      expect(yield* counted).toEqual(counts)
      yield* store.append([commitOf({ executionId: "one more", token, status: "Undone" })])
      yield* store.prune({ milliseconds: -1000 })
      expect(yield* counted).toEqual([])
    }))
})
