/**
 * Makes the frozen tree of a saga. The builder and plans use it; nothing downstream knows how a saga was written.
 */
import { classifications } from "../journal/statuses.ts"
import { InvalidSaga } from "../SagaError.ts"
import { canonical } from "../values/json.ts"
import {
  type Defaults,
  type Definition,
  type ForEach,
  type Lists,
  type Nested,
  type Node,
  type Parallel,
  planEntry,
  type Program,
  type StepDefinition,
  type StepNode,
  type Wait,
  type WaitDefinition
} from "./definition.ts"
import { anyKey } from "./lists.ts"
import { brokenRules } from "./rules.ts"
import type { IdempotencyKey } from "./Step.ts"
import { entryOfWait, stepOfWait } from "./wait.ts"

/** Checks the rules that hold for every saga, however it was written, and freezes it. Throws `InvalidSaga`. */
export const make = ({ defaults, ...definition }: Definition): Program => {
  const problems = brokenRules({ defaults, ...definition })
  if (problems.length > 0) {
    throw new InvalidSaga({ saga: definition.name, problems: problems.map(({ message }) => message) })
  }
  return new FrozenProgram(definition, definition.nodes.map(placed(defaults)), atRoot)
}

/**
 * A case for each kind of node. Every walk through a tree is one of these, so that a new kind of node does not compile until each
 * walk has a case for it.
 */
interface Cases<Step, A> {
  readonly Step: (step: Step) => A
  readonly Wait: (wait: Wait | WaitDefinition) => A
  /** `inside` are the results for its nodes, made when they are asked for. */
  readonly Nested: (nested: Nested, inside: () => ReadonlyArray<A>) => A
  readonly Parallel: (block: Parallel<Step | Nested>, inside: ReadonlyArray<A>) => A
  /** `inside` are the results for the nodes of every item's saga. */
  readonly ForEach: (list: ForEach, inside: () => ReadonlyArray<A>) => A
}

type Tree<Step> = Step | Wait | WaitDefinition | Nested | Parallel<Step | Nested> | ForEach

/** The one walk through a tree of nodes. A nested saga's own steps are always placed. */
const fold = <Step extends StepDefinition, A>(cases: Cases<Step | StepNode, A>) => {
  const walk = (node: Tree<Step | StepNode>): A => {
    switch (node._tag) {
      case "Step":
        return cases.Step(node)
      case "Wait":
        return cases.Wait(node)
      case "Nested":
        return cases.Nested(node, () => node.program.nodes.map(walk))
      case "Parallel":
        return cases.Parallel(node, node.nodes.map(walk))
      case "ForEach":
        return cases.ForEach(node, () => node.program.nodes.map(walk))
    }
  }
  return walk as (node: Tree<Step>) => A
}

/** The same tree with its steps, nested sagas and lists replaced. */
const rebuild = <Step extends StepDefinition>(replace: {
  readonly Step: (step: Step | StepNode) => StepNode
  readonly Wait: (wait: Wait | WaitDefinition) => Wait
  readonly Nested: (nested: Nested) => Nested
  readonly ForEach: (list: ForEach) => ForEach
}) =>
  fold<Step, Node>({
    Step: (step) => Object.freeze(replace.Step(step)),
    Wait: (wait) => Object.freeze(replace.Wait(wait)),
    Nested: (nested) => Object.freeze(replace.Nested(nested)),
    ForEach: (list) => Object.freeze(replace.ForEach(list)),
    // A block holds no block, so neither does what is made of it.
    Parallel: (block, inside) =>
      Object.freeze({ ...block, nodes: Object.freeze(inside as ReadonlyArray<StepNode | Nested>) })
  })

const stepsOf = fold<StepNode, ReadonlyArray<StepNode>>({
  Step: (step) => [step as StepNode],
  Wait: (wait) => [(wait as Wait).step],
  Nested: (nested) => nested.program.steps,
  Parallel: (_, inside) => inside.flat(),
  ForEach: ({ listed, program }) => listed === undefined ? program.steps : listed.flatMap(({ steps }) => steps)
})

const hasLists = fold<StepNode, boolean>({
  Step: () => false,
  Wait: () => false,
  Nested: ({ program }) => program.hasLists,
  Parallel: (_, inside) => inside.some((has) => has),
  ForEach: () => true
})

const hasParallel = fold<StepNode, boolean>({
  Step: () => false,
  Wait: () => false,
  Nested: ({ program }) => program.hasParallel,
  Parallel: () => true,
  ForEach: ({ concurrency, program, unwind }) =>
    (concurrency ?? 1) !== 1 || unwind === "parallel" || program.hasParallel
})

const firstFinal = fold<StepDefinition, string | undefined>({
  Step: ({ classification, name }) => classifications[classification].commits ? name : undefined,
  Wait: () => undefined,
  Nested: ({ name, program }) => program.firstFinal === undefined ? undefined : `${name}/${program.firstFinal}`,
  Parallel: (_, inside) => inside.find((final) => final !== undefined),
  // The rules refuse a Final in it.
  ForEach: () => undefined
})

const firstTransaction = fold<StepDefinition, string | undefined>({
  Step: ({ name, transaction }) => transaction === true ? name : undefined,
  Wait: () => undefined,
  Nested: ({ name, program }) =>
    program.firstTransaction === undefined ? undefined : `${name}/${program.firstTransaction}`,
  Parallel: (_, inside) => inside.find((step) => step !== undefined),
  ForEach: ({ name, program }) =>
    program.firstTransaction === undefined ? undefined : `${name}/${anyKey}/${program.firstTransaction}`
})

const firstWait = fold<StepDefinition, string | undefined>({
  Step: () => undefined,
  Wait: ({ name }) => name,
  Nested: ({ name, program }) => program.firstWait === undefined ? undefined : `${name}/${program.firstWait}`,
  Parallel: (_, inside) => inside.find((wait) => wait !== undefined),
  // The rules refuse one in it.
  ForEach: () => undefined
})

const waitsIn = fold<StepNode, ReadonlyArray<Wait>>({
  Step: () => [],
  Wait: (wait) => [wait as Wait],
  Nested: (_, inside) => inside().flat(),
  Parallel: (_, inside) => inside.flat(),
  ForEach: () => []
})

/** The steps of a saga that wait, those of nested sagas too. */
export const waitsOf = ({ nodes }: Program): ReadonlyArray<Wait> => nodes.flatMap(waitsIn)

const entriesOf = fold<StepNode, ReadonlyArray<string>>({
  Step: (step) => [`${step.classification} "${(step as StepNode).path}"`],
  Wait: (wait) => [entryOfWait((wait as Wait).step.path, wait.signal?.name)],
  Nested: ({ program: { plan } }, inside) => [
    ...plan === undefined ? [] : [planEntry + canonical(plan)],
    ...inside().flat()
  ],
  Parallel: (_, inside) => ["a parallel block", ...inside.flat(), "its end"],
  ForEach: ({ path, program: { plan } }, inside) => [
    `for each "${path}"`,
    ...plan === undefined ? [] : [planEntry + canonical(plan)],
    ...inside().flat(),
    "its end"
  ]
})

/** The place of a saga in the outermost one: the beginning of the paths and keys of its steps. */
interface Place {
  readonly path: string
  readonly key: string
}

const atRoot: Place = { path: "", key: "" }

const inside = (place: Place, name: string): Place => ({
  path: `${place.path}${name}/`,
  key: `${place.key}${encodeURIComponent(name)}/`
})

/** The nodes of a definition as those of a saga that stands by itself, with the policies that its steps have by default. */
const placed = (defaults: Defaults) =>
  rebuild<StepDefinition>({
    Step: (step) => placeStep(step, defaults),
    Nested: (nested) => ({ ...nested, path: nested.name, program: nested.program.at(inside(atRoot, nested.name)) }),
    ForEach: (list) => listAt(list, list.name, atRoot),
    Wait: (wait) => ({ ...wait, step: placeStep(stepOfWait(wait), {}) })
  })

/** A list of this name in the saga at this place. */
const listAt = (list: ForEach, path: string, place: Place): ForEach => {
  const items = inside(place, list.name)
  return {
    ...list,
    path,
    program: list.program.at(inside(items, anyKey)),
    programOf: (key) => list.programOf(key).at(inside(items, key))
  }
}

const placeStep = (step: StepDefinition, defaults: Defaults): StepNode => {
  const { _tag, action, classification, compensate, error, interruptible, isAnswer, name, success, transaction } = step
  const policies: { readonly [Policy in keyof Defaults]-?: Defaults[Policy] } = {
    retry: step.retry ?? defaults.retry,
    timeout: step.timeout ?? defaults.timeout,
    inDoubt: classifications[classification].hasSideEffect && transaction !== true ? defaults.inDoubt : undefined,
    compensationRetry: step.compensationRetry ?? defaults.compensationRetry,
    compensationTimeout: step.compensationTimeout ?? defaults.compensationTimeout
  }
  // Every step has all members in one order, so that V8 sees a single hidden class.
  return {
    _tag,
    name,
    classification,
    action,
    compensate,
    when: step.when,
    success,
    error,
    verify: step.verify,
    interruptible,
    transaction,
    isAnswer,
    retry: policies.retry,
    timeout: policies.timeout,
    inDoubt: step.inDoubt ?? policies.inDoubt,
    compensationRetry: policies.compensationRetry,
    compensationTimeout: policies.compensationTimeout,
    path: name,
    key: encodeURIComponent(name)
  }
}

/**
 * A saga at its place in the outermost one. Its nodes are kept as those of a saga that stands by itself, and get their paths when
 * they are first read: so a saga that is nested a thousand deep is walked through once, and not once for each level.
 */
class FrozenProgram implements Program {
  readonly name: string
  readonly version: number
  readonly input: Program["input"]
  readonly onCompensationFailure: Program["onCompensationFailure"]
  readonly attributes: Program["attributes"]
  readonly project: Program["project"]
  readonly success: Program["success"]
  readonly plan: unknown
  readonly hasParallel: boolean
  readonly hasLists: boolean
  readonly firstTransaction: string | undefined
  readonly firstFinal: string | undefined
  readonly firstWait: string | undefined
  readonly deadline: Program["deadline"]
  private readonly own: ReadonlyArray<Node>
  private readonly place: Place
  private madeNodes: ReadonlyArray<Node> | undefined
  private madeSteps: ReadonlyArray<StepNode> | undefined
  private madeFingerprint: string | undefined

  constructor(header: Omit<Definition, "nodes" | "defaults">, own: ReadonlyArray<Node>, place: Place) {
    this.name = header.name
    this.version = header.version
    this.input = header.input
    this.onCompensationFailure = header.onCompensationFailure
    this.attributes = header.attributes
    this.project = header.project
    this.success = header.success
    this.plan = header.plan
    this.own = Object.freeze(own)
    this.place = place
    this.hasParallel = own.some(hasParallel)
    this.hasLists = own.some(hasLists)
    this.firstTransaction = own.map(firstTransaction).find((step) => step !== undefined)
    this.firstFinal = own.map(firstFinal).find((final) => final !== undefined)
    this.firstWait = own.map(firstWait).find((wait) => wait !== undefined)
    this.deadline = header.deadline
  }

  get nodes(): ReadonlyArray<Node> {
    return this.madeNodes ??= this.place === atRoot ? this.own : Object.freeze(this.own.map(nodesAt(this.place)))
  }

  get steps(): ReadonlyArray<StepNode> {
    return this.madeSteps ??= Object.freeze(this.nodes.flatMap(stepsOf))
  }

  get fingerprint(): string {
    return this.madeFingerprint ??= JSON.stringify(this.nodes.flatMap(entriesOf))
  }

  at(place: Place): Program {
    return new FrozenProgram(this, this.own, place)
  }

  mapSteps(replace: (step: StepNode) => StepNode): Program {
    const at = nodesAt(this.place)
    const replaced = rebuild<StepNode>({
      // What is replaced is the step at its place; where that is, the other one must not say.
      Step: (step) => ({
        ...replace(at(step as StepNode) as StepNode),
        path: (step as StepNode).path,
        key: (step as StepNode).key
      }),
      Nested: (nested) => ({
        ...nested,
        program: nested.program.at(inside(this.place, nested.name)).mapSteps(replace)
      }),
      ForEach: (list) => {
        const { program, programOf } = listAt(list, list.path, this.place)
        return { ...list, program: program.mapSteps(replace), programOf: (key) => programOf(key).mapSteps(replace) }
      },
      Wait: (wait) => wait as Wait
    })
    return new FrozenProgram(this, this.own.map(replaced), this.place)
  }

  listed(lists: Lists): Program {
    if (!this.hasLists) return this
    const listed = new FrozenProgram(this, this.own, this.place)
    listed.madeNodes = Object.freeze(this.nodes.map(withItems(lists)))
    return listed
  }
}

/** Nodes of a saga that stands by itself, at a place in another one. */
const nodesAt = (place: Place) =>
  rebuild<StepNode>({
    Step: (step) => stepAt(place, step as StepNode),
    Wait: (wait) => ({ ...wait, step: stepAt(place, (wait as Wait).step) }),
    Nested: (nested) => ({
      ...nested,
      path: place.path + nested.path,
      program: nested.program.at(inside(place, nested.path))
    }),
    ForEach: (list) => listAt(list, place.path + list.path, place)
  })

/** Nodes with the items of the lists that are known. */
const withItems = (lists: Lists) =>
  rebuild<StepNode>({
    Step: (step) => step as StepNode,
    Wait: (wait) => wait as Wait,
    Nested: (nested) => ({ ...nested, program: nested.program.listed(lists) }),
    ForEach: (list) => ({
      ...list,
      listed: lists.get(list.path)?.map(({ key }) => list.programOf(key).listed(lists))
    })
  })

const stepAt = (place: Place, step: StepNode): StepNode => ({
  ...step,
  path: place.path + step.path,
  key: place.key + step.key
})

/** The idempotency key of a call (S10). Each part is percent-encoded: a key is ASCII, and two keys are equal only if their parts are. */
export const keyOf = (execution: string, step: StepNode, role: "action" | "compensation") =>
  `${execution}/${step.key}/${role}` as IdempotencyKey
