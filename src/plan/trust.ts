/**
 * What a tool is, by the word of whoever registered it. A plan is written by a model or a stranger: it may not call a tool as something
 * else, and may not undo it by another tool, than its owner says.
 */
import { Classification } from "../Journal.ts"
import { said as shown } from "../values/numbers.ts"
import { visible } from "../values/visible.ts"

/** The declarations of a tool's owner about how plans may use it. */
export interface Declared {
  /**
   * How a step may be classified that calls it: one classification, or several of which the plan chooses. Only a tool that may be
   * `"ReadOnly"` can be called by a ReadOnly step or a `verify`: nobody would undo its effect. If left out, the plan is believed.
   */
  readonly classification?: Classification | ReadonlyArray<Classification> | undefined
  /** The tools that undo it, of which a Compensatable step that calls it must name one. If left out, the plan is believed. */
  readonly compensatedBy?: ReadonlyArray<string> | undefined
}

/** The classifications that a step may have which calls a tool; undefined if its owner does not say. */
export const classificationsOf = ({ classification }: Declared): ReadonlyArray<Classification> | undefined =>
  typeof classification === "string" ? [classification] : classification

/** Whether a step of this classification may call a tool. */
export const mayBe = (declared: Declared | undefined, classification: Classification): boolean =>
  declared === undefined || classificationsOf(declared)?.includes(classification) !== false

/**
 * Whether a plan may undo one tool by another. Where the owner of the one names no tools, the plan is believed, but not that something is
 * undone by a tool which only reads, or which is Final by its owner's word.
 */
export const mayUndo = (action: Declared | undefined, compensation: Declared | undefined, name: string): boolean =>
  action?.compensatedBy !== undefined ? action.compensatedBy.includes(name) : mayBe(compensation, "Compensatable")

/** Says why an owner's declarations are none; undefined if they can be kept. `exists` tells of each tool whether there is one. */
export const declarationProblem = (
  tool: string,
  { classification, compensatedBy }: Declared,
  exists: (tool: string) => boolean
): string | undefined => {
  const of = (member: string) => `the ${member} of tool "${visible(tool)}"`
  const known: ReadonlyArray<unknown> = Classification.literals
  const classifications: ReadonlyArray<unknown> | undefined = Array.isArray(classification)
    ? classification
    : classification === undefined
    ? undefined
    : [classification]
  if (classifications?.length === 0) return `${of("classification")} is an empty list, so that no step could call it`
  const unknown = classifications?.find((one) => !known.includes(one))
  if (unknown !== undefined) {
    return `${of("classification")} is ${shown(unknown)}, and not one of ${known.map(shown).join(", ")}`
  }
  if (compensatedBy === undefined) return undefined
  if (!Array.isArray(compensatedBy) || compensatedBy.length === 0) {
    return `${of("compensatedBy")} is no list of tools, of which it needs one at least`
  }
  if (classifications?.includes("Compensatable") === false) {
    return `${of("compensatedBy")} names tools, and its classification does not let a step be Compensatable`
  }
  const missing = compensatedBy.find((name: unknown) => typeof name !== "string" || !exists(name))
  return missing === undefined ? undefined : `${of("compensatedBy")} names ${shown(missing)}, and there is no such tool`
}
