/** The sentences of the errors that have several. */

interface Unknown {
  readonly reason: string
  readonly saga?: string | undefined
  readonly executionId?: string | undefined
  readonly step?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly parked?: boolean | undefined
  readonly happened?: false | undefined
}

export interface Conflict {
  readonly reason: "OtherSaga" | "OtherInput" | "OtherDriver" | "WaitsForItself" | "LeaseLost"
  readonly saga: string
  readonly executionId: string
}

/** What is true of a step in doubt, and who must act. */
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

/** What is true of a call that may not drive an execution, and who must act. */
export const sayConflict = ({ executionId, reason, saga }: Conflict): string => {
  switch (reason) {
    case "OtherSaga":
      return `execution ${executionId} belongs to another saga than ${saga}: choose another executionId`
    case "OtherInput":
      return `execution ${executionId} of ${saga} was started with another input: choose another executionId`
    case "OtherDriver":
      return `execution ${executionId} of ${saga} is driven by another process, or was when this call asked for it: this call has ` +
        "stopped; call again later for the result"
    case "WaitsForItself":
      return `execution ${executionId} of ${saga} was asked for by one of its own steps, and would wait for itself: this call has ` +
        "done nothing; give the inner call another executionId"
    case "LeaseLost":
      return `this process has lost its lease on execution ${executionId} of ${saga}: this call has stopped, and the stored ` +
        "execution stays for recovery by any process"
  }
}
