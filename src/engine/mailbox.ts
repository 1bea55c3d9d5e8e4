/** S21: the driver of an execution takes its messages, in the order in which they were sent. */
import { Effect, Option } from "effect"
import { isDriven } from "../journal/statuses.ts"
import { JournalCorrupt } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { take } from "./cancellation.ts"
import { decodeMessage, type Signal } from "./messages.ts"
import type { Run } from "./run.ts"

/** The mailbox of a run that is driven under a claim. */
export const mailboxOf = (store: Pick<Checkpoint.Service, "messages">, run: Run): Checkpoint.Mailbox => ({
  take: (request) => take(run, request),
  read: Effect.catchAllCause(
    Effect.flatMap(store.messages(run.executionId), (messages) => takeMessages(run, messages)),
    (cause) => Effect.logDebug("messages could not be read; they are read again within a second", cause)
  )
})

/**
 * Takes the messages that were not taken before, in the order in which they were sent. Fails at one that this release cannot read:
 * its execution is left to a release that can.
 */
export const takeMessages = (
  run: Run,
  messages: ReadonlyArray<Checkpoint.StoredMessage>
): Effect.Effect<void, JournalCorrupt> =>
  Effect.suspend(() => {
    for (const { body, number } of messages) {
      if (number <= run.read) continue
      const message = Option.getOrUndefined(decodeMessage(body))
      switch (message?._tag) {
        case "Cancel":
          run.read = number
          take(run, {
            by: message.by,
            reason: message.reason,
            message: number,
            refused: undefined,
            accepted: undefined
          })
          continue
        case "Signal":
          if (!mayTakeSignal(run)) return Effect.void
          run.read = number
          record(run, message, number)
          continue
        case undefined: {
          const problem = `message ${number} is none that this release knows`
          return Effect.fail(new JournalCorrupt({ executionId: run.executionId, problem }))
        }
      }
    }
    return Effect.void
  })

/**
 * The number of the last message that a commit takes stands for all before it. So a signal waits while a request that came before it is
 * not in the journal; and of one that ends, parks or waits just now it is left to the store, or to the next driver.
 */
const mayTakeSignal = ({ recorder, requests }: Run): boolean => {
  const state = recorder?.state()
  return state !== undefined && isDriven(state.status) && requests.every(({ message }) => message === undefined)
}

const record = ({ recorder }: Run, { by, id, signal, step, value }: Signal, message: number): void =>
  recorder?.record({
    _tag: "SignalReceived",
    signal,
    ...(step === undefined ? {} : { step }),
    ...(value === undefined ? {} : { value }),
    by,
    ...(id === undefined ? {} : { id }),
    message,
    at: recorder.now()
  })
