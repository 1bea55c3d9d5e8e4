/**
 * Runs the tools that a plan names.
 *
 * A tool with a side effect keeps the rule of every action: it fails, or dies, only if it had no effect, and fails with
 * `OutcomeUnknown` when it cannot tell. It may be called again under the same idempotency key.
 */
import { Cause, Context, Effect, Either, Layer, Option, ParseResult, Schema } from "effect"
import type { MissingToolSuccess } from "../definition/messages.ts"
import type { NotGiven } from "../definition/owed.ts"
import type { IdempotencyKey } from "../definition/Step.ts"
import { OutcomeUnknown } from "../SagaError.ts"
import { decodeAll, told } from "../values/decode.ts"
import { describe } from "../values/describe.ts"
import { copied, notJson } from "../values/json.ts"

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
  /**
   * Whether it only reads. A tool that says `false` may not be called by a ReadOnly step or a `verify`: nobody would undo what it
   * does. Of a tool that says nothing the plan's word is taken.
   */
  readonly readOnly?: boolean | undefined
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

/** A tool, and the services that it needs. Made by {@link tool}. */
export interface Tool<out Requirements> extends Description {
  readonly parameters: Schema.Schema<any, any>
  readonly failure?: Schema.Schema<any, any> | undefined
  readonly run: (parameters: any, call: ToolCall) => Effect.Effect<unknown, unknown, Requirements>
}

/**
 * Describes a tool. `parameters` decodes the arguments of each call, `success` encodes the result, without which it has none, and
 * `failure` the tool's own errors; without it they are told by tag and message.
 *
 * Say `inDoubt: "retry"` of a tool that honours its idempotency key, so that a plan need not: a call that may or may not have
 * happened is then made again under the same key. `"park"` leaves it to a person. Say `readOnly: true` of a tool without a side
 * effect: no other can be called by a ReadOnly step, whatever a plan says of it.
 */
export const tool = <Parameters, Result = void, Success = NotGiven, Failure = unknown, Requirements = never>(options: {
  /** For whoever writes plans: people and models. */
  readonly description?: string
  readonly parameters: Schema.Schema<Parameters, any>
  readonly success?: Success & Schema.Schema<Result, any>
  readonly failure?: Schema.Schema<Failure, any>
  readonly inDoubt?: "retry" | "park"
  /** `false` by default. */
  readonly readOnly?: boolean
  readonly run: (
    parameters: Parameters,
    call: ToolCall
  ) => Effect.Effect<Result, NoInfer<Failure> | OutcomeUnknown | ToolError, Requirements>
}): NotGiven extends Success ? [Result] extends [void] ? Tool<Requirements> : MissingToolSuccess
  : Tool<Requirements> => ({ readOnly: false, ...options }) as any

/** The services that a tool needs, or any of several. */
export type Requirements<T> = T extends Tool<infer R> ? R : never

/** Runs the tools of a record, by their names in it. What a tool needs is taken from where the layer is built. */
export const layer = <const Tools extends Readonly<Record<string, Tool<any>>>>(
  tools: Tools
): Layer.Layer<ToolExecutor, never, Requirements<Tools[keyof Tools]>> =>
  Layer.effect(
    ToolExecutor,
    Effect.contextWith((context: Context.Context<any>) => {
      const find = (name: string): Tool<any> | undefined => Object.hasOwn(tools, name) ? tools[name] : undefined
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
          Effect.mapErrorCause(Cause.map((error) => failedBy(call.tool, error))),
          Effect.flatMap((result) => stored(call, result)),
          (called) => within(context, called)
        )
    }))
  )

/** What the caller provides, his span for one, goes before what there was when the layer was built. */
const within = <A, E, R>(context: Context.Context<R>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> =>
  Effect.mapInputContext(effect, (caller: Context.Context<never>) => Context.merge(context, caller))

const runTool = ({ failure, parameters, run, success }: Tool<any>, call: ToolCall) => {
  const { tool } = call
  return Effect.flatMap(decoded(parameters, call), (parameters) =>
    Effect.suspend(() => run(parameters, call)).pipe(
      Effect.mapErrorCause(Cause.map((error) => failedBy(tool, error, failure))),
      Effect.flatMap((result) => success === undefined ? Effect.succeed(null) : encoded(success, call, result))
    ))
}

const decoded = <A>(parameters: Schema.Schema<A, any>, { arguments: given, tool }: ToolCall) =>
  Effect.suspend((): Effect.Effect<A, InvalidArguments> => {
    const wrong = (problems: ReadonlyArray<string>) => Effect.fail(new InvalidArguments({ tool, problems }))
    const now = decodeAll(parameters, given)
    if (Either.isRight(now)) return Effect.succeed(now.right)
    if (typeof now.left === "string") return wrong([now.left])
    return Effect.catchAll(
      // A schema that needs time says so where it is asked at once.
      ParseResult.decodeUnknown(parameters, { errors: "all", onExcessProperty: "error" })(given),
      (issue) => wrong(told(issue).map(({ reason }) => reason))
    )
  })

const encoded = (success: Schema.Schema<any, any>, call: ToolCall, result: unknown) =>
  Effect.matchCauseEffect(Effect.suspend(() => Schema.encodeUnknown(success)(result)), {
    onFailure: (cause) => unread(call, describe(Cause.squash(cause)).message),
    onSuccess: (encoded) => stored(call, encoded)
  })

const stored = (call: ToolCall, result: unknown) => {
  const problem = result === undefined ? undefined : notJson(result, "it")
  return problem === undefined
    ? Effect.succeed(copied(result) ?? null)
    : unread(call, `${problem}, which is not plain JSON`)
}

/** It has happened, and cannot be told: that is no failure (S12). Of a compensation nobody asks. */
const unread = (call: ToolCall, problem: string) =>
  call.role === "compensation" ? Effect.succeed(null) : Effect.fail(unreadable(call, problem))

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
      readonly annotations: Context.Context<never>
    }>
  >
  readonly handle: (
    tool: never,
    parameters: never
  ) => Effect.Effect<{ readonly isFailure: boolean; readonly encodedResult: unknown }, any, any>
}

/**
 * Runs the tools of a toolkit of `@effect/ai`, which is an effect that gives its handlers. A handler finds its idempotency key in
 * {@link CurrentCall}.
 *
 * A tool that is annotated with `Tool.Readonly` may be called by ReadOnly steps, and a doubt about one that is annotated with
 * `Tool.Idempotent` is settled by another call; `inDoubt`, by the tool's name, says otherwise.
 */
export const layerToolkit = <Kit extends Toolkit, E, R>(
  toolkit: Effect.Effect<Kit, E, R>,
  options: { readonly inDoubt?: { readonly [Name in keyof Kit["tools"]]?: "retry" | "park" } } = {}
): Layer.Layer<ToolExecutor, E, R> =>
  Layer.unwrapEffect(Effect.map(toolkit, ({ handle, tools }) =>
    layer(Object.fromEntries(
      Object.entries(tools).map(([name, { annotations, description, parametersSchema, successSchema }]) => [
        name,
        {
          description,
          readOnly: annotations.unsafeMap.get("@effect/ai/Tool/Readonly") === true,
          parameters: parametersSchema as Schema.Schema<unknown>,
          success: Schema.encodedSchema(successSchema),
          inDoubt: Object.hasOwn(options.inDoubt ?? {}, name)
            ? options.inDoubt?.[name]
            : annotations.unsafeMap.get("@effect/ai/Tool/Idempotent") === true
            ? "retry"
            : undefined,
          // A handler decodes by itself.
          run: (_, call) =>
            (handle as (name: string, parameters: unknown) => ReturnType<Toolkit["handle"]>)(name, call.arguments).pipe(
              Effect.provideService(CurrentCall, call),
              Effect.mapErrorCause(Cause.map((error) => fromToolkit(call, error))),
              Effect.flatMap(({ encodedResult, isFailure }) =>
                isFailure ? Effect.fail(failedBy(call.tool, encodedResult)) : Effect.succeed(encodedResult)
              )
            )
        } satisfies Tool<never>
      ])
    )))) as Layer.Layer<ToolExecutor, E, R>

/** By this tag a toolkit tells that it cannot read what a handler returned. */
const fromToolkit = (call: ToolCall, error: unknown): ToolError | OutcomeUnknown => {
  const { message, tag } = describe(error)
  return tag === "MalformedInput" ? unreadable(call, message) : failedBy(call.tool, error)
}
