/**
 * Faults that somebody could put into the library, each of which a test has to notice: in `file`, `text`, which is there once,
 * becomes `replacement`. `tests` are the files that should see it, those that end sooner first; of a long file `only` is what
 * the names of its tests begin with or contain, to save time. Texts are short where they can be, so that few changes of the
 * source touch them.
 */

const acquireRelease = "test/law/S02-acquire-release.test.ts"
const unwinding = "test/law/S03-unwinding.test.ts"
const failedCompensation = "test/law/S05-failed-compensation.test.ts"
const pointOfNoReturn = "test/law/S06-point-of-no-return.test.ts"
const inDoubt = "test/law/S07-in-doubt.test.ts"
const parallel = "test/law/S08-parallel.test.ts"
const nested = "test/law/S09-nested.test.ts"
const keys = "test/law/S10-keys.test.ts"
const journalFirst = "test/law/S11-journal-first.test.ts"
const resuming = "test/law/S13-resuming.test.ts"
const oneDriver = "test/law/S14-one-driver.test.ts"
const interrupted = "test/law/S17-interrupted.test.ts"
const started = "test/law/S18-started.test.ts"
const cancelled = "test/law/S19-cancelled.test.ts"
const workers = "test/Worker.test.ts"
const races = "test/law/S19-races.test.ts"
const sameId = "test/law/S15-same-id.test.ts"
const list = "test/law/S23-list.test.ts"
const transactional = "test/law/S24-transactions.test.ts"
const keepsFailing = "test/law/S25-keeps-failing.test.ts"
const doesNotFit = "test/law/S16-does-not-fit.test.ts"
const readable = "test/law/S26-readable.test.ts"
const journal = "test/Journal.test.ts"
const checkpoint = "test/Checkpoint.test.ts"
const recovery = "test/Recovery.test.ts"
const executions = "test/Executions.test.ts"
const waits = "test/law/S20-waiting.test.ts"

const interpreter = "src/engine/interpreter.ts"
const siblings = "src/engine/parallel.ts"
const items = "src/engine/items.ts"
const outcome = "src/engine/outcome.ts"
const unwind = "src/engine/unwind.ts"
const compensation = "src/engine/compensation.ts"
const action = "src/engine/action.ts"
const codec = "src/engine/codec.ts"
const endings = "src/engine/endings.ts"
const durable = "src/engine/durable.ts"
const cancellation = "src/engine/cancellation.ts"
const worker = "src/worker/Worker.ts"
const join = "src/engine/join.ts"
const load = "src/engine/load.ts"
const waiting = "src/engine/waiting.ts"
const finding = "src/engine/finding.ts"
const recorder = "src/engine/checkpointRecorder.ts"
const statuses = "src/journal/statuses.ts"
const transition = "src/journal/transition.ts"
const groups = "src/store/groupCommits.ts"
const sqlLeases = "src/sql/leases.ts"
const sqlJournals = "src/sql/journals.ts"
const sqlTransactions = "src/sql/transactions.ts"
const callersTransaction = "src/sql/callersTransaction.ts"
const sqlConnections = "src/sql/connections.ts"
const sqlite = "src/sql/sqliteDialect.ts"
const postgres = "src/sql/postgresDialect.ts"

export const mutants = [
  // The way forward.
  {
    says: "stores an intent after it has acted",
    file: interpreter,
    text: "return recorder.commit(() => recordOutcome(action, action.run()))",
    replacement:
      "return Effect.flatMap(recordOutcome(action, action.run()), (o) => recorder.commit(() => Effect.succeed(o)))",
    tests: [journalFirst]
  },
  {
    says: "forgets to arm a compensation from the journal",
    file: interpreter,
    text: "frame.armed.push(new Armed(step, frame, output))",
    replacement: "if (run.past === undefined) frame.armed.push(new Armed(step, frame, output))",
    tests: [resuming]
  },
  {
    says: "goes forward after a stored decision to unwind, where every step had succeeded",
    file: interpreter,
    text: "if (run.past?.state.direction === \"Back\") return",
    replacement: "if (false) return",
    tests: [journalFirst]
  },
  {
    says: "comes to a step after a stored decision to unwind",
    file: interpreter,
    text: "const isBack = past.state.direction === \"Back\"",
    replacement: "const isBack = false",
    tests: [journalFirst]
  },
  {
    says: "decides a skipped step's condition again on a resume",
    file: interpreter,
    text: "case \"Skipped\":\n      return Effect.succeed(skipped)",
    replacement: "case \"Skipped\":\n      return runStep(run, frame, step)",
    tests: ["test/conditions.test.ts"]
  },
  {
    says: "takes a step in doubt for one that failed",
    file: interpreter,
    text: "replayDoubt(run, past, frame, step, recorded, begin)\n",
    replacement: "replayFailure(run, past, step, recorded, begin)\n",
    tests: [inDoubt]
  },
  {
    says: "lets an interruption in after the point of no return",
    file: interpreter,
    text: "return run.committed.length > 0 ? now() :",
    replacement: "return",
    tests: [pointOfNoReturn]
  },
  {
    says: "misses an interruption that comes during the last step",
    file: interpreter,
    text: "run.committed.length > 0 ? output() :",
    replacement: "run.committed.length >= 0 ? output() :",
    tests: [acquireRelease]
  },
  {
    says: "lets an interruption into a sibling's actions",
    file: siblings,
    text: "Effect.uninterruptible(Effect.suspend(() => {\n        if (branch.begun",
    replacement: "Effect.asVoid(Effect.suspend(() => {\n        if (branch.begun",
    tests: [parallel]
  },
  {
    says: "lets a sibling begin after another has failed",
    file: siblings,
    text: "branch.begun || (failed && !isUnderWay(run, branch.node, kind))",
    replacement: "branch.begun",
    tests: [parallel]
  },
  {
    says: "forgets what an earlier process did in a sibling, once another has failed",
    file: siblings,
    text: "(failed && !isUnderWay(run, branch.node, kind))",
    replacement: "failed",
    tests: [parallel]
  },
  {
    says: "forgets what an earlier process did in a sibling, once it is interrupted",
    file: siblings,
    text: "return run.past === undefined ? Effect.void : Effect.forEach",
    replacement: "return run.past === undefined || true ? Effect.void : Effect.forEach",
    tests: [parallel]
  },
  {
    says: "arms siblings in the wrong order",
    file: siblings,
    text: "for (const lane of lanes) for",
    replacement: "for (const lane of [...lanes].reverse()) for",
    tests: [parallel]
  },
  {
    says: "puts a sibling's own failure before another's doubt",
    file: siblings,
    text: "[...causes.filter(isDoubt), ...causes.filter((cause) => !isDoubt(cause))]",
    replacement: "causes",
    tests: [parallel]
  },
  // The way back.
  {
    says: "unwinds in forward order",
    file: unwind,
    text: "this.runEntry(armed[armed.length - 1]!),\n      step: (wasTried) => {\n        if (wasTried) armed.pop()",
    replacement: "this.runEntry(armed[0]!),\n      step: (wasTried) => {\n        if (wasTried) armed.shift()",
    tests: [unwinding]
  },
  {
    says: "skips the compensation of the oldest step",
    file: unwind,
    text: "while: () => armed.length > 0",
    replacement: "while: () => armed.length > 1",
    tests: [unwinding]
  },
  {
    says: "undoes before the decision to unwind is stored",
    file: unwind,
    text: "return recorder.commit(() => outcome)",
    replacement: "return Effect.flatMap(outcome, (o) => recorder.commit(() => Effect.succeed(o)))",
    tests: [journalFirst]
  },
  {
    says: "says nothing of a compensation that failed",
    file: unwind,
    text: "this.failed.push({ step, cause })",
    replacement: "void cause",
    tests: [failedCompensation]
  },
  {
    says: "undoes again what the journal says is undone",
    file: unwind,
    text: "if (past?.state.steps.get(step)?.status === \"Undone\")",
    replacement: "if (false)",
    tests: [resuming]
  },
  {
    says: "undoes what stands under a Final that has taken effect",
    file: unwind,
    text: "[(s) => s.committed, \"FailAfterCommit\"]",
    replacement: "[() => false, \"FailAfterCommit\"]",
    tests: [pointOfNoReturn]
  },
  {
    says: "undoes a durable execution whose outcome nobody knows",
    file: unwind,
    text: "[(s) => s.durable && s.unsettled && !s.committed, \"Park\"]",
    replacement: "[() => false, \"Park\"]",
    tests: [inDoubt]
  },
  {
    says: "undoes an interrupted execution in which an earlier process left a doubt",
    file: unwind,
    text: "s.suspends || s.committed || s.inDoubt",
    replacement: "s.suspends || s.committed",
    tests: [nested]
  },
  {
    says: "gives a compensation the key of its action",
    file: compensation,
    text: "keyOf(owner.key, step, \"compensation\")",
    replacement: "keyOf(owner.key, step, \"action\")",
    tests: [keys]
  },
  {
    says: "does not stop the retry of a compensation whose lease is lost",
    file: compensation,
    text: "beforeCall(owner, ++this.attempt, () => compensate!(this.context()))",
    replacement: "(++this.attempt, compensate!(this.context()))",
    tests: [oneDriver],
    only: "^a lease on SQLite"
  },
  // Actions and their doubts.
  {
    says: "does not stop a retry whose lease is lost",
    file: "src/engine/beforeCall.ts",
    text: "recorder === undefined ? call()",
    replacement: "recorder === undefined || attempt > 1 ? call()",
    tests: [oneDriver],
    only: "^a lease on SQLite"
  },
  {
    says: "takes a lost reply for a failure",
    file: action,
    text: "is(\"OutcomeUnknown\")(error) && error.happened === undefined",
    replacement: "false",
    tests: [inDoubt]
  },
  {
    says: "lets any typed error settle a doubt",
    file: action,
    text: "if (inDoubt === \"retry\" && isAnswer?.(error) !== false) doubt = undefined",
    replacement: "doubt = undefined",
    tests: [inDoubt]
  },
  {
    says: "lets a defect settle a doubt",
    file: action,
    text: "if (error === undefined) return endWith(cause)",
    replacement: "if (error === undefined) return Effect.failCause(cause)",
    tests: [inDoubt]
  },
  {
    says: "takes a verify that cannot tell for one that says no",
    file: action,
    text: "? remainUnknown(action, `${doubt.reason}; verify could not tell: ${oneLine(cause)}`)",
    replacement: "? settle.didNot()",
    tests: [inDoubt]
  },
  {
    says: "uses a new key on a resume",
    file: "src/engine/run.ts",
    text: "this.key = encodeURIComponent(options.executionId)",
    replacement:
      "this.key = encodeURIComponent(options.executionId) + (options.past === undefined ? \"\" : \"-again\")",
    tests: [journalFirst]
  },
  // Executions and their journals.
  {
    says: "ignores the recorded input on a second execute",
    file: load,
    text: "if (canonical(stored) === asked) return Effect.void",
    replacement: "if (true) return Effect.void",
    tests: [sameId]
  },
  {
    says: "sets a parked execution going on execute",
    file: durable,
    text: "wakes: false, finding",
    replacement: "wakes: true, finding",
    tests: [pointOfNoReturn]
  },
  {
    says: "runs an execution twice instead of joining it",
    file: join,
    text: "const driven = store.findDriven(executionId)",
    replacement: "const driven = store.findDriven(`not ${executionId}`)",
    tests: [sameId]
  },
  {
    says: "hands an interruption on to the calls that have joined",
    file: join,
    text: "if (driven.isSuspended() && wasInterrupted(exit)) return again(turn)",
    replacement: "if (driven === undefined) return again(turn)",
    tests: [sameId, interrupted]
  },
  {
    says: "goes on with the journal that it read before its claim",
    file: durable,
    text: "const loadAgain = Effect.interruptible(loadKnown(store, program, executionId))",
    replacement: "const loadAgain = Effect.runSyncExit(loadKnown(store, program, executionId))",
    tests: [oneDriver]
  },
  {
    says: "keeps the lease of what it leaves unfinished",
    file: durable,
    text: "? Effect.zipRight(release, ended)",
    replacement: "? ended",
    tests: [oneDriver],
    only: "^S14"
  },
  {
    says: "goes on with a journal of another definition",
    file: load,
    text: "if (changed !== undefined && end === undefined)",
    replacement: "if (false)",
    tests: [doesNotFit]
  },
  {
    says: "takes what was found out about a step that is not in doubt",
    file: finding,
    text: "|| !Journal.isInDoubt(recorded)",
    replacement: "",
    tests: [inDoubt]
  },
  {
    says: "goes on storing after the store has failed once",
    file: recorder,
    text: "if (this.halted !== undefined) return Effect.failCause(this.halted.cause)",
    replacement: "",
    tests: [parallel]
  },
  {
    says: "stores what JSON loses",
    file: "src/engine/codec.ts",
    text: "encoded === undefined ? undefined : notJson(encoded)",
    replacement: "encoded === undefined ? undefined : undefined",
    tests: ["test/Saga.test.ts"]
  },
  // The table of transitions.
  {
    says: "lets a decision to unwind follow a Final that has taken effect",
    file: transition,
    text: "return committed === undefined ? undefined : invalid(event, `Final",
    replacement: "return committed !== committed ? undefined : invalid(event, `Final",
    tests: [journal]
  },
  {
    says: "lets an execution end as undone in which a step stands",
    file: transition,
    text: "stepStatuses[step.status].endsAs[result] ||",
    replacement: "step.status !== \"CompensationFailed\" ||",
    tests: [journal]
  },
  {
    says: "lets a compensation begin without a decision to unwind",
    file: transition,
    text: "if (state.direction === \"Forward\") return",
    replacement: "if (false) return",
    tests: [journal]
  },
  {
    says: "reads a format that is newer than itself",
    file: "src/journal/commit.ts",
    text: "commit.format > format",
    replacement: "false",
    tests: [doesNotFit]
  },
  // Groups and leases.
  {
    says: "answers that all commits of a group are stored",
    file: groups,
    text: "if (stored === true) {",
    replacement: "if (stored !== undefined) {",
    tests: [checkpoint]
  },
  {
    says: "tells a process that has lost its lease that another drives",
    file: groups,
    text: ": Effect.succeed(\"LeaseLost\" as const)",
    replacement: ": Effect.succeed(\"OtherDriver\" as const)",
    tests: [oneDriver]
  },
  {
    says: "believes in a lease that has run out while the store was out of reach",
    file: "src/store/lease.ts",
    text: "this.current?.token === token && this.lasts()",
    replacement: "this.current?.token === token",
    tests: [oneDriver],
    only: "out of touch"
  },
  {
    says: "does not renew its lease",
    file: "src/store/lease.ts",
    text: "if (Number.isFinite(milliseconds)) {",
    replacement: "if (false) {",
    tests: [oneDriver],
    only: "^a lease on SQLite"
  },
  {
    says: "keeps its lease when it closes",
    file: "src/store/lease.ts",
    text: "this.whileClosing(this.store.release(token))",
    replacement: "Effect.void",
    tests: [interrupted, oneDriver],
    only: "^S1[47]"
  },
  {
    says: "drops the fencing check in the store in memory",
    file: "src/store/memoryStore.ts",
    text: "known.token === token && known.fence === fence",
    replacement: "true",
    tests: [checkpoint]
  },
  {
    says: "tries each commit of a group no more where the group failed",
    file: groups,
    text: "if (group.length > 1) return this.writeOneByOne(group, cause)",
    replacement: "",
    tests: [checkpoint],
    only: "^a group of commits"
  },
  {
    says: "takes a commit whose answer was lost for another process's",
    file: groups,
    text: "if (stored !== true && !isRejected(why)) fail(why)",
    replacement: "if (false) fail(why)",
    tests: [checkpoint],
    only: "^a group of commits"
  },
  {
    says: "bounds a group by its rows only",
    file: groups,
    text: "if (size > 0 && text > largestText) break",
    replacement: "",
    tests: [checkpoint],
    only: "^a group of commits"
  },
  {
    says: "looks for what is to be deleted an hour after it has opened",
    file: "src/store/Checkpoint.ts",
    text: "Effect.zipRight(logged, Effect.sleep(\"1 hour\"))",
    replacement: "Effect.zipRight(Effect.sleep(\"1 hour\"), logged)",
    tests: [checkpoint],
    only: "^finished executions"
  },
  {
    says: "counts a lease from the answer of the store",
    file: "src/store/lease.ts",
    text: "this.current = { token, since: asked }",
    replacement: "this.current = { token, since: now() }",
    tests: [oneDriver],
    only: "^a lease by the clocks"
  },
  {
    says: "does not count the sleep of the machine",
    file: "src/store/lease.ts",
    text: "Math.max(performance.now() - monotonic, Date.now() - wall)",
    replacement: "performance.now() - monotonic",
    tests: [oneDriver],
    only: "^a lease by the clocks"
  },
  {
    says: "forgets a release that was put off when an earlier one comes through",
    file: "src/store/lease.ts",
    text: "if (this.toRelease.get(executionId)?.fence === fence) this",
    replacement: "this",
    tests: [oneDriver],
    only: "^S14: a claim"
  },
  {
    says: "tells the end of an execution, or the way back, as if it were stored",
    file: durable,
    text: "if (run.halt !== undefined) return",
    replacement: "if (run.halt !== undefined && run.recorder?.state()?.status === \"Running\") return",
    tests: [oneDriver],
    only: "^S14: a claim"
  },
  {
    says: "lets no timer fire while it is busy",
    file: "src/store/eventLoop.ts",
    text: "now - this.since < longestHold",
    replacement: "true",
    tests: [oneDriver],
    only: "^a process that is busy"
  },
  // SQL.
  {
    says: "drops the fencing check in append, on SQLite",
    file: sqlite,
    text: "unfinished.token = given.token AND unfinished.fence = given.fence AND",
    replacement: "",
    tests: [checkpoint]
  },
  {
    says: "stores what was sent under an earlier claim, on SQLite",
    file: sqlite,
    text: "AND unfinished.fence = given.fence",
    replacement: "",
    tests: [checkpoint]
  },
  {
    says: "lets a lease that has ended append, on SQLite",
    file: sqlite,
    text: "lease.expires_at > ${now} AND (given.sequence",
    replacement: "(given.sequence",
    tests: [oneDriver]
  },
  {
    says: "lets a sequence leave a gap, on SQLite",
    file: sqlite,
    text: "(given.sequence = 1 OR EXISTS",
    replacement: "(given.sequence > 0 OR EXISTS",
    tests: [checkpoint]
  },
  {
    says: "leaves the check of its own lease out of claim",
    file: sqlLeases,
    text: "EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = ? AND lease.expires_at > ${now})",
    replacement: "? > 0",
    tests: [checkpoint]
  },
  {
    says: "claims what is leased to another",
    file: sqlLeases,
    text: "(token IS NULL OR token = ?",
    replacement: "(1 = 1 OR token = ?",
    tests: [checkpoint]
  },
  {
    says: "does not roll a group back that fails",
    file: sqlConnections,
    text: "say(\"ROLLBACK\")",
    replacement: "say(\"COMMIT\")",
    tests: [checkpoint]
  },
  {
    says: "takes a group of which some were refused for stored",
    file: sqlJournals,
    text: "rows.length === commits.length",
    replacement: "rows.length <= commits.length",
    tests: [checkpoint]
  },
  {
    says: "keeps a journal inside a transaction of its caller",
    file: "src/sql/effectSql.ts",
    text: "Option.isNone(transaction) ? effect",
    replacement: "Option.isOption(transaction) ? effect",
    tests: [checkpoint]
  },
  {
    says: "drops the fencing check in append, on PostgreSQL",
    file: postgres,
    text: "unfinished.token = given.token AND unfinished.fence = given.fence AND",
    replacement: "",
    tests: ["test/postgres.test.ts"],
    only: "a store",
    postgres: true
  },
  {
    says: "claims by what it saw before it waited, on PostgreSQL",
    file: sqlLeases,
    text: "AND fence = (SELECT seen.fence FROM effect_saga_unfinished AS seen WHERE seen.execution = ${numberOf})",
    replacement: "AND ? <> ''",
    tests: ["test/postgres.test.ts"],
    only: "between its look",
    postgres: true
  },
  {
    says: "lets a claim come between the look and the write, on PostgreSQL",
    file: postgres,
    text: "ORDER BY execution.id\n    FOR UPDATE OF unfinished",
    replacement: "",
    tests: ["test/postgres.test.ts"],
    postgres: true
  },
  {
    says: "deletes what started long enough ago, whenever it ended",
    file: sqlJournals,
    text: "Number(ended_at) < before",
    replacement: "Number(started_at) < before",
    tests: [checkpoint],
    only: "^finished executions"
  },
  {
    says: "takes a process for another's that has its number now",
    file: "src/sql/owner.ts",
    text: "now.start !== start",
    replacement: "false",
    tests: [oneDriver],
    only: "^a lease on a SQLite file"
  },
  {
    says: "does not look whether its file is still there",
    file: "src/sql/watchedFile.ts",
    text: "identify(filename) === opened",
    replacement: "true",
    tests: [checkpoint],
    only: "^a SQLite file that is deleted"
  },
  {
    says: "starts an execution under a lease that has ended, on PostgreSQL",
    file: postgres,
    text: "lease.expires_at > ${now}\n    )\n    ORDER BY given.execution_id",
    replacement: "lease.expires_at > -1\n    )\n    ORDER BY given.execution_id",
    tests: [oneDriver],
    only: "that has run out lets nobody",
    postgres: true
  },
  {
    says: "starts executions in the order in which they are given, on PostgreSQL",
    file: postgres,
    text: "ORDER BY given.execution_id",
    replacement: "",
    tests: ["test/postgres.test.ts"],
    only: "two processes that start",
    postgres: true
  },
  {
    says: "locks its tables although no migration is due, on PostgreSQL",
    file: "src/sql/migrations.ts",
    text: "Number(Object.values(row ?? {})[0] ?? 0) < count",
    replacement: "count > 0",
    tests: ["test/postgres.test.ts"],
    only: "a lock of another session",
    postgres: true
  },
  {
    says: "takes its connections from the application's pool, on PostgreSQL",
    file: "src/sql/ownClients.ts",
    text: "settings !== undefined",
    replacement: "false",
    tests: ["test/postgres.test.ts"],
    only: "keeps all connections",
    postgres: true
  },
  {
    says: "waits for a connection that has fallen silent, on PostgreSQL",
    file: sqlConnections,
    text: "session.end()",
    replacement: "",
    tests: ["test/postgres.test.ts"],
    only: "fallen silent",
    postgres: true
  },
  // Recovery.
  {
    says: "recovers what this process drives",
    file: "src/recovery/Recovery.ts",
    text: "if (checkpoint.findDriven(executionId) !== undefined) return false",
    replacement: "",
    tests: [recovery]
  },
  {
    says: "does not wait for the leases of processes that may have died",
    file: "src/recovery/Recovery.ts",
    text: "leases.size > 0 ? Stream.fromEffect",
    replacement: "leases.size > 0 && wait < 0 ? Stream.fromEffect",
    tests: [oneDriver]
  },
  {
    says: "undoes what it recovers when it is interrupted",
    file: durable,
    text: "watch: Watch = { onInterrupt: \"suspend\"",
    replacement: "watch: Watch = { onInterrupt: \"cancel\"",
    tests: [recovery]
  },
  // The life of an execution.
  {
    says: "lets an interruption of the call end the execution",
    file: join,
    text: "    case undefined:\n      return undefined\n    case \"suspend\":",
    replacement: "    case undefined:\n    case \"suspend\":",
    tests: [interrupted]
  },
  {
    says: "lets an execution begin while the store closes",
    file: "src/store/driven.ts",
    text: "this.closed = true",
    replacement: "this.closed = false",
    tests: [interrupted]
  },
  {
    says: "does not suspend what is driven when the store closes",
    file: "src/store/driven.ts",
    text: "for (const driven of open) driven.suspend()",
    replacement: "for (const driven of open) driven.isSuspended()",
    tests: [interrupted]
  },
  {
    says: "frees an execution whose action still runs when the store closes",
    file: "src/store/Checkpoint.ts",
    text: "lease.forget()",
    replacement: "lease.isValid",
    tests: [interrupted]
  },
  {
    says: "acknowledges a start that is not stored",
    file: join,
    text: "if (driven.isStored()) return Effect.void",
    replacement: "if (driven !== undefined) return Effect.void",
    tests: [started]
  },
  {
    says: "stores a start only with the first side effect",
    file: durable,
    text: "return storesFirst ? stored(recorder, driving) : driving",
    replacement: "return storesFirst ? driving : driving",
    tests: [started]
  },
  {
    says: "says nothing of an execution that it leaves while nobody waits",
    file: join,
    text: "Exit.isSuccess(exit) || driven.isAwaited() ||",
    replacement: "Exit.isSuccess(exit) || driven !== undefined ||",
    tests: [started]
  },
  {
    says: "warns of an execution that a start was refused",
    file: join,
    text: "driven.isAwaited() || !driven.isStored()",
    replacement: "driven.isAwaited()",
    tests: [started]
  },
  {
    says: "lets a step await its own execution for ever",
    file: join,
    text: "if (waitsForAny(store, executionId, inside)) {\n      return",
    replacement: "if (executionId === \"\") {\n      return",
    tests: ["test/law/S15-waits-for-itself.test.ts"]
  },
  {
    says: "keeps the place of an execution that awaits one which has none",
    file: "src/engine/results.ts",
    text: "leavePlace()\n",
    replacement: "void leavePlace\n",
    tests: ["test/Worker.test.ts"],
    only: "gives the place"
  },
  {
    says: "does not wait for an execution that another process drives",
    file: join,
    text: "if (waitsForOthers && isDrivenElsewhere(exit))",
    replacement: "if (false && isDrivenElsewhere(exit))",
    tests: [oneDriver]
  },
  {
    says: "tells an unfinished execution to have ended",
    file: "src/engine/results.ts",
    text: "return Effect.zipRight(pause(turn), look(turn + 1))",
    replacement: "return Effect.void",
    tests: [oneDriver]
  },
  // Plans.
  {
    says: "takes an error that came without a call for a tool's answer",
    file: action,
    text: "isAnswer?.(error) !== false",
    replacement: "true",
    tests: ["test/planDurable.test.ts"]
  },
  {
    says: "resumes a plan whose tools are gone",
    file: "src/plan/reader.ts",
    text: "if (stored !== undefined) checkToolsExist(parts, stored, tools, report)",
    replacement: "if (stored !== undefined) void checkToolsExist",
    tests: ["test/planDurable.test.ts"]
  },
  {
    says: "takes a plan for another of the same steps",
    file: "src/definition/difference.ts",
    text: "if (stored === plan || canonical(stored) === canonical(plan)) return undefined",
    replacement: "if (stored === plan || canonical(stored) !== \"\") return undefined",
    tests: ["test/planDurable.test.ts"]
  },
  {
    says: "lets a ReadOnly step of a plan call a tool with a side effect",
    file: "src/plan/calls.ts",
    text: "if (classification === undefined || mayBe(declared, classification)) return",
    replacement:
      "if (classification === undefined || classification === \"ReadOnly\" || mayBe(declared, classification)) return",
    tests: ["test/Plan.test.ts"]
  },
  {
    says: "lets a plan undo by a tool that the owner of the other does not name",
    file: "src/plan/trust.ts",
    text: "action.compensatedBy.includes(name)",
    replacement: "name !== \"\"",
    tests: ["test/planTrust.test.ts"]
  },
  {
    says: "lets a plan say that nothing undoes what its owner calls Compensatable",
    file: "src/plan/calls.ts",
    text: "if (classification === undefined || mayBe(declared, classification)) return",
    replacement:
      "if (classification === undefined || classification === \"Final\" || mayBe(declared, classification)) return",
    tests: ["test/planTrust.test.ts"]
  },
  {
    says: "believes the hints of an MCP server that is not trusted",
    file: "src/plan/mcp.ts",
    text: "const isBelieved = trusted && ",
    replacement: "const isBelieved = ",
    tests: ["test/planTrust.test.ts"]
  },
  {
    says: "never tries again what a failure of the store has stopped",
    file: "src/worker/Worker.ts",
    text: "if (until <= now) this.left.delete(left)",
    replacement: "if (until < 0) this.left.delete(left)",
    tests: ["test/Worker.test.ts"],
    only: "tries again after a minute"
  },
  {
    says: "gives tools the values of others to change",
    file: "src/plan/steps.ts",
    text: "arguments: copied(resolved)",
    replacement: "arguments: resolved",
    tests: ["test/ToolExecutor.test.ts"]
  },
  // Observers.
  {
    says: "tells a decision before it is stored",
    file: recorder,
    text: "if (isToldOnceStored(event))",
    replacement: "if (false)",
    tests: ["test/SagaEvents.test.ts"]
  },
  {
    says: "tells a redacted value that does not match its schema",
    file: "src/values/issues.ts",
    text: "isOfSecret(issue) ? withoutValues(issue) : issue",
    replacement: "issue",
    tests: ["test/hostileErrors.test.ts"]
  },
  // The law again, from the side of what is left, parked or tried once more.
  {
    says: "forgets what was not tried in a lane of a parallel unwinding that stopped",
    file: unwind,
    text: "() => lanes.every((lane) => lane.length === 0)",
    replacement: "() => true",
    tests: [failedCompensation]
  },
  {
    says: "goes on in the other lanes after a compensation has failed, although the saga says stop",
    file: unwind,
    text: "while: () => armed.length > 0 && this.goesOn,",
    replacement: "while: () => armed.length > 0 && (armed !== this.run.armed || this.goesOn),",
    tests: [failedCompensation]
  },
  {
    says: "keeps the claim of an execution whose journal it cannot read",
    file: durable,
    text: "onFailure: (cause) => Effect.zipRight(release, Effect.failCause(cause)),",
    replacement: "onFailure: (cause) => Effect.failCause(cause),",
    tests: [oneDriver],
    only: "^S14: a claim"
  },
  {
    says: "keeps the claim of an execution that it finds parked",
    file: durable,
    text: "if (recorded !== undefined) return Effect.zipRight(release, recorded)",
    replacement: "if (recorded !== undefined) return recorded",
    tests: [oneDriver],
    only: "^S14: a claim"
  },
  {
    says: "keeps the claim of an execution about which it refuses a finding",
    file: durable,
    text: "finding), () => release)",
    replacement: "finding), () => Effect.void)",
    tests: [oneDriver],
    only: "^S14: a claim"
  },
  {
    says: "runs an action again that failed and was interrupted",
    file: interpreter,
    text: "recorded.failures.every(({ kind }) => kind === \"Interrupt\")",
    replacement: "recorded.failures.some(({ kind }) => kind === \"Interrupt\")",
    tests: [parallel],
    only: "^S8: parallel blocks durably, nor"
  },
  {
    says: "takes a block with a skipped sibling for unfinished",
    file: siblings,
    text: "(tookEffect(step) || step.status === \"Skipped\")",
    replacement: "tookEffect(step)",
    tests: [pointOfNoReturn]
  },
  {
    says: "takes a finding about an execution that goes back",
    file: finding,
    text: "state.direction === \"Back\" || ",
    replacement: "",
    tests: [inDoubt]
  },
  {
    says: "runs a Final without a policy again after a crash",
    file: action,
    text: "isUndoable ? \"retry\" : \"park\"",
    replacement: "isUndoable ? \"retry\" : \"retry\"",
    tests: [inDoubt]
  },
  {
    says: "tells the last reason to stop, and not the first: a store that fails after the lease is lost",
    file: recorder,
    text: "return this.halted ??= haltBecause(\n",
    replacement: "return this.halted = haltBecause(\n",
    tests: ["test/law/S14-late-calls.test.ts"]
  },
  {
    says: "tells the last reason to stop, and not the first: a lease that is lost after the store has failed",
    file: recorder,
    text: "Effect.die(this.halted ??= haltBecause(lost))",
    replacement: "Effect.die(this.halted = haltBecause(lost))",
    tests: ["test/law/S14-late-calls.test.ts"]
  },
  {
    says: "calls again after the store has failed a sibling",
    file: recorder,
    text: "if (this.halted !== undefined) return Effect.die(this.halted)\n    if (store",
    replacement: "if (store",
    tests: ["test/law/S14-late-calls.test.ts"]
  },
  {
    says: "takes a lease for its own of which the store cannot tell",
    file: recorder,
    text: "if (Exit.isSuccess(exit) && exit.value && asks > 0) return",
    replacement: "if ((Exit.isFailure(exit) || exit.value) && asks > 0) return call(); if (false) return",
    tests: ["test/law/S14-late-calls.test.ts"]
  },
  // Claims without progress.
  {
    says: "parks an execution one claim too early",
    file: durable,
    text: "claims > maxClaims",
    replacement: "claims >= maxClaims",
    tests: [keepsFailing]
  },
  {
    says: "parks what is parked already",
    file: durable,
    text: "if (state.status !== \"Parked\" && claims > maxClaims)",
    replacement: "if (claims > maxClaims)",
    tests: [keepsFailing]
  },
  {
    says: "parks what a person sets going, for the claims before",
    file: durable,
    text: "wakes: true, finding, maxClaims: Infinity",
    replacement: "wakes: true, finding",
    tests: [keepsFailing]
  },
  {
    says: "counts all claims since the start, and not those since the last event",
    file: durable,
    text: "? 1 : claim.fence - loaded.fence",
    replacement: "? 1 : claim.fence",
    tests: [keepsFailing]
  },
  {
    says: "tells a store that failed while it parked in no error that anybody knows",
    file: recorder,
    text: "onFailure: (halt) => Effect.failCause(halt.cause),",
    replacement: "onFailure: (halt) => Effect.fail(halt),",
    tests: [keepsFailing]
  },
  {
    says: "names what is undone among what stands, of an execution that keeps failing",
    file: endings,
    text: " && step.status !== \"Undone\"\n",
    replacement: "\n",
    tests: [keepsFailing]
  },
  {
    says: "does not name the compensation that keeps failing",
    file: endings,
    text: "status === \"Started\" || status === \"Undoing\"",
    replacement: "status === \"Started\"",
    tests: [keepsFailing]
  },
  {
    says: "wakes what another has parked since the look",
    file: durable,
    text: "(wakes === claim.fence - 1 && (state.parked !== \"KeepsFailing\" || messages.length > 0))",
    replacement: "wakes !== false",
    tests: ["test/recoveryTruth.test.ts"]
  },
  // Cancellation.
  {
    says: "ends an execution while a message waits for it",
    file: "src/sql/sqliteDialect.ts",
    text: "given.status NOT IN ${finished} AND given.status NOT IN ${waiting}",
    replacement: "1",
    tests: [checkpoint]
  },
  {
    says: "lets a message come to an execution that ends at this moment",
    file: "src/sql/postgresDialect.ts",
    text: "OR (given.status NOT IN ${finished} AND given.status NOT IN ${waiting})",
    replacement: "OR true",
    tests: ["test/postgres.test.ts"],
    only: "a store",
    postgres: true
  },
  {
    says: "puts the last step in doubt where a message keeps the execution from ending",
    file: recorder,
    text: "if (!hasMessages || before.length === 0) return Effect.fail(error)",
    replacement: "if (before.length >= 0) return Effect.fail(error)",
    tests: [cancelled]
  },
  {
    says: "leaves an execution that a message keeps from ending",
    file: join,
    text: "isConflict(\"HasMessages\", cause)\n              ?",
    replacement: "isConflict(\"LeaseLost\", cause)\n              ?",
    tests: [cancelled]
  },
  {
    says: "interrupts an execution while a Final is called",
    file: action,
    text: "waits for that to be known.\n    this.hold()",
    replacement: "waits for that to be known.",
    tests: [cancelled]
  },
  {
    says: "calls a Final that was cancelled while its intent was being stored",
    file: action,
    text: "const mayStop = owner.recorder?.durable === true && owner.committed.length === 0",
    replacement: "const mayStop = owner.recorder === undefined",
    tests: [cancelled]
  },
  {
    says: "forgets a request that came while something could not be interrupted",
    file: action,
    text: "    this.letGo()\n    considerRequests(this.owner)",
    replacement: "    this.letGo()",
    tests: [cancelled]
  },
  {
    says: "goes forward after a doubt is settled, although the execution was cancelled meanwhile",
    file: outcome,
    text: "  action.letGo()\n  considerRequests(action.owner)\n",
    replacement: "  action.letGo()\n",
    tests: [cancelled]
  },
  {
    says: "tells those who wait for a cancelled execution that it was interrupted",
    file: cancellation,
    text: "if (request === undefined || !Cause.isInterruptedOnly(cause)) return cause",
    replacement: "if (request !== cause) return cause",
    tests: [cancelled]
  },
  {
    says: "records no refusal of a request that came after the point of no return",
    file: cancellation,
    text: "if (committedFinal(state) !== undefined) return refuseAsCommitted(run, state)",
    replacement: "if (committedFinal(state) !== undefined) return",
    tests: [cancelled]
  },
  {
    says: "takes a request for granted that a finding refuses",
    file: cancellation,
    text: "if (cancellation !== undefined && recorder !== undefined) {",
    replacement: "if (cancellation !== undefined && recorder === undefined) {",
    tests: [cancelled]
  },
  {
    says: "begins further steps of a block while a cancellation waits for a doubt",
    file: interpreter,
    text: "if (run.committed.length === 0 && isToBeCancelled(run)) return Effect.interrupt",
    replacement: "",
    tests: [cancelled]
  },
  {
    says: "goes forward before it looks at the messages that wait",
    file: durable,
    text: "const taken = Effect.onError(takeMessages(run, messages), () => release)",
    replacement: "const taken = Effect.onError(takeMessages(run, messages.slice(messages.length)), () => release)",
    tests: [cancelled],
    only: "nobody drives"
  },
  {
    says: "does not hear of messages from other processes",
    file: "src/store/Checkpoint.ts",
    text: "if (driven.size === 0 || token === undefined) return Effect.void",
    replacement: "if (driven.size === 0 || token !== undefined) return Effect.void",
    tests: [cancelled],
    only: "another process"
  },
  {
    says: "goes on in an interrupted fiber after an end that a message kept from being stored",
    file: join,
    text: "Effect.asVoid(Effect.forkDaemon(toItsEnd(true)))",
    replacement: "toItsEnd(true)",
    tests: [races]
  },
  {
    says: "asks for a finding again that the journal has",
    file: durable,
    text: "known = { ...options, finding: undefined }",
    replacement: "known = options",
    tests: [races]
  },
  {
    says: "does not cancel what another process drives, when the call for it is interrupted",
    file: join,
    text: "Effect.onInterrupt(paused, () => cancelElsewhere)",
    replacement: "paused",
    tests: [races]
  },
  {
    says: "does not interrupt the siblings of a doubt that has ended in a failure",
    file: outcome,
    text: "      considerRequests(run)\n      return Effect.failCause(cause)",
    replacement: "      return Effect.failCause(cause)",
    tests: [races]
  },
  {
    says: "forgets a cancellation that the journal keeps",
    file: durable,
    text: "        considerRequests(run)\n",
    replacement: "",
    tests: [races]
  },
  {
    says: "unwinds a cancelled execution where no closing checkpoint can suspend it",
    file: unwind,
    text: "if (run.isSuspended() || !isInterruptPending(fiber)) return unwinding",
    replacement: "if (run.isSuspended() || isInterruptPending(fiber)) return unwinding",
    tests: [races]
  },
  {
    says: "counts calls that have gone as waiting",
    file: "src/store/driven.ts",
    text: "this.untilEnded.filter((other) => other !== waiter)",
    replacement: "this.untilEnded.filter((other) => other !== undefined)",
    tests: [races]
  },
  {
    says: "takes the request of a caller a second time",
    file: "src/store/driven.ts",
    text: "if (this.asked === asked) this.asked = undefined",
    replacement: "if (this.asked === asked) this.asked = asked",
    tests: [races]
  },
  {
    says: "leaves a parked execution that was cancelled",
    file: "src/recovery/Recovery.ts",
    text: "checkpoint.unfinished({ parked: true, withMessages: true })",
    replacement: "Stream.empty",
    tests: [cancelled],
    only: "parked"
  },
  // Workers, and what is enqueued.
  {
    says: "refuses to enqueue within a transaction that it could be part of",
    file: sqlJournals,
    text: "if (connection === undefined) return alone",
    replacement: "if (connection === connection) return alone",
    tests: ["test/law/S18-enqueued.test.ts"],
    only: "exist together"
  },
  {
    says: "stores an enqueued execution beside the transaction of its caller",
    file: sqlJournals,
    text: "if (reaches === undefined) return outsideTransactions(\"enqueue\", alone, executionId, ofOtherDatabase)",
    replacement: "if (reaches === undefined) return alone",
    tests: ["test/law/S18-enqueued.test.ts"],
    only: "file of its own"
  },
  {
    says: "enqueues within a transaction of another database, on SQLite",
    file: callersTransaction,
    text: "(place) => place === own), () => false)",
    replacement: "(place) => place !== \"\"), () => true)",
    tests: ["test/callersTransaction.test.ts"],
    only: "SQLite and SQLite"
  },
  {
    says: "asks a transaction of PostgreSQL what only SQLite knows",
    file: callersTransaction,
    text: "own === undefined || sessionOf(other) !== undefined",
    replacement: "own === undefined",
    tests: ["test/callersTransaction.test.ts"],
    only: "journals in SQLite, a transaction of PostgreSQL",
    postgres: true
  },
  {
    says: "takes two databases in memory for one",
    file: callersTransaction,
    text: "&& row.place !== \"\" ? row.place",
    replacement: "? row.place",
    tests: ["test/callersTransaction.test.ts"],
    only: "two databases in memory"
  },
  {
    says: "enqueues within a transaction of another database, on PostgreSQL",
    file: callersTransaction,
    text: "return place === own\n",
    replacement: "return true\n",
    tests: ["test/callersTransaction.test.ts"],
    only: "PostgreSQL and PostgreSQL",
    postgres: true
  },
  {
    says: "asks each time where a session of PostgreSQL is",
    file: callersTransaction,
    text: "if (reaching.has(session))",
    replacement: "if (reaching.has(reaching))",
    tests: ["test/callersTransaction.test.ts"],
    only: "asked for its place once",
    postgres: true
  },
  {
    says: "tells in its messages what is stored",
    file: "src/values/schema.ts",
    text: "formatIssueSync(withoutValues(refusal.issue))",
    replacement: "formatIssueSync(refusal.issue)",
    tests: ["test/valuesInMessages.test.ts"]
  },
  {
    says: "tells in its messages what a schema says of what is stored",
    file: "src/values/schema.ts",
    text: ": `the schema threw: ${refusal.tag}`",
    replacement: ": `the schema threw: ${refusal.threw}`",
    tests: ["test/valuesInMessages.test.ts"]
  },
  {
    says: "tells in its messages what a damaged journal holds",
    file: "src/journal/commit.ts",
    text: "formatIssueSync(withoutValues(error.issue))",
    replacement: "formatIssueSync(error.issue)",
    tests: ["test/valuesInMessages.test.ts"],
    only: "of a journal that is damaged"
  },
  {
    says: "takes attributes that are still to come for none",
    file: "src/values/attribute.ts",
    text: "=== \"function\") return \"a promise\"",
    replacement: "=== \"functions\") return \"a promise\"",
    tests: [executions],
    only: "attributes that cannot be stored"
  },
  {
    says: "takes any word of a finding for a yes",
    file: finding,
    text: "happened !== true && happened !== false",
    replacement: "happened === \"neither\"",
    tests: ["test/options.test.ts"],
    only: "a finding that says neither"
  },
  {
    says: "enqueues for another input under an id that is taken",
    file: "src/engine/work.ts",
    text: "(loaded) => loaded === undefined ? Effect.void : checkInput(",
    replacement: "(loaded) => loaded !== null ? Effect.void : checkInput(",
    tests: ["test/law/S18-enqueued.test.ts"],
    only: "taken by another"
  },
  {
    says: "claims for a worker what another drives",
    file: postgres,
    text: "FOR UPDATE OF unfinished SKIP LOCKED",
    replacement: "",
    tests: ["test/postgres.test.ts"],
    only: "one of many workers",
    postgres: true
  },
  {
    says: "drives as many as there are, whatever its concurrency",
    file: "src/worker/places.ts",
    text: "return most === undefined ? all :",
    replacement: "return most === undefined ? 100 :",
    tests: [workers],
    only: "as many at a time"
  },
  {
    says: "keeps its place while it pauses",
    file: worker,
    text: "      place.leave()\n",
    replacement: "",
    tests: [workers],
    only: "pauses for a second"
  },
  {
    says: "lets any number of executions pause",
    file: "src/worker/places.ts",
    text: "!holds || this.without >= this.concurrency * pausingPerPlace",
    replacement: "!holds",
    tests: [workers],
    only: "ten times"
  },
  {
    says: "claims what it cannot drive again at every look",
    file: worker,
    text: "recovered._tag === \"LeftAsItWas\" ? this.leave(executionId, recovered.cause) : Effect.void",
    replacement: "Effect.void",
    tests: [workers],
    only: "leaves it to others"
  },
  {
    says: "does not wake a worker of the same process",
    file: "src/store/Checkpoint.ts",
    text: "enqueue: (start) => Effect.zipLeft(store.enqueue(start), PubSub.publish(enqueued, undefined))",
    replacement: "enqueue: (start) => store.enqueue(start)",
    tests: [workers],
    only: "at once"
  },
  {
    says: "keeps a claim where a call of this process is in the way",
    file: "src/engine/work.ts",
    text: "isUsed ? Effect.void : store.release(executionId, claim)",
    replacement: "Effect.void",
    tests: [workers]
  },
  {
    says: "gives those who wait the result of another version",
    file: "src/engine/results.ts",
    text: "&&\n    difference(program, driven) === undefined",
    replacement: "",
    tests: ["test/law/S26-readable.test.ts"]
  },
  {
    says: "takes over what a call of this process ends with",
    file: "src/engine/work.ts",
    text: "shares: false,",
    replacement: "shares: true,",
    tests: [workers]
  },
  {
    says: "does not look again for places that become free while it claims",
    file: "src/worker/Worker.ts",
    text: "Effect.map(claims, this.wakeIfUseful)",
    replacement: "claims",
    tests: [workers]
  },
  {
    says: "goes idle after a look that found no place",
    file: "src/worker/Worker.ts",
    text: "this.mayHaveLeft.add(limitedBy)\n        return Effect.void",
    replacement: "return Effect.void",
    tests: [workers]
  },
  // Calls that meet.
  {
    says: "gives a call with a finding the result of another without",
    file: join,
    text: "const asksTheSame = shares && difference",
    replacement: "const asksTheSame = difference",
    tests: [sameId]
  },
  {
    says: "sees a run that waits for itself only where it asks directly",
    file: join,
    text: "these.includes(executionId)",
    replacement: "these[these.length - 1] === executionId && these.length === 1",
    tests: ["test/law/S15-waits-for-itself.test.ts"]
  },
  // Compensations.
  {
    says: "lets an interruption into a compensation that would be suspended",
    file: compensation,
    text: "Effect.uninterruptible(Effect.map(bounded, ",
    replacement: "Effect.interruptible(Effect.map(bounded, ",
    tests: ["test/retries.test.ts"],
    only: "^a compensation that is retried"
  },
  {
    says: "makes a compensation again that succeeded while its process closed",
    file: compensation,
    text: "done ? Effect.void : ",
    replacement: "",
    tests: ["test/retries.test.ts"],
    only: "^a compensation that is retried"
  },
  {
    says: "calls a compensation that failed for good undone, where it could be suspended",
    file: compensation,
    text: "onSuccess: () => Effect.failCause(cause)",
    replacement: "onSuccess: () => Effect.void",
    tests: ["test/retries.test.ts"],
    only: "^a compensation that is retried"
  },
  {
    says: "bounds a compensation in process only where its retry does not say how often",
    file: compensation,
    text: "Math.min(compensationRetry.times ?? Infinity, mostAttempts)",
    replacement: "compensationRetry.times ?? mostAttempts",
    tests: ["test/retries.test.ts"],
    only: "^a compensation that is retried"
  },
  {
    says: "takes a run that is reported for a durable one, whose compensation needs no bound",
    file: compensation,
    text: "owner.recorder?.durable !== true",
    replacement: "owner.recorder === undefined",
    tests: ["test/retries.test.ts"],
    only: "^a compensation that is retried"
  },
  {
    says: "calls again at once, so that no timer has its turn",
    file: "src/engine/beforeCall.ts",
    text: "attempt === 1 ? checked()",
    replacement: "attempt > 0 ? checked()",
    tests: ["test/retries.test.ts"]
  },
  // Endings, told again.
  {
    says: "tells a Final in doubt after the point of no return as undoable, when asked again",
    file: endings,
    text: "        ? afterCommit()\n",
    replacement: "        ? Effect.failCause(unknown)\n",
    tests: [pointOfNoReturn]
  },
  {
    says: "forgets the doubt of a Final after the point of no return, when asked again",
    file: endings,
    text: "inDoubt.length > 0 ? unknown : restoreCause",
    replacement: "restoreCause",
    tests: [pointOfNoReturn]
  },
  {
    says: "tells what is undone in the order in which it was done, when asked again",
    file: endings,
    text: "const owed = [...tookEffect].reverse()",
    replacement: "const owed = [...tookEffect]",
    tests: [failedCompensation]
  },
  {
    says: "forgets what was not tried, when asked again",
    file: endings,
    text: "notTried: owed.filter(({ status }) => status === \"Succeeded\")",
    replacement: "notTried: owed.filter(({ status }) => status === \"Undoing\")",
    tests: [failedCompensation]
  },
  {
    says:
      "parks an execution over a doubt that an interruption cut off, beside a failure, although it is to be suspended",
    file: unwind,
    text:
      "  [(s) => s.durable && s.interrupted && !s.onlyInterrupted && s.suspends && s.unsettled, \"LeaveForRecovery\"],\n",
    replacement: "",
    tests: ["test/law/S17-interrupted.test.ts"]
  },
  // The tables.
  {
    says: "has no output for the compensation of a step that was being undone",
    file: statuses,
    text: "  Undoing: {\n    tookEffect: true,",
    replacement: "  Undoing: {\n    tookEffect: false,",
    tests: [resuming]
  },
  {
    says: "has no output of a step that is undone, for the compensations of the others",
    file: statuses,
    text: "  Undone: {\n    tookEffect: true,",
    replacement: "  Undone: {\n    tookEffect: false,",
    tests: [resuming]
  },
  {
    says: "keeps why an execution was parked when it goes on",
    file: transition,
    text: "    state.failures = none\n",
    replacement: "",
    tests: [journal]
  },
  {
    says: "keeps how often it was claimed when it goes on",
    file: transition,
    text: "  state.claims = 0\n",
    replacement: "",
    tests: [journal]
  },
  {
    says: "counts the time of a compensation from its last start",
    file: transition,
    text: "step.undoStartedAt ??= event.at",
    replacement: "step.undoStartedAt = event.at",
    tests: [journal]
  },
  {
    says: "keeps why a compensation failed that has succeeded since",
    file: transition,
    text: "step.undoFailures = failed ? event.failures : none",
    replacement: "if (failed) step.undoFailures = event.failures",
    tests: [journal]
  },
  {
    says: "counts the time of a step from its last start",
    file: "src/journal/state.ts",
    text: "this.startedAt = known?.startedAt ?? event.at",
    replacement: "this.startedAt = event.at",
    tests: [journal]
  },
  {
    says: "gives a step that starts again another place",
    file: "src/journal/state.ts",
    text: "this.index = known?.index ?? index",
    replacement: "this.index = index",
    tests: [journal]
  },
  {
    says: "lets an execution end as undone in which only what reads is open",
    file: transition,
    text: "  (result === \"Undone\" && !classifications[step.classification].hasSideEffect)",
    replacement: "  false",
    tests: [journal]
  },
  {
    says: "loads a journal in which a commit is missing",
    file: "src/engine/load.ts",
    text: "if (sequence !== index) return",
    replacement: "if (false) return",
    tests: [doesNotFit]
  },
  // What recovery says.
  {
    says: "says of an execution whose lease it lost that another process was first",
    file: "src/recovery/outcome.ts",
    text: "error?._tag === \"ExecutionConflict\" && error.reason === \"OtherDriver\"",
    replacement: "error?._tag === \"ExecutionConflict\"",
    tests: ["test/recoveryTruth.test.ts"]
  },
  {
    says: "says of what succeeded that it is undone, where its projection throws by now",
    file: "src/recovery/outcome.ts",
    text: "    case \"Succeeded\":\n    case \"Running\":",
    replacement: "    case \"Succeeded\":\n      return { _tag: \"Undone\", cause }\n    case \"Running\":",
    tests: ["test/recoveryTruth.test.ts"]
  },
  // Values.
  {
    says: "stores the object itself, which its owner may still change",
    file: codec,
    text: "const text = isObject ? JSON.stringify(encoded) : undefined",
    replacement: "const text: string | undefined = isObject ? undefined : undefined",
    tests: ["test/liveObjects.test.ts"]
  },
  {
    says: "loses an output that its schema can encode and not decode",
    file: codec,
    text: "onFailure: () => captured(value), onSuccess",
    replacement: "onFailure: () => captured(undefined), onSuccess",
    tests: ["test/liveObjects.test.ts"]
  },
  {
    says: "stores an error that JSON cannot hold",
    file: codec,
    text: "notJson(encoded) === undefined ? { encoded } : {}",
    replacement: "notJson(encoded) === \"\" ? {} : { encoded }",
    tests: ["test/law/S12-not-stored.test.ts"]
  },
  {
    says: "refuses an optional element of a tuple that cannot be stored",
    file: "src/values/storable.ts",
    text: "isOptional ? [] : [[type, `${path}[${index}]`] as const]",
    replacement: "[[type, `${path}[${index}]`] as const]",
    tests: ["test/rules.test.ts"]
  },
  {
    says: "accepts a bigint as a literal",
    file: "src/values/storable.ts",
    text: "typeof ast.literal === \"bigint\"",
    replacement: "false",
    tests: ["test/rules.test.ts"]
  },
  {
    says: "takes a time below zero, as text, for none",
    file: "src/values/numbers.ts",
    text: "typeof duration === \"string\" && duration.startsWith(\"-\")",
    replacement: "false",
    tests: [recovery, checkpoint],
    only: "option"
  },
  {
    says: "tells the value of one of two settings",
    file: "src/values/secrets.ts",
    text: "ConfigError.Or(withoutValue(error.left), withoutValue(error.right))",
    replacement: "ConfigError.Or(withoutValue(error.left), error.right)",
    tests: ["test/planSecrets.test.ts"],
    only: "^a secret that"
  },
  {
    says: "tells the secret that a defect quotes",
    file: "src/values/secrets.ts",
    text: "Cause.die(withoutSecretsOf(defect))",
    replacement: "Cause.die(defect)",
    tests: ["test/planSecrets.test.ts"],
    only: "^a secret that"
  },
  // Plans, from the side of their host.
  {
    says: "takes a limit that is given as undefined for none at all",
    file: "src/plan/limits.ts",
    text: ".filter(([, limit]) => limit !== undefined))",
    replacement: ")",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "lets the owner of a tool allow a shorter time than the host",
    file: "src/plan/limits.ts",
    text: "Math.max(host.minTimeout, owner.minTimeout)",
    replacement: "owner.minTimeout",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "does not look at the longest pause of a retry",
    file: "src/plan/policies.ts",
    text: "[\"delay\", \"maxDelay\"] as const",
    replacement: "[\"delay\"] as const",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "refuses a pause of no length, which asks for none",
    file: "src/plan/policies.ts",
    text: "millis > 0 && millis < limits.minDelay",
    replacement: "millis < limits.minDelay",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "cuts a stored plan's call off sooner than its host allows today",
    file: "src/plan/retry.ts",
    text: "Math.max(millisOf(timeout), limits.minTimeout)",
    replacement: "millisOf(timeout)",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "does not settle a doubt as the owner of the tool says, where the plan says nothing",
    file: "src/plan/limits.ts",
    text: "mayBeInDoubt(owner, plan) ? plan : owner",
    replacement: "mayBeInDoubt(owner, plan) ? plan : undefined",
    tests: ["test/planLimits.test.ts"]
  },
  // Reports.
  {
    says: "reports another saga's error as a run's own",
    file: "src/report/fromRun.ts",
    text: "?.executionId === executionId\n",
    replacement: "?.executionId !== \"\"\n",
    tests: ["test/SagaReport.test.ts"]
  },
  {
    says: "reports the step that failed, and not the one in doubt, of an execution that waits for a doubt",
    file: "src/report/fromRun.ts",
    text: "parked === \"OutcomeUnknown\" ? doubt ?? failure",
    replacement: "parked === \"OutcomeUnknown\" ? failure ?? doubt",
    tests: ["test/SagaReport.test.ts"]
  },
  {
    says: "reports a negative duration where a clock went back",
    file: "src/report/fromRun.ts",
    text: "undefined : Math.max(0, to - from)",
    replacement: "undefined : to - from",
    tests: ["test/SagaReport.test.ts"]
  },
  {
    says: "reports a compensation that was begun as not tried",
    file: "src/report/fromRun.ts",
    text: "Undoing: \"Started\",",
    replacement: "Undoing: \"NotTried\",",
    tests: ["test/SagaReport.test.ts"]
  },
  {
    says: "reports control characters of an error's tag in a stored execution's summary",
    file: "src/report/fromRun.ts",
    text: "summary: visible(why === undefined ? is : `${is}: ${why}`)",
    replacement: "summary: why === undefined ? is : `${is}: ${why}`",
    tests: ["test/hostileNames.test.ts", "test/hostileErrors.test.ts", "test/SagaReport.test.ts"]
  },
  // The file of a SQLite store.
  {
    says: "looks for its file in another directory once the process has changed its own",
    file: "src/sql/watchedFile.ts",
    text: "const filename = resolve(name)",
    replacement: "const filename = (resolve, name)",
    tests: [checkpoint],
    only: "^a SQLite file that is where"
  },
  {
    says: "takes a file that cannot be looked at for lost",
    file: "src/sql/watchedFile.ts",
    text: "      } catch (cause) {\n",
    replacement: "      } catch (cause) {\n        isLost = true\n",
    tests: [checkpoint],
    only: "^a SQLite file that is where"
  },
  {
    says: "takes a blank filename",
    file: "src/sql/SqliteCheckpoint.ts",
    text: "options.filename.trim() === \"\"",
    replacement: "options.filename === \"\"",
    tests: [checkpoint],
    only: "^a SQLite file that is where"
  },
  // Leases that cannot be cleared away.
  {
    says: "does not renew its lease where others cannot be cleared away",
    file: "src/sql/sqlStore.ts",
    text: "Effect.zipLeft(renew(token), Effect.ignore(tidy))",
    replacement: "Effect.zipLeft(renew(token), tidy)",
    tests: [oneDriver],
    only: "^leases that have ended"
  },
  {
    says: "lists nothing where leases cannot be cleared away",
    file: "src/sql/sqlStore.ts",
    text: "Effect.as(Effect.ignore(tidy), pages)",
    replacement: "Effect.as(tidy, pages)",
    tests: [oneDriver],
    only: "^leases that have ended"
  },
  // What a background recovery says and keeps.
  {
    says: "parks what keeps failing without a word",
    file: "src/engine/keepsFailing.ts",
    text: "(cause) => warnParked({ executionId, program }, cause)",
    replacement: "(cause) => void warnParked({ executionId, program }, cause) ?? Effect.void",
    tests: [keepsFailing]
  },
  {
    says: "keeps every look of a worker alive through the one after it",
    file: worker,
    text: "Effect.forever(Effect.zipRight(look, Queue.take(wake)))",
    replacement: "Effect.repeat(Effect.zipRight(look, Queue.take(wake)), { times: Infinity })",
    tests: [workers],
    only: "keeps nothing"
  },
  // What the last look found.
  {
    says: "lets a verify take as long as it likes",
    file: action,
    text: "timeout === undefined\n    ? call",
    replacement: "true\n    ? call",
    tests: ["test/timeouts.test.ts"]
  },
  {
    says: "takes limits of an owner and of the host that leave a tool no time together",
    file: "src/plan/ToolExecutor.ts",
    text: "for (const name of Object.keys(tools)) limitsOf",
    replacement: "for (const name of [] as ReadonlyArray<string>) limitsOf",
    tests: ["test/planLimits.test.ts"]
  },
  {
    says: "takes a misspelt policy of a saga",
    file: "src/definition/rules.ts",
    text: "wordProblem(\"onCompensationFailure\", \"this saga\", onCompensationFailure)",
    replacement: "undefined",
    tests: ["test/rules.test.ts"]
  },
  {
    says: "leaves out of a summary how many more steps are in doubt",
    file: "src/report/fromRun.ts",
    text: "more > 0 ?",
    replacement: "more > 3 ?",
    tests: ["test/SagaReport.test.ts"]
  },
  {
    says: "prints what a tool's error says as it is",
    file: "src/plan/ToolExecutor.ts",
    text: "return visible(`tool \"${this.tool}\" failed: ${this.reason}`)",
    replacement: "return `tool \"${visible(this.tool)}\" failed: ${this.reason}`",
    tests: ["test/hostileNames.test.ts"]
  },
  // What is finished.
  {
    says: "ends an execution without the output that its saga says how to store",
    file: "src/engine/finished.ts",
    text: "output: { value: encoded }, at",
    replacement: "at",
    tests: [readable]
  },
  {
    says: "forgets what the last step did where the output cannot be stored",
    file: "src/engine/finished.ts",
    text: "onFailure: (halt) => recorder.commit(() => Effect.fail(halt))",
    replacement: "onFailure: (halt) => Effect.fail(halt)",
    tests: [readable]
  },
  {
    says: "takes an input that it cannot read for the one that it was asked with",
    file: load,
    text: "onFailure: () => Effect.fail(other)",
    replacement: "onFailure: () => Effect.void",
    tests: [readable]
  },
  {
    says: "gives one plan the end of another of the same name",
    file: load,
    text: "if (changed !== undefined && isPlan) return",
    replacement: "if (changed !== undefined && isPlan && state.plan === undefined) return",
    tests: [readable]
  },
  {
    says: "tells listeners the output of a saga",
    file: "src/watch/observer.ts",
    text: "case \"Finished\": {\n      const { output: _, ...said } = event",
    replacement: "case \"Finished\": {\n      const { ...said } = event",
    tests: [readable]
  },
  {
    says: "takes a misspelt way to stop an execution for a cancellation",
    file: join,
    text: "onInterrupt === undefined || Object.hasOwn(stops, onInterrupt)",
    replacement: "onInterrupt === undefined || true",
    tests: ["test/options.test.ts"]
  },
  // What is listed and counted.
  {
    says: "lists the executions of everybody where an attribute has no value",
    file: "src/executions/query.ts",
    text: "const problem = attributeProblem(name, value)",
    replacement: "const problem = value === undefined ? undefined : attributeProblem(name, value)",
    tests: [executions],
    only: "a query"
  },
  {
    says: "takes a text for a cursor that no page has given",
    file: "src/executions/query.ts",
    text: "Number.isSafeInteger(number) && cursorOf(number) === cursor",
    replacement: "Number.isSafeInteger(number)",
    tests: [executions],
    only: "a query"
  },
  {
    says: "promises another page where there is none",
    file: "src/executions/Executions.ts",
    text: "found.length <= page.length",
    replacement: "found.length < page.length",
    tests: [executions],
    only: "executions in memory"
  },
  {
    says: "lists the last of a page again",
    file: "src/sql/listing.ts",
    text: "this.add(`${column} < ?`, below)",
    replacement: "this.add(`${column} <= ?`, below)",
    tests: [checkpoint],
    only: "a SQLite store in memory"
  },
  {
    says: "lists executions that started too late",
    file: "src/sql/listing.ts",
    text: "if (until !== undefined) this.add(",
    replacement: "if (until === 0) this.add(",
    tests: [executions],
    only: "in a SQLite file"
  },
  {
    says: "does not read far enough for a time",
    file: "src/sql/listing.ts",
    text: "yield* lastBefore(database, since - disorder)",
    replacement: "yield* lastBefore(database, since + 100 * disorder)",
    tests: [executions],
    only: "in a SQLite file"
  },
  {
    says: "finds a deleted execution by its attributes",
    file: sqlite,
    text: "DELETE FROM effect_saga_attribute WHERE (name, value, execution) IN (",
    replacement: "DELETE FROM effect_saga_attribute WHERE 0 AND (name, value, execution) IN (",
    tests: [checkpoint],
    only: "a SQLite store in memory"
  },
  {
    says: "counts deleted executions once more",
    file: postgres,
    text: "-COUNT(*)",
    replacement: "COUNT(*)",
    tests: ["test/postgres.test.ts"],
    only: "a store",
    postgres: true
  },
  {
    says: "forgets the counts that it sums up",
    file: postgres,
    text: "HAVING SUM(executions) <> 0`",
    replacement: "HAVING SUM(executions) = 0`",
    tests: [executions],
    only: "executions in its tables",
    postgres: true
  },
  {
    says: "stores attributes without a bound",
    file: "src/values/attribute.ts",
    text: "if (entries.length > mostAttributes)",
    replacement: "if (entries.length > 1000 * mostAttributes)",
    tests: [executions],
    only: "attributes that cannot be stored"
  },
  {
    says: "quotes a secret input in the error of its attributes",
    file: "src/engine/attributes.ts",
    text: "threw ${isSecret ?",
    replacement: "threw ${!isSecret ?",
    tests: [executions],
    only: "attributes that cannot be stored"
  },
  // Lists.
  {
    says: "makes a list again that is in the journal",
    file: items,
    text: "if (past !== undefined && stored !== undefined)",
    replacement: "if (past !== undefined && stored !== undefined && past.state.direction === \"Back\")",
    tests: [list],
    only: "goes on with the items"
  },
  {
    says: "begins a list without recording it",
    file: items,
    text: "if (recorder === undefined) return",
    replacement: "if (run.past === undefined) return",
    tests: [list],
    only: "are in the journal before"
  },
  {
    says: "takes two items of one key",
    file: items,
    text: "if (first !== undefined)",
    replacement: "if (first === index)",
    tests: [list],
    only: "same key"
  },
  {
    says: "checks items only when they run",
    file: items,
    text: "const checked = input === undefined",
    replacement: "const checked = input !== null",
    tests: [list],
    only: "ParseError"
  },
  {
    says: "begins all items of a list at once",
    file: interpreter,
    text: "const { concurrency = 1, unwind } = list",
    replacement: "const { concurrency = \"unbounded\", unwind } = list",
    tests: [list],
    only: "one after another"
  },
  {
    says: "undoes all items of a list at once",
    file: siblings,
    text: "kind.boundsUndoing ?",
    replacement: "!kind.boundsUndoing ?",
    tests: [list],
    only: "as many at a time as they ran"
  },
  {
    says: "shares the inputs of a list's items",
    file: interpreter,
    text: "item, item.program, item.value)",
    replacement: "item, item.program, frame.input)",
    tests: [list],
    only: "one after another"
  },
  {
    says: "puts the keys of items into the names of metrics",
    file: "src/definition/lists.ts",
    text: "`${list}${anyKey}${path.slice(end)}`",
    replacement: "path",
    tests: ["test/lists.test.ts"],
    only: "names without keys"
  },
  {
    says: "restores the steps of a list's first item only",
    file: "src/definition/program.ts",
    text: "listed.flatMap(({ steps }) => steps)",
    replacement: "listed.slice(0, 1).flatMap(({ steps }) => steps)",
    tests: [list],
    only: "goes on with the items"
  },
  // Steps in transactions.
  {
    says: "commits a transactional step without its outcome",
    file: sqlTransactions,
    text: "commit === undefined ? committed :",
    replacement: "commit !== null ? committed :",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "commits a transactional step whose outcome the store refuses",
    file: sqlTransactions,
    text: "isStored ? committed :",
    replacement: "isStored !== undefined ? committed :",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "commits what an action wrote before it failed",
    file: sqlTransactions,
    text: "this.say(\"ROLLBACK\")",
    replacement: "this.say(\"COMMIT\")",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "does not see that the database has ended the transaction of an action which maps its errors",
    file: sqlTransactions,
    text: "if (endedByAnother(error)) this.wasEnded = true",
    replacement: "void error",
    tests: [transactional],
    only: "under the rules of PostgreSQL",
    postgres: true
  },
  {
    says: "stores the outcome of an action that has ended its transaction itself",
    file: sqlite,
    text: "isStillOpen: \"RELEASE SAVEPOINT effect_saga_step\"",
    replacement: "isStillOpen: \"SELECT 1\"",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "lets siblings commit while a transaction is open whose sequence they take",
    file: recorder,
    text: "inTurn === undefined ? inOneTransaction : inTurn(inOneTransaction)",
    replacement: "inTurn === null ? inTurn : inOneTransaction",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "interrupts a Final in the midst of its transaction",
    file: action,
    text: "= classifications[step.classification].commits ? (call) => call : owner.restore",
    replacement: "= owner.restore",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "takes a transactional step for one in doubt if it says so",
    file: "src/engine/transaction.ts",
    text: "const settled = Effect.mapErrorCause(call, (cause) => withoutDoubt(owner, step, cause))",
    replacement: "const settled = withoutDoubt === undefined ? call : call",
    tests: [transactional],
    only: "a SQLite file of the library"
  },
  {
    says: "begins a saga that its store cannot run",
    file: join,
    text: "if (program.firstTransaction !== undefined && store.transact === undefined)",
    replacement: "if (program.firstTransaction === \"\")",
    tests: [transactional],
    only: "on a store without transactions"
  },
  // Waiting.
  {
    says: "ends a wait before its time",
    file: waiting,
    text: "until !== undefined && until <= now",
    replacement: "until !== undefined",
    tests: [waits]
  },
  {
    says: "asks again how long a wait is that an earlier process began",
    file: waiting,
    text: "if (known?.step === path)",
    replacement: "if (false && known?.step === path)",
    tests: [waits]
  },
  {
    says: "sleeps longer than a timer goes",
    file: waiting,
    text: "Math.min(longest, until - now)",
    replacement: "until - now",
    tests: [waits]
  },
  {
    says: "cancels for a deadline after the point of no return",
    file: waiting,
    text: " || Journal.committedFinal(state) !== undefined",
    replacement: "",
    tests: [waits],
    only: "S20: a deadline"
  },
  {
    says: "lets a call end where its execution waits",
    file: join,
    text: "if (!staysOn || ",
    replacement: "if (staysOn || ",
    tests: [waits]
  },
  {
    says: "keeps a signal twice that came twice under one id",
    file: transition,
    text: "if (state.delivered.includes(id)) return state",
    replacement: "if (state.delivered.length < 0) return state",
    tests: [journal, waits]
  },
  {
    says: "takes a signal before the request to cancel that came before it",
    file: "src/engine/mailbox.ts",
    text: " && requests.every(({ message }) => message === undefined)",
    replacement: "",
    tests: [waits],
    only: "S21"
  },
  {
    says: "takes a second answer for a step that has one",
    file: "src/engine/deliver.ts",
    text: "return open.some(fits) ? undefined : \"Answered\"",
    replacement: "return undefined",
    tests: [waits]
  },
  {
    says: "gives a worker what waits before it is due",
    file: sqlite,
    text: "unfinished.wake_at IS NOT NULL AND unfinished.wake_at <= ${now}",
    replacement: "unfinished.wake_at IS NOT NULL",
    tests: [checkpoint],
    only: "a SQLite store in memory"
  },
  {
    says: "does not wake what has a message",
    file: sqlite,
    text: "SET last_message = NEW.number, wake_at = NULL WHERE",
    replacement: "SET last_message = NEW.number WHERE",
    tests: [checkpoint],
    only: "a SQLite store in memory"
  },
  {
    says: "keeps what waits again at the time that is over",
    file: postgres,
    text: "CASE WHEN held.status IN ${waiting} THEN held.status ELSE NULLIF(held.status, held.was) END",
    replacement: "NULLIF(held.status, held.was)",
    tests: ["test/postgres.test.ts"],
    only: "a store",
    postgres: true
  }
]
