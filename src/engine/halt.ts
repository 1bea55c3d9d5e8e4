/** Stopping a run where it is. */
import { Cause, Chunk, Option } from "effect"
import type { DrivingError } from "../SagaError.ts"

/**
 * Stops a run where it is: no step follows, and nothing is undone. The run ends with `cause`: an error about driving it, or the
 * interruption that leaves it for recovery.
 */
export class Halt {
  readonly cause: Cause.Cause<DrivingError>
  /** Whether the execution waits: then it is no failure, and the journal says so. A tracer hands on a copy: never compare a halt. */
  readonly waits: boolean
  constructor(cause: Cause.Cause<DrivingError>, waits = false) {
    this.cause = cause
    this.waits = waits
  }
}

/** Stops a run because of an error about driving it. */
export const haltBecause = (error: DrivingError): Halt => new Halt(Cause.fail(error))

// The class decides here: a halt never leaves the run that it stops.
const isHalt = (error: unknown): error is Halt => error instanceof Halt

/** The `Halt` in a cause, if there is one. Inside an action it travels as a defect, because a failure would be retried. */
export const haltOf = (cause: Cause.Cause<unknown>): Halt | undefined =>
  Option.getOrUndefined(Option.orElse(
    Chunk.findFirst(Cause.failures(cause), isHalt),
    () => Chunk.findFirst(Cause.defects(cause), isHalt)
  ))
