/** The bank's customers: the connection of one process of the storm, and the functions that its steps call. */
import { Effect, Option } from "effect"
import { SagaError, type Step } from "effect-saga"
import { connect } from "node:net"
import { createInterface } from "node:readline"
import type { Answer, Call, Message, Note, Odds, Reply } from "./messages.ts"

export type Declined = "refused" | "busy" | "too late"

type Context = Pick<Step.ActionContext<unknown, unknown>, "executionId" | "idempotencyKey" | "leaseEndsAt">

/** A connection. A process that has lost it has nothing left to do, and ends. */
export const openBank = async (socketPath: string) => {
  const socket = connect(socketPath)
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject))
  socket.on("close", () => process.exit(4))
  const waiting = new Map<number, (answer: Answer) => void>()
  /**
   * By execution; one that this process has begun and not claimed has none. The greatest, in whatever order they are heard of: the claim of a
   * worker is overtaken by that of a call of the same process, which drives.
   */
  const fences = new Map<string, number>()
  let count = 0
  createInterface({ input: socket }).on("error", () => {}).on("line", (text) => {
    const { answer, id }: Reply = JSON.parse(text)
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  const say = (message: Message) => void socket.write(JSON.stringify(message) + "\n")
  const note = (note: Note) => {
    if (note._tag === "Claimed") {
      fences.set(note.executionId, Math.max(note.fence, fences.get(note.executionId) ?? 0))
    }
    say(note)
  }
  const ask = (message: (id: number) => Message): Effect.Effect<Answer> =>
    Effect.async((resume) => {
      const id = count++
      waiting.set(id, (answer) => resume(Effect.succeed(answer)))
      say(message(id))
      return Effect.sync(() => waiting.delete(id))
    })

  const call = (
    { executionId, leaseEndsAt }: Context,
    what: Pick<Call, "role" | "step" | "key" | "actionKey" | "receipt" | "odds">
  ): Effect.Effect<Answer> =>
    Effect.suspend(() => {
      const begunAt = Date.now()
      const deadline = leaseEndsAt === undefined ? {} : { deadline: leaseEndsAt }
      const fence = fences.get(executionId) ?? 0
      return ask((id) => ({ _tag: "Call", id, executionId, fence, begunAt, ...deadline, ...what }))
    })

  /** An action; one that may not be in doubt takes an `Unknown` for a defect, so its odds must not have one. */
  const act = (step: string, odds: Odds) => (context: Context): Effect.Effect<string, Declined> => {
    const key = context.idempotencyKey
    return Effect.flatMap(
      call(context, { role: "do", step, key, actionKey: key, odds }),
      (answer): Effect.Effect<string, Declined> => {
        switch (answer._tag) {
          case "Done":
            return Effect.succeed(answer.receipt)
          case "Refused":
            return Effect.fail("refused")
          case "Busy":
            return Effect.fail("busy")
          case "TooLate":
            return Effect.fail("too late")
          case "Dead":
            return Effect.die(new Error("planned"))
          case "None":
          case "Unknown":
            return Effect.die(new Error(`the bank says ${answer._tag} to step ${step}`))
        }
      }
    )
  }

  /** An action whose answer may be that nobody knows. */
  const actOrDoubt = (step: string, odds: Odds) => (context: Context) => {
    const key = context.idempotencyKey
    return Effect.flatMap(
      call(context, { role: "do", step, key, actionKey: key, odds }),
      (answer): Effect.Effect<string, Declined | SagaError.OutcomeUnknown> => {
        switch (answer._tag) {
          case "Done":
            return Effect.succeed(answer.receipt)
          case "Refused":
            return Effect.fail("refused")
          case "Busy":
            return Effect.fail("busy")
          case "TooLate":
            return Effect.fail("too late")
          case "Dead":
            return Effect.die(new Error("planned"))
          case "Unknown":
            return Effect.fail(new SagaError.OutcomeUnknown({ reason: "the bank does not know" }))
          case "None":
            return Effect.die(new Error(`the bank says None to step ${step}`))
        }
      }
    )
  }

  const undo =
    (step: string, odds: Odds) =>
    (context: Context & { readonly output: string; readonly actionIdempotencyKey: string }) => {
      const { actionIdempotencyKey: actionKey, idempotencyKey: key, output: receipt } = context
      return Effect.flatMap(
        call(context, { role: "undo", step, key, actionKey, receipt, odds }),
        ({ _tag }): Effect.Effect<void, string> => _tag === "Done" ? Effect.void : Effect.fail(_tag)
      )
    }

  const verify = (step: string, odds: Odds) => (context: Context): Effect.Effect<Option.Option<string>, string> => {
    const key = context.idempotencyKey
    return Effect.flatMap(
      call(context, { role: "verify", step, key, actionKey: key, odds }),
      (answer): Effect.Effect<Option.Option<string>, string> => {
        switch (answer._tag) {
          case "Done":
            return Effect.succeedSome(answer.receipt)
          case "None":
            return Effect.succeedNone
          case "Refused":
          case "Busy":
          case "Unknown":
          case "Dead":
          case "TooLate":
            return Effect.fail(answer._tag)
        }
      }
    )
  }

  /** What a person finds out about a key. */
  const peek = (key: string) =>
    Effect.map(
      ask((id) => ({ _tag: "Peek", id, key })),
      (answer) => answer._tag === "Done" ? Option.some(answer.receipt) : Option.none()
    )

  /** The id of some execution, of whatever process. */
  const which = (chance: number) =>
    Effect.map(
      ask((id) => ({ _tag: "Which", id, chance })),
      (answer) => answer._tag === "Done" ? answer.receipt : undefined
    )

  return { act, actOrDoubt, undo, verify, peek, which, note }
}

export type Customer = Awaited<ReturnType<typeof openBank>>
