/// <reference types="node" />
/** The commands. They read and cancel executions, and need no code of the sagas. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import { Chunk, Clock, Console, Effect, HashMap, Option, Stream } from "effect"
import * as Executions from "../executions/Executions.ts"
import { Status } from "../Journal.ts"
import * as SagaReport from "../report/SagaReport.ts"
import { detected } from "../report/terminal.ts"
import * as Timeline from "../report/Timeline.ts"
import * as Saga from "../Saga.ts"
import * as chain from "./chain.ts"
import { eventRow, executionRow, table } from "./render.ts"
import { store, Usage, withStore } from "./store.ts"

/** The exit code that says that something is parked. */
export const somethingIsParked = 3

const executionId = Args.text({ name: "ID" }).pipe(Args.withDescription("the id of the execution"))

const json = Options.boolean("json").pipe(Options.withDescription("JSON, a line for each"))

const watch = Options.boolean("watch").pipe(
  Options.withDescription("looks again every two seconds, until it is interrupted")
)

const filter = {
  saga: Options.text("saga").pipe(Options.withDescription("those of this saga"), Options.optional),
  status: Options.choice("status", Status.literals).pipe(
    Options.withDescription("those of this status; several may be given"),
    Options.repeated
  ),
  attribute: Options.keyValueMap("attribute").pipe(
    Options.withDescription("those with this attribute, as name=value; several may be given"),
    Options.optional
  ),
  since: Options.date("since").pipe(Options.withDescription("those that started then or later"), Options.optional),
  until: Options.date("until").pipe(Options.withDescription("those that started before"), Options.optional)
}

interface Given {
  readonly saga: Option.Option<string>
  readonly status: ReadonlyArray<typeof Status.Type>
  readonly attribute: Option.Option<HashMap.HashMap<string, string>>
  readonly since: Option.Option<Date>
  readonly until: Option.Option<Date>
}

/** A value as the attribute may have it: `5` and `true` are a number and a truth, `"5"` is the text. */
const valueOf = (text: string): string | number | boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : text
  } catch {
    return text
  }
}

const filterOf = ({ attribute, saga, since, status, until }: Given): Executions.Filter => ({
  saga: Option.getOrUndefined(saga),
  status: status.length === 0 ? undefined : status,
  attributes: Option.getOrUndefined(
    Option.map(attribute, (given) => Object.fromEntries(Array.from(given, ([name, value]) => [name, valueOf(value)])))
  ),
  since: Option.getOrUndefined(since),
  until: Option.getOrUndefined(until)
})

/** Says something once, or every two seconds on a terminal that is cleared before. */
const repeatedly = <E, R>(watch: boolean, say: Effect.Effect<string, E, R>): Effect.Effect<void, E, R> => {
  if (!watch) return Effect.flatMap(say, (text) => text === "" ? Effect.void : Console.log(text))
  const clear = process.stdout.isTTY ? "\u001b[2J\u001b[H" : ""
  const once = Effect.flatMap(say, (text) => Console.log(clear + text))
  return Effect.forever(Effect.zipRight(once, Effect.sleep("2 seconds")))
}

const lines = (values: ReadonlyArray<unknown>): string => values.map((value) => JSON.stringify(value)).join("\n")

const list = Command.make(
  "list",
  {
    store,
    json,
    watch,
    ...filter,
    limit: Options.integer("limit").pipe(
      Options.withDescription("how many at most, 1 to 1000"),
      Options.withDefault(100)
    ),
    cursor: Options.text("cursor").pipe(Options.withDescription("where the page before ended"), Options.optional)
  },
  ({ cursor, json, limit, store, watch, ...given }) =>
    withStore(
      store,
      repeatedly(
        watch,
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const page = yield* Executions.list({ ...filterOf(given), limit, cursor: Option.getOrUndefined(cursor) })
          if (json) return lines(page.executions)
          if (page.executions.length === 0) return "no execution fits"
          const more = Option.match(page.next, { onNone: () => "", onSome: (next) => `\nmore with --cursor ${next}` })
          return table(page.executions.map((execution) => executionRow(execution, now))) + more
        })
      )
    )
).pipe(Command.withDescription("Lists stored executions, the last that started first."))

const count = Command.make(
  "count",
  { store, json, watch, saga: filter.saga },
  ({ json, saga, store, watch }) =>
    withStore(
      store,
      repeatedly(
        watch,
        Effect.map(Executions.count({ saga: Option.getOrUndefined(saga) }), (counts) =>
          json
            ? lines(counts)
            : counts.length === 0
            ? "no execution is stored"
            : table(counts.map(({ count, saga, status }) => [saga, status, String(count)])))
      )
    )
).pipe(Command.withDescription("Counts stored executions by saga and status."))

const parked = Command.make(
  "parked",
  { store, json, watch, saga: filter.saga },
  ({ json, saga, store, watch }) =>
    withStore(
      store,
      repeatedly(
        watch,
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const found = yield* Stream.runCollect(
            Executions.stream({ saga: Option.getOrUndefined(saga), status: "Parked" })
          )
          const reports = yield* Effect.forEach(Chunk.reverse(found), (execution) =>
            Effect.map(Executions.inspect(execution.executionId), (report) => ({ execution, report })))
          // A watch that goes on says it by its last look.
          yield* Effect.sync(() =>
            process.exitCode = reports.length === 0 ? 0 : somethingIsParked
          )
          if (json) {
            return lines(reports.map(({ execution, report }) => ({ ...execution, report: SagaReport.toJson(report) })))
          }
          return reports.length === 0
            ? "nothing is parked"
            : table(reports.map(({ execution, report }) => [
              execution.executionId,
              `${execution.saga} v${execution.version}`,
              ...executionRow(execution, now).slice(3, 5),
              report.summary
            ]))
        })
      )
    )
).pipe(Command.withDescription(
  `Lists the executions that wait for a person, the oldest first, and why. The exit code is ${somethingIsParked} if there are any.`
))

const show = Command.make(
  "show",
  { store, json, watch, executionId },
  ({ executionId, json, store, watch }) =>
    withStore(
      store,
      repeatedly(
        watch,
        Effect.flatMap(Executions.inspect(executionId), (report) =>
          json
            ? Effect.succeed(JSON.stringify(SagaReport.toJson(report)))
            : Effect.map(detected, (options) => Timeline.pretty(report, options)))
      )
    )
).pipe(Command.withDescription("Shows what is recorded of each step and compensation of an execution."))

const history = Command.make(
  "history",
  { store, json, executionId },
  ({ executionId, json, store }) =>
    withStore(
      store,
      Effect.flatMap(Executions.history(executionId), (events) =>
        Console.log(json ? lines(events) : table(events.map(eventRow))))
    )
).pipe(Command.withDescription("Shows the journal of an execution, an event a line."))

const cancel = Command.make(
  "cancel",
  {
    store,
    executionId,
    by: Options.text("by").pipe(Options.withDescription("names who cancels it")),
    reason: Options.text("reason").pipe(Options.withDescription("says why"), Options.optional)
  },
  ({ by, executionId, reason, store }) =>
    withStore(
      store,
      Effect.zipRight(
        Saga.cancel(executionId, {
          by,
          ...Option.match(reason, { onNone: () => ({}), onSome: (reason) => ({ reason }) })
        }),
        Console.log(`the request to cancel ${executionId} is stored: its driver, or the next worker, undoes it`)
      )
    )
).pipe(Command.withDescription("Cancels an execution before its point of no return."))

const exportJournals = Command.make(
  "export",
  {
    store,
    ...filter,
    executionIds: Args.text({ name: "ID" }).pipe(
      Args.withDescription("the executions; all that fit the options if none is given"),
      Args.repeated
    )
  },
  ({ executionIds, store, ...given }) =>
    withStore(
      store,
      Effect.gen(function*() {
        const ids = executionIds.length > 0
          ? Stream.fromIterable(executionIds)
          : Stream.map(Executions.stream(filterOf(given)), ({ executionId }) => executionId)
        let previous = chain.beginning
        yield* Stream.runForEach(ids, (executionId) =>
          Effect.flatMap(Executions.history(executionId), (events) =>
            Effect.forEach(events, (event, number) => {
              const line = chain.lineOf(executionId, number, event, previous)
              previous = line.hash
              return Console.log(JSON.stringify(line))
            }, { discard: true })))
        yield* Console.error(`the last hash is ${previous}`)
      })
    )
).pipe(Command.withDescription(
  "Writes journals as JSON Lines, each with the hash of the line before: the last hash, which is told at the end, vouches for all."
))

const verify = Command.make(
  "verify",
  {
    file: Args.file({ name: "FILE", exists: "yes" }).pipe(Args.withDescription("what `export` has written")),
    last: Options.text("last").pipe(
      Options.withDescription("the last hash, which `export` has told: without it a file that was cut off holds too"),
      Options.optional
    )
  },
  ({ file, last }) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const text = yield* fs.readFileString(file)
      const found = chain.verify(text.split("\n").filter((line) => line !== ""), Option.getOrUndefined(last))
      return "problem" in found
        ? yield* new Usage({ message: `line ${found.line} does not hold: ${found.problem}` })
        : yield* Console.log(`${found.lines} lines hold; the last hash is ${found.last}`)
    })
).pipe(Command.withDescription("Checks that an export is whole and was not changed."))

export const command = Command.make("effect-saga").pipe(
  Command.withDescription("Looks at the sagas that a store holds, and cancels them."),
  Command.withSubcommands([parked, list, count, show, history, cancel, exportJournals, verify])
)
