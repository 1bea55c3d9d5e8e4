/**
 * Random sagas, with what goes wrong in them, for property tests: of a store, a back end or an interpreter of your own.
 *
 * A saga is plain data. A step is a sentence, such as `"compensatable that fails once"`, a parallel block is
 * `{ parallel: [...] }` and a nested saga `{ nested: [...] }`, so that a counterexample reads as a saga.
 */
import { Cause, Data, Effect, Exit, FastCheck, Fiber, Option, Schema, TestClock } from "effect"
import * as Saga from "../Saga.ts"
import { FailedAfterCommit, OutcomeUnknown, PartlyUndone } from "../SagaError.ts"
import { Ledger } from "./Ledger.ts"

// Simplest first: a step shrinks to one that stands before it.
const reversible = [
  "readOnly",
  "compensatable",
  "readOnly that fails",
  "compensatable that fails",
  "readOnly that dies",
  "compensatable that dies",
  "compensatable that is skipped",
  "compensatable that fails once",
  "compensatable that is unknown once",
  "compensatable that takes too long once",
  "compensatable whose undo fails",
  "compensatable whose undo dies",
  "compensatable whose undo fails once"
] as const
const finals = [
  "final",
  "final that fails",
  "final that dies",
  "final that fails once",
  "final that is unknown once",
  "final that takes too long once"
] as const

/**
 * A step in words: its classification, and what goes wrong with it.
 *
 * - `fails`, `dies`: its action does, each time and before it has had any effect: with `"a failed"`, or of `"a died"`, if `a` is
 *   its name
 * - `fails once`: the first time in each process; its `retry` calls it again
 * - `is unknown once`: it takes effect, and the first time ends with `OutcomeUnknown`
 * - `takes too long once`: it takes effect, and the first time never ends; its `timeout` is a second
 * - `is skipped`: its `when` does not hold
 * - `whose undo …`: its compensation does, in the same sense
 *
 * Each honours its key, so that what has taken effect succeeds when it is called again, and is `inDoubt: "retry"`. A Final is tried
 * twice.
 */
export type Sentence = typeof reversible[number] | typeof finals[number]

/** A step or a nested saga. */
export type Branch = Sentence | { readonly nested: ReadonlyArray<Part> }

/** A step, a nested saga or a parallel block. */
export type Part = Branch | { readonly parallel: ReadonlyArray<Branch> }

/** A saga as plain data: its parts, one after another. A block may not be empty, and after a Final there are only Finals. */
export type Program = ReadonlyArray<Part>

/** What a random program is made of. */
export interface Options {
  /** Whether it may end with Finals. `true` by default; `Saga.scoped` takes none. */
  readonly finals?: boolean
  /** Whether it may have parallel blocks. `true` by default. */
  readonly parallel?: boolean
  /** Whether it may have nested sagas. `true` by default. */
  readonly nested?: boolean
  /**
   * Whether its steps may take too long, which takes a second of the `Clock`. `true` by default; leave them out where the clock is
   * live.
   */
  readonly timeouts?: boolean
  /** How many steps and blocks there are at most before the Finals, of which there are at most 3. 6 by default. */
  readonly maxLength?: number
}

/**
 * Random programs of at least one step.
 *
 * A program shrinks by the removal of steps, by the opening of blocks and by simpler steps, in this order, so that every part of
 * a counterexample matters. A program written by hand shrinks too, as fast-check's `examples`.
 */
export const program = (options: Options = {}): FastCheck.Arbitrary<Program> => new Programs(options)

class Programs extends FastCheck.Arbitrary<Program> {
  private readonly programs: FastCheck.Arbitrary<Program>

  constructor(options: Options) {
    super()
    this.programs = generator(options)
  }

  generate(random: FastCheck.Random, biasFactor: number | undefined) {
    // Without the context of the parts it is shrunk as the data that it is.
    return new FastCheck.Value(this.programs.generate(random, biasFactor).value, undefined)
  }

  canShrinkWithoutContext(value: unknown): value is Program {
    return Array.isArray(value) && value.length > 0
  }

  shrink(program: Program) {
    return FastCheck.stream(smaller(program)).map((smaller) => new FastCheck.Value(smaller, undefined))
  }
}

const generator = (
  {
    finals: withFinals = true,
    maxLength = 6,
    nested: withNested = true,
    parallel: withParallel = true,
    timeouts = true
  }: Options
): FastCheck.Arbitrary<Program> => {
  const oneOf = <S extends Sentence>(sentences: ReadonlyArray<S>) =>
    FastCheck.constantFrom(...sentences.filter((sentence) => timeouts || !sentence.endsWith("takes too long once")))
  // What does not go wrong is likelier, or no saga would come far.
  const sentence = oneOf([...reversible, "readOnly", "compensatable", "compensatable"])
  const nested = FastCheck.array(sentence, { minLength: 1, maxLength: 3 }).map((nested) => ({ nested }))
  const branch = withNested ? FastCheck.oneof(sentence, nested) : sentence
  const parallel = FastCheck.array(branch, { minLength: 1, maxLength: 3 }).map((parallel) => ({ parallel }))
  const part = FastCheck.oneof(
    { weight: 5, arbitrary: sentence },
    ...withNested ? [{ weight: 1, arbitrary: nested }] : [],
    ...withParallel ? [{ weight: 1, arbitrary: parallel }] : []
  )
  const parts = FastCheck.array<Part>(part, { minLength: withFinals ? 0 : 1, maxLength })
  return withFinals
    ? FastCheck.tuple(parts, FastCheck.array<Part>(oneOf(["final", ...finals]), { maxLength: 3 }))
      .map(([before, after]) => [...before, ...after])
      .filter((all) => all.length > 0)
    : parts
}

/** What is a little smaller, that which is smallest first; never empty. */
function* smaller(parts: ReadonlyArray<Part>): Generator<ReadonlyArray<Part>> {
  const half = Math.floor(parts.length / 2)
  if (half > 1) yield* [parts.slice(0, half), parts.slice(half)]
  const put = (index: number, ...instead: ReadonlyArray<Part>) => [
    ...parts.slice(0, index),
    ...instead,
    ...parts.slice(index + 1)
  ]
  if (parts.length > 1) { for (const index of parts.keys()) yield put(index) }
  for (const [index, part] of parts.entries()) if (typeof part !== "string") yield put(index, ...contentsOf(part))
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string") continue
    for (const inside of smaller(contentsOf(part))) {
      if (!("parallel" in part)) yield put(index, { nested: inside })
      // A block that was opened may leave another where none may stand.
      else if (inside.every(isBranch)) yield put(index, { parallel: inside })
    }
  }
  for (const [index, part] of parts.entries()) {
    if (typeof part === "string") yield* simpler(part).map((sentence) => put(index, sentence))
  }
}

const isBranch = (part: Part): part is Branch => typeof part === "string" || !("parallel" in part)

const contentsOf = (block: Exclude<Part, string>): ReadonlyArray<Part> =>
  "parallel" in block ? block.parallel : block.nested

const simpler = (sentence: Sentence): ReadonlyArray<Sentence> => {
  const all: ReadonlyArray<Sentence> = sentence.startsWith("final") ? finals : reversible
  return all.slice(0, all.indexOf(sentence))
}

/** The steps of a program by name, each with its sentence, in declared order: they are named a, b, c, …, and after z a2, b2, … */
export const steps = (program: Program): ReadonlyMap<string, Sentence> => {
  const sentences = (part: Part): ReadonlyArray<Sentence> =>
    typeof part === "string" ? [part] : contentsOf(part).flatMap(sentences)
  return new Map(program.flatMap(sentences).map((sentence, index) => [nameOf(index), sentence]))
}

const nameOf = (index: number) =>
  String.fromCharCode(97 + index % 26) + (index < 26 ? "" : String(1 + Math.floor(index / 26)))

/** A saga that was built of a program. */
export type Built = Saga.Saga<
  void,
  Readonly<Record<string, unknown>>,
  string | OutcomeUnknown | FailedAfterCommit<string | OutcomeUnknown>,
  Ledger
>

/**
 * The saga of a program. It can be run in every way, but for one with Finals, which `Saga.scoped` does not take.
 *
 * Its steps write to the {@link Ledger}, under the names that {@link steps} gives them: each action does its step's name under
 * the action's key, and each compensation undoes the output that it is given, under its action's key. Nested sagas are named
 * nested1, nested2, …, so that a step's path ends with its name. A parallel block of three or more runs one sibling at a time, a smaller one all
 * at once.
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
  // The names are known at run time only, and so are the types of the builders.
  const add = (builder: any, part: Part): any => {
    if (typeof part === "string") return builder[part.split(" ", 1)[0]!](nameOf(count), stepOf(nameOf(count++), part))
    if ("parallel" in part) {
      return builder.parallel((branch: any) => part.parallel.reduce(add, branch), {
        concurrency: part.parallel.length > 2 ? 1 : "unbounded"
      })
    }
    const name = `nested${++nestedCount}`
    return builder.saga(name, part.nested.reduce(add, Saga.make("Nested")).build(), { input: () => {} })
  }
  return program.reduce(add, Saga.make("Random", options) as any).build()
}

interface Keys {
  readonly idempotencyKey: string
  readonly attempt: number
}

const once = { times: 1 }

/** @internal What a step of a sentence does, and its policies. */
export const stepOf = (name: string, sentence: Sentence) => {
  const [kind = "", does] = sentence.split(" that ")
  const undoDoes = sentence.split(" whose undo ")[1]
  const act = (
    does: string | undefined,
    attempt: number,
    ok: Effect.Effect<string>
  ): Effect.Effect<string, unknown> => {
    switch (attempt > 1 && does?.endsWith(" once") === true ? "well" : does) {
      case "dies":
        return Effect.die(`${name} died`)
      case "fails":
      case "fails once":
        return Effect.fail(`${name} failed`)
      case "takes too long once":
        return Effect.zipRight(ok, Effect.never)
      case "is unknown once":
        return Effect.zipRight(ok, Effect.fail(new OutcomeUnknown({ reason: "no reply" })))
      default:
        return ok
    }
  }
  return {
    success: Schema.String,
    error: Schema.String,
    inDoubt: "retry",
    when: does === "is skipped" ? () => false : undefined,
    timeout: does === "takes too long once" ? "1 second" : undefined,
    retry: does === "fails once" || kind === "final" ? once : undefined,
    compensationRetry: undoDoes === "fails once" ? once : undefined,
    action: ({ attempt, idempotencyKey }: Keys) =>
      kind === "readOnly"
        ? act(does, attempt, Effect.succeed(name))
        : Effect.flatMap(Ledger, (ledger) => {
          const ok = Effect.as(ledger.do(name, idempotencyKey), name)
          // A service that honours a key does not refuse what it has done under it.
          return Effect.flatMap(ledger.has(idempotencyKey), (done) => done ? ok : act(does, attempt, ok))
        }),
    compensate: ({ actionIdempotencyKey, attempt, output }: Keys & {
      readonly actionIdempotencyKey: string
      readonly output: string
    }) =>
      Effect.flatMap(
        Ledger,
        (ledger) => act(undoDoes, attempt, Effect.as(ledger.undo(output, actionIdempotencyKey), name))
      )
  }
}

/** How an effect ends, while hours of the `TestClock` pass, for the steps that take too long. */
export const exit = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    do yield* TestClock.adjust("1 hour")
    while (Option.isNone(yield* Fiber.poll(fiber)))
    return yield* Fiber.await(fiber)
  })

/** A run has broken the law of unwinding: `problems` says, in sentences, what is false. */
export class LawBroken extends Data.TaggedError("LawBroken")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    return this.problems.join("; ")
  }
}

/**
 * Holds how a program's saga ended against the {@link Ledger}. Fails with {@link LawBroken} where the law of unwinding was broken:
 *
 * - what was done was undone, exactly once, newest first, by declared order, or is named in `PartlyUndone`; after a
 *   success, and with `FailedAfterCommit`, nothing was undone
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
): Effect.Effect<void, LawBroken, Ledger> =>
  Effect.flatMap(
    problemsOf(program, exit, options.afterCrash ?? false),
    (problems) => problems.length === 0 ? Effect.void : Effect.fail(new LawBroken({ problems }))
  )

const problemsOf = (program: Program, exit: Exit.Exit<unknown, unknown>, afterCrash: boolean) =>
  Effect.gen(function*() {
    const ledger = yield* Ledger
    const calls = yield* ledger.calls
    const standing = yield* ledger.standing
    const sentences = steps(program)
    const problems: Array<string> = (yield* ledger.violations)
      // Siblings may be done in any order; how it was undone is held against the declared one below.
      .flatMap(({ _tag, message }) => _tag === "UndoneOutOfOrder" ? [] : [message])
    const say = (problem: string) => void problems.push(problem)
    const names = (tag: "Do" | "Undo") => calls.flatMap(({ _tag, what }) => _tag === tag ? [what] : [])
    const declared = Array.from(sentences.keys())
    const inOrder = (names: ReadonlyArray<string>) =>
      [...names].sort((a, b) => declared.indexOf(a) - declared.indexOf(b))
    const same = (what: string, actual: ReadonlyArray<string>, expected: ReadonlyArray<string>) => {
      const [is, should] = [actual, expected].map((names) => names.join(", ") || "nothing")
      if (is !== should) say(`${what}: ${is}; that should be ${should}`)
    }

    const done = Array.from(new Set(names("Do")))
    const undone = afterCrash ? Array.from(new Set(names("Undo"))) : names("Undo")
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
    const dies = Array.from(sentences.values()).some((sentence) => sentence.endsWith(" that dies"))
    if (afterCrash && error instanceof OutcomeUnknown) {
      if (!dies) say("it ended with OutcomeUnknown, and no step dies")
      same("it waits, and undone was", undone, [])
      return problems
    }

    const named = error instanceof PartlyUndone
      ? [...error.failed.map(({ step }) => step), ...error.notTried].map(lastOf)
      : error instanceof FailedAfterCommit || Exit.isSuccess(exit)
      ? done
      : []
    same("undone was, in this order", undone, inOrder(done).reverse().filter((name) => !named.includes(name)))
    same("what stands", inOrder(standing), inOrder(named))
    if (error instanceof FailedAfterCommit) {
      same("what FailedAfterCommit names", inOrder(error.stands.map(lastOf)), inOrder(standing))
    }

    const culprits = Array.from(sentences).filter(([, sentence]) => / that (fails|dies)$/.test(sentence))
    if (Exit.isSuccess(exit)) {
      for (const [name, sentence] of culprits) say(`it succeeded, although ${name} is a ${sentence}`)
      return problems
    }
    const cause: Cause.Cause<unknown> = error instanceof PartlyUndone || error instanceof FailedAfterCommit
      ? error.cause
      : exit.cause
    const reasons = [
      ...Cause.failures(cause),
      // A stored defect comes back as an error with its message.
      ...Array.from(Cause.defects(cause), (defect) => defect instanceof Error ? defect.message : defect)
    ]
    if (reasons.length === 0) say("it failed for no reason")
    const possible = culprits.map(([name, sentence]) => sentence.endsWith("dies") ? `${name} died` : `${name} failed`)
    for (const reason of reasons) {
      // A step that was in doubt and died when it was run again stays in doubt.
      if (dies && reason instanceof OutcomeUnknown) continue
      if (!(possible as ReadonlyArray<unknown>).includes(reason)) {
        // Then this is why the rest is false.
        problems.unshift(`it failed with "${String(reason)}", which none of its steps can have said`)
      }
    }
    return problems
  })

const lastOf = (path: string) => path.slice(path.lastIndexOf("/") + 1)
