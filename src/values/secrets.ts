/** Removes the values that schemas and settings keep secret from their errors. */
import { Cause } from "effect"
import * as Effect3 from "effect"
import { withoutSecretsIn } from "./issues.ts"

/** The same error; and if its schema has a secret anywhere, without any value. */
export const withoutSecrets = (error: Effect3.ParseResult.ParseError): Effect3.ParseResult.ParseError => {
  const issue = withoutSecretsIn(error.issue)
  return issue === error.issue ? error : new Effect3.ParseResult.ParseError({ issue })
}

/** A setting that cannot be read, by its name: its value may be a secret. */
export const withoutValue = (error: Effect3.ConfigError.ConfigError): Effect3.ConfigError.ConfigError => {
  switch (error._op) {
    case "And":
      return Effect3.ConfigError.And(withoutValue(error.left), withoutValue(error.right))
    case "Or":
      return Effect3.ConfigError.Or(withoutValue(error.left), withoutValue(error.right))
    case "InvalidData":
      return Effect3.ConfigError.InvalidData(error.path, `the setting ${error.path.join(".")} is not what it should be`)
    case "MissingData":
    case "SourceUnavailable":
    case "Unsupported":
      return error
  }
}

// An error may be its own cause.
const deepest = 100

const withoutSecretsOf = <E>(error: E, depth = 0): E => {
  try {
    if (Effect3.ParseResult.isParseError(error)) return withoutSecrets(error) as E
    if (Effect3.ConfigError.isConfigError(error)) return withoutValue(error) as E
    if (!(error instanceof Error) || error.cause === undefined || depth > deepest) return error
    const cause = withoutSecretsOf(error.cause, depth + 1)
    return cause === error.cause ? error : Object.create(error, { cause: { value: cause } }) as E
  } catch {
    return error
  }
}

/** A cause as others may see it. */
export const causeWithoutSecrets = <E>(cause: Cause.Cause<E>): Cause.Cause<E> =>
  Cause.match(cause, {
    onEmpty: Cause.empty,
    onFail: (error) => Cause.fail(withoutSecretsOf(error)),
    onDie: (defect) => Cause.die(withoutSecretsOf(defect)),
    onInterrupt: (fiberId) => Cause.interrupt(fiberId),
    onSequential: (left, right) => Cause.sequential(left, right),
    onParallel: (left, right) => Cause.parallel(left, right)
  })
