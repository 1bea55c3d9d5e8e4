/** A program that uses one store can be bundled without the packages of the other. */
import { expect, it } from "@effect/vitest"
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

const missing = "a-package-that-is-not-installed"

const program = `
import { Effect } from "effect"
import { Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"

const saga = Saga.make("Pay")
  .final("charge", { action: () => Effect.log("charged"), inDoubt: "retry" })
  .build(() => "done")
const run = Saga.execute(saga, undefined, { executionId: "1" })
console.log(await Effect.runPromise(Effect.provide(run, SqliteCheckpoint.layer({ filename: ":memory:" }))))
`

it("effect-saga/sqlite is bundled, and runs, where @effect/sql-pg is not installed", async () => {
  const folder = join(root, "node_modules", ".cache", `effect-saga-bundled-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    const bundled = join(folder, "program.mjs")
    await build({
      stdin: { contents: program, resolveDir: join(root, "test"), sourcefile: "program.ts", loader: "ts" },
      outfile: bundled,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      external: ["better-sqlite3"],
      // To the bundler it is as if it were not there.
      alias: { "@effect/sql-pg": missing },
      banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` },
      tsconfig: join(root, "tsconfig.json"),
      logLevel: "silent"
    })
    expect(readFileSync(bundled, "utf8")).toContain(`import("@effect/sql-pg/PgClient")`)
    expect(execFileSync(process.execPath, [bundled], { encoding: "utf8" })).toMatch(/charged[^]*done\n$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
