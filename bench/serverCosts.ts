/** What a PostgreSQL server has done so far. */
import { readdirSync, readFileSync } from "node:fs"
import type { Client } from "./peers/pg.ts"

export interface Costs {
  /** Milliseconds of all its processes; undefined if it runs on another machine, or not on Linux. */
  readonly processor: number | undefined
  /** Transactions that wrote. */
  readonly transactions: number
  /** Bytes in its write-ahead log. */
  readonly log: number
}

interface Process {
  readonly pid: number
  readonly name: string
  readonly parent: number
  /** Clock ticks of its own, and of children that have ended. */
  readonly own: number
  readonly ended: number
}

// Linux's clock ticks, whatever the processor's frequency is.
const millisecondsOfTick = 10

/** See proc(5). The name may hold spaces and brackets. */
const processOf = (pid: number): Process | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const field = (number: number) => Number(fields[number - 3])
    return {
      pid,
      name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
      parent: field(4),
      own: field(14) + field(15),
      ended: field(16) + field(17)
    }
  } catch {
    return undefined
  }
}

/** The process that has started the one which serves a client, unless that runs elsewhere. */
const postmasterOf = async (client: Client): Promise<number | undefined> => {
  const { rows: [row] } = await client.query("SELECT pg_backend_pid() AS pid, host(inet_server_addr()) AS address")
  const backend = row?.address === "127.0.0.1" || row?.address === "::1" ? processOf(Number(row.pid)) : undefined
  return backend?.name === "postgres" ? backend.parent : undefined
}

const processorOf = (postmaster: number): number => {
  const all = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).map((pid) => processOf(Number(pid)))
  let ticks = 0
  for (const one of all) {
    if (one?.pid === postmaster) ticks += one.own + one.ended
    else if (one?.parent === postmaster) ticks += one.own
  }
  return ticks * millisecondsOfTick
}

/** Reads them whenever it is asked, through a client of that server. */
export const serverCosts = async (client: Client): Promise<() => Promise<Costs>> => {
  const postmaster = await postmasterOf(client)
  return async () => {
    const { rows: [row] } = await client.query(
      `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS transactions,
        (pg_current_wal_insert_lsn() - '0/0')::text AS log`
    )
    return {
      processor: postmaster === undefined ? undefined : processorOf(postmaster),
      transactions: Number(row?.transactions),
      log: Number(row?.log)
    }
  }
}
