/** Runs the actions of steps in transactions of the database of the journals, each with the commit of its outcome (S24). */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import { Cause, Effect, Exit, Scope } from "effect"
import type { Transacted } from "../definition/transactions.ts"
import { CheckpointError } from "../SagaError.ts"
import { type Commit, inRealTime, type StoreTransactions } from "../store/Checkpoint.ts"
import { withPatience } from "./connections.ts"
import type { Dialect } from "./dialect.ts"
import {
  execute,
  innermostOf,
  noting,
  onConnection,
  reserveIn,
  toCheckpointError,
  transactionConnection
} from "./effectSql.ts"

/** How the transactions of a client are run. */
interface Options {
  readonly dialect: Dialect
  /** For how many milliseconds a transaction is begun again that the database ends because of another one. */
  readonly lockTimeout: number
  /** For how many milliseconds a statement of the store's own may run before its connection is given up. */
  readonly patience: (operation: CheckpointError["operation"]) => number
}

type Refused = Extract<Effect.Effect.Success<ReturnType<StoreTransactions["runWith"]>>, { readonly _tag: "Refused" }>

/** The end of one try. `Again`: the database has ended it because of another transaction; `orElse` is its end if there is no more time. */
type Tried<A, E> =
  | Transacted<A, E>
  | Refused
  | { readonly _tag: "Again"; readonly orElse: Transacted<A, E> }

/** The transactions of a client, whose connections reach the tables of the journals. */
export const transactionsOf = (sql: SqlClient.SqlClient, options: Options): StoreTransactions => ({
  run: (effect) =>
    Effect.flatMap(transactionConnection, (outer) =>
      outer === undefined
        ? Effect.map(untilTaken(sql, options, effect, undefined), (ended) => unrefused(ended))
        : within(sql, effect)),
  runWith: (effect, commitOf) => untilTaken(sql, options, effect, commitOf)
})

/** Nothing is refused where there is no commit. */
const unrefused = <A, E>(ended: Transacted<A, E> | Refused): Transacted<A, E> => ended as Transacted<A, E>

/** As a part of the transaction that the caller is in, which decides in the end. */
const within = <A, E, R>(sql: SqlClient.SqlClient, effect: Effect.Effect<A, E, R>) => {
  let exit: Exit.Exit<A, E> | undefined
  const noted = Effect.onExit(effect, (ended) => Effect.sync(() => exit = ended))
  return Effect.matchCause(sql.withTransaction(noted), {
    onSuccess: (value): Transacted<A, E> => ({ _tag: "Committed", value }),
    // A savepoint that the database does not make is a failure of the caller's transaction.
    onFailure: (cause): Transacted<A, E> => ({
      _tag: "RolledBack",
      cause: exit?._tag === "Failure" ? exit.cause : Cause.die(Cause.squash(cause))
    })
  })
}

/** Tries until the database does not end the transaction because of another one, for as long as `lockTimeout` says. */
const untilTaken = <A, E, R>(
  sql: SqlClient.SqlClient,
  options: Options,
  effect: Effect.Effect<A, E, R>,
  commitOf: ((value: A) => Commit) | undefined
): Effect.Effect<Transacted<A, E> | Refused, never, R> =>
  Effect.uninterruptibleMask((restore) => {
    const until = performance.now() + options.lockTimeout
    const attempt: Effect.Effect<Transacted<A, E> | Refused, never, R> = Effect.flatMap(
      onOneConnection(sql, options, restore(effect), commitOf),
      (tried) => {
        if (tried._tag !== "Again") return Effect.succeed(tried)
        if (performance.now() >= until) return Effect.succeed(tried.orElse)
        // Of two that end each other again and again one has to be first.
        return Effect.zipRight(inRealTime(Effect.sleep(5 + Math.random() * 45)), attempt)
      }
    )
    return attempt
  })

const onOneConnection = <A, E, R>(
  sql: SqlClient.SqlClient,
  options: Options,
  effect: Effect.Effect<A, E, R>,
  commitOf: ((value: A) => Commit) | undefined
): Effect.Effect<Tried<A, E>, never, R> =>
  Effect.flatMap(Scope.make(), (scope) =>
    Effect.ensuring(
      Effect.matchCauseEffect(reserveIn(sql, scope), {
        onFailure: (cause): Effect.Effect<Tried<A, E>> =>
          Effect.succeed({ _tag: "NotRun", error: errorOf(options, Cause.squash(cause)) }),
        onSuccess: (connection) => new Try(connection, options).run(effect, commitOf)
      }),
      Scope.close(scope, Exit.void)
    ))

const errorOf = ({ dialect }: Pick<Options, "dialect">, error: unknown, executionId?: string): CheckpointError =>
  error instanceof CheckpointError ? error : toCheckpointError(dialect, "append", error, executionId)

/** The database has ended a transaction because of another one: as if it had never begun. */
const endedByAnother = (error: unknown): boolean =>
  /^(40001|40P01|SQLITE_BUSY|SQLITE_LOCKED)/.test(innermostOf(error).code)

/** The database has refused what a transaction wrote, at its end (a constraint that is checked then). */
const isRefusal = (error: unknown): boolean => /^(23...|SQLITE_CONSTRAINT)/.test(innermostOf(error).code)

/** One transaction on one connection. */
class Try {
  private readonly connection: Connection
  private readonly options: Options
  /** A statement failed because of another transaction, whatever the action made of it. */
  private wasEnded = false

  constructor(connection: Connection, options: Options) {
    this.connection = connection
    this.options = options
  }

  run<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    commitOf: ((value: A) => Commit) | undefined
  ): Effect.Effect<Tried<A, E>, never, R> {
    const seen = noting(this.connection, (error) => {
      if (endedByAnother(error)) this.wasEnded = true
    })
    return this.unlessFailed(this.begin, () =>
      Effect.matchCauseEffect(onConnection(effect, seen), {
        onFailure: (cause) => this.rollBack(this.orAgain<A, E>({ _tag: "RolledBack", cause })),
        onSuccess: (value) => this.end<A, E>(value, commitOf?.(value))
      }))
  }

  private say(text: string): Effect.Effect<void, SqlError | CheckpointError> {
    return Effect.asVoid(this.bounded(execute(this.connection, text, [])))
  }

  private bounded<A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError | CheckpointError> {
    return withPatience(this.connection, "append", this.options.patience("append"), statement)
  }

  private get begin(): Effect.Effect<void, SqlError | CheckpointError> {
    return Effect.forEach(this.options.dialect.beginForOthers, (text) => this.say(text), { discard: true })
  }

  private end<A, E>(value: A, commit: Commit | undefined): Effect.Effect<Tried<A, E>> {
    const committed = this.commit<A, E>(value)
    return Effect.matchCauseEffect(this.say(this.options.dialect.isStillOpen), {
      onFailure: () =>
        this.rollBack(this.orAgain<A, E>({ _tag: "RolledBack", cause: Cause.die(new Error(endedEarly)) })),
      onSuccess: () =>
        commit === undefined ? committed : this.unlessFailed<A, E, never, boolean>(
          this.append(commit),
          (isStored) => isStored ? committed : this.rollBack({ _tag: "Refused", commit })
        )
    })
  }

  private append(commit: Commit): Effect.Effect<boolean, SqlError | CheckpointError> {
    const { dialect } = this.options
    const statements = dialect.append([commit])
    return Effect.map(
      Effect.forEach(
        statements,
        ({ parameters, text }) => this.bounded(execute(this.connection, dialect.prepare(text), parameters))
      ),
      (rows) => rows.flat().length === 1
    )
  }

  private commit<A, E>(value: A): Effect.Effect<Tried<A, E>> {
    return Effect.matchCauseEffect(this.say("COMMIT"), {
      onSuccess: () => Effect.succeed<Tried<A, E>>({ _tag: "Committed", value }),
      onFailure: (failed) => {
        const error = Cause.squash(failed)
        if (endedByAnother(error)) return this.rollBack(this.again<A, E>(error))
        return this.rollBack<A, E>(
          isRefusal(error)
            ? { _tag: "RolledBack", cause: Cause.die(error) }
            : { _tag: "Unknown", error: errorOf(this.options, error) }
        )
      }
    })
  }

  /** Goes on after a statement of the store's own; if that fails, nothing has happened. */
  private unlessFailed<A, E, R, B = void>(
    statement: Effect.Effect<B, SqlError | CheckpointError>,
    next: (answer: B) => Effect.Effect<Tried<A, E>, never, R>
  ): Effect.Effect<Tried<A, E>, never, R> {
    return Effect.matchCauseEffect(statement, {
      onSuccess: next,
      onFailure: (failed) => {
        const error = Cause.squash(failed)
        return this.rollBack(
          endedByAnother(error) ? this.again<A, E>(error) : { _tag: "NotRun", error: errorOf(this.options, error) }
        )
      }
    })
  }

  private again<A, E>(error: unknown): Tried<A, E> {
    return { _tag: "Again", orElse: { _tag: "NotRun", error: errorOf(this.options, error) } }
  }

  private orAgain<A, E>(ended: Extract<Transacted<A, E>, { readonly _tag: "RolledBack" }>): Tried<A, E> {
    const isTriedAgain = this.wasEnded && !Cause.isInterrupted(ended.cause)
    return isTriedAgain ? { _tag: "Again", orElse: ended } : ended
  }

  /** A connection on which not even this succeeds has no transaction any more. */
  private rollBack<A, E>(ended: Tried<A, E>): Effect.Effect<Tried<A, E>> {
    return Effect.matchCause(this.say("ROLLBACK"), { onFailure: () => ended, onSuccess: () => ended })
  }
}

const endedEarly =
  "the transaction of the action had ended before the action did: it has ended it itself, or has caught an error after which the " +
  "database takes no statement. What it wrote since is not stored, nor is its outcome. Put what may fail into sql.withTransaction"
