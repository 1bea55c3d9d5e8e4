/**
 * Define a saga, and run it: in process, within a scope, as a report, or durably.
 */
import { Cause, Context, type Duration, Effect, Exit, type Fiber, type ParseResult, Schema, Scope } from "effect"
import type { Checkpoint } from "./store/Checkpoint.ts"
import type {
  Definition,
  Nested,
  NodeDefinition,
  OnCompensationFailure,
  ParallelOptions,
  Program,
  StepDefinition
} from "./definition/definition.ts"
import * as durable from "./engine/durable.ts"
import { drive, finish, goForward } from "./engine/interpreter.ts"
import type { MissingDefaultInDoubt } from "./definition/messages.ts"
import { nowOf, type Observer, observerOf } from "./watch/observer.ts"
import { make as makeProgram } from "./definition/program.ts"
import { inMemory, type Recorder } from "./engine/recorder.ts"
import type * as running from "./engine/run.ts"
import { Run } from "./engine/run.ts"
import { validate } from "./values/secrets.ts"
import { stateOf } from "./engine/load.ts"
import type {
  CutOff,
  NotGiven,
  OwedElsewhere,
  OwedToExecute,
  OwedToScoped,
  SagaName,
  Version
} from "./definition/types.ts"
import { unwind } from "./engine/unwind.ts"
import { type Any, type Saga, type SagaBuilder, TypeId } from "./definition/builder.ts"
import {
  type CheckpointError,
  CompensationFailed,
  type DefinitionChanged,
  type ExecutionConflict,
  type ExecutionNotFound,
  type FailedAfterCommit,
  type JournalCorrupt,
  type OutcomeUnknown,
  type RecoveredFailure
} from "./SagaError.ts"
import * as SagaReport from "./report/SagaReport.ts"
import type { RetryPolicy } from "./definition/Step.ts"

export type { Any, Error, Output, Requirements, Saga } from "./definition/builder.ts"

/** Policies for each step of a saga that has none of its own. */
export interface Defaults<Timeout, RetryRequirements, InDoubt> {
  readonly retry?: RetryPolicy<unknown, number, RetryRequirements>
  /** For every action. Those with a side effect are in doubt when they are cut off, so `inDoubt` must be given too. */
  readonly timeout?: Timeout
  /** What a Final owes to a durable run it owes all the same: it has to say itself what a crash during it means. */
  readonly inDoubt?: InDoubt
  readonly compensationRetry?: RetryPolicy<unknown, number, RetryRequirements>
  readonly compensationTimeout?: Duration.DurationInput
}

/** What may be said of a saga as a whole. */
export interface Options<Input, Encoded, V extends number, Timeout, RetryRequirements, InDoubt> {
  /** What a run is given; a durable run stores it. Left out, a saga takes no input. */
  readonly input?: Schema.Schema<Input, Encoded, never>
  /** Tells definitions of one name apart: a positive integer, 1 by default. Raise it when you change the steps. */
  readonly version?: Version<V>
  /**
   * When a compensation fails for good: `"continue"` undoes the older steps all the same, `"stop"` leaves them as they are,
   * for when an older undo depends on the younger. `"continue"` by default. A nested saga follows its parent.
   */
  readonly onCompensationFailure?: OnCompensationFailure
  /** Policies for each step that has none of its own. */
  readonly defaults?: Defaults<Timeout, RetryRequirements, InDoubt>
}

/**
 * Begins the definition of a saga. The name identifies its stored executions.
 *
 * Add steps with `readOnly`, `compensatable`, `final`, `parallel` and `saga`, and end with `build`, which throws
 * `InvalidSaga` where a rule is broken that the compiler could not see. Input that does not match its schema fails a run with
 * `ParseError` before anything has happened.
 */
export const make = <
  const Name extends string,
  Input = void,
  Encoded = NotGiven,
  const V extends number = 1,
  Timeout extends Duration.DurationInput | NotGiven = NotGiven,
  RetryRequirements = never,
  InDoubt extends "retry" | "park" | NotGiven = NotGiven
>(
  name: SagaName<Name>,
  options?: Options<Input, Encoded, V, Timeout, RetryRequirements, InDoubt>
): SagaBuilder<
  Input,
  {},
  | (NotGiven extends Encoded ? never : ParseResult.ParseError)
  | CutOff<Timeout, OutcomeUnknown | Cause.TimeoutException>,
  RetryRequirements,
  NotGiven extends Timeout ? never : NotGiven extends InDoubt ? MissingDefaultInDoubt : never
> => {
  const header: Builder["header"] = {
    name,
    version: options?.version as number | undefined ?? 1,
    input: options?.input,
    onCompensationFailure: options?.onCompensationFailure ?? "continue",
    defaults: options?.defaults as Definition["defaults"] | undefined ?? {}
  }
  // The one cast between the public type, which tracks names, errors and what is owed, and the class that only collects.
  return new Builder(header, []) as any
}

class Builder {
  readonly header: Omit<Definition, "nodes" | "project">
  readonly nodes: Definition["nodes"]
  constructor(header: Builder["header"], nodes: Definition["nodes"]) {
    this.header = header
    this.nodes = nodes
  }
  private with(node: NodeDefinition) {
    return new Builder(this.header, [...this.nodes, node])
  }
  readOnly(name: string, step: StepDefinition) {
    return this.with({ ...step, _tag: "Step", name, classification: "ReadOnly" })
  }
  compensatable(name: string, step: StepDefinition) {
    return this.with({ ...step, _tag: "Step", name, classification: "Compensatable" })
  }
  final(name: string, step: StepDefinition) {
    return this.with({ ...step, _tag: "Step", name, classification: "Final" })
  }
  saga(name: string, nested: Any, { input }: { readonly input: Nested["nestedInput"] }) {
    return this.with({ _tag: "Nested", name, path: name, program: programOf(nested), nestedInput: input })
  }
  parallel(branches: (branch: Builder) => Builder, options?: ParallelOptions) {
    const nodes = branches(new Builder(this.header, [])).nodes
    // The type of a branch has no `parallel`, and no `final`; the rest is checked by `build()`.
    return this.with({ ...options, _tag: "Parallel", nodes: nodes as ReadonlyArray<StepDefinition | Nested> })
  }
  build(project: Definition["project"] = ({ outputs }) => outputs) {
    return new SagaImpl(makeProgram({ ...this.header, nodes: this.nodes, project }))
  }
}

const typeParameters: any = {}

class SagaImpl implements Saga<never, unknown, unknown, unknown, string> {
  readonly [TypeId] = typeParameters
  readonly name: string
  readonly version: number
  readonly steps: Any["steps"]
  declare readonly program: Program
  constructor(program: Program) {
    // Whoever prints a saga has no use for its schemas and functions, and they are endless.
    Object.defineProperty(this, "program", { value: program })
    this.name = program.name
    this.version = program.version
    this.steps = program.steps.map(({ classification, path }) => ({ name: path, classification }))
  }
}

/** @internal The program tree of a saga. */
export const programOf = (saga: Any): Program => (saga as SagaImpl).program

/** @internal A saga of a program, in the place of the saga that it was made from. */
export const ofProgram = <S extends Any>(program: Program): S => new SagaImpl(program) as Any as S

/** The errors that leave everything undone. */
type Undoable<Error> = Exclude<Error, FailedAfterCommit<any>>

/** A failure after a commit may have another process's error as its cause. */
type Restored<Error> = Error extends FailedAfterCommit<infer E> ? FailedAfterCommit<E | RecoveredFailure> : Error

/** What somebody found out about a step in doubt: that it happened, with its output, or that it did not. */
export type Finding = running.Finding

const validated = <A, R>(
  program: Program,
  input: unknown,
  then: (fiber: Fiber.RuntimeFiber<any, any>) => Effect.Effect<A, unknown, R>
): Effect.Effect<A, unknown, R> => {
  const now = Effect.withFiberRuntime(then)
  return program.input === undefined ? now : Effect.zipRight(validate(program.input, input), now)
}

/** A run in this process. It is recorded only if somebody observes it. */
const newRun = (program: Program, input: unknown, fiber: Fiber.RuntimeFiber<any, any>) => {
  const executionId = crypto.randomUUID()
  const observer = observerOf(fiber, { program, executionId, resumed: false }, false)
  const recorder = observer === undefined ? undefined : recorderOf(program, nowOf(fiber), observer)
  return new Run({ program, executionId, input, recorder })
}

const recorderOf = (program: Program, now: () => number, observer: Observer | undefined): Recorder => {
  const recorder = inMemory(now, observer)
  const { fingerprint, name, version } = program
  recorder.record({ _tag: "Started", saga: name, version, fingerprint, at: now() })
  return recorder
}

/**
 * Runs a saga in this process; nothing is stored.
 *
 * Succeeds with the saga's output. When a step fails, dies or is interrupted before the point of no return, everything that
 * was done is undone, newest first, and the original error, defect or interruption comes out unchanged. Where that is not
 * the whole truth, the error says so: `CompensationFailed`, `FailedAfterCommit`, `OutcomeUnknown`.
 */
export const run = <Input, Output, Error, Requirements>(
  saga: Saga<Input, Output, Error, Requirements, OwedElsewhere>,
  input: Input
): Effect.Effect<Output, Error | CompensationFailed<Undoable<Error>>, Requirements> => {
  const program = programOf(saga)
  return validated(program, input, (fiber) => drive(newRun(program, input, fiber))) as Effect.Effect<any, any, any>
}

/**
 * Runs a saga in this process and leaves its compensations armed until the surrounding scope closes: if that closes with a
 * failure, the saga is undone, newest first, in its place among the scope's other finalizers.
 *
 * A compensation that fails then cannot be reported as an error, for a finalizer has none: it is a defect,
 * `CompensationFailed`, in the cause with which the scope's owner ends. Refused by type for a saga with a Final step.
 */
export const scoped = <Input, Output, Error, Requirements>(
  saga: Saga<Input, Output, Error, Requirements, OwedToExecute>,
  input: Input
): Effect.Effect<Output, Error | CompensationFailed<Undoable<Error>>, Requirements | Scope.Scope> => {
  const program = programOf(saga)
  return validated(
    program,
    input,
    (fiber) =>
      Effect.flatMap(Effect.context<any>(), (context: Context.Context<Scope.Scope>) => {
        const armed = newRun(program, input, fiber)
        return goForward(armed, (output) =>
          Effect.as(
            Scope.addFinalizerExit(
              Context.get(context, Scope.Scope),
              (exit) => closed(armed, exit, context)
            ),
            output
          ))
      })
  ) as Effect.Effect<any, any, any>
}

/** What becomes of the compensations that were left armed when their scope closes. */
const closed = (
  armed: Run,
  exit: Exit.Exit<unknown, unknown>,
  context: Context.Context<any>
): Effect.Effect<void> => {
  const { recorder } = armed
  const rest = Exit.isFailure(exit) ? unwind(armed, exit.cause) : recorder && finish(recorder, Effect.void)
  if (rest === undefined) return Effect.void
  const observed = recorder?.observer === undefined ? rest : recorder.observer.end(rest, recorder)
  return Effect.matchCauseEffect(Effect.provide(Effect.uninterruptible(observed), context), {
    onSuccess: () => Effect.void,
    onFailure: (ended) => {
      // What closed the scope may be another saga's failure: only this one's is news.
      const error = Cause.squash(ended)
      return error instanceof CompensationFailed && error.executionId === armed.executionId
        ? Effect.die(error)
        : Effect.void
    }
  })
}

/**
 * Runs a saga in this process and reports, whatever happens: never fails, and tells every way a run can end apart by `_tag`.
 * An interruption still ends it as one, after what was done is undone: nobody is left to be told.
 */
export const report = <Input, Output, Error, Requirements>(
  saga: Saga<Input, Output, Error, Requirements, OwedElsewhere>,
  input: Input
): Effect.Effect<SagaReport.SagaReport<Output, Error>, never, Requirements> => {
  const program = programOf(saga)
  return Effect.flatMap(recorded(program, input), ({ driven, executionId, now, state }) =>
    Effect.map(
      Effect.exit(driven),
      (exit) => SagaReport.make({ program, executionId, state: state(), exit, endedAt: now() })
    )) as Effect.Effect<any, never, any>
}

/** @internal A run in this process that can be asked what it has come to, also when it is interrupted. */
export const recorded = (program: Program, input: unknown) =>
  Effect.withFiberRuntime((fiber: Fiber.RuntimeFiber<any, any>) => {
    const now = nowOf(fiber)
    const executionId = crypto.randomUUID()
    const recorder = recorderOf(program, now, observerOf(fiber, { program, executionId, resumed: false }, true))
    const run = new Run({ program, executionId, input, recorder })
    return Effect.succeed({
      driven: validated(program, input, () => drive(run)),
      executionId,
      state: () => recorder.state()!,
      now
    })
  })

/** How a durable run is started. */
export interface ExecuteOptions {
  /** Identifies the execution, for good: the same id with the same input joins it or returns what came of it. */
  readonly executionId: string
  /**
   * What an interruption does before the point of no return: `"unwind"` undoes what was done, `"suspend"` leaves the
   * execution as it is, for `Saga.resume` or `Recovery`. `"unwind"` by default.
   */
  readonly onInterrupt?: "unwind" | "suspend"
}

/**
 * Runs a saga durably: every side effect is in the journal before it starts, so that after a crash `Saga.resume` or
 * `Recovery` finishes the execution, forward or backward.
 *
 * The execution exists from its first intent on. Called again with the same `executionId` and input it joins the execution,
 * goes on with it, or returns its recorded result; a parked one is not set going again but its error returned. An error that
 * another process recorded comes back as it was if its step has an `error` schema, else as `RecoveredFailure`.
 *
 * Interrupted before the point of no return it is undone, as any run is: say `onInterrupt: "suspend"` where the interruption
 * of a process that closes must not undo what it was doing.
 */
export const execute = <Input, Output, Error, Requirements>(
  saga: Saga<Input, Output, Error, Requirements, OwedToScoped>,
  input: Input,
  options: ExecuteOptions
): Effect.Effect<
  Output,
  | Restored<Error>
  | CompensationFailed<Undoable<Error> | RecoveredFailure>
  | RecoveredFailure
  | OutcomeUnknown
  | CheckpointError
  | ExecutionConflict
  | DefinitionChanged
  | JournalCorrupt,
  Requirements | Checkpoint
> =>
  durable.execute(programOf(saga), input, {
    executionId: options.executionId,
    suspend: options.onInterrupt === "suspend"
  }) as Effect.Effect<any, any, any>

/** How a stored execution is resumed. */
export interface ResumeOptions extends Pick<ExecuteOptions, "onInterrupt"> {
  /**
   * What somebody found out about the step in doubt: that it happened, with its output (as the action would have returned
   * it), or that it did not, and then it runs again. Of a step that is not in doubt it is refused, and nothing is done.
   */
  readonly found?: Finding
}

/**
 * Goes on with one stored execution, forward or backward as its journal says: recorded outcomes are taken from the journal,
 * everything after them runs. A parked execution is set going again. A finished one returns its recorded result.
 */
export const resume = <Input, Output, Error, Requirements>(
  saga: Saga<Input, Output, Error, Requirements, OwedToScoped>,
  executionId: string,
  options?: ResumeOptions
): Effect.Effect<
  Output,
  | Restored<Error>
  | CompensationFailed<Undoable<Error> | RecoveredFailure>
  | RecoveredFailure
  | OutcomeUnknown
  | CheckpointError
  | ExecutionConflict
  | DefinitionChanged
  | JournalCorrupt
  | ExecutionNotFound,
  Requirements | Checkpoint
> =>
  durable.resume(programOf(saga), {
    executionId,
    suspend: options?.onInterrupt === "suspend",
    finding: options?.found
  }) as Effect.Effect<any, any, any>

/**
 * Looks at a stored execution and changes nothing: what is recorded of each step and compensation, whether or not it is finished.
 * Works on an execution that is driven at this moment, and shows it as of its last commit.
 */
export const inspect = (
  saga: Any,
  executionId: string
): Effect.Effect<
  SagaReport.Recorded,
  CheckpointError | ExecutionConflict | DefinitionChanged | JournalCorrupt | ExecutionNotFound,
  Checkpoint
> => {
  const program = programOf(saga)
  return Effect.map(stateOf(program, executionId), (state) => SagaReport.ofState(program, executionId, state))
}
