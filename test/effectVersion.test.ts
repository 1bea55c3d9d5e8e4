/** With a wrong version of `effect` the package fails at import, in a sentence that names both versions. */
import { describe, expect, it } from "@effect/vitest"
import * as effect from "effect"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href
const root = fileURLToPath(new URL("..", import.meta.url))

/** A package by the name of effect, which has these modules, and in them nothing. */
const writeEffect = (folder: string, version: string, modules: ReadonlyArray<string>) => {
  mkdirSync(folder, { recursive: true })
  const subpath = { "./package.json": "./package.json", "./*": "./module.js", ".": "./index.js" }
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "effect", version, type: "module", exports: subpath })
  )
  const ofVersion = `export const ModuleVersion = { getCurrentVersion: () => ${JSON.stringify(version)} }\n`
  const others = modules.filter((name) => name !== "ModuleVersion")
  writeFileSync(
    join(folder, "index.js"),
    (others.length < modules.length ? ofVersion : "") + others.map((name) => `export const ${name} = {}\n`).join("")
  )
  writeFileSync(
    join(folder, "module.js"),
    ["NodeInspectSymbol", "pipeArguments", "hasProperty"].map((name) => `export const ${name} = {}\n`).join(
      ""
    )
  )
}

/** What a program says that imports an entry of this package beside such an `effect`. */
const importing = (entry: string, version: string, modules: ReadonlyArray<string>): string => {
  const folder = mkdtempSync(join(tmpdir(), "effect-saga-version-"))
  try {
    cpSync(join(root, "src"), join(folder, "src"), { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
    writeEffect(join(folder, "node_modules/effect"), version, modules)
    for (const name of readdirSync(join(root, "node_modules/@effect"))) {
      mkdirSync(join(folder, "node_modules/@effect"), { recursive: true })
      symlinkSync(join(root, "node_modules/@effect", name), join(folder, "node_modules/@effect", name), "dir")
    }
    const program = `await import("./src/${entry}").catch((error) => console.log(error.message))`
    return execFileSync(process.execPath, [
      "--import",
      tsx,
      "--input-type=module",
      "--eval",
      program
    ], { cwd: folder, encoding: "utf8" }).trim()
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const ofEffect3 = Object.keys(effect)
/** What Effect 4 has no more, of what this package uses: a named import of it would fail before the sentence is said. */
const notInEffect4 = [
  "ModuleVersion",
  "FiberId",
  "FiberRef",
  "ParseResult",
  "Either",
  "JSONSchema",
  "FastCheck",
  "TestClock",
  "TestContext",
  "Mailbox",
  "MetricBoundaries",
  "MetricLabel",
  "DefaultServices",
  "ScheduleDecision",
  "ScheduleIntervals",
  "ConfigError"
]
const ofEffect4 = ofEffect3.filter((name) => !notInEffect4.includes(name))

const refusal = (version: string) =>
  `effect-saga runs on effect ^3.22.2, and found effect ${version}: install effect@^3.22.2. Nothing of effect-saga was loaded`

describe("a wrong version of effect", { timeout: 120_000 }, () => {
  it.each(["index.ts", "sql/index.ts", "sql/sqlite.ts", "testing/index.ts"])(
    "is refused when %s is imported",
    (entry) => {
      expect(importing(entry, "4.1.0", ofEffect4)).toBe(refusal("4.1.0"))
    }
  )

  it("is refused also where it is older than the range allows", () => {
    expect(importing("index.ts", "3.21.9", ofEffect3)).toBe(refusal("3.21.9"))
    expect(importing("index.ts", "3.22.1", ofEffect3)).toBe(refusal("3.22.1"))
    expect(importing("index.ts", "2.4.0", ofEffect3)).toBe(refusal("2.4.0"))
  })

  it("is none where it is newer, within the major version", () => {
    expect(importing("values/effectVersion.ts", "3.22.2", ofEffect3)).toBe("")
    expect(importing("values/effectVersion.ts", "3.23.0", ofEffect3)).toBe("")
  })

  it("is one that the peer range of the package excludes", () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    expect(refusal("4.1.0")).toContain(`effect ${peerDependencies.effect},`)
  })
})
