/**
 * The package as its users get it: packed, in an empty project. With `effect` alone README's first example has to compile,
 * declarations of the package included, and run; with the optional peers a durable saga has to run on a file. Build first.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
// Outside the repository, where nothing but the project's own node_modules can be found.
const workspace = mkdtempSync(join(tmpdir(), "effect-saga-consumer-"))

class Failed extends Error {}

const command = (what, file, args, cwd) => {
  try {
    return execFileSync(file, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    throw new Failed(`${what} failed\n${error.stdout}${error.stderr}`)
  }
}

const firstExample = () => {
  const readme = existsSync(join(root, "README.md")) ? readFileSync(join(root, "README.md"), "utf8") : ""
  const example = /^```ts\b.*\n([^]*?)^```/m.exec(readme)?.[1]
  if (example === undefined) throw new Failed("README.md has no ts example: this check compiles and runs its first one")
  return example
}

const durable = `
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"
import { SqlCheckpoint } from "effect-saga/sql"
import { SqliteCheckpoint } from "effect-saga/sqlite"

let charged = 0
const saga = Saga.make("Order", { input: Schema.Struct({ price: Schema.Number }) })
  .compensatable("stock", {
    success: Schema.String,
    action: ({ idempotencyKey }) => Effect.succeed(idempotencyKey),
    compensate: () => Effect.void
  })
  .final("charge", {
    success: Schema.Number,
    action: ({ input }) => Effect.sync(() => (charged++, input.price)),
    inDoubt: "retry"
  })
  .build(({ outputs }) => outputs.charge)

const execute = Saga.execute(saga, { price: 7 }, { executionId: "order-1" }).pipe(
  Effect.provide(SqliteCheckpoint.layer({ filename: "orders.db" }))
)
const outputs = [await Effect.runPromise(execute), await Effect.runPromise(execute)]
if (outputs.join() !== "7,7" || charged !== 1 || typeof SqlCheckpoint.layer !== "function") {
  throw new Error(\`charged \${charged} times, with \${outputs}\`)
}
`

const project = (name, tarball, packages, source) => {
  const folder = join(workspace, name)
  const modules = join(folder, "node_modules")
  const own = join(modules, "effect-saga")
  mkdirSync(own, { recursive: true })
  command("unpacking", "tar", ["-xzf", tarball, "-C", own, "--strip-components=1"])
  for (const path of packages) {
    mkdirSync(dirname(join(modules, path)), { recursive: true })
    symlinkSync(join(root, "node_modules", path), join(modules, path), "dir")
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }))
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "DOM"],
    types: [],
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false
  }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }))
  writeFileSync(join(folder, "main.ts"), source)
  for (const compiler of ["typescript", "typescript7"]) {
    command(`${name}: ${compiler}`, process.execPath, [join(root, "node_modules", compiler, "bin/tsc")], folder)
  }
  command(`${name}: the program`, process.execPath, ["main.js"], folder)
  console.log(`${name}: compiles and runs`)
  return folder
}

/** The command line of the package, on what the program of the project has left. */
const commandLine = (folder, ...args) => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    ["node_modules/effect-saga/dist/cli/bin.js", ...args],
    {
      cwd: folder,
      encoding: "utf8"
    }
  )
  return { status, said: stdout + stderr }
}

try {
  const example = firstExample()
  if (!existsSync(join(root, "dist/index.js"))) throw new Failed("dist/ is missing: npm run build")
  const packed = command("npm pack", "npm", ["pack", "--json", "--pack-destination", workspace], root)
  const tarball = join(workspace, JSON.parse(packed)[0].filename)
  const core = ["effect", "fast-check", "pure-rand", "@standard-schema/spec"]
  const withoutPeers = commandLine(project("core", tarball, core, example), "count", "--sqlite", "orders.db")
  if (withoutPeers.status !== 1 || !withoutPeers.said.includes("npm install @effect/cli")) {
    throw new Failed(`the command line without its packages: ${withoutPeers.said}`)
  }
  const sqlite = ["@effect/sql", "@effect/sql-sqlite-node", "@effect/platform", "@effect/experimental"]
  const forCommands = ["@effect/cli", "@effect/printer", "@effect/printer-ansi", "@effect/platform-node"]
  const folder = project("sqlite", tarball, [...core, ...sqlite, ...forCommands], durable)
  const counted = commandLine(folder, "count", "--sqlite", "orders.db")
  if (counted.status !== 0 || !/^Order +Succeeded +1$/m.test(counted.said)) {
    throw new Failed(`the command line: ${counted.said}`)
  }
  console.log("command line: says what it needs, and counts")
} catch (error) {
  if (!(error instanceof Failed)) throw error
  console.log(error.message)
  process.exitCode = 1
} finally {
  rmSync(workspace, { recursive: true })
}
