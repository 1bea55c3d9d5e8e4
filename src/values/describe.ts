/** Errors as a tag and a message. */
import { Cause, Chunk } from "effect"
import * as Effect3 from "effect"
import { withoutSecrets, withoutValue } from "./secrets.ts"

/**
 * The tag and the message of any value. The tag is its `_tag`, name or type. Never throws, though an error's own getters may: an error
 * that cannot be read must not keep a saga from being undone.
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
  if (Effect3.ParseResult.isParseError(error)) return withoutSecrets(error).message
  if (Effect3.ConfigError.isConfigError(error)) return withoutValue(error).message
  if (typeof error !== "object" || error === null) return String(error)
  const { message } = error as { message?: unknown }
  return typeof message === "string" ? message : ""
}

const orElse = <A>(get: () => A, otherwise: A): A => {
  try {
    return get()
  } catch {
    return otherwise
  }
}

/** The first line of a cause. */
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
    (error) => Effect3.ParseResult.isParseError(error) || Effect3.ConfigError.isConfigError(error)
  )

/** Says who cancelled an execution and why, in a few words. */
export const sayCancelled = ({ by, reason }: { readonly by: string; readonly reason?: string | undefined }): string =>
  `cancelled by ${by}${reason === undefined || reason.trim() === "" ? "" : `: ${reason}`}`
