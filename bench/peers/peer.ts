/** A contender of the PostgreSQL benchmark: it has a process and a database of its own. */
import { type Timing, world } from "../order.ts"
import { connect } from "./pg.ts"

export interface Peer {
  /** Runs sagas until the time is up; rejects unless each ends as it should. */
  readonly drive: (concurrency: number, milliseconds: number, declined: boolean) => Promise<Timing>
  /** Rejects unless so many sagas are stored as finished, and nothing else. */
  readonly check: (sagas: { readonly succeeded: number; readonly declined: number }) => Promise<void>
  readonly close: () => Promise<void>
}

/** Asynchronous loops that each run one saga after the other until the time is up, or for one saga each. */
export const inLoops = (one: (declined: boolean) => Promise<void>): Peer["drive"] =>
async (
  concurrency,
  milliseconds,
  declined
) => {
  const start = performance.now()
  let sagas = 0
  const loop = async () => {
    do {
      sagas++
      await one(declined)
    } while (performance.now() - start < milliseconds)
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  return { sagas, seconds: (performance.now() - start) / 1000 }
}

/** Rejects unless each query counts what it should. */
export const expectCounts = async (url: string, expected: Readonly<Record<string, number>>) => {
  const client = await connect(url)
  try {
    for (const [what, count] of Object.entries(expected)) {
      const { rows } = await client.query(`SELECT count(*)::integer AS count FROM ${what}`)
      if (rows[0]?.count !== count) throw new Error(`${String(rows[0]?.count)} of ${what}, and should be ${count}`)
    }
  } finally {
    await client.end()
  }
}

/** The steps of the saga of `order.ts`, for those that run it in another way. They count in the same world. */
export const steps = {
  reserve: (what: string, seats: number) => {
    world.effects++
    return { id: `${what}-1`, seats }
  },
  release: () => {
    world.effects--
  },
  charge: (price: number) => {
    world.effects++
    return `paid ${price}`
  }
}

export const reservations = ["flight", "hotel", "car"] as const
