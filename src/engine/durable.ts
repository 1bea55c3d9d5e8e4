/**
 * Durable executions. A call goes through four phases: it joins a call of this process that drives the execution already
 * ({@link joinOrDrive}); else it loads the journal, and starts the execution or resumes the stored one ({@link start},
 * {@link resumeStored}); claims it; and drives it ({@link driveClaimed}).
 */
import { Deferred, Effect, Exit, FiberId } from "effect"
import type { Program } from "../definition/definition.ts"
import { difference } from "../definition/difference.ts"
import { isWellFormed } from "../definition/rules.ts"
import * as Journal from "../Journal.ts"
import { ExecutionConflict, InvalidExecutionId, StepNotInDoubt } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { canonical } from "../values/json.ts"
import { andThen, validate } from "../values/schema.ts"
import { nowOf, type Observer, observerOf } from "../watch/observer.ts"
import { CheckpointRecorder } from "./checkpointRecorder.ts"
import { encodeValue } from "./codec.ts"
import { failAsParked } from "./endings.ts"
import { runForward, runSagaWithin } from "./interpreter.ts"
import { load, type Loaded, loadKnown } from "./load.ts"
import { type AnyEffect, type Finding, Run } from "./run.ts"

/** Starts an execution, or joins it, resumes it or returns its result if there is one of this id (S15). */
export const execute = (
  program: Program,
  input: unknown,
  options: { readonly executionId: string; readonly suspend: boolean }
): AnyEffect =>
  Effect.suspend(() => {
    const { executionId, suspend } = options
    const saga = program.name
    if (!isWellFormed(executionId)) return Effect.fail(new InvalidExecutionId({ saga, executionId }))
    const validated = program.input === undefined ? Exit.void : validate(program.input, input)
    const encoding = andThen(
      validated,
      () => encodeValue(program.input, input, { saga, executionId, value: "the input" })
    )
    return andThen(encoding, (encoded) => {
      const call = { executionId, input: canonical(encoded), shares: true }
      return joinOrDrive(program, call, (store) =>
        Effect.flatMap(load(store, program, executionId), (loaded) => {
          if (loaded === undefined) {
            // The input of a plan is plain JSON: what was encoded is a copy of what was given at that moment.
            const kept = program.plan === undefined ? input : encoded
            return start(store, program, { executionId, suspend, input: kept, encoded })
          }
          if (canonical(loaded.past.state.input) !== call.input) {
            return Effect.fail(new ExecutionConflict({ reason: "OtherInput", saga, executionId }))
          }
          return resumeStored(store, program, loaded, { executionId, suspend, wakes: false, finding: undefined })
        }))
    })
  })

/** Resumes a stored execution, also a parked one. */
export const resume = (
  program: Program,
  options: { readonly executionId: string; readonly suspend: boolean; readonly finding?: Finding | undefined }
): AnyEffect => {
  const { executionId, finding, suspend } = options
  return joinOrDrive(
    program,
    { executionId, input: undefined, shares: finding === undefined },
    (store) =>
      Effect.flatMap(
        loadKnown(store, program, executionId),
        (loaded) => resumeStored(store, program, loaded, { executionId, suspend, wakes: true, finding })
      )
  )
}

interface Call {
  readonly executionId: string
  /** The input of the call as one text; undefined where it resumes. */
  readonly input: string | undefined
  /** Whether any other call for the same input may share its result; false if it brings a finding of its own. */
  readonly shares: boolean
}

/**
 * Drives an execution unless this process does so already: then it waits, and shares the result if both calls are known to ask
 * for the same. In any other case it loads the journal afterwards, which is then the judge.
 */
const joinOrDrive = (
  program: Program,
  call: Call,
  drive: (store: Checkpoint.Service) => AnyEffect
): AnyEffect =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) =>
    // Uninterruptible: an entry that is never removed would be joined forever.
    Effect.uninterruptibleMask((restore) => {
      const { executionId, input, shares } = call
      const driven = store.driven.get(executionId)
      if (driven === undefined) return driveAlone(store, program, call, restore(drive(store)))
      const conflict = driven.saga !== program.name
        ? "OtherSaga"
        : input !== undefined && driven.input !== undefined && input !== driven.input
        ? "OtherInput"
        : undefined
      if (conflict !== undefined) {
        return Effect.fail(new ExecutionConflict({ reason: conflict, saga: program.name, executionId }))
      }
      const asksTheSame = shares && difference(program, driven) === undefined &&
        (input === undefined || input === driven.input)
      const result = driven.result ??= Deferred.unsafeMake(FiberId.none)
      return restore(Effect.flatMap(
        Effect.exit(Deferred.await(result)),
        (exit) => asksTheSame && !Exit.isInterrupted(exit) ? exit : joinOrDrive(program, call, drive)
      ))
    }))

/** Lets other calls join while the execution is driven. The caller must be uninterruptible. */
const driveAlone = (store: Checkpoint.Service, program: Program, call: Call, drive: AnyEffect): AnyEffect => {
  const { fingerprint, name: saga, plan, version } = program
  const entry: Checkpoint.DrivenExecution = { saga, version, fingerprint, plan, input: call.input, result: undefined }
  store.driven.set(call.executionId, entry)
  const end = (exit: Exit.Exit<unknown, unknown>) => {
    store.driven.delete(call.executionId)
    if (entry.result !== undefined) Deferred.unsafeDone(entry.result, exit)
    return exit
  }
  return Effect.matchCauseEffect(drive, {
    onFailure: (cause) => end(Exit.failCause(cause)),
    onSuccess: (output) => end(Exit.succeed(output))
  })
}

const withObserver = <A>(
  execution: { readonly program: Program; readonly executionId: string; readonly resumed: boolean },
  use: (given: { readonly now: () => number; readonly observer: Observer | undefined }) => AnyEffect<A>
): AnyEffect<A> =>
  Effect.withFiberRuntime((fiber) => use({ now: nowOf(fiber), observer: observerOf(fiber, execution, true) }))

interface Start {
  readonly executionId: string
  readonly suspend: boolean
  readonly input: unknown
  readonly encoded: unknown
}

const start = (store: Checkpoint.Service, program: Program, options: Start): AnyEffect => {
  const { encoded, executionId, input, suspend } = options
  return withObserver(
    { program, executionId, resumed: false },
    ({ now, observer }) =>
      Effect.flatMap(store.token, (token) => {
        const claim = { token, fence: 0 }
        const destination = { store, claim, program, executionId, state: undefined, sequence: 0, now, observer }
        const recorder = new CheckpointRecorder(destination)
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
}

/** Drives a claimed execution, and releases the claim if it does not finish. The caller must be uninterruptible. */
const driveClaimed = (
  store: Checkpoint.Service,
  claim: Checkpoint.Claim,
  run: Run,
  restore: Run["restore"]
): AnyEffect =>
  Effect.catchAllCause(runSagaWithin(run, restore), (cause) => {
    const status = run.recorder?.state()?.status
    const ended = Effect.failCause(cause)
    return status === "Running" || status === "Unwinding"
      ? Effect.zipRight(store.letGo(run.executionId, claim), ended)
      : ended
  })

interface Resume {
  readonly executionId: string
  readonly suspend: boolean
  /** Whether a parked execution is set going again. */
  readonly wakes: boolean
  readonly finding: Finding | undefined
}

const resumeStored = (store: Checkpoint.Service, program: Program, loaded: Loaded, options: Resume): AnyEffect => {
  const { executionId } = options
  const { input, past } = loaded
  const resumable = checkResumable(program, loaded, options)
  switch (past.state.status) {
    case "Succeeded":
      // Every output is in the journal; only the projections run again.
      return Effect.zipRight(resumable, runForward(new Run({ program, executionId, input, past })))
    case "Undone":
      return Effect.zipRight(resumable, Effect.failCause(past.cause))
    case "Running":
    case "Unwinding":
    case "Parked":
      return Effect.zipRight(resumable, claimAndDrive(store, program, options))
  }
}

const claimAndDrive = (store: Checkpoint.Service, program: Program, options: Resume): AnyEffect => {
  const { executionId } = options
  const loadAgain = loadKnown(store, program, executionId)
  return Effect.uninterruptibleMask((restore) =>
    Effect.matchEffect(store.claim({ executionId, saga: program.name }), {
      onSuccess: (claim) =>
        Effect.matchCauseEffect(
          // Load again: the journal may have changed before the claim succeeded.
          restore(Effect.flatMap(loadAgain, (again) => makeResumedRun(store, claim, program, again, options))),
          {
            onFailure: (cause) => Effect.zipRight(store.letGo(executionId, claim), Effect.failCause(cause)),
            onSuccess: (run) => driveClaimed(store, claim, run, restore)
          }
        ),
      // The other driver may have finished in the meantime.
      onFailure: (error) =>
        restore(Effect.flatMap(
          loadAgain,
          (again) => isFinished(again) ? resumeStored(store, program, again, options) : Effect.fail(error)
        ))
    })
  )
}

const isFinished = ({ past: { state } }: Loaded) => state.status === "Succeeded" || state.status === "Undone"

/** Whether this call may resume the execution: it wakes a parked one, or brings a finding about a step in doubt. */
const checkResumable = (program: Program, { past }: Loaded, { executionId, finding, wakes }: Resume): AnyEffect<void> =>
  past.state.status === "Parked" && !wakes
    ? failAsParked(program, executionId, past)
    : checkFinding(program, executionId, past.state, finding)

/** A finding must be about a step in doubt, and must be storable, before anything is done with it. */
const checkFinding = (
  program: Program,
  executionId: string,
  state: Journal.ExecutionState,
  finding: Finding | undefined
): AnyEffect<void> => {
  if (finding === undefined) return Effect.void
  const saga = program.name
  const step = program.steps.find(({ path }) => path === finding.step)
  const recorded = state.steps.get(finding.step)
  if (step === undefined || recorded === undefined || state.direction === "Back" || !Journal.isInDoubt(recorded)) {
    return Effect.fail(new StepNotInDoubt({ saga, executionId, step: finding.step }))
  }
  const value = `what was found of step "${step.path}"`
  return finding.happened
    ? Effect.asVoid(encodeValue(step.success, finding.output, { saga, executionId, value }))
    : Effect.void
}

const makeResumedRun = (
  store: Checkpoint.Service,
  claim: Checkpoint.Claim,
  program: Program,
  loaded: Loaded,
  options: Resume
): AnyEffect<Run> => {
  const { executionId, finding, suspend } = options
  return withObserver(
    { program, executionId, resumed: true },
    ({ now, observer }) =>
      Effect.map(checkResumable(program, loaded, options), () => {
        const { input, past, sequence } = loaded
        const { state } = past
        const recorder = new CheckpointRecorder({ store, claim, program, executionId, state, sequence, now, observer })
        if (state.status === "Parked") recorder.record({ _tag: "Resumed", at: now() })
        return new Run({ program, executionId, input, recorder, past: { ...past, finding }, suspend })
      })
  )
}
