/** The saga of the durable benchmarks, 1 ReadOnly, 3 Compensatable and 1 Final step, and how ours runs it on a store. */
import { Effect, Fiber, type Layer, ManagedRuntime, Schema, Stream } from "effect"
import { Checkpoint, Recovery, Saga } from "effect-saga"
import { SqliteCheckpoint } from "effect-saga/sqlite"

/** What the steps do: they count. `held` makes an execution wait before its Final, `seen` is called there. */
export const world = { effects: 0, waiting: 0, held: false, seen: () => {} }

export const price = 4200

const Reservation = Schema.Struct({ id: Schema.String, seats: Schema.Int })

const reserve = (what: string) => ({
  success: Reservation,
  action: ({ input }: { readonly input: { readonly seats: number } }) =>
    Effect.sync(() => {
      world.effects++
      return { id: `${what}-1`, seats: input.seats }
    }),
  compensate: () =>
    Effect.sync(() => {
      world.effects--
    })
})

const Input = Schema.Struct({ customer: Schema.String, seats: Schema.Int, declined: Schema.Boolean })

export const inputOf = (declined: boolean): typeof Input.Type => ({ customer: "c-4711", seats: 2, declined })

export const order = Saga.make("Order", { input: Input })
  .compensatable("flight", reserve("flight"))
  .compensatable("hotel", reserve("hotel"))
  .compensatable("car", reserve("car"))
  // It comes late so that an execution can be left with most of its journal written.
  .readOnly("quote", {
    success: Schema.Int,
    action: () =>
      Effect.suspend(() => {
        if (world.held) {
          world.waiting++
          return Effect.never
        }
        world.seen()
        return Effect.succeed(price)
      })
  })
  .final("charge", {
    success: Schema.String,
    error: Schema.Literal("declined"),
    action: ({ input, outputs }) =>
      Effect.suspend(() => {
        if (input.declined) return Effect.fail("declined" as const)
        world.effects++
        return Effect.succeed(`paid ${outputs.quote}`)
      }),
    inDoubt: "retry"
  })
  .build(({ outputs }) => outputs.charge)

export const commitsOf = (declined: boolean) => declined ? 8 : 5

export interface Timing {
  readonly sagas: number
  readonly seconds: number
}

export interface Store {
  readonly run: <A, E>(effect: Effect.Effect<A, E, Checkpoint.Checkpoint>) => Promise<A>
  /** See {@link inFibers}. */
  readonly drive: (concurrency: number, milliseconds: number, declined?: boolean) => Promise<Timing>
  /** The executions that were driven. */
  readonly ids: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** Fibers that each run one saga after the other until the time is up, or for one saga each. */
export const inFibers = <E, R>(
  one: Effect.Effect<unknown, E, R>,
  concurrency: number,
  milliseconds: number
): Effect.Effect<Timing, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    let sagas = 0
    const counted = Effect.zipRight(Effect.sync(() => sagas++), one)
    const fiber = Effect.zipRight(
      counted,
      Effect.whileLoop({
        while: () => performance.now() - start < milliseconds,
        body: () => counted,
        step: () => {}
      })
    )
    return Effect.map(
      Effect.all(Array.from({ length: concurrency }, () => fiber), { concurrency: "unbounded", discard: true }),
      () => ({ sagas, seconds: (performance.now() - start) / 1000 })
    )
  })

export const openOurs = (
  filename: string,
  durability: "power-loss" | "process",
  newId?: () => string
): Store => openOn(SqliteCheckpoint.layer({ filename, durability }), newId)

export const openOn = <E>(
  layer: Layer.Layer<Checkpoint.Checkpoint, E>,
  newId: () => string = () => crypto.randomUUID()
): Store => {
  const runtime = ManagedRuntime.make(layer)
  const ids: Array<string> = []
  const one = (declined: boolean) =>
    Effect.suspend(() => {
      const executionId = newId()
      ids.push(executionId)
      return Effect.match(Saga.execute(order, inputOf(declined), { executionId }), {
        onSuccess: (receipt) => {
          if (declined || receipt !== `paid ${price}`) throw new Error(`${executionId} succeeded with ${receipt}`)
        },
        onFailure: (error) => {
          if (!declined || error !== "declined") throw new Error(`${executionId} failed`, { cause: error })
        }
      })
    })
  return {
    ids,
    run: (effect) => runtime.runPromise(effect),
    drive: (concurrency, milliseconds, declined = false) =>
      runtime.runPromise(inFibers(one(declined), concurrency, milliseconds)),
    close: () => runtime.dispose()
  }
}

/** Throws unless executions that were driven are stored, finished, and answer without doing anything again. */
export const checkOurs = async ({ run }: Store, ids: ReadonlyArray<string>, declined: boolean) => {
  const unfinished = await run(countUnfinished)
  if (unfinished > 0) throw new Error(`${unfinished} executions are not finished`)
  const effects = world.effects
  const every = Math.ceil(ids.length / 100)
  for (const executionId of ids.filter((_, index) => index % every === 0)) {
    const commits = await run(Effect.flatMap(Checkpoint.Checkpoint, (store) => store.load(executionId)))
    if (commits.length !== commitsOf(declined)) throw new Error(`${executionId} has ${commits.length} commits`)
    const again = await run(Effect.exit(Saga.execute(order, inputOf(declined), { executionId })))
    if ((again._tag === "Failure") !== declined) throw new Error(`${executionId} has another result when asked again`)
  }
  if (world.effects !== effects) throw new Error("an execution that was finished has had effects again")
}

export const countUnfinished = Effect.flatMap(
  Checkpoint.Checkpoint,
  ({ unfinished }) => Stream.runCount(unfinished({ parked: false }))
)

/** Leaves executions unfinished, as a process that closes does. */
export const leaveUnfinished = (count: number, newId: () => string) =>
  Effect.gen(function*() {
    world.waiting = 0
    world.held = true
    const fibers = yield* Effect.forEach(
      Array.from({ length: count }, newId),
      (executionId) => Effect.fork(Saga.execute(order, inputOf(false), { executionId, onInterrupt: "suspend" }))
    )
    while (world.waiting < count) yield* Effect.sleep("5 millis")
    yield* Fiber.interruptAll(fibers)
    world.held = false
  })

export const recover = Recovery.run([order])

export const median = (values: ReadonlyArray<number>): number =>
  values.slice().sort((a, b) => a - b)[values.length >> 1] ?? NaN
