/**
 * The picture of a saga, or of one execution of it, as boxes, groups and arrows. The printers of `Diagram` write it down and decide
 * nothing.
 */
import type { Nested, Node, Parallel, Program, StepNode, Wait } from "../../definition/definition.ts"
import type { ParkedReason } from "../../Journal.ts"
import { visible, wrapped } from "../../values/visible.ts"
import type { CompensationReport, StepReport } from "../SagaReport.ts"
import { formatDuration, type Kind, signs, undoWords, words } from "../words.ts"
import type { Drawn, Timed } from "./drawn.ts"
import { countItems, countsInWords } from "./lists.ts"
import { titleOf, titleOfList } from "./titles.ts"

export type Shape = "Saga" | StepNode["classification"] | "Wait" | "PointOfNoReturn" | "Dot"

/** The meaning of a colour: in a definition the classification of a step, in an execution its status. */
export type Look =
  | "Saga"
  | StepNode["classification"]
  | "Wait"
  | "PointOfNoReturn"
  | "Dot"
  | Kind
  | "Undoing"
  | "CompensationFailed"
  | "Plain"

export interface Box {
  readonly _tag: "Box"
  readonly id: string
  readonly shape: Shape
  readonly look: Look
  readonly lines: ReadonlyArray<string>
}

export interface Group {
  readonly _tag: "Group"
  readonly id: string
  readonly title: ReadonlyArray<string>
  readonly items: ReadonlyArray<Item>
}

export type Item = Box | Group

export interface Arrow {
  readonly from: string
  readonly to: string
  /** `Committed`: beyond the point of no return. `Back`: from a step to the one that is undone after it. */
  readonly kind: "Forward" | "Committed" | "Back"
  readonly look: Look
  readonly label: ReadonlyArray<string>
}

export interface Graph {
  readonly items: ReadonlyArray<Item>
  readonly arrows: ReadonlyArray<Arrow>
}

/** The boxes to which the next forward arrow and the next undo arrow attach. */
interface Ends {
  readonly forward: string
  readonly armed: string
}

export const graphOf = (program: Program, report: Drawn | undefined): Graph =>
  new Drawing(report && countItems(program, report)).of(program)

class Drawing {
  private readonly report: Drawn | undefined
  private readonly steps: ReadonlyMap<string, Drawn["steps"][number]>
  private readonly compensations: ReadonlyMap<string, Drawn["compensations"][number]>
  private readonly arrows: Array<Arrow> = []
  private readonly counts = new Map<string, number>()
  /** The step of each box. */
  private readonly placed = new Map<string, StepNode>()
  private readonly armedBefore = new Map<string, string>()
  private firstFinal: string | undefined

  constructor(report: Drawn | undefined) {
    this.report = report
    this.steps = new Map(report?.steps.map((step) => [step.step, step]))
    this.compensations = new Map(report?.compensations.map((compensation) => [compensation.step, compensation]))
  }

  of(program: Program): Graph {
    const items: Array<Item> = []
    const saga = this.box(items, "Saga", this.report === undefined ? "Saga" : lookOf(this.report), [
      ...lines(program.name),
      ...this.report === undefined ? [] : [`${endOf(this.report)}, ${formatDuration(this.report.duration)}`]
    ])
    const ends = this.row(program.nodes, { forward: saga, armed: saga }, items)
    this.turnBack(ends)
    return { items, arrows: this.arrows }
  }

  private row(nodes: ReadonlyArray<Node>, from: Ends, items: Array<Item>): Ends {
    return nodes.reduce((ends, node) => this.place(node, ends, items), from)
  }

  private place(node: Node, from: Ends, items: Array<Item>): Ends {
    switch (node._tag) {
      case "Step":
        return this.step(node, from, items)
      case "Wait":
        return this.step(node.step, from, items, node)
      case "Nested":
        return this.group(
          `${node.name}: saga ${node.program.name}`,
          items,
          (inside) => this.row(node.program.nodes, from, inside)
        )
      case "Parallel":
        return this.parallel(node, from, items)
      case "ForEach":
        return this.group(
          titleOfList(node),
          items,
          (inside) => this.row(node.program.nodes, from, inside)
        )
    }
  }

  private step(step: StepNode, from: Ends, items: Array<Item>, wait?: Wait): Ends {
    const { classification, name, path } = step
    const isFirstFinal = classification === "Final" && this.firstFinal === undefined
    const before = isFirstFinal ? this.pointOfNoReturn(from.forward, items) : from.forward
    const compensation = this.compensations.get(path)
    const shape = wait === undefined ? classification : "Wait"
    const id = this.box(items, shape, this.report === undefined ? shape : this.lookOf(path), [
      ...lines(name),
      ...wait === undefined
        ? [step.when === undefined ? classification : `${classification}, conditional`]
        : forWhat(wait),
      ...this.captionsOf(path)
    ])
    this.placed.set(id, step)
    this.armedBefore.set(id, from.armed)
    if (isFirstFinal) this.firstFinal = id
    this.forward(before, id, this.firstFinal === undefined || isFirstFinal ? "Forward" : "Committed")
    switch (classification) {
      case "ReadOnly":
      case "Final":
        return { forward: id, armed: from.armed }
      case "Compensatable": {
        const look = compensation === undefined ? this.unused("Undone") : lookOfCompensation[compensation.status]
        this.arrows.push({ from: id, to: from.armed, kind: "Back", look, label: lines(`undo ${name}`) })
        return { forward: id, armed: id }
      }
    }
  }

  /**
   * Siblings stand between two dots. The way back enters the block at the lower dot and leaves it at the upper one: a layout in rows
   * keeps its direction only if each arrow back leads to a box that an arrow forward has passed.
   */
  private parallel(block: Parallel<StepNode | Nested>, from: Ends, items: Array<Item>): Ends {
    if (block.nodes.length === 1) {
      return this.group(titleOf(block), items, (inside) => this.row(block.nodes, from, inside))
    }
    const fork = this.dot(items)
    this.forward(from.forward, fork)
    const ends = this.group(
      titleOf(block),
      items,
      (inside) => block.nodes.map((sibling) => this.place(sibling, { forward: fork, armed: fork }, inside))
    )
    const join = this.dot(items)
    for (const end of ends) this.forward(end.forward, join)
    if (!block.nodes.some(isUndoable)) return { forward: join, armed: from.armed }
    const undone = block.nodes.flatMap(stepsIn).some(({ path }) => this.compensations.has(path))
    this.arrows.push({
      from: fork,
      to: from.armed,
      kind: "Back",
      look: undone ? "Undone" : this.unused("Undone"),
      label: []
    })
    return { forward: join, armed: join }
  }

  private pointOfNoReturn(before: string, items: Array<Item>): string {
    const finals = this.report?.steps.filter(({ classification }) => classification === "Final")
    const passed = finals === undefined ? [] : [
      (["passed", "in doubt"] as const).find((passage) => finals.some(({ status }) => passageBy[status] === passage)) ??
        "not passed"
    ]
    const id = this.box(items, "PointOfNoReturn", "PointOfNoReturn", ["point of no return", ...passed])
    this.forward(before, id)
    return id
  }

  private dot(items: Array<Item>): string {
    return this.box(items, "Dot", "Dot", [])
  }

  /**
   * Every step that fails leads to the way back. If nothing has failed, one arrow stands for all of them: from the first Final, or
   * else from the end.
   */
  private turnBack(end: Ends) {
    const culprits = this.report === undefined || !wentBack(this.report)
      ? []
      : Array.from(this.placed).flatMap(([id, { path }]) => {
        const status = this.steps.get(path)?.status
        return status === "Failed" || status === "InDoubt" ? [[id, status] as const] : []
      })
    for (const [id, status] of culprits) this.back(id, status, words[status])
    if (culprits.length > 0) return
    const id = this.firstFinal ?? end.forward
    // A Compensatable step has its own undo arrow, and the join of a block is no step.
    const step = this.placed.get(id)
    if (step === undefined || step.classification === "Compensatable") return
    this.back(id, this.report !== undefined && wentBack(this.report) ? "Undone" : this.unused("Undone"), "on failure")
  }

  private back(from: string, look: Look, label: string) {
    this.arrows.push({ from, to: this.armedBefore.get(from)!, kind: "Back", look, label: [label] })
  }

  private forward(from: string, to: string, kind: Arrow["kind"] = "Forward") {
    this.arrows.push({ from, to, kind, look: "Plain", label: [] })
  }

  private group<A>(title: string, items: Array<Item>, fill: (inside: Array<Item>) => A): A {
    const inside: Array<Item> = []
    items.push({ _tag: "Group", id: this.id("group"), title: wrapped(visible(title), 60), items: inside })
    return fill(inside)
  }

  private box(items: Array<Item>, shape: Shape, look: Look, lines: ReadonlyArray<string>): string {
    const id = this.id(prefixes[shape])
    items.push({ _tag: "Box", id, shape, look, lines })
    return id
  }

  private id(prefix: string): string {
    const count = (this.counts.get(prefix) ?? 0) + 1
    this.counts.set(prefix, count)
    return `${prefix}${count}`
  }

  private lookOf(path: string): Look {
    const compensation = this.compensations.get(path)
    return compensation === undefined
      ? this.steps.get(path)?.status ?? "NotStarted"
      : lookOfCompensation[compensation.status]
  }

  /** In the picture of an execution a way that was not taken is grey. */
  private unused(look: Look): Look {
    return this.report === undefined ? look : "NotStarted"
  }

  private captionsOf(path: string): ReadonlyArray<string> {
    if (this.report === undefined) return []
    const step = this.steps.get(path)
    const compensation = this.compensations.get(path)
    return [
      ...step === undefined ? [] : [
        step.counts === undefined
          ? caption(step.status, words[step.status], step)
          : countsInWords(step.counts, words)
      ],
      ...compensation === undefined ? [] : [
        compensation.counts === undefined
          ? caption(compensation.status, undoWords[compensation.status], compensation)
          : countsInWords(compensation.counts, undoWords)
      ]
    ]
  }
}

/** 32: wider than most names, and no wider than a box should be. */
const lines = (text: string) => wrapped(visible(text), 32)

const forWhat = ({ signal, until }: Wait) =>
  lines(signal === undefined ? "sleeps" : `waits for ${signal.name}${until === undefined ? "" : ", not for ever"}`)

/** Whether a Final of this status has passed the point of no return. */
const passageBy: { readonly [K in StepReport["status"]]: "passed" | "in doubt" | "not passed" } = {
  Succeeded: "passed",
  InDoubt: "in doubt",
  Started: "in doubt",
  Failed: "not passed",
  Skipped: "not passed",
  Waiting: "not passed",
  NotStarted: "not passed"
}

const prefixes: { readonly [K in Shape]: string } = {
  Saga: "saga",
  ReadOnly: "step",
  Compensatable: "step",
  Final: "step",
  Wait: "step",
  PointOfNoReturn: "line",
  Dot: "dot"
}

const caption = (kind: Kind, word: string, { attempts, duration }: Timed): string => {
  const took = kind === "Skipped" || duration === undefined ? "" : `, ${formatDuration(duration)}`
  return `${signs[kind].unicode} ${word}${attempts > 1 ? `, ${attempts} attempts` : ""}${took}`
}

const lookOfCompensation: { readonly [K in CompensationReport["status"]]: Look } = {
  Undone: "Undone",
  Failed: "CompensationFailed",
  NotTried: "NotTried",
  Started: "Undoing"
}

const isUndoable = (node: StepNode | Nested): boolean =>
  stepsIn(node).some(({ classification }) => classification === "Compensatable")

const stepsIn = (node: StepNode | Nested): ReadonlyArray<StepNode> => {
  switch (node._tag) {
    case "Step":
      return [node]
    case "Nested":
      return node.program.steps
  }
}

const wentBack = (report: Drawn): boolean => {
  if (report.compensations.length > 0) return true
  const end = report._tag === "Recorded" ? report.status : report._tag
  switch (end) {
    case "Undone":
    case "PartlyUndone":
    case "OutcomeUnknown":
    case "Unwinding":
      return true
    case "Succeeded":
    case "FailedAfterCommit":
    case "Running":
    case "Parked":
    case "Waiting":
      return false
  }
}

const endOf = (report: Drawn): string => {
  switch (report._tag) {
    case "Succeeded":
      return "succeeded"
    case "Undone":
      return "undone"
    case "PartlyUndone":
      return "partly undone"
    case "FailedAfterCommit":
      return "failed after its point of no return"
    case "OutcomeUnknown":
      return "in doubt"
    case "Recorded":
      return report.parked === undefined
        ? report.status.toLowerCase()
        : `parked: ${parkedWords[report.parked]}`
  }
}

const parkedWords: { readonly [K in ParkedReason]: string } = {
  PartlyUndone: "partly undone",
  FailedAfterCommit: "failed after its point of no return",
  OutcomeUnknown: "in doubt",
  KeepsFailing: "keeps failing"
}

/** How the whole looks: by its end; a stored execution by the reason for which it is parked, or by its status. */
const lookOf = (report: Drawn): Look => {
  const end = report._tag === "Recorded" ? report.parked ?? report.status : report._tag
  switch (end) {
    case "Succeeded":
      return "Succeeded"
    case "Undone":
      return "Undone"
    case "PartlyUndone":
      return "CompensationFailed"
    case "FailedAfterCommit":
      return "Failed"
    case "OutcomeUnknown":
      return "InDoubt"
    case "KeepsFailing":
      return "Failed"
    case "Waiting":
      return "Waiting"
    case "Running":
    case "Unwinding":
    case "Parked":
      return "Started"
  }
}
