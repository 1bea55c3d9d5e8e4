/**
 * Metrics of the sagas of a process, as Effect's own `Metric`s: every exporter of those has them.
 *
 * - `saga_executions`: a counter of executions, tagged with `saga` and `result`: `succeeded`, `undone`, `parked`
 * - `saga_duration`: a histogram of milliseconds from the start of an execution to that result, with the same tags and `time_unit`
 * - `saga_steps`: a counter of steps, tagged with `saga`, `step`, `classification` and `result`: `succeeded`, `failed`, `skipped`
 * - `saga_signals`: a counter of the signals that executions have received, tagged with `saga` and `signal`
 * - `saga_in_doubt`: a counter of steps of which nobody knows whether they happened, tagged with `saga` and `step`
 * - `saga_compensations`: a counter of compensations, tagged with `saga`, `step` and `result`: `succeeded`, `failed`
 *
 * In process `parked` means that the execution ended with something in effect: nothing waits there. The tags of
 * `Effect.tagMetrics` around the run are added.
 *
 * In the name of a step of a list `(item)` stands for the key of the item: `lines/(item)/reserve`.
 *
 * Every name from a plan is `(plan)`, so that a model that writes plans cannot add series for ever. The names in your own code are
 * tags as they are: keep ids out of them.
 */
import { Context, Layer } from "effect"
import type * as Journal from "../Journal.ts"
import { counters, type FiberTags } from "./counters.ts"
import type { MetricNames } from "./metricNames.ts"

/** One event of a run. */
export interface Told {
  readonly event: Journal.Event
  /** The state after the event. */
  readonly state: Journal.ExecutionState
  readonly names: MetricNames
  /** The tags of the fiber that runs the saga. */
  readonly tags: FiberTags
}

/** The interface through which runs update the metrics. */
export interface Service {
  readonly tell: (told: Told) => void
}

/** Counts the runs that it is provided to. */
export class SagaMetrics extends Context.Tag("effect-saga/SagaMetrics")<SagaMetrics, Service>() {}

const results: { readonly [Result in Extract<Journal.Event, { readonly _tag: "Finished" }>["result"]]: string } = {
  Succeeded: "succeeded",
  Undone: "undone"
}

const tell: Service["tell"] = ({ event, names, state, tags }) => {
  const { saga } = names
  const end = (result: string) => {
    counters.executions({ saga, result }, tags)
    // A clock may go back, or be another host's.
    counters.duration(Math.max(0, event.at - state.startedAt), { saga, result }, tags)
  }
  const step = (path: string, result: string) => {
    const classification = state.steps.get(path)?.classification ?? ""
    counters.steps({ saga, step: names.step(path), classification, result }, tags)
  }
  const compensation = (path: string, result: string) =>
    counters.compensations({ saga, step: names.step(path), result }, tags)
  switch (event._tag) {
    case "StepSucceeded":
      return step(event.step, "succeeded")
    case "StepFailed":
      return step(event.step, "failed")
    case "StepSkipped":
      return step(event.step, "skipped")
    case "StepInDoubt":
      return counters.inDoubt({ saga, step: names.step(event.step) }, tags)
    case "SignalReceived":
      return counters.signals({ saga, signal: event.signal }, tags)
    case "CompensationSucceeded":
      return compensation(event.step, "succeeded")
    case "CompensationFailed":
      return compensation(event.step, "failed")
    case "Parked":
      return end("parked")
    case "Finished":
      return end(results[event.result])
    case "Started":
    case "Resumed":
    case "WaitStarted":
    case "Waiting":
    case "StepStarted":
    case "ItemsListed":
    case "UnwindingStarted":
    case "CompensationStarted":
    case "CancellationRequested":
    case "CancellationRefused":
      return
    default:
      return event satisfies never
  }
}

/** Counts the runs under this layer. */
export const layer: Layer.Layer<SagaMetrics> = Layer.succeed(SagaMetrics, { tell })
