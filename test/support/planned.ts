/** The sagas of `SagaArbitrary` as plans: the same steps, done by the same functions, but named by a document. */
import { Effect, Schema } from "effect"
import { ToolExecutor } from "effect-saga"
import type { Ledger, SagaArbitrary } from "effect-saga/testing"
import { stepOf } from "../../src/testing/sentence.ts"

interface Arguments {
  readonly name: string
  readonly sentence: SagaArbitrary.Sentence
  readonly output: string
}

/** The document of a program without nested sagas, lists and skipped steps. */
export const documentOf = (program: SagaArbitrary.Program, header: object = {}) => {
  let count = 0
  const step = (sentence: SagaArbitrary.Sentence) => {
    const name = String.fromCharCode(97 + count++)
    const { compensationRetry, inDoubt, retry, timeout } = stepOf(name, sentence)
    const kind = sentence.split(" ", 1)[0]!
    return {
      name,
      classification: kind.charAt(0).toUpperCase() + kind.slice(1),
      action: { tool: "do", arguments: { name, sentence } },
      ...retry && { retry },
      ...timeout && { timeout },
      ...kind === "readOnly" ? {} : { inDoubt },
      ...kind !== "compensatable" ? {} : {
        compensation: { tool: "undo", arguments: { name, sentence, output: { $ref: `/outputs/${name}` } } },
        ...compensationRetry && { compensationRetry }
      }
    }
  }
  const steps = program.map((part) => {
    if (typeof part === "string") return step(part)
    if (!("parallel" in part)) throw new Error("a plan has neither nested sagas nor lists, and no step of it sleeps")
    const parallel = part.parallel.map((sibling) => step(sibling as SagaArbitrary.Sentence))
    return { parallel, ...parallel.length > 2 ? { concurrency: 1 } : {} }
  })
  return { name: "Random", ...header, steps }
}

/** Runs the tools of such documents, and counts their calls. */
export const tools = (calls = { count: 0 }) => {
  const it = ToolExecutor.tool({
    // The plan is believed: which steps only read, it says itself.
    classification: ["ReadOnly", "Compensatable", "Final"],
    parameters: Schema.Unknown,
    success: Schema.Unknown,
    failure: Schema.Unknown,
    run: (_, call): Effect.Effect<unknown, unknown, Ledger.Ledger> => {
      calls.count++
      const { name, output, sentence } = call.arguments as Arguments
      const { action, compensate } = stepOf(name, sentence)
      return call.role === "action" ? action(call) : compensate({ ...call, output })
    }
  })
  return ToolExecutor.layer({ do: it, undo: it }, { limits: { minDelay: 0 } })
}
