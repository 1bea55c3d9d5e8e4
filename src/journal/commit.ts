/** The text of a commit: some events and the number of their format. */
import { Effect, Schema } from "effect"
import * as Effect3 from "effect"
import { withoutValues } from "../values/issues.ts"
import { Event } from "./events.ts"

/** The number of the format that this release writes. */
export const format = 1

/** The events that one commit adds to a journal, with the number of their format. */
export const Commit = Schema.parseJson(Schema.Struct({
  format: Schema.Number,
  events: Schema.Array(Event)
}))

/** The text that is stored for a commit. */
export const encodeCommit = (events: ReadonlyArray<Event>): string =>
  commitOf(events.map((event) => encodeEvent(event)))

/**
 * The text of an event: that of `JSON.stringify`. The two events of every step are put together here, which costs half of it.
 * `output` is the output of a step or of the saga where it is text already: a large one is not written twice.
 */
export const encodeEvent = (event: Event, output?: string): string => {
  switch (event._tag) {
    case "StepStarted": {
      const { _tag, at, classification, step } = event
      return `{"_tag":"${_tag}","step":${JSON.stringify(step)},"classification":"${classification}","at":${at}}`
    }
    case "StepSucceeded": {
      const { _tag, at, attempts, step } = event
      const text = output ?? JSON.stringify(event.output) as string | undefined
      const member = text === undefined ? "" : `"output":${text},`
      return `{"_tag":"${_tag}","step":${JSON.stringify(step)},${member}"attempts":${attempts},"at":${at}}`
    }
    case "Finished": {
      const { _tag, at, result } = event
      return output === undefined
        ? JSON.stringify(event)
        : `{"_tag":"${_tag}","result":"${result}","output":{"value":${output}},"at":${at}}`
    }
    case "Started":
    case "StepSkipped":
    case "StepFailed":
    case "StepInDoubt":
    case "ItemsListed":
    case "UnwindingStarted":
    case "CompensationStarted":
    case "CompensationSucceeded":
    case "CompensationFailed":
    case "CancellationRequested":
    case "CancellationRefused":
    case "Parked":
    case "WaitStarted":
    case "Waiting":
    case "SignalReceived":
    case "Resumed":
      return JSON.stringify(event)
  }
}

/** The text of a commit of such events; `fence` is that of the claim under which they are stored. */
export const commitOf = (events: ReadonlyArray<string>, fence?: number): string =>
  `{"format":${format},${fence === undefined ? "" : `"fence":${fence},`}"events":[${events.join(",")}]}`

/** The fence of the claim under which a commit, whose text has been read, was stored; undefined if the commit does not say. */
export const fenceOf = (body: string): number | undefined => (JSON.parse(body) as { readonly fence?: number }).fence

const formatOf = Schema.decodeUnknown(Schema.parseJson(Schema.Struct({ format: Schema.Number })))

/** Reads the text of a commit, or says in one line why it cannot be read. */
export const decodeCommit = (body: string): Effect.Effect<ReadonlyArray<Event>, string> =>
  Effect.flatMap(Effect.mapError(formatOf(body), firstProblem), (commit) =>
    // First the number: what a newer format holds is nobody's business here.
    commit.format > format
      ? Effect.fail(`it has format ${commit.format}, and this release reads up to ${format}`)
      : Effect.mapBoth(Schema.decodeUnknown(Commit)(body), {
        onSuccess: ({ events }) => events,
        onFailure: firstProblem
      }))

/** The first thing that is wrong, in one line: a whole report repeats the schema for each kind of event. */
const firstProblem = (error: Effect3.ParseResult.ParseError): string => {
  // Without values: an input or an output of somebody may be among them.
  const [issue] = Effect3.ParseResult.ArrayFormatter.formatIssueSync(withoutValues(error.issue))
  if (issue?.message.startsWith("Expected parseJson") === true) return "its text is no JSON"
  return issue === undefined
    ? "it does not match"
    : `${issue.message.split("\n", 1)[0]} at ${issue.path.join(".") || "its root"}`
}
