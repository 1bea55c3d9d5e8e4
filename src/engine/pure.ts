/** Calls of a user's pure functions, and whose failure it is when something fails. */
import { Effect } from "effect"
import type { Earlier } from "../definition/definition.ts"
import type { AnyEffect, FailedAt, Frame, Run } from "./run.ts"

/** The context of `when`, of a nested saga's `input`, of the end of a sleep, and of a projection. */
export const seen = ({ input, outputs }: Frame): Earlier => ({ input, outputs })

/** Calls a pure function of the user; if it throws, notes whose it is. */
export const callPure = <A>(run: Run, on: FailedAt, call: () => A): AnyEffect<A> =>
  noteFailure(run, on, Effect.sync(call))

export const noteFailure = <A>(run: Run, step: FailedAt, outcome: AnyEffect<A>): AnyEffect<A> =>
  Effect.tapErrorCause(outcome, (cause) => Effect.sync(() => run.failed.push({ step, cause })))
