/**
 * Runs plans that come as lines of JSON on stdin, `{"id": ..., "plan": ..., "input": ...}`, and answers each with a line of
 * JSON on stdout when it has ended.
 *
 *     node --import tsx examples/04-plans/runner.ts FOLDER DATABASE < plans.ndjson
 *
 * A plan's id is for good: a sender that got no answer, because the runner was killed for example, starts the runner again and sends
 * the line again. A plan that was begun goes on, one that has ended is answered from the database, and nothing is done twice.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Cause, Console, Effect, FiberSet, Layer, Logger, ParseResult, Predicate, Schema, Stream } from "effect"
import { Plan, Recovery, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import * as Tools from "./tools.ts"

const Line = Schema.parseJson(Schema.Struct({
  id: Tools.PlanId,
  plan: Schema.Unknown,
  input: Schema.optionalWith(Schema.Unknown, { default: () => null })
}))

const execute = ({ id, input, plan }: typeof Line.Type) =>
  Effect.matchCauseEffect(Plan.decode(plan), {
    onFailure: (cause) => Effect.succeed(whyNot("Refused", cause)),
    onSuccess: (plan) =>
      Effect.matchCauseEffect(
        // A runner that is told to stop leaves its plans to the next one.
        Saga.execute(plan, input, { executionId: id, onInterrupt: "suspend" }),
        {
          onFailure: (cause) => Effect.map(becameOf(plan, id), (ended) => whyNot(ended, cause)),
          onSuccess: (output) => Effect.succeed({ ended: "Succeeded", output })
        }
      )
  })

/** By its journal: an error alone does not tell, for a tool may fail with that of another execution. */
const becameOf = (plan: Plan.Plan, executionId: string) =>
  Effect.match(Saga.inspect(plan, executionId), {
    onFailure: () => "LeftAsItWas" as const,
    onSuccess: ({ status }) => status === "Undone" || status === "Parked" ? status : "LeftAsItWas"
  })

const malformed = (error: ParseResult.ParseError) => ({
  ended: "Refused",
  problems: ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) => ({
    _tag: "Malformed",
    at: path.map((part) => `/${String(part)}`).join(""),
    message
  }))
})

/** A tool that dies has its plan undone too, and must not end the other plans. */
const whyNot = (ended: string, cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  if (error instanceof Plan.InvalidPlan) return { ended: "Refused", problems: error.problems, more: error.more }
  if (ParseResult.isParseError(error)) return malformed(error)
  const message = error instanceof Error ? error.message : String(error)
  return { ended, error: { ...hasTag(error) ? { _tag: error._tag } : {}, message } }
}

const hasTag = Predicate.hasProperty("_tag")

const answer = (text: string, line: number) =>
  Effect.matchEffect(Schema.decode(Line)(text), {
    onFailure: (error) => Effect.succeed({ line, ...malformed(error) }),
    onSuccess: (read) => Effect.map(execute(read), (ended) => ({ id: read.id, ...ended }))
  })

/** Reads no further than it has places. `Stream.mapEffect`, unordered, would say the same in a line, and cost a third more. */
const answerAll = Effect.gen(function*() {
  const places = yield* Effect.makeSemaphore(64)
  const plans = yield* FiberSet.make()
  const begin = (text: string, line: number) =>
    answer(text, line).pipe(
      Effect.flatMap((answer) => Console.log(JSON.stringify(answer))),
      Effect.ensuring(places.release(1)),
      FiberSet.run(plans)
    )
  yield* NodeStream.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.zipWithIndex,
    Stream.filter(([text]) => text.trim() !== ""),
    Stream.runForEach(([text, index]) => Effect.zipRight(places.take(1), begin(text, index + 1)))
  )
  yield* FiberSet.awaitEmpty(plans)
})

// At the same time, for a plan of an earlier process may be one that takes long.
const runner = Effect.scoped(Effect.all([Recovery.run([Plan.stored]), answerAll], { concurrency: 2 }))

const [, , folder = "plans", database = "plans.db"] = process.argv

const Live = Layer.mergeAll(
  Tools.layer(folder).pipe(Layer.provide(NodeContext.layer)),
  // To survive more than the end of the process would be no use: the tools do not force their files to the disk either.
  SqliteCheckpoint.layer({ filename: database, durability: "process" })
)

// Stdout is for answers alone.
const toStderr = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

NodeRuntime.runMain(
  runner.pipe(Effect.provide(Live), Effect.tapErrorCause(Effect.logError), Effect.provide(toStderr)),
  { disableErrorReporting: true, disablePrettyLogger: true }
)
