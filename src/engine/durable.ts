/**
 * An execution and its journal: starts it, finds it again, joins it, and hands both to the interpreter.
 */
import { Deferred, Effect, Exit, FiberId, ParseResult } from "effect"
import * as Checkpoint from "../store/Checkpoint.ts"
import * as Journal from "../Journal.ts"
import { ExecutionConflict, ExecutionNotFound } from "../SagaError.ts"
import type { Program } from "../definition/definition.ts"
import { driveWithin, wayForward } from "./interpreter.ts"
import { canonical } from "../values/json.ts"
import { nowOf, type Observer, observerOf } from "../watch/observer.ts"
import { difference } from "../definition/program.ts"
import { encodeValue, toCheckpoint } from "./recorder.ts"
import { isWellFormed } from "../definition/rules.ts"
import { type AnyEffect, type Finding, Run } from "./run.ts"
import { validate } from "../values/secrets.ts"
import { load, type Stored, whyParked } from "./load.ts"

/** Starts an execution, or joins it, goes on with it or returns its result where there is one of this id (S15). */
export const execute = (
  program: Program,
  input: unknown,
  options: { readonly executionId: string; readonly suspend: boolean }
): AnyEffect =>
  Effect.suspend(() => {
    const { executionId } = options
    if (!isWellFormed(executionId)) {
      return Effect.fail(new ExecutionConflict({ reason: "InvalidId", saga: program.name, executionId }))
    }
    const validated = program.input === undefined ? Effect.void : validate(program.input, input)
    const encoding = ParseResult.flatMap(
      validated,
      () => encodeValue(program.input, input, { executionId, what: "the input" })
    )
    return ParseResult.flatMap(encoding, (encoded) => {
      const call = { executionId, input: canonical(encoded), shares: true }
      return driveOnce(program, call, (checkpoint) =>
        Effect.flatMap(load(checkpoint, program, executionId), (stored) => {
          if (stored === undefined) {
            return start(checkpoint, program, { executionId, suspend: options.suspend, input, encoded })
          }
          if (canonical(stored.past.state.input) !== call.input) {
            return Effect.fail(new ExecutionConflict({ reason: "OtherInput", saga: program.name, executionId }))
          }
          return goOn(checkpoint, program, stored, { ...options, wakes: false })
        }))
    })
  })

/** Goes on with a stored execution, also with a parked one. */
export const resume = (
  program: Program,
  options: { readonly executionId: string; readonly suspend: boolean; readonly finding?: Finding | undefined }
): AnyEffect =>
  driveOnce(
    program,
    { ...options, input: undefined, shares: options.finding === undefined },
    (checkpoint) =>
      Effect.flatMap(
        // What cannot be an id is none of those that are stored.
        isWellFormed(options.executionId) ? load(checkpoint, program, options.executionId) : Effect.succeed(undefined),
        (stored) =>
          stored === undefined
            ? Effect.fail(new ExecutionNotFound({ saga: program.name, executionId: options.executionId }))
            : goOn(checkpoint, program, stored, { ...options, wakes: true })
      )
  )

/** What was found out must be about a step in doubt, and must be storable, before anything is done with it. */
const checkFinding = (
  program: Program,
  executionId: string,
  state: Journal.ExecutionState,
  finding: Finding | undefined
): AnyEffect<void> => {
  if (finding === undefined) return Effect.void
  const step = program.steps.find(({ path }) => path === finding.step)
  const recorded = state.steps.get(finding.step)
  if (step === undefined || recorded === undefined || state.direction === "Back" || !Journal.isInDoubt(recorded)) {
    return Effect.fail(
      new ExecutionConflict({ reason: "NotInDoubt", saga: program.name, executionId, step: finding.step })
    )
  }
  return finding.happened
    ? Effect.asVoid(
      encodeValue(step.success, finding.output, { executionId, what: `what was found of step "${step.path}"` })
    )
    : Effect.void
}

/**
 * Drives an execution unless this process does so already; then it joins: it waits, and shares what comes out where both
 * calls are known to ask for the same. In any other case it asks the journal afterwards, which is then the judge.
 *
 * `input` is what the call gave, as one text, or undefined where it resumes; `shares` is false where it has something to add.
 */
const driveOnce = (
  program: Program,
  call: { readonly executionId: string; readonly input: string | undefined; readonly shares: boolean },
  driver: (checkpoint: Checkpoint.Service) => AnyEffect
): AnyEffect =>
  Effect.flatMap(Checkpoint.Checkpoint, (checkpoint) =>
    // Nothing may come between the entry and what removes it, or the id would be joined for ever.
    Effect.uninterruptibleMask((restore) => {
      const { executionId, input, shares } = call
      const driven = checkpoint.driven.get(executionId)
      if (driven === undefined) {
        const { fingerprint, name: saga, plan, version } = program
        const entry: Checkpoint.DrivenExecution = { saga, version, fingerprint, plan, input, result: undefined }
        checkpoint.driven.set(executionId, entry)
        const end = (exit: Exit.Exit<unknown, unknown>) => {
          checkpoint.driven.delete(executionId)
          if (entry.result !== undefined) Deferred.unsafeDone(entry.result, exit)
          return exit
        }
        return Effect.matchCauseEffect(restore(driver(checkpoint)), {
          onFailure: (cause) => end(Exit.failCause(cause)),
          onSuccess: (output) => end(Exit.succeed(output))
        })
      }
      const conflict = driven.saga !== program.name
        ? "OtherSaga"
        : input !== undefined && driven.input !== undefined && input !== driven.input
        ? "OtherInput"
        : undefined
      if (conflict !== undefined) {
        return Effect.fail(new ExecutionConflict({ reason: conflict, saga: program.name, executionId }))
      }
      const same = shares && difference(program, driven) === undefined &&
        (input === undefined || input === driven.input)
      const result = driven.result ??= Deferred.unsafeMake(FiberId.none)
      return restore(Effect.flatMap(
        Effect.exit(Deferred.await(result)),
        (exit) => same && !Exit.isInterrupted(exit) ? exit : driveOnce(program, call, driver)
      ))
    }))

const withObserver = <A>(
  execution: { readonly program: Program; readonly executionId: string; readonly resumed: boolean },
  use: (given: { readonly now: () => number; readonly observer: Observer | undefined }) => AnyEffect<A>
): AnyEffect<A> =>
  Effect.withFiberRuntime((fiber) => use({ now: nowOf(fiber), observer: observerOf(fiber, execution, true) }))

const start = (
  store: Checkpoint.Service,
  program: Program,
  options: {
    readonly executionId: string
    readonly suspend: boolean
    readonly input: unknown
    readonly encoded: unknown
  }
): AnyEffect =>
  withObserver(
    { program, executionId: options.executionId, resumed: false },
    ({ now, observer }) =>
      Effect.flatMap(store.token, (token) => {
        const claim = { token, fence: 0 }
        const { encoded, executionId, input, suspend } = options
        const recorder = toCheckpoint({
          store,
          claim,
          program,
          executionId,
          state: undefined,
          sequence: 0,
          now,
          observer
        })
        // Stored together with the first intent: until then nothing has happened that would need the execution.
        recorder.record({
          _tag: "Started",
          saga: program.name,
          version: program.version,
          fingerprint: program.fingerprint,
          plan: program.plan,
          input: encoded,
          at: now()
        })
        const run = new Run({ program, executionId, input, recorder, suspend })
        return Effect.uninterruptibleMask((restore) => driveClaimed(store, claim, run, restore))
      })
  )

/** Drives, and leaves an execution that does not come to its end to whoever claims it. For a caller who cannot be interrupted. */
const driveClaimed = (
  store: Checkpoint.Service,
  claim: Checkpoint.Claim,
  run: Run,
  restore: Run["restore"]
): AnyEffect =>
  Effect.catchAllCause(driveWithin(run, restore), (cause) => {
    const status = run.recorder?.state()?.status
    const ended = Effect.failCause(cause)
    return status === "Running" || status === "Unwinding"
      ? Effect.zipRight(store.letGo(run.executionId, claim), ended)
      : ended
  })

interface GoOn {
  readonly executionId: string
  readonly suspend: boolean
  /** Whether a parked execution is set going again. */
  readonly wakes: boolean
  readonly finding?: Finding | undefined
}

const goOn = (store: Checkpoint.Service, program: Program, stored: Stored, options: GoOn): AnyEffect => {
  const { executionId } = options
  const { input, past } = stored
  const { status } = past.state
  const allowed = mayGoOn(program, stored, options)
  // Every outcome is in the journal, so that only the projections are left to be done; nothing can be undone any more.
  if (status === "Succeeded") {
    return Effect.zipRight(allowed, wayForward(new Run({ program, executionId, input, past })))
  }
  if (status === "Undone") return Effect.zipRight(allowed, Effect.failCause(past.cause))
  const readAgain = Effect.flatMap(
    load(store, program, executionId),
    (again) =>
      again === undefined
        ? Effect.fail(new ExecutionNotFound({ saga: program.name, executionId }))
        : Effect.succeed(again)
  )
  const claimed = Effect.uninterruptibleMask((restore) =>
    Effect.matchEffect(store.claim({ executionId, saga: program.name }), {
      onSuccess: (claim) =>
        Effect.matchCauseEffect(
          // What was read before the claim may be history by now.
          restore(Effect.flatMap(readAgain, (again) => continued(store, claim, program, again, options))),
          {
            onFailure: (cause) => Effect.zipRight(store.letGo(executionId, claim), Effect.failCause(cause)),
            onSuccess: (run) => driveClaimed(store, claim, run, restore)
          }
        ),
      // The other driver may have come to its end meanwhile.
      onFailure: (error) =>
        restore(Effect.flatMap(
          readAgain,
          (again) => isFinished(again) ? goOn(store, program, again, options) : Effect.fail(error)
        ))
    })
  )
  return Effect.zipRight(allowed, claimed)
}

const isFinished = ({ past: { state } }: Stored) => state.status === "Succeeded" || state.status === "Undone"

const mayGoOn = (program: Program, { past }: Stored, { executionId, finding, wakes }: GoOn): AnyEffect<void> =>
  past.state.status === "Parked" && !wakes
    ? whyParked(program, executionId, past)
    : checkFinding(program, executionId, past.state, finding)

const continued = (
  store: Checkpoint.Service,
  claim: Checkpoint.Claim,
  program: Program,
  stored: Stored,
  options: GoOn
): AnyEffect<Run> =>
  withObserver(
    { program, executionId: options.executionId, resumed: true },
    ({ now, observer }) =>
      Effect.map(mayGoOn(program, stored, options), () => {
        const { executionId, finding, suspend } = options
        const { input, past, sequence } = stored
        const recorder = toCheckpoint({
          store,
          claim,
          program,
          executionId,
          state: past.state,
          sequence,
          now,
          observer
        })
        if (past.state.status === "Parked") recorder.record({ _tag: "Resumed", at: now() })
        return new Run({ program, executionId, input, recorder, past: { ...past, finding }, suspend })
      })
  )
