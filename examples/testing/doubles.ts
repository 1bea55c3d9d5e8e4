/** The services as tests have them: each writes to the ledger what it does to the world. */
import { Effect, Layer, Option } from "effect"
import { Ledger } from "effect-saga/testing"
import { Payments, Warehouse } from "./order.ts"

const warehouse = Layer.effect(
  Warehouse,
  Effect.map(Ledger.Ledger, (ledger) => ({
    // The name under which it is undone, and the key under which asking twice does it once.
    reserve: (sku, key) => Effect.as(ledger.do(`reservation of ${sku}`, key), `reservation of ${sku}`),
    release: (reservation) => ledger.undo(reservation)
  }))
)

const payments = Layer.effect(
  Payments,
  Effect.map(Ledger.Ledger, (ledger) => ({
    charge: (cents, key) => Effect.as(ledger.do(`payment of ${cents}`, key), `receipt ${key}`),
    find: (key) => Effect.map(ledger.has(key), (paid) => paid ? Option.some(`receipt ${key}`) : Option.none())
  }))
)

export const doubles = Layer.merge(warehouse, payments)
