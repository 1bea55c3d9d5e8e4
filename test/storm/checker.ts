/**
 * Holds the ledger of the bank against what is stored. It reads rows and lines, and uses nothing of the library: what a journal
 * says is added up here a second time.
 */
import type { Effect, Line } from "./bank.ts"
import type { Call, Inspected, Outcome } from "./messages.ts"
import type { Event, Stored } from "./rows.ts"
import { type Shape, shapes } from "./shapes.ts"

export interface Violation {
  readonly kind: string
  readonly executionId: string
  readonly what: string
}

/** A pause of a process, in epoch milliseconds. */
export interface Pause {
  readonly process: number
  readonly from: number
  readonly to: number
}

export interface Evidence {
  readonly lines: ReadonlyArray<Line>
  readonly effects: Iterable<Effect>
  readonly stored: ReadonlyArray<Stored>
  readonly inspected: ReadonlyArray<Inspected>
  /** Whether nothing may be parked any more. */
  readonly isSettled: boolean
}

type StepStatus =
  | "Started"
  | "Skipped"
  | "Succeeded"
  | "Failed"
  | "InDoubt"
  | "Undoing"
  | "Undone"
  | "CompensationFailed"

interface StepFacts {
  status: StepStatus
  output?: unknown
  readonly isFinal: boolean
  readonly startedAt: number
  undoStartedAt?: number
}

interface Cancellation {
  readonly isRefused: boolean
  readonly by: string
  readonly why: string | undefined
  /** Whether it came as a message; if not, a call of the driver's process has asked for it. */
  readonly isMessage: boolean
  /** Whether a Final had taken effect, or it was being unwound, by the events before it. */
  readonly isCommitted: boolean
  readonly isBack: boolean
}

interface Facts {
  readonly amount: number
  readonly steps: Map<string, StepFacts>
  readonly parkedAs: Set<string>
  /** What drivers have done of requests to cancel it. */
  readonly cancellations: Array<Cancellation>
  /** When a Final had taken effect. */
  committedAt?: number
  status: string
  parked?: string | undefined
  decidedAt?: number
  finishedAt?: number
}

const statusAfter: Record<string, StepStatus> = {
  StepSucceeded: "Succeeded",
  StepFailed: "Failed",
  StepInDoubt: "InDoubt",
  CompensationStarted: "Undoing",
  CompensationSucceeded: "Undone",
  CompensationFailed: "CompensationFailed"
}

const addUp = (events: ReadonlyArray<Event>): Facts => {
  const [first] = events
  const facts: Facts = {
    amount: (first?.input as { amount: number } | undefined)?.amount ?? NaN,
    steps: new Map(),
    parkedAs: new Set(),
    cancellations: [],
    status: "Running"
  }
  for (const event of events) {
    const { _tag, at } = event
    const path = String(event.step)
    const step = facts.steps.get(path)
    switch (_tag) {
      case "StepStarted":
      case "StepSkipped":
        facts.steps.set(path, {
          status: _tag === "StepStarted" ? "Started" : "Skipped",
          isFinal: event.classification === "Final",
          startedAt: step?.startedAt ?? at
        })
        break
      case "UnwindingStarted":
        facts.status = "Unwinding"
        facts.decidedAt = at
        break
      case "Parked":
        facts.status = "Parked"
        facts.parked = String(event.reason)
        facts.parkedAs.add(facts.parked)
        break
      case "Resumed":
        facts.status = facts.decidedAt === undefined ? "Running" : "Unwinding"
        facts.parked = undefined
        break
      case "CancellationRequested":
      case "CancellationRefused":
        facts.cancellations.push({
          isRefused: _tag === "CancellationRefused",
          by: String(event.by),
          why: typeof event.why === "string" ? event.why : undefined,
          isMessage: event.message !== undefined,
          isCommitted: facts.committedAt !== undefined,
          isBack: facts.decidedAt !== undefined
        })
        break
      case "Finished":
        facts.status = String(event.result)
        facts.finishedAt = at
        break
      default: {
        const status = statusAfter[_tag]
        if (status === undefined || step === undefined) break
        step.status = status
        if (_tag === "StepSucceeded") {
          step.output = event.output
          if (step.isFinal) facts.committedAt ??= at
        }
        if (_tag === "CompensationStarted") step.undoStartedAt ??= at
      }
    }
  }
  return facts
}

type CallLine = Line & { readonly said: Call }
const isCall = (line: Line): line is CallLine => line.said._tag === "Call"

/** Times of two processes of one machine may differ by the length of a tick. */
const tick = 2

class Execution {
  readonly violations: Array<Violation> = []
  readonly shape: Shape
  readonly facts: Facts
  readonly calls: ReadonlyArray<CallLine>
  readonly effects = new Map<string, Effect>()
  readonly stored: Stored
  readonly lines: ReadonlyArray<Line>

  constructor(stored: Stored, lines: ReadonlyArray<Line>, effects: ReadonlyArray<Effect>) {
    this.stored = stored
    this.lines = lines
    this.shape = shapes[stored.saga as keyof typeof shapes]
    this.facts = addUp(stored.events)
    this.calls = lines.filter(isCall)
    for (const effect of effects) this.effects.set(effect.step, effect)
  }

  found(kind: string, what: string) {
    this.violations.push({ kind, executionId: this.stored.executionId, what })
  }

  stands(step: string): boolean {
    const effect = this.effects.get(step)
    return effect !== undefined && effect.undone === undefined
  }

  /** Its undo has happened, and the one who asked for it was never told. */
  isUndoneUnheard(step: string): boolean {
    return this.effects.get(step)?.undone !== undefined &&
      this.calls.some(({ came, said }) => said.step === step && said.role === "undo" && came?.answer === "lost")
  }
}

const checkRows = (execution: Execution, isSettled: boolean) => {
  const { facts, stored } = execution
  for (const problem of stored.problems) execution.found("Rows", problem)
  if (facts.status !== stored.status) {
    execution.found("Rows", `its status is ${stored.status}, its events come to ${facts.status}`)
  }
  const isFinished = stored.status === "Succeeded" || stored.status === "Undone"
  if (stored.unfinished !== (isFinished ? undefined : stored.status)) {
    execution.found("Rows", `it is ${stored.status}, and listed as ${stored.unfinished ?? "finished"}`)
  }
  if (!isFinished && (isSettled || stored.status !== "Parked")) {
    execution.found("Unfinished", `at the end it is ${stored.status}`)
  }
}

/** Who wrote: the leases follow each other as the executions were claimed, and none comes back without a claim. */
const checkWriters = (execution: Execution) => {
  const claims = execution.lines.flatMap(({ said }) => said._tag === "Claimed" ? [said] : [])
    .sort((a, b) => a.fence - b.fence)
  let next = 0
  for (const token of execution.stored.tokens.slice(1)) {
    const index = claims.findIndex((claim, index) => index >= next && claim.token === token)
    if (index === -1) {
      return execution.found(
        "Writers",
        `lease ${token} wrote without a claim of its own: written by ${
          execution.stored.tokens.join(", ")
        }; claimed by ${claims.map(({ fence, token }) => `${token} (${fence})`).join(", ")}`
      )
    }
    next = index + 1
  }
}

/** What became of the requests to cancel it: of each that is acknowledged exactly one thing, and nothing of one that is refused. */
const checkCancellations = (execution: Execution) => {
  const { facts, lines, stored } = execution
  const isFinished = stored.status === "Succeeded" || stored.status === "Undone"
  const asked = new Set<string>()
  for (const line of lines) {
    if (line.said._tag === "Asking") asked.add(line.said.name)
    if (line.said._tag !== "Asked") continue
    const { answer, name } = line.said
    const taken = facts.cancellations.filter(({ by }) => by === name)
    switch (answer._tag) {
      case "Stored":
        if (isFinished && taken.length === 0) {
          execution.found("Cancellation", `that of ${name} is acknowledged, and was never taken`)
        }
        if (taken.some(({ isRefused }) => isRefused)) break
        if (stored.status === "Succeeded" || facts.parked === "FailedAfterCommit") {
          execution.found("Cancellation", `that of ${name} was taken, and it went forward`)
        }
        break
      case "Refused":
        if (taken.length > 0) execution.found("Cancellation", `that of ${name} was refused, and taken all the same`)
        if (!isRefusable(execution, line, answer.reason, name)) {
          execution.found(
            "Cancellation",
            `that of ${name} was refused, because it was ${answer.reason}, which it was not`
          )
        }
        break
      case "NotFound":
        if (lines.some(({ said, sequence }) => said._tag === "Begun" && sequence < begunToAsk(execution, name))) {
          execution.found("Cancellation", `that of ${name} did not find it, and its start was acknowledged`)
        }
        if (taken.length > 0) execution.found("Cancellation", `that of ${name} did not find it, and was taken`)
        break
      case "Unsure":
        break
      case "Failed":
        execution.found("Cancellation", `that of ${name} failed: ${answer.message}`)
    }
  }
  for (const [index, { by, isBack, isCommitted, isMessage, isRefused, why }] of facts.cancellations.entries()) {
    const earlier = facts.cancellations.slice(0, index).filter((other) => other.by === by)
    // What was accepted is refused later if a Final that was in doubt turns out to have taken effect.
    const isRevoked = why === "Committed" && earlier.some(({ isRefused }) => !isRefused)
    // Calls ask in one name, by a message where another process drives; several may.
    const isCall = by === ownCaller
    const isKnown = isCall || (isMessage ? asked.has(by) : isRevoked)
    if (!isKnown) execution.found("Cancellation", `${by} has cancelled it, and was never heard to ask`)
    if (isMessage && !isCall && earlier.length > 0) execution.found("Cancellation", `that of ${by} was taken twice`)
    const isDue = why === "Committed" ? isCommitted : why === "Unwinding" ? isBack : why === "Requested"
    if (isRefused ? !isDue : isCommitted || isBack) {
      const words = isRefused ? `refused as ${why}` : "accepted"
      execution.found("Cancellation", `that of ${by} was ${words} by its driver, against its journal`)
    }
  }
}

/** In whose name a call asks that was interrupted. */
const ownCaller = "its caller"

const begunToAsk = ({ lines }: Execution, name: string): number =>
  lines.find(({ said }) => said._tag === "Asking" && said.name === name)?.sequence ?? 0

/** Whether the journal, or another request, gives this reason to refuse a request. */
const isRefusable = ({ facts, lines }: Execution, { at }: Line, reason: string, name: string): boolean => {
  const isBy = (time: number | undefined) => time !== undefined && time <= at + tick
  switch (reason) {
    case "Finished":
      return isBy(facts.finishedAt)
    case "Committed":
      return isBy(facts.committedAt)
    case "Unwinding":
      return isBy(facts.decidedAt)
    case "Requested":
      return facts.cancellations.some(({ isRefused }) => !isRefused) ||
        lines.some(({ said }) => said._tag === "Asking" && said.name !== name)
    default:
      return false
  }
}

/** Between the arrival of two lines of different processes. */
const margin = 200

/**
 * Whoever claims an execution takes its messages before anything else: under a claim that comes after an acknowledged request no
 * step begins, unless a Final has taken effect.
 */
const checkTakenFirst = (execution: Execution) => {
  const { calls, facts, lines } = execution
  const stored = lines.find(({ said }) => said._tag === "Asked" && said.answer._tag === "Stored")
  if (stored === undefined) return
  const claim = lines.find(({ at, said }) => said._tag === "Claimed" && at > stored.at + margin)
  if (claim?.said._tag !== "Claimed") return
  const { fence } = claim.said
  for (const { came, said, sequence } of calls) {
    if (said.role !== "do") continue
    const kind = execution.shape.steps.find(({ path }) => path === said.step)?.kind
    // A step whose intent was stored before is in doubt, and is settled first.
    const isNew = (facts.steps.get(said.step)?.startedAt ?? 0) > claim.at
    if (sequence > claim.sequence && said.fence >= fence && isNew) {
      execution.found("NotTaken", `${said.step} was begun under claim ${fence}, and it had been cancelled before`)
    }
    if (kind === "Final" && (came?.effect === "took" || came?.effect === "known")) return
  }
}

/** What was asked of the bank, and when. */
const checkCalls = (execution: Execution) => {
  const { calls, facts, shape, stored } = execution
  const id = encodeURIComponent(stored.executionId)
  const firstUndo = calls.find(({ said }) => said.role === "undo")
  for (const { at, came, said: { actionKey, key, receipt, role, step }, sequence } of calls) {
    const kind = shape.steps.find(({ path }) => path === step)?.kind
    const journalled = facts.steps.get(step)
    if (kind === undefined) execution.found("Key", `no step ${step} is known`)
    const expected = `${id}/${step}/${role === "undo" ? "compensation" : "action"}`
    if (key !== expected || actionKey !== `${id}/${step}/action`) {
      execution.found("Key", `step ${step} was asked for under the key ${key}, of the action ${actionKey}`)
    }
    if (journalled === undefined || journalled.startedAt > at + tick) {
      execution.found("NoIntent", `${role} of ${step} was asked for without a stored intent (line ${sequence})`)
    }
    if (role === "do" && came?.effect === "took" && firstUndo !== undefined && firstUndo.sequence < sequence) {
      execution.found("ActedAfterUndo", `${kind} ${step} took effect after ${firstUndo.said.step} was undone`)
    }
    if (role !== "undo") continue
    if (facts.decidedAt === undefined || facts.decidedAt > at + tick) {
      execution.found("UndoneBeforeDecision", `${step} was undone before the decision was stored`)
    }
    if (journalled?.undoStartedAt === undefined || journalled.undoStartedAt > at + tick) {
      execution.found("NoIntent", `the undoing of ${step} was asked for without a stored intent (line ${sequence})`)
    }
    if (came?.effect === "nothing" && came.answer !== "lost" && came.answer._tag === "Done") {
      execution.found("UndidNothing", `${step} was undone without having taken effect (line ${sequence})`)
    }
    const effect = execution.effects.get(step)
    if (effect !== undefined && effect.receipt !== receipt) {
      execution.found("Output", `${step} was undone by ${String(receipt)}, and had returned ${effect.receipt}`)
    }
  }
}

/** Newest first, but for the lanes of a block. */
const checkOrder = (execution: Execution) => {
  const { calls, effects, shape } = execution
  const first = (step: string) => calls.find(({ said }) => said.role === "undo" && said.step === step)?.sequence
  for (const [index, older] of shape.steps.entries()) {
    const undone = first(older.path)
    if (undone === undefined) continue
    for (const younger of shape.steps.slice(index + 1)) {
      if (!effects.has(younger.path)) continue
      if (older.lane !== undefined && younger.lane !== undefined && older.lane !== younger.lane) continue
      if ((first(younger.path) ?? Infinity) > undone) {
        execution.found("Order", `${older.path} was undone before ${younger.path}, which is newer`)
      }
    }
  }
}

/** What the journal says of each step, against the world. */
const checkSteps = (execution: Execution) => {
  const { facts, shape, stored } = execution
  for (const { kind, path, when } of shape.steps) {
    const step = facts.steps.get(path)
    const effect = execution.effects.get(path)
    const world = effect === undefined ? "never happened" : effect.undone === undefined ? "stands" : "was undone"
    const contradicts = () =>
      execution.found("World", `the journal says ${step?.status ?? "nothing"} of ${path}, which ${world}`)
    const isIllegal = () =>
      execution.found("Status", `it is ${stored.status}, and ${path} is ${step?.status ?? "not there"}`)
    const isSkippable = when !== undefined && !when(facts.amount)
    if (step !== undefined && isSkippable !== (step.status === "Skipped")) {
      execution.found("Skipped", `${path} is ${step.status}, with the amount ${facts.amount}`)
    }
    switch (step?.status) {
      case undefined:
      case "Failed":
        if (effect !== undefined) contradicts()
        if (stored.status === "Succeeded") isIllegal()
        break
      case "Skipped":
        if (effect !== undefined) contradicts()
        break
      case "Started":
      case "InDoubt":
        if (facts.parked !== "OutcomeUnknown" && facts.parked !== "FailedAfterCommit") isIllegal()
        break
      case "Succeeded":
        if (!execution.stands(path)) contradicts()
        else if (effect!.receipt !== step.output) {
          execution.found("Output", `${path} returned ${effect!.receipt}, stored is ${String(step.output)}`)
        }
        if (stored.status === "Undone") isIllegal()
        break
      case "Undone":
        if (effect?.undone === undefined) contradicts()
        if (stored.status === "Succeeded" || kind === "Final") isIllegal()
        break
      case "CompensationFailed":
        if (!execution.stands(path) && !execution.isUndoneUnheard(path)) contradicts()
        if (facts.parked !== "PartlyUndone") isIllegal()
        break
      case "Undoing":
        isIllegal()
    }
  }
}

/** What the library says of it when it is asked. */
const checkInspected = (execution: Execution, inspected: Inspected | undefined) => {
  const { facts, shape, stored } = execution
  if (inspected === undefined || inspected.problem !== undefined) {
    return execution.found("Inspected", inspected?.problem ?? "the library does not find it")
  }
  if (inspected.status !== stored.status || inspected.parked !== facts.parked) {
    execution.found(
      "Inspected",
      `the library says ${inspected.status} (${inspected.parked}); stored is ${stored.status}`
    )
  }
  const compensation: Partial<Record<StepStatus, string>> = { Undone: "Undone", CompensationFailed: "Failed" }
  const isAsItWas = (status: StepStatus | undefined) =>
    status === "Started" || status === "InDoubt" || status === "Failed" || status === "Skipped"
  for (const { path } of shape.steps) {
    const status = facts.steps.get(path)?.status
    const says = inspected.steps?.find(({ step }) => step === path)?.status
    const expected = status === undefined ? "NotStarted" : isAsItWas(status) ? status : "Succeeded"
    if (says !== expected) execution.found("Inspected", `the library says ${says} of ${path}, the journal ${expected}`)
    const undone = inspected.compensations?.find(({ step }) => step === path)?.status
    const due = status === undefined ? undefined : compensation[status]
    if (due !== undefined && undone !== due) {
      execution.found("Inspected", `the library says that the undoing of ${path} is ${undone}, the journal ${due}`)
    }
  }
  if (stored.status === "Parked") checkParked(execution, inspected.error)
}

/** What stands is exactly what the error names. */
const checkParked = (execution: Execution, error: Inspected["error"]) => {
  const { facts, shape } = execution
  const names = (steps: ReadonlyArray<string> | undefined) => [...steps ?? []].sort().join(", ")
  // Of what is in doubt the error says so, and that it stands neither way.
  const known = shape.steps.map(({ path }) => path).filter((path) => {
    const status = facts.steps.get(path)?.status
    return status !== "Started" && status !== "InDoubt"
  })
  const standing = known.filter((path) => execution.stands(path))
  const undone = known.filter((path) => execution.effects.get(path)?.undone !== undefined)
  const tag = facts.parked === "OutcomeUnknown" && error?.tag === "FailedAfterCommit" ? "OutcomeUnknown" : error?.tag
  if (tag !== facts.parked) return execution.found("Parked", `it is parked as ${facts.parked}, its error is ${tag}`)
  switch (error?.tag) {
    case "PartlyUndone": {
      const unheard = undone.filter((path) => facts.steps.get(path)?.status === "CompensationFailed")
      const heard = undone.filter((path) => !unheard.includes(path))
      if (names(error.stands) !== names([...standing, ...unheard]) || names(error.undone) !== names(heard)) {
        execution.found(
          "Parked",
          `its error says that ${names(error.stands)} stand and ${names(error.undone)} are undone: ${
            names(standing)
          } stand, ${names(undone)} are undone`
        )
      }
      break
    }
    case "FailedAfterCommit":
      if (names(error.stands) !== names(standing) || undone.length > 0) {
        execution.found("Parked", `its error says that ${names(error.stands)} stand: ${names(standing)} do`)
      }
      break
    case "OutcomeUnknown":
      if (error.step === undefined || known.includes(error.step)) {
        execution.found("Parked", `its error says that ${error.step} is in doubt, which it is not`)
      }
      if (undone.length > 0) execution.found("Parked", `with a doubt, ${names(undone)} were undone`)
  }
}

/** A call that does not drive: that another process does is nothing to it. */
const isReading = (by: string): boolean => by === "await" || by === "poll"

/** What the library has answered, against what it has stored. */
const checkAnswers = (execution: Execution) => {
  const { facts, stored } = execution
  const says = (answer: string, status: string) => {
    if (stored.status !== status) execution.found("Answer", `${answer}: stored is ${stored.status}`)
  }
  const check = (by: string, outcome: Outcome) => {
    switch (outcome._tag) {
      case "Interrupted":
        return
      case "Succeeded": {
        says(`${by} answered that it succeeded`, "Succeeded")
        for (const [step, output] of Object.entries(outcome.output as object)) {
          const effect = execution.effects.get(step)
          if (typeof output === "string" && effect !== undefined && effect.receipt !== output) {
            execution.found("Output", `${by} answered ${output} of ${step}, which returned ${effect.receipt}`)
          }
        }
        return
      }
      case "Died":
        if (!/Error: planned/.test(outcome.message)) execution.found("Defect", `${by} died: ${outcome.message}`)
        return says(`${by} answered a defect of a step`, "Undone")
      case "Failed": {
        const { message, parked, reason, tag } = outcome
        const answer = `${by} answered ${message.split("\n", 1)[0]}`
        switch (tag) {
          case "PartlyUndone":
          case "FailedAfterCommit":
          case "OutcomeUnknown": {
            if (!parked) return says(answer, "Undone")
            const isStored = facts.parkedAs.has(tag) ||
              (tag === "FailedAfterCommit" && facts.parkedAs.has("OutcomeUnknown"))
            return isStored ? undefined : execution.found("Answer", `${answer}: it was never parked so`)
          }
          case "CheckpointError":
          case "StepNotInDoubt":
            return
          case "ExecutionConflict":
            if (isReading(by) || (reason !== "OtherDriver" && reason !== "LeaseLost")) execution.found("Answer", answer)
            return
          case "Cancelled":
            if (!facts.cancellations.some(({ isRefused }) => !isRefused)) {
              execution.found("Answer", `${answer}: nobody has cancelled it`)
            }
            return says(answer, "Undone")
          case "refused":
          case "busy":
          case "too late":
          case "RecoveredFailure":
          case "TimeoutException":
            return says(answer, "Undone")
          default:
            return execution.found("Answer", `${answer}, which was never to be expected`)
        }
      }
    }
  }
  for (const { said } of execution.lines) {
    if (said._tag === "Ended") check(said.by, said.outcome)
    if (said._tag !== "Recovered") continue
    const { as, outcome } = said
    switch (as) {
      case "Succeeded":
      case "Undone":
        says(`recovery said ${as} (${outcome?._tag === "Succeeded" ? "" : JSON.stringify(outcome)})`, as)
        if (outcome !== undefined) check("recovery", outcome)
        break
      case "Parked":
      case "LeftAsItWas":
        if (outcome !== undefined) check("recovery", outcome)
        break
      case "Elsewhere":
        break
      case "GoesOn":
        execution.found("Answer", "recovery did not wait for its end, which it was not told to")
        break
      case "Waiting":
        execution.found("Answer", "recovery said that it waits, and no step of its saga does")
        break
      case "Unregistered":
        execution.found("Answer", "recovery did not know its saga")
    }
  }
}

export interface Late {
  /** Calls that the bank refused by their deadline: the process was paused between the library's look and the call. */
  readonly refused: number
  /** Calls that began after their lease had ended, or that reached the bank after another process had taken over. */
  readonly violations: ReadonlyArray<Violation>
}

/**
 * Calls that came too late. That a process is paused after the library has looked at its lease nobody can prevent; the deadline,
 * where it hands one out, lets the other side refuse the call, and so such a call has done no harm. A process runs one function
 * at a time: of the calls that begin after a pause only the first can have been looked at before it.
 */
export const checkLate = (lines: ReadonlyArray<Line>, pauses: ReadonlyArray<Pause>): Late => {
  const violations: Array<Violation> = []
  let refused = 0
  const calls = lines.filter(isCall)
  const isFirstAfterPause = ({ process, said }: CallLine) =>
    pauses.some((pause) =>
      pause.process === process && pause.to <= said.begunAt && pause.from <= (said.deadline ?? 0) &&
      !calls.some((other) => other.process === process && other.said.id < said.id && other.said.begunAt >= pause.to)
    )
  for (const line of calls) {
    const { came, process, said: { begunAt, deadline, executionId, key, role } } = line
    const isRefused = came !== undefined && came.answer !== "lost" && came.answer._tag === "TooLate"
    if (!isRefused && came?.late !== true) continue
    if (isRefused && (begunAt <= deadline! || isFirstAfterPause(line))) {
      refused++
      continue
    }
    const pause = pauses.filter((pause) => pause.process === process && pause.from <= begunAt).at(-1)
    violations.push({
      kind: "LateCall",
      executionId,
      what: `${role} ${key} began ${
        isRefused
          ? `${begunAt - deadline!} ms after the end of its lease`
          : "and arrived after another process had claimed the execution"
      } (line ${line.sequence}, process ${process}, ${
        pause === undefined
          ? "never paused"
          : `paused for ${pause.to - pause.from} ms until ${begunAt - pause.to} ms before`
      })`
    })
  }
  return { refused, violations }
}

/** Whether this can only be said of an execution that is stored. */
const isOfStored = (said: Line["said"]): boolean => {
  switch (said._tag) {
    case "Ended": {
      const { outcome } = said
      if (outcome._tag !== "Failed") return outcome._tag !== "Interrupted"
      const { tag } = outcome
      return tag !== "CheckpointError" && tag !== "ExecutionConflict" &&
        !(isReading(said.by) && tag === "ExecutionNotFound")
    }
    case "Asked":
      return said.answer._tag === "Stored" || said.answer._tag === "Refused"
    case "Begun":
    case "Recovered":
      return true
    case "Call":
    case "Ready":
    case "Claimed":
    case "Asking":
      return false
  }
}

export const check = (evidence: Evidence): ReadonlyArray<Violation> => {
  const linesOf = new Map<string, Array<Line>>()
  for (const line of evidence.lines) {
    if (line.said._tag === "Ready") continue
    const { executionId } = line.said
    const known = linesOf.get(executionId)
    if (known === undefined) linesOf.set(executionId, [line])
    else known.push(line)
  }
  const effectsOf = new Map<string, Array<Effect>>()
  for (const effect of evidence.effects) {
    effectsOf.set(effect.executionId, [...effectsOf.get(effect.executionId) ?? [], effect])
  }
  const inspectedOf = new Map(evidence.inspected.map((inspected) => [inspected.executionId, inspected]))
  const known = new Set(evidence.stored.map(({ executionId }) => executionId))
  const violations: Array<Violation> = []
  for (const executionId of effectsOf.keys()) {
    if (!known.has(executionId)) {
      violations.push({ kind: "Lost", executionId, what: "it took effect, and nothing of it is stored" })
    }
  }
  for (const [executionId, lines] of linesOf) {
    if (known.has(executionId)) continue
    for (const { said } of lines) {
      if (isOfStored(said)) {
        violations.push({
          kind: "Lost",
          executionId,
          what: `it was answered, and nothing of it is stored: ${JSON.stringify(said)}`
        })
      }
    }
  }
  for (const stored of evidence.stored) {
    const { executionId } = stored
    if (shapes[stored.saga as keyof typeof shapes] === undefined) {
      violations.push({ kind: "Rows", executionId, what: `no saga ${stored.saga} is known` })
      continue
    }
    const execution = new Execution(stored, linesOf.get(executionId) ?? [], effectsOf.get(executionId) ?? [])
    checkRows(execution, evidence.isSettled)
    checkWriters(execution)
    checkCalls(execution)
    checkOrder(execution)
    checkSteps(execution)
    checkInspected(execution, inspectedOf.get(executionId))
    checkAnswers(execution)
    checkCancellations(execution)
    checkTakenFirst(execution)
    violations.push(...execution.violations)
  }
  return violations
}
