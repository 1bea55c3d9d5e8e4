/** What the SQL of one database says differently from another's. */
import type { CheckpointError } from "../SagaError.ts"
import type { Commit } from "../store/Checkpoint.ts"

/** A text with `?` where its parameters go. */
export interface Statement {
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
}

export interface Dialect {
  /** Makes the tables of the first migration. */
  readonly tables: ReadonlyArray<string>
  /** The time in epoch milliseconds, by the database. */
  readonly now: string
  readonly begin: string
  /**
   * Store commits. Each returns the `execution_id` and `sequence` of those that it has stored, and leaves out those whose lease has
   * ended, whose execution is not claimed by them, or whose sequence is taken or leaves a gap.
   */
  readonly append: (commits: ReadonlyArray<Commit>) => ReadonlyArray<Statement>
  /** Deletes finished executions by their numbers, with all their commits. */
  readonly remove: (ids: ReadonlyArray<unknown>) => Statement
  /** The text as the driver takes it. */
  readonly prepare: (text: string) => string
  /** What a driver's error code means. */
  readonly reasonOf: (code: string) => CheckpointError["reason"] | undefined
}

export const pending = "('Running', 'Unwinding')"
export const finished = "('Succeeded', 'Undone')"

/** Finds the code of whatever the driver threw, however deep it is wrapped, and what it said. */
export const innermostOf = (error: unknown): { readonly code: string; readonly detail: string } => {
  let innermost = error
  for (let depth = 0; depth < 5; depth++) {
    const { cause, errors } = (innermost ?? {}) as { readonly cause?: unknown; readonly errors?: unknown }
    // Where a host has several addresses, each that cannot be reached is an error of its own.
    const next = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
    if (next === undefined) break
    innermost = next
  }
  const { code, message } = (innermost ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  return {
    code: typeof code === "string" ? code : "",
    detail: typeof message === "string" && message !== "" ? message : String(innermost)
  }
}
