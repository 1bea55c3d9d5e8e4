/**
 * S19: a request to cancel an execution is a message, which its driver takes. It interrupts what may be interrupted, and waits for
 * what may not: a Final while it is called, and a step that is in doubt.
 */
import { Cause, Effect, Option } from "effect"
import { isWellFormed } from "../definition/rules.ts"
import type * as Journal from "../Journal.ts"
import { committedFinal } from "../Journal.ts"
import { isDriven, isFinished } from "../journal/statuses.ts"
import {
  CancellationRefused,
  Cancelled,
  type CheckpointError,
  ExecutionNotFound,
  is,
  type JournalCorrupt
} from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { emptyList } from "../values/emptyList.ts"
import { textOrKind } from "../values/numbers.ts"
import { sumOf } from "./load.ts"
import { asSignal, encodeMessage, isName, isText } from "./messages.ts"
import type { Run } from "./run.ts"

const longestReason = 4000

/** Stores a request to cancel an execution, unless its journal says that it must be refused. */
export const cancel = (
  executionId: string,
  { by, reason }: { readonly by: string; readonly reason: string | undefined }
): Effect.Effect<
  void,
  CancellationRefused | ExecutionNotFound | JournalCorrupt | CheckpointError,
  Checkpoint.Checkpoint
> =>
  Effect.gen(function*() {
    const refuse = (reason: CancellationRefused["reason"]) =>
      new CancellationRefused({ reason, executionId: textOrKind(executionId) })
    if (!isName(by)) return yield* refuse("Unnamed")
    if (reason !== undefined && !isText(reason, longestReason)) return yield* refuse("InvalidReason")
    const store = yield* Checkpoint.Checkpoint
    const known = yield* whyRefused(store, executionId)
    if (known !== undefined) return yield* refuse(known)
    const number = yield* store.send({
      executionId,
      body: encodeMessage({ _tag: "Cancel", by, ...(reason === undefined ? {} : { reason }) })
    })
    // It has ended, or was pruned, between the look and the message.
    if (number === undefined) return yield* refuse((yield* whyRefused(store, executionId)) ?? "Finished")
  })

/** Why the journal of an execution refuses a cancellation; undefined if it does not. */
const whyRefused = (
  store: Pick<Checkpoint.Service, "load" | "messages">,
  executionId: string
): Effect.Effect<CancellationRefused["reason"] | undefined, ExecutionNotFound | JournalCorrupt | CheckpointError> =>
  Effect.gen(function*() {
    const commits = isWellFormed(executionId) ? yield* store.load(executionId) : []
    const state = yield* sumOf(executionId, commits)
    if (state === undefined) return yield* new ExecutionNotFound({ executionId: textOrKind(executionId) })
    if (isFinished(state.status)) return "Finished"
    if (state.cancellation !== undefined) return "Requested"
    if (state.direction === "Back") return "Unwinding"
    if (committedFinal(state) !== undefined) return "Committed"
    const sent = yield* store.messages(executionId)
    return sent.some(({ body, number }) => number > state.taken && asSignal(body) === undefined)
      ? "Requested"
      : undefined
  })

/** Takes a request to cancel a run: does what can be done about it now. */
export const take = (run: Run, request: Checkpoint.CancelRequest): void => {
  run.requests = [...run.requests, request]
  considerRequests(run)
}

/**
 * Does what can be done now about the requests to cancel a run: refuses them after the point of no return and while it goes back; else
 * interrupts the run, unless something is under way that has to end first. Then this is called again once that has ended.
 */
export const considerRequests = (run: Run): void => {
  if (run.requests.length === 0 && run.past?.state.cancellation === undefined) return
  const state = run.recorder?.state()
  // The requests of one that ends or parks just now are left to the store, which does not let it end, or to the next driver.
  if (state === undefined || !isDriven(state.status)) return
  if (state.direction === "Back") return refuse(run, state.cancellation === undefined ? "Unwinding" : "Requested")
  if (committedFinal(state) !== undefined) return refuseAsCommitted(run, state)
  if (run.busy === 0) run.interrupt()
}

/** Refuses what comes too late, and also the request that was taken while it was in doubt whether a Final had taken effect. */
const refuseAsCommitted = (run: Run, { cancellation }: Journal.ExecutionState): void => {
  const { recorder } = run
  if (cancellation !== undefined && recorder !== undefined) {
    const refused = said({ ...cancellation, message: undefined })
    recorder.record({ _tag: "CancellationRefused", ...refused, why: "Committed", at: recorder.now() })
  }
  refuse(run, "Committed")
}

/** Whether a run is to be cancelled as soon as what is in doubt is settled: until then no further step of it begins. */
export const isToBeCancelled = ({ past, recorder, requests }: Run): boolean =>
  requests.length > 0 || (past?.state.cancellation !== undefined && recorder?.state()?.cancellation !== undefined)

/** Records, for a run that does not go forward any more, that the requests are taken: the first is why, the others came too late. */
export const recordRequests = (run: Run): void => {
  const { recorder, requests: [first, ...others] } = run
  if (first === undefined || recorder === undefined) return
  if (recorder.state()?.cancellation !== undefined) return refuse(run, "Requested")
  recorder.record({ _tag: "CancellationRequested", ...said(first), at: recorder.now() })
  first.accepted?.()
  run.requests = others
  refuse(run, "Requested")
}

const refuse = (run: Run, why: Journal.RefusedReason): void => {
  const { recorder, requests } = run
  run.requests = emptyList()
  for (const request of requests) {
    recorder?.record({ _tag: "CancellationRefused", ...said(request), why, at: recorder.now() })
    request.refused?.()
  }
}

const said = ({ by, message, reason }: Pick<Checkpoint.CancelRequest, "by" | "message" | "reason">) => ({
  by,
  ...(reason === undefined ? {} : { reason }),
  ...(message === undefined ? {} : { message })
})

/** The cause with which a run unwinds: a cancellation, where nothing but its interruption has ended the steps. */
export const causeOfUnwinding = (run: Run, cause: Cause.Cause<unknown>): Cause.Cause<unknown> => {
  const request = run.recorder?.state()?.cancellation ?? run.requests[0]
  if (request === undefined || !Cause.isInterruptedOnly(cause)) return cause
  const { by, reason } = request
  const { executionId, program } = run
  return Cause.fail(new Cancelled({ saga: program.name, executionId, by, ...(reason === undefined ? {} : { reason }) }))
}

/** The cancellation of this very execution in a cause: a step may fail with that of another one. */
export const ownCancellation = (executionId: string, cause: Cause.Cause<unknown>): Cancelled | undefined =>
  Option.getOrUndefined(Option.filter(
    Cause.failureOption(cause),
    (error): error is Cancelled => is("Cancelled")(error) && error.executionId === executionId
  ))
