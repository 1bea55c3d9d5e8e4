/** Records the end of a run that succeeded. */
import { Effect } from "effect"
import type { Recorder } from "./recorder.ts"
import type { AnyEffect } from "./run.ts"

/** Records the successful end: from here on nothing is undone. */
export const recordSuccess = (recorder: Recorder, end: AnyEffect): AnyEffect => {
  recorder.record({ _tag: "Finished", result: "Succeeded", at: recorder.now() })
  return recorder.commit(() => end)
}

/** Records the successful end with the saga's output. */
export const recordOutput = (recorder: Recorder, output: unknown): AnyEffect =>
  Effect.matchEffect(recorder.captureOutput(undefined, output), {
    onSuccess: ({ encoded, text, value }) => {
      recorder.record({ _tag: "Finished", result: "Succeeded", output: { value: encoded }, at: recorder.now() }, text)
      return recorder.commit(() => Effect.succeed(value))
    },
    // Every step has happened, so nothing is undone: what the last of them did is stored.
    onFailure: (halt) => recorder.commit(() => Effect.fail(halt))
  })
