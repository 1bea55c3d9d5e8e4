/** The results of tools, as they are stored. */
import { Effect } from "effect"
import { OutcomeUnknown } from "../SagaError.ts"
import { copied, notJson } from "../values/json.ts"
import { visible } from "../values/visible.ts"

/** The call that a tool returned from. */
interface Called {
  readonly tool: string
  readonly role: "action" | "compensation" | "verify"
}

/** A copy of a result, as the journal would return it: what becomes of the result later must not change it. */
export const storable = (called: Called, result: unknown): Effect.Effect<unknown, OutcomeUnknown> => {
  const problem = result === undefined ? undefined : notJson(result, "it")
  return problem === undefined
    ? Effect.succeed(copied(result) ?? null)
    : endUnreadable(called, `${problem}, which is not plain JSON`)
}

/**
 * Ends a call whose result cannot be stored: the tool has run, so the call is in doubt, not failed (S12). The result of a compensation
 * is not needed.
 */
export const endUnreadable = (called: Called, problem: string): Effect.Effect<unknown, OutcomeUnknown> => {
  switch (called.role) {
    case "compensation":
      return Effect.succeed(null)
    case "action":
    case "verify":
      return Effect.fail(unreadableResult(called, problem))
  }
}

export const unreadableResult = ({ tool }: Pick<Called, "tool">, problem: string) =>
  new OutcomeUnknown({ reason: `tool "${visible(tool)}" returned what cannot be stored: ${problem}` })
