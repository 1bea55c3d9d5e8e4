/** Holds the policies of a plan's steps against the law, and against the limits of the tools' owners and of the host. */
import { Duration, Option } from "effect"
import * as Message from "../definition/messages.ts"
import { decodeStrictlyNow } from "../values/schema.ts"
import { DurationText, millisOf, Retry } from "./document.ts"
import { type InMillis, limitsOf, mayBeInDoubt, type Tools } from "./limits.ts"
import { type Found, type FoundStep, has, memberOf, stepsOf, textOf } from "./parts.ts"
import type { Report } from "./reports.ts"
import { longestMillis } from "./retry.ts"
import { isPolicy, type Role } from "./steps.ts"

/** Checks all policies. */
export const checkPolicies = (parts: ReadonlyArray<Found>, tools: Tools, report: Report): void => {
  // In a parallel block a Final is refused whatever it says.
  checkOwed(parts.flatMap((part) => "siblings" in part ? part.siblings.filter(isReversible) : [part]), tools, report)
  for (const step of stepsOf(parts)) {
    checkInDoubt(step, tools, report)
    checkCallPolicies(step, { role: "action", retry: "retry", timeout: "timeout" }, tools, report)
    checkCallPolicies(
      step,
      { role: "compensation", retry: "compensationRetry", timeout: "compensationTimeout" },
      tools,
      report
    )
  }
}

const isReversible = ({ classification }: FoundStep) => classification !== "Final"

const toolOf = ({ calls }: FoundStep, wanted: Role) => calls.find(({ role }) => role === wanted)?.tool

/** Checks the policies that the types of the builder would demand. */
const checkOwed = (steps: ReadonlyArray<FoundStep>, tools: Tools, report: Report) => {
  let committed = false
  for (const step of steps) {
    const { at, classification, json, name = "" } = step
    if (classification === undefined || classification === "ReadOnly") continue
    const tool = toolOf(step, "action")
    const inDoubt = has(json, "inDoubt") || (tool !== undefined && tools.describe(tool)?.inDoubt !== undefined)
    const isCutOff = has(json, "timeout") || (tool !== undefined && limitsOf(tools, tool).maxTimeout < Infinity)
    if (!inDoubt && classification === "Final") report("MissingInDoubt", at, Message.missingFinalInDoubt(name))
    if (!inDoubt && classification === "Compensatable" && isCutOff) {
      report("MissingInDoubt", at, Message.missingInDoubt(name))
    }
    if (has(json, "verify") && textOf(json, "inDoubt") !== "verify") {
      report("UnusedVerify", at, Message.unusedVerify(name))
    }
    if (classification !== "Final") continue
    if (committed && !has(json, "retry")) report("MissingRetry", at, Message.missingRetry(name))
    committed = true
  }
}

/** The owner of a tool who leaves its doubts to a person is not overruled. */
const checkInDoubt = (step: FoundStep, tools: Tools, report: Report) => {
  const { at, json, name = "" } = step
  const tool = toolOf(step, "action")
  const said = textOf(json, "inDoubt")
  if (tool !== undefined && isPolicy(said) && !mayBeInDoubt(tools.describe(tool)?.inDoubt, said)) {
    report("BeyondLimit", `${at}/inDoubt`, Message.laxInDoubt(name, tool, said))
  }
  const undoing = toolOf(step, "compensation")
  if (undoing !== undefined && tools.describe(undoing)?.inDoubt === "park") {
    report("BeyondLimit", `${at}/compensation/tool`, Message.parkedCompensation(name, undoing))
  }
}

/** The members of a step that say when its action, or its compensation, is called again and cut off. */
interface PolicyNames {
  readonly role: Role
  readonly retry: string
  readonly timeout: string
}

const checkCallPolicies = (step: FoundStep, { retry, role, timeout }: PolicyNames, tools: Tools, report: Report) => {
  const { at, json, name = "" } = step
  if (!has(json, retry) && !has(json, timeout)) return
  const tool = toolOf(step, role) ?? ""
  const limits = limitsOf(tools, tool)
  const said = Option.map(memberOf(json, retry), (retry) => decodeStrictlyNow(Retry, retry, { exact: true }))
  if (Option.isSome(said) && "value" in said.value) {
    checkRetry(said.value.value, limits, { at: `${at}/${retry}`, name, tool }, report)
  }
  const time = Option.map(memberOf(json, timeout), (time) => decodeStrictlyNow(DurationText, time))
  if (Option.isSome(time) && "value" in time.value) {
    checkTimeout(millisOf(time.value.value), limits, { at: `${at}/${timeout}`, name, tool }, report)
  }
}

interface Place {
  readonly at: string
  readonly name: string
  readonly tool: string
}

const checkRetry = (retry: Retry, limits: InMillis, { at, name, tool }: Place, report: Report) => {
  if (retry.times !== undefined && retry.times > limits.maxRetries) {
    report("BeyondLimit", `${at}/times`, Message.tooManyRetries(name, tool, limits.maxRetries))
  }
  for (const member of ["delay", "maxDelay"] as const) {
    const text = retry[member]
    if (text === undefined) continue
    const millis = millisOf(text)
    if (millis > longestMillis) report("Malformed", `${at}/${member}`, tooLong)
    // A pause of no length asks for none.
    if (millis > 0 && millis < limits.minDelay) {
      report("BeyondLimit", `${at}/${member}`, Message.shortPause(name, tool, Duration.format(limits.minDelay)))
    }
  }
}

const checkTimeout = (millis: number, limits: InMillis, { at, name, tool }: Place, report: Report) => {
  if (millis === 0) report("Malformed", at, "a timeout of no length would cut off every call")
  else if (millis < limits.minTimeout) {
    report("BeyondLimit", at, Message.shortTimeout(name, tool, Duration.format(limits.minTimeout)))
  }
  if (millis > longestMillis) report("Malformed", at, tooLong)
  else if (millis > limits.maxTimeout) {
    report("BeyondLimit", at, Message.longTimeout(name, tool, Duration.format(limits.maxTimeout)))
  }
}

const tooLong = "is longer than 24 days"
