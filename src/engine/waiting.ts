/**
 * S20: steps that wait, for a signal or for a time. In a durable run nobody drives an execution while it waits: the commit that says so
 * ends the claim, and the run stops. In process a sleep sleeps.
 */
import { Cause, Clock, Duration, Effect, Fiber } from "effect"
import type { Program, Wait } from "../definition/definition.ts"
import * as Message from "../definition/messages.ts"
import { timeOf, untilProblem } from "../definition/waitRules.ts"
import * as Journal from "../Journal.ts"
import { isDriven } from "../journal/statuses.ts"
import { JournalCorrupt, SignalTimeout } from "../SagaError.ts"
import { andThen, decode } from "../values/schema.ts"
import { considerRequests, isToBeCancelled, take } from "./cancellation.ts"
import { storeCause } from "./codec.ts"
import { Halt, haltBecause } from "./halt.ts"
import { callPure, seen } from "./pure.ts"
import type { Recorder } from "./recorder.ts"
import type { AnyEffect, Frame, Run } from "./run.ts"

/** Stops a run because its execution waits. */
const waits = new Halt(Cause.empty, true)

/** Begins to wait, or goes on with a wait that the journal knows. */
export const runWait = (run: Run, frame: Frame, wait: Wait): AnyEffect => {
  const { recorder } = run
  const known = recorder?.state()?.waits
  const { path } = wait.step
  if (known?.step === path) return untilItEnds(run, wait, known)
  if (run.committed.length === 0 && isToBeCancelled(run)) return Effect.interrupt
  return Effect.flatMap(untilOf(run, frame, wait), (until) => {
    const begun = {
      step: path,
      ...(wait.signal === undefined ? {} : { signal: wait.signal.name }),
      ...(until === undefined ? {} : { until })
    }
    recorder?.record({ _tag: "WaitStarted", ...begun, at: recorder.now() })
    return untilItEnds(run, wait, begun)
  })
}

const untilOf = (run: Run, frame: Frame, { name, step, until }: Wait): AnyEffect<number | undefined> =>
  until === undefined ?
    Effect.succeed(undefined) :
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      callPure(run, step, () => {
        const given = typeof until === "function" ? until(seen(frame)) : until
        const problem = untilProblem(given)
        if (problem !== undefined) throw new Error(Message.invalidUntil(`step "${name}"`, problem))
        return timeOf(given, now)
      }))

const untilItEnds = (run: Run, wait: Wait, begun: Journal.Waits): AnyEffect =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { recorder } = run
    // Also a request that has come this moment is taken before the execution waits.
    if (run.committed.length === 0 && isToBeCancelled(run)) return endInterrupted(run, wait)
    const state = recorder?.state()
    const given = state === undefined ? undefined : Journal.signalFor(state, begun)
    if (given !== undefined) return useSignal(run, wait, given)
    const { until } = begun
    if (until !== undefined && until <= now) return endInTime(run, wait, until)
    if (state === undefined || recorder?.durable !== true) return sleepInProcess(run, wait, begun)
    recorder.wakesAt = dueAt(run.program, state)
    recorder.record({ _tag: "Waiting", at: recorder.now() })
    return recorder.commit(() => Effect.fail(waits))
  })

const sleepInProcess = (run: Run, wait: Wait, begun: Journal.Waits): AnyEffect => {
  // Refused by type; where there are no types, it would wait for ever.
  if (wait.signal !== undefined || begun.until === undefined) {
    return Effect.dieMessage(Message.waitsInProcess(wait.step.path))
  }
  const { until } = begun
  const slept = sleepUntil(until)
  return Effect.matchCauseEffect(run.committed.length === 0 ? run.restore(slept) : slept, {
    onFailure: () => endInterrupted(run, wait),
    onSuccess: () => endInTime(run, wait, until)
  })
}

/** The execution goes back before the step has what it waits for. */
const endInterrupted = (run: Run, wait: Wait): AnyEffect =>
  Effect.matchCauseEffect(Effect.interrupt, {
    onFailure: (cause) => fail(run, wait, cause),
    onSuccess: () => Effect.interrupt
  })

/** The longest time for which a timer can be set. */
const longest = 2 ** 31 - 1

/** Sleeps until a point in time, in epoch milliseconds, however far away. */
export const sleepUntil = (until: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    until <= now
      ? Effect.void
      : Effect.zipRight(Effect.sleep(Math.min(longest, until - now)), Effect.suspend(() => sleepUntil(until))))

const useSignal = (run: Run, wait: Wait, given: typeof Journal.SignalReceived.Type): AnyEffect =>
  Effect.matchEffect(decode(wait.signal!.success, given.value), {
    onFailure: (problem) =>
      Effect.fail(haltBecause(
        new JournalCorrupt({ executionId: run.executionId, problem: `signal "${given.signal}": ${problem}` })
      )),
    onSuccess: (value) => succeed(run, wait, given.value, value)
  })

/** The time of a wait has come. */
const endInTime = (run: Run, wait: Wait, until: number): AnyEffect => {
  const { onTimeout, signal, step } = wait
  const { recorder } = run
  if (onTimeout === "fail") {
    return fail(run, wait, Cause.fail(new SignalTimeout({ signal: signal?.name ?? "", step: step.path, until })))
  }
  return recorder === undefined || signal === undefined
    ? succeed(run, wait, undefined, undefined)
    : andThen(recorder.captureOutput(step, onTimeout.value), ({ encoded, value }) => succeed(run, wait, encoded, value))
}

const fail = (run: Run, { step }: Wait, cause: Cause.Cause<unknown>): AnyEffect => {
  const { recorder } = run
  recorder?.record({
    _tag: "StepFailed",
    step: step.path,
    failures: storeCause(step, cause),
    attempts: 0,
    at: recorder.now()
  })
  run.failed.push({ step, cause })
  return Effect.failCause(cause)
}

const succeed = (run: Run, { step }: Wait, output: unknown, value: unknown): AnyEffect => {
  const { recorder } = run
  recorder?.record({ _tag: "StepSucceeded", step: step.path, output, attempts: 0, at: recorder.now() })
  considerRequests(run)
  return Effect.succeed(value)
}

/** When the deadline of an execution is over, in epoch milliseconds; undefined if it has none, or none any more. */
const deadlineOf = ({ deadline }: Program, state: Journal.ExecutionState): number | undefined =>
  deadline === undefined || state.direction === "Back" || Journal.committedFinal(state) !== undefined
    ? undefined
    : state.startedAt + Duration.toMillis(deadline)

/** When an execution that waits is due; undefined if only a message wakes it. */
export const dueAt = (program: Program, state: Journal.ExecutionState): number | undefined => {
  const { waits } = state
  const deadline = deadlineOf(program, state)
  const until = waits?.until
  return deadline === undefined || until === undefined ? deadline ?? until : Math.min(deadline, until)
}

/** Cancels an execution whose deadline passes while it is driven, unless it has passed its point of no return. */
export const withDeadline = (run: Run, driving: AnyEffect): AnyEffect => {
  const { program, recorder } = run
  if (program.deadline === undefined || recorder === undefined) return driving
  return Effect.suspend(() => {
    const state = recorder.state()
    const deadline = state === undefined ? undefined : deadlineOf(program, state)
    if (deadline === undefined) return driving
    const cancelled = Effect.sync(() => cancel(run, recorder))
    if (deadline <= recorder.now()) return Effect.zipRight(cancelled, driving)
    const timer = Effect.forkDaemon(Effect.interruptible(Effect.zipRight(sleepUntil(deadline), cancelled)))
    return Effect.flatMap(timer, (fiber) => Effect.ensuring(driving, Fiber.interruptFork(fiber)))
  })
}

const cancel = (run: Run, recorder: Recorder): void => {
  const state = recorder.state()
  const isOver = state === undefined || !isDriven(state.status) || state.cancellation !== undefined ||
    run.requests.length > 0 || deadlineOf(run.program, state) === undefined
  if (isOver) return
  take(run, { by: "its deadline", reason: undefined, message: undefined, refused: undefined, accepted: undefined })
}
