/** The executions that this process drives now: a second call for one of them joins the first. */
import { Deferred, Effect, type Exit } from "effect"
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

/** An execution that this process drives now. */
export interface DrivenExecution extends DrivenCall {
  /** The executions for which its steps wait now; kept by the calls that wait. */
  readonly waitsFor: Array<string>
  /** Waits for the end of the drive. */
  readonly exit: Effect.Effect<Exit.Exit<unknown, unknown>>
}

class Driven implements DrivenExecution {
  readonly saga: string
  readonly version: number
  readonly fingerprint: string
  readonly plan: unknown
  readonly input: string | undefined
  readonly waitsFor: Array<string> = []
  /** Made by the first call that waits: hardly any execution is joined. */
  result: Deferred.Deferred<unknown, unknown> | undefined = undefined

  constructor({ fingerprint, input, plan, saga, version }: DrivenCall) {
    this.saga = saga
    this.version = version
    this.fingerprint = fingerprint
    this.plan = plan
    this.input = input
  }

  get exit() {
    return Effect.exit(Deferred.await(this.result ??= Deferred.unsafeMake(Effect3.FiberId.none)))
  }
}

export class DrivenExecutions {
  private readonly executions = new Map<string, Driven>()

  get size(): number {
    return this.executions.size
  }

  find(executionId: string): DrivenExecution | undefined {
    return this.executions.get(executionId)
  }

  start(executionId: string, call: DrivenCall): void {
    this.executions.set(executionId, new Driven(call))
  }

  end(executionId: string, exit: Exit.Exit<unknown, unknown>): void {
    const result = this.executions.get(executionId)?.result
    this.executions.delete(executionId)
    if (result !== undefined) Deferred.unsafeDone(result, exit)
  }
}
