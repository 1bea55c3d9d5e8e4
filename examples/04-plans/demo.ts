/**
 * The demo: what an agent might send, piped through the runner, and what is in the folder afterwards. Then the same lines once
 * more, to another process: it gives the same answers, from its database, and touches nothing.
 */
import { Command, FileSystem } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Array, Effect, Order, Schema, Stream } from "effect"
import type { Plan } from "effect-saga"
import { fileURLToPath } from "node:url"

/** Writes a page, asks for its size, and publishes a page. */
const page = (written: string, published: string): typeof Plan.Document.Encoded => ({
  name: "PublishPage",
  steps: [
    {
      name: "draft",
      classification: "Compensatable",
      action: { tool: "writeFile", arguments: { name: written, text: { $ref: "/input/text" } } },
      compensation: { tool: "deleteFile", arguments: { name: { $ref: "/outputs/draft/name" } } }
    },
    {
      name: "size",
      classification: "ReadOnly",
      action: { tool: "statFile", arguments: { name: { $ref: "/outputs/draft/name" } } }
    },
    { name: "publish", classification: "Final", action: { tool: "publishFile", arguments: { name: published } } }
  ]
})

const wrong = {
  name: "PublishAndTell",
  steps: [
    {
      name: "draft",
      classification: "Compensatable",
      action: { tool: "writeFile", arguments: { name: "../index.html" } }
    },
    { name: "publish", classification: "Final", action: { tool: "publishFile", arguments: { name: "index.html" } } },
    {
      name: "tell",
      classification: "Compensatable",
      action: { tool: "sendMail", arguments: { $ref: "/outputs/size" } }
    }
  ]
}

const ids = ["welcome", "misspelt", "wrong"]

const lines = [
  "Sure! Here are the plans that you asked for:",
  JSON.stringify({ id: "welcome", plan: page("index.html", "index.html"), input: { text: "Welcome!\n" } }),
  JSON.stringify({ id: "misspelt", plan: page("index.html", "idnex.html"), input: { text: "Hello?\n" } }),
  JSON.stringify({ id: "wrong", plan: wrong })
]

const Answer = Schema.parseJson(Schema.Struct({
  id: Schema.optionalWith(Schema.String, { default: () => "a line without a plan" }),
  ended: Schema.String,
  output: Schema.optional(Schema.Unknown),
  error: Schema.optional(Schema.Struct({ message: Schema.String })),
  problems: Schema.optional(Schema.Array(Schema.Struct({ at: Schema.String, message: Schema.String })))
}))

const ask = (directory: string) =>
  Command.make(
    process.execPath,
    "--import",
    "tsx",
    fileURLToPath(new URL("runner.ts", import.meta.url)),
    `${directory}/pages`,
    `${directory}/plans.db`
  ).pipe(
    Command.feed(lines.map((line) => line + "\n").join("")),
    Command.stderr("inherit"),
    Command.streamLines,
    Stream.mapEffect((line) => Schema.decode(Answer)(line)),
    Stream.runCollect,
    // They come in the order in which the plans end.
    Effect.map(Array.sortWith(({ id }) => ids.indexOf(id), Order.number))
  )

const say = (line: string) => Effect.sync(() => console.log(line))

const demo = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const answers = yield* ask(directory)
  for (const { ended, error, id, output, problems = [] } of answers) {
    yield* say(`${id}: ${ended}`)
    if (output !== undefined) yield* say(`   ${JSON.stringify(output)}`)
    if (error !== undefined) yield* say(`   ${error.message}`)
    for (const { at, message } of problems) yield* say(`   ${at === "" ? "" : `${at}: `}${message}`)
  }
  for (const folder of ["published", "drafts"]) {
    const files = yield* fs.readDirectory(`${directory}/pages/${folder}`)
    yield* say(`${folder}: ${files.join(", ") || "nothing"}`)
  }
  const again = yield* ask(directory)
  yield* say(
    `The same lines again: ${JSON.stringify(again) === JSON.stringify(answers) ? "the same" : "OTHER"} answers`
  )
})

NodeRuntime.runMain(demo.pipe(Effect.scoped, Effect.provide(NodeContext.layer)))
