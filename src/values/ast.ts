/** Looks into schemas. The shapes of their syntax trees are those of Effect 3: no other file knows them. */
import { Option, Redacted, Schema, SchemaAST } from "effect"
import * as Effect3 from "effect"

type AnySchema = Schema.Schema<any, any>

/** Whether a value of the schema may hold a secret: whether anything in the schema, on either side of a transformation, is redacted. */
export const holdsSecret = (schema: AnySchema): boolean => hasSecret(schema.ast)

const known = new WeakMap<SchemaAST.AST, boolean>()

// A suspended schema may go on for ever. One of this size is taken for one with a secret.
const mostParts = 10_000

export const hasSecret = (ast: SchemaAST.AST): boolean => {
  const before = known.get(ast)
  if (before !== undefined) return before
  const seen = new Set([ast])
  for (const part of seen) {
    if (known.get(part) === true || isSecret(part) || seen.size > mostParts) {
      known.set(ast, true)
      return true
    }
    for (const inner of partsOf(part)) seen.add(inner)
  }
  for (const part of seen) known.set(part, false)
  return false
}

/** Whether the schema is that of a secret itself; also where it only looks like one. */
const isSecret = (ast: SchemaAST.AST): boolean => {
  if (SchemaAST.isSuspend(ast)) return !canBeRead(ast)
  if (!SchemaAST.isDeclaration(ast)) return false
  return Option.match(SchemaAST.getTypeConstructorAnnotation(ast), {
    onSome: ({ _tag }) => _tag === "effect/Redacted",
    // Of another declared schema nothing is known but which values it takes.
    onNone: () => ast.typeParameters.length === 0 && takesRedacted(ast)
  })
}

const takesRedacted = (ast: SchemaAST.Declaration): boolean => {
  try {
    return Effect3.ParseResult.is(Schema.make(ast))(Redacted.make(""))
  } catch {
    return true
  }
}

const canBeRead = (ast: SchemaAST.Suspend): boolean => {
  try {
    ast.f()
    return true
  } catch {
    return false
  }
}

/** The schemas that a schema is made of. */
const partsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  switch (ast._tag) {
    case "Declaration":
      return [...ast.typeParameters, ...Option.toArray(SchemaAST.getSurrogateAnnotation(ast))]
    case "TypeLiteral":
      return [
        ...ast.propertySignatures.map(({ type }) => type),
        ...ast.indexSignatures.flatMap(({ parameter, type }) => [parameter, type])
      ]
    case "TupleType":
      return [...ast.elements, ...ast.rest].map(({ type }) => type)
    case "Union":
      return ast.types
    case "Suspend":
      return [ast.f()]
    case "Refinement":
      return [ast.from]
    case "Transformation":
      return [ast.from, ast.to]
    case "TemplateLiteral":
      return ast.spans.map(({ type }) => type)
    case "Literal":
    case "UniqueSymbol":
    case "UndefinedKeyword":
    case "VoidKeyword":
    case "NeverKeyword":
    case "UnknownKeyword":
    case "AnyKeyword":
    case "StringKeyword":
    case "NumberKeyword":
    case "BooleanKeyword":
    case "BigIntKeyword":
    case "SymbolKeyword":
    case "ObjectKeyword":
    case "Enums":
      return []
  }
}

/** Whether what the schema encodes to may have something at the end of a path. */
export const mayHave = (schema: AnySchema, path: ReadonlyArray<string>): boolean =>
  mayHaveAt(SchemaAST.encodedAST(schema.ast), path)

const isIndex = (part: string) => /^(0|[1-9]\d*)$/.test(part)

const mayHaveAt = (ast: SchemaAST.AST, path: ReadonlyArray<string>): boolean => {
  const [part, ...rest] = path
  if (part === undefined) return true
  switch (ast._tag) {
    case "TypeLiteral": {
      const property = ast.propertySignatures.find(({ name }) => name === part)
      if (property !== undefined) return mayHaveAt(property.type, rest)
      const isAnyObject = ast.propertySignatures.length + ast.indexSignatures.length === 0
      return isAnyObject || ast.indexSignatures.some(({ type }) => mayHaveAt(type, rest))
    }
    case "TupleType": {
      if (!isIndex(part)) return false
      const element = ast.elements[Number(part)]
      return element === undefined
        ? ast.rest.some(({ type }) => mayHaveAt(type, rest))
        : mayHaveAt(element.type, rest)
    }
    case "Union":
      return ast.types.some((type) => mayHaveAt(type, path))
    case "Suspend":
      return mayHaveAt(SchemaAST.encodedAST(ast.f()), path)
    case "AnyKeyword":
    case "UnknownKeyword":
    case "ObjectKeyword":
    case "Declaration":
    case "Refinement":
    case "Transformation":
      return true
    case "Literal":
    case "UniqueSymbol":
    case "UndefinedKeyword":
    case "VoidKeyword":
    case "NeverKeyword":
    case "StringKeyword":
    case "NumberKeyword":
    case "BooleanKeyword":
    case "BigIntKeyword":
    case "SymbolKeyword":
    case "Enums":
    case "TemplateLiteral":
      return false
  }
}
