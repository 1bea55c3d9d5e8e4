/** What an exit tells. */
import { Cause, Exit, Option } from "effect"

/** The typed error that a run failed with, or `undefined`. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
