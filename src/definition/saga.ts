/** The classes behind the types of the builder and of a built saga. */
import * as Inspectable from "effect/Inspectable"
import { pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import type { Classification } from "../Journal.ts"
import { InvalidItems } from "../SagaError.ts"
import { type Any, type Saga, TypeId } from "./built.ts"
import type {
  Definition,
  ForEach,
  Nested,
  NodeDefinition,
  ParallelOptions,
  Program,
  StepDefinition,
  WaitDefinition
} from "./definition.ts"
import { make as makeProgram } from "./program.ts"
import type { AsRecoveredFailure } from "./Step.ts"

/** A step as its author wrote it. From here on a step that declines an `error` schema is one that has none. */
interface WrittenStep extends Omit<StepDefinition, "error"> {
  readonly error?: StepDefinition["error"] | AsRecoveredFailure
}

/** A list as its author wrote it. */
interface WrittenList extends ParallelOptions, Pick<ForEach, "items"> {
  readonly key?: ForEach["keyOf"]
  readonly step: Any
}

/** The members that a definition gets when it is built. */
export type Ending = "nodes" | "project" | "success"

/** Collects the nodes of a saga. Its public type is `SagaBuilder`, which tracks names, errors and what is owed. */
export class Builder {
  private readonly header: Omit<Definition, Ending>
  readonly nodes: Definition["nodes"]
  constructor(header: Omit<Definition, Ending>, nodes: Definition["nodes"]) {
    this.header = header
    this.nodes = nodes
  }
  private with(node: NodeDefinition) {
    return new Builder(this.header, [...this.nodes, node])
  }
  private step(name: string, classification: Classification, step: WrittenStep) {
    const error = step.error === "asRecoveredFailure" ? undefined : step.error
    return this.with({ ...step, error, _tag: "Step", name, classification })
  }
  readOnly(name: string, step: WrittenStep) {
    return this.step(name, "ReadOnly", step)
  }
  compensatable(name: string, step: WrittenStep) {
    return this.step(name, "Compensatable", step)
  }
  final(name: string, step: WrittenStep) {
    return this.step(name, "Final", step)
  }
  wait(
    name: string,
    signal: NonNullable<WaitDefinition["signal"]>,
    options?: { readonly timeout?: WaitDefinition["until"]; readonly onTimeout?: WaitDefinition["onTimeout"] }
  ) {
    const { onTimeout = "fail", timeout } = options ?? {}
    return this.with({ _tag: "Wait", name, signal, until: timeout, onTimeout })
  }
  sleep(name: string, howLong: NonNullable<WaitDefinition["until"]>) {
    return this.with({ _tag: "Wait", name, signal: undefined, until: howLong, onTimeout: { value: undefined } })
  }
  saga(name: string, nested: Any, { input }: { readonly input: Nested["nestedInput"] }) {
    return this.with({
      _tag: "Nested",
      name,
      path: name,
      error: undefined,
      program: programOf(nested),
      nestedInput: input
    })
  }
  parallel(branches: (branch: Builder) => Builder, options?: ParallelOptions) {
    const nodes = branches(new Builder(this.header, [])).nodes
    // The type of a branch has no `parallel`, and no `final`; the rest is checked by `build()`.
    return this.with({ ...options, _tag: "Parallel", nodes: nodes as ReadonlyArray<StepDefinition | Nested> })
  }
  forEach(name: string, { concurrency, items, key, step, unwind }: WrittenList) {
    const program = programOf(step)
    return this.with({
      _tag: "ForEach",
      name,
      path: name,
      error: InvalidItems,
      program,
      programOf: () => program,
      items,
      keyOf: key,
      concurrency,
      unwind,
      listed: undefined
    })
  }
  build(project: Definition["project"] = ({ outputs }) => outputs, options?: Partial<Pick<Definition, "success">>) {
    return new SagaImpl(makeProgram({ ...this.header, nodes: this.nodes, project, success: options?.success }))
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const typeParameters: any = {}

class SagaImpl implements Saga<never, unknown, unknown, unknown, string> {
  readonly [TypeId] = typeParameters
  readonly name: string
  readonly version: number
  declare readonly program: Program
  constructor(program: Program) {
    // Not enumerable, so that comparing or copying a saga does not walk through its schemas and functions.
    Object.defineProperty(this, "program", { value: program })
    this.name = program.name
    this.version = program.version
  }
  get steps(): Any["steps"] {
    return this.program.steps.map(({ classification, path }) => ({ name: path, classification }))
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
  toJSON() {
    const { name, steps, version } = this
    return { _id: "Saga", name, version, steps }
  }
  toString() {
    return Inspectable.format(this.toJSON())
  }
  [Inspectable.NodeInspectSymbol]() {
    return this.toJSON()
  }
}

/** Whether a value is a built saga. */
export const isSaga = (value: unknown): value is Any => hasProperty(value, TypeId)

/** The program tree of a saga. */
export const programOf = (saga: Any): Program => (saga as SagaImpl).program

/** Wraps a program as a saga of the type of the saga that it was derived from. */
export const ofProgram = <S extends Any>(program: Program): S => new SagaImpl(program) as Any as S
