/** S23: the items of a list, made and recorded before the first of them begins, or taken from the journal. */
import { Effect } from "effect"
import type { ForEach, Program } from "../definition/definition.ts"
import { keyProblem } from "../definition/rules.ts"
import { InvalidItems } from "../SagaError.ts"
import { said } from "../values/numbers.ts"
import { validate } from "../values/schema.ts"
import { callPure, noteFailure, seen } from "./pure.ts"
import type { AnyEffect, FailedAt, Frame, Run } from "./run.ts"

/** An item of a list: a nested saga whose input is known. */
export class Item implements FailedAt {
  /** An item has no `error` schema: its steps have. */
  readonly error = undefined
  readonly key: string
  readonly value: unknown
  private readonly list: ForEach

  constructor(list: ForEach, key: string, value: unknown) {
    this.list = list
    this.key = key
    this.value = value
  }

  get path(): string {
    return `${this.list.path}/${this.key}`
  }

  /** Made each time: kept for each item, the sagas of a long list would take more memory than its outputs. */
  get program(): Program {
    return this.list.programOf(this.key)
  }
}

/** The items of a list. Those of the journal are not made again (S13). */
export const itemsOf = (run: Run, frame: Frame, list: ForEach): AnyEffect<ReadonlyArray<Item>> => {
  const { past } = run
  const stored = past?.state.lists.get(list.path)
  if (past !== undefined && stored !== undefined) {
    const values = past.items.get(list.path) ?? []
    return Effect.succeed(stored.map(({ key }, index) => new Item(list, key, values[index])))
  }
  return past?.state.direction === "Back" ? Effect.failCause(past.cause) : makeItems(run, frame, list)
}

const makeItems = (run: Run, frame: Frame, list: ForEach): AnyEffect<ReadonlyArray<Item>> => {
  const { input } = list.program
  const made = callPure(run, list, () => listed(list, list.items(seen(frame))))
  const checked = input === undefined
    ? made
    : Effect.flatMap(
      made,
      (values) => noteFailure(run, list, Effect.forEach(values, (value) => validate(input, value)))
    )
  return Effect.flatMap(checked, (values) =>
    Effect.flatMap(callPure(run, list, () => keysOf(list, values)), (keys) => {
      const problem = problemOf(keys)
      return problem === undefined
        ? record(run, list, values.map((value, index) => new Item(list, keys[index] as string, value)))
        : noteFailure(run, list, Effect.fail(refusal(run, list, problem)))
    }))
}

/** A copy: the array may be its maker's own, who may change it later. */
const listed = ({ path }: ForEach, items: unknown): ReadonlyArray<unknown> => {
  if (!Array.isArray(items)) throw new TypeError(`the items of "${path}" must be a list, and are ${said(items)}`)
  return Array.from(items)
}

const keysOf = ({ keyOf }: ForEach, values: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  values.map((value, index) => keyOf === undefined ? `${index}` : keyOf(value, index))

/** The first thing that is wrong with the keys of a list; undefined if nothing is. */
const problemOf = (keys: ReadonlyArray<unknown>): string | undefined => {
  const before = new Map<unknown, number>()
  for (const [index, key] of keys.entries()) {
    const unfit = keyProblem(key)
    if (unfit !== undefined) return `the key of item ${index} ${unfit}`
    const first = before.get(key)
    if (first !== undefined) return `items ${first} and ${index} have the same key ${said(key)}`
    before.set(key, index)
  }
  return undefined
}

const refusal = ({ executionId, program }: Run, { path }: ForEach, problem: string) =>
  new InvalidItems({ saga: program.name, executionId, list: path, problem })

/** Records a list, and answers with its items as a resume will see them. */
const record = (run: Run, list: ForEach, items: ReadonlyArray<Item>): AnyEffect<ReadonlyArray<Item>> => {
  const { recorder } = run
  if (recorder === undefined) return Effect.succeed(items)
  return Effect.map(
    Effect.forEach(items, (item) => recorder.captureItem(list, item.key, item.value)),
    (captured) => {
      recorder.record({
        _tag: "ItemsListed",
        list: list.path,
        items: items.map(({ key }, index) => ({ key, item: captured[index]!.encoded })),
        at: recorder.now()
      })
      return items.map(({ key }, index) => new Item(list, key, captured[index]!.value))
    }
  )
}
