/** A secret is told by nobody: not by a refusal, an error, a report, a span or a log line, whatever schema it went through. */
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigProvider,
  Effect,
  Exit,
  FastCheck as fc,
  Option,
  ParseResult,
  Redacted,
  Schema,
  Tracer
} from "effect"
import { Plan, Saga, ToolExecutor } from "effect-saga"
import { inspect } from "node:util"
import { describe as inWords, oneLine } from "../src/values/describe.ts"
import * as schemas from "../src/values/schema.ts"

const secret = "s3cr3t-4711"

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [name: string]: Json }

/** A schema that has a secret somewhere, and what it would decode. */
interface Sample {
  readonly schema: Schema.Schema<any, any>
  readonly encoded: Json
}

const sample = (schema: Schema.Schema<any, any>, encoded: Json): Sample => ({ schema, encoded })

const leaves: ReadonlyArray<Sample> = [
  sample(Schema.Redacted(Schema.String), secret),
  sample(Schema.Redacted(Schema.String.pipe(Schema.maxLength(5))), secret),
  sample(Schema.Redacted(Schema.compose(Schema.Trim, Schema.String.pipe(Schema.pattern(/^\d+$/)))), secret),
  sample(Schema.Redacted(Schema.parseJson(Schema.Struct({ pin: Schema.String }))), JSON.stringify({ pin: secret })),
  sample(Schema.Redacted(Schema.Struct({ pin: Schema.String.pipe(Schema.minLength(20)) })), { pin: secret }),
  sample(Schema.Redacted(Schema.Number), secret),
  sample(Schema.declare(Redacted.isRedacted), secret),
  sample(
    Schema.transformOrFail(Schema.String, Schema.RedactedFromSelf(Schema.String), {
      decode: (text, _, ast) => ParseResult.fail(new ParseResult.Type(ast, text, `${text} is too weak`)),
      encode: (redacted) => ParseResult.succeed(Redacted.value(redacted))
    }),
    secret
  ),
  sample(
    Schema.transform(Schema.String, Schema.RedactedFromSelf(Schema.String), {
      decode: (text) => {
        throw new Error(`cannot decrypt ${text}`)
      },
      encode: Redacted.value
    }),
    secret
  )
]

const quoting = (value: unknown) => `${JSON.stringify(value)} will not do`

/** A class has the schema as a member. */
const classOf = (schema: Schema.Schema<any, any>) => {
  class Login extends Schema.Class<Login>("Login")({ it: schema }) {}
  return Login as unknown as Schema.Schema<any, any>
}

const wrappers: { readonly [kind: string]: (inner: Sample) => Sample } = {
  "a struct": ({ encoded, schema }) =>
    sample(Schema.Struct({ user: Schema.Number, it: schema }), { user: 1, it: encoded }),
  "an optional member": ({ encoded, schema }) =>
    sample(
      Schema.Struct({ user: Schema.optionalWith(Schema.Number, { default: () => 1 }), it: Schema.optional(schema) }),
      {
        it: encoded
      }
    ),
  "an array": ({ encoded, schema }) => sample(Schema.Array(schema), [encoded, encoded]),
  "a tuple": ({ encoded, schema }) => sample(Schema.Tuple(Schema.Number, schema, Schema.Boolean), [1, encoded, true]),
  "a record": ({ encoded, schema }) => sample(Schema.Record({ key: Schema.String, value: schema }), { any: encoded }),
  "a union whose other member has it in the open": ({ encoded, schema }) =>
    sample(
      Schema.Union(
        Schema.Struct({ kind: Schema.Literal("a"), it: schema }),
        Schema.Struct({ kind: Schema.Literal("b"), it: Schema.Number })
      ),
      { kind: "b", it: encoded }
    ),
  "a union with null": ({ encoded, schema }) => sample(Schema.NullOr(schema), encoded),
  "a suspended schema": ({ encoded, schema }) => sample(Schema.suspend(() => schema), encoded),
  "a recursive schema": ({ encoded, schema }) => {
    const tree: Schema.Schema<any, any> = Schema.Struct({ it: schema, below: Schema.Array(Schema.suspend(() => tree)) })
    return sample(tree, { it: encoded, below: [{ it: encoded, below: [] }] })
  },
  "JSON in a string": ({ encoded, schema }) => sample(Schema.parseJson(schema), JSON.stringify(encoded)),
  "JSON in a struct": ({ encoded, schema }) =>
    sample(Schema.Struct({ blob: Schema.parseJson(schema) }), { blob: JSON.stringify(encoded) }),
  "a composition": ({ encoded, schema }) => sample(Schema.compose(Schema.Unknown, schema), encoded),
  "another place of the encoded side": ({ encoded, schema }) =>
    sample(
      Schema.transform(Schema.Struct({ auth: Schema.Unknown, n: Schema.Number }), schema, {
        strict: false,
        decode: ({ auth }) => auth,
        encode: (auth) => ({ auth, n: 1 })
      }),
      { auth: encoded, n: 1 }
    ),
  "a filter that quotes": ({ encoded, schema }) => sample(schema.pipe(Schema.filter(() => quoting(encoded))), encoded),
  "a message that quotes": ({ encoded, schema }) =>
    sample(schema.annotations({ message: ({ actual }) => ({ message: quoting(actual), override: true }) }), encoded),
  "a message that throws": ({ encoded, schema }) =>
    sample(
      schema.annotations({
        message: ({ actual }) => {
          throw new Error(quoting(actual))
        }
      }),
      encoded
    ),
  "a class": ({ encoded, schema }) => sample(classOf(schema), { it: encoded }),
  "a declared list": ({ encoded, schema }) => sample(Schema.Chunk(schema), [encoded]),
  "a declared map": ({ encoded, schema }) =>
    sample(Schema.HashMap({ key: Schema.String, value: schema }), [["a", encoded]])
}

const samples: fc.Arbitrary<Sample> = fc.tuple(
  fc.constantFrom(...leaves),
  fc.array(fc.constantFrom(...Object.values(wrappers)), { maxLength: 4 })
).map(([leaf, around]) => around.reduce((inner, wrap) => wrap(inner), leaf))

const isObject = (json: Json): json is { readonly [name: string]: Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const pathsIn = (json: Json, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> => [
  at,
  ...typeof json === "object" && json !== null
    ? Object.entries(json).flatMap(([name, member]) => pathsIn(member, [...at, name]))
    : []
]

const change = (json: Json, [name, ...deeper]: ReadonlyArray<string>, to: (json: Json) => Json): Json => {
  if (name === undefined) return to(json)
  if (Array.isArray(json)) {
    return json.map((member, index) => String(index) === name ? change(member, deeper, to) : member)
  }
  const object = json as { readonly [name: string]: Json }
  return { ...object, [name]: change(object[name]!, deeper, to) }
}

const parsed = (json: Json): Json => {
  try {
    return typeof json === "string" ? JSON.parse(json) : [json]
  } catch {
    return [json]
  }
}

/** What an author gets wrong. None of it makes the secret the name of a member. */
const damages: ReadonlyArray<(json: Json) => Json> = [
  (json) => json,
  () => null,
  () => 3,
  () => secret,
  (json) => [json],
  (json) => ({ value: json }),
  (json) => JSON.stringify(json),
  parsed,
  (json) => isObject(json) ? { ...json, also: secret } : `${JSON.stringify(json)} ${secret}`,
  (json) => Array.isArray(json) ? [...json, secret].reverse() : json,
  (json) => {
    if (!isObject(json)) return json
    const names = Object.keys(json)
    return Object.fromEntries(Object.values(json).map((member, index) => [names[(index + 1) % names.length]!, member]))
  }
]

const damaged: fc.Arbitrary<Sample & { readonly given: Json }> = fc.tuple(
  samples,
  fc.array(fc.tuple(fc.constantFrom(...damages), fc.nat()), { minLength: 1, maxLength: 2 })
).map(([{ encoded, schema }, changes]) => ({
  schema,
  encoded,
  given: changes.reduce((json, [damage, seed]) => {
    const paths = pathsIn(json)
    return change(json, paths[seed % paths.length]!, damage)
  }, encoded)
}))

const isKept = (texts: ReadonlyArray<unknown>) => {
  for (const text of texts) expect(typeof text === "string" ? text : JSON.stringify(text)).not.toContain(secret)
}

/** Between two samples the test's own process is heard. */
const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const inTurn = (check: () => void) => Effect.zipRight(turn, Effect.sync(check))

const refusedBy = (exit: Exit.Exit<unknown, string>) => Exit.isSuccess(exit) ? [] : [Cause.pretty(exit.cause)]

describe("of a schema with a secret", () => {
  it.effect.prop("no refusal says a value", [damaged], ([{ given, schema }]) =>
    inTurn(() => {
      const strict = schemas.decodeStrictlyNow(schema, given)
      isKept([
        ...refusedBy(Effect.runSyncExit(schemas.decode(schema, given))),
        ...refusedBy(Effect.runSyncExit(schemas.encode(schema, given))),
        ..."value" in strict ? [] : schemas.problemsOf(strict).map(({ reason }) => reason)
      ])
      const invalid = Effect.runSyncExit(schemas.validate(Schema.typeSchema(schema), given))
      if (Exit.isFailure(invalid)) {
        isKept([inWords(Cause.squash(invalid.cause)), oneLine(invalid.cause), JSON.stringify(invalid)])
      }
    }), { timeout: 120_000, fastCheck: { numRuns: 150 } })

  it.effect.prop(
    "no error of Effect's own says a value, once it is put into words",
    [damaged],
    ([{ given, schema }]) =>
      inTurn(() => {
        let error: unknown
        try {
          Schema.decodeUnknownSync(schema, { errors: "all" })(given)
        } catch (thrown) {
          error = thrown
        }
        if (!ParseResult.isParseError(error)) return
        const causes = [Cause.fail(error), Cause.die(error), Cause.parallel(Cause.die(error), Cause.fail("other"))]
        isKept([inWords(error), ...causes.map(oneLine)])
      }),
    { timeout: 120_000, fastCheck: { numRuns: 200 } }
  )

  it.effect.prop(
    "no plan is refused with a value, with or without references, nor fails with one when it runs",
    [damaged, fc.nat()],
    ([{ given, schema }, seed]) => {
      const tools = ToolExecutor.layer({
        it: ToolExecutor.tool({ parameters: schema, classification: "ReadOnly", run: () => Effect.void }),
        give: ToolExecutor.tool({
          parameters: Schema.Unknown,
          success: Schema.Unknown,
          classification: "ReadOnly",
          run: (given) => Effect.succeed(given)
        }),
        answer: ToolExecutor.tool({
          parameters: Schema.Unknown,
          success: schema,
          classification: "ReadOnly",
          run: (given) => Effect.succeed(given)
        })
      })
      const paths = pathsIn(given)
      const path = paths[seed % paths.length]!
      let part: Json = null
      const withReference = (pointer: string) =>
        change(given, path, (json) => {
          part = json
          return { $ref: pointer }
        })
      const call = (name: string, tool: string, args: Json) => ({
        name,
        classification: "ReadOnly",
        action: { tool, arguments: args }
      })
      const plans: ReadonlyArray<ReadonlyArray<object>> = [
        [call("a", "it", given)],
        [call("a", "it", withReference("/input/x"))],
        [call("a", "it", withReference("not a pointer"))],
        [call("a", "it", { $ref: given })],
        [call("a", "it", { $ref: "/input/x", fallback: given })],
        [call("a", "give", { $literal: { x: part } }), call("b", "it", withReference("/outputs/a/x"))],
        [call("a", "answer", { $literal: given })],
        [{ ...call("a", "it", given), action: given }]
      ]
      return Effect.zipRight(
        turn,
        Effect.forEach(plans, (steps) =>
          Effect.gen(function*() {
            const decoded = yield* Effect.either(Plan.decode({ name: "p", steps }))
            if (decoded._tag === "Left") return isKept([decoded.left.message, decoded.left.problems])
            const exit = yield* Effect.exit(Saga.run(decoded.right, { x: part }))
            if (Exit.isFailure(exit)) isKept([Cause.pretty(exit.cause), JSON.stringify(exit)])
            const report = yield* Effect.option(Saga.report(decoded.right, { x: part }))
            if (report._tag === "Some") isKept([JSON.stringify(report.value.steps), report.value.summary])
          }), { discard: true })
      ).pipe(Effect.provide(tools))
    },
    { timeout: 120_000, fastCheck: { numRuns: 50 } }
  )
})

describe("a secret that an action's own error quotes", () => {
  const wrong = Schema.decodeUnknown(Schema.Struct({ password: Schema.Redacted(Schema.Number) }))({ password: secret })
  const setting = Config.integer("PASSWORD").pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PASSWORD", secret]])))
  )
  const password = Config.integer("PASSWORD")
  const other = Config.orElse(password, () => password).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PASSWORD", secret]])))
  )
  const ended: Array<unknown> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => ({
      _tag: "Span",
      spanId: "1",
      traceId: "1",
      sampled: true,
      status: { _tag: "Started", startTime },
      attributes: new Map(),
      name,
      parent,
      context,
      links,
      kind,
      attribute: () => {},
      event: () => {},
      addLinks: () => {},
      end: (_, exit) => void ended.push(exit)
    }),
    context: (run) => run()
  })
  for (
    const [kind, action] of Object.entries({
      "a schema": wrong,
      "a setting": setting,
      "one of two settings": other,
      "a defect": Effect.orDie(wrong),
      "the cause of another error": Effect.mapError(wrong, (cause) => new Error("no login", { cause }))
    })
  ) {
    it.effect(`is in no report and no span, but in the error itself: ${kind}`, () =>
      Effect.gen(function*() {
        ended.length = 0
        const saga = Saga.make("Login").readOnly("a", { action: () => action as Effect.Effect<unknown, unknown> })
          .build()
        const report = yield* Saga.report(saga, undefined).pipe(Effect.withTracer(tracer))
        isKept([JSON.stringify(report.steps), report.summary])
        expect(ended).toHaveLength(2)
        for (const exit of ended) {
          isKept([Cause.pretty((exit as Exit.Failure<unknown, unknown>).cause), JSON.stringify(exit)])
        }
        const failed = yield* Effect.exit(Saga.run(saga, undefined).pipe(Effect.withTracer(tracer)))
        expect(inspect(Option.getOrThrow(Exit.causeOption(failed)), { depth: null })).toContain(secret)
      }))
  }
})
