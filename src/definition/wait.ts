/** What is made of a step that waits: the step as which reports know it, and its entry in a fingerprint. */
import { Effect } from "effect"
import { SignalTimeout } from "../SagaError.ts"
import type { StepDefinition, WaitDefinition } from "./definition.ts"
import { waitsInProcess } from "./messages.ts"

/** A step that waits, as the step that only reads as which the journal, reports and diagrams know it. */
export const stepOfWait = ({ name, onTimeout, signal }: WaitDefinition): StepDefinition => ({
  _tag: "Step",
  name,
  classification: "ReadOnly",
  action: () => Effect.dieMessage(waitsInProcess(name)),
  success: signal?.success,
  error: signal !== undefined && onTimeout === "fail" ? SignalTimeout : undefined
})

/** The entry of a step that waits. `deliver` reads it, and needs no saga to know which steps wait for a signal. */
export const entryOfWait = (path: string, signal: string | undefined): string =>
  signal === undefined ? `Sleep "${path}"` : `Wait ${JSON.stringify(path)} for ${JSON.stringify(signal)}`

const entry = /^Wait ("(?:[^"\\]|\\.)*") for ("(?:[^"\\]|\\.)*")$/

/** The path of the step that waits, in an entry of one. */
export const pathOfWait = (text: string): string | undefined => {
  const path = entry.exec(text)?.[1]
  return path === undefined ? /^Sleep "([^]*)"$/.exec(text)?.[1] : JSON.parse(path) as string
}

/** The paths of the steps that wait for a signal, in declared order, by the fingerprint of their definition. */
export const stepsFor = (fingerprint: string, signal: string): ReadonlyArray<string> => {
  try {
    return (JSON.parse(fingerprint) as ReadonlyArray<string>).flatMap((text) => {
      const [, path, name] = entry.exec(text) ?? []
      return path !== undefined && name !== undefined && JSON.parse(name) === signal ? [JSON.parse(path) as string] : []
    })
  } catch {
    return []
  }
}
