#!/usr/bin/env node
/// <reference types="node" />
/** The command `effect-saga`. Its packages are optional for everybody who does not use it. */
import "../values/effectVersion.ts"

const needed =
  "@effect/cli@0.77 @effect/printer@0.51 @effect/printer-ansi@0.51 @effect/platform@0.97 @effect/platform-node@0.108 " +
  "@effect/sql@0.52 @effect/experimental@0.61, and @effect/sql-sqlite-node@0.53 or @effect/sql-pg@0.53"

try {
  const { main } = await import("./main.ts")
  main()
} catch (error) {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  if (code !== "ERR_MODULE_NOT_FOUND") throw error
  console.error(
    `${String(message)}\neffect-saga's command line needs packages that the library does not: npm install ${needed}`
  )
  process.exitCode = 1
}
