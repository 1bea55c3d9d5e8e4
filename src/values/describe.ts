/** What there is to tell of errors. */
import { Cause, Chunk, ConfigError, ParseResult } from "effect"
import { withoutSecrets } from "./secrets.ts"

/**
 * What there is to tell of an error, whatever it is: its `_tag`, name or type, and its message. Never throws, as an error's own
 * message may: why a saga failed must not keep it from being undone.
 */
export const describe = (error: unknown): { readonly tag: string; readonly message: string } => {
  const tag = orElse(() => tagOf(error), "Error")
  return { tag, message: orElse(() => messageOf(error), "") || tag }
}

const tagOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return typeof error
  const { _tag, name } = error as { _tag?: unknown; name?: unknown }
  return typeof _tag === "string" ? _tag : typeof name === "string" ? name : "Object"
}

const messageOf = (error: unknown): string => {
  if (ParseResult.isParseError(error)) return withoutSecrets(error).message
  if (ConfigError.isConfigError(error)) return withoutValue(error)
  if (typeof error !== "object" || error === null) return String(error)
  const { message } = error as { message?: unknown }
  return typeof message === "string" ? message : ""
}

/** A setting that cannot be read, by its name: its value may be a secret. */
const withoutValue = (error: ConfigError.ConfigError): string => {
  switch (error._op) {
    case "And":
    case "Or":
      return `${withoutValue(error.left)} ${error._op.toLowerCase()} ${withoutValue(error.right)}`
    case "InvalidData":
      return `the setting "${error.path.join(".")}" is not what it should be`
    case "MissingData":
    case "SourceUnavailable":
    case "Unsupported":
      return error.message
  }
}

const orElse = <A>(get: () => A, otherwise: A): A => {
  try {
    return get()
  } catch {
    return otherwise
  }
}

/** A cause in one line. */
export const oneLine = (cause: Cause.Cause<unknown>): string => {
  const error = orElse(() => Cause.squash(cause), undefined)
  if (!orElse(() => mayQuoteSecrets(cause), true)) {
    const pretty = orElse(() => Cause.pretty(cause).split("\n", 1)[0], undefined)
    if (pretty !== undefined) return pretty
  }
  const { message, tag } = describe(error)
  return `${tag}: ${message}`.split("\n", 1)[0]!
}

/** Whether an error in a cause has a message of Effect's that quotes the value that was refused. */
const mayQuoteSecrets = (cause: Cause.Cause<unknown>): boolean =>
  Chunk.some(
    Chunk.appendAll(Cause.failures(cause), Cause.defects(cause)),
    (error) => ParseResult.isParseError(error) || ConfigError.isConfigError(error)
  )
