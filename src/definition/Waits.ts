/** The steps of the builder that wait: for a signal, or for a time. */
import type { DateTime, Duration } from "effect"
import type { SignalTimeout } from "../SagaError.ts"
import type { NotGiven, StepName } from "./owed.ts"
import type { FinalSagaBuilder, SagaBuilder } from "./SagaBuilder.ts"
import type { Signal } from "./Signal.ts"
import type { Earlier } from "./Step.ts"

/** A duration from when the step begins, or a point in time. */
export type Until = Duration.DurationInput | DateTime.DateTime

/**
 * How long a step waits: a duration or a point in time, or a pure function that gives one. It is asked once in an execution, and the
 * time that it gives is stored.
 */
export type HowLong<Input, Outputs> = Until | ((earlier: Earlier<Input, Outputs>) => Until)

/** What a step that waits for a signal does when nobody sends it in time. */
export interface WithTimeout<Input, Outputs, OnTimeout> {
  /** How long it waits at the most. */
  readonly timeout: HowLong<Input, Outputs>
  /** `"fail"`: the step fails with `SignalTimeout`; `{ value }`: it ends with this value. `"fail"` by default. */
  readonly onTimeout?: OnTimeout
}

/** A step that waits for a signal as long as it takes. */
export interface WithoutTimeout {
  readonly timeout?: undefined
  readonly onTimeout?: undefined
}

type Value<A> = { readonly value: A }

/** The steps that wait, of a builder before its first Final. */
export interface Waits<Input, Outputs, Error, Requirements, Owed extends string> {
  /**
   * Adds a step that waits for a signal, which `Signal.deliver` sends from any process; its output is the value of the signal. While
   * an execution waits, no process drives it, and nothing of it is in memory. It needs a durable run, and cannot stand in a parallel
   * block. With a `timeout` it fails with `SignalTimeout`, or ends with a value, if nobody sends the signal in time.
   */
  wait<const Name extends string, Output, OnTimeout extends "fail" | Value<NoInfer<Output>> | NotGiven = NotGiven>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options: WithTimeout<Input, Outputs, OnTimeout>
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error | (OnTimeout extends Value<any> ? never : SignalTimeout),
    Requirements,
    Owed | `${Name}.wait`
  >
  wait<const Name extends string, Output>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options?: WithoutTimeout
  ): SagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error,
    Requirements,
    Owed | `${Name}.wait`
  >

  /**
   * Adds a step that ends after a duration, or at a point in time. In a durable run the execution waits in the store, as long as
   * that is: no process drives it, and nothing of it is in memory. In process the run sleeps, and can be interrupted before the
   * point of no return. It cannot stand in a parallel block.
   */
  sleep<const Name extends string>(
    name: StepName<Name, Outputs>,
    howLong: HowLong<Input, Outputs>
  ): SagaBuilder<Input, Outputs & { readonly [K in Name]: void }, Error, Requirements, Owed>
}

interface WithTimeoutValue<Input, Outputs, Output> {
  /** How long it waits at the most. */
  readonly timeout: HowLong<Input, Outputs>
  /** The value with which the step ends when nobody sends the signal in time. */
  readonly onTimeout: Value<Output>
}

/** The steps that wait, of a builder from its first Final on: they cannot fail. */
export interface WaitsAfterFinal<Input, Outputs, Error, Requirements, Owed extends string> {
  /**
   * Adds a step that waits for a signal, which `Signal.deliver` sends from any process; its output is the value of the signal. After a
   * Final the saga can only go forward: with a `timeout` it must end with a value if nobody sends the signal in time.
   */
  wait<const Name extends string, Output>(
    name: StepName<Name, Outputs>,
    signal: Signal<Output>,
    options?: WithoutTimeout | WithTimeoutValue<Input, Outputs, NoInfer<Output>>
  ): FinalSagaBuilder<
    Input,
    Outputs & { readonly [K in Name]: Output },
    Error,
    Requirements,
    Owed | `${Name}.wait`
  >

  /** Adds a step that ends after a duration, or at a point in time. After the point of no return nothing cuts it short. */
  sleep<const Name extends string>(
    name: StepName<Name, Outputs>,
    howLong: HowLong<Input, Outputs>
  ): FinalSagaBuilder<Input, Outputs & { readonly [K in Name]: void }, Error, Requirements, Owed>
}
