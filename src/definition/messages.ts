/**
 * The text of every rule, once: as a type, for the compiler's refusals, and as a value, for the refusals at run time.
 *
 * A sentence about a run that would be refused begins with the name of that run.
 */

export type DuplicateStep<Name extends string> = `step "${Name}" is already declared in this saga`
export const duplicateStep = <Name extends string>(name: Name): DuplicateStep<Name> =>
  `step "${name}" is already declared in this saga`

export type EmptyStepName = "a step needs a name: it identifies the step in the journal and in idempotency keys"
export const emptyStepName: EmptyStepName =
  "a step needs a name: it identifies the step in the journal and in idempotency keys"

export type ReservedStepName<Name extends string> =
  `step "${Name}" cannot have this name: "/" separates the parts of a path, and "__proto__" is no ordinary property`
export const reservedStepName = <Name extends string>(name: Name): ReservedStepName<Name> =>
  `step "${name}" cannot have this name: "/" separates the parts of a path, and "__proto__" is no ordinary property`

/** `given` is shown as code. */
export const noStepName = (given: string) => `the name of a step must be text, and is ${given}`

/** The name is shown as JSON, for what is wrong with it may be invisible; and not all of it, for it may be long. */
export const unfitStepName = (name: string) => {
  const shown = JSON.stringify(name)
  return `step ${
    shown.length > 60 ? `${shown.slice(0, 60)}…` : shown
  } cannot have this name: it must be well-formed text of at most ` +
    "800 characters, without U+0000, or it could not be stored"
}

export type WideStepName = "a step's name must be a string literal, so that later steps can read its output by name"

export type NoSteps = "a saga needs at least one step"
export const noSteps: NoSteps = "a saga needs at least one step"

export type EmptySagaName = "a saga needs a name: stored executions are found by it"
export const emptySagaName: EmptySagaName = "a saga needs a name: stored executions are found by it"
export const unfitSagaName =
  "a saga's name must be well-formed text of at most 800 characters, without U+0000, or it could not be stored"

export type InvalidVersion<Version extends number> = `version ${Version} is not a positive integer`
export const invalidVersion = <Version extends number>(version: Version): InvalidVersion<Version> =>
  `version ${version} is not a positive integer`

export const stepAfterFinal = (kind: string, name: string, final: string) =>
  `${kind} "${name}" stands after Final step "${final}": after the point of no return only Final steps may follow`

export const missingCompensation = (name: string) => `Compensatable step "${name}" has no compensation`

export const missingVerify = (name: string) => `step "${name}" says inDoubt: "verify" but has no verify function`

export const neverInDoubt = (name: string, option: string) =>
  `step "${name}" says transaction: true and ${option}: its action happens with its outcome or not at all, and there is no doubt to settle`
export const readOnlyTransaction = (name: string) =>
  `ReadOnly step "${name}" says transaction: true: it has no side effect that could be stored with its outcome`

export type ActionAfterCompensation<Name extends string> =
  `every run needs the type of the output of step "${Name}": its action must return an effect, and stand above its compensation`

export type NotBuilt = "this is no built saga: end its definition with .build()"
export const notBuilt = (name: string) =>
  `the step of list "${name}" is no built saga: end its definition with .build()`

export type NoList = "give the sagas in a list that the compiler can see, each with its own type: [trip, order]"

export type UnknownSaga = "the type of this saga does not say what it still owes"

export type MissingVerify<Name extends string> = `every run needs verify on step "${Name}": its inDoubt is "verify"`

export type MissingInDoubt<Name extends string> =
  `every run needs inDoubt on step "${Name}": its action can end with OutcomeUnknown`
export const missingInDoubt = <Name extends string>(name: Name): MissingInDoubt<Name> =>
  `every run needs inDoubt on step "${name}": its action can end with OutcomeUnknown`

export type MissingRetry<Name extends string> =
  `every run needs retry on Final step "${Name}": after the point of no return a saga can only go forward`
export const missingRetry = <Name extends string>(name: Name): MissingRetry<Name> =>
  `every run needs retry on Final step "${name}": after the point of no return a saga can only go forward`

export type MissingSuccess<Name extends string> =
  `Saga.execute needs a success schema on step "${Name}": its output must be restored after a crash`

export type MissingError<Name extends string> =
  `Saga.execute needs an error schema on step "${Name}", so that a later call gets the same error; error: "asRecoveredFailure" declines it`

export type MissingFinalInDoubt<Name extends string> =
  `Saga.execute needs inDoubt on Final step "${Name}": what if the process dies during its action?`
export const missingFinalInDoubt = <Name extends string>(name: Name): MissingFinalInDoubt<Name> =>
  `Saga.execute needs inDoubt on Final step "${name}": what if the process dies during its action?`

export type FinalInScope<Name extends string> =
  `Saga.scoped cannot undo Final step "${Name}" when the surrounding scope fails`

export type WaitsInProcess<Name extends string> =
  `Saga.run cannot wait for a signal at step "${Name}", for nothing is stored to which it could be delivered: use Saga.execute, start or enqueue`
export const waitsInProcess = <Name extends string>(name: Name): WaitsInProcess<Name> =>
  `Saga.run cannot wait for a signal at step "${name}", for nothing is stored to which it could be delivered: use Saga.execute, start or enqueue`

export type WaitInParallel<Name extends string> =
  `"${Name}" has a step that waits: in a parallel block its siblings would have to stop in the middle`
export const waitInParallel = <Name extends string>(name: Name): WaitInParallel<Name> =>
  `"${name}" has a step that waits: in a parallel block its siblings would have to stop in the middle`

export type FailingWaitAfterFinal = "after a Final this step must not fail: say onTimeout: { value }"
export const failingWaitAfterFinal = (name: string, final: string) =>
  `step "${name}" can fail, because nobody sends its signal in time, and stands after Final step "${final}": give it a value for that ` +
  "case, or no timeout"

/** `given` is shown as code. */
export const noSignal = (name: string, given: string) => `step "${name}" waits for ${given}, which is no signal`
export const noSuchOnTimeout = (name: string, given: string) =>
  `the onTimeout of step "${name}" cannot be followed: ${given} is neither "fail" nor an object with a value`
export const lonelyOnTimeout = (name: string) => `step "${name}" has onTimeout, and no timeout`
/** `of` names a step, or the saga. */
export const invalidUntil = (of: string, problem: string) => `the end of ${of} is no time: ${problem}`
export const unstorableTimeoutValue = (name: string, problem: string) =>
  `the value with which step "${name}" ends when nobody sends its signal is none of that signal: ${problem}`
export const invalidDeadline = (problem: string) => `the deadline of this saga cannot be kept: ${problem}`
export const invalidSignalName =
  "a signal needs a name: well-formed text of at most 400 characters, without U+0000, or it could not be stored"

/** `of` names a step, or the defaults of a saga. */
export const endlessRetry = (of: string) =>
  `the retry of ${of} needs times or a schedule: without both it would try for ever, without a pause`
export const relentlessRetry = (of: string) =>
  `the retry of ${of} needs a schedule: without one it tries again without a pause, and may at most 1000 times`
export const invalidRetry = (of: string, problem: string) => `the retry of ${of} cannot be followed: times ${problem}`
export const invalidTimeout = (of: string, problem: string) => `the timeout of ${of} cannot be kept: ${problem}`

export const unknownRetry = (of: string, problem: string) => `the retry of ${of} cannot be followed: ${problem}`

/** `given` is shown as code. */
export const noFunction = (option: string, of: string, given: string) =>
  `the ${option} of ${of} must be a function, and is ${given}`
export const noSchema = (option: string, of: string, given: string) =>
  `the ${option} of ${of} must be a schema, and is ${given}`

/** `given` and `known` are shown as code. */
export const unknownPolicy = (policy: string, of: string, given: string, known: ReadonlyArray<string>) =>
  `the ${policy} of ${of} cannot be followed: ${given} is none of ${known.join(", ")}`

export const unstorableSuccess = (name: string, part: string) =>
  `the output of step "${name}" could never be stored: as its success schema encodes it, ${part}, which JSON cannot hold`
export const unstorableOutput = (part: string) =>
  `the output of this saga could never be stored: as its success schema encodes it, ${part}, which JSON cannot hold`
export const unstorableInput = (part: string) =>
  `the input of this saga could never be stored: as its schema encodes it, ${part}, which JSON cannot hold`

export type EmptyParallel = "a parallel block needs at least one step"
export const emptyParallel: EmptyParallel = "a parallel block needs at least one step"

export type UnreturnedBranch =
  "the function of a parallel block must return the branch that it is given, with its steps added"

/** `concurrency` is shown as code. */
export const invalidConcurrency = (concurrency: string) => `concurrency ${concurrency} is not a positive integer`

export type FinalInParallel<Name extends string> =
  `"${Name}" has a Final step: in a parallel block its siblings could still fail, and not be undone`
export const finalInParallel = <Name extends string>(name: Name): FinalInParallel<Name> =>
  `"${name}" has a Final step: in a parallel block its siblings could still fail, and not be undone`

export type FinalInList<Name extends string> =
  `"${Name}" has a Final step: the other items of the list could still fail, and not be undone`
export const finalInList = <Name extends string>(name: Name): FinalInList<Name> =>
  `"${name}" has a Final step: the other items of the list could still fail, and not be undone`

export type WaitInList<Name extends string> =
  `"${Name}" has a step that waits: the other items of the list would have to stop in the middle`
export const waitInList = <Name extends string>(name: Name): WaitInList<Name> =>
  `"${name}" has a step that waits: the other items of the list would have to stop in the middle`

export const listInParallel = (name: string) =>
  `"${name}" is a list, which cannot be a sibling in a parallel block: put it into a nested saga`

export type MissingDefaultInDoubt =
  "every run needs inDoubt beside timeout in the defaults of this saga: an action that is cut off is in doubt"

export type MissingToolSuccess = "a tool needs a success schema: its result could not be stored, nor referred to"

// Rules of plans. For a saga that is written in code the compiler states the first ones ("no such property", "not assignable").

export const unresolvedReference = (name: string, pointer: string, why: string) =>
  `step "${name}" refers to ${JSON.stringify(pointer)}, ${why}`

export const unknownTool = (name: string, tool: string) => `step "${name}" calls tool "${tool}", which nobody provides`

export const invalidArguments = (name: string, tool: string, problem: string) =>
  `step "${name}" calls tool "${tool}" with arguments that it does not take: ${problem}`

export const notReadOnly = (name: string, tool: string) =>
  `step "${name}" calls tool "${tool}", which does not say that it only reads, where nothing may have a side effect`

export const wrongClassification = (name: string, is: string, tool: string, may: string) =>
  `${is} step "${name}" calls tool "${tool}", whose owner says that it is ${may}`

export const wrongCompensation = (name: string, undoes: string, tool: string, by: string) =>
  `step "${name}" is undone by tool "${undoes}", and the owner of tool "${tool}" says that ${by} undoes it`

export const noCompensation = (name: string, undoes: string, is: string) =>
  `step "${name}" is undone by tool "${undoes}", whose owner says that it is ${is}`

export const unusedVerify = (name: string) => `step "${name}" has verify, and its inDoubt is not "verify"`

export const invalidVerify = (name: string, tool: string) =>
  `step "${name}" asks tool "${tool}", which does not return whether it happened`

export const laxInDoubt = (name: string, tool: string, said: string) =>
  `step "${name}" says inDoubt: ${
    JSON.stringify(said)
  }, but the owner of tool "${tool}" says "park": a plan may be stricter, never laxer`

export const parkedCompensation = (name: string, tool: string) =>
  `step "${name}" is undone by tool "${tool}", whose owner says inDoubt: "park": a compensation is called again after a crash`

export const tooManyRetries = (name: string, tool: string, limit: number) =>
  `step "${name}" asks for more further calls of tool "${tool}" than are allowed: at most ${limit}`

export const shortPause = (name: string, tool: string, limit: string) =>
  `step "${name}" calls tool "${tool}" again after too short a pause: at least ${limit} are required`

export const shortTimeout = (name: string, tool: string, limit: string) =>
  `step "${name}" cuts off tool "${tool}" too soon: each call must be given at least ${limit}`

export const longTimeout = (name: string, tool: string, limit: string) =>
  `step "${name}" gives tool "${tool}" more time than is allowed: each call may take at most ${limit}`
