import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Whole names only: a plain "effect-saga" would also catch the subpaths.
    alias: [
      { find: /^effect-saga$/, replacement: source("index.ts") },
      { find: /^effect-saga\/sql$/, replacement: source("sql/index.ts") },
      { find: /^effect-saga\/testing$/, replacement: source("testing/index.ts") },
      { find: /^effect-saga\/sqlite$/, replacement: source("sql/sqlite.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/testing/*.test.ts"],
    globalSetup: ["test/support/postgresServer.ts", "test/support/chromiumBinary.ts"],
    // Of two cores vitest would leave one to itself.
    maxWorkers: 2,
    // A limit is for what hangs, not for what is slow: on a machine that others load, everything takes ten times as long.
    testTimeout: 60_000
  }
})
