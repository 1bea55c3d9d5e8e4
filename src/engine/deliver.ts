/** S20: stores a signal for an execution, unless its journal says that nobody waits for it, or will. */
import { Effect } from "effect"
import { isWellFormed } from "../definition/rules.ts"
import type { Any } from "../definition/Signal.ts"
import { stepsFor } from "../definition/wait.ts"
import * as Journal from "../Journal.ts"
import { isFinished, stepStatuses } from "../journal/statuses.ts"
import {
  type CheckpointError,
  ExecutionNotFound,
  type JournalCorrupt,
  type NotStorable,
  SignalRefused
} from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { textOrKind } from "../values/numbers.ts"
import { encodeValue } from "./codec.ts"
import { sumOf } from "./load.ts"
import { asSignal, encodeMessage, isName } from "./messages.ts"

/** The receiver and the sender of a signal. */
export interface To {
  readonly executionId: string
  readonly by: string
  readonly step: string | undefined
  readonly id: string | undefined
}

type Refused = SignalRefused | ExecutionNotFound | JournalCorrupt | CheckpointError

export const deliver = (
  signal: Any,
  to: To,
  value: unknown
): Effect.Effect<void, NotStorable | Refused, Checkpoint.Checkpoint> =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) => deliverTo(store, signal, to, value))

/** Like {@link deliver}, to an execution of this store. */
export const deliverTo = (
  store: Pick<Checkpoint.Service, "load" | "messages" | "send">,
  signal: Any,
  { by, executionId, id, step }: To,
  value: unknown
): Effect.Effect<void, NotStorable | Refused> =>
  Effect.gen(function*() {
    const refuse = (reason: SignalRefused["reason"]) =>
      new SignalRefused({ reason, signal: textOrKind(signal.name), executionId: textOrKind(executionId) })
    if (!isName(by) || (id !== undefined && !isName(id))) return yield* refuse("Unnamed")
    const found = yield* look(store, executionId, { signal: signal.name, step, id })
    if (found.answer === "Known") return
    if (found.answer !== undefined) return yield* refuse(found.answer)
    const whose = () => ({ saga: found.saga, executionId, value: `the value of signal "${signal.name}"` })
    const encoded = yield* encodeValue(signal.success, value, whose)
    const number = yield* store.send({
      executionId,
      body: encodeMessage({
        _tag: "Signal",
        signal: signal.name,
        ...(step === undefined ? {} : { step }),
        ...(encoded === undefined ? {} : { value: encoded }),
        by,
        ...(id === undefined ? {} : { id })
      })
    })
    if (number !== undefined) return
    // It has ended, or was pruned, between the look and the message.
    const { answer } = yield* look(store, executionId, { signal: signal.name, step, id })
    if (answer !== "Known") return yield* refuse(answer ?? "Finished")
  })

type Asked = { readonly signal: string; readonly step: string | undefined; readonly id: string | undefined }

/** Why the journal of an execution refuses a signal, or that it has the signal of this id already; undefined if it is to be sent. */
const look = (
  store: Pick<Checkpoint.Service, "load" | "messages">,
  executionId: string,
  asked: Asked
): Effect.Effect<{ readonly saga: string; readonly answer: SignalRefused["reason"] | "Known" | undefined }, Refused> =>
  Effect.gen(function*() {
    const commits = isWellFormed(executionId) ? yield* store.load(executionId) : []
    const state = yield* sumOf(executionId, commits)
    if (state === undefined) return yield* new ExecutionNotFound({ executionId: textOrKind(executionId) })
    const sent = yield* store.messages(executionId)
    return { saga: state.saga, answer: answerOf(state, sent, asked) }
  })

const answerOf = (
  state: Journal.ExecutionState,
  messages: ReadonlyArray<Checkpoint.StoredMessage>,
  { id, signal, step }: Asked
): SignalRefused["reason"] | "Known" | undefined => {
  const sent = messages.flatMap(({ body, number }) => number > state.taken ? asSignal(body) ?? [] : [])
  const own = Journal.idOfSignal({ id, signal, step })
  if (own !== undefined && (state.delivered.includes(own) || sent.some((other) => Journal.idOfSignal(other) === own))) {
    return "Known"
  }
  if (isFinished(state.status)) return "Finished"
  if (state.direction === "Back" || state.cancellation !== undefined) return "Unwinding"
  const fits = (path: string) => step === undefined || path === step
  const all = stepsFor(state.fingerprint, signal)
  if (!all.some(fits)) return "NoStep"
  const open = all.filter((path) => {
    const recorded = state.steps.get(path)
    return recorded === undefined || stepStatuses[recorded.status].isOpen
  })
  // Those that came before have their steps first.
  for (const other of [...state.signals, ...sent]) {
    const taken = other.signal === signal
      ? open.find((path) => other.step === undefined || path === other.step)
      : undefined
    if (taken !== undefined) open.splice(open.indexOf(taken), 1)
  }
  return open.some(fits) ? undefined : "Answered"
}
