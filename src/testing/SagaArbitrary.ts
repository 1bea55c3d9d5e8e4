/**
 * Random sagas and their mishaps, for property tests of a store, a back end or an interpreter of your own.
 *
 * A saga is plain data. A step is a sentence, such as `"compensatable that fails once"`, a parallel block is
 * `{ parallel: [...] }`, a nested saga `{ nested: [...] }` and a list `{ each: [...] }`, so that a counterexample reads as a saga.
 */
import { Data, Effect, type Exit, Fiber, Option, Schema } from "effect"
import * as Effect3 from "effect"
import * as Saga from "../Saga.ts"
import type { FailedAfterCommit, OutcomeUnknown } from "../SagaError.ts"
import { Ledger } from "./Ledger.ts"
import { finals, reversible, type Sentence, stepOf } from "./sentence.ts"
import { problemsOf } from "./unwindingLaw.ts"

export type { Sentence } from "./sentence.ts"

/** A step or a nested saga. */
export type Branch = Sentence | { readonly nested: ReadonlyArray<Part> }

/** A list: each of its items is a step of its own. */
export interface Each {
  readonly each: ReadonlyArray<Sentence>
}

/** A step that sleeps: it does nothing to the world. */
export interface Sleep {
  readonly sleep: "10 minutes"
}

/** A step, a nested saga, a parallel block, a list or a sleep. */
export type Part = Branch | { readonly parallel: ReadonlyArray<Branch> } | Each | Sleep

/** A saga as plain data: its parts, one after another. A block may not be empty, and after a Final there are only Finals. */
export type Program = ReadonlyArray<Part>

/** The parts that a random program may have. */
export interface Options {
  /** Whether it may end with Finals. `true` by default; `Saga.scoped` takes none. */
  readonly finals?: boolean
  /** Whether it may have parallel blocks. `true` by default. */
  readonly parallel?: boolean
  /** Whether it may have nested sagas. `true` by default. */
  readonly nested?: boolean
  /** Whether it may have lists (`forEach`). `true` by default. */
  readonly lists?: boolean
  /**
   * Whether its steps may take too long, which takes a second of the `Clock`. `true` by default; set it to `false` where the clock is
   * live.
   */
  readonly timeouts?: boolean
  /**
   * Whether it may have steps that sleep, for ten minutes of the `Clock`, between the others; not in blocks and nested sagas. `false` by
   * default.
   */
  readonly sleeps?: boolean
  /** The most steps and blocks before the Finals, of which there are at most 3. 6 by default. */
  readonly maxLength?: number
}

/**
 * Random programs of at least one step.
 *
 * A program shrinks by the removal of steps, by the opening of blocks and by simpler steps, in this order, so that every part of
 * a counterexample matters. A program written by hand, as one of fast-check's `examples`, shrinks too.
 */
export const program = (options: Options = {}): Effect3.FastCheck.Arbitrary<Program> => new Programs(options)

class Programs extends Effect3.FastCheck.Arbitrary<Program> {
  private readonly programs: Effect3.FastCheck.Arbitrary<Program>

  constructor(options: Options) {
    super()
    this.programs = generator(options)
  }

  generate(random: Effect3.FastCheck.Random, biasFactor: number | undefined) {
    // Without the context of its parts it is shrunk as plain data.
    return new Effect3.FastCheck.Value(this.programs.generate(random, biasFactor).value, undefined)
  }

  canShrinkWithoutContext(value: unknown): value is Program {
    return Array.isArray(value) && value.length > 0
  }

  shrink(program: Program) {
    return Effect3.FastCheck.stream(smaller(program)).map((smaller) => new Effect3.FastCheck.Value(smaller, undefined))
  }
}

const generator = (
  {
    finals: withFinals = true,
    lists: withLists = true,
    maxLength = 6,
    nested: withNested = true,
    parallel: withParallel = true,
    sleeps = false,
    timeouts = true
  }: Options
): Effect3.FastCheck.Arbitrary<Program> => {
  const oneOf = <S extends Sentence>(sentences: ReadonlyArray<S>) =>
    Effect3.FastCheck.constantFrom(
      ...sentences.filter((sentence) => timeouts || !sentence.endsWith("takes too long once"))
    )
  // Steps without a mishap are likelier, or no saga would come far.
  const sentence = oneOf([...reversible, "readOnly", "compensatable", "compensatable"])
  const nested = Effect3.FastCheck.array(sentence, { minLength: 1, maxLength: 3 }).map((nested) => ({ nested }))
  const branch = withNested ? Effect3.FastCheck.oneof(sentence, nested) : sentence
  const parallel = Effect3.FastCheck.array(branch, { minLength: 1, maxLength: 3 }).map((parallel) => ({ parallel }))
  const each = Effect3.FastCheck.array(sentence, { minLength: 1, maxLength: 3 }).map((each) => ({ each }))
  const sleep = Effect3.FastCheck.constant<Sleep>({ sleep: "10 minutes" })
  const final = oneOf(["final", ...finals])
  const part = Effect3.FastCheck.oneof(
    { weight: 5, arbitrary: sentence },
    ...withNested ? [{ weight: 1, arbitrary: nested }] : [],
    ...withParallel ? [{ weight: 1, arbitrary: parallel }] : [],
    ...withLists ? [{ weight: 1, arbitrary: each }] : [],
    ...sleeps ? [{ weight: 1, arbitrary: sleep }] : []
  )
  const parts = Effect3.FastCheck.array<Part>(part, { minLength: withFinals ? 0 : 1, maxLength })
  return withFinals
    ? Effect3.FastCheck.tuple(
      parts,
      Effect3.FastCheck.array<Part>(sleeps ? Effect3.FastCheck.oneof({ weight: 5, arbitrary: final }, sleep) : final, {
        maxLength: 3
      })
    )
      .map(([before, after]) => [...before, ...after])
      .filter((all) => all.length > 0)
    : parts
}

/** Programs that are a little smaller, the smallest first; never empty. */
function* smaller(parts: ReadonlyArray<Part>): Generator<ReadonlyArray<Part>> {
  const half = Math.floor(parts.length / 2)
  if (half > 1) yield* [parts.slice(0, half), parts.slice(half)]
  const put = (index: number, ...instead: ReadonlyArray<Part>) => [
    ...parts.slice(0, index),
    ...instead,
    ...parts.slice(index + 1)
  ]
  if (parts.length > 1) { for (const index of parts.keys()) yield put(index) }
  for (const [index, part] of parts.entries()) if (isBlock(part)) yield put(index, ...contentsOf(part))
  for (const [index, part] of parts.entries()) {
    if (!isBlock(part)) continue
    for (const inside of smaller(contentsOf(part))) {
      if ("nested" in part) yield put(index, { nested: inside })
      else if ("each" in part) {
        if (inside.every(isStep)) yield put(index, { each: inside })
      } // An opened block may leave a block inside another, which is not allowed.
      else if (inside.every(isBranch)) yield put(index, { parallel: inside })
    }
  }
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string") yield* simpler(part).map((sentence) => put(index, sentence))
  }
}

const isStep = (part: Part): part is Sentence => typeof part === "string"

const isBranch = (part: Part): part is Branch => isStep(part) || "nested" in part

const isBlock = (part: Part): part is Exclude<Part, string | Sleep> => typeof part !== "string" && !("sleep" in part)

const contentsOf = (block: Exclude<Part, string | Sleep>): ReadonlyArray<Part> => {
  if ("parallel" in block) return block.parallel
  return "each" in block ? block.each : block.nested
}

const simpler = (sentence: Sentence): ReadonlyArray<Sentence> => {
  const all: ReadonlyArray<Sentence> = sentence.startsWith("final") ? finals : reversible
  return all.slice(0, all.indexOf(sentence))
}

/** The steps of a program by name, each with its sentence, in declared order: they are named a, b, c, …, and after z a2, b2, … */
export const steps = (program: Program): ReadonlyMap<string, Sentence> => {
  const sentences = (part: Part): ReadonlyArray<Sentence> =>
    typeof part === "string" ? [part] : isBlock(part) ? contentsOf(part).flatMap(sentences) : []
  return new Map(program.flatMap(sentences).map((sentence, index) => [nameOf(index), sentence]))
}

const nameOf = (index: number) =>
  String.fromCharCode(97 + index % 26) + (index < 26 ? "" : String(1 + Math.floor(index / 26)))

/** The type of a saga that {@link build} makes. */
export type Built = Saga.Saga<
  void,
  Readonly<Record<string, unknown>>,
  string | OutcomeUnknown | FailedAfterCommit<string | OutcomeUnknown>,
  Ledger
>

/**
 * Builds the saga of a program. It can be run in every way, except that `Saga.scoped` takes no Finals.
 *
 * Its steps write to the {@link Ledger}, under the names that {@link steps} gives them: each action does its step's name under
 * the action's key, and each compensation undoes the output that it is given, under its action's key. Nested sagas are named
 * nested1, nested2, …, lists each1, each2, …, and steps that sleep sleep1, sleep2, …, so that a step's path ends with its name. The saga of a list has the steps of all
 * items, of which each item runs its own and skips the others; the key of an item is the name of its step. A parallel block or a list of
 * three or more runs one at a time, a smaller one all at once.
 */
export const build = (
  program: Program,
  options: {
    /** As in `Saga.make`. */
    readonly onCompensationFailure?: "continue" | "stop"
  } = {}
): Built => {
  let count = 0
  let nestedCount = 0
  let listCount = 0
  let sleepCount = 0
  // The names are known at run time only, and so are the types of the builders.
  const add = (builder: any, part: Part): any => {
    if (typeof part === "string") return builder[kindOf(part)](nameOf(count), stepOf(nameOf(count++), part))
    if ("sleep" in part) return builder.sleep(`sleep${++sleepCount}`, part.sleep)
    if ("parallel" in part) {
      return builder.parallel((branch: any) => part.parallel.reduce(add, branch), {
        concurrency: part.parallel.length > 2 ? 1 : "unbounded"
      })
    }
    if ("each" in part) {
      const names = part.each.map(() => nameOf(count++))
      const item = part.each.reduce(
        (item: any, sentence, index) => item[kindOf(sentence)](names[index], ofItem(names[index]!, sentence)),
        Saga.make("Item", { input: Schema.String })
      )
      return builder.forEach(`each${++listCount}`, {
        items: () => names,
        key: (name: string) => name,
        step: item.build(),
        concurrency: names.length > 2 ? 1 : "unbounded"
      })
    }
    const name = `nested${++nestedCount}`
    return builder.saga(name, part.nested.reduce(add, Saga.make("Nested")).build(), { input: () => {} })
  }
  return program.reduce(add, Saga.make("Random", options) as any).build()
}

const kindOf = (sentence: Sentence): string => sentence.split(" ", 1)[0]!

/** A step that only the item of its name runs. */
const ofItem = (name: string, sentence: Sentence) => {
  const step = stepOf(name, sentence)
  return { ...step, when: ({ input }: { readonly input: string }) => input === name && step.when?.() !== false }
}

/** The exit of an effect, while hours of the `TestClock` pass for the steps that take too long. */
export const exit = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    do yield* Effect3.TestClock.adjust("1 hour")
    while (Option.isNone(yield* Fiber.poll(fiber)))
    return yield* Fiber.await(fiber)
  })

/** A run has broken the law of unwinding: each of `problems` is a sentence that names one breach. */
export class UnwindingLawBroken extends Data.TaggedError("LawBroken")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    return this.problems.join("; ")
  }
}

/**
 * Compares the exit of a program's saga with the {@link Ledger}. Fails with {@link UnwindingLawBroken} if the law of unwinding was
 * broken:
 *
 * - each effect was undone exactly once, newest first by declared order, or is named in `PartlyUndone`; after a success, and with
 *   `FailedAfterCommit`, nothing was undone
 * - it failed if it had to, and its cause is the failure of a step that had to fail
 * - nothing was done twice, or again after it was undone, or undone without having been done
 *
 * For any run to the end, in process or durable, of the saga that {@link build} makes, on a ledger of its own.
 */
export const check = (
  program: Program,
  exit: Exit.Exit<unknown, unknown>,
  options: {
    /**
     * Whether a process was lost on the way, so that a compensation may have been called again. `false` by default. An end
     * with `OutcomeUnknown` is then right where a step dies: run again after a crash, that settles nothing.
     */
    readonly afterCrash?: boolean
  } = {}
): Effect.Effect<void, UnwindingLawBroken, Ledger> =>
  Effect.flatMap(Ledger, (ledger) =>
    Effect.flatMap(
      Effect.all({ calls: ledger.calls, standing: ledger.standing, violations: ledger.violations }),
      (world) => {
        const problems = problemsOf({ sentences: steps(program), exit, world, afterCrash: options.afterCrash ?? false })
        return problems.length === 0 ? Effect.void : Effect.fail(new UnwindingLawBroken({ problems }))
      }
    ))
