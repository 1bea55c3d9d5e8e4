/** The Effect metrics behind `SagaMetrics`: they are made here and changed only through {@link counters}. */
import { Metric } from "effect"
import * as Effect3 from "effect"

type Tags = { readonly [name: string]: string }

/** The tags of the fiber that runs a saga. */
export type FiberTags = ReadonlyArray<Effect3.MetricLabel.MetricLabel>

const labelsOf = (tags: Tags, fiberTags: FiberTags) => [
  ...fiberTags,
  ...Object.entries(tags).map(([name, value]) => Effect3.MetricLabel.make(name, value))
]

const counter = (name: string, description: string) => {
  const metric = Metric.counter(name, { description, incremental: true })
  return (tags: Tags, fiberTags: FiberTags): void => metric.unsafeUpdate(1, labelsOf(tags, fiberTags))
}

const histogram = (name: string, description: string) => {
  const metric = Metric.tagged(
    Metric.histogram(name, Effect3.MetricBoundaries.exponential({ start: 1, factor: 4, count: 12 }), description),
    // Exporters read the unit from this tag.
    "time_unit",
    "milliseconds"
  )
  return (milliseconds: number, tags: Tags, fiberTags: FiberTags): void =>
    metric.unsafeUpdate(milliseconds, labelsOf(tags, fiberTags))
}

export const counters = {
  executions: counter("saga_executions", "Executions of sagas, by how they ended"),
  steps: counter("saga_steps", "Steps of sagas, by how they ended"),
  signals: counter("saga_signals", "Signals that executions have received"),
  inDoubt: counter("saga_in_doubt", "Steps of sagas of which nobody knows whether they happened"),
  compensations: counter("saga_compensations", "Compensations of sagas, by how they ended"),
  duration: histogram("saga_duration", "From the start of an execution to its end, or to where it was parked")
}
