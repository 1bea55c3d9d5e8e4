/** The first value that JSON would lose or change, and where it is; undefined if the value is plain JSON. */
export const notJson = (value: unknown, path = "value", depth = 0): string | undefined => {
  if (depth > 1000) return `${path.slice(0, 100)}… is nested too deeply, or in itself`
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${path} is ${value}`
    case "object":
      if (value === null) return undefined
      return Array.isArray(value) ? notJsonArray(value, path, depth) : notJsonObject(value, path, depth)
    case "undefined":
    case "bigint":
    case "symbol":
    case "function":
      return `${path} is a ${typeof value}`
  }
}

const notJsonArray = (array: ReadonlyArray<unknown>, path: string, depth: number): string | undefined => {
  for (let index = 0; index < array.length; index++) {
    const problem = notJson(array[index], `${path}[${index}]`, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

const notJsonObject = (object: object, path: string, depth: number): string | undefined => {
  const prototype: object | null = Object.getPrototypeOf(object)
  if (prototype !== null && !isObjectPrototype(prototype)) {
    return `${path} is a ${prototype.constructor?.name ?? "class instance"}`
  }
  for (const key of Object.keys(object)) {
    const member = (object as Record<string, unknown>)[key]
    const problem = member === undefined ? undefined : notJson(member, `${path}.${key}`, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Whether this is the `Object.prototype` of some realm: an object of a `vm` context or a frame is as plain as one of ours. */
const isObjectPrototype = (prototype: object): boolean =>
  prototype === Object.prototype ||
  (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf"))

/** The same text for the same JSON, in whatever order its members stand. */
export const canonical = (value: unknown): string => JSON.stringify(inOrder(value)) ?? "undefined"

const inOrder = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  return Object.fromEntries(
    Object.keys(value).sort().map((key) => [key, inOrder((value as Record<string, unknown>)[key])])
  )
}

/** A copy of plain JSON as the journal would return it: without members that are undefined. */
export const copied = (value: unknown): unknown => value === undefined ? undefined : JSON.parse(JSON.stringify(value))

/** A copy of plain JSON that is frozen, with everything in it. */
export const frozen = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, member) => Object.freeze(member))
