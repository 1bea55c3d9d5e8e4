/**
 * Metrics of the sagas of a process, as Effect's own `Metric`s, so that every exporter of those has them.
 *
 * - `saga_executions`: a counter of what executions came to, tagged with `saga` and `result`: `succeeded`, `undone`, `parked`
 * - `saga_duration`: a histogram of milliseconds from the start of an execution to there, tagged alike, and with `time_unit`
 * - `saga_steps`: a counter of steps, tagged with `saga`, `step`, `classification` and `result`: `succeeded`, `failed`, `skipped`
 * - `saga_in_doubt`: a counter of steps of which nobody knows whether they happened, tagged with `saga` and `step`
 * - `saga_compensations`: a counter of compensations, tagged with `saga`, `step` and `result`: `succeeded`, `failed`
 *
 * In process `parked` means that it ended with something in effect: nothing waits there. The tags of `Effect.tagMetrics` around
 * the run are there as well.
 */
import { Context, Layer, Metric, MetricBoundaries, MetricLabel } from "effect"
import type * as Journal from "../Journal.ts"

const executions = Metric.counter("saga_executions", {
  description: "What executions of sagas came to",
  incremental: true
})
const steps = Metric.counter("saga_steps", { description: "Steps of sagas", incremental: true })
const inDoubt = Metric.counter("saga_in_doubt", {
  description: "Steps of sagas of which nobody knows whether they happened",
  incremental: true
})
const compensations = Metric.counter("saga_compensations", { description: "Compensations of sagas", incremental: true })
// An exporter takes the unit from this tag.
const duration = Metric.tagged(
  Metric.histogram(
    "saga_duration",
    MetricBoundaries.exponential({ start: 1, factor: 4, count: 12 }),
    "From the start of an execution to its end, or to where it was parked"
  ),
  "time_unit",
  "milliseconds"
)

/** What runs tell their metrics. */
export interface Service {
  /** Of an event, the state after it, and the labels of whoever runs the saga. */
  readonly tell: (
    event: Journal.Event,
    state: Journal.ExecutionState,
    labels: ReadonlyArray<MetricLabel.MetricLabel>
  ) => void
}

/** Counts what runs that are given it do. */
export class SagaMetrics extends Context.Tag("effect-saga/SagaMetrics")<SagaMetrics, Service>() {}

const results = { Succeeded: "succeeded", Undone: "undone" } as const

const tell: Service["tell"] = (event, { saga, startedAt, steps: known }, given) => {
  const labels = (tags: { readonly [name: string]: string }) => [
    ...given,
    ...Object.entries(tags).map(([name, value]) => MetricLabel.make(name, value))
  ]
  const end = (result: string) => {
    const tags = labels({ saga, result })
    executions.unsafeUpdate(1, tags)
    duration.unsafeUpdate(event.at - startedAt, tags)
  }
  const step = (step: string, result: string) =>
    steps.unsafeUpdate(1, labels({ saga, step, classification: known.get(step)?.classification ?? "", result }))
  switch (event._tag) {
    case "StepSucceeded":
      return step(event.step, "succeeded")
    case "StepFailed":
      return step(event.step, "failed")
    case "StepSkipped":
      return step(event.step, "skipped")
    case "StepInDoubt":
      return inDoubt.unsafeUpdate(1, labels({ saga, step: event.step }))
    case "CompensationSucceeded":
      return compensations.unsafeUpdate(1, labels({ saga, step: event.step, result: "succeeded" }))
    case "CompensationFailed":
      return compensations.unsafeUpdate(1, labels({ saga, step: event.step, result: "failed" }))
    case "Parked":
      return end("parked")
    case "Finished":
      return end(results[event.result])
  }
}

/** Counts what the runs under this layer do. */
export const layer: Layer.Layer<SagaMetrics> = Layer.succeed(SagaMetrics, { tell })
