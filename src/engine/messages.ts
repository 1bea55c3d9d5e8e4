/** The messages for an execution, as they are stored. */
import { Option, Schema } from "effect"

/** Somebody asks for the cancellation of the execution. */
const Cancel = Schema.TaggedStruct("Cancel", {
  by: Schema.String,
  reason: Schema.optional(Schema.String)
})

/** Somebody sends a signal: to the step that `step` names, or to the first one that waits for it. */
const Signal = Schema.TaggedStruct("Signal", {
  signal: Schema.String,
  step: Schema.optional(Schema.String),
  value: Schema.optional(Schema.Unknown),
  by: Schema.String,
  id: Schema.optional(Schema.String)
})
export type Signal = typeof Signal.Type

const Message = Schema.parseJson(Schema.Union(Cancel, Signal))

export const encodeMessage = Schema.encodeSync(Message)

/** None for a message that this release does not know. */
export const decodeMessage: (body: string) => Option.Option<typeof Message.Type> = Schema.decodeUnknownOption(Message)

/** The message of this body if it is a signal. */
export const asSignal = (body: string): Signal | undefined =>
  Option.getOrUndefined(Option.filter(decodeMessage(body), (message): message is Signal => message._tag === "Signal"))

const longestName = 400

/** Whether a value is text that every store can hold, of at most so many characters. */
export const isText = (value: unknown, longest: number): value is string =>
  typeof value === "string" && value.length <= longest && !/[\p{Surrogate}\0]/u.test(value)

/** Whether a value names somebody or something: text of 1 to 400 characters that is not blank. */
export const isName = (value: unknown): value is string => isText(value, longestName) && value.trim() !== ""
