/**
 * What both compilers say of the mistakes in test/types/messages: where, and the first two lines, for more is seldom read.
 * They are recorded in messages.txt there; `--write` records anew.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = "test/types/messages"
const record = `${root}${folder}/messages.txt`

const compile = (compiler) =>
  new Promise((resolve) => {
    let output = ""
    const child = spawn(process.execPath, [`node_modules/${compiler}/bin/tsc`, "-p", folder, "--pretty", "false"], {
      cwd: root
    })
    child.stdout.on("data", (chunk) => output += chunk)
    child.on("close", () => resolve(output))
  })

const sources = new Map()
const linesOf = (file) => {
  if (!sources.has(file)) sources.set(file, readFileSync(`${root}${file}`, "utf8").split("\n"))
  return sources.get(file)
}

/** The comment above a mistake names it. */
const nameOf = (lines, line) => {
  for (let index = line - 1; index >= 0; index--) {
    if (lines[index].startsWith("// ")) return lines[index].slice(3)
  }
  return "outside of a mistake"
}

/** What is said of each mistake, by its name. */
const said = (output) => {
  const byName = new Map()
  const lines = output.split("\n")
  lines.forEach((text, index) => {
    const error = /^(.+)\((\d+),(\d+)\): error (.*)$/.exec(text)
    if (error === null) return
    const [, file, line, column, message] = error
    const source = linesOf(file)
    const name = `${file.slice(folder.length + 1)}: ${nameOf(source, Number(line))}`
    const second = lines[index + 1]?.startsWith("  ") ? [lines[index + 1].trim()] : []
    const entry = [`at ${source[line - 1].slice(column - 1)}`, message, ...second].map((part) => `    ${part}`)
    byName.set(name, [...byName.get(name) ?? [], ...entry])
  })
  return byName
}

const [six, seven] = (await Promise.all(["typescript", "typescript7"].map(compile))).map(said)
const names = [...new Set([...six.keys(), ...seven.keys()])].sort((a, b) => a < b ? -1 : 1)
const text = names.map((name) => {
  const [before, after] = [six, seven].map((all) => (all.get(name) ?? ["    nothing"]).join("\n"))
  return before === after
    ? `${name}\n${before}\n`
    : `${name}\n  TypeScript 6\n${before}\n  TypeScript 7\n${after}\n`
}).join("\n")

if (process.argv.includes("--write")) writeFileSync(record, text)
const recorded = readFileSync(record, "utf8")
if (recorded === text) console.log(`ok   ${names.length} mistakes are told as recorded, by both compilers`)
else {
  console.log(
    `FAIL what the compilers say is not what ${folder}/messages.txt has; look at it, and record it with --write`
  )
  const known = new Set(recorded.split("\n"))
  for (const line of text.split("\n")) if (!known.has(line)) console.log(line)
  process.exitCode = 1
}
