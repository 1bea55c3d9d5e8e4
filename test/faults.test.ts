/**
 * The N-th operation of the store fails, N = 1, 2, … until none fails (as SQLite tests itself), once or from then on, before it
 * has done anything or after. Then another process recovers, and everything stands or nothing: no effect is lost, done twice
 * under two keys, or left behind.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Schedule, Schema, Stream, TestClock } from "effect"
import { Checkpoint, Journal, Saga, SagaError } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { eventsOf, recoverAll } from "./support/store.ts"
import { makeWorld, Refused, type World } from "./support/world.ts"

type Any = Saga.Saga<never, unknown, unknown, never, any>

const step = (world: World, name: string) => ({
  success: Schema.String,
  action: world.do(name),
  compensate: world.undo(name)
})

const busyAtFirst = (world: World, name: string) => {
  let calls = 0
  return (context: Parameters<ReturnType<World["do"]>>[0]) =>
    Effect.suspend(() => ++calls === 1 ? Effect.fail(new Refused({ step: name })) : world.do(name)(context))
}

/** What each makes when it goes well. The second version fails in its last step. */
const shapes: Record<string, { readonly make: (world: World, fails: boolean) => unknown; readonly effects: string[] }> =
  {
    "steps one after the other": {
      effects: ["flight", "hotel", "charge"],
      make: (world, fails) =>
        Saga.make("Line")
          .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
          .compensatable("flight", step(world, "flight"))
          .compensatable("hotel", step(world, "hotel"))
          .final("charge", { ...step(world, "charge"), ...failing(world, "charge", fails), inDoubt: "retry" })
          .build()
    },
    "a parallel block": {
      effects: ["flight", "hotel", "car", "charge"],
      make: (world, fails) =>
        Saga.make("Block")
          .compensatable("flight", step(world, "flight"))
          .parallel((branch) =>
            branch.compensatable("hotel", step(world, "hotel")).compensatable("car", step(world, "car"))
          )
          .final("charge", { ...step(world, "charge"), ...failing(world, "charge", fails), inDoubt: "retry" })
          .build()
    },
    "a nested saga": {
      effects: ["flight", "policy", "charge"],
      make: (world, fails) =>
        Saga.make("Parent")
          .compensatable("flight", step(world, "flight"))
          .saga("insurance", Saga.make("Insure").compensatable("policy", step(world, "policy")).build(), {
            input: () => undefined
          })
          .final("charge", { ...step(world, "charge"), ...failing(world, "charge", fails), inDoubt: "retry" })
          .build()
    },
    "two Finals, the second tried again": {
      effects: ["flight", "charge", "email"],
      make: (world, fails) =>
        Saga.make("Finals")
          .compensatable("flight", step(world, "flight"))
          .final("charge", { ...step(world, "charge"), ...failing(world, "charge", fails), inDoubt: "retry" })
          .final("email", {
            success: Schema.String,
            action: busyAtFirst(world, "email"),
            inDoubt: "retry",
            retry: { schedule: Schedule.spaced("1 second") }
          })
          .build()
    },
    "retries, a doubt that is verified, and a skipped step": {
      effects: ["flight", "charge"],
      make: (world, fails) => {
        let lost = false
        return Saga.make("Doubts")
          .compensatable("flight", {
            ...step(world, "flight"),
            action: busyAtFirst(world, "flight"),
            retry: { times: 2, schedule: Schedule.spaced("1 second") }
          })
          .compensatable("lounge", { ...step(world, "lounge"), when: () => false })
          .final("charge", {
            success: Schema.String,
            // The first reply is lost on the way.
            action: (context): Effect.Effect<string, Refused | SagaError.OutcomeUnknown> => {
              if (fails) return world.refuse("charge")()
              const first = !lost
              lost = true
              return Effect.flatMap(
                world.do("charge")(context),
                (output): Effect.Effect<string, SagaError.OutcomeUnknown> =>
                  first ? Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })) : Effect.succeed(output)
              )
            },
            inDoubt: "verify",
            verify: ({ idempotencyKey }) =>
              Effect.map(world.has(idempotencyKey), (has) => has ? Option.some("charge-output") : Option.none())
          })
          .build()
      }
    },
    "compensations that are tried again": {
      effects: ["flight", "hotel", "charge"],
      make: (world, fails) => {
        let calls = 0
        return Saga.make("Undo")
          .compensatable("flight", step(world, "flight"))
          .compensatable("hotel", {
            ...step(world, "hotel"),
            compensate: (context) =>
              Effect.suspend(() => ++calls === 1 ? Effect.fail("busy" as const) : world.undo("hotel")(context)),
            compensationRetry: { times: 5, schedule: Schedule.spaced("1 second") }
          })
          .final("charge", { ...step(world, "charge"), ...failing(world, "charge", fails), inDoubt: "retry" })
          .build()
      }
    }
  }

const failing = (world: World, name: string, fails: boolean) => ({
  action: (fails ? world.refuse(name) : world.do(name)) as ReturnType<World["do"]>
})

const unavailable = (operation: "append" | "load" | "list" | "lease") =>
  Effect.fail(new SagaError.CheckpointError({ reason: "Unavailable", operation, detail: "the disk has gone" }))

interface Fault {
  readonly at: number
  readonly lasts: "once" | "from then on"
  readonly moment: "before" | "after"
}

/** The store with its operations counted, and those that the fault hits failing. */
const faulty = (store: Checkpoint.Store, { at, lasts, moment }: Fault) => {
  let operations = 0
  const hit = <A>(
    operation: "append" | "load" | "list" | "lease",
    effect: Effect.Effect<A, SagaError.CheckpointError>
  ): Effect.Effect<A, SagaError.CheckpointError> =>
    Effect.suspend(() => {
      const fails = lasts === "once" ? operations === at : operations >= at
      operations++
      if (!fails) return effect
      return moment === "before" ? unavailable(operation) : Effect.zipRight(effect, unavailable(operation))
    })
  const wrapped: Checkpoint.Store = {
    append: (commits) => hit("append", store.append(commits)),
    enqueue: (start) => hit("append", store.enqueue(start)),
    claimNext: (wanted, token) => hit("lease", store.claimNext(wanted, token)),
    arrivals: store.arrivals,
    transactions: undefined,
    load: (executionId) => hit("load", store.load(executionId)),
    unfinished: (which) => Stream.unwrap(hit("list", Effect.succeed(store.unfinished(which)))),
    acquire: (lease) => hit("lease", store.acquire(lease)),
    renew: (token) => hit("lease", store.renew(token)),
    release: (token, executionIds) => hit("lease", store.release(token, executionIds)),
    claim: (executionId, token) => hit("lease", store.claim(executionId, token)),
    send: store.send,
    messages: (executionId) => hit("load", store.messages(executionId)),
    withMessages: store.withMessages,
    list: store.list,
    count: store.count,
    prune: store.prune
  }
  return { store: wrapped, wasHit: () => operations > at }
}

/** One life of a process: whatever is left of it is over when this ends. */
const process = <A, E>(store: Checkpoint.Store, life: Effect.Effect<A, E, Checkpoint.Checkpoint>) =>
  Effect.scoped(Effect.flatMap(Checkpoint.make(store), (service) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.exit(Effect.provideService(life, Checkpoint.Checkpoint, service)))
      yield* TestClock.adjust("1 minute")
      return yield* Fiber.join(fiber)
    })))

/** Everything of which one process or another cannot be sure any more is settled by the last. */
const check = (shape: (typeof shapes)[string], fails: boolean, fault: Fault, resumes: boolean) =>
  Effect.gen(function*() {
    const memory = yield* Checkpoint.makeMemory
    const world = makeWorld()
    const saga = shape.make(world, fails) as Any
    const { store, wasHit } = faulty(memory, fault)
    const execute = Saga.execute(saga, undefined as never, { executionId: "1" })
    const life = resumes ? recoverAll([saga]) : execute
    if (resumes) {
      // An execution that an earlier process has left in the middle.
      const half = faulty(memory, { at: 4, lasts: "from then on", moment: "before" })
      yield* process(half.store, execute)
    }
    const first = yield* process(store, life)
    const hit = wasHit()
    const said = failureOf(first)
    // Either all went well all the same, or whoever asked is told that the store is to blame.
    if (hit && !resumes && said !== undefined && !(fails && said instanceof Refused)) {
      expect(said).toMatchObject({ _tag: expect.stringMatching(/^(CheckpointError|ExecutionConflict)$/) })
    }
    // What is left is found without being told where to look, and once it is finished there is nothing left.
    yield* process(memory, recoverAll([saga]))
    expect(yield* process(memory, recoverAll([saga]))).toEqual(Exit.succeed([]))
    const events = yield* eventsOf(memory, "1")
    const state = Journal.fold(events)
    expect(state).not.toBeInstanceOf(Journal.InvalidTransition)
    const status = (state as Journal.ExecutionState | undefined)?.status
    if (status === undefined) expect(world.log.filter((line) => line.startsWith("+"))).toEqual([])
    else {
      expect(status).toBe(fails ? "Undone" : "Succeeded")
      expect([...world.standing()].sort()).toEqual(fails ? [] : [...shape.effects].sort())
    }
    // Each call of a step was made under its one key.
    const did = world.log.filter((line) => !line.startsWith("!")).map((line, index) => `${line} ${world.keys[index]}`)
    const lines = new Set(world.log.filter((line) => !line.startsWith("!")))
    expect(new Set(did).size).toBe(lines.size)
    return hit
  })

for (const [name, shape] of Object.entries(shapes)) {
  describe(`${name}: whichever operation of the store fails, everything stands or nothing`, () => {
    for (const fails of [false, true]) {
      for (const lasts of ["once", "from then on"] as const) {
        for (const moment of ["before", "after"] as const) {
          for (const resumes of [false, true]) {
            it.effect(
              `${fails ? "one step fails" : "all goes well"}, ${
                resumes ? "recovered, " : ""
              }the store fails ${lasts}, ` +
                `${moment} it has done what it was asked`,
              () =>
                Effect.gen(function*() {
                  let at = 0
                  while (yield* check(shape, fails, { at, lasts, moment }, resumes)) at++
                  // Load, lease, and a commit a side effect at least.
                  expect(at).toBeGreaterThanOrEqual(resumes ? 5 : shape.effects.length + 3)
                })
            )
          }
        }
      }
    }
  })
}
