/**
 * The mishaps of a saga, one at a time: for tests written by hand, and for `SagaTest.explore`, which tries all of them.
 */
import { Effect, Stream } from "effect"
import { nodeAt } from "../definition/lists.ts"
import { programOf } from "../definition/saga.ts"
import type * as Saga from "../Saga.ts"
import { CheckpointError, InvalidSaga } from "../SagaError.ts"
import type * as Checkpoint from "../store/Checkpoint.ts"
import { interruptSelf } from "../values/fiber.ts"
import type { Fault, InjectedFault } from "./fault.ts"
import { countFaults, injectCounted, isOfStep } from "./injection.ts"

export {
  type ActionFault,
  type CommitFault,
  type CompensationFault,
  type Fault,
  InjectedFault,
  type StepFault
} from "./fault.ts"

const times = (calls: number) => calls === Infinity ? "" : calls === 1 ? " once" : ` ${calls} times`

const words = {
  fails: "fails",
  dies: "dies",
  losesItsReply: "loses its reply",
  hangs: "hangs",
  isInterrupted: "is interrupted",
  isRepeated: "is repeated"
} as const

/** A fault in words: its name, see `SagaTest.explore`. */
export const describe = (fault: Fault): string => {
  switch (fault._tag) {
    case "Action":
      return `action of "${fault.step}" ${words[fault.how]}${times(fault.calls)}`
    case "Compensation":
      return `compensation of "${fault.step}" ${words[fault.how]}${times(fault.calls)}`
    case "Crash":
      return `crash ${fault.moment} commit ${fault.commit} is stored`
    case "Cancel":
      return `cancel ${fault.moment} commit ${fault.commit} is stored`
    case "Disconnect":
      return `disconnect after commit ${fault.commit} is stored`
    case "Close":
      return `close after commit ${fault.commit} is stored`
  }
}

/** The same saga with {@link InjectedFault} among its errors. */
export type Failing<S> = S extends Saga.Saga<infer Input, infer Output, infer Error, infer Requirements, infer Owed>
  ? Saga.Saga<Input, Output, Error | InjectedFault, Requirements, Owed>
  : never

/**
 * A saga that goes wrong as these faults say. Calls are counted over all runs. A fault at a commit has no effect here: it belongs to
 * the store, see {@link crashAt}. Throws `InvalidSaga` if the step of a fault does not exist, has no compensation, or would hang without a
 * timeout.
 */
export const inject = <S extends Saga.Any>(saga: S, faults: ReadonlyArray<Fault>): Failing<S> => injected(saga, faults)

const injected = <S extends Saga.Any>(saga: Saga.Any, faults: ReadonlyArray<Fault>): S => {
  const program = programOf(saga)
  const { name, steps } = program
  const problems = faults.flatMap((fault) => {
    if (!isOfStep(fault)) return []
    const step = nodeAt(program, fault.step)
    if (step?._tag !== "Step") {
      return [`it has no step "${fault.step}" for a fault, but ${steps.map(({ path }) => `"${path}"`).join(", ")}`]
    }
    if (fault._tag === "Compensation") {
      return step.compensate === undefined ? [`step "${fault.step}" has no compensation for a fault`] : []
    }
    return fault.how === "hangs" && step.timeout === undefined
      ? [`the action of "${fault.step}" would hang for ever: it has no timeout`]
      : []
  })
  if (problems.length > 0) throw new InvalidSaga({ saga: name, problems })
  return injectCounted(saga as S, countFaults(faults), interruptSelf)
}

/** A saga whose step of this path fails with {@link InjectedFault}: always, or in its first `calls` calls. */
export const failAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): Failing<S> =>
  inject(saga, [{ _tag: "Action", step, how: "fails", calls }])

/** A saga whose step of this path dies of {@link InjectedFault}: always, or in its first `calls` calls. */
export const dieAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): S =>
  injected(saga, [{ _tag: "Action", step, how: "dies", calls }])

/** A saga that interrupts its run in the first call of this step's action. Fork the run: otherwise the test itself is interrupted. */
export const interruptAt = <S extends Saga.Any>(saga: S, step: string): S =>
  injected(saga, [{ _tag: "Action", step, how: "isInterrupted", calls: 1 }])

/** A saga that calls this step's action, and its compensation if it has one, twice under their keys. */
export const repeat = <S extends Saga.Any>(saga: S, step: string): S => {
  const node = nodeAt(programOf(saga), step)
  const undone = node?._tag === "Step" && node.compensate !== undefined
  return injected(saga, [
    { _tag: "Action", step, how: "isRepeated", calls: Infinity },
    ...undone ? [{ _tag: "Compensation", step, how: "isRepeated", calls: Infinity } as const] : []
  ])
}

/** A saga whose step of this path cannot be undone: always, or in the first `calls` calls. */
export const failUndoAt = <S extends Saga.Any>(saga: S, step: string, calls = Infinity): S =>
  injected(saga, [{ _tag: "Compensation", step, how: "fails", calls }])

/**
 * A store as it looks to a process that dies at its n-th commit, counted from 0: from then on every call fails with a
 * `CheckpointError`, which stands for the death, because the process does nothing after it. Only a release goes through, as if the
 * lease of the dead process had run out. Give the store itself to the next process. A saga makes a commit before each action with a side
 * effect (in a transaction: one with it), before its first compensation and each other one, and at its end.
 */
export const crashAt = (store: Checkpoint.Store, commit: number, moment: "before" | "after"): Checkpoint.Store => {
  let commits = 0
  let dead = false
  const crashed = new CheckpointError({
    reason: "Unavailable",
    operation: "append",
    detail: "the process has crashed, as it was told to"
  })
  const gone = Effect.fail(crashed)
  const alive = <A>(effect: Effect.Effect<A, CheckpointError>): Effect.Effect<A, CheckpointError> =>
    Effect.suspend(() => dead ? gone : effect)
  return {
    append: (group) =>
      Effect.suspend(() => {
        if (dead) return gone
        dead = commits <= commit && commit < commits + group.length
        commits += group.length
        if (!dead) return store.append(group)
        return moment === "before" ? gone : Effect.zipRight(store.append(group), gone)
      }),
    transactions: store.transactions && {
      run: store.transactions.run,
      // A crash before the commit rolls back, as if the effect had never begun.
      runWith: <A, E, R>(effect: Effect.Effect<A, E, R>, commitOf: (value: A) => Checkpoint.Commit) =>
        Effect.suspend(
          (): Effect.Effect<
            Checkpoint.Transacted<A, E> | { readonly _tag: "Refused"; readonly commit: Checkpoint.Commit },
            never,
            R
          > => {
            if (dead || (moment === "before" && commits === commit)) {
              dead = true
              return Effect.succeed({ _tag: "NotRun", error: crashed })
            }
            return Effect.map(store.transactions!.runWith(effect, commitOf), (ended) => {
              if (ended._tag !== "Committed" || commits++ !== commit) return ended
              dead = true
              return { _tag: "Unknown", error: crashed }
            })
          }
        )
    },
    enqueue: (start) => alive(store.enqueue(start)),
    claimNext: (wanted, token) => alive(store.claimNext(wanted, token)),
    arrivals: store.arrivals,
    load: (executionId) => alive(store.load(executionId)),
    release: store.release,
    claim: (executionId, token) => alive(store.claim(executionId, token)),
    unfinished: (which) => Stream.unwrap(alive(Effect.sync(() => store.unfinished(which)))),
    acquire: (lease) => alive(store.acquire(lease)),
    renew: (token) => alive(store.renew(token)),
    send: (message) => alive(store.send(message)),
    list: (listing) => alive(store.list(listing)),
    count: (saga) => alive(store.count(saga)),
    messages: (executionId) => alive(store.messages(executionId)),
    withMessages: (token) => alive(store.withMessages(token)),
    prune: (age) => alive(store.prune(age))
  }
}
