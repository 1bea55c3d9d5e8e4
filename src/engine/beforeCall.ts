/** The last look before users' code is called. */
import { Effect } from "effect"
import { isInterruptPending } from "../values/fiber.ts"
import type { AnyEffect, Run } from "./run.ts"

/**
 * Goes before every call of a user's code that may have a side effect, also before the first: a process that was paused for longer
 * than its lease lasts must not call, for another may have taken the execution over since (S14). Before a further attempt it lets
 * timers and other fibers have their turn, so that code that fails at once cannot keep them from it.
 */
export const beforeCall = ({ recorder }: Run, attempt: number, call: () => AnyEffect): AnyEffect => {
  const checked = (): AnyEffect => recorder === undefined ? call() : recorder.whileDriving(call)
  // A sleep of no length ends in another turn of the event loop; a yield alone would starve timers.
  return attempt === 1 ? checked() : Effect.zipRight(Effect.sleep(0), Effect.suspend(checked))
}

/** Delivers a pending interruption here. Checking for one first is cheaper than opening the region each time. */
export const unlessInterrupted = (run: Run, next: () => AnyEffect): AnyEffect =>
  Effect.withFiberRuntime((fiber) =>
    isInterruptPending(fiber) ? Effect.flatMap(run.restore(Effect.void), next) : next()
  )
