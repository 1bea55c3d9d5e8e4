/**
 * How far a plan may go. The owner of a tool and the host of plans each set limits; of two the stricter one holds. A plan may be
 * stricter than both, never laxer.
 */
import { Data, Duration } from "effect"
import type { InDoubtPolicy } from "../definition/Step.ts"
import { said as shown } from "../values/numbers.ts"
import { visible } from "../values/visible.ts"
import { declarationProblem, type Declared } from "./trust.ts"

/** How far a plan may go with a tool: see {@link defaultLimits}. */
export interface Limits {
  /** The most calls after the first that a `retry` may ask for. One that does not say how many gets as many as this. */
  readonly maxRetries: number
  /** The shortest pause between two calls. A `retry` that does not ask for a pause gets this one. */
  readonly minDelay: Duration.DurationInput
  /** The shortest `timeout`. A call that is cut off too soon is in doubt for no reason. */
  readonly minTimeout: Duration.DurationInput
  /** The longest `timeout`. A call of a step that says none is cut off after this time, too. */
  readonly maxTimeout: Duration.DurationInput
}

/** The limits of every plan for which nobody says otherwise. */
export const defaultLimits: Limits = {
  maxRetries: 100,
  minDelay: "100 millis",
  minTimeout: 0,
  maxTimeout: Duration.infinity
}

/** Thrown by `tool` and by the layers of `ToolExecutor` for limits that cannot be kept. The author of the program must act. */
export class InvalidLimits extends Data.TaggedError("InvalidLimits")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    return `these limits of plans cannot be kept: ${this.problems.join("; ")}`
  }
}

/** The limits as they are given; throws `InvalidLimits` where one of them is none. */
export const checkedLimits = (limits: Partial<Limits> | undefined): Partial<Limits> => {
  const { maxRetries } = limits ?? {}
  const problems = durations.flatMap((name) => {
    const value = limits?.[name]
    return value === undefined || isDuration(value) ? [] : [`${name} is not a time`]
  })
  if (maxRetries !== undefined && !(maxRetries >= 0 && (Number.isInteger(maxRetries) || maxRetries === Infinity))) {
    problems.push(`maxRetries is ${maxRetries}, and not a whole number of at least 0`)
  }
  if (problems.length === 0) problems.push(...timeoutProblems(limits ?? {}))
  if (problems.length > 0) throw new InvalidLimits({ problems })
  return limits ?? {}
}

/** Limits of which each is one, and which leave no call any time. */
const timeoutProblems = ({ maxTimeout, minTimeout }: Partial<Limits>): ReadonlyArray<string> => {
  if (maxTimeout === undefined) return []
  const longest = Duration.decode(maxTimeout)
  if (Duration.toMillis(longest) === 0) return ["maxTimeout is 0, so that every call would be cut off at once"]
  if (minTimeout === undefined || Duration.lessThanOrEqualTo(minTimeout, longest)) return []
  return [
    `minTimeout is ${Duration.format(minTimeout)} and maxTimeout ${
      Duration.format(longest)
    }, so that no timeout keeps both`
  ]
}

const durations = ["minDelay", "minTimeout", "maxTimeout"] as const

// `Duration` takes NaN, and a negative time, for zero.
const isDuration = (input: Duration.DurationInput): boolean => {
  if (typeof input === "number" && !(input >= 0)) return false
  try {
    Duration.decode(input)
    return true
  } catch {
    return false
  }
}

/** The policies of a tool that its owner sets, and what it is by the owner's word. */
interface Owned extends Declared {
  readonly inDoubt?: "retry" | "park" | undefined
  readonly limits?: Partial<Limits> | undefined
}

/** The tools and the limits of a host. */
export interface Tools {
  readonly describe: (tool: string) => Owned | undefined
  readonly limits?: Partial<Limits> | undefined
}

/** Limits whose times are in milliseconds. */
export interface InMillis {
  readonly maxRetries: number
  readonly minDelay: number
  readonly minTimeout: number
  readonly maxTimeout: number
}

/** The limits for a tool: in each the stricter of the host's and the owner's. */
export const limitsOf = (tools: Tools, tool: string): InMillis => {
  const host = inMillis({ ...defaultLimits, ...given(tools.limits) })
  const described = tools.describe(tool) ?? {}
  const { inDoubt, limits: said } = described
  if (inDoubt !== undefined && inDoubt !== "retry" && inDoubt !== "park") {
    const problem = `the inDoubt of tool "${visible(tool)}" is ${shown(inDoubt)}, and neither "retry" nor "park"`
    throw new InvalidLimits({ problems: [problem] })
  }
  const problem = declarationProblem(tool, described, (name) => tools.describe(name) !== undefined)
  if (problem !== undefined) throw new InvalidLimits({ problems: [problem] })
  if (said === undefined) return host
  const owner = inMillis({ ...host, ...given(said) })
  const stricter = {
    maxRetries: Math.min(host.maxRetries, owner.maxRetries),
    minDelay: Math.max(host.minDelay, owner.minDelay),
    minTimeout: Math.max(host.minTimeout, owner.minTimeout),
    maxTimeout: Math.min(host.maxTimeout, owner.maxTimeout)
  }
  const problems = timeoutProblems(stricter).map((problem) =>
    `of tool "${visible(tool)}" and the host together, ${problem}`
  )
  if (problems.length > 0) throw new InvalidLimits({ problems })
  return stricter
}

/** Checked again: an executor of a user's own may have any. */
const given = (limits: Partial<Limits> | undefined): Partial<Limits> =>
  Object.fromEntries(Object.entries(checkedLimits(limits)).filter(([, limit]) => limit !== undefined))

const inMillis = ({ maxRetries, maxTimeout, minDelay, minTimeout }: Limits): InMillis => ({
  maxRetries,
  minDelay: Duration.toMillis(minDelay),
  minTimeout: Duration.toMillis(minTimeout),
  maxTimeout: Duration.toMillis(maxTimeout)
})

/** Whether a plan may settle a doubt about a tool like this, as far as its owner goes. */
export const mayBeInDoubt = (owner: Owned["inDoubt"], plan: InDoubtPolicy): boolean => {
  switch (owner) {
    case undefined:
    case "retry":
      return true
    case "park":
      return plan === "park"
  }
}

/** How a doubt is settled: as the step says, unless the tool's owner is stricter; as the owner says where the step says nothing. */
export const settledInDoubt = (
  owner: Owned["inDoubt"],
  plan: InDoubtPolicy | undefined
): InDoubtPolicy | undefined => plan !== undefined && mayBeInDoubt(owner, plan) ? plan : owner
