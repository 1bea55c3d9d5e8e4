/** What every store of journals has to do, as data. */
export * as CheckpointLaws from "./CheckpointLaws.ts"
