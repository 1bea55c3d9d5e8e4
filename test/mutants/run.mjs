/**
 * The mutation check: each mutant of `mutants.mjs` is put into a copy of the tree, and a test has to fail there. A mutant that
 * does not apply, or does not load, is an error and no kill.
 *
 *     npm run test:mutants                  all of them
 *     npm run test:mutants -- 7 "forward"   those with this number, or with this in their sentence or file
 *     npm run test:mutants -- --jobs 1      one at a time instead of two
 *     npm run test:mutants -- --check       run nothing, say only which do not apply
 */
import { spawn } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { mutants } from "./mutants.mjs"

const root = fileURLToPath(new URL("../..", import.meta.url))
const secondsForAFile = 120

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: "string", default: "2" }, check: { type: "boolean", default: false } }
})
const jobs = Math.min(2, Math.max(1, Number(values.jobs) || 1))

const numbered = mutants.map((mutant, index) => ({ ...mutant, number: index + 1 }))
const isNamed = ({ file, number, says }) => (name) =>
  String(number) === name ||
  (Number.isNaN(Number(name)) && `${says} ${file}`.toLowerCase().includes(name.toLowerCase()))
const chosen = positionals.length === 0
  ? numbered
  : numbered.filter((mutant) => positionals.some(isNamed(mutant)))

const base = mkdtempSync(join(tmpdir(), "effect-saga-mutants-"))
const running = new Set()
const cleanUp = () => {
  for (const pid of running) kill(pid)
  rmSync(base, { recursive: true, force: true })
}
const kill = (pid) => {
  try {
    // The group: a worker that outlives its parent would go on eating memory.
    process.kill(-pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) {
  process.on(signal, () => {
    cleanUp()
    process.exit(code)
  })
}

const left = new Set(["node_modules", ".git", "dist", ".out", ".docs-check"])

/** A copy whose packages are ours, but not the folder that they lie in: Vite writes its caches there. */
const copyTree = (name) => {
  const folder = join(base, name)
  cpSync(root, folder, {
    recursive: true,
    filter: (source) => !relative(root, source).split(sep).some((part) => left.has(part))
  })
  mkdirSync(join(folder, "node_modules"))
  for (const entry of readdirSync(join(root, "node_modules"))) {
    if (entry.startsWith(".") && entry !== ".bin") continue
    symlinkSync(join(root, "node_modules", entry), join(folder, "node_modules", entry))
  }
  // Most mutants need no PostgreSQL, and starting one takes longer than their tests.
  writeFileSync(
    join(folder, "vitest.mutants.mjs"),
    `import config from "./vitest.config.ts"
export default { ...config, test: { ...config.test, globalSetup: [], provide: { postgres: { missing: "not asked for" } } } }
`
  )
  return folder
}

const vitest = (folder, files, { bail, only, postgres }) => {
  const report = join(folder, "report.json")
  rmSync(report, { force: true })
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        ...files,
        ...postgres ? [] : ["--config", "vitest.mutants.mjs"],
        ...bail ? ["--bail", "1"] : [],
        ...only === undefined ? [] : ["--testNamePattern", only],
        "--no-file-parallelism",
        "--reporter=json",
        `--outputFile=${report}`
      ],
      {
        cwd: folder,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          // Only for those that need it; where there is none, their tests then fail on the unmutated tree, and say why.
          ...postgres ? { REQUIRE_POSTGRES: "1" } : {},
          NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --max-old-space-size=1024`
        }
      }
    )
    running.add(child.pid)
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => said = (said + data).slice(-4000))
    let hangs = false
    const timer = setTimeout(() => {
      hangs = true
      kill(child.pid)
    }, secondsForAFile * 1000 * files.length)
    child.on("error", reject)
    child.on("close", (code) => {
      clearTimeout(timer)
      kill(child.pid)
      running.delete(child.pid)
      resolve({ code, hangs, said, seconds: (performance.now() - started) / 1000, ...read(report, folder) })
    })
  })
}

/** The first test that failed, and the first file that did not even load. */
const read = (report, folder) => {
  let results
  try {
    results = JSON.parse(readFileSync(report, "utf8")).testResults
  } catch {
    return { failed: undefined, broken: undefined, tests: 0 }
  }
  const tests = results.flatMap(({ assertionResults, name }) =>
    assertionResults.map((test) => ({ ...test, file: relative(folder, name) }))
  )
  const broken = results.find(({ assertionResults, status }) => status === "failed" && assertionResults.length === 0)
  return {
    failed: tests.find(({ status }) => status === "failed"),
    broken: broken?.message,
    tests: tests.filter(({ status }) => status === "passed").length
  }
}

/** The text of the file with the mutant in it. */
const mutate = ({ file, number, replacement, says, text }, folder) => {
  const path = join(folder, file)
  if (!existsSync(path)) throw new Error(`mutant ${number} (${says}) does not apply: there is no ${file}`)
  const before = readFileSync(path, "utf8")
  const times = before.split(text).length - 1
  if (times !== 1) {
    throw new Error(`mutant ${number} (${says}) does not apply: its text is ${times} times in ${file}:\n${text}`)
  }
  if (text === replacement) throw new Error(`mutant ${number} (${says}) changes nothing`)
  return before.replace(text, () => replacement)
}

/** Why a mutant cannot be tried. */
const problemsOf = (mutant) => {
  const problems = mutant.tests
    .filter((test) => !existsSync(join(root, test)))
    .map((test) => `mutant ${mutant.number} (${mutant.says}) cannot be noticed: there is no ${test}`)
  try {
    mutate(mutant, root)
  } catch (error) {
    problems.push(error.message)
  }
  return problems
}

const nameOf = ({ file, fullName, title, ancestorTitles }) =>
  `${file}: ${ancestorTitles?.length > 0 ? [...ancestorTitles, title].join(" > ") : fullName}`

const verdictOn = async (mutant) => {
  const folder = copyTree(String(mutant.number))
  try {
    writeFileSync(join(folder, mutant.file), mutate(mutant, folder))
    let seconds = 0
    for (const test of mutant.tests) {
      const run = await vitest(folder, [test], { bail: true, only: mutant.only, postgres: mutant.postgres === true })
      seconds += run.seconds
      if (run.hangs) return { killed: true, by: `${test}: it hangs, and was ended after ${secondsForAFile} s`, seconds }
      if (run.code === 0) continue
      if (run.failed !== undefined) {
        const late = /timed out/i.test(run.failed.failureMessages?.join(" ") ?? "")
        return { killed: true, by: nameOf(run.failed) + (late ? " (it hangs)" : ""), seconds }
      }
      if (/heap out of memory/.test(run.said)) return { killed: true, by: `${test}: it uses up its memory`, seconds }
      if (run.broken !== undefined || run.tests === 0) {
        return { error: `does not load: ${run.broken ?? run.said}`, seconds }
      }
      return { killed: true, by: `${test}: an error outside of any test`, seconds }
    }
    return { killed: false, seconds }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tests must pass where nothing is mutated, or they would kill anything. */
const checkUnmutated = async () => {
  const filesOf = (some) => Array.from(new Set(some.flatMap(({ tests }) => tests)))
  for (const postgres of [false, true]) {
    const files = filesOf(chosen.filter((mutant) => (mutant.postgres === true) === postgres))
    if (files.length === 0) continue
    const run = await vitest(copyTree(`unmutated-${postgres}`), files, { bail: false, postgres })
    if (run.code !== 0) {
      const why = run.failed === undefined
        ? run.broken ?? run.said
        : `${nameOf(run.failed)}\n${run.failed.failureMessages?.join("\n")}`
      throw new Error(`the unmutated tree does not pass its tests${run.hangs ? ", it hangs" : ""}: ${why}`)
    }
    const where = postgres ? " with PostgreSQL" : ""
    console.log(`unmutated, ${run.tests} tests of ${files.length} files pass${where} (${run.seconds.toFixed(0)} s)`)
  }
}

const say = ({ number, says }, { by, error, killed, seconds }) => {
  const verdict = error !== undefined ? "ERROR   " : killed ? "killed  " : "SURVIVED"
  const why = error !== undefined ? `\n    ${error}` : killed ? `\n    by ${by}` : ""
  console.log(`${verdict} ${String(number).padStart(2)}  ${says} (${seconds.toFixed(1)} s)${why}`)
}

const main = async () => {
  if (chosen.length === 0) throw new Error(`no mutant is called ${positionals.join(" or ")}`)
  // Before anything else, and all at once: texts that have moved are to be seen together.
  const problems = chosen.flatMap(problemsOf)
  if (problems.length > 0) throw new Error(problems.join("\n\n"))
  if (values.check) {
    console.log(`${chosen.length} mutants apply`)
    return 0
  }
  const started = performance.now()
  await checkUnmutated()
  const verdicts = new Map()
  const waiting = [...chosen]
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await verdictOn(mutant)
      verdicts.set(mutant, verdict)
      say(mutant, verdict)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  const all = Array.from(verdicts.values())
  const killed = all.filter((verdict) => verdict.killed === true).length
  const errors = all.filter(({ error }) => error !== undefined).length
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  if (errors > 0) console.log(`${errors} could not be checked`)
  console.log(`${killed} killed, ${all.length - killed - errors} survived (${seconds} s)`)
  return killed === all.length ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  cleanUp()
}
