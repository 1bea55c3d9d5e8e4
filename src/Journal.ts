/**
 * The journal of one execution: what happened, in order, as plain JSON.
 *
 * The format is the library's own. It holds step inputs and outputs as the user's schemas encode them, never an encoded
 * `Exit` or `Cause` of Effect, and so outlives its major versions. Times are epoch milliseconds. One pure table,
 * {@link transition}, says which event may follow which state; any other event is an error.
 */
export * from "./journal/commit.ts"
export * from "./journal/events.ts"
export {
  committedFinal,
  type ExecutionState,
  idOfSignal,
  isInDoubt,
  type ListedItem,
  signalFor,
  steps,
  type StepState,
  tookEffect,
  type Waits
} from "./journal/state.ts"
export { Status } from "./journal/statuses.ts"
export { fold, InvalidTransition, transition } from "./journal/transition.ts"
