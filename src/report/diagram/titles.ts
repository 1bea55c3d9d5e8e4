/** The titles of the groups in a picture. */
import type { ForEach, Nested, Parallel, StepNode } from "../../definition/definition.ts"

export const titleOf = ({ concurrency, unwind }: Parallel<StepNode | Nested>): string =>
  [
    "parallel",
    ...typeof concurrency === "number" ? [`${concurrency} at a time`] : [],
    ...unwind === "parallel" ? ["undone in parallel"] : []
  ].join(", ")

export const titleOfList = ({ concurrency = 1, name, program, unwind }: ForEach): string =>
  [
    `${name}: for each item, saga ${program.name}`,
    ...concurrency === 1 ? [] : [concurrency === "unbounded" ? "all at the same time" : `${concurrency} at a time`],
    ...unwind === "parallel" ? ["undone in parallel"] : []
  ].join(", ")
