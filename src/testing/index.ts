import "../values/effectVersion.ts"
/** Runs a saga once with each fault that can happen to it, and reports the mistakes of the saga that this shows. */
export * as SagaTest from "./SagaTest.ts"
/** A double of the outside world that knows what must not happen. */
export * as Ledger from "./Ledger.ts"
/** The mishaps of a saga, one at a time. */
export * as Faults from "./Faults.ts"
/** Random sagas and their mishaps, for property tests of stores, back ends and interpreters. */
export * as SagaArbitrary from "./SagaArbitrary.ts"
/** What every store of journals has to do, as data. */
export * as CheckpointLaws from "./CheckpointLaws.ts"
