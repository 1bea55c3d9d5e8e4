import { ParseResult } from "effect"
import { withoutSecrets } from "./secrets.ts"

/** What there is to tell of an error, whatever it is: its `_tag`, name or type, and its message. */
export const describe = (error: unknown): { readonly tag: string; readonly message: string } => {
  if (ParseResult.isParseError(error)) return { tag: error._tag, message: withoutSecrets(error).message }
  if (typeof error === "object" && error !== null) {
    const { _tag, message, name } = error as { _tag?: unknown; message?: unknown; name?: unknown }
    const tag = typeof _tag === "string" ? _tag : typeof name === "string" ? name : "Object"
    return { tag, message: typeof message === "string" && message !== "" ? message : tag }
  }
  return { tag: typeof error, message: String(error) }
}
