/**
 * `@effect/workflow` on its cluster engine with one runner: an Activity a step, and one a compensation, so that those are
 * recorded as well. Imported when it is used: other benchmarks do not load it.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Logger, LogLevel, ManagedRuntime, Redacted, Schema } from "effect"
import { inFibers, inputOf, price } from "../order.ts"
import { expectCounts, type Peer, steps } from "./peer.ts"

const Reservation = Schema.Struct({ id: Schema.String, seats: Schema.Int })

const load = async () => {
  const [{ Activity, Workflow }, { ClusterWorkflowEngine, SingleRunner }] = await Promise.all([
    import("@effect/workflow"),
    import("@effect/cluster")
  ])
  const order = Workflow.make({
    name: "Order",
    payload: { id: Schema.String, customer: Schema.String, seats: Schema.Int, declined: Schema.Boolean },
    idempotencyKey: ({ id }) => id,
    success: Schema.String,
    error: Schema.Literal("declined")
  })
  const reserve = (what: string, seats: number) =>
    order.withCompensation(
      Activity.make({
        name: what,
        success: Reservation,
        execute: Effect.sync(() => steps.reserve(what, seats))
      }),
      () => Activity.make({ name: `undo ${what}`, execute: Effect.sync(steps.release) })
    )
  const run = order.toLayer((input) =>
    Effect.gen(function*() {
      yield* reserve("flight", input.seats)
      yield* reserve("hotel", input.seats)
      yield* reserve("car", input.seats)
      const quote = yield* Activity.make({ name: "quote", success: Schema.Int, execute: Effect.succeed(price) })
      return yield* Activity.make({
        name: "charge",
        success: Schema.String,
        error: Schema.Literal("declined"),
        execute: Effect.suspend(() =>
          input.declined ? Effect.fail("declined" as const) : Effect.sync(() => steps.charge(quote))
        )
      })
    })
  )
  // By default it encodes and decodes what stays in the process, to find what could not leave it.
  const runner = SingleRunner.layer({ runnerStorage: "sql", shardingConfig: { simulateRemoteSerialization: false } })
  return { order, layer: Layer.provideMerge(run, Layer.provideMerge(ClusterWorkflowEngine.layer, runner)) }
}

export const openWorkflow = async (url: string): Promise<Peer> => {
  const { layer, order } = await load()
  const runtime = ManagedRuntime.make(layer.pipe(
    Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Warning))
  ))
  const one = (declined: boolean) =>
    Effect.suspend(() => {
      const id = crypto.randomUUID()
      return Effect.map(
        Effect.merge(order.execute({ id, ...inputOf(declined) })),
        (result) => {
          if (result !== (declined ? "declined" : `paid ${price}`)) throw new Error(`${id} ended with ${result}`)
        }
      )
    })
  return {
    drive: (concurrency, milliseconds, declined) =>
      runtime.runPromise(inFibers(one(declined), concurrency, milliseconds)),
    check: ({ declined, succeeded }) =>
      expectCounts(url, {
        "cluster_messages WHERE tag = 'run' AND processed": succeeded + declined,
        "cluster_messages WHERE tag = 'activity' AND processed": succeeded * 5 + declined * 8,
        "cluster_messages WHERE NOT processed": 0
      }),
    close: () => runtime.dispose()
  }
}
