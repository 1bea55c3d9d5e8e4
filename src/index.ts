import "./values/effectVersion.ts"

/** Stores the journals of durable sagas: the service, how to write a store, and one that keeps them in memory. */
export * as Checkpoint from "./store/Checkpoint.ts"

/** Pictures of sagas and of what became of their steps, as Mermaid and as DOT. */
export * as Diagram from "./report/Diagram.ts"

/** Lists, counts and reads stored executions. */
export * as Executions from "./executions/Executions.ts"

/** The journal of an execution: its events, and the table that says which may follow which. */
export * as Journal from "./Journal.ts"

/** Sagas described by data: JSON documents of tool calls. */
export * as Plan from "./plan/Plan.ts"

/** Finishes what an earlier process left unfinished. */
export * as Recovery from "./recovery/Recovery.ts"

/** Define a saga and run it. */
export * as Saga from "./Saga.ts"

/** The types of a saga while it is being written. */
export * as SagaBuilder from "./definition/SagaBuilder.ts"

/** Every error that a saga can end with, besides the errors of its own steps. */
export * as SagaError from "./SagaError.ts"

/** What goes on in the sagas of a process, while it goes on. */
export * as SagaEvents from "./watch/SagaEvents.ts"

/** Metrics of sagas. */
export * as SagaMetrics from "./watch/SagaMetrics.ts"

/** What a run of a saga did, as data. */
export * as SagaReport from "./report/SagaReport.ts"

/** Signals, for which executions wait, and which anybody sends. */
export * as Signal from "./Signal.ts"

/** What a user writes for a step, and what the step's functions are given. */
export * as Step from "./definition/Step.ts"

/** A report as text, for a terminal. */
export * as Timeline from "./report/Timeline.ts"

/** Runs the tools that plans name. */
export * as ToolExecutor from "./plan/ToolExecutor.ts"

/** Drives in the background whatever is enqueued, or was left by another process. */
export * as Worker from "./worker/Worker.ts"
