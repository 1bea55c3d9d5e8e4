/**
 * The outside world on disk, for tests of real processes: a folder with a file for each effect, which is made once however often
 * it is asked for and by whichever process, and a list of all calls. It outlives the processes.
 */
import { Effect, Schema } from "effect"
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const Line = Schema.parseJson(
  Schema.Struct({ process: Schema.Number, what: Schema.Literal("do", "undo"), key: Schema.String })
)

export interface Change {
  readonly what: "do" | "undo"
  readonly key: string
}

/** A process that asked for a change. */
export interface Call extends Change {
  readonly process: number
}

const fileOf = (folder: string, { key, what }: Change) => join(folder, "effects", encodeURIComponent(`${what} ${key}`))

const callsIn = (folder: string): ReadonlyArray<Call> =>
  existsSync(join(folder, "calls"))
    ? readFileSync(join(folder, "calls"), "utf8").split("\n").filter((line) => line !== "").map((line) =>
      Schema.decodeSync(Line)(line)
    )
    : []

/** All calls, and everything that took effect, in the order in which it was first asked for. */
export const readLedger = (folder: string) => {
  const calls = callsIn(folder)
  const distinct = new Map(calls.map(({ key, what }) => [`${what} ${key}`, { what, key }]))
  const effects: ReadonlyArray<Change> = Array.from(distinct.values()).filter((change) =>
    existsSync(fileOf(folder, change))
  )
  return { calls, effects }
}

/** Asks for a change, which takes this long to happen. */
export const openLedger = (folder: string, takes?: "15 millis") => {
  mkdirSync(join(folder, "effects"), { recursive: true })
  return (what: Change["what"], key: string) => {
    const ask = Effect.sync(() =>
      appendFileSync(join(folder, "calls"), JSON.stringify({ process: process.pid, what, key }) + "\n")
    )
    const happen = Effect.sync(() => {
      try {
        writeFileSync(fileOf(folder, { what, key }), "", { flag: "wx" })
      } catch (error) {
        if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error
      }
    })
    return Effect.zipRight(ask, takes === undefined ? happen : Effect.delay(happen, takes))
  }
}
