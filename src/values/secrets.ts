/** Removes the values that a schema redacts from its errors. */
import { ParseResult } from "effect"
import { withoutSecretsIn } from "./issues.ts"

/** The same error; and if its schema has a secret anywhere, without any value. */
export const withoutSecrets = (error: ParseResult.ParseError): ParseResult.ParseError => {
  const issue = withoutSecretsIn(error.issue)
  return issue === error.issue ? error : new ParseResult.ParseError({ issue })
}
