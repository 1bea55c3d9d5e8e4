import type { Commit } from "../Checkpoint.ts"
import { type Dialect, finished, pending } from "./dialect.ts"

const now = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"

/** As in SQLite, see there; what triggers do there is part of the statements here. */
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
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    token BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    body TEXT NOT NULL
  )`,
  `CREATE TABLE effect_saga_commit (
    execution BIGINT NOT NULL,
    sequence INTEGER NOT NULL,
    status TEXT,
    token BIGINT NOT NULL,
    ended_at BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (execution, sequence)
  )`,
  `CREATE TABLE effect_saga_unfinished (
    execution BIGINT PRIMARY KEY,
    status TEXT NOT NULL,
    token BIGINT
  )`
]

// In the order of their ids, for two that start the same executions at once must wait for each other in the same order.
const start = `WITH started AS (
    INSERT INTO effect_saga_execution (execution_id, saga, version, status, token, started_at, body)
    SELECT given.execution_id, given.saga, given.version, given.status, given.token, ${now}, given.body
    FROM unnest(?::text[], ?::text[], ?::integer[], ?::text[], ?::bigint[], ?::text[])
      AS given (execution_id, saga, version, status, token, body)
    WHERE EXISTS (
      SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now}
    )
    ORDER BY given.execution_id
    ON CONFLICT DO NOTHING
    RETURNING id, status, token
  ), unfinished AS (
    INSERT INTO effect_saga_unfinished (execution, status, token)
    SELECT id, status, CASE WHEN status IN ${pending} THEN token END FROM started WHERE status NOT IN ${finished}
  )
  SELECT 1 FROM started`

// Who may drive an execution is locked, so that none can be claimed between this look and the insert.
const append = `WITH held AS MATERIALIZED (
    SELECT execution.id, unfinished.status AS was, given.*
    FROM unnest(?::text[], ?::integer[], ?::text[], ?::bigint[], ?::text[])
      AS given (execution_id, sequence, status, token, body)
    JOIN effect_saga_execution AS execution ON execution.execution_id = given.execution_id
    JOIN effect_saga_unfinished AS unfinished ON unfinished.execution = execution.id
    WHERE unfinished.token = given.token AND EXISTS (
      SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now}
    )
    ORDER BY execution.id
    FOR UPDATE OF unfinished
  ), stored AS (
    INSERT INTO effect_saga_commit (execution, sequence, status, token, ended_at, body)
    SELECT held.id, held.sequence, NULLIF(held.status, held.was), held.token,
      CASE WHEN held.status IN ${finished} THEN ${now} END,
      held.body
    FROM held
    WHERE held.sequence = 1 OR EXISTS (
      SELECT 1 FROM effect_saga_commit AS earlier
      WHERE earlier.execution = held.id AND earlier.sequence = held.sequence - 1
    )
    ON CONFLICT DO NOTHING
    RETURNING execution, status
  ), moved AS (
    UPDATE effect_saga_unfinished AS unfinished SET
      status = stored.status,
      token = CASE WHEN stored.status IN ${pending} THEN unfinished.token END
    FROM stored
    WHERE unfinished.execution = stored.execution AND stored.status NOT IN ${finished}
  ), ended AS (
    DELETE FROM effect_saga_unfinished AS unfinished USING stored
    WHERE unfinished.execution = stored.execution AND stored.status IN ${finished}
  )
  SELECT 1 FROM stored`

const column = <Key extends keyof Commit>(commits: ReadonlyArray<Commit>, key: Key) =>
  commits.map((commit) => commit[key])

const reasons: ReadonlyArray<readonly [code: string, reason: ReturnType<Dialect["reasonOf"]>]> = [
  // Serialization failure, deadlock, lock not available.
  ["40001", "Locked"],
  ["40P01", "Locked"],
  ["55P03", "Locked"],
  ["25006", "ReadOnly"],
  ["53100", "Full"]
]

export const postgres: Dialect = {
  tables,
  now,
  begin: "BEGIN",
  start: (commits) => [{
    text: start,
    parameters: (["executionId", "saga", "version", "status", "token", "body"] as const)
      .map((key) => column(commits, key))
  }],
  append: (commits) => [{
    text: append,
    parameters: (["executionId", "sequence", "status", "token", "body"] as const).map((key) => column(commits, key))
  }],
  countOf: (result) => (result as { readonly rowCount: number }).rowCount,
  prepare: (text) => {
    let parameter = 0
    return text.replaceAll("?", () => `$${++parameter}`)
  },
  reasonOf: (code) => reasons.find(([known]) => code === known)?.[1]
}
