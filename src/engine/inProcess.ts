/** Runs in this process, of which nothing is stored. */
import { Cause, Context, Effect, Exit, type Fiber, Scope } from "effect"
import type { Program } from "../definition/definition.ts"
import type * as Journal from "../Journal.ts"
import { is } from "../SagaError.ts"
import { nowOf } from "../values/fiber.ts"
import { andThen, validate } from "../values/schema.ts"
import { findObserver, type Observer } from "../watch/observer.ts"
import { recordSuccess } from "./finished.ts"
import { runAndKeepArmed, runSaga } from "./interpreter.ts"
import { makeMemoryRecorder, type Recorder } from "./recorder.ts"
import { type AnyEffect, Run } from "./run.ts"
import { unwind } from "./unwind.ts"

/** Validates the input before anything else happens. */
const validated = (
  program: Program,
  given: unknown,
  then: (input: unknown, fiber: Fiber.RuntimeFiber<any, any>) => AnyEffect
): AnyEffect =>
  Effect.withFiberRuntime((fiber) =>
    program.input === undefined
      ? then(given, fiber)
      : andThen(validate(program.input, given), (input) => then(input, fiber))
  )

/** A run, which is recorded only if somebody observes it. */
const newRun = (program: Program, input: unknown, fiber: Fiber.RuntimeFiber<any, any>): Run => {
  const executionId = crypto.randomUUID()
  const observer = findObserver(fiber, { program, executionId, resumed: false }, false)
  const recorder = observer === undefined ? undefined : newRecorder(program, nowOf(fiber), observer)
  return new Run({ program, executionId, input, recorder })
}

const newRecorder = (program: Program, now: () => number, observer: Observer | undefined): Recorder => {
  const recorder = makeMemoryRecorder(now, observer)
  const { fingerprint, name, version } = program
  recorder.record({ _tag: "Started", saga: name, version, fingerprint, at: now() })
  return recorder
}

/** Runs a saga to its end. */
export const run = (program: Program, input: unknown): AnyEffect =>
  validated(program, input, (input, fiber) => runSaga(newRun(program, input, fiber)))

/** An in-process run whose state can be read at any time, also after an interruption. */
export interface RecordedRun {
  readonly run: AnyEffect
  readonly executionId: string
  readonly state: () => Journal.ExecutionState
  readonly now: () => number
}

export const recorded = (program: Program, input: unknown): Effect.Effect<RecordedRun> =>
  Effect.withFiberRuntime<RecordedRun>((fiber) => {
    const now = nowOf(fiber)
    const executionId = crypto.randomUUID()
    const recorder = newRecorder(program, now, findObserver(fiber, { program, executionId, resumed: false }, true))
    return Effect.succeed({
      run: validated(program, input, (input) => runSaga(new Run({ program, executionId, input, recorder }))),
      executionId,
      state: () => recorder.state()!,
      now
    })
  })

/** Runs a saga, and leaves its compensations to the surrounding scope. */
export const scoped = (program: Program, input: unknown): AnyEffect =>
  validated(
    program,
    input,
    (input, fiber) =>
      Effect.flatMap(Effect.context<any>(), (context: Context.Context<Scope.Scope>) => {
        const armed = newRun(program, input, fiber)
        return runAndKeepArmed(armed, (output) =>
          Effect.as(
            Scope.addFinalizerExit(Context.get(context, Scope.Scope), (exit) => closeScope(armed, exit, context)),
            output
          ))
      })
  )

/** Unwinds a run whose surrounding scope closed with a failure. */
const closeScope = (
  armed: Run,
  exit: Exit.Exit<unknown, unknown>,
  context: Context.Context<any>
): Effect.Effect<void> => {
  const { recorder } = armed
  const rest = Exit.isFailure(exit) ? unwind(armed, exit.cause) : recorder && recordSuccess(recorder, Effect.void)
  if (rest === undefined) return Effect.void
  const observed = recorder?.observer === undefined ? rest : recorder.observer.end(rest, recorder)
  return Effect.matchCauseEffect(Effect.provide(Effect.uninterruptible(observed), context), {
    onSuccess: () => Effect.void,
    onFailure: (ended) => {
      // The scope may have closed with another saga's failure: only this saga's is news.
      const error = Cause.squash(ended)
      return is("PartlyUndone")(error) && error.executionId === armed.executionId ? Effect.die(error) : Effect.void
    }
  })
}
