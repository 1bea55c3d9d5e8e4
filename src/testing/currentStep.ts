/** The step whose action or compensation is running, for the ledger. */
import { Context } from "effect"

export class CurrentStep extends Context.Reference<CurrentStep>()("effect-saga/testing/CurrentStep", {
  defaultValue: (): string | undefined => undefined
}) {}
