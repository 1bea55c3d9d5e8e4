/** Names the first value that JSON would lose or change, and where it is; nothing where the value is plain JSON. */
export const notJson = (value: unknown, path = "value", depth = 0): string | undefined => {
  if (depth > 1000) return `${path.slice(0, 100)}… is nested too deeply, or in itself`
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${path} is ${value}`
    case "object": {
      if (value === null) return undefined
      if (Array.isArray(value)) {
        for (let index = 0; index < value.length; index++) {
          const problem = notJson(value[index], `${path}[${index}]`, depth + 1)
          if (problem !== undefined) return problem
        }
        return undefined
      }
      const prototype = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) {
        return `${path} is a ${prototype.constructor?.name ?? "class instance"}`
      }
      for (const key of Object.keys(value)) {
        const member = (value as Record<string, unknown>)[key]
        const problem = member === undefined ? undefined : notJson(member, `${path}.${key}`, depth + 1)
        if (problem !== undefined) return problem
      }
      return undefined
    }
    default:
      return `${path} is a ${typeof value}`
  }
}

/** The same text for the same JSON, in whatever order its members stand. */
export const canonical = (value: unknown): string => JSON.stringify(inOrder(value)) ?? "undefined"

const inOrder = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  return Object.fromEntries(
    Object.keys(value).sort().map((key) => [key, inOrder((value as Record<string, unknown>)[key])])
  )
}

/** A copy of plain JSON, as it would come back from the journal: without members that are undefined. */
export const copied = (value: unknown): unknown => value === undefined ? undefined : JSON.parse(JSON.stringify(value))

/** The same, and nobody can change it. */
export const frozen = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, member) => Object.freeze(member))
