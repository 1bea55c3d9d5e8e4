/** Makes the attributes by which an execution is found. */
import { Exit } from "effect"
import type { Program } from "../definition/definition.ts"
import { NotStorable } from "../SagaError.ts"
import type { Attributes } from "../store/Checkpoint.ts"
import { holdsSecret } from "../values/ast.ts"
import { plainAttributes } from "../values/attribute.ts"
import { describe } from "../values/describe.ts"

/**
 * The attributes of an execution that starts with this input; undefined if there are none. The input is as its steps see it. An error
 * means that nothing may be stored of the execution.
 */
export const attributesOf = (
  program: Program,
  executionId: string,
  input: unknown
): Exit.Exit<Attributes | undefined, NotStorable> => {
  if (program.attributes === undefined) return Exit.succeed(undefined)
  const refused = (problem: string) =>
    Exit.fail(new NotStorable({ saga: program.name, executionId, value: "its attributes", problem }))
  try {
    const made: unknown = program.attributes({ input })
    // It is refused, and nobody waits for it: a failure of it must not end the process.
    if (made instanceof Promise) made.catch(() => {})
    const checked = plainAttributes(made)
    if ("problem" in checked) return refused(checked.problem)
    return Exit.succeed(Object.keys(checked.attributes).length === 0 ? undefined : checked.attributes)
  } catch (thrown) {
    const { message, tag } = describe(thrown)
    // An error may quote the input.
    const isSecret = program.input !== undefined && holdsSecret(program.input)
    return refused(`the function that makes them threw ${isSecret ? tag : `${tag}: ${message}`}`)
  }
}
