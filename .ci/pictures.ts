/**
 * Writes the pictures that stand in README.md and docs/ after `<!-- picture: name -->`, drawn of the sagas in examples/. With
 * `--check` writes nothing, and fails where one is stale.
 */
import { Effect, Layer, TestClock, TestContext } from "effect"
import { Diagram, Saga, Timeline } from "effect-saga"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { CardDeclined } from "../examples/02-trip/api.ts"
import { bookTrip, Services } from "../examples/02-trip/saga.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const answer = (millis: number, value: unknown) => () => Effect.as(Effect.sleep(millis), value)

/** The services of the example without their servers. The card is declined. */
const services = Layer.succeed(
  Services,
  {
    airline: { quote: answer(40, 400), book: answer(320, { id: "flight-1" }), cancel: answer(90, undefined) },
    hotel: { book: answer(1200, { id: "room-1" }), cancel: answer(110, undefined) },
    payments: {
      risk: answer(60, 0.1),
      charge: () => Effect.zipRight(Effect.sleep(700), new CardDeclined({ traveller: "Bob", amount: 400 }))
    }
  } as unknown as Services["Type"]
)

const declined = Effect.gen(function*() {
  const fiber = yield* Effect.fork(Saga.report(bookTrip, { traveller: "Bob", city: "Oslo" }))
  yield* TestClock.adjust("1 minute")
  return yield* fiber
}).pipe(Effect.provide([services, TestContext.TestContext]))

const report = await Effect.runPromise(declined)
const pictures: Record<string, string> = {
  trip: Diagram.mermaid(bookTrip),
  "trip, declined": Diagram.mermaid(bookTrip, report),
  "trip, declined, as a timeline": `${Timeline.pretty(report)}\n`
}

const check = process.argv.includes("--check")
const files = [
  "README.md",
  ...readdirSync(`${root}/docs`, { recursive: true, encoding: "utf8" }).map((path) => `docs/${path}`)
]
const found = new Set<string>()
let problems = 0
for (const path of files.filter((path) => path.endsWith(".md"))) {
  const before = readFileSync(`${root}/${path}`, "utf8")
  const after = before.replace(
    /(<!-- picture: (.*) -->\n```(?:mermaid)?\n)[^]*?^```$/gm,
    (_, opening: string, name: string) => {
      found.add(name)
      if (pictures[name] === undefined) throw new Error(`${path}: there is no picture "${name}"`)
      return `${opening}${pictures[name]}\`\`\``
    }
  )
  if (before.split("<!-- picture:").length !== after.split(/<!-- picture: .* -->\n```(?:mermaid)?\n/).length) {
    throw new Error(`${path}: a picture's mark is not followed by a fence`)
  }
  if (after === before) continue
  problems++
  console.log(`${path}: ${check ? "a picture is stale: node --import tsx .ci/pictures.ts" : "written"}`)
  if (!check) writeFileSync(`${root}/${path}`, after)
}
const unused = Object.keys(pictures).filter((name) => !found.has(name))
if (unused.length > 0) throw new Error(`nowhere is a picture ${unused.join(", ")}`)
console.log(`${found.size} pictures, ${problems} ${check ? "stale" : "written"}`)
process.exitCode = check && problems > 0 ? 1 : 0
