/**
 * What a careful author would write by hand on the driver alone: the same commits as ours, one statement each, from which a
 * later process could find what is unfinished and how far it came. It does nothing else: no lease, no look at an execution
 * of the same id, no schemas, no attributes, no retries.
 */
import { inputOf, price } from "../order.ts"
import { expectCounts, inLoops, type Peer, reservations, steps } from "./peer.ts"
import { type Client, connect, pool } from "./pg.ts"

interface Commit {
  readonly execution: string
  readonly sequence: number
  readonly status: "Running" | "Succeeded" | "Undone"
  readonly body: string
}

type Write = (commit: Commit) => Promise<unknown>

const tables = `
  CREATE TABLE execution (id uuid PRIMARY KEY, status text NOT NULL);
  CREATE INDEX unfinished ON execution (id) WHERE status = 'Running';
  CREATE TABLE entry (
    execution uuid NOT NULL, sequence integer NOT NULL, body text NOT NULL, PRIMARY KEY (execution, sequence)
  )`

const writeOne = (client: Client, { body, execution, sequence, status }: Commit) =>
  client.query(
    sequence === 0
      ? {
        name: "start",
        text: `WITH started AS (INSERT INTO execution (id, status) VALUES ($1, 'Running'))
          INSERT INTO entry (execution, sequence, body) VALUES ($1, 0, $2)`,
        values: [execution, body]
      }
      : status === "Running"
      ? {
        name: "step",
        text: "INSERT INTO entry (execution, sequence, body) VALUES ($1, $2, $3)",
        values: [execution, sequence, body]
      }
      : {
        name: "end",
        text: `WITH ended AS (UPDATE execution SET status = $4 WHERE id = $1)
          INSERT INTO entry (execution, sequence, body) VALUES ($1, $2, $3)`,
        values: [execution, sequence, body, status]
      }
  )

const writeMany = (client: Client, commits: ReadonlyArray<Commit>) =>
  client.query({
    name: "many",
    text: `WITH given AS MATERIALIZED (
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) AS given (execution, sequence, status, body)
      ), started AS (
        INSERT INTO execution (id, status) SELECT execution, status FROM given WHERE sequence = 0
      ), ended AS (
        UPDATE execution SET status = given.status FROM given WHERE id = given.execution AND given.status <> 'Running'
      )
      INSERT INTO entry (execution, sequence, body) SELECT execution, sequence, body FROM given`,
    values: [
      commits.map(({ execution }) => execution),
      commits.map(({ sequence }) => sequence),
      commits.map(({ status }) => status),
      commits.map(({ body }) => body)
    ]
  })

/** One connection. What arrives while a statement is under way shares the next one. */
const grouped = (client: Client): Write => {
  let waiting: Array<
    { readonly commit: Commit; readonly done: () => void; readonly failed: (error: unknown) => void }
  > = []
  let writing = false
  const writeWhatWaits = async () => {
    writing = true
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        await (group.length === 1
          ? writeOne(client, group[0]!.commit)
          : writeMany(client, group.map(({ commit }) => commit)))
        for (const { done } of group) done()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
      // All that go on now come to their next commit.
      await new Promise(setImmediate)
    }
    writing = false
  }
  return (commit) =>
    new Promise<void>((done, failed) => {
      waiting.push({ commit, done, failed })
      if (!writing) void writeWhatWaits()
    })
}

const at = () => Date.now()

const run = async (write: Write, declined: boolean) => {
  const execution = crypto.randomUUID()
  const input = inputOf(declined)
  let sequence = 0
  const commit = (events: ReadonlyArray<object>, status: Commit["status"] = "Running") =>
    write({ execution, sequence: sequence++, status, body: JSON.stringify(events) })

  let done: Array<object> = [{ _tag: "Started", saga: "Order", version: 1, input, at: at() }]
  for (const step of reservations) {
    await commit([...done, { _tag: "StepStarted", step, at: at() }])
    done = [{ _tag: "StepSucceeded", step, output: steps.reserve(step, input.seats), attempts: 1, at: at() }]
  }
  done.push({ _tag: "StepSucceeded", step: "quote", output: price, attempts: 1, at: at() })
  await commit([...done, { _tag: "StepStarted", step: "charge", at: at() }])
  if (!declined) {
    const receipt = steps.charge(price)
    return commit(
      [{ _tag: "StepSucceeded", step: "charge", output: receipt, attempts: 1, at: at() }, {
        _tag: "Finished",
        at: at()
      }],
      "Succeeded"
    )
  }
  done = [{ _tag: "StepFailed", step: "charge", failure: "declined", attempts: 1, at: at() }]
  for (const step of reservations.slice().reverse()) {
    await commit([...done, { _tag: "CompensationStarted", step, at: at() }])
    steps.release()
    done = [{ _tag: "CompensationSucceeded", step, attempts: 1, at: at() }]
  }
  return commit([...done, { _tag: "Finished", at: at() }], "Undone")
}

const open = async (url: string, client: Client, write: Write): Promise<Peer> => {
  await client.query(tables)
  return {
    drive: inLoops(async (declined) => void await run(write, declined)),
    check: ({ declined, succeeded }) =>
      expectCounts(url, {
        execution: succeeded + declined,
        "execution WHERE status = 'Succeeded'": succeeded,
        "execution WHERE status = 'Undone'": declined,
        entry: succeeded * 5 + declined * 8
      }),
    close: () => client.end()
  }
}

/** The commits of concurrent sagas share statements. */
export const openGrouped = async (url: string): Promise<Peer> => {
  const client = await connect(url)
  return open(url, client, grouped(client))
}

/** Each commit is a statement and a transaction of its own, on a pool of connections. */
export const openUngrouped = async (url: string): Promise<Peer> => {
  const client = await pool(url)
  return open(url, client, (commit) => writeOne(client, commit))
}
