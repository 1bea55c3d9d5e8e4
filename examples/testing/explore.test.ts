/** The order, held against everything that can go wrong with it. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Ledger, SagaTest } from "effect-saga/testing"
import { doubles } from "./doubles.ts"
import { order } from "./order.ts"

const options = { input: { sku: "chair", cents: 4900 }, layer: doubles }

it.effect("an order keeps its word, whatever goes wrong", () =>
  Effect.gen(function*() {
    const { summary, violations } = yield* SagaTest.explore(order, options)
    expect(violations, summary).toEqual([])
  }), 30_000)

it.effect("and nobody pays for a chair that is not reserved", () =>
  Effect.gen(function*() {
    const { summary, violations } = yield* SagaTest.explore(order, {
      ...options,
      invariant: () =>
        Effect.gen(function*() {
          const standing = yield* (yield* Ledger.Ledger).standing
          const paid = standing.includes("payment of 4900")
          if (paid && !standing.includes("reservation of chair")) yield* Effect.fail("paid for nothing")
        }),
      limits: { pairs: 20 }
    })
    expect(violations, summary).toEqual([])
  }), 30_000)
