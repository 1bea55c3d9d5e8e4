import * as PgClient from "@effect/sql-pg/PgClient"
import { Layer, Redacted } from "effect"
import { SqlCheckpoint } from "effect-saga/sql"
import { checkOurs, openOn } from "../order.ts"
import type { Peer } from "./peer.ts"

export const openOurs = async (url: string): Promise<Peer> => {
  const store = openOn(
    SqlCheckpoint.layer().pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url) })))
  )
  const ids = { succeeded: Array<string>(), declined: Array<string>() }
  return {
    drive: async (concurrency, milliseconds, declined) => {
      const before = store.ids.length
      const timing = await store.drive(concurrency, milliseconds, declined)
      ids[declined ? "declined" : "succeeded"].push(...store.ids.slice(before))
      return timing
    },
    check: async (sagas) => {
      for (const end of ["succeeded", "declined"] as const) {
        if (ids[end].length !== sagas[end]) throw new Error(`${ids[end].length} ${end}, and should be ${sagas[end]}`)
        await checkOurs(store, ids[end], end === "declined")
      }
    },
    close: store.close
  }
}
