/** Finds out by a schema alone that its values cannot be stored as JSON. */
import { Option, type Schema, SchemaAST } from "effect"

/**
 * Names the first part of what a schema encodes to that JSON cannot hold, and where it is; undefined where there is none, or
 * where only the value can tell.
 */
export const unstorablePart = (schema: Schema.Schema.All): string | undefined => find(schema.ast, "value", new Set())

const find = (ast: SchemaAST.AST, path: string, seen: Set<SchemaAST.AST>): string | undefined => {
  switch (ast._tag) {
    case "Declaration": {
      const name = knownName(ast)
      return name === undefined ? undefined : `${path} is ${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`
    }
    case "BigIntKeyword":
      return `${path} is a bigint`
    case "SymbolKeyword":
    case "UniqueSymbol":
      return `${path} is a symbol`
    // The encoded side. Not `SchemaAST.encodedAST`, which makes another node of each suspended schema for ever.
    case "Refinement":
    case "Transformation":
      return find(ast.from, path, seen)
    case "Suspend": {
      if (seen.has(ast)) return undefined
      seen.add(ast)
      return find(ast.f(), path, seen)
    }
    case "Union": {
      const parts = ast.types.map((type) => find(type, path, seen))
      return parts.every((part) => part !== undefined) ? parts[0] : undefined
    }
    case "TupleType":
      return first([
        ...ast.elements.flatMap(({ isOptional, type }, index) =>
          isOptional ? [] : [[type, `${path}[${index}]`] as const]
        ),
        ...ast.rest.map(({ type }) => [type, `${path}[…]`] as const)
      ], seen)
    case "TypeLiteral":
      return first(
        ast.propertySignatures.flatMap(({ isOptional, name, type }) =>
          isOptional ? [] : [[type, `${path}.${String(name)}`] as const]
        ),
        seen
      )
    case "Literal":
      return typeof ast.literal === "bigint" ? `${path} is a bigint` : undefined
    // Any, unknown and object may be anything, and a value that is missing is not stored.
    case "AnyKeyword":
    case "UnknownKeyword":
    case "ObjectKeyword":
    case "UndefinedKeyword":
    case "VoidKeyword":
    case "NeverKeyword":
    case "StringKeyword":
    case "NumberKeyword":
    case "BooleanKeyword":
    case "TemplateLiteral":
    case "Enums":
      return undefined
  }
}

const first = (
  parts: ReadonlyArray<readonly [SchemaAST.AST, string]>,
  seen: Set<SchemaAST.AST>
): string | undefined => {
  for (const [ast, path] of parts) {
    const part = find(ast, path, seen)
    if (part !== undefined) return part
  }
  return undefined
}

/**
 * The name of a class instance that `effect` itself declares. Any other declaration may be of plain JSON: only its author knows.
 */
const knownName = (ast: SchemaAST.Declaration): string | undefined => {
  const identifier = ast.annotations[SchemaAST.IdentifierAnnotationId]
  if (typeof identifier === "string" && identifier.endsWith("FromSelf")) return identifier
  const constructor: unknown = Option.getOrUndefined(SchemaAST.getTypeConstructorAnnotation(ast))?._tag
  return typeof constructor === "string" && constructor.startsWith("effect/")
    ? constructor.slice("effect/".length)
    : undefined
}
