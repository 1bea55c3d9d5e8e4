/** An execution that waits is driven only if there is something to do. */
import { Clock, Effect } from "effect"
import type { Program } from "../definition/definition.ts"
import { isWaiting } from "../journal/statuses.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { type Driving, waiting } from "./join.ts"
import type { Loaded } from "./load.ts"
import { dueAt } from "./waiting.ts"

/** Drives an execution, unless it waits and is not due yet by the clock of this process, and has no message. */
export const unlessItWaits = (
  store: Checkpoint.Service,
  program: Program,
  { past: { state } }: Loaded,
  drive: () => Driving,
  { executionId }: { readonly executionId: string }
): Driving => {
  if (!isWaiting(state.status)) return drive()
  const due = dueAt(program, state)
  return Effect.flatMap(Clock.currentTimeMillis, (now): Driving =>
    due !== undefined && due <= now
      ? drive()
      : Effect.flatMap(
        Effect.interruptible(store.messages(executionId)),
        (messages): Driving => messages.length > 0 ? drive() : Effect.succeed(waiting(due))
      ))
}
