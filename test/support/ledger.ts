/**
 * A world that several processes share: a folder with a file for each effect, which is made once however often and by whomever
 * it is asked for, and a list of all who asked.
 */
import { Effect, Schema } from "effect"
import { Saga, type Step } from "effect-saga"
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Who asked for what. */
export interface Call {
  readonly process: number
  readonly what: "do" | "undo"
  readonly key: string
}

export const readLedger = (folder: string) => {
  const lines = existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8").split("\n") : []
  const effects = existsSync(join(folder, "effects"))
    ? readdirSync(join(folder, "effects")).map((name) => decodeURIComponent(name)).sort()
    : []
  return { calls: lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Call), effects }
}

/** A saga of three effects, each of which takes a moment. A declined one is undone. */
export const ordersOf = (folder: string, begun: () => void = () => {}) => {
  mkdirSync(join(folder, "effects"), { recursive: true })
  let first = true
  const effect = (what: Call["what"], key: string) =>
    Effect.gen(function*() {
      appendFileSync(join(folder, "calls"), JSON.stringify({ process: process.pid, what, key }) + "\n")
      yield* Effect.sleep("15 millis")
      try {
        writeFileSync(join(folder, "effects", encodeURIComponent(`${what} ${key}`)), "", { flag: "wx" })
      } catch (error) {
        if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error
      }
      if (first) begun()
      first = false
    })
  const reserve = {
    success: Schema.String,
    action: ({ idempotencyKey }: { readonly idempotencyKey: Step.IdempotencyKey }) =>
      Effect.as(effect("do", idempotencyKey), idempotencyKey as string),
    compensate: ({ output }: { readonly output: string }) => effect("undo", output)
  }
  return Saga.make("Order", { input: Schema.Struct({ declined: Schema.Boolean }) })
    .compensatable("flight", reserve)
    .compensatable("hotel", reserve)
    .final("charge", {
      success: Schema.String,
      error: Schema.Literal("declined"),
      action: ({ idempotencyKey, input }) =>
        input.declined
          ? Effect.fail("declined" as const)
          : Effect.as(effect("do", idempotencyKey), "paid"),
      inDoubt: "retry"
    })
    .build(({ outputs }) => outputs.charge)
}

/** What must stand of these executions once all are finished: each effect once, and of a declined one its undo too. */
export const effectsOf = (executionIds: ReadonlyArray<string>): ReadonlyArray<string> =>
  executionIds.flatMap((id) => {
    const [flight, hotel, charge] = ["flight", "hotel", "charge"].map((step) => `${id}/${step}/action`)
    return id.startsWith("declined")
      ? [`do ${flight}`, `do ${hotel}`, `undo ${flight}`, `undo ${hotel}`]
      : [`do ${flight}`, `do ${hotel}`, `do ${charge}`]
  }).sort()
