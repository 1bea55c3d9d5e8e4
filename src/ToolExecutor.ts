/**
 * Runs the tools that a plan names.
 *
 * A tool with a side effect keeps the rule of every action: it fails, or dies, only if it had no effect, and fails with
 * `OutcomeUnknown` when it cannot tell. It may be called again under the same idempotency key.
 */
import { Context, Effect, Layer, Option, ParseResult, Schema } from "effect"
import { describe } from "./internal/describe.ts"
import { notJson } from "./internal/json.ts"
import { OutcomeUnknown } from "./SagaError.ts"
import type { IdempotencyKey } from "./Step.ts"

/** What a call is for: to do a step, to undo it, or to ask whether it happened. */
export type Role = "action" | "compensation" | "verify"

/** One call of a tool. */
export interface ToolCall {
  readonly tool: string
  /** Plain JSON; every reference in it has been resolved. */
  readonly arguments: unknown
  readonly role: Role
  /** The name of the plan's step. */
  readonly step: string
  readonly executionId: string
  /** The key of this effect: that of the action, which `verify` asks by too, or that of the compensation. */
  readonly idempotencyKey: IdempotencyKey
  /** The key that the step's action is called with, also where this call undoes it. */
  readonly actionIdempotencyKey: IdempotencyKey
  /** Counts the calls in this role in this process, from 1. */
  readonly attempt: number
}

/**
 * A tool refused, and had no effect. `tag` and `reason` say why; `failure` is the tool's own error, as its `failure` schema
 * encodes it. Whoever wrote the plan, or runs what the tool calls, must act.
 */
export class ToolFailed extends Schema.TaggedError<ToolFailed>("effect-saga/ToolFailed")("ToolFailed", {
  tool: Schema.String,
  tag: Schema.String,
  reason: Schema.String,
  failure: Schema.optional(Schema.Unknown)
}) {
  override get message() {
    return `tool "${this.tool}" failed: ${this.reason}`
  }
}

/** There is no tool of this name, so nothing was called. Whoever wrote the plan, or provides the tools, must act. */
export class UnknownTool extends Schema.TaggedError<UnknownTool>("effect-saga/UnknownTool")("UnknownTool", {
  tool: Schema.String
}) {
  override get message() {
    return `there is no tool "${this.tool}"`
  }
}

/**
 * The arguments are not what the tool takes, so it was not called: `problems` says what is wrong and where. Whoever wrote the
 * plan must act.
 */
export class InvalidArguments extends Schema.TaggedError<InvalidArguments>("effect-saga/InvalidArguments")(
  "InvalidArguments",
  { tool: Schema.String, problems: Schema.Array(Schema.String) }
) {
  override get message() {
    return `tool "${this.tool}" does not take these arguments: ${this.problems.join("; ")}`
  }
}

/** How a call can fail without having had an effect. */
export type ToolError = ToolFailed | UnknownTool | InvalidArguments

/** What is known of a tool before it is called. */
export interface Description {
  readonly description?: string | undefined
  /** What it takes. Arguments are checked against it before a plan is accepted, and again when all of them are known. */
  readonly parameters?: Schema.Schema<any, any> | undefined
  /** What it returns. References into its output are checked against it before a plan is accepted. */
  readonly success?: Schema.Schema<any, any> | undefined
  /** What a doubt about it means, where the plan's step does not say: see `InDoubtPolicy`. */
  readonly inDoubt?: "retry" | "park" | undefined
}

/** What runs tools by name. */
export interface Service {
  /** What is known of the tool of this name; undefined where there is none. */
  readonly describe: (tool: string) => Description | undefined
  /** Calls it. What it returns is plain JSON. */
  readonly execute: (call: ToolCall) => Effect.Effect<unknown, ToolError | OutcomeUnknown>
}

/** Runs the tools that plans name: needed to read a plan, and to run one. */
export class ToolExecutor extends Context.Tag("effect-saga/ToolExecutor")<ToolExecutor, Service>() {}

/** A tool: what it takes and returns, and how it is run. Made by {@link tool}. */
export interface Tool<in out Parameters, in out Result, out Requirements> extends Description {
  readonly parameters: Schema.Schema<Parameters, any>
  readonly success?: Schema.Schema<Result, any> | undefined
  readonly failure?: Schema.Schema<any, any> | undefined
  readonly run: (parameters: Parameters, call: ToolCall) => Effect.Effect<Result, unknown, Requirements>
}

/**
 * Describes a tool. `parameters` decodes the arguments of each call, `success` encodes the result, which without it is left
 * out, and `failure` encodes the tool's errors; those that it does not know are told by tag and message.
 *
 * Say `inDoubt: "retry"` of a tool that honours its idempotency key, so that a plan need not: a call that may or may not have
 * happened is then made again under the same key. `"park"` leaves it to a person.
 */
export const tool = <Parameters, Result = void, Error = never, Requirements = never>(options: {
  /** For whoever writes plans: people and models. */
  readonly description?: string
  readonly parameters: Schema.Schema<Parameters, any>
  readonly success?: Schema.Schema<Result, any>
  readonly failure?: Schema.Schema<Exclude<Error, OutcomeUnknown | ToolError>, any>
  readonly inDoubt?: "retry" | "park"
  readonly run: (parameters: Parameters, call: ToolCall) => Effect.Effect<NoInfer<Result>, Error, Requirements>
}): Tool<Parameters, Result, Requirements> => options

/** The services that a tool needs, or any of several. */
export type Requirements<T> = T extends Tool<any, any, infer R> ? R : never

/** Runs the tools of a record, by their names in it. What a tool needs is taken from where the layer is built. */
export const layer = <const Tools extends Readonly<Record<string, Tool<any, any, any>>>>(
  tools: Tools
): Layer.Layer<ToolExecutor, never, Requirements<Tools[keyof Tools]>> =>
  Layer.effect(
    ToolExecutor,
    Effect.contextWith((context: Context.Context<any>) => {
      const find = (name: string): Tool<any, any, any> | undefined =>
        Object.hasOwn(tools, name) ? tools[name] : undefined
      return {
        describe: (name) => {
          const found = find(name)
          return found === undefined ? undefined : { ...found, success: found.success ?? Schema.Null }
        },
        execute: (call) => {
          const found = find(call.tool)
          return found === undefined
            ? Effect.fail(new UnknownTool({ tool: call.tool }))
            : within(context, runTool(found, call))
        }
      }
    })
  ) as Layer.Layer<ToolExecutor, never, any>

/**
 * Runs every tool by one function, which takes whatever name and arguments a plan has. An error of it that is none of
 * `ToolError` becomes `ToolFailed`.
 */
export const layerFunction = <Error = never, Requirements = never>(
  execute: (call: ToolCall) => Effect.Effect<unknown, Error, Requirements>
): Layer.Layer<ToolExecutor, never, Requirements> =>
  Layer.effect(
    ToolExecutor,
    Effect.contextWith((context: Context.Context<Requirements>) => ({
      describe: () => ({}),
      execute: (call) =>
        Effect.suspend(() => execute(call)).pipe(
          Effect.mapError((error) => failedBy(call.tool, error)),
          Effect.flatMap((result) => stored(call, result)),
          (called) => within(context, called)
        )
    }))
  )

/** What the caller provides, his span for one, goes before what there was when the layer was built. */
const within = <A, E, R>(context: Context.Context<R>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (caller: Context.Context<never>) => Context.merge(context, caller))

const runTool = ({ failure, parameters, run, success }: Tool<any, any, any>, call: ToolCall) => {
  const { tool } = call
  return ParseResult.decodeUnknown(parameters, { errors: "all", onExcessProperty: "error" })(call.arguments).pipe(
    Effect.mapError((issue) => new InvalidArguments({ tool, problems: problemsOf(issue).map(({ reason }) => reason) })),
    Effect.flatMap((decoded) =>
      Effect.mapError(Effect.suspend(() => run(decoded, call)), (error) => failedBy(tool, error, failure))
    ),
    Effect.flatMap((result) =>
      success === undefined
        ? Effect.succeed(null)
        : Effect.matchEffect(ParseResult.encodeUnknown(success)(result), {
          onFailure: (issue) => notStorable(call, ParseResult.TreeFormatter.formatIssueSync(issue)),
          onSuccess: (encoded) => stored(call, encoded)
        })
    )
  )
}

/** @internal What does not fit a schema, each with where it is, which the reason says too. */
export const problemsOf = (
  issue: ParseResult.ParseIssue
): ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey>; readonly reason: string }> =>
  ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ message, path }) => ({
    path,
    reason: path.length === 0 ? message : `${path.map(String).join(".")} ${message}`
  }))

const stored = (call: ToolCall, result: unknown) => {
  const problem = result === undefined ? undefined : notJson(result, "it")
  return problem === undefined
    ? Effect.succeed(result ?? null)
    : notStorable(call, `${problem}, which is not plain JSON`)
}

const notStorable = (call: ToolCall, problem: string) => Effect.fail(unreadable(call, problem))

/** It has happened, and cannot be told: that is no failure (S12). */
const unreadable = ({ tool }: ToolCall, problem: string) =>
  new OutcomeUnknown({ reason: `tool "${tool}" returned what cannot be stored: ${problem}` })

const failedBy = (
  tool: string,
  error: unknown,
  schema?: Schema.Schema<any, any>
): ToolError | OutcomeUnknown => {
  if (
    error instanceof OutcomeUnknown || error instanceof ToolFailed || error instanceof UnknownTool ||
    error instanceof InvalidArguments
  ) return error
  const encoded = schema === undefined ? Option.some(error) : Schema.encodeUnknownOption(schema)(error)
  const failure = Option.filter(encoded, (value) => value !== undefined && notJson(value) === undefined)
  const { message, tag } = describe(error)
  return new ToolFailed({ tool, tag, reason: message, ...Option.isSome(failure) ? { failure: failure.value } : {} })
}

/** The call that a handler of a toolkit is run for; undefined outside of one. Its idempotency key is there. */
export class CurrentCall extends Context.Reference<CurrentCall>()("effect-saga/ToolExecutor/CurrentCall", {
  defaultValue: (): ToolCall | undefined => undefined
}) {}

/** What is used of a toolkit of `@effect/ai`, with its handlers. */
export interface Toolkit {
  readonly tools: Readonly<
    Record<string, {
      readonly description?: string | undefined
      readonly parametersSchema: Schema.Schema<any, any, any>
      readonly successSchema: Schema.Schema<any, any, any>
    }>
  >
  readonly handle: (
    tool: never,
    parameters: never
  ) => Effect.Effect<{ readonly isFailure: boolean; readonly encodedResult: unknown }, any, any>
}

/**
 * Runs the tools of a toolkit of `@effect/ai`, which is an effect that gives its handlers. A handler finds its idempotency key in
 * {@link CurrentCall}. `inDoubt` is as in {@link tool}, by the tool's name.
 */
export const layerToolkit = <Kit extends Toolkit, E, R>(
  toolkit: Effect.Effect<Kit, E, R>,
  options: { readonly inDoubt?: { readonly [Name in keyof Kit["tools"]]?: "retry" | "park" } } = {}
): Layer.Layer<ToolExecutor, E, R> =>
  Layer.unwrapEffect(Effect.map(toolkit, ({ handle, tools }) =>
    layer(Object.fromEntries(
      Object.entries(tools).map(([name, { description, parametersSchema, successSchema }]) => [
        name,
        {
          description,
          parameters: parametersSchema as Schema.Schema<unknown>,
          success: Schema.encodedSchema(successSchema),
          inDoubt: options.inDoubt?.[name],
          // A handler decodes by itself.
          run: (_, call) =>
            (handle as (name: string, parameters: unknown) => ReturnType<Toolkit["handle"]>)(name, call.arguments).pipe(
              Effect.provideService(CurrentCall, call),
              Effect.mapError((error) => fromToolkit(call, error)),
              Effect.flatMap(({ encodedResult, isFailure }) =>
                isFailure ? Effect.fail(failedBy(call.tool, encodedResult)) : Effect.succeed(encodedResult)
              )
            )
        } satisfies Tool<unknown, unknown, never>
      ])
    )))) as Layer.Layer<ToolExecutor, E, R>

/** By this tag a toolkit tells that it cannot read what a handler returned. */
const fromToolkit = (call: ToolCall, error: unknown): ToolError | OutcomeUnknown => {
  const { message, tag } = describe(error)
  return tag === "MalformedInput" ? unreadable(call, message) : failedBy(call.tool, error)
}
