/** Stopping a run where it is. */
import { Cause, Chunk, Effect, Option } from "effect"
import type { DrivingError } from "../SagaError.ts"
import type { AnyEffect, Run } from "./run.ts"

/**
 * Stops a run where it is: no step follows, and nothing is undone. The run ends with `cause`: an error about driving it, or the
 * interruption that leaves it for recovery.
 */
export class Halt {
  readonly cause: Cause.Cause<DrivingError>
  constructor(cause: Cause.Cause<DrivingError>) {
    this.cause = cause
  }
  static because(error: DrivingError): Halt {
    return new Halt(Cause.fail(error))
  }
}

// The class decides here: a halt never leaves the run that it stops.
const isHalt = (error: unknown): error is Halt => error instanceof Halt

/** The `Halt` in a cause, if there is one. Inside an action it travels as a defect, because a failure would be retried. */
export const haltOf = (cause: Cause.Cause<unknown>): Halt | undefined =>
  Option.getOrUndefined(Option.orElse(
    Chunk.findFirst(Cause.failures(cause), isHalt),
    () => Chunk.findFirst(Cause.defects(cause), isHalt)
  ))

/**
 * Goes before every call of a user's code that may have a side effect, also before the first: a process that was paused for longer
 * than its lease lasts must not call, for another may have taken the execution over since (S14). Before a further attempt it lets
 * timers and other fibers have their turn, so that code that fails at once cannot keep them from it.
 */
export const beforeCall = ({ recorder }: Run, attempt: number, call: () => AnyEffect): AnyEffect => {
  const checked = (): AnyEffect => {
    const halt = recorder?.mustStop()
    return halt === undefined ? call() : Effect.die(halt)
  }
  // A sleep of no length ends in another turn of the event loop; a yield alone would starve timers.
  return attempt === 1 ? checked() : Effect.zipRight(Effect.sleep(0), Effect.suspend(checked))
}
