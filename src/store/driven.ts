/**
 * The executions that this process drives now. Each has a fiber of its own, which belongs to the checkpoint: calls for the execution
 * only wait for it.
 */
import { Deferred, Effect, type Exit, type Fiber } from "effect"
import * as Effect3 from "effect"

/** What a call drives: the definition and the input. Another call joins it only if it asks for the same. */
export interface DrivenCall {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  /** The input as one text; undefined if the call resumes a stored execution. */
  readonly input: string | undefined
}

/**
 * How a driven execution is stopped: `"suspend"` leaves it for recovery at the next safe point; `"cancel"` undoes it, unless it has
 * passed the point of no return: then it is left for recovery.
 */
export type Stop = "suspend" | "cancel"

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
  /** Whether a call waits for its end, or has. */
  readonly isAwaited: () => boolean
  /** How it was stopped, if it was. */
  readonly stopping: () => Stop | undefined
  readonly stop: (how: Stop) => void
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
  private ended: Exit.Exit<unknown, unknown> | undefined = undefined
  private whenStored: Deferred.Deferred<void> | undefined = undefined
  private wasStored = false
  private stopped: Stop | undefined = undefined
  private fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  private result: Deferred.Deferred<unknown, unknown> | undefined = undefined

  constructor({ fingerprint, input, plan, saga, version }: DrivenCall) {
    this.saga = saga
    this.version = version
    this.fingerprint = fingerprint
    this.plan = plan
    this.input = input
  }

  get exit() {
    return Effect.suspend(() =>
      this.ended === undefined
        ? Effect.exit(Deferred.await(this.result ??= Deferred.unsafeMake(Effect3.FiberId.none)))
        : Effect.succeed(this.ended)
    )
  }

  get stored() {
    return Effect.suspend(() =>
      this.wasStored || this.ended !== undefined
        ? Effect.void
        : Deferred.await(this.whenStored ??= Deferred.unsafeMake<void>(Effect3.FiberId.none))
    )
  }

  isStored() {
    return this.wasStored
  }

  noteStored() {
    this.wasStored = true
    if (this.whenStored !== undefined) Deferred.unsafeDone(this.whenStored, Effect.void)
  }

  isAwaited() {
    return this.result !== undefined
  }

  stopping() {
    return this.stopped
  }

  stop(how: Stop) {
    this.stopped = how
    this.fiber?.unsafeInterruptAsFork(this.fiber.id())
  }

  begin(fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    this.fiber = fiber
    if (this.stopped !== undefined) fiber.unsafeInterruptAsFork(fiber.id())
  }

  end(exit: Exit.Exit<unknown, unknown>) {
    this.ended = exit
    this.fiber = undefined
    if (this.whenStored !== undefined) Deferred.unsafeDone(this.whenStored, Effect.void)
    if (this.result !== undefined) Deferred.unsafeDone(this.result, exit)
  }
}

export class DrivenExecutions {
  private readonly executions = new Map<string, Driven>()
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

  /** Suspends all, and lets none begin. The effect waits until none is driven any more. */
  close(): Effect.Effect<void> {
    this.closed = true
    const open = Array.from(this.executions.values())
    for (const driven of open) driven.stop("suspend")
    return Effect.forEach(open, ({ exit }) => exit, { concurrency: "unbounded", discard: true })
  }
}
