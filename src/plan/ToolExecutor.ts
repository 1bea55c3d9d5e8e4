/**
 * Runs the tools that a plan names.
 *
 * A tool with a side effect keeps the rule of every action: it fails, or dies, only if it had no effect, and fails with
 * `OutcomeUnknown` when it cannot tell. It may be called again under the same idempotency key.
 */
import { Cause, Context, Effect, Layer, Option, Schema } from "effect"
import type { MissingToolSuccess } from "../definition/messages.ts"
import type { NotGiven } from "../definition/owed.ts"
import type { IdempotencyKey } from "../definition/Step.ts"
import { is, type OutcomeUnknown } from "../SagaError.ts"
import { describe } from "../values/describe.ts"
import { notJson } from "../values/json.ts"
import * as schemas from "../values/schema.ts"
import { visible } from "../values/visible.ts"
import { checkedLimits, type Limits, limitsOf } from "./limits.ts"
import { firstProblems } from "./problems.ts"
import { endUnreadable, unreadableResult } from "./results.ts"
import type { Declared } from "./trust.ts"

export { defaultLimits, InvalidLimits, type Limits } from "./limits.ts"

/** A call does a step, undoes it, or asks whether it happened. */
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
 * A tool refused, and had no effect. `tag` and `reason` say why. If the tool has a `failure` schema, `failure` is its own error as that
 * encodes it. The author of the plan must act, or the operator of the system that the tool calls.
 */
export class ToolFailed extends Schema.TaggedError<ToolFailed>("effect-saga/ToolFailed")("ToolFailed", {
  tool: Schema.String,
  tag: Schema.String,
  reason: Schema.String,
  failure: Schema.optional(Schema.Unknown)
}) {
  override get message() {
    return visible(`tool "${this.tool}" failed: ${this.reason}`)
  }
}

/** There is no tool of this name, so nothing was called. The author of the plan must act, or the host that provides the tools. */
export class UnknownTool extends Schema.TaggedError<UnknownTool>("effect-saga/UnknownTool")("UnknownTool", {
  tool: Schema.String
}) {
  override get message() {
    return `there is no tool "${visible(this.tool)}"`
  }
}

/**
 * The arguments are not what the tool takes, so it was not called: `problems` says what is wrong and where, and last how
 * many more problems there are than 100. The author of the plan must act.
 */
export class InvalidArguments extends Schema.TaggedError<InvalidArguments>("effect-saga/InvalidArguments")(
  "InvalidArguments",
  { tool: Schema.String, problems: Schema.Array(Schema.String) }
) {
  override get message() {
    return visible(`tool "${this.tool}" does not take these arguments: ${this.problems.join("; ")}`)
  }
}

/** How a call can fail without having had an effect. */
export type ToolError = ToolFailed | UnknownTool | InvalidArguments

/** A tool as its owner describes it. */
export interface Description extends Declared {
  readonly description?: string | undefined
  /** The schema of its arguments. They are checked against it before a plan is accepted, and again when all of them are known. */
  readonly parameters?: Schema.Schema<any, any> | undefined
  /** The schema of its result. References into its output are checked against it before a plan is accepted. */
  readonly success?: Schema.Schema<any, any> | undefined
  /**
   * The policy for doubts about it: see `InDoubtPolicy`. It is the policy of a step that says none, and the limit of one that does: a
   * plan may leave any doubt to a person, but of a tool whose owner says `"park"` it may say nothing else.
   */
  readonly inDoubt?: "retry" | "park" | undefined
  /** How far a plan may go with it, where the host of plans allows no less. */
  readonly limits?: Partial<Limits> | undefined
}

/** Runs tools by name. */
export interface Service {
  /** The description of the tool of this name; undefined if there is none. */
  readonly describe: (tool: string) => Description | undefined
  /** How far a plan may go with any tool; without it as far as `defaultLimits` say. */
  readonly limits?: Partial<Limits> | undefined
  /** Calls it. The result must be plain JSON. */
  readonly execute: (call: ToolCall) => Effect.Effect<unknown, ToolError | OutcomeUnknown>
}

/** Options of the host of plans, beside its tools. */
export interface Options {
  /** How far a plan may go: see `Limits`. Those that are left out are `defaultLimits`. */
  readonly limits?: Partial<Limits> | undefined
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
 * `failure` the tool's own errors; without it only their tag and message are stored.
 *
 * Say `inDoubt: "retry"` of a tool that honours its idempotency key, so that a plan need not: a call that may or may not have
 * happened is then made again under the same key. `"park"` leaves it to a person, whatever a plan says. `limits` say how far a plan
 * may go with it.
 *
 * `classification` and `compensatedBy` say what the tool is, and a plan that says otherwise is refused. Say `"ReadOnly"` of a tool without
 * a side effect, and `"Final"` of one that nothing reverses. One that says which tools undo it is `"Compensatable"`; of one that says
 * neither a plan may choose, but it is not ReadOnly.
 *
 * Throws `InvalidLimits` for limits that are none.
 */
export const tool = <Parameters, Result = void, Success = NotGiven, Failure = unknown, Requirements = never>(options: {
  /** For the authors of plans: people and models. */
  readonly description?: string
  readonly parameters: Schema.Schema<Parameters, any>
  readonly success?: Success & Schema.Schema<Result, any>
  readonly failure?: Schema.Schema<Failure, any>
  readonly inDoubt?: "retry" | "park"
  readonly limits?: Partial<Limits>
  /** `"Compensatable"` by default where `compensatedBy` is given, else `["Compensatable", "Final"]`. */
  readonly classification?: Declared["classification"]
  readonly compensatedBy?: ReadonlyArray<string>
  readonly run: (
    parameters: Parameters,
    call: ToolCall
  ) => Effect.Effect<Result, NoInfer<Failure> | OutcomeUnknown | ToolError, Requirements>
}): NotGiven extends Success ? [Result] extends [void] ? Tool<Requirements> : MissingToolSuccess
  : Tool<Requirements> =>
  ({
    ...options,
    classification: classificationOf(options),
    limits: checkedLimits(options.limits)
  }) as any

/** The services that a tool needs, or any of several. */
export type Requirements<T> = T extends Tool<infer R> ? R : never

/**
 * Runs the tools of a record, by their names in it. The services that a tool needs are taken from where the layer is built. Throws
 * `InvalidLimits` for limits that are none, or that leave a tool no time together with those of its owner.
 */
export const layer = <const Tools extends Readonly<Record<string, Tool<any>>>>(
  tools: Tools,
  options: Options = {}
): Layer.Layer<ToolExecutor, never, Requirements<Tools[keyof Tools]>> => {
  const limits = checkedLimits(options.limits)
  const find = (name: string): Tool<any> | undefined => Object.hasOwn(tools, name) ? tools[name] : undefined
  // Now and not with the first plan: limits of an owner and of the host that leave a tool no time are a mistake of this program.
  checkTools(tools, limits)
  return Layer.effect(
    ToolExecutor,
    Effect.contextWith((context: Context.Context<any>): Service => ({
      limits,
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
    }))
  ) as Layer.Layer<ToolExecutor, never, any>
}

/** Each tool with the classifications that {@link tool} gives to one of which its owner says nothing. */
const withClassifications = (tools: Readonly<Record<string, Description>>): Readonly<Record<string, Description>> =>
  Object.fromEntries(
    Object.entries(tools).map(([name, description]) => [
      name,
      { ...description, classification: classificationOf(description) }
    ])
  )

const classificationOf = ({ classification, compensatedBy }: Declared): NonNullable<Declared["classification"]> =>
  classification ?? (compensatedBy === undefined ? ["Compensatable", "Final"] : "Compensatable")

/** Throws `InvalidLimits` where the declarations of a tool's owner and of the host cannot be kept. */
const checkTools = (tools: Readonly<Record<string, Description>>, limits: Partial<Limits>): void => {
  const describe = (name: string) => Object.hasOwn(tools, name) ? tools[name] : undefined
  for (const name of Object.keys(tools)) limitsOf({ describe, limits }, name)
}

/** Options of the host of plans, beside the function that runs its tools. */
export interface FunctionOptions extends Options {
  /** The tools that there are, by their names. Without them each name is a tool, and plans are believed about it. */
  readonly tools?: Readonly<Record<string, Description>> | undefined
}

/**
 * Runs every tool by one function, which takes whatever name and arguments a plan has. Its errors other than those of `ToolError`
 * become `ToolFailed`, with their tag and message. With `tools` no others are called, and plans are held to what those say;
 * `Plan.fromMcpTools` makes them of the list of an MCP server. Throws `InvalidLimits` for limits that are none.
 */
export const layerFunction = <Error = never, Requirements = never>(
  execute: (call: ToolCall) => Effect.Effect<unknown, Error, Requirements>,
  options: FunctionOptions = {}
): Layer.Layer<ToolExecutor, never, Requirements> => {
  const limits = checkedLimits(options.limits)
  const tools = options.tools && withClassifications(options.tools)
  if (tools !== undefined) checkTools(tools, limits)
  return Layer.effect(
    ToolExecutor,
    Effect.contextWith((context: Context.Context<Requirements>): Service => ({
      limits,
      describe: (name) => tools === undefined ? {} : Object.hasOwn(tools, name) ? tools[name] : undefined,
      execute: (call) =>
        tools !== undefined && !Object.hasOwn(tools, call.tool)
          ? Effect.fail(new UnknownTool({ tool: call.tool }))
          : Effect.suspend(() => execute(call)).pipe(
            Effect.mapErrorCause(Cause.map((error) => failedBy(call.tool, error, undefined))),
            (called) => within(context, called)
          )
    }))
  )
}

/** The caller's context, his span for one, wins over the one from when the layer was built. */
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

const decoded = (parameters: Schema.Schema<any, any>, { arguments: given, tool }: ToolCall) =>
  Effect.suspend(() =>
    Effect.mapError(schemas.decodeStrictly(parameters, given), (refusal) => {
      const reasons = schemas.problemsOf(refusal).map(({ reason }) => reason)
      return new InvalidArguments({ tool, problems: firstProblems(reasons) })
    })
  )

const encoded = (success: Schema.Schema<any, any>, call: ToolCall, result: unknown) =>
  Effect.matchEffect(Effect.suspend(() => schemas.encodeToStore(success, result)), {
    onFailure: (problem) => endUnreadable(call, problem),
    onSuccess: Effect.succeed
  })

const failedBy = (
  tool: string,
  error: unknown,
  schema: Schema.Schema<any, any> | undefined
): ToolError | OutcomeUnknown => {
  if (is("OutcomeUnknown")(error) || isToolError(error)) return error
  const encoded = schema === undefined ? Option.none() : schemas.encodeNow(schema, error)
  const failure = Option.filter(encoded, (value) => value !== undefined && notJson(value) === undefined)
  const { message, tag } = describe(error)
  return new ToolFailed({ tool, tag, reason: message, ...Option.isSome(failure) ? { failure: failure.value } : {} })
}

const toolErrors: { readonly [Tag in ToolError["_tag"]]: true } = {
  ToolFailed: true,
  UnknownTool: true,
  InvalidArguments: true
}

/** By its tag, for its class may be that of another copy of the package; a tool's own error of that tag may lack the rest. */
const isToolError = (error: unknown): error is ToolError =>
  Object.hasOwn(toolErrors, describe(error).tag) && typeof (error as Partial<ToolError>).tool === "string"

/** The call that a handler of a toolkit is run for, with its idempotency key; undefined outside of one. */
export class CurrentCall extends Context.Reference<CurrentCall>()("effect-saga/ToolExecutor/CurrentCall", {
  defaultValue: (): ToolCall | undefined => undefined
}) {}

/** The part of a toolkit of `@effect/ai`, with its handlers, that is used here. */
export interface Toolkit {
  readonly tools: Readonly<
    Record<string, {
      readonly description?: string | undefined
      readonly parametersSchema: Schema.Schema<any, any, any>
      readonly successSchema: Schema.Schema<any, any, any>
      readonly failureSchema: Schema.Schema.All
      readonly annotations: Context.Context<never>
    }>
  >
  readonly handle: (
    tool: never,
    parameters: never
  ) => Effect.Effect<{ readonly isFailure: boolean; readonly encodedResult: unknown }, any, any>
}

/** Options of the host of plans, beside its toolkit. */
export interface ToolkitOptions<Kit extends Toolkit> extends Options {
  /** What the host says of a tool, by the tool's name: it wins over the tool's annotations. */
  readonly tools?: {
    readonly [Name in keyof Kit["tools"]]?: Pick<Description, "inDoubt" | "limits" | "classification" | "compensatedBy">
  }
}

/**
 * Runs the tools of a toolkit of `@effect/ai`, which is an effect that gives its handlers. A handler finds its idempotency key in
 * {@link CurrentCall}.
 *
 * A tool that is annotated with `Tool.Readonly` may be called by ReadOnly steps, and a doubt about one that is annotated with
 * `Tool.Idempotent` is settled by another call; `tools`, by the tool's name, says otherwise, and which tools undo it.
 */
export const layerToolkit = <Kit extends Toolkit, E, R>(
  toolkit: Effect.Effect<Kit, E, R>,
  options: ToolkitOptions<Kit> = {}
): Layer.Layer<ToolExecutor, E, R> =>
  Layer.unwrapEffect(Effect.map(toolkit, ({ handle, tools }) =>
    layer(
      Object.fromEntries(
        Object.entries(tools).map(([name, tool]) => {
          const own = Object.hasOwn(options.tools ?? {}, name) ? options.tools?.[name] : undefined
          return [name, ofToolkit(tool, handle as Handle, own ?? {})]
        })
      ),
      options
    ))) as Layer.Layer<ToolExecutor, E, R>

type Handle = (tool: string, parameters: unknown) => ReturnType<Toolkit["handle"]>

const ofToolkit = (
  { annotations, description, failureSchema, parametersSchema, successSchema }: Toolkit["tools"][string],
  handle: Handle,
  own: Pick<Description, "inDoubt" | "limits" | "classification" | "compensatedBy">
): Tool<any> => {
  const failure = failureSchema as Schema.Schema<any, any>
  return {
    description,
    classification: own.classification ?? (own.compensatedBy !== undefined
      ? "Compensatable"
      : annotations.unsafeMap.get("@effect/ai/Tool/Readonly") === true
      ? "ReadOnly"
      : ["Compensatable", "Final"]),
    compensatedBy: own.compensatedBy,
    limits: own.limits,
    parameters: parametersSchema as Schema.Schema<any, any>,
    success: Schema.encodedSchema(successSchema),
    failure,
    inDoubt: own.inDoubt ?? (annotations.unsafeMap.get("@effect/ai/Tool/Idempotent") === true ? "retry" : undefined),
    // A handler decodes by itself.
    run: (_, call) =>
      handle(call.tool, call.arguments).pipe(
        Effect.provideService(CurrentCall, call),
        Effect.mapErrorCause(Cause.map((error) => fromToolkit(call, error))),
        Effect.flatMap(({ encodedResult, isFailure }) =>
          isFailure
            ? Effect.fail(Option.getOrElse(schemas.decodeNow(failure, encodedResult), () => encodedResult))
            : Effect.succeed(encodedResult)
        )
      )
  }
}

/** An error of a toolkit's own, or of a handler. */
const fromToolkit = (call: ToolCall, error: unknown): unknown => {
  const { message, tag } = describe(error)
  // The toolkit could not encode the handler's result.
  if (tag === "MalformedInput") return unreadableResult(call, message)
  // The toolkit could not decode the arguments. Its message quotes them, and with them their secrets.
  if (tag === "MalformedOutput" && (error as { readonly module?: unknown }).module === "Toolkit") {
    return new InvalidArguments({ tool: call.tool, problems: ["the toolkit cannot decode them"] })
  }
  return error
}
