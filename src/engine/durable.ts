/**
 * Durable executions. A call goes through four phases: it joins a call of this process that drives the execution already
 * ({@link joinOrDrive}); else it loads the journal, and starts the execution or resumes the stored one ({@link start},
 * {@link resumeStored}); claims it ({@link claimAndDrive}); and drives it ({@link driveClaimed}). All but the first belong to the
 * fiber of the execution, which no call for it interrupts.
 *
 * Each phase fails with a `DrivingError` if the execution cannot be driven, or not to its end. An execution that was driven, or
 * that had ended before, is {@link Driven}: its status, by the journal, and the exit of the saga. All phases are uninterruptible,
 * but where they wait: an interruption must not replace the exit of a saga.
 */
import { Effect, Exit } from "effect"
import type { Program } from "../definition/definition.ts"
import { isWellFormed } from "../definition/rules.ts"
import { isDriven, isFinished } from "../journal/statuses.ts"
import { type DrivingError, InvalidExecutionId } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { nowOf } from "../values/fiber.ts"
import { canonical } from "../values/json.ts"
import { textOrKind } from "../values/numbers.ts"
import { andThen, validate } from "../values/schema.ts"
import { findObserver, type Observer } from "../watch/observer.ts"
import { unlessItWaits } from "./asleep.ts"
import { attributesOf } from "./attributes.ts"
import { considerRequests } from "./cancellation.ts"
import { CheckpointRecorder, stored } from "./checkpointRecorder.ts"
import { capture, type Captured } from "./codec.ts"
import { failAsParked } from "./endings.ts"
import { checkFinding } from "./finding.ts"
import { runForward, runSagaWithin } from "./interpreter.ts"
import { type Call, type Drive, type Driven, driveUntilStored, type Driving, joinOrDrive, waiting } from "./join.ts"
import { parkAsKeepsFailing } from "./keepsFailing.ts"
import { checkInput, load, type Loaded, loadKnown } from "./load.ts"
import { mailboxOf, takeMessages } from "./mailbox.ts"
import { type AnyEffect, type Finding, Run } from "./run.ts"
import { withDeadline } from "./waiting.ts"

/** After how many claims without a new event an execution is parked, see {@link Resume.maxClaims}. */
export const defaultMaxClaims = 10

/** Starts an execution, or joins it, resumes it or returns its result if there is one of this id (S15). */
export const execute = (
  program: Program,
  input: unknown,
  { executionId, onInterrupt }: Pick<Call, "executionId" | "onInterrupt">
): AnyEffect =>
  withInput(
    program,
    input,
    { executionId, onInterrupt, storesFirst: false },
    (call, drive) => joinOrDrive(program, call, drive, exitOf)
  )

/** Starts an execution unless there is one of this id, and ends when it is stored. */
export const start = (program: Program, input: unknown, { executionId }: Pick<Call, "executionId">): AnyEffect<void> =>
  withInput(
    program,
    input,
    { executionId, onInterrupt: undefined, storesFirst: true },
    (call, drive) => driveUntilStored(program, call, drive)
  )

const patiently = { shares: true, waitsForOthers: true, staysOn: true }

/** Takes the input as it is at this moment, for a call that drives the execution of it. */
const withInput = <A>(
  program: Program,
  input: unknown,
  options: Pick<Call, "executionId" | "onInterrupt"> & { readonly storesFirst: boolean },
  use: (call: Call, drive: Drive) => AnyEffect<A>
): AnyEffect<A> => {
  const { executionId, onInterrupt, storesFirst } = options
  return captureInput(program, input, executionId, ({ encoded, value }) => {
    const call = { executionId, input: canonical(encoded), onInterrupt, ...patiently }
    return use(
      call,
      (store, driven) =>
        Effect.flatMap(
          Effect.interruptible(load(store, program, executionId)),
          (loaded): Driving =>
            loaded === undefined
              ? begin(store, driven, program, { executionId, input: value, encoded, storesFirst })
              : Effect.flatMap(
                checkInput(program, executionId, loaded, call.input),
                () => resumeStored(store, driven, program, loaded, { ...asItIs, executionId })
              )
        )
    )
  })
}

/** Takes the input of a new execution as it is at this moment, or refuses it, or the id. */
export const captureInput = <A>(
  program: Program,
  input: unknown,
  executionId: string,
  use: (captured: Captured) => AnyEffect<A>
): AnyEffect<A> =>
  Effect.suspend((): AnyEffect<A> => {
    const saga = program.name
    if (!isWellFormed(executionId)) {
      return Effect.fail(new InvalidExecutionId({ saga, executionId: textOrKind(executionId) }))
    }
    const validated = program.input === undefined ? Exit.void : validate(program.input, input)
    const capturing = andThen(
      validated,
      () => capture(program.input, input, () => ({ saga, executionId, value: "the input" }), "refuse")
    )
    return andThen(capturing, use)
  })

/** Resumes a stored execution, also a parked one. */
export const resume = (
  program: Program,
  { executionId, finding, onInterrupt }: Pick<Call, "executionId" | "onInterrupt"> & {
    readonly finding?: Finding | undefined
  }
): AnyEffect =>
  resumeKnown(
    program,
    { ...asItIs, executionId, wakes: true, finding, maxClaims: Infinity },
    {
      onInterrupt,
      whenPausing: undefined
    },
    true,
    exitOf
  )

const exitOf = ({ exit }: Driven): Effect.Effect<unknown, unknown> => exit

/**
 * Resumes an execution that was listed as unfinished. A parked one is set going again only if `wakes` is the fence with which it
 * was listed, and no other process has claimed it since.
 */
export const recover = (
  program: Program,
  { executionId, maxClaims, wakes }: {
    readonly executionId: string
    readonly wakes: number | undefined
    readonly maxClaims: number
  },
  watch: Watch = { onInterrupt: "suspend", whenPausing: undefined }
): Driving =>
  resumeKnown(program, { ...asItIs, executionId, wakes: wakes ?? false, maxClaims }, watch, false, Effect.succeed)

/** How a call watches over an execution that it resumes. */
export interface Watch {
  /** Read when the call is interrupted. */
  readonly onInterrupt: Call["onInterrupt"]
  readonly whenPausing: Checkpoint.DrivenExecution["whenPausing"]
}

/** How a stored execution is resumed. */
export interface Resume {
  readonly executionId: string
  /** Whether a parked execution is set going again: always, never, or if this was the fence of the last claim before ours. */
  readonly wakes: boolean | number
  readonly finding: Finding | undefined
  /** S25: after how many claims without a new event it is parked instead of driven. */
  readonly maxClaims: number
}

export const asItIs = { wakes: false, finding: undefined, maxClaims: defaultMaxClaims } as const

const resumeKnown = <A, E>(
  program: Program,
  options: Resume,
  watch: Watch,
  staysOn: boolean,
  finish: (driven: Driven) => Effect.Effect<A, E>
): Effect.Effect<A, E | DrivingError, any> =>
  Effect.suspend(() => {
    // The journal has the finding since the first time.
    let known = options
    const call: Call = {
      executionId: options.executionId,
      input: undefined,
      shares: options.finding === undefined,
      get onInterrupt() {
        return watch.onInterrupt
      },
      waitsForOthers: false,
      staysOn
    }
    return joinOrDrive(program, call, (store, driven) => {
      driven.whenPausing ??= watch.whenPausing
      const now = known
      known = { ...options, finding: undefined }
      return resumeFound(store, driven, program, now)
    }, finish)
  })

/** Resumes an execution by what is stored of it now. */
export const resumeFound = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  program: Program,
  options: Resume
): Driving =>
  Effect.flatMap(
    Effect.interruptible(loadKnown(store, program, options.executionId)),
    (loaded) => resumeStored(store, driven, program, loaded, options)
  )

const withObserver = <A, E>(
  execution: { readonly program: Program; readonly executionId: string; readonly resumed: boolean },
  use: (given: { readonly now: () => number; readonly observer: Observer | undefined }) => Effect.Effect<A, E, any>
): Effect.Effect<A, E, any> =>
  Effect.withFiberRuntime((fiber) => use({ now: nowOf(fiber), observer: findObserver(fiber, execution, true) }))

interface Start {
  readonly executionId: string
  readonly input: unknown
  readonly encoded: unknown
  /** Whether the start is stored before anything else; if not, it is stored with the first intent. */
  readonly storesFirst: boolean
}

const begin = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  program: Program,
  { encoded, executionId, input, storesFirst }: Start
): Driving =>
  andThen(
    attributesOf(program, executionId, input),
    (attributes) =>
      withObserver({ program, executionId, resumed: false }, ({ now, observer }) =>
        Effect.flatMap(Effect.interruptible(store.token), (token) => {
          const claim = { token, fence: 0 }
          const destination = { store, claim, program, executionId, attributes, now, observer }
          const recorder = new CheckpointRecorder({ ...destination, state: undefined, sequence: 0 })
          recorder.record({
            _tag: "Started",
            saga: program.name,
            version: program.version,
            fingerprint: program.fingerprint,
            plan: program.plan,
            input: encoded,
            at: now()
          })
          const run = new Run({ program, executionId, input, recorder, driven })
          const driving = driveClaimed(store, driven, claim, run)
          // Else it is stored with the first intent: until then nothing has happened that would need the execution.
          return storesFirst ? stored(recorder, driving) : driving
        }))
  )

/** Drives a claimed execution, and releases the claim if it does not finish. */
const driveClaimed = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  claim: Checkpoint.Claim,
  run: Run
): Driving => {
  driven.open(mailboxOf(store, run))
  return Effect.flatMap(Effect.exit(withDeadline(run, runSagaWithin(run, Effect.interruptible))), (exit) => {
    // The commit that says so has ended the claim.
    if (run.halt?.waits === true) return Effect.succeed(waiting(run.recorder?.wakesAt))
    const release = store.release(run.executionId, claim)
    // Its end, too, may be what could not be stored.
    if (run.halt !== undefined) return Effect.zipRight(release, Effect.failCause(run.halt.cause))
    const status = run.recorder?.state()?.status ?? "Running"
    const ended = Effect.succeed({ status, exit, wakesAt: undefined })
    return isDriven(status) ? Effect.zipRight(release, ended) : ended
  })
}

/** What is known of an execution that this call must not drive; undefined where it is to be driven. */
export const asRecorded = (
  program: Program,
  { input, past }: Loaded,
  { executionId }: Pick<Resume, "executionId">,
  wakes: boolean
): Effect.Effect<Driven> | undefined => {
  const { status } = past.state
  const ended = (exit: AnyEffect): Effect.Effect<Driven> =>
    Effect.map(Effect.exit(exit as Effect.Effect<unknown, unknown>), (exit) => ({ status, exit, wakesAt: undefined }))
  switch (status) {
    case "Succeeded":
      if (past.output !== undefined) return ended(Effect.succeed(past.output.value))
      // The output of every step is in the journal; only the projections run again.
      return ended(runForward(new Run({ program, executionId, input, past })))
    case "Undone":
      return ended(Effect.failCause(past.cause))
    case "Parked":
      return wakes ? undefined : ended(failAsParked(program, executionId, past))
    case "Running":
    case "Unwinding":
    case "Waiting":
      return undefined
  }
}

const resumeStored = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  program: Program,
  loaded: Loaded,
  options: Resume
): Driving => {
  const { executionId, finding, wakes } = options
  driven.noteStored()
  return Effect.zipRight(
    checkFinding(program, executionId, loaded.past.state, finding),
    asRecorded(program, loaded, options, wakes !== false) ?? unlessItWaits(
      store,
      program,
      loaded,
      () => claimAndDrive(store, driven, program, options),
      options
    )
  )
}

const claimAndDrive = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  program: Program,
  options: Resume
): Driving => {
  const { executionId } = options
  const loadAgain = Effect.interruptible(loadKnown(store, program, executionId))
  return Effect.matchEffect(store.claim({ executionId, saga: program.name }), {
    onSuccess: (claim) => {
      const release = store.release(executionId, claim)
      // Load again: the journal may have changed before the claim succeeded, and after it too, if this process was paused.
      return Effect.matchCauseEffect(Effect.zip(loadAgain, Effect.interruptible(store.messages(executionId))), {
        onFailure: (cause) => Effect.zipRight(release, Effect.failCause(cause)),
        onSuccess: ([again, messages]) => driveResumed(store, driven, claim, program, { ...again, messages }, options)
      })
    },
    // The other driver may have finished in the meantime.
    onFailure: (error) =>
      Effect.flatMap(loadAgain, (again): Driving => {
        const { status } = again.past.state
        return isFinished(status)
          ? resumeStored(store, driven, program, again, options)
          : Effect.fail(error)
      })
  })
}

/** Drives an execution that was loaded under this claim, unless its journal says that it must not be. */
export const driveResumed = (
  store: Checkpoint.Service,
  driven: Checkpoint.DrivenExecution,
  claim: Checkpoint.Claim,
  program: Program,
  loaded: Loaded & { readonly messages: ReadonlyArray<Checkpoint.StoredMessage> },
  options: Resume
): Driving => {
  const { executionId, finding, maxClaims, wakes } = options
  const { input, messages, past, sequence } = loaded
  const { state } = past
  const release = store.release(executionId, claim)
  // A recovery does not wake what keeps failing: only a person does, who has found out why or has cancelled it.
  const mayWake = wakes === true ||
    (wakes === claim.fence - 1 && (state.parked !== "KeepsFailing" || messages.length > 0))
  const recorded = asRecorded(program, loaded, options, mayWake)
  if (recorded !== undefined) return Effect.zipRight(release, recorded)
  return Effect.zipRight(
    Effect.onError(checkFinding(program, executionId, state, finding), () => release),
    withObserver({ program, executionId, resumed: true }, ({ now, observer }) => {
      const recorder = new CheckpointRecorder({
        store,
        claim,
        program,
        executionId,
        state,
        attributes: undefined,
        sequence,
        now,
        observer
      })
      // A journal that does not say under which claim it was written is counted from now on.
      const claims = loaded.fence === undefined ? 1 : claim.fence - loaded.fence
      if (state.status !== "Parked" && claims > maxClaims) {
        return Effect.onError(parkAsKeepsFailing(program, loaded, recorder, claims), () => release)
      }
      if (!isDriven(state.status)) recorder.record({ _tag: "Resumed", at: now() })
      const run = new Run({
        program,
        executionId,
        input,
        recorder,
        past: { ...past, finding },
        driven
      })
      const taken = Effect.onError(takeMessages(run, messages), () => release)
      const driving = driveClaimed(store, driven, claim, run)
      return Effect.flatMap(taken, () => {
        // The journal may say that it is cancelled, and no step be in doubt any more.
        considerRequests(run)
        return driving
      })
    })
  )
}
