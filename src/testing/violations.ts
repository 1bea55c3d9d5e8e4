/** Compares the journal of one scenario with its ledger, and finds what must not happen. */
import type { ForEach, Node } from "../definition/definition.ts"
import * as Journal from "../Journal.ts"
import { sayCancelled } from "../values/describe.ts"
import type * as Faults from "./Faults.ts"
import type * as Ledger from "./Ledger.ts"

/**
 * How an execution ended, after the next process had resumed it at each crash: the status in its journal, `Unfinished` if that says that
 * it is still going, or `NotStarted` if nothing was ever stored.
 */
export type Ended = "Succeeded" | "Undone" | "Parked" | "NotStarted" | "Unfinished"

/** An event that must not happen, whatever goes wrong. */
export interface ScenarioViolation {
  /**
   * - `Doubled`, `Redone`, `UndoneWithoutDo`, `UndoneOutOfOrder`: see `Ledger`
   * - `Orphaned`: an effect stands that no compensation will undo and no error names
   * - `Lost`: an effect of a saga that succeeded does not stand
   * - `CannotUndo`: a compensation failed into which no fault was injected
   * - `CannotGoForward`: a Final failed for good after another had taken effect
   * - `NotCancelled`: it was cancelled before a Final had taken effect, and went forward
   * - `UndoneAfterCommit`: it was undone although a Final had taken effect when it was cancelled
   * - `Unanswered`: a caller that asked again, with the same id and input, was not told how it ended
   * - `Changed`: it ended otherwise, only because a caller hung up, a process closed, or somebody asked too late for its cancellation
   * - `Stuck`: it did not come to an end
   * - `Invariant`: your invariant does not hold
   */
  readonly _tag:
    | Ledger.Violation["_tag"]
    | "Orphaned"
    | "Lost"
    | "CannotUndo"
    | "CannotGoForward"
    | "NotCancelled"
    | "UndoneAfterCommit"
    | "Unanswered"
    | "Changed"
    | "Stuck"
    | "Invariant"
  readonly message: string
}

/** A request to cancel the execution, which another process has made. */
export interface Request {
  /** Whether it was accepted; if not, its sender was told that it comes too late. */
  readonly isStored: boolean
  /** What had become of the Finals when the request was made. `Called`: the intent is known, and nothing more. */
  readonly finals: "NotCalled" | "Called" | "TookEffect"
}

/** How many hours of test time an execution has. */
export const longest = 48

export const violationsOf = (
  ended: Ended,
  state: Journal.ExecutionState | undefined,
  entries: ReadonlyArray<Ledger.Entry>,
  faults: ReadonlyArray<Faults.Fault>,
  request: Request | undefined
): ReadonlyArray<ScenarioViolation> => {
  const violations: Array<ScenarioViolation> = []
  const steps = state === undefined ? [] : Journal.steps(state)
  const stateOfStep = (path: string | undefined) => steps.find(({ step }) => step === path)
  for (const { standing, step: path, what } of entries) {
    const step = stateOfStep(path)
    // A parked execution names the steps that it has not undone.
    const accounted = step !== undefined && ended !== "Undone" &&
      (Journal.isInDoubt(step) || (Journal.tookEffect(step) && step.status !== "Undone"))
    const whose = path === undefined ? "" : `, of step "${path}",`
    if (standing && !accounted) {
      violations.push({
        _tag: "Orphaned",
        message: `"${what}"${whose} stands, although ${endedInWords[ended]}`
      })
    }
    if (!standing && ended === "Succeeded" && step !== undefined && Journal.tookEffect(step)) {
      violations.push({ _tag: "Lost", message: `"${what}"${whose} was undone, although the saga succeeded` })
    }
  }
  for (const { status, step, undoFailures } of steps) {
    const injected = faults.some((fault) =>
      fault._tag === "Compensation" && fault.step === step && fault.how !== "isRepeated"
    )
    if (status !== "CompensationFailed" || injected) continue
    const why = undoFailures.map((failure) => sayFailure(failure))
      .join("; ")
    violations.push({ _tag: "CannotUndo", message: `the compensation of "${step}" failed: ${why}` })
  }
  const failed = state?.parked === "FailedAfterCommit" ? steps.find(({ status }) => status === "Failed") : undefined
  const died = faults.some((fault) => fault._tag === "Action" && fault.how === "dies" && fault.step === failed?.step)
  if (failed !== undefined && !died) {
    violations.push({
      _tag: "CannotGoForward",
      message:
        `"${failed.step}" failed for good after a Final had taken effect: let it be tried again without end, or put ` +
        "the Final after it"
    })
  }
  violations.push(...violationsOfRequest(ended, state, faults, request))
  if (ended === "Unfinished") {
    violations.push({ _tag: "Stuck", message: `it did not come to an end in ${longest} hours of test time` })
  }
  return violations
}

/** A request that is accepted decides, unless a Final has: a crash may have left it open whether that was called. */
const violationsOfRequest = (
  ended: Ended,
  state: Journal.ExecutionState | undefined,
  faults: ReadonlyArray<Faults.Fault>,
  request: Request | undefined
): ReadonlyArray<ScenarioViolation> => {
  if (request?.isStored !== true) return []
  const goesForward = ended === "Succeeded" || state?.parked === "FailedAfterCommit"
  const isOpen = request.finals === "Called" && faults.some(({ _tag }) => _tag === "Crash")
  if (request.finals !== "TookEffect" && !isOpen && goesForward) {
    return [{ _tag: "NotCancelled", message: "it was cancelled before a Final had taken effect, and went forward" }]
  }
  if (request.finals === "TookEffect" && ended === "Undone") {
    return [{ _tag: "UndoneAfterCommit", message: "it was undone, and a Final had taken effect when it was cancelled" }]
  }
  return []
}

export const endedInWords: Record<Ended, string> = {
  Succeeded: "the journal does not know of it",
  Undone: "everything is said to be undone",
  Parked: "the parked execution does not name it",
  NotStarted: "nothing is stored of the execution",
  Unfinished: "the journal does not know of it"
}

/** Whether `later` can only run after `earlier`. */
export const follows = (nodes: ReadonlyArray<Node>, later: string, earlier: string): boolean => {
  const placeOf = (path: string) => nodes.findIndex((node) => contains(node, path))
  const [place, before] = [placeOf(later), placeOf(earlier)]
  if (place !== before) return place > before
  const node = nodes[place]
  if (node?._tag === "ForEach") return followsInList(node, later, earlier)
  if (node?._tag === "Nested") return follows(node.program.nodes, later, earlier)
  const sibling = node?._tag === "Parallel" ? node.nodes.find((sibling) => contains(sibling, later)) : undefined
  return sibling?._tag === "Nested" && contains(sibling, earlier) && follows(sibling.program.nodes, later, earlier)
}

/** Of the items of a list it is not known here which stands before which. */
const followsInList = (list: ForEach, later: string, earlier: string): boolean => {
  const keyOf = (path: string) => path.slice(list.path.length + 1).split("/", 1)[0]!
  const key = keyOf(later)
  return keyOf(earlier) === key && follows(list.programOf(key).nodes, later, earlier)
}

const contains = (node: Node, path: string): boolean => {
  switch (node._tag) {
    case "Step":
      return node.path === path
    case "Wait":
      return node.step.path === path
    case "Nested":
      return node.program.steps.some((step) => step.path === path)
    case "Parallel":
      return node.nodes.some((sibling) => contains(sibling, path))
    case "ForEach":
      return path.startsWith(`${node.path}/`)
  }
}

const sayFailure = (failure: Journal.StoredFailure): string => {
  switch (failure.kind) {
    case "Fail":
    case "Die":
      return failure.message
    case "Interrupt":
      return "it was interrupted"
    case "Cancel":
      return `it was ${sayCancelled(failure)}`
  }
}
