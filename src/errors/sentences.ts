/** The sentences of the errors that have several. */

const mostNamed = 10

/** The first ones, and how many more there are: a list may have ten thousand items. The error itself has them all. */
export const someOf = (names: ReadonlyArray<string>): string => {
  const more = names.length - mostNamed
  return `${names.slice(0, mostNamed).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

interface Unknown {
  readonly reason: string
  readonly saga?: string | undefined
  readonly executionId?: string | undefined
  readonly step?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly parked?: boolean | undefined
  readonly happened?: false | undefined
}

const longestId = 800

/**
 * An id as a message shows it: one that can be stored in full, for somebody looks for it; one that is too long for that by its
 * beginning, and one that would not be seen in quotes.
 */
export const shownId = (id: string): string =>
  id.length > longestId ? `${JSON.stringify(id.slice(0, 60))}…` : id.trim() === "" ? JSON.stringify(id) : id

/** An id of any kind, or a name, in quotes, and no longer than {@link shownId} has it. */
export const inQuotes = (id: string): string => {
  const shown = shownId(id)
  return shown === id ? `"${id}"` : shown
}

/** Says how a step in doubt stands, and who must act. */
export const sayUnknown = (error: Unknown): string => {
  const { executionId, happened, idempotencyKey, parked, reason, saga, step } = error
  if (step === undefined) return `the outcome is unknown: ${reason}`
  if (happened === false) {
    return `step "${step}" of ${saga} (${executionId}) gave no answer, and verify says that it did not happen: ${reason}`
  }
  const unknown = `nobody knows whether step "${step}" of ${saga} (${executionId}) happened: ${reason}. `
  const findOut = `find out by the idempotency key ${idempotencyKey}`
  if (parked === undefined) return unknown + `A person must ${findOut}, and finish the rest by hand`
  return unknown + (parked
    ? `The execution is parked and nothing was undone: ${findOut}, then call Saga.resume with the finding`
    : `The completed steps before it were unwound: ${findOut}, and undo it by hand if it happened`)
}
