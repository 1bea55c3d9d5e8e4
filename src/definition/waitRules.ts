/** The rules about a step that waits, checked where there are no types. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { notJson } from "../values/json.ts"
import { millisOf, said } from "../values/numbers.ts"
import { encodeNow } from "../values/schema.ts"
import { unstorablePart } from "../values/storable.ts"
import type { WaitDefinition } from "./definition.ts"
import * as Message from "./messages.ts"

const longestName = 400

const isSignalName = (name: unknown): boolean =>
  typeof name === "string" && name !== "" && name.length <= longestName && !/[\p{Surrogate}\0]/u.test(name)

/** Says why a value is neither a duration nor a point in time; undefined if it is one. */
export const untilProblem = (until: unknown): string | undefined => {
  if (DateTime.isDateTime(until)) return undefined
  const milliseconds = millisOf(until, "zero or longer")
  return Option.isSome(milliseconds) && Number.isFinite(milliseconds.value)
    ? undefined
    : `${said(until)} is neither a duration of some length nor a DateTime`
}

/** The time in epoch milliseconds at which a wait ends that begins now. */
export const timeOf = (until: WaitDefinition["until"] & {}, now: number): number =>
  DateTime.isDateTime(until)
    ? DateTime.toEpochMillis(until)
    : now + Option.getOrElse(millisOf(until, "zero or longer"), () => 0)

/** Every rule that a step breaks that waits. `final` is the Final before it, if there is one. */
export const waitProblems = (
  { name, onTimeout, signal, until }: WaitDefinition,
  final: string | undefined
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const problem = until === undefined || typeof until === "function" ? undefined : untilProblem(until)
  if (problem !== undefined) problems.push(Message.invalidUntil(`step "${name}"`, problem))
  if (signal === undefined) {
    if (until === undefined) problems.push(Message.invalidUntil(`step "${name}"`, untilProblem(until) ?? ""))
    return problems
  }
  if (typeof signal !== "object" || signal === null || !Schema.isSchema(signal.success)) {
    return [...problems, Message.noSignal(name, said(signal))]
  }
  if (!isSignalName(signal.name)) problems.push(Message.invalidSignalName)
  const part = unstorablePart(signal.success)
  if (part !== undefined) problems.push(Message.unstorableSuccess(name, part))
  if (until !== undefined && final !== undefined && onTimeout === "fail") {
    problems.push(Message.failingWaitAfterFinal(name, final))
  }
  return [...problems, ...timeoutProblems({ name, onTimeout, signal, until })]
}

const timeoutProblems = (
  { name, onTimeout, signal, until }: Pick<WaitDefinition, "name" | "onTimeout" | "signal" | "until">
): ReadonlyArray<string> => {
  if (onTimeout === "fail") return []
  if (typeof onTimeout !== "object" || onTimeout === null || !("value" in onTimeout)) {
    return [Message.noSuchOnTimeout(name, said(onTimeout))]
  }
  if (until === undefined) return [Message.lonelyOnTimeout(name)]
  const encoded = signal === undefined ? Option.none() : encodeNow(signal.success, onTimeout.value)
  if (Option.isNone(encoded)) return [Message.unstorableTimeoutValue(name, "its schema does not encode it")]
  const unfit = encoded.value === undefined ? undefined : notJson(encoded.value)
  return unfit === undefined
    ? []
    : [Message.unstorableTimeoutValue(name, `after encoding, ${unfit}, which is not plain JSON`)]
}
