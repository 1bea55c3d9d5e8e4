/** The example that runs plans, as a real process: 10,000 of them come on its stdin, and SIGKILL amid them. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Plan, Recovery } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import * as Tools from "../examples/04-plans/tools.ts"

const indices = Array.from({ length: 10_000 }, (_, index) => index)

const kindOf = (index: number) =>
  index % 10 === 3 ? "misspelt" : index % 10 === 6 ? "wrong" : index % 100 === 50 ? "no JSON" : "right"

const endOf = { right: "Succeeded", misspelt: "Undone", wrong: "Refused", "no JSON": "Refused" }

const idOf = (index: number) => `plan-${index}`
const textOf = (index: number) => `This is page ${index}.\n`

const lineOf = (index: number) => {
  const kind = kindOf(index)
  if (kind === "no JSON") return "Here is the plan:\n"
  const name = "page.md"
  const draft = {
    name: "draft",
    classification: kind === "wrong" ? "Final" : "Compensatable",
    action: { tool: "writeFile", arguments: { name, text: { $ref: "/input/text" } } },
    compensation: { tool: "deleteFile", arguments: { name } }
  }
  const publish = {
    name: "publish",
    classification: "Final",
    action: { tool: "publishFile", arguments: { name: kind === "misspelt" ? "paeg.md" : name } }
  }
  const plan = { name: "Publish", steps: [draft, publish] }
  return JSON.stringify({ id: idOf(index), plan, input: { text: textOf(index) } }) + "\n"
}

function* lines() {
  for (const index of indices) yield lineOf(index)
}

interface Answer {
  readonly id?: string
  readonly line?: number
  readonly ended: string
}

const planOf = ({ id, line = NaN }: Answer) => id ?? idOf(line - 1)

interface Ran {
  readonly ended: number | NodeJS.Signals | null
  readonly answers: ReadonlyArray<Answer>
  /** How many bytes were in use, after every 500 answers. */
  readonly heap: ReadonlyArray<number>
  readonly log: string
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Runs the runner to its end, or until it has answered so many. */
const run = (directory: string, lines: Iterable<string>, options?: { readonly killedAfter: number }) =>
  Effect.async<Ran>((resume) => {
    const program = [file("../examples/04-plans/runner.ts"), join(directory, "pages"), join(directory, "plans.db")]
    const child = spawn(
      process.execPath,
      ["--expose-gc", "--import", "tsx", "--import", file("support/heap.ts"), ...program],
      { stdio: ["pipe", "pipe", "pipe", "ipc"] }
    )
    const answers: Array<Answer> = []
    const heap: Array<number> = []
    const log = text(child.stderr!)
    child.on("message", (bytes) => heap.push(Number(bytes)))
    // What has been killed reads no further, and hears no more.
    child.stdin!.on("error", () => {})
    Readable.from(lines).pipe(child.stdin!)
    createInterface(child.stdout!).on("line", (line) => {
      answers.push(JSON.parse(line))
      if (answers.length % 500 === 0) child.send("heap", () => {})
      if (answers.length === options?.killedAfter) child.kill("SIGKILL")
    })
    child.on("close", async (code, signal) => {
      resume(Effect.succeed({ ended: signal ?? code, answers, heap, log: await log }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** The published files, and which they are: one that is published again is another. */
const publishedIn = (directory: string) => {
  const folder = join(directory, "pages", "published")
  return new Map(
    readdirSync(folder).map((name) => {
      const { ino, mtimeMs } = statSync(join(folder, name))
      return [name, { ino, mtimeMs, text: readFileSync(join(folder, name), "utf8") }]
    })
  )
}

const draftsIn = (directory: string) => readdirSync(join(directory, "pages", "drafts"))

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-saga-plans-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

describe("a runner of plans that is killed with SIGKILL amid 10,000 of them", () => {
  it.scopedLive("loses none and does none twice, and its heap stays flat", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const leftToRecover = Recovery.run([Plan.stored], { parked: true }).pipe(
        Effect.map((summary) => Object.values(summary).reduce((sum, count) => sum + count)),
        Effect.provide([
          SqliteCheckpoint.layer({ filename: join(directory, "plans.db") }),
          Layer.provide(Tools.layer(join(directory, "pages")), NodeContext.layer)
        ])
      )

      const killed = yield* run(directory, lines(), { killedAfter: 3000 })
      expect(killed.ended, killed.log).toBe("SIGKILL")
      const before = publishedIn(directory)

      // What was begun is finished from the store alone.
      const recovering = yield* run(directory, [])
      expect(recovering.ended, recovering.log).toBe(0)
      expect(recovering.log).toMatch(/recovered \d+ executions: \d+ succeeded/)
      expect(draftsIn(directory)).toEqual([])
      expect(yield* leftToRecover).toBe(0)

      const resumed = yield* run(directory, lines())
      expect(resumed.ended, resumed.log).toBe(0)
      const answers = new Map(resumed.answers.map((answer) => [planOf(answer), answer]))
      expect(indices.map((index) => answers.get(idOf(index))?.ended)).toEqual(
        indices.map((index) => endOf[kindOf(index)])
      )
      expect(resumed.answers.length).toBe(indices.length)
      expect(killed.answers).toEqual(killed.answers.map((answer) => answers.get(planOf(answer))))

      const after = publishedIn(directory)
      expect(Object.fromEntries(Array.from(after, ([name, { text }]) => [name, text]))).toEqual(
        Object.fromEntries(
          indices.filter((index) => kindOf(index) === "right").map((index) => [`${idOf(index)}.page.md`, textOf(index)])
        )
      )
      expect(Array.from(before.keys(), (name) => after.get(name))).toEqual(Array.from(before.values()))
      expect(draftsIn(directory)).toEqual([])
      expect(yield* leftToRecover).toBe(0)

      // The runtime itself warms up during the first half. A plan that left 200 bytes behind would show in the second.
      const middle = Math.floor(resumed.heap.length / 2)
      const [first, last] = [resumed.heap.slice(middle, middle + 2), resumed.heap.slice(-2)].map((bytes) =>
        Math.max(...bytes)
      )
      expect(last! - first!, resumed.heap.join(" ")).toBeLessThan(200 * indices.length / 2)
    }), 300_000)
})
