import type { Commit } from "../Checkpoint.ts"
import { type Dialect, finished, pending } from "./dialect.ts"

const now = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"

/** As in SQLite, see there. The C collation compares texts by their bytes, as SQLite does. */
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
    token BIGINT,
    ended_at BIGINT,
    body TEXT NOT NULL
  )`,
  `CREATE INDEX effect_saga_pending ON effect_saga_execution (id) WHERE status IN ${pending}`,
  `CREATE INDEX effect_saga_parked ON effect_saga_execution (id) WHERE status = 'Parked'`,
  `CREATE INDEX effect_saga_ended ON effect_saga_execution (ended_at) WHERE ended_at IS NOT NULL`,
  `CREATE TABLE effect_saga_commit (
    execution BIGINT NOT NULL,
    sequence INTEGER NOT NULL,
    status TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (execution, sequence)
  )`
]

// In the order of their ids, for two that start the same executions at once must wait for each other in the same order.
const start = `INSERT INTO effect_saga_execution
    (execution_id, saga, version, status, token, ended_at, body)
  SELECT given.execution_id, given.saga, given.version, given.status,
    CASE WHEN given.status IN ${pending} THEN given.token END,
    CASE WHEN given.status IN ${finished} THEN ${now} END,
    given.body
  FROM unnest(?::text[], ?::text[], ?::integer[], ?::text[], ?::bigint[], ?::text[])
    AS given (execution_id, saga, version, status, token, body)
  WHERE EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now})
  ORDER BY given.execution_id
  ON CONFLICT DO NOTHING`

// The executions are locked, so that none can be claimed between this look at who has it and the insert.
const append = `WITH held AS MATERIALIZED (
    SELECT execution.id, execution.status AS was, given.*
    FROM unnest(?::text[], ?::integer[], ?::text[], ?::bigint[], ?::text[])
      AS given (execution_id, sequence, status, token, body)
    JOIN effect_saga_execution AS execution ON execution.execution_id = given.execution_id
    WHERE execution.token = given.token AND EXISTS (
      SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = given.token AND lease.expires_at > ${now}
    )
    ORDER BY execution.id
    FOR UPDATE OF execution
  ), stored AS (
    INSERT INTO effect_saga_commit (execution, sequence, status, body)
    SELECT held.id, held.sequence, NULLIF(held.status, held.was), held.body
    FROM held
    WHERE held.sequence = 1 OR EXISTS (
      SELECT 1 FROM effect_saga_commit AS earlier
      WHERE earlier.execution = held.id AND earlier.sequence = held.sequence - 1
    )
    ON CONFLICT DO NOTHING
    RETURNING execution, sequence, status
  ), moved AS (
    UPDATE effect_saga_execution AS execution SET
      status = stored.status,
      token = CASE WHEN stored.status IN ${pending} THEN execution.token END,
      ended_at = CASE WHEN stored.status IN ${finished} THEN ${now} END
    FROM stored
    WHERE execution.id = stored.execution AND stored.status IS NOT NULL
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
  unfinished: () => "effect_saga_execution AS execution",
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
