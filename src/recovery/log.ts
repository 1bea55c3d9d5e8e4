/** Log lines of a recovery. */
import { Cause, Effect } from "effect"
import { visible } from "../values/visible.ts"
import type { Recovered } from "./outcome.ts"

export type Warn = (message: string, cause?: Cause.Cause<unknown>) => Effect.Effect<void>

export const isParked = (saga: string, executionId: string, why = "its saga is not registered") =>
  visible(`${saga} ${executionId} is parked: ${why}`)

export const counterOf = {
  Succeeded: "succeeded",
  Undone: "undone",
  Parked: "parked",
  Waiting: "waiting",
  LeftAsItWas: "leftAsItWas",
  Elsewhere: "elsewhere",
  Unregistered: "unregistered",
  GoesOn: "goesOn"
} as const

export const wordsFor = {
  succeeded: "succeeded",
  undone: "undone",
  parked: "parked",
  waiting: "waiting for a signal or a time",
  leftAsItWas: "left as they were",
  elsewhere: "driven by another process",
  unregistered: "of sagas that are not registered",
  goesOn: "tried again from time to time"
}

export const log = (recovered: Recovered, warn: Warn): Effect.Effect<void> => {
  const execution = visible(`${recovered.saga} ${recovered.executionId}`)
  switch (recovered._tag) {
    case "Succeeded":
      return Effect.logDebug(`recovered ${execution}: it succeeded`)
    case "Undone":
      return Effect.logDebug(`recovered ${execution}: it is undone`, recovered.cause)
    case "GoesOn":
      return Effect.logInfo(`recovered ${execution}: it is tried again from time to time`)
    case "Waiting":
      return Effect.logDebug(`recovered ${execution}: it waits`)
    case "Elsewhere":
      return Effect.logDebug(`did not recover ${execution}: another process drives it`)
    case "LeftAsItWas":
      return warn(`could not recover ${execution}: it is left as it was`, recovered.cause)
    case "Unregistered":
      return warn(`could not recover ${execution}: its saga is not registered`)
    case "Parked":
      // The run has logged a warning, with the reason, at the moment when it parked.
      return Effect.logDebug(`recovered ${execution}: it is parked`, recovered.cause)
  }
}
