/**
 * Every `ts` fence in README.md, docs/ and the doc comments of src/ compiles, runs, and prints what its `// => ` comments
 * say, line by line. After `ts` a fence may say `no-run` (only compile it) or `ignore` (not even that), or `from=` and a file of
 * this repository, which is compiled and run elsewhere: then it must be a part of that file, line by line. `prelude=` and a name
 * from `preludes` puts those lines before it, which readers do not see.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))
// Inside the repository, so that imports resolve; outside node_modules, where tsx would not follow tsconfig's paths.
const workspace = join(root, ".docs-check")

/** For the examples of doc comments, which would otherwise all begin alike. */
const imports = `
import { Effect, Layer, Logger, Schema, Stream } from "effect"
import { Checkpoint, Diagram, Executions, Plan, Recovery, Saga, SagaError, SagaEvents, Step, Timeline, ToolExecutor, Worker } from "effect-saga"`
const preludes = {
  trip: `${imports}
const trip = Saga.make("Trip", { input: Schema.Struct({ card: Schema.String }) })
  .compensatable("flight", {
    success: Schema.String,
    action: () => Effect.succeed("LH 400"),
    compensate: ({ output }) => Effect.sync(() => console.log("cancel " + output))
  })
  .final("charge", {
    success: Schema.String,
    error: Schema.Literal("declined"),
    inDoubt: "retry",
    action: ({ input }) => input.card === "empty" ? Effect.fail("declined" as const) : Effect.succeed("receipt 1")
  })
  .build(({ outputs }) => outputs.charge)`,
  pay: `${imports}
const pay = Saga.make("Pay")
  .final("charge", {
    success: Schema.String,
    inDoubt: "park",
    action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))
  })
  .build()
const store = Layer.merge(Checkpoint.layerMemory, Logger.remove(Logger.defaultLogger))`,
  plan: `${imports}
const tools = ToolExecutor.layerFunction(({ tool }) =>
  Effect.as(Effect.sync(() => console.log("call " + tool)), tool + " done")
)
const json = {
  name: "Publish",
  steps: [
    {
      name: "draft",
      classification: "Compensatable",
      action: { tool: "writeDraft", arguments: { title: { $ref: "/input/title" } } },
      compensation: { tool: "deleteDraft", arguments: {} }
    },
    { name: "publish", classification: "Final", inDoubt: "retry", action: { tool: "publish", arguments: {} } }
  ]
}`
}

const filesUnder = (folder, extension) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true })
      .filter((path) => path.endsWith(extension)).map((path) => `${folder}/${path}`).sort()
    : []

/** The doc comments of a source file, with every line kept where it was. */
const docComments = (source) => {
  let inside = false
  return source.split("\n").map((line) => {
    inside ||= /^\s*\/\*\*/.test(line)
    const text = inside ? line.replace(/^\s*(\/\*\*|\*(?!\/)) ?/, "") : ""
    if (line.includes("*/")) inside = false
    return text
  }).join("\n")
}

const fencesOf = (path, text) => {
  const fences = []
  let open
  text.split("\n").forEach((line, index) => {
    const [, indent, ticks, info] = /^(\s*)(`{3,})\s*(.*)$/.exec(line) ?? []
    if (open === undefined) {
      if (ticks === undefined) return
      const [language, ...words] = info.trim().split(/\s+/)
      open = { path, line: index + 1, indent, ticks, language, words, lines: [] }
    } else if (ticks?.startsWith(open.ticks) && info === "") {
      if (open.language === "ts") fences.push(open)
      open = undefined
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart())
    }
  })
  return fences
}

const read = (path) => readFileSync(join(root, path), "utf8")
const found = [
  ...["README.md", ...filesUnder("docs", ".md")].filter((path) => existsSync(join(root, path)))
    .flatMap((path) => fencesOf(path, read(path))),
  ...filesUnder("src", ".ts").flatMap((path) => fencesOf(path, docComments(read(path))))
]
const optionOf = (name) => ({ words }) => words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
const sourceOf = optionOf("from")
const preludeOf = (fence) => preludes[optionOf("prelude")(fence)]?.split("\n") ?? []
const quotes = found.filter((fence) => sourceOf(fence) !== undefined)
const fences = found.filter((fence) => !fence.words.includes("ignore") && !quotes.includes(fence))
  .map((fence, index) => ({ ...fence, file: join(workspace, `${index}.ts`) }))

let failures = 0
const fail = (fence, sentence) => {
  failures++
  console.log(`${fence.path}:${fence.line}: ${sentence}`)
}

const compareQuotes = () => {
  for (const fence of quotes) {
    const source = sourceOf(fence)
    if (!existsSync(join(root, source))) fail(fence, `quotes ${source}, which is not there`)
    else if (!`\n${read(source)}`.includes(`\n${fence.lines.join("\n")}\n`)) {
      const lines = new Set(read(source).split("\n"))
      const stale = fence.lines.find((line) => !lines.has(line))
      fail(
        fence,
        `is no part of ${source}${
          stale === undefined ? ": its lines are not next to each other" : `, which has no line\n    ${stale}`
        }`
      )
    }
  }
}

const findPreludes = () => {
  for (const fence of fences) {
    const name = optionOf("prelude")(fence)
    if (name !== undefined && !Object.hasOwn(preludes, name)) fail(fence, `there is no prelude "${name}"`)
  }
}

const typeCheck = () => {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path)).config,
    { ...ts.sys, readDirectory: () => [] },
    root,
    { noUnusedLocals: false, moduleDetection: ts.ModuleDetectionKind.Force }
  )
  const program = ts.createProgram(fences.map(({ file }) => file), options)
  for (const fence of fences) {
    for (const { messageText, start } of ts.getPreEmitDiagnostics(program, program.getSourceFile(fence.file))) {
      const position = program.getSourceFile(fence.file).getLineAndCharacterOfPosition(start ?? 0)
      const line = position.line - preludeOf(fence).length
      const text = ts.flattenDiagnosticMessageText(messageText, "\n  ")
      const where = line < 0 ? `its prelude, line ${position.line + 1}` : `line ${fence.line + 1 + line}`
      fail(fence, `does not compile: ${where}: ${text}\n    ${fence.lines[line] ?? ""}`)
      fence.broken = true
    }
  }
}

const execute = (file, cwd) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
      // What a snippet writes stays out of the repository.
      cwd,
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 60_000
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (chunk) => stdout += chunk)
    child.stderr.setEncoding("utf8").on("data", (chunk) => stderr += chunk)
    child.on("close", (code, signal) => resolve({ code: code ?? signal, stdout, stderr }))
  })

const run = async (fence) => {
  const cwd = mkdtempSync(join(tmpdir(), "docs-check-"))
  const { code, stderr, stdout } = await execute(fence.file, cwd)
  rmSync(cwd, { recursive: true })
  if (code !== 0) return fail(fence, `ended with ${code}\n${stdout}${stderr}`)
  const expected = fence.lines.flatMap((line) => /\/\/ => (.*)$/.exec(line)?.[1].trimEnd() ?? [])
  if (expected.length === 0) return
  // A log line begins with the time: no document can say it.
  const printed = stdout.split("\n").map((line) => line.trimEnd()).filter((line, index, all) =>
    !line.startsWith("timestamp=") && (line !== "" || index < all.length - 1)
  )
  for (let index = 0; index < Math.max(expected.length, printed.length); index++) {
    if (expected[index] !== printed[index]) {
      const say = (line) => line === undefined ? "nothing" : JSON.stringify(line)
      return fail(fence, `prints ${say(printed[index])} where it says ${say(expected[index])}`)
    }
  }
}

rmSync(workspace, { recursive: true, force: true })
try {
  mkdirSync(workspace)
  writeFileSync(join(workspace, ".gitignore"), "*\n")
  for (const fence of fences) writeFileSync(fence.file, [...preludeOf(fence), ...fence.lines].join("\n"))
  compareQuotes()
  findPreludes()
  typeCheck()
  const waiting = fences.filter(({ broken, words }) => !broken && !words.includes("no-run"))
  const total = waiting.length
  const worker = async () => {
    for (let fence = waiting.shift(); fence !== undefined; fence = waiting.shift()) await run(fence)
  }
  await Promise.all([worker(), worker()])
  console.log(
    `${fences.length} snippets compiled, ${total} run, ${quotes.length} compared, ` +
      `${found.length - fences.length - quotes.length} ignored; ${failures} failures`
  )
} finally {
  rmSync(workspace, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1
