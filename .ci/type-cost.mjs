/**
 * What a step costs the compiler, in type instantiations: unlike time, the same on every machine. A chain must stay within
 * the budget, near the figure recorded in type-cost.json, and linear. A change that needs more raises `recorded` with it.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))
const { budget, recorded, recordedStruct } = JSON.parse(
  readFileSync(new URL("type-cost.json", import.meta.url), "utf8")
)

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)).config,
  { ...ts.sys, readDirectory: () => [] },
  root,
  { noUnusedLocals: false }
)

const named = `interface Booking { readonly id: string; readonly price: number }
const Booking: Schema.Schema<Booking> = Schema.Struct({ id: Schema.String, price: Schema.Number })`

// TypeScript takes the type that it infers for a struct as possibly generic, and walks it again in each later step.
const struct = `const Booking = Schema.Struct({ id: Schema.String, price: Schema.Number })
type Booking = typeof Booking.Type`

const header = `
import { type Effect, type ParseResult, Schedule, Schema } from "effect"
import { Saga, SagaError } from "effect-saga"
class Sold extends Schema.TaggedError<Sold>()("Sold", {}) {}
interface Shop { readonly _: unique symbol }
declare const quote: (price: number) => Effect.Effect<number, Sold, Shop>
declare const book: (price: number, key: string) => Effect.Effect<Booking, Sold | SagaError.OutcomeUnknown, Shop>
declare const cancel: (id: string, key: string) => Effect.Effect<void, Sold, Shop>
export const saga = Saga.make("Cost", { input: Schema.Struct({ price: Schema.Number }) })
  .readOnly("s0", { success: Schema.Number, action: ({ input }) => quote(input.price) })`

const readOnly = (name, earlier) => `
  .readOnly("${name}", { success: Schema.Number, action: ({ outputs }) => quote(outputs.${earlier}.price) })`

const compensatable = (name, earlier) => `
  .compensatable("${name}", {
    success: Booking,
    action: ({ idempotencyKey, outputs }) => book(outputs.${earlier}, idempotencyKey),
    retry: { times: 3, schedule: Schedule.exponential("100 millis") },
    inDoubt: "retry",
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })`

const footer = `
  .final("final", {
    success: Booking,
    action: ({ idempotencyKey, outputs }) => book(outputs.s0, idempotencyKey),
    inDoubt: "retry"
  })
  .build(({ outputs }) => outputs.final.id)
export const run = Saga.run(saga, { price: 1 })
`

// What the chain comes to: a type that was lost on the way is an error.
const checked = `
export const effect: Effect.Effect<
  string,
  Sold | SagaError.OutcomeUnknown | ParseResult.ParseError | SagaError.PartlyUndone<any>,
  Shop
> = run
`

const chain = (length, booking, end = footer + checked) => {
  let source = booking + header
  for (let index = 1; index < length; index++) {
    source += (index % 2 === 0 ? readOnly : compensatable)(`s${index}`, `s${index - 1}`)
  }
  return source + end
}

const parsed = new Map()

const measure = (source) => {
  const file = `${root}.ci/chain.ts`
  const disk = ts.createCompilerHost(options)
  const host = {
    ...disk,
    fileExists: (path) => path === file || disk.fileExists(path),
    readFile: (path) => path === file ? source : disk.readFile(path),
    getSourceFile: (path, languageVersion) => {
      if (path === file) return ts.createSourceFile(path, source, languageVersion)
      if (!parsed.has(path)) parsed.set(path, disk.getSourceFile(path, languageVersion))
      return parsed.get(path)
    }
  }
  const program = ts.createProgram([file], options, host)
  const diagnostics = ts.getPreEmitDiagnostics(program, program.getSourceFile(file))
  return {
    errors: diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n       ")),
    count: program.getInstantiationCount()
  }
}

let failed = false
const check = (holds, sentence) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${sentence}`)
  failed ||= !holds
}
const shown = (errors) => errors.slice(0, 3).map((error) => `\n     ${error.slice(0, 500)}`).join("")

const countOf = (length, booking, what) => {
  const { count, errors } = measure(chain(length, booking))
  check(errors.length === 0, `${length} steps${what}: ${count} instantiations, ${errors.length} errors${shown(errors)}`)
  return count
}

const [at10, at100, at200, at300] = [10, 100, 200, 300].map((length) => countOf(length, named, ""))
const perStep = Math.round((at300 - at100) / 200)
const limit = Math.min(budget, Math.floor(1.1 * recorded))
check(perStep <= limit, `${perStep} a step; at most ${limit} (budget ${budget}, recorded ${recorded} + 10 %)`)

const [early, late] = [at200 - at100, at300 - at200].map((more) => Math.round(more / 100))
check(late <= 1.25 * early, `linear: ${early} a step from 100 to 200, ${late} from 200 to 300`)

const misuse = measure(chain(100, named, readOnly("s1", "s99") + footer))
check(
  misuse.errors.length === 1 && misuse.errors[0].includes(String.raw`step \"s1\" is already declared in this saga`),
  `a name used twice after 100 steps: 1 error expected, ${misuse.errors.length} found${shown(misuse.errors)}`
)
const average = Math.round((misuse.count - at10) / 91)
check(average <= limit, `${average} a step with that misuse; at most ${limit}`)

const structLimit = Math.floor(1.1 * recordedStruct)
const perStruct = Math.round(
  (countOf(100, struct, " with inferred structs") - countOf(10, struct, " with inferred structs")) / 90
)
check(
  perStruct <= structLimit,
  `${perStruct} a step with inferred structs; at most ${structLimit} (recorded ${recordedStruct} + 10 %)`
)

process.exitCode = failed ? 1 : 0
