/** A commit as a test hands it to a store: the first of its execution, where nothing else is said. */
import type { Checkpoint } from "effect-saga"

export const commitOf = (
  commit: Pick<Checkpoint.Commit, "executionId" | "token"> & Partial<Checkpoint.Commit>
): Checkpoint.Commit => ({
  saga: "Trip",
  version: 1,
  sequence: 0,
  status: "Running",
  body: "{}",
  fence: 0,
  taken: 0,
  wakeIn: undefined,
  isPlan: false,
  attributes: undefined,
  ...commit
})
