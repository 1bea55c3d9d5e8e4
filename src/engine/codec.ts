/**
 * Step inputs, outputs and failures as they are stored, and back.
 */
import { Cause, Effect, Exit, Option, type Schema } from "effect"
import type { ForEach, Program, StepNode } from "../definition/definition.ts"
import { nodeAt } from "../definition/lists.ts"
import type * as Journal from "../Journal.ts"
import { Cancelled, NotStorable, RecoveredFailure } from "../SagaError.ts"
import { describe } from "../values/describe.ts"
import { notJson } from "../values/json.ts"
import * as schemas from "../values/schema.ts"

/** Encodes a value with its schema to plain JSON, at once where the schema can, or fails with why it cannot be stored. */
export const encodeValue = (
  schema: Schema.Schema<any, any> | undefined,
  value: unknown,
  whose: Whose
): Effect.Effect<unknown, NotStorable> => {
  if (schema === undefined) return Exit.succeed(undefined)
  return schemas.mapError(
    schemas.andThen(schemas.encodeToStore(schema, value), plain),
    (problem) => new NotStorable({ ...whose(), problem })
  )
}

/** Names a value in an error. A function, because it is asked only if there is one. */
type Whose = () => {
  readonly saga: string
  readonly executionId: string
  readonly value: string
  /** The list that it is an item of. */
  readonly list?: string
  /** The step that it is the output of. */
  readonly step?: string
  /** It is the output of the saga. */
  readonly everyStepDone?: true
}

/** A value at the moment at which it was given: later changes of the object that it was do not reach it. */
export interface Captured {
  /** As it is stored. */
  readonly encoded: unknown
  /** As the steps see it. */
  readonly value: unknown
  /** The JSON of `encoded`, where it was needed for the rest. */
  readonly text: string | undefined
}

/**
 * Encodes a value, and decodes it again where it is an object that its owner could change. A value that cannot be decoded again is
 * refused if nothing has been done with it yet (`unreadable: "refuse"`). One that tells what has happened is handed on as it is: it
 * is stored, and so it is not lost; a resume will say what is wrong with it.
 */
export const capture = (
  schema: Schema.Schema<any, any> | undefined,
  value: unknown,
  whose: Whose,
  unreadable: "refuse" | "hand on"
): Effect.Effect<Captured, NotStorable> =>
  schemas.andThen(encodeValue(schema, value, whose), (encoded): Effect.Effect<Captured, NotStorable> => {
    const isObject = typeof value === "object" && value !== null
    if (schema === undefined || (!isObject && unreadable === "hand on")) {
      return Exit.succeed({ encoded, value, text: undefined })
    }
    const text = isObject ? JSON.stringify(encoded) : undefined
    const detached: unknown = text === undefined ? encoded : JSON.parse(text)
    const captured = (value: unknown): Captured => ({ encoded: detached, value, text })
    const decoded = schemas.decodeStored(schema, detached)
    switch (unreadable) {
      case "refuse": {
        const refused = (problem: string) =>
          new NotStorable({ ...whose(), problem: `it could not be read back: ${problem}` })
        return schemas.andThen(schemas.mapError(decoded, refused), (value) => Exit.succeed(captured(value)))
      }
      case "hand on":
        return schemas.match(decoded, { onFailure: () => captured(value), onSuccess: captured })
    }
  })

const plain = (encoded: unknown): Exit.Exit<unknown, string> => {
  const problem = encoded === undefined ? undefined : notJson(encoded)
  return problem === undefined
    ? Exit.succeed(encoded)
    : Exit.fail(`after encoding, ${problem}, which is not plain JSON`)
}

/** A cause as it is stored: all of its failures, each through the `error` schema of the step. */
export const storeCause = (
  step: Pick<StepNode | ForEach, "path" | "error"> | undefined,
  cause: Cause.Cause<unknown>
): ReadonlyArray<Journal.StoredFailure> => {
  const stored: Array<Journal.StoredFailure> = []
  for (const error of Cause.failures(cause)) {
    stored.push({ kind: "Fail", step: step?.path ?? "", ...describe(error), ...encodedError(step, error) })
  }
  for (const defect of Cause.defects(cause)) stored.push({ kind: "Die", ...describe(defect) })
  if (Cause.isInterrupted(cause)) stored.push({ kind: "Interrupt" })
  return stored
}

/** An error that cannot be encoded is stored by its tag and message only: why a saga failed must not keep it from unwinding. */
const encodedError = (
  step: Pick<StepNode | ForEach, "error"> | undefined,
  error: unknown
): { readonly encoded?: unknown } => {
  if (step?.error === undefined) return {}
  return Option.match(schemas.encodeNow(step.error, error), {
    onNone: () => ({}),
    onSome: (encoded) => notJson(encoded) === undefined ? { encoded } : {}
  })
}

/** The cause that was stored as these failures of an execution. */
export const restoreCause = (
  execution: { readonly program: Program; readonly executionId: string },
  failures: ReadonlyArray<Journal.StoredFailure>
): Cause.Cause<unknown> => inParallel(failures.map((failure) => restoreFailure(execution, failure)))

/** Joins causes that came about independently of each other. */
export const inParallel = <E>(causes: ReadonlyArray<Cause.Cause<E>>): Cause.Cause<E> =>
  causes.length === 0 ? Cause.empty : causes.reduce((all, cause) => Cause.parallel(all, cause))

const restoreFailure = (
  { executionId, program }: { readonly program: Program; readonly executionId: string },
  failure: Journal.StoredFailure
): Cause.Cause<unknown> => {
  switch (failure.kind) {
    case "Cancel": {
      const { by, reason } = failure
      return Cause.fail(
        new Cancelled({ saga: program.name, executionId, by, ...(reason === undefined ? {} : { reason }) })
      )
    }
    case "Interrupt":
      // Restored as an error: a later caller was not interrupted, and an interruption would bypass its handlers.
      return Cause.fail(
        new RecoveredFailure({ tag: "Interrupted", detail: "a step ended with an interruption" })
      )
    case "Die":
      return Cause.die(Object.assign(new Error(failure.message), { name: failure.tag }))
    case "Fail": {
      const schema = nodeAt(program, failure.step)?.error
      const restored = schema === undefined || failure.encoded === undefined
        ? Option.none()
        : schemas.decodeNow(schema, failure.encoded)
      return Cause.fail(
        Option.getOrElse(restored, () => new RecoveredFailure({ tag: failure.tag, detail: failure.message }))
      )
    }
  }
}
