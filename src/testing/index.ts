import "../values/effectVersion.ts"
/** Runs a saga once for everything that can go wrong with it, and says what is wrong with the saga. */
export * as SagaTest from "./SagaTest.ts"
/** A double of the outside world, which knows what must not happen to it. */
export * as Ledger from "./Ledger.ts"
/** What can go wrong with a saga, one thing at a time. */
export * as Faults from "./Faults.ts"
/** Random sagas, with what goes wrong in them: for property tests of stores, back ends and interpreters. */
export * as SagaArbitrary from "./SagaArbitrary.ts"
/** What every store of journals has to do, as data. */
export * as CheckpointLaws from "./CheckpointLaws.ts"
