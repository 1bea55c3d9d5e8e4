/** Executions that nobody waits for: how they are put into the store, and how a worker drives them. */
import { Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import * as Journal from "../Journal.ts"
import type { DrivingError } from "../SagaError.ts"
import * as Checkpoint from "../store/Checkpoint.ts"
import { nowOf } from "../values/fiber.ts"
import { canonical } from "../values/json.ts"
import { attributesOf } from "./attributes.ts"
import { asItIs, captureInput, driveResumed, recover, resumeFound } from "./durable.ts"
import { type Driven, type Driving, joinOrDrive } from "./join.ts"
import { checkInput, load, loadKnown } from "./load.ts"
import type { AnyEffect } from "./run.ts"

/** Stores the start of an execution, which the next worker drives, unless there is one of this id for the same input. */
export const enqueue = (
  program: Program,
  input: unknown,
  { executionId }: { readonly executionId: string }
): AnyEffect<void> =>
  captureInput(
    program,
    input,
    executionId,
    (captured) =>
      Effect.flatMap(attributesOf(program, executionId, captured.value), (attributes) =>
        Effect.withFiberRuntime((fiber) => {
          const { fingerprint, name: saga, plan, version } = program
          const started = Journal.encodeEvent({
            _tag: "Started",
            saga,
            version,
            fingerprint,
            plan,
            input: captured.encoded,
            at: nowOf(fiber)()
          })
          return Effect.flatMap(Checkpoint.Checkpoint, (store) =>
            Effect.flatMap(
              store.enqueue({
                executionId,
                saga,
                version,
                isPlan: plan !== undefined,
                attributes,
                body: Journal.commitOf([started], 0)
              }),
              (known) =>
                known === undefined ? Effect.void : checkKnown(program, executionId, captured.encoded, known)
            ))
        }))
  )

/** The id is taken: the start that is stored under it must be of the same saga and input. */
const checkKnown = (program: Program, executionId: string, encoded: unknown, body: string) =>
  Effect.flatMap(
    load({ load: () => Effect.succeed([{ sequence: 0, body }]) }, program, executionId),
    (loaded) => loaded === undefined ? Effect.void : checkInput(program, executionId, loaded, canonical(encoded))
  )

/** The pause, in milliseconds, from which on nobody waits for an execution: a worker gives its place to another. */
export const longPause = 1000

/** Drives an execution under a claim that a worker has, once no call of this process is about it. */
export const driveUnderClaim = (
  program: Program,
  { execution, maxClaims, whenPausing }: {
    readonly execution: Checkpoint.ClaimedExecution & { readonly claim: Checkpoint.Claim }
    readonly maxClaims: number
    readonly whenPausing: (pause: Checkpoint.Pause) => void
  }
): Driving =>
  Effect.flatMap(Checkpoint.Checkpoint, (store) => {
    const { claim, executionId } = execution
    let isUsed = false
    // Never shared: a call of this process can fail for a reason of its own, as another input, and the worker drives afterwards.
    const call = {
      executionId,
      input: undefined,
      shares: false,
      onInterrupt: undefined,
      waitsForOthers: false,
      staysOn: false
    }
    // A parked execution is claimed for its messages only.
    const options = { ...asItIs, executionId, maxClaims, wakes: claim.fence - 1 }
    const driving = joinOrDrive(program, call, (store, driven, isAgain) => {
      isUsed = true
      driven.noteStored()
      driven.whenPausing = whenPausing
      // The claim has gone with the first time.
      if (isAgain) return resumeFound(store, driven, program, options)
      const known = Effect.zip(
        loadKnown(asClaimed(store, execution), program, executionId),
        messagesOf(store, execution)
      )
      return Effect.matchCauseEffect(Effect.interruptible(known), {
        onFailure: (cause) => Effect.zipRight(store.release(executionId, claim), Effect.failCause(cause)),
        onSuccess: ([loaded, messages]) => driveResumed(store, driven, claim, program, { ...loaded, messages }, options)
      })
    }, Effect.succeed)
    // The worker could not drive: a call of this process uses this id for another saga, or the store closes.
    return Effect.ensuring(driving, Effect.suspend(() => isUsed ? Effect.void : store.release(executionId, claim)))
  })

/** The store, which need not be asked again for what the claim has told. */
const asClaimed = (
  store: Checkpoint.Service,
  { start }: Checkpoint.ClaimedExecution
): Pick<Checkpoint.Service, "load"> =>
  start === undefined ? store : { load: () => Effect.succeed([{ sequence: 0, body: start }]) }

const messagesOf = (store: Checkpoint.Service, { executionId, hasMessages }: Checkpoint.ClaimedExecution) =>
  hasMessages ? store.messages(executionId) : Effect.succeed([])

/** An execution that goes on in this process by itself: it is decided, and pauses long between the tries of a step. */
export interface GoesOn {
  readonly _tag: "GoesOn"
}

/** Resumes an execution as `durable.recover` does, but waits no longer than until it is decided and pauses long. */
export const recoverUntilDecided = (
  program: Program,
  options: Parameters<typeof recover>[1]
): Effect.Effect<Driven | GoesOn, DrivingError, any> =>
  Effect.suspend(() => {
    let isLeft = false
    let leave = () => {}
    const left = Effect.async<GoesOn>((resume) => {
      leave = () => resume(Effect.succeed<GoesOn>({ _tag: "GoesOn" }))
      if (isLeft) leave()
    })
    const whenPausing = ({ isDecided, milliseconds }: Checkpoint.Pause) => {
      if (!isDecided || milliseconds < longPause) return
      isLeft = true
      leave()
    }
    const recovering = recover(program, options, {
      get onInterrupt() {
        return isLeft ? undefined : "suspend"
      },
      whenPausing
    })
    return Effect.raceFirst(recovering, left)
  })
