/** Every example is run as a reader would run it, and says what its golden transcript says. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const at = (path: string) => fileURLToPath(new URL(`../examples/${path}`, import.meta.url))

const run = (file: string) =>
  Effect.async<{ readonly exit: number | null; readonly output: string }>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", at(file)], {
      stdio: ["ignore", "pipe", "inherit"],
      // What a terminal can show must not depend on where the tests run.
      env: { ...process.env, LC_ALL: "C.UTF-8" }
    })
    let output = ""
    child.stdout.on("data", (chunk) => output += chunk)
    child.on("close", (exit) => resume(Effect.succeed({ exit, output })))
  })

const examples = readdirSync(at("."), { withFileTypes: true })
  .filter((entry) => /^\d\d-/.test(entry.name))
  .map((entry) => entry.isDirectory() ? `${entry.name}/demo.ts` : entry.name)

/** Without what a timeline says of the hour: the times and the bars. */
const timeless = (transcript: string) =>
  transcript.split("\n")
    .map((line) =>
      / (ms|s)( |$)/.test(line) ? line.replace(/\+?[\d.]+ m?s( |$)|▇/g, "").replace(/ +/g, " ").trimEnd() : line
    )
    .join("\n")

describe("examples", () => {
  it("have each a golden transcript, and no transcript is without its example", () => {
    const transcripts = examples.map((file) => `${file.slice(0, 2)}.txt`)
    expect(readdirSync(at("golden")).sort()).toEqual(transcripts.sort())
  })

  for (const file of examples) {
    it.live(`${file} says what its transcript says`, () =>
      Effect.gen(function*() {
        const { exit, output } = yield* run(file)
        expect(timeless(output)).toBe(timeless(readFileSync(at(`golden/${file.slice(0, 2)}.txt`), "utf8")))
        expect(exit).toBe(0)
      }), 120_000)
  }
})
