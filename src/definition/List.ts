/** What a user writes for a list: a saga that runs once for each of its items. */
import type * as Message from "./messages.ts"
import type { Built, NestedFinal, OwesWait } from "./owed.ts"
import type { Earlier } from "./Step.ts"

/** The options of `forEach`. */
export interface ListOptions<Input, Outputs, Item, Step, Key> {
  /**
   * Makes the list, of this saga's input and the outputs of earlier steps. It must be pure. A durable run stores the list before the
   * first item begins, and a resume takes it from there. It may be empty: then nothing runs, and the output is an empty list.
   */
  readonly items: (earlier: Earlier<Input, Outputs>) => ReadonlyArray<NoInfer<Item>>
  /** The built saga that runs for each item, which is its input. It has no Final, for the other items could still fail, and no step that waits. */
  readonly step: Step
  /**
   * Names an item: in the paths of its steps, in reports, in the journal and in idempotency keys. Pure. Two items of one key, or
   * a key that is no name, end the run with `InvalidItems` before any item begins, and with everything undone. Without it an item's
   * key is its index.
   */
  readonly key?: (item: NoInfer<Item>, index: number) => Key
  /** How many items run at a time. 1 by default: one after another. */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * How the items are undone: `"sequential"`, the default, one after another, the last of the list first; or `"parallel"`, as many at a
   * time as `concurrency` says, each with its own steps newest first.
   */
  readonly unwind?: "sequential" | "parallel" | undefined
}

/** The default of `key`: items are known by their index. */
export interface ByIndex {
  readonly _: unique symbol
}

/** The saga of an item must be built, have no Final, and not wait for a signal. `build()` refuses one that sleeps. */
export type ListWithoutFinal<Saga, Name extends string, Owed extends string> = [NestedFinal<Owed>] extends [never]
  ? [Extract<Owed, OwesWait<string>>] extends [never] ? Built<Saga, Owed> : Message.WaitInList<Name>
  : Message.FinalInList<Name>
