import { isWaiting } from "../journal/statuses.ts"
import type { Commit } from "../store/Checkpoint.ts"
import {
  type Dialect,
  drivingIndexes,
  executionsView,
  finished,
  listingIndexes,
  never,
  numberOf,
  onlyCommit,
  pending,
  type Statement,
  waiting
} from "./dialect.ts"

// SQLite before 3.42 gives milliseconds only by `julianday`.
const now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

// A member of `json_each` for the index: quoted if it is text, so that "1" is another value than the number, and "true" than the truth.
const valueOf =
  "CASE type WHEN 'text' THEN json_quote(value) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE value END"

/**
 * An execution is a row that holds its first commit, and a row for each later one; both are only ever added. Later commits are
 * clustered by the number of the execution, so that writing one costs the same however many executions are stored. A table of
 * its own holds what changes: the status and the claim of each unfinished execution. So listing unfinished executions never
 * reads finished ones.
 */
const tables = [
  `CREATE TABLE effect_saga_lease (
    token INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  )`,
  `CREATE TABLE effect_saga_execution (
    id INTEGER PRIMARY KEY,
    execution_id TEXT NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    version INTEGER NOT NULL,
    is_plan INTEGER NOT NULL,
    status TEXT NOT NULL,
    token INTEGER,
    started_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT,
    wake_at INTEGER
  )`,
  // `status` is NULL if the commit does not change it (one that lets it wait always says so), `taken` if no message was taken, `saga` if it does not finish the execution,
  // `wake_at` if it does not wait.
  `CREATE TABLE effect_saga_commit (
    execution INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    status TEXT,
    token INTEGER NOT NULL,
    ended_at INTEGER,
    body TEXT NOT NULL,
    taken INTEGER,
    saga TEXT,
    wake_at INTEGER,
    PRIMARY KEY (execution, sequence)
  ) WITHOUT ROWID`,
  `CREATE TABLE effect_saga_unfinished (
    execution INTEGER PRIMARY KEY,
    saga TEXT NOT NULL,
    status TEXT NOT NULL,
    token INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    last_message INTEGER,
    wake_at INTEGER
  )`,
  ...drivingIndexes,
  `CREATE INDEX effect_saga_unfinished_message ON effect_saga_unfinished (token) WHERE last_message IS NOT NULL`,
  `CREATE TABLE effect_saga_message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    execution INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    body TEXT NOT NULL
  )`,
  `CREATE INDEX effect_saga_message_execution ON effect_saga_message (execution)`,
  `CREATE TABLE effect_saga_attribute (
    name TEXT NOT NULL,
    value NOT NULL,
    execution INTEGER NOT NULL,
    PRIMARY KEY (name, value, execution)
  ) WITHOUT ROWID`,
  // How many executions have finished.
  `CREATE TABLE effect_saga_count (
    saga TEXT NOT NULL,
    status TEXT NOT NULL,
    executions INTEGER NOT NULL,
    PRIMARY KEY (saga, status)
  ) WITHOUT ROWID`,
  `CREATE TRIGGER effect_saga_sent AFTER INSERT ON effect_saga_message
    BEGIN
      UPDATE effect_saga_unfinished SET last_message = NEW.number, wake_at = NULL WHERE execution = NEW.execution;
    END`,
  `CREATE TRIGGER effect_saga_taken AFTER INSERT ON effect_saga_commit WHEN NEW.taken IS NOT NULL
    BEGIN
      UPDATE effect_saga_unfinished SET last_message = NULL
      WHERE execution = NEW.execution AND last_message <= NEW.taken;
      DELETE FROM effect_saga_message WHERE execution = NEW.execution AND number <= NEW.taken;
    END`,
  `CREATE TRIGGER effect_saga_started AFTER INSERT ON effect_saga_execution WHEN NEW.status NOT IN ${finished}
    BEGIN
      INSERT INTO effect_saga_unfinished (execution, saga, status, token, wake_at)
      VALUES (NEW.id, NEW.saga, NEW.status, CASE WHEN NEW.status IN ${pending} THEN NEW.token END, NEW.wake_at);
    END`,
  `CREATE TRIGGER effect_saga_moved AFTER INSERT ON effect_saga_commit WHEN NEW.status NOT IN ${finished}
    BEGIN
      UPDATE effect_saga_unfinished SET
        status = NEW.status,
        token = CASE WHEN NEW.status IN ${pending} THEN token END,
        wake_at = NEW.wake_at
      WHERE execution = NEW.execution;
    END`,
  `CREATE TRIGGER effect_saga_ended AFTER INSERT ON effect_saga_commit WHEN NEW.status IN ${finished}
    BEGIN
      DELETE FROM effect_saga_unfinished WHERE execution = NEW.execution;
      INSERT INTO effect_saga_count (saga, status, executions) VALUES (NEW.saga, NEW.status, 1)
      ON CONFLICT (saga, status) DO UPDATE SET executions = executions + 1;
    END`,
  `CREATE TRIGGER effect_saga_ended_at_once AFTER INSERT ON effect_saga_execution WHEN NEW.status IN ${finished}
    BEGIN
      INSERT INTO effect_saga_count (saga, status, executions) VALUES (NEW.saga, NEW.status, 1)
      ON CONFLICT (saga, status) DO UPDATE SET executions = executions + 1;
    END`,
  `CREATE TRIGGER effect_saga_attributed AFTER INSERT ON effect_saga_execution WHEN NEW.attributes IS NOT NULL
    BEGIN
      INSERT INTO effect_saga_attribute (name, value, execution)
      SELECT key, ${valueOf}, NEW.id FROM json_each(NEW.attributes);
    END`,
  `CREATE TRIGGER effect_saga_removed AFTER DELETE ON effect_saga_execution
    BEGIN
      UPDATE effect_saga_count SET executions = executions - 1
      WHERE saga = OLD.saga AND status = COALESCE(
        (SELECT status FROM effect_saga_commit WHERE execution = OLD.id AND ended_at IS NOT NULL), OLD.status
      );
      DELETE FROM effect_saga_attribute WHERE (name, value, execution) IN (
        SELECT key, ${valueOf}, OLD.id FROM json_each(OLD.attributes)
      );
      DELETE FROM effect_saga_commit WHERE execution = OLD.id;
    END`,
  ...listingIndexes,
  executionsView((time) => `strftime('%Y-%m-%dT%H:%M:%fZ', ${time} / 1000.0, 'unixepoch')`, now)
]

/**
 * Rows are parameters, in groups of few sizes, so that the driver prepares few statements. A group that has fewer rows is filled up
 * with rows of NULLs, which no join finds: one statement costs less than several in a transaction.
 */
const sizes = [1, 2, 4, 8, 16, 32, 64]
const largest = 64

const inGroups = (
  commits: ReadonlyArray<Commit>,
  texts: ReadonlyMap<number, string>,
  parametersOf: (commit: Commit) => ReadonlyArray<unknown>
): ReadonlyArray<Statement> => {
  const statements: Array<Statement> = []
  for (let from = 0; from < commits.length; from += largest) {
    const rows = commits.slice(from, from + largest).map(parametersOf)
    const size = sizes.find((size) => size >= rows.length) ?? largest
    const missing = Array<null>((size - rows.length) * rows[0]!.length).fill(null)
    statements.push({ text: texts.get(size)!, parameters: [...rows.flat(), ...missing] })
  }
  return statements
}

const textsOf = (columns: ReadonlyArray<string>, text: (rows: string) => string): ReadonlyMap<number, string> => {
  const names = columns.map((column, index) => `column${index + 1} AS ${column}`).join(", ")
  const row = `(${columns.map(() => "?").join(", ")})`
  return new Map(
    sizes.map((size) => [size, text(`(SELECT ${names} FROM (VALUES ${Array(size).fill(row).join(", ")}))`)])
  )
}

/** The time at which a commit is due that waits. Only those that do have the parameter. */
const wakeAt = `COALESCE(${now} + given.wake_in, ${never})`

const startsOf = (own: ReadonlyArray<string>) =>
  textsOf(
    ["execution_id", "saga", "version", "is_plan", "status", "token", "body", "attributes", ...own],
    (rows) =>
      `INSERT INTO effect_saga_execution (
    execution_id, saga, version, is_plan, status, token, started_at, body, attributes${
        own.length === 0 ? "" : ", wake_at"
      }
  )
  SELECT given.execution_id, given.saga, given.version, given.is_plan, given.status, given.token, ${now}, given.body,
    given.attributes${own.length === 0 ? "" : `, ${wakeAt}`}
  FROM ${rows} AS given
  WHERE EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now})
  ON CONFLICT DO NOTHING
  RETURNING execution_id, 0 AS sequence`
  )

const appendsOf = (own: ReadonlyArray<string>) =>
  textsOf(["execution_id", "sequence", "status", "token", "fence", "body", "taken", ...own], (rows) =>
    // CROSS JOIN keeps the order of the joins, whatever the planner thinks of the tables.
    `INSERT INTO effect_saga_commit (
    execution, sequence, status, token, ended_at, body, taken, saga${own.length === 0 ? "" : ", wake_at"}
  )
  SELECT execution.id, given.sequence, ${
      own.length === 0 ? "NULLIF(given.status, unfinished.status)" : "given.status"
    }, given.token,
    CASE WHEN given.status IN ${finished} THEN ${now} END,
    given.body, NULLIF(given.taken, 0), CASE WHEN given.status IN ${finished} THEN unfinished.saga END${
      own.length === 0 ? "" : `, ${wakeAt}`
    }
  FROM ${rows} AS given
  CROSS JOIN effect_saga_execution AS execution ON execution.execution_id = given.execution_id
  CROSS JOIN effect_saga_unfinished AS unfinished ON unfinished.execution = execution.id
  CROSS JOIN effect_saga_lease AS lease ON lease.token = given.token
  WHERE unfinished.token = given.token AND unfinished.fence = given.fence AND lease.expires_at > ${now} AND (given.sequence = 1 OR EXISTS (
    SELECT 1 FROM effect_saga_commit AS earlier
    WHERE earlier.execution = execution.id AND earlier.sequence = given.sequence - 1
  )) AND (unfinished.last_message IS NULL OR unfinished.last_message <= given.taken OR (
    given.status NOT IN ${finished} AND given.status NOT IN ${waiting}
  ))
  ON CONFLICT DO NOTHING
  RETURNING (SELECT execution_id FROM effect_saga_execution WHERE id = execution) AS execution_id, sequence`)

const [starts, appends] = [startsOf([]), appendsOf([])]
const [waitingStarts, waitingAppends] = [startsOf(["wake_in"]), appendsOf(["wake_in"])]

const valuesOfStart = ({ attributes, body, executionId, isPlan, saga, status, token, version }: Commit) => [
  executionId,
  saga,
  version,
  isPlan ? 1 : 0,
  status,
  token,
  body,
  attributes === undefined ? null : JSON.stringify(attributes)
]

const valuesOfAppend = ({ body, executionId, fence, sequence, status, taken, token }: Commit) => [
  executionId,
  sequence,
  status,
  token,
  fence,
  body,
  taken
]

const wakeInOf = ({ wakeIn }: Commit) => wakeIn === undefined ? null : Math.min(wakeIn, longestWait)
// Three hundred years, so that the sum is a time.
const longestWait = 1e13

/** Those that wait are stored after the others: of one execution there is one commit at a time. */
const appendAll = (commits: ReadonlyArray<Commit>): ReadonlyArray<Statement> => {
  const isFirst = ({ sequence }: Commit) => sequence === 0
  const first = commits.filter(isFirst)
  return [
    ...inGroups(first, starts, valuesOfStart),
    ...inGroups(
      first.length === 0 ? commits : commits.filter((commit) => !isFirst(commit)),
      appends,
      valuesOfAppend
    )
  ]
}

const appendWaiting = (commits: ReadonlyArray<Commit>): ReadonlyArray<Statement> => [
  ...inGroups(
    commits.filter(({ sequence }) => sequence === 0),
    waitingStarts,
    (commit) => [...valuesOfStart(commit), wakeInOf(commit)]
  ),
  ...inGroups(
    commits.filter(({ sequence }) => sequence !== 0),
    waitingAppends,
    (commit) => [...valuesOfAppend(commit), wakeInOf(commit)]
  )
]

const reasons: ReadonlyArray<readonly [code: string, reason: ReturnType<Dialect["reasonOf"]>]> = [
  ["SQLITE_BUSY", "Locked"],
  ["SQLITE_LOCKED", "Locked"],
  ["SQLITE_READONLY", "ReadOnly"],
  ["SQLITE_FULL", "Full"],
  ["SQLITE_NOTADB", "NotADatabase"],
  ["SQLITE_CORRUPT", "NotADatabase"],
  ["SQLITE_TOOBIG", "Rejected"]
]

const unfinishedBy: Dialect["unfinishedBy"] = (index) =>
  `effect_saga_unfinished AS unfinished INDEXED BY effect_saga_unfinished_${index}`

/** Wanted executions that nobody drives, as many as may be claimed. */
const freeBy = (index: "ready" | "due", sagas: number): string =>
  `SELECT unfinished.execution FROM ${unfinishedBy(index)}
  CROSS JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution
  WHERE ${
    index === "ready" ? "unfinished.wake_at IS NULL" : `unfinished.wake_at IS NOT NULL AND unfinished.wake_at <= ${now}`
  }
    AND (unfinished.status <> 'Parked' OR unfinished.last_message IS NOT NULL)
    AND (unfinished.token IS NULL OR NOT EXISTS (
      SELECT 1 FROM effect_saga_lease AS holder
      WHERE holder.token = unfinished.token AND holder.expires_at > ${now}
    ))
    AND execution.execution_id NOT IN (SELECT value FROM json_each(?))
    AND CASE WHEN execution.is_plan THEN ? ELSE ${
    sagas === 0
      ? "0"
      : `(execution.saga, execution.version) IN (VALUES ${Array.from({ length: sagas }, () => "(?, ?)").join(", ")})`
  } END
  ORDER BY ${index === "ready" ? "unfinished.execution" : "unfinished.wake_at"} LIMIT ?`

export const sqlite: Dialect = {
  unfinishedBy,
  nowOnce: now,
  tables,
  now,
  begin: "BEGIN IMMEDIATE",
  // A savepoint that is there before the others' statements is gone with their transaction.
  beginForOthers: ["BEGIN IMMEDIATE", "SAVEPOINT effect_saga_step"],
  isStillOpen: "RELEASE SAVEPOINT effect_saga_step",
  append: (commits) => {
    if (!commits.some(({ status }) => isWaiting(status))) return appendAll(commits)
    return [
      ...appendAll(commits.filter(({ status }) => !isWaiting(status))),
      ...appendWaiting(commits.filter(({ status }) => isWaiting(status)))
    ]
  },
  enqueue: ({ attributes, body, executionId, isPlan, saga, version }) => ({
    text:
      `INSERT INTO effect_saga_execution (execution_id, saga, version, is_plan, status, token, started_at, body, attributes)
      VALUES (?, ?, ?, ?, 'Running', NULL, ${now}, ?, ?)
      ON CONFLICT DO NOTHING RETURNING id`,
    parameters: [
      executionId,
      saga,
      version,
      isPlan ? 1 : 0,
      body,
      attributes === undefined ? null : JSON.stringify(attributes)
    ]
  }),
  claimNext: ({ except, limit, plans, sagas }, token) => ({
    text: `UPDATE effect_saga_unfinished SET token = ?, fence = fence + 1, wake_at = NULL
      WHERE execution IN (
        SELECT execution FROM (${freeBy("ready", sagas.length)})
        UNION ALL
        SELECT execution FROM (${freeBy("due", sagas.length)})
        ORDER BY execution LIMIT ?
      ) AND EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = ? AND lease.expires_at > ${now})
      RETURNING execution, status, fence,
        (SELECT execution_id FROM effect_saga_execution WHERE id = execution) AS execution_id,
        (SELECT saga FROM effect_saga_execution WHERE id = execution) AS saga,
        (SELECT version FROM effect_saga_execution WHERE id = execution) AS version,
        (SELECT is_plan FROM effect_saga_execution WHERE id = execution) AS is_plan,
        ${
      onlyCommit("effect_saga_unfinished.execution", "(SELECT body FROM effect_saga_execution WHERE id = execution)")
    } AS start,
        last_message IS NOT NULL AS has_messages`,
    parameters: [
      token,
      ...[1, 2].flatMap(() => [
        JSON.stringify(except),
        plans ? 1 : 0,
        ...sagas.flatMap(({ name, version }) => [name, version]),
        limit
      ]),
      limit,
      token
    ]
  }),
  send: `INSERT INTO effect_saga_message (execution, sent_at, body)
    SELECT execution, ${now}, ? FROM effect_saga_unfinished WHERE execution = ${numberOf}
    RETURNING number`,
  attributeValue: `(SELECT ${valueOf} FROM json_each(?))`,
  ofEachSaga: (status, numbers) =>
    `SELECT found.id FROM effect_saga_count AS counted CROSS JOIN effect_saga_execution AS found
    WHERE counted.status = '${status}' AND found.id IN (${numbers})`,
  attributesText: "execution.attributes",
  foldCounts: undefined,
  loadsInGroups: false,
  remove: (ids) => ({
    text: `DELETE FROM effect_saga_execution WHERE id IN (${ids.map(() => "?").join(", ")})`,
    parameters: ids
  }),
  prepare: (text) => text,
  reasonOf: (code) => reasons.find(([prefix]) => code.startsWith(prefix))?.[1]
}
