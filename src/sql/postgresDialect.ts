import { isFinished, isWaiting } from "../journal/statuses.ts"
import type { Commit } from "../store/Checkpoint.ts"
import {
  type Dialect,
  drivingIndexes,
  executionsView,
  finished,
  listingIndexes,
  never,
  onlyCommit,
  pending,
  waiting
} from "./dialect.ts"

const now = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"

/** As in SQLite, see there. The statements here do what triggers do there. */
const tables = [
  `CREATE TABLE effect_saga_lease (
    token BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner TEXT NOT NULL,
    milliseconds BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
  )`,
  `CREATE TABLE effect_saga_execution (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id TEXT COLLATE "C" NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    version BIGINT NOT NULL,
    is_plan BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    token BIGINT,
    started_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    attributes JSONB,
    wake_at BIGINT
  )`,
  `CREATE TABLE effect_saga_commit (
    execution BIGINT NOT NULL,
    sequence INTEGER NOT NULL,
    status TEXT,
    token BIGINT NOT NULL,
    ended_at BIGINT,
    body TEXT NOT NULL,
    taken BIGINT,
    saga TEXT,
    wake_at BIGINT,
    PRIMARY KEY (execution, sequence)
  )`,
  `CREATE TABLE effect_saga_unfinished (
    execution BIGINT PRIMARY KEY,
    saga TEXT NOT NULL,
    status TEXT NOT NULL,
    token BIGINT,
    fence BIGINT NOT NULL DEFAULT 0,
    last_message BIGINT,
    wake_at BIGINT
  )`,
  ...drivingIndexes,
  `CREATE INDEX effect_saga_unfinished_message ON effect_saga_unfinished (token) WHERE last_message IS NOT NULL`,
  `CREATE TABLE effect_saga_message (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    body TEXT NOT NULL
  )`,
  `CREATE INDEX effect_saga_message_execution ON effect_saga_message (execution)`,
  `CREATE TABLE effect_saga_attribute (
    name TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    execution BIGINT NOT NULL,
    PRIMARY KEY (name, value, execution)
  )`,
  // Rows to be summed up: two processes that counted in one row would wait for each other.
  `CREATE TABLE effect_saga_count (
    saga TEXT NOT NULL,
    status TEXT NOT NULL,
    executions BIGINT NOT NULL
  )`,
  ...listingIndexes,
  executionsView((time) => `to_timestamp(${time} / 1000.0)`, now)
]

/** The bodies as parameters of their own: the driver escapes the members of an array one by one, which takes seconds for large ones. */
const bodiesOf = (commits: ReadonlyArray<Commit>) => `ARRAY[${commits.map(() => "?").join(", ")}]::text[]`

const attributesOf = ({ attributes }: Pick<Commit, "attributes">) =>
  attributes === undefined ? null : JSON.stringify(attributes)

const haveAttributes = (commits: ReadonlyArray<Commit>) => commits.some(({ attributes }) => attributes !== undefined)
const canWait = (commits: ReadonlyArray<Commit>) => commits.some(({ status }) => isWaiting(status))

/** When a commit is due that waits. Only where one does is there a parameter for it. */
const wakeAt = (commits: ReadonlyArray<Commit>, of: string) =>
  canWait(commits) ? `CASE WHEN ${of}.status IN ${waiting} THEN COALESCE(${now} + ${of}.wake_in, ${never}) END` : "NULL"
/** The status if a commit changes it; one that lets an execution wait sets its time in any case. */
const statusOf = (commits: ReadonlyArray<Commit>) =>
  canWait(commits)
    ? `CASE WHEN held.status IN ${waiting} THEN held.status ELSE NULLIF(held.status, held.was) END`
    : "NULLIF(held.status, held.was)"
const wakeInsOf = (commits: ReadonlyArray<Commit>) =>
  canWait(commits) ? [commits.map(({ wakeIn }) => wakeIn === undefined ? null : Math.min(wakeIn, longestWait))] : []
// Three hundred years, so that the sum is a time.
const longestWait = 1e13

const canFinish = (commits: ReadonlyArray<Commit>) => commits.some(({ status }) => isFinished(status))

const attributed = `, attributed AS (
    INSERT INTO effect_saga_attribute (name, value, execution)
    SELECT member.key, member.value::text, started.id
    FROM started CROSS JOIN LATERAL jsonb_each(started.attributes) AS member
  )`

/** Counts the finished ones among the rows that a part of the statement has stored. */
const counted = (stored: "started" | "stored") =>
  `, counted_${stored} AS (
    INSERT INTO effect_saga_count (saga, status, executions)
    SELECT saga, status, COUNT(*) FROM ${stored} WHERE status IN ${finished} GROUP BY saga, status
  )`

const column = <Key extends keyof Commit>(commits: ReadonlyArray<Commit>, key: Key) =>
  commits.map((commit) => commit[key])

// In the order of their ids: two processes that start the same executions at once would deadlock otherwise.
const start = {
  parts: (commits: ReadonlyArray<Commit>) =>
    `started AS (
    INSERT INTO effect_saga_execution (
      execution_id, saga, version, is_plan, status, token, started_at, body, attributes, wake_at
    )
    SELECT given.execution_id, given.saga, given.version, given.is_plan, given.status, given.token, ${now}, given.body,
      given.attributes::jsonb, ${wakeAt(commits, "given")}
    FROM unnest(?::text[], ?::text[], ?::bigint[], ?::boolean[], ?::text[], ?::bigint[], ${bodiesOf(commits)}, ${
      haveAttributes(commits) ? "?::text[]" : "ARRAY[]::text[]"
    }${canWait(commits) ? ", ?::bigint[]" : ""}) AS given (
      execution_id, saga, version, is_plan, status, token, body, attributes${canWait(commits) ? ", wake_in" : ""}
    )
    WHERE EXISTS (
      SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now}
    )
    ORDER BY given.execution_id
    ON CONFLICT DO NOTHING
    RETURNING id, execution_id, saga, status, token, attributes, wake_at
  ), begun AS (
    INSERT INTO effect_saga_unfinished (execution, saga, status, token, wake_at)
    SELECT id, saga, status, CASE WHEN status IN ${pending} THEN token END, wake_at FROM started WHERE status NOT IN ${finished}
  )${haveAttributes(commits) ? attributed : ""}${canFinish(commits) ? counted("started") : ""}`,
  result: "SELECT execution_id, 0 AS sequence FROM started",
  parameters: (commits: ReadonlyArray<Commit>) => [
    ...(["executionId", "saga", "version", "isPlan", "status", "token"] as const).map((key) => column(commits, key)),
    ...column(commits, "body"),
    ...haveAttributes(commits) ? [commits.map(attributesOf)] : [],
    ...wakeInsOf(commits)
  ]
}

/** The channel on which processes that listen hear of what is enqueued. */
export const arrivalsChannel = "effect_saga_enqueued"

const tookMessages = `, took AS (
    DELETE FROM effect_saga_message AS message USING stored
    WHERE message.execution = stored.execution AND message.number <= stored.taken
  )`

// Locks the claims, so that no execution can be claimed between this look and the insert.
const append = {
  parts: (commits: ReadonlyArray<Commit>) =>
    `held AS MATERIALIZED (
    SELECT execution.id, unfinished.saga, unfinished.status AS was, given.*
    FROM unnest(?::text[], ?::integer[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ${bodiesOf(commits)}${
      canWait(commits) ? ", ?::bigint[]" : ""
    })
      AS given (execution_id, sequence, status, token, fence, taken, body${canWait(commits) ? ", wake_in" : ""})
    JOIN effect_saga_execution AS execution ON execution.execution_id = given.execution_id
    JOIN effect_saga_unfinished AS unfinished ON unfinished.execution = execution.id
    WHERE unfinished.token = given.token AND unfinished.fence = given.fence AND EXISTS (
      SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now}
    ) AND (
      unfinished.last_message IS NULL OR unfinished.last_message <= given.taken
        OR (given.status NOT IN ${finished} AND given.status NOT IN ${waiting})
    )
    ORDER BY execution.id
    FOR UPDATE OF unfinished
  ), stored AS (
    INSERT INTO effect_saga_commit (execution, sequence, status, token, ended_at, body, taken, saga, wake_at)
    SELECT held.id, held.sequence, ${statusOf(commits)}, held.token,
      CASE WHEN held.status IN ${finished} THEN ${now} END,
      held.body, NULLIF(held.taken, 0), CASE WHEN held.status IN ${finished} THEN held.saga END,
      ${wakeAt(commits, "held")}
    FROM held
    WHERE held.sequence = 1 OR EXISTS (
      SELECT 1 FROM effect_saga_commit AS earlier
      WHERE earlier.execution = held.id AND earlier.sequence = held.sequence - 1
    )
    ON CONFLICT DO NOTHING
    RETURNING execution, sequence, status, taken, saga, wake_at
  ), moved AS (
    UPDATE effect_saga_unfinished AS unfinished SET
      status = COALESCE(stored.status, unfinished.status),
      token = CASE WHEN COALESCE(stored.status, unfinished.status) IN ${pending} THEN unfinished.token END,
      last_message = CASE WHEN unfinished.last_message > COALESCE(stored.taken, 0) THEN unfinished.last_message END,
      wake_at = stored.wake_at
    FROM stored
    WHERE unfinished.execution = stored.execution
      AND (stored.status NOT IN ${finished} OR (stored.status IS NULL AND stored.taken IS NOT NULL))
  )${commits.some(({ taken }) => taken > 0) ? tookMessages : ""}, ended AS (
    DELETE FROM effect_saga_unfinished AS unfinished USING stored
    WHERE unfinished.execution = stored.execution AND stored.status IN ${finished}
  )${canFinish(commits) ? counted("stored") : ""}`,
  result: `SELECT DISTINCT held.execution_id, stored.sequence
  FROM stored JOIN held ON held.id = stored.execution AND held.sequence = stored.sequence`,
  parameters: (commits: ReadonlyArray<Commit>) => [
    ...(["executionId", "sequence", "status", "token", "fence", "taken"] as const).map((key) => column(commits, key)),
    ...column(commits, "body"),
    ...wakeInsOf(commits)
  ]
}

const reasons: ReadonlyArray<readonly [code: string, reason: ReturnType<Dialect["reasonOf"]>]> = [
  // Serialization failure, deadlock, lock not available.
  ["40001", "Locked"],
  ["40P01", "Locked"],
  ["55P03", "Locked"],
  ["25006", "ReadOnly"],
  ["53100", "Full"]
]

/** Bounds how long a statement waits for locks. Zero means for ever to PostgreSQL. */
const boundLocks = (milliseconds: number) =>
  `SET lock_timeout = ${
    Number.isFinite(milliseconds) ? Math.min(Math.max(1, Math.ceil(milliseconds)), 2 ** 31 - 1) : 0
  }`

// A function that gives another time at each call is no condition for an index.
const nowOnce = `(SELECT ${now})`

/** Wanted executions that nobody drives, as many as may be claimed. */
const freeBy = (index: "ready" | "due"): string =>
  `SELECT unfinished.execution, execution.execution_id, execution.saga, execution.version, execution.is_plan,
    execution.body
  FROM effect_saga_unfinished AS unfinished
  JOIN effect_saga_execution AS execution ON execution.id = unfinished.execution
  WHERE ${index === "ready" ? "unfinished.wake_at IS NULL" : `unfinished.wake_at <= ${nowOnce}`}
    AND (unfinished.status <> 'Parked' OR unfinished.last_message IS NOT NULL)
    AND (unfinished.token IS NULL OR NOT EXISTS (
      SELECT 1 FROM effect_saga_lease AS holder
      WHERE holder.token = unfinished.token AND holder.expires_at > ${now}
    ))
    AND execution.execution_id <> ALL(?::text[])
    AND CASE WHEN execution.is_plan THEN ?
      ELSE (execution.saga, execution.version) IN (SELECT * FROM unnest(?::text[], ?::bigint[])) END
  ORDER BY ${
    index === "ready" ? "unfinished.execution" : "unfinished.wake_at"
  } LIMIT ? FOR UPDATE OF unfinished SKIP LOCKED`

export const postgres: Dialect & { readonly boundLocks: typeof boundLocks } = {
  boundLocks,
  unfinishedBy: () => "effect_saga_unfinished AS unfinished",
  nowOnce,
  tables,
  now,
  begin: "BEGIN",
  // Within a savepoint the others could not choose the isolation of their transaction. Outside of a transaction none can be made.
  beginForOthers: ["BEGIN"],
  isStillOpen: "SAVEPOINT effect_saga_step",
  // One statement, so that a client that is paused in the middle of a group holds no locks.
  append: (commits) => {
    const first = commits.filter(({ sequence }) => sequence === 0)
    const later = commits.filter(({ sequence }) => sequence !== 0)
    const used = [
      ...first.length === 0 ? [] : [{ ...start, parts: start.parts(first), given: start.parameters(first) }],
      ...later.length === 0 ? [] : [{ ...append, parts: append.parts(later), given: append.parameters(later) }]
    ]
    return [{
      text: `WITH ${used.map(({ parts }) => parts).join(", ")} ${used.map(({ result }) => result).join(" UNION ALL ")}`,
      parameters: used.flatMap(({ given }) => given)
    }]
  },
  // Others hear of it once it is stored: within a transaction of the caller, when that commits.
  enqueue: ({ attributes, body, executionId, isPlan, saga, version }) => ({
    text: `WITH started AS (
        INSERT INTO effect_saga_execution (execution_id, saga, version, is_plan, status, token, started_at, body, attributes)
        VALUES (?, ?, ?, ?, 'Running', NULL, ${now}, ?, ?::jsonb)
        ON CONFLICT DO NOTHING RETURNING id, saga, attributes
      ), begun AS (
        INSERT INTO effect_saga_unfinished (execution, saga, status, token) SELECT id, saga, 'Running', NULL FROM started
      )${attributed}
      SELECT id, pg_notify('${arrivalsChannel}', 'enqueued') FROM started`,
    parameters: [executionId, saga, version, isPlan, body, attributesOf({ attributes })]
  }),
  // Who asks at the same time passes over what is being claimed.
  claimNext: ({ except, limit, plans, sagas }, token) => ({
    text: `WITH ready AS MATERIALIZED (${freeBy("ready")}), due AS MATERIALIZED (${freeBy("due")}), free AS (
        SELECT * FROM ready UNION ALL SELECT * FROM due ORDER BY execution LIMIT ?
      )
      UPDATE effect_saga_unfinished AS unfinished SET token = ?, fence = unfinished.fence + 1, wake_at = NULL
      FROM free
      WHERE unfinished.execution = free.execution
        AND EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = ? AND lease.expires_at > ${now})
      RETURNING unfinished.execution, unfinished.status, unfinished.fence,
        free.execution_id, free.saga, free.version, free.is_plan,
        ${onlyCommit("free.execution", "free.body")} AS start, unfinished.last_message IS NOT NULL AS has_messages`,
    parameters: [
      ...[1, 2].flatMap(() => [
        except,
        plans,
        sagas.map(({ name }) => name),
        sagas.map(({ version }) => version),
        limit
      ]),
      limit,
      token,
      token
    ]
  }),
  // Locks the execution first: its messages are numbered in the order in which they can be seen, and it cannot finish meanwhile.
  send: `WITH held AS MATERIALIZED (
      SELECT execution FROM effect_saga_unfinished AS unfinished
      WHERE execution = (SELECT id FROM effect_saga_execution WHERE execution_id = $2) FOR UPDATE
    ), sent AS (
      INSERT INTO effect_saga_message (execution, sent_at, body)
      SELECT execution, ${now}, $1::text FROM held
      RETURNING execution, number
    )
    UPDATE effect_saga_unfinished AS unfinished SET last_message = sent.number, wake_at = NULL
    FROM sent WHERE unfinished.execution = sent.execution
    RETURNING sent.number, pg_notify('${arrivalsChannel}', 'sent')`,
  attributeValue: "(?::jsonb -> 0)::text",
  ofEachSaga: (status, numbers) =>
    `SELECT found.id FROM (SELECT DISTINCT saga FROM effect_saga_count WHERE status = '${status}') AS counted
    CROSS JOIN LATERAL (${numbers}) AS found`,
  attributesText: "execution.attributes::text",
  loadsInGroups: true,
  // A row that another process is summing up is left to it.
  foldCounts: `WITH folded AS (
      DELETE FROM effect_saga_count
      WHERE 1000 < (SELECT COUNT(*) FROM (SELECT 1 FROM effect_saga_count LIMIT 1001) AS many)
        AND ctid = ANY(ARRAY(SELECT ctid FROM effect_saga_count LIMIT 100000 FOR UPDATE SKIP LOCKED))
      RETURNING saga, status, executions
    )
    INSERT INTO effect_saga_count (saga, status, executions)
    SELECT saga, status, SUM(executions) FROM folded GROUP BY saga, status HAVING SUM(executions) <> 0`,
  remove: (ids) => ({
    text: `WITH removed AS (
        DELETE FROM effect_saga_execution WHERE id = ANY(?::bigint[]) RETURNING id, saga, status, attributes
      ), ended AS (
        DELETE FROM effect_saga_commit AS later USING removed WHERE later.execution = removed.id
        RETURNING later.execution, CASE WHEN later.ended_at IS NOT NULL THEN later.status END AS status
      ), counted AS (
        INSERT INTO effect_saga_count (saga, status, executions)
        SELECT removed.saga, COALESCE(ended.status, removed.status), -COUNT(*)
        FROM removed LEFT JOIN ended ON ended.execution = removed.id AND ended.status IS NOT NULL
        GROUP BY 1, 2
      )
      DELETE FROM effect_saga_attribute AS attribute
      USING removed CROSS JOIN LATERAL jsonb_each(removed.attributes) AS member
      WHERE attribute.name = member.key AND attribute.value = member.value::text AND attribute.execution = removed.id`,
    parameters: [ids]
  }),
  prepare: (text) => {
    let parameter = 0
    return text.replaceAll("?", () => `$${++parameter}`)
  },
  // Data exceptions, constraints and limits: such a statement has stored nothing.
  reasonOf: (code) =>
    reasons.find(([known]) => code === known)?.[1] ?? (/^(22|23|54)...$/.test(code) ? "Rejected" : undefined)
}
