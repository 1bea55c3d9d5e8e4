/** Compares a scenario with the one that it has to end like. */
import type { Fault } from "./fault.ts"
import type { Explored } from "./scenario.ts"
import type { Ended } from "./violations.ts"

/**
 * The faults without those that must not change how the execution ends; undefined if it has none of those, or if the others come at a
 * moment which these shift.
 */
export const faultsThatCount = ({ request, scenario: { faults } }: Explored): ReadonlyArray<Fault> | undefined => {
  const rest = faults.filter((fault) => !changesNothing(fault, request))
  return rest.length < faults.length && rest.every(isOfNoMoment) ? rest : undefined
}

const changesNothing = (fault: Fault, request: Explored["request"]): boolean => {
  switch (fault._tag) {
    case "Disconnect":
    case "Close":
      return true
    case "Cancel":
      return request !== undefined && (!request.isStored || request.finals === "TookEffect")
    case "Action":
    case "Compensation":
    case "Crash":
      return false
  }
}

/** Whether a fault does the same in whatever process it happens. A compensation that failed is tried again by the next process. */
const isOfNoMoment = (fault: Fault): boolean => fault._tag === "Action" && fault.how !== "isInterrupted"

/** The scenario, with a violation if it ended otherwise than it does without these faults. */
export const compared = ({ parked, scenario }: Explored, without: Ended): Explored["scenario"] => {
  // A process that closes may leave a step in doubt which may be interrupted, and whose policy is to park it.
  if (scenario.ended === without || parked === "OutcomeUnknown") return scenario
  const message = `it ended ${scenario.ended}, and without this it ends ${without}`
  return { ...scenario, violations: [...scenario.violations, { _tag: "Changed", message }] }
}
