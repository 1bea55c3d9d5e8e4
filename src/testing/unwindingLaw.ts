/** The law of unwinding, as it holds for the sagas of `SagaArbitrary`. */
import { Cause, Exit, Option } from "effect"
import { is } from "../SagaError.ts"
import type * as Ledger from "./Ledger.ts"
import { partsOf, type Sentence } from "./sentence.ts"

/** How one saga ended, and what its ledger says. */
export interface Ending {
  /** By the name of the step, in declared order. */
  readonly sentences: ReadonlyMap<string, Sentence>
  readonly exit: Exit.Exit<unknown, unknown>
  readonly world: {
    readonly calls: ReadonlyArray<Ledger.Call>
    readonly standing: ReadonlyArray<string>
    readonly violations: ReadonlyArray<Ledger.Violation>
  }
  /** Whether a process was lost on the way, so that a compensation may have been called again. */
  readonly afterCrash: boolean
}

/** Each breach of the law as a sentence. */
export const problemsOf = (ending: Ending): ReadonlyArray<string> => {
  const { afterCrash, exit, sentences, world } = ending
  // Siblings may be done in any order: the order of undoing is compared with the declared one below.
  const ofLedger = world.violations.flatMap(({ _tag, message }) => _tag === "UndoneOutOfOrder" ? [] : [message])
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  if (afterCrash && is("OutcomeUnknown")(error)) {
    return [
      ...ofLedger,
      ...dies(sentences) ? [] : ["it ended with OutcomeUnknown, and no step dies"],
      ...compare("it waits, and undone was", undoneIn(ending), [])
    ]
  }
  const culprits = Array.from(sentences, ([name, sentence]) => ({ name, sentence, mishap: partsOf(sentence).mishap }))
    .filter(({ mishap }) => mishap === "fails" || mishap === "dies")
  const ofWorld = [...ofLedger, ...problemsOfWorld(ending, error)]
  if (Exit.isSuccess(exit)) {
    return [...ofWorld, ...culprits.map(({ name, sentence }) => `it succeeded, although ${name} is a ${sentence}`)]
  }
  const reasons = reasonsOf(ownCause(error) ?? exit.cause)
  const possible: ReadonlyArray<unknown> = culprits.map(({ mishap, name }) =>
    mishap === "dies" ? `${name} died` : `${name} failed`
  )
  const impossible = reasons.filter((reason) =>
    // A step that was in doubt and died when it was run again stays in doubt.
    !(dies(sentences) && is("OutcomeUnknown")(reason)) && !possible.includes(reason)
  )
  return [
    // First, because these explain the rest.
    ...impossible.map((reason) => `it failed with "${String(reason)}", which none of its steps can have said`)
      .reverse(),
    ...ofWorld,
    ...reasons.length === 0 ? ["it failed for no reason"] : []
  ]
}

const dies = (sentences: Ending["sentences"]) =>
  Array.from(sentences.values()).some((sentence) => partsOf(sentence).mishap === "dies")

const namesIn = ({ world }: Ending, tag: Ledger.Call["_tag"]) =>
  world.calls.flatMap(({ _tag, what }) => _tag === tag ? [what] : [])

const undoneIn = (ending: Ending): ReadonlyArray<string> =>
  ending.afterCrash ? Array.from(new Set(namesIn(ending, "Undo"))) : namesIn(ending, "Undo")

/** Each effect was undone, newest first, unless the error names it or nothing had to be undone. */
const problemsOfWorld = (ending: Ending, error: unknown): ReadonlyArray<string> => {
  const { exit, sentences, world } = ending
  const declared = Array.from(sentences.keys())
  const inOrder = (names: ReadonlyArray<string>) => [...names].sort((a, b) => declared.indexOf(a) - declared.indexOf(b))
  const done = Array.from(new Set(namesIn(ending, "Do")))
  const committed = is("FailedAfterCommit")(error) ? error : undefined
  const named = is("PartlyUndone")(error)
    ? [...error.failed.map(({ step }) => step), ...error.notTried].map(lastOf)
    : committed !== undefined || Exit.isSuccess(exit)
    ? done
    : []
  const toUndo = inOrder(done).reverse().filter((name) => !named.includes(name))
  const standing = inOrder(world.standing)
  return [
    ...compare("undone was, in this order", undoneIn(ending), toUndo),
    ...compare("what stands", standing, inOrder(named)),
    ...committed === undefined
      ? []
      : compare("what FailedAfterCommit names", inOrder(committed.stands.map(lastOf)), standing)
  ]
}

const compare = (
  what: string,
  actual: ReadonlyArray<string>,
  expected: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const [is, should] = [actual, expected].map((names) => names.join(", ") || "nothing")
  return is === should ? [] : [`${what}: ${is}; that should be ${should}`]
}

/** The original cause that an error carries. */
const ownCause = (error: unknown): Cause.Cause<unknown> | undefined =>
  is("PartlyUndone")(error) || is("FailedAfterCommit")(error) ? error.cause : undefined

const reasonsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> => [
  ...Cause.failures(cause),
  // A stored defect comes back as an error with its message.
  ...Array.from(Cause.defects(cause), (defect) => defect instanceof Error ? defect.message : defect)
]

const lastOf = (path: string) => path.slice(path.lastIndexOf("/") + 1)
