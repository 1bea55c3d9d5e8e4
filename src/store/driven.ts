/**
 * The executions that this process drives now. Each has a fiber of its own, which belongs to the checkpoint: calls for the execution
 * only wait for it.
 */
import { Effect, type Exit, type Fiber } from "effect"
import { emptyList } from "../values/emptyList.ts"

/** What a call drives: the definition and the input. Another call joins it only if it asks for the same. */
export interface DrivenCall {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  /** The input as one text; undefined if the call resumes a stored execution. */
  readonly input: string | undefined
}

/** Somebody asks for the cancellation of an execution. */
export interface CancelRequest {
  readonly by: string
  readonly reason: string | undefined
  /** The number of the message that asks; undefined for a call of this process. */
  readonly message: number | undefined
  /** Called if the driver refuses. */
  readonly refused: (() => void) | undefined
  /** Called if the driver cancels the execution for it. */
  readonly accepted: (() => void) | undefined
}

/** A pause between two calls of a step's function. */
export interface Pause {
  readonly milliseconds: number
  /** Whether the execution has passed its point of no return, or goes back: what is left of it only takes time. */
  readonly isDecided: boolean
}

/** The side of the driver: it takes requests from now on. */
export interface Mailbox {
  readonly take: (request: CancelRequest) => void
  /** Reads the messages that the store has for the execution, and takes them. */
  readonly read: Effect.Effect<void>
}

/** An execution that this process drives now. */
export interface DrivenExecution extends DrivenCall {
  /** The executions for which its steps wait now; kept by the calls that wait. */
  readonly waitsFor: Array<string>
  /** Waits for the end of the drive. */
  readonly exit: Effect.Effect<Exit.Exit<unknown, unknown>>
  /** Waits until the execution is stored, or the drive has ended. */
  readonly stored: Effect.Effect<void>
  readonly isStored: () => boolean
  readonly noteStored: () => void
  /** Whether a call waits for its end, or was there when it came. */
  readonly isAwaited: () => boolean
  /** Calls `ended` when the drive ends. */
  readonly whenEnded: (ended: (exit: Exit.Exit<unknown, unknown>) => void) => void
  /** Whether it is to be left for recovery at the next safe point. */
  readonly isSuspended: () => boolean
  readonly suspend: () => void
  /** Interrupts the fiber that drives it. */
  readonly interrupt: () => void
  /** Asks for its cancellation on behalf of a call of this process. */
  readonly ask: (request: CancelRequest) => void
  /** From now on the mailbox takes the requests of this process's calls, also those of before. */
  readonly open: (mailbox: Mailbox) => void
  /** Called before each pause between two calls of a step's function, if somebody wants to hear of it. */
  whenPausing: ((pause: Pause) => void) | undefined
  /** Takes the messages that the store may have for it. */
  readonly readMessages: Effect.Effect<void>
  /** Names the fiber that drives it, which calls this. */
  readonly begin: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
}

class Driven implements DrivenExecution {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  readonly input: string | undefined
  readonly waitsFor: Array<string> = []
  whenPausing: ((pause: Pause) => void) | undefined = undefined
  private ended: Exit.Exit<unknown, unknown> | undefined = undefined
  private untilStored: Array<() => void> = emptyList()
  private wasStored = false
  private suspended = false
  private mailbox: Mailbox | undefined = undefined
  private asked: CancelRequest | undefined = undefined
  private fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  private untilEnded: Array<(exit: Exit.Exit<unknown, unknown>) => void> = emptyList()

  constructor({ fingerprint, input, plan, saga, version }: DrivenCall) {
    this.saga = saga
    this.version = version
    this.fingerprint = fingerprint
    this.plan = plan
    this.input = input
  }

  get exit() {
    // Lighter than a `Deferred`, which each execution would need.
    return Effect.async<Exit.Exit<unknown, unknown>>((resume) => {
      const waiter = (exit: Exit.Exit<unknown, unknown>) => resume(Effect.succeed(exit))
      this.whenEnded(waiter)
      // A call that has gone waits for nothing: others must hear of the end, and its memory is free.
      return Effect.sync(() => {
        this.untilEnded = this.untilEnded.filter((other) => other !== waiter)
      })
    })
  }

  whenEnded(ended: (exit: Exit.Exit<unknown, unknown>) => void) {
    this.untilEnded.push(ended)
    if (this.ended !== undefined) ended(this.ended)
  }

  get stored() {
    return Effect.async<void>((resume) => {
      if (this.wasStored || this.ended !== undefined) resume(Effect.void)
      else this.untilStored.push(() => resume(Effect.void))
    })
  }

  isStored() {
    return this.wasStored
  }

  noteStored() {
    this.wasStored = true
    for (const resume of this.untilStored) resume()
    this.untilStored = emptyList()
  }

  isAwaited() {
    return this.untilEnded.length > 0
  }

  isSuspended() {
    return this.suspended
  }

  suspend() {
    this.suspended = true
    this.interrupt()
  }

  interrupt() {
    this.fiber?.unsafeInterruptAsFork(this.fiber.id())
  }

  ask({ accepted, refused, ...request }: CancelRequest) {
    const answeredBy = (tell: (() => void) | undefined) => () => {
      // It is in the journal: the next driver of a new turn must not take it a second time.
      if (this.asked === asked) this.asked = undefined
      tell?.()
    }
    const asked = { ...request, accepted: answeredBy(accepted), refused: answeredBy(refused) }
    this.asked ??= asked
    this.mailbox?.take(asked)
  }

  open(mailbox: Mailbox) {
    this.mailbox = mailbox
    if (this.asked !== undefined) mailbox.take(this.asked)
  }

  get readMessages() {
    return Effect.suspend(() => this.mailbox?.read ?? Effect.void)
  }

  begin(fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    this.fiber = fiber
    if (this.suspended) this.interrupt()
  }

  end(exit: Exit.Exit<unknown, unknown>) {
    this.ended = exit
    this.fiber = undefined
    this.mailbox = undefined
    for (const resume of this.untilStored) resume()
    for (const resume of this.untilEnded) resume(exit)
  }
}

export class DrivenExecutions {
  private readonly executions = new Map<string, Driven>()
  /** Calls that wait for a message for an execution which nobody drives. */
  private readonly listeners = new Map<string, Set<() => void>>()
  private closed = false

  get size(): number {
    return this.executions.size
  }

  find(executionId: string): DrivenExecution | undefined {
    return this.executions.get(executionId)
  }

  /** Undefined once they are closed. */
  start(executionId: string, call: DrivenCall): DrivenExecution | undefined {
    if (this.closed) return undefined
    const driven = new Driven(call)
    this.executions.set(executionId, driven)
    return driven
  }

  end(executionId: string, exit: Exit.Exit<unknown, unknown>): void {
    const driven = this.executions.get(executionId)
    this.executions.delete(executionId)
    driven?.end(exit)
  }

  /** Waits for the next message that this process stores for an execution, or for the close. */
  nextMessage(executionId: string): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (this.closed) return resume(Effect.void)
      const listener = () => resume(Effect.void)
      const listeners = this.listeners.get(executionId) ?? new Set()
      this.listeners.set(executionId, listeners.add(listener))
      return Effect.sync(() => {
        listeners.delete(listener)
        if (listeners.size === 0) this.listeners.delete(executionId)
      })
    })
  }

  /** This process has stored a message for an execution. */
  heard(executionId: string): void {
    const listeners = this.listeners.get(executionId)
    this.listeners.delete(executionId)
    for (const listener of listeners ?? []) listener()
  }

  /** Suspends all, and lets none begin. The effect waits until none is driven any more. */
  close(): Effect.Effect<void> {
    this.closed = true
    for (const executionId of Array.from(this.listeners.keys())) this.heard(executionId)
    const open = Array.from(this.executions.values())
    for (const driven of open) driven.suspend()
    return Effect.forEach(open, ({ exit }) => exit, { concurrency: "unbounded", discard: true })
  }
}
