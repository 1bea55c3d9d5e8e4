/** The command line, as its users start it: a process, with a store that an application has left. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, LogLevel, Redacted, Schema } from "effect"
import { type Checkpoint, Executions, Saga, type SagaError, Worker } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as chain from "../src/cli/chain.ts"
import { bundle } from "./support/bundle.ts"
import { describePostgres, freshDatabase } from "./support/postgres.ts"

const program = await bundle(new URL("../src/cli/bin.ts", import.meta.url), { packages: "external" })
afterAll(() => rmSync(program))

const run = (...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number | null; readonly out: string; readonly err: string }>((resume) => {
    const { EFFECT_SAGA_POSTGRES: _, EFFECT_SAGA_SQLITE: __, ...env } = process.env
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...env, LC_ALL: "C.UTF-8" }
    })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk) => out += chunk)
    child.stderr.on("data", (chunk) => err += chunk)
    child.on("close", (code) => resume(Effect.succeed({ code, out, err })))
  })

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-cli-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const order = Saga.make("Order", {
  input: Schema.Struct({ customer: Schema.String, declined: Schema.Boolean }),
  attributes: ({ input }) => ({ customer: input.customer })
})
  .compensatable("stock", {
    success: Schema.String,
    action: ({ input }) => Effect.succeed(`for ${input.customer}`),
    compensate: ({ output }) => output === "for Eve" ? Effect.fail("down") : Effect.void
  })
  .final("charge", {
    success: Schema.String,
    error: Schema.String,
    action: ({ input }) => input.declined ? Effect.fail("declined") : Effect.succeed("paid"),
    inDoubt: "park"
  })
  .build()

/** Ada's order succeeded, Bob's was undone, Eve's is parked, and Kim's waits for a worker. */
const orders = Effect.gen(function*() {
  const execute = (customer: string, declined: boolean) =>
    Effect.exit(Saga.execute(order, { customer, declined }, { executionId: `order-of-${customer}` }))
  yield* execute("Ada", false)
  yield* execute("Bob", true)
  yield* execute("Eve", true)
  yield* Saga.enqueue(order, { customer: "Kim", declined: false }, { executionId: "order-of-Kim" }).pipe(
    Effect.provide(Logger.minimumLogLevel(LogLevel.None))
  )
})

const opened = Effect.gen(function*() {
  const filename = join(yield* directory, "journal.db")
  const layer = SqliteCheckpoint.layer({ filename })
  yield* Effect.provide(orders, layer)
  return {
    filename,
    layer,
    cli: (command: string, ...args: ReadonlyArray<string>) => run(command, "--sqlite", filename, ...args)
  }
})

const firstWords = (out: string) => out.trimEnd().split("\n").map((line) => line.split(/\s+/)[0])
const idsOf = (out: string): ReadonlyArray<string> =>
  out.trimEnd().split("\n").map((line) => (JSON.parse(line) as { executionId: string }).executionId)

describe("the command line", () => {
  it.scopedLive("says what waits for a person and why, by its exit code too", () =>
    Effect.gen(function*() {
      const { cli } = yield* opened
      const { code, out } = yield* cli("parked")
      expect(code).toBe(3)
      expect(out).toContain(
        `Order is parked (PartlyUndone): the compensation of "stock" failed with down; it was unwound because step "charge" failed with declined`
      )
      expect(firstWords(out)).toEqual(["order-of-Eve"])
      expect(yield* cli("parked", "--saga", "Other")).toMatchObject({ code: 0, out: "nothing is parked\n" })
    }), 120_000)

  it.scopedLive("lists, counts and finds executions", () =>
    Effect.gen(function*() {
      const { cli } = yield* opened
      expect(firstWords((yield* cli("list")).out)).toEqual([
        "order-of-Kim",
        "order-of-Eve",
        "order-of-Bob",
        "order-of-Ada"
      ])
      expect(idsOf((yield* cli("list", "--json", "--status", "Undone", "--status", "Parked")).out))
        .toEqual(["order-of-Eve", "order-of-Bob"])
      expect(idsOf((yield* cli("list", "--json", "--attribute", "customer=Ada")).out)).toEqual(["order-of-Ada"])
      const first = yield* cli("list", "--limit", "3")
      const cursor = /more with --cursor (\S+)/.exec(first.out)?.[1]
      expect(firstWords((yield* cli("list", "--limit", "3", "--cursor", cursor ?? "")).out)).toEqual(["order-of-Ada"])
      expect((yield* cli("count")).out.trimEnd().split("\n").map((line) => line.split(/\s+/))).toEqual([
        ["Order", "Parked", "1"],
        ["Order", "Running", "1"],
        ["Order", "Succeeded", "1"],
        ["Order", "Undone", "1"]
      ])
    }), 120_000)

  it.scopedLive("shows an execution, and its journal", () =>
    Effect.gen(function*() {
      const { cli, layer } = yield* opened
      const shown = yield* cli("show", "order-of-Bob")
      expect(shown.out.split("\n")[0]).toBe(`Order was undone: step "charge" failed with declined`)
      expect(JSON.parse((yield* cli("show", "order-of-Eve", "--json")).out)).toMatchObject({
        status: "Parked",
        stands: ["stock"]
      })
      const events = (yield* cli("history", "order-of-Ada", "--json")).out.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      )
      expect(events).toEqual(yield* Effect.provide(Executions.history("order-of-Ada"), layer))
    }), 120_000)

  it.scopedLive("cancels an execution, which the next worker undoes", () =>
    Effect.gen(function*() {
      const { cli, layer } = yield* opened
      expect(yield* cli("cancel", "order-of-Kim", "--by", "clerk 4", "--reason", "a test")).toMatchObject({ code: 0 })
      const error = yield* Effect.flip(Saga.await(order, "order-of-Kim")).pipe(
        Effect.provide(Worker.layer([order])),
        Effect.provide(Logger.minimumLogLevel(LogLevel.None)),
        Effect.provide(layer)
      )
      expect(error).toMatchObject({ _tag: "Cancelled", by: "clerk 4", reason: "a test" })
      const late = yield* cli("cancel", "order-of-Ada", "--by", "clerk 4")
      expect(late).toMatchObject({ code: 1, out: "" })
      expect(late.err).toContain("execution order-of-Ada was not cancelled: it has ended")
    }), 120_000)

  it.scopedLive(
    "exports journals so that a line which was changed, left out or moved is found",
    () =>
      Effect.gen(function*() {
        const { cli, filename } = yield* opened
        const { err, out } = yield* cli("export")
        const file = `${filename}.jsonl`
        const verify = (text: string) =>
          Effect.zipRight(Effect.sync(() => writeFileSync(file, text)), run("verify", file))
        const whole = yield* verify(out)
        expect(whole.code).toBe(0)
        const last = /the last hash is ([0-9a-f]{64})/.exec(err)?.[1]
        expect(whole.out).toBe(`${out.trimEnd().split("\n").length} lines hold; the last hash is ${last}\n`)
        const lines = out.trimEnd().split("\n")
        expect(chain.verify(lines)).toEqual({ lines: lines.length, last })
        const at = (index: number, line: string) => lines.map((other, place) => place === index ? line : other)
        expect(chain.verify(at(2, lines[2]!.replace(`"_tag":"`, `"_tag":"Re`)))).toEqual({
          line: 3,
          problem: "it was changed"
        })
        const twice = lines[2]!.replace(`{"executionId":`, `{"executionId":"another","executionId":`)
        expect(chain.verify(at(2, twice))).toEqual({ line: 3, problem: "it was changed" })
        expect(chain.verify(lines.slice(0, -1), last)).toMatchObject({ line: lines.length - 1 })
        expect(chain.verify([], last)).toMatchObject({ line: 0 })
        const moved = "the line before it is another one"
        expect(chain.verify(lines.filter((_, place) => place !== 3))).toEqual({ line: 4, problem: moved })
        expect(chain.verify([lines[0]!, lines[2]!, lines[1]!])).toEqual({ line: 2, problem: moved })
        expect(chain.verify(at(0, "{}"))).toEqual({ line: 1, problem: "it is no line of an export" })
        const { code, err: problem } = yield* verify(lines.slice(1).join("\n"))
        expect([code, problem]).toEqual([1, `line 1 does not hold: ${moved}\n`])
        expect(idsOf((yield* cli("export", "order-of-Bob")).out).every((id) => id === "order-of-Bob")).toBe(true)
      }),
    120_000
  )

  it.scopedLive(
    "refuses what it cannot do in a sentence, and makes no file and no table",
    () =>
      Effect.gen(function*() {
        const { cli, filename } = yield* opened
        expect(yield* run("list")).toMatchObject({
          code: 1,
          err: "no store is named: give --sqlite FILE or --postgres URL\n"
        })
        expect(yield* cli("show", "nobody")).toMatchObject({ code: 1, err: "no execution nobody is stored\n" })
        expect((yield* cli("list", "--cursor", "x")).err).toContain("is none that a page has given")
        const missing = yield* run("list", "--sqlite", `${filename}-of-nobody`)
        expect(missing).toMatchObject({ code: 1, out: "" })
        expect(missing.err).toContain("unable to open database file")
        expect(existsSync(`${filename}-of-nobody`)).toBe(false)
        const foreign = `${filename}-foreign`
        writeFileSync(foreign, "")
        expect((yield* run("list", "--sqlite", foreign)).err).toContain("has no tables of effect-saga")
        expect(readFileSync(foreign, "utf8")).toBe("")
      }),
    120_000
  )
})

describePostgres("the command line", () => {
  it.scopedLive("reads what is in the database, and makes no table in another one", () =>
    Effect.gen(function*() {
      const url = yield* freshDatabase
      const empty = yield* run("list", "--postgres", url)
      expect([empty.code, empty.err]).toEqual([1, expect.stringContaining("the database has no tables of effect-saga")])
      const layer: Layer.Layer<Checkpoint.Checkpoint, SagaError.CheckpointError> = SqlCheckpoint.layer().pipe(
        Layer.provide(Layer.orDie(PgClient.layer({ url: Redacted.make(url) })))
      )
      yield* Effect.provide(orders, layer)
      expect(firstWords((yield* run("list", "--postgres", url)).out)).toEqual([
        "order-of-Kim",
        "order-of-Eve",
        "order-of-Bob",
        "order-of-Ada"
      ])
      expect((yield* run("parked", "--postgres", url)).code).toBe(3)
    }), 120_000)
})
