/** The test kit finds what is wrong with a saga, and finds nothing wrong with one that is right. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Stream, TestClock } from "effect"
import { Checkpoint, Recovery, Saga, SagaError, type Step } from "effect-saga"
import { CheckpointLaws, Faults, Ledger, SagaTest } from "effect-saga/testing"
import { compared, faultsThatCount } from "../src/testing/comparison.ts"
import type { Explored } from "../src/testing/scenario.ts"
import { type Request, violationsOf } from "../src/testing/violations.ts"

interface Keyed {
  readonly idempotencyKey: Step.IdempotencyKey
}

/** A service that books things, as the outside world does it: it honours keys. */
class Booking extends Context.Tag("Booking")<Booking, {
  readonly book: (what: string, key: string) => Effect.Effect<string>
  readonly bookWithoutKey: (what: string) => Effect.Effect<string>
  readonly cancel: (id: string) => Effect.Effect<void>
  readonly find: (key: string, what: string) => Effect.Effect<Option.Option<string>>
}>() {
  static readonly layer = Layer.effect(
    Booking,
    Effect.map(Ledger.Ledger, (ledger) => ({
      book: (what, key) => Effect.as(ledger.do(what, key), what),
      bookWithoutKey: (what) => Effect.as(ledger.do(what), what),
      cancel: (id) => Effect.asVoid(ledger.undo(id)),
      find: (key, what) => Effect.map(ledger.has(key), (there) => there ? Option.some(what) : Option.none())
    }))
  )
}

const book = (what: string) => ({
  success: Schema.String,
  action: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ book }) => book(what, idempotencyKey)),
  compensate: ({ output }: { readonly output: string }) => Effect.flatMap(Booking, ({ cancel }) => cancel(output)),
  compensationRetry: { times: 5, schedule: Schedule.spaced("1 second") }
})

const charge = {
  success: Schema.String,
  action: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ book }) => book("charge", idempotencyKey)),
  inDoubt: "verify" as const,
  verify: ({ idempotencyKey }: Keyed) => Effect.flatMap(Booking, ({ find }) => find(idempotencyKey, "charge"))
}

const email = {
  action: ({ idempotencyKey }: Keyed) =>
    Effect.flatMap(Booking, ({ book }) => Effect.asVoid(book("email", idempotencyKey))),
  inDoubt: "retry" as const,
  retry: { schedule: Schedule.spaced("1 minute") }
}

/** What may be wrong with a trip. */
interface Changes {
  readonly flight?: Partial<ReturnType<typeof book>>
  readonly hotel?: Partial<ReturnType<typeof book>>
  readonly policy?: Partial<ReturnType<typeof book>>
  readonly email?: Partial<typeof email>
}

const make = ({ email: otherEmail, flight, hotel, policy }: Changes = {}) =>
  Saga.make("Trip", { input: Schema.Struct({ city: Schema.String }) })
    .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
    .compensatable("flight", { ...book("flight"), ...flight })
    .parallel((branch) =>
      branch.compensatable("hotel", { ...book("hotel"), ...hotel }).compensatable("car", book("car"))
    )
    .saga("insurance", Saga.make("Insure").compensatable("policy", { ...book("policy"), ...policy }).build(), {
      input: () => undefined
    })
    .final("charge", { ...charge, timeout: "5 seconds" })
    .final("email", { ...email, ...otherEmail })
    .build()

const trip = make()

const options = { input: { city: "Rome" }, layer: Booking.layer }

describe("a saga that is right", () => {
  it.effect("has no violations, whatever goes wrong", () =>
    Effect.gen(function*() {
      const { scenarios, summary, violations } = yield* SagaTest.explore(trip, options)
      expect(summary.split("\n").slice(1)).toEqual([])
      expect(violations).toEqual([])
      expect(scenarios.length).toBeGreaterThan(100)
      expect(scenarios.find(({ name }) => name === "crash before commit 0 is stored")?.crashedAt).toEqual([
        `Started, StepStarted "quote", StepSucceeded "quote", StepStarted "flight"`
      ])
      // The process after the one that crashed can crash as well.
      const twice = "crash after commit 1 is stored; crash after commit 2 is stored"
      const { scenarios: [crashed] } = yield* SagaTest.explore(trip, { ...options, only: [twice] })
      expect(crashed).toMatchObject({ ended: "Succeeded", crashedAt: [expect.anything(), expect.anything()] })
      // Commit 3 holds the intent of the Final, and commit 4 its effect.
      const endOf = (wanted: string) => scenarios.find(({ name }) => name === wanted)?.ended
      expect([0, 1, 2, 3, 4].map((commit) => endOf(`cancel after commit ${commit} is stored`))).toEqual(
        ["Undone", "Undone", "Undone", "Undone", "Succeeded"]
      )
      expect([1, 2, 3, 4, 5].map((commit) => endOf(`cancel before commit ${commit} is stored`))).toEqual(
        ["Undone", "Undone", "Undone", "Succeeded", "Succeeded"]
      )
      for (const commit of [0, 1, 2, 3, 4]) {
        expect(endOf(`disconnect after commit ${commit} is stored`)).toBe("Succeeded")
        expect(endOf(`close after commit ${commit} is stored`)).toBe("Succeeded")
      }
      expect(endOf(`action of "charge" dies; close after commit 5 is stored`)).toBe("Undone")
      expect(new Set(scenarios.map(({ ended }) => ended))).toEqual(
        new Set(["Succeeded", "Undone", "Parked", "NotStarted"])
      )
    }), 120_000)
})

describe("a bug in a saga is found, and its first scenario is the shortest that shows it:", () => {
  const firstOf = (saga: typeof trip | (() => typeof trip)) =>
    Effect.map(SagaTest.explore(saga, { ...options, limits: { pairs: 0 } }), ({ violations: [first] }) => ({
      name: first?.name,
      violations: first?.violations.map(({ _tag, message }) => `${_tag}: ${message}`)
    }))

  it.effect("a compensation that forgets a branch of what its action did", () =>
    Effect.gen(function*() {
      const hotel = {
        action: ({ idempotencyKey }: Keyed) =>
          Effect.flatMap(Booking, ({ book }) =>
            Effect.as(
              Effect.all([book("single room", `${idempotencyKey}/1`), book("double room", `${idempotencyKey}/2`)]),
              "single room"
            ))
      }
      expect(yield* firstOf(make({ hotel }))).toEqual({
        name: `action of "car" fails`,
        violations: [
          `Orphaned: "double room", of step "hotel", stands, although everything is said to be undone`,
          `UndoneOutOfOrder: "flight" was undone while "double room", done later, still stood`
        ]
      })
    }))

  it.effect("an action that does not hand on its key, and has no verify", () =>
    Effect.gen(function*() {
      const flight = { action: () => Effect.flatMap(Booking, ({ bookWithoutKey }) => bookWithoutKey("flight")) }
      expect(yield* firstOf(make({ flight }))).toEqual({
        name: `action of "flight" is repeated`,
        violations: [`Doubled: "flight" was done twice, without a key`]
      })
    }))

  it.effect("a compensation that reads what a crash loses", () =>
    Effect.gen(function*() {
      const first = yield* firstOf(() => {
        const ids = new Map<string, string>()
        return make({
          flight: {
            action: (context: Keyed) =>
              Effect.tap(book("flight").action(context), (id) => Effect.sync(() => ids.set("flight", id))),
            compensate: () => Effect.flatMap(Booking, ({ cancel }) => cancel(ids.get("flight") ?? "nothing"))
          }
        })
      })
      expect(first).toEqual({
        name: `action of "charge" dies; crash after commit 1 is stored`,
        violations: [
          `Orphaned: "flight", of step "flight", stands, although everything is said to be undone`,
          `UndoneWithoutDo: "nothing" was undone, and had never been done`
        ]
      })
    }))

  it.effect("compensations whose order matters, declared the wrong way round", () =>
    Effect.gen(function*() {
      // The insurer asks for the flight's cancellation first, and the saga cancels the policy before it.
      const policy = {
        compensate: ({ output }: { readonly output: string }) =>
          Effect.flatMap(Booking, ({ cancel, find }) =>
            Effect.flatMap(find("explored/flight/action", "flight"), (flight) =>
              Option.isSome(flight) ? Effect.dieMessage("the flight is not cancelled yet") : cancel(output)))
      }
      const first = yield* firstOf(make({ policy }))
      expect(first.name).toBe(`action of "charge" fails`)
      expect(first.violations).toContain(
        `CannotUndo: the compensation of "insurance/policy" failed: the flight is not cancelled yet`
      )
    }))

  it.effect("a Final that stands before a step that can fail for good", () =>
    Effect.gen(function*() {
      const saga = make({
        email: { retry: { times: 2, schedule: Schedule.spaced("1 second") } } as unknown as typeof email
      })
      const first = yield* firstOf(saga)
      expect(first.name).toBe(`action of "email" fails`)
      expect(first.violations).toEqual([
        expect.stringMatching(/^CannotGoForward: "email" failed for good after a Final/)
      ])
    }))
})

describe("a bug that shows only when an execution and its callers go ways of their own:", () => {
  const room = book("room")
  const pay = { success: Schema.String, action: charge.action, inDoubt: "retry" as const }
  const firstOf = ({ violations: [first] }: SagaTest.Exploration) => ({
    name: first?.name,
    violations: first?.violations.map(({ _tag, message }) => `${_tag}: ${message}`)
  })
  const pairs = { limits: { pairs: 0 } }

  it.effect("a function given to build that tells the customer: the execution can still be cancelled", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const saga = Saga.make("Telling").compensatable("room", room).build(({ outputs }) => {
        told.push(outputs.room)
        return outputs.room
      })
      const exploration = yield* SagaTest.explore(saga, {
        ...pairs,
        input: undefined,
        layer: Layer.tap(Booking.layer, () => Effect.sync(() => told.length = 0)),
        invariant: (ended) =>
          ended === "Undone" && told.length > 0 ? Effect.fail("told of a room that is not booked") : Effect.void
      })
      expect(firstOf(exploration)).toEqual({
        name: "cancel before commit 1 is stored",
        violations: ["Invariant: Error: told of a room that is not booked"]
      })
    }))

  it.effect("an input that is enciphered anew for each call: a caller that asks again is refused", () =>
    Effect.gen(function*() {
      let salt = 0
      const Enciphered = Schema.transform(Schema.String, Schema.String, {
        strict: true,
        encode: (text) => `${++salt} ${text}`,
        decode: (text) => text.slice(text.indexOf(" ") + 1)
      })
      const saga = Saga.make("Enciphered", { input: Enciphered }).compensatable("room", room).final("charge", pay)
        .build()
      const exploration = yield* SagaTest.explore(saga, { ...pairs, input: "card 4711", layer: Booking.layer })
      expect(firstOf(exploration)).toEqual({
        name: "disconnect after commit 0 is stored",
        violations: [
          "Unanswered: a caller that asked again was told: execution explored of Enciphered was started with another input: " +
          "choose another executionId"
        ]
      })
    }))

  it.effect("an action that needs what an earlier one left in memory: the next process undoes what this one had begun", () =>
    Effect.gen(function*() {
      const make = () => {
        let session: string | undefined
        return Saga.make("Session")
          .readOnly("login", { action: () => Effect.sync(() => void (session = "open")) })
          .compensatable("flight", book("flight"))
          .compensatable("room", {
            ...room,
            action: (context) =>
              Effect.suspend(() => session === undefined ? Effect.dieMessage("not logged in") : room.action(context))
          })
          .final("charge", pay)
          .build()
      }
      const exploration = yield* SagaTest.explore(make, { ...pairs, input: undefined, layer: Booking.layer })
      expect(firstOf(exploration)).toEqual({
        name: "close after commit 0 is stored",
        violations: ["Changed: it ended Undone, and without this it ends Succeeded"]
      })
    }))

  it.effect("a service that gives back what is open when its process closes", () =>
    Effect.gen(function*() {
      class Holds extends Context.Tag("Holds")<Holds, Set<string>>() {
        static readonly layer = Layer.scoped(
          this,
          Effect.flatMap(Booking, ({ cancel }) =>
            Effect.acquireRelease(
              Effect.sync(() => new Set<string>()),
              (holds) => Effect.forEach(holds, (id) => cancel(id), { discard: true })
            ))
        )
      }
      const saga = Saga.make("Holding")
        .compensatable("room", {
          ...room,
          action: (context) => Effect.tap(room.action(context), (id) => Effect.map(Holds, (holds) => holds.add(id))),
          compensate: ({ output }) =>
            Effect.zipRight(Effect.map(Holds, (holds) => holds.delete(output)), room.compensate({ output }))
        })
        .final("charge", {
          ...pay,
          action: (context: Keyed) => Effect.tap(pay.action(context), () => Effect.map(Holds, (holds) => holds.clear()))
        })
        .build()
      const world = { ...pairs, input: undefined, layer: Booking.layer, process: Holds.layer }
      const exploration = yield* SagaTest.explore(saga, world)
      expect(firstOf(exploration)).toEqual({
        name: "close after commit 0 is stored",
        violations: [`Lost: "room", of step "room", was undone, although the saga succeeded`]
      })
      // A process that crashes gives nothing back.
      expect(exploration.violations.filter(({ name }) => name.startsWith("crash"))).toEqual([])
    }))
})

describe("an execution that the library itself would lead astray:", () => {
  // No saga brings these about: so the judges are given what they would see.
  const judged = (ended: SagaTest.Ended, finals: Request["finals"], faults: ReadonlyArray<Faults.Fault> = []) =>
    violationsOf(ended, undefined, [], faults, { isStored: true, finals }).map(({ _tag }) => _tag)

  it("one that is cancelled in time must not go forward, unless a crash leaves open whether a Final was called", () => {
    expect(judged("Succeeded", "NotCalled")).toEqual(["NotCancelled"])
    expect(judged("Succeeded", "Called")).toEqual(["NotCancelled"])
    expect(judged("Succeeded", "Called", [{ _tag: "Crash", commit: 1, moment: "after" }])).toEqual([])
    expect(judged("Undone", "NotCalled")).toEqual([])
    expect(judged("Parked", "NotCalled")).toEqual([])
  })

  it("one that is cancelled after its point of no return must not be undone", () => {
    expect(judged("Undone", "TookEffect")).toEqual(["UndoneAfterCommit"])
    expect(judged("Succeeded", "TookEffect")).toEqual([])
  })

  it("a caller that hangs up, a process that closes, and a cancellation that is too late must not change how it ends", () => {
    const explored = (faults: ReadonlyArray<Faults.Fault>, request?: Request): Explored => ({
      scenario: { faults, name: "", crashedAt: [], ended: "Undone", effectsFrom: "Ledger", violations: [] },
      request,
      parked: undefined
    })
    const fails = { _tag: "Action", step: "flight", how: "fails", calls: 1 } as const
    const close = { _tag: "Close", commit: 1 } as const
    const cancel = { _tag: "Cancel", commit: 1, moment: "after" } as const
    const tooLate: Request = { isStored: false, finals: "TookEffect" }
    expect(faultsThatCount(explored([fails, close]))).toEqual([fails])
    expect(faultsThatCount(explored([cancel, { _tag: "Disconnect", commit: 1 }], tooLate))).toEqual([])
    expect(faultsThatCount(explored([cancel], { isStored: true, finals: "NotCalled" }))).toBeUndefined()
    expect(faultsThatCount(explored([fails]))).toBeUndefined()
    // What comes at a commit may come at another one, or to another process.
    expect(faultsThatCount(explored([{ _tag: "Crash", commit: 0, moment: "before" }, close]))).toBeUndefined()
    expect(compared(explored([close]), "Undone").violations).toEqual([])
    expect(compared(explored([close]), "Succeeded").violations).toEqual([
      { _tag: "Changed", message: "it ended Undone, and without this it ends Succeeded" }
    ])
  })
})

describe("a saga that is only run in process", () => {
  const reserve = (what: string) => ({
    action: ({ idempotencyKey }: Keyed) =>
      Effect.flatMap(Booking, ({ book }) => Effect.asVoid(book(what, idempotencyKey))),
    compensate: () => Effect.flatMap(Booking, ({ cancel }) => cancel(what))
  })

  it.effect("is explored without a store, and found right", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Local")
        .compensatable("room", { ...reserve("room"), timeout: "1 second", inDoubt: "retry", retry: { times: 2 } })
        .compensatable("table", reserve("table"))
        .final("pay", reserve("payment"))
        .build()
      const { scenarios, summary } = yield* SagaTest.exploreInProcess(saga, { input: undefined, layer: Booking.layer })
      expect(summary).toMatch(/^\d+ scenarios \(.*\), 0 with violations$/)
      expect(scenarios.some(({ name }) => name.includes("crash"))).toBe(false)
      expect(scenarios.find(({ name }) => name === `action of "pay" is interrupted once`)?.ended).toBe("Succeeded")
    }))

  it.effect("and where it is wrong, that is found", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Local")
        .compensatable("room", { ...reserve("room"), compensate: () => Effect.void })
        .readOnly("check", { action: () => Effect.void })
        .build()
      const { violations: [first] } = yield* SagaTest.exploreInProcess(saga, { input: undefined, layer: Booking.layer })
      expect(first).toMatchObject({ name: `action of "check" fails`, violations: [{ _tag: "Orphaned" }] })
    }))
})

describe("an exploration", () => {
  it.effect("is the same each time, and runs the scenarios alone that it is asked for", () =>
    Effect.gen(function*() {
      const first = yield* SagaTest.explore(trip, { ...options, limits: { pairs: 20 } })
      const second = yield* SagaTest.explore(trip, { ...options, limits: { pairs: 20 } })
      expect(second).toEqual(first)
      const name = first.scenarios.at(-1)!.name
      const { scenarios } = yield* SagaTest.explore(trip, { ...options, limits: { pairs: 20 }, only: [name] })
      expect(scenarios).toEqual([first.scenarios.at(-1)])
    }), 120_000)

  it.effect("holds an invariant after each scenario", () =>
    Effect.gen(function*() {
      const { violations } = yield* SagaTest.explore(trip, {
        ...options,
        limits: { pairs: 0 },
        invariant: (ended) =>
          Effect.gen(function*() {
            const { entries } = yield* Ledger.Ledger
            const emails = (yield* entries).filter(({ standing, what }) => standing && what === "email").length
            if (ended === "Succeeded" && emails !== 1) return yield* Effect.fail(`${emails} emails were sent`)
            if (ended === "Undone" && emails === 0) return yield* Effect.fail("nobody was told")
          })
      })
      expect(new Set(violations.flatMap(({ violations }) => violations.map(({ message }) => message)))).toEqual(
        new Set(["Error: nobody was told"])
      )
    }), 120_000)
})

describe("a ledger, by hand", () => {
  const ledger = Ledger.make()
  const tags = (service: Ledger.Service) => Effect.map(service.violations, (all) => all.map(({ _tag }) => _tag))

  it.effect("does a thing once under its key, and undoes it once", () =>
    Effect.gen(function*() {
      const world = yield* ledger
      expect(yield* world.do("room", "1")).toBe(true)
      expect(yield* world.do("room", "1")).toBe(false)
      expect(yield* world.has("1")).toBe(true)
      expect(yield* world.undo("room")).toBe(true)
      expect(yield* world.undo("room")).toBe(false)
      expect(yield* world.has("1")).toBe(false)
      expect(yield* tags(world)).toEqual([])
    }))

  it.effect("knows what is done twice, done again, undone without a do, and undone out of order", () =>
    Effect.gen(function*() {
      const twice = yield* ledger
      yield* twice.do("room", "1")
      yield* twice.do("room", "2")
      expect(yield* tags(twice)).toEqual(["Doubled"])
      const again = yield* ledger
      yield* again.do("room", "1")
      yield* again.undo("room")
      yield* again.do("room", "1")
      expect(yield* tags(again)).toEqual(["Redone"])
      const without = yield* ledger
      yield* without.undo("room")
      expect(yield* tags(without)).toEqual(["UndoneWithoutDo"])
      const order = yield* ledger
      yield* order.do("room", "1")
      yield* order.do("table", "2")
      yield* order.undo("room")
      expect(yield* order.violations).toMatchObject([
        { _tag: "UndoneOutOfOrder", message: `"room" was undone while "table", done later, still stood` }
      ])
    }))
})

describe("faults, by hand", () => {
  const once = Effect.provide(Ledger.layer)
  const run = (saga: Saga.Saga<{ readonly city: string }, unknown, unknown, Booking, any>) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Saga.run(saga, { city: "Rome" }))
      yield* TestClock.adjust("1 hour")
      const exit = yield* Fiber.await(fiber)
      const { entries } = yield* Ledger.Ledger
      const standing = (yield* entries).filter(({ standing }) => standing).map(({ what }) => what)
      return { exit, standing }
    }).pipe(Effect.provide(Booking.layer), once)

  it.effect("a step that fails, dies, or is interrupted", () =>
    Effect.gen(function*() {
      const failed = yield* run(Faults.failAt(trip, "charge"))
      expect(failed.exit).toEqual(Exit.fail(new Faults.InjectedFault({ step: "charge" })))
      expect(failed.standing).toEqual([])
      const died = yield* run(Faults.dieAt(trip, "insurance/policy"))
      expect(died.exit).toEqual(Exit.die(new Faults.InjectedFault({ step: "insurance/policy" })))
      expect(died.standing).toEqual([])
      const interrupted = yield* run(Faults.interruptAt(trip, "flight"))
      expect(Exit.isInterrupted(interrupted.exit)).toBe(true)
      expect(interrupted.standing).toEqual([])
    }))

  it.effect("a step that is repeated, and one that cannot be undone", () =>
    Effect.gen(function*() {
      const repeated = yield* run(Faults.repeat(trip, "flight"))
      expect(repeated.exit._tag).toBe("Success")
      const stuck = yield* run(Faults.failUndoAt(Faults.failAt(trip, "charge"), "flight"))
      expect(stuck.exit).toMatchObject({
        cause: { error: { _tag: "PartlyUndone", failed: [{ step: "flight" }] } }
      })
      expect(stuck.standing).toEqual(["flight"])
    }))

  it.effect("a process that crashes at a commit", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const service = (store: Checkpoint.Store) => Layer.scoped(Checkpoint.Checkpoint, Checkpoint.make(store))
      const crashed = yield* Effect.exit(
        Effect.provide(
          Saga.execute(trip, { city: "Rome" }, { executionId: "1" }),
          service(Faults.crashAt(store, 1, "after"))
        )
      )
      expect(crashed).toMatchObject({ _tag: "Failure", cause: { error: { _tag: "CheckpointError" } } })
      expect((yield* store.load("1")).length).toBe(2)
      expect(yield* Effect.provide(Recovery.run([trip]), service(store))).toMatchObject({ succeeded: 1 })
    }).pipe(Effect.provide(Booking.layer), once))
})

describe("a process that has crashed", () => {
  it.effect("calls its store no more, but its lease runs out", () =>
    Effect.gen(function*() {
      const memory = yield* Checkpoint.makeMemory
      const store = Faults.crashAt(memory, 0, "after")
      const token = yield* store.acquire({ milliseconds: 60_000 })
      const commit = {
        executionId: "1",
        saga: "Trip",
        version: 1,
        sequence: 0,
        status: "Running" as const,
        body: "{}",
        taken: 0,
        wakeIn: undefined,
        isPlan: false,
        attributes: undefined,
        token,
        fence: 0
      }
      yield* Effect.exit(store.append([commit]))
      expect((yield* memory.load("1")).length).toBe(1)
      const listing = {
        saga: undefined,
        statuses: undefined,
        attributes: undefined,
        since: undefined,
        until: undefined,
        before: undefined,
        limit: 1
      }
      const wanted = { sagas: [{ name: "Trip", version: 1 }], plans: false, except: [], limit: 1 }
      // What it hears of others is of no use to it without the rest; and this store has no transactions.
      const calls: Record<
        Exclude<keyof Checkpoint.Store, "release" | "arrivals" | "transactions">,
        Effect.Effect<unknown, unknown>
      > = {
        append: store.append([{ ...commit, sequence: 1 }]),
        enqueue: store.enqueue({ ...commit, executionId: "2" }),
        claimNext: store.claimNext(wanted, token),
        list: store.list(listing),
        count: store.count(undefined),
        load: store.load("1"),
        unfinished: Stream.runCollect(store.unfinished({ parked: false })),
        acquire: store.acquire({ milliseconds: 1 }),
        renew: store.renew(token),
        claim: store.claim("1", token),
        send: store.send({ executionId: "1", body: "late" }),
        messages: store.messages("1"),
        withMessages: store.withMessages(token),
        prune: store.prune({ milliseconds: -1000 })
      }
      for (const [call, effect] of Object.entries(calls)) {
        expect([call, (yield* Effect.exit(effect))._tag]).toEqual([call, "Failure"])
      }
      expect(yield* memory.messages("1")).toEqual([])
      yield* store.release(token)
      expect(yield* memory.renew(token)).toBe(false)
    }))
})

describe("the laws of a store", () => {
  it.effect("hold for ours", () =>
    Effect.gen(function*() {
      expect(yield* CheckpointLaws.check(Checkpoint.makeMemory)).toEqual([])
    }))

  const broken: Record<string, (store: Checkpoint.Store) => Partial<Checkpoint.Store>> = {
    "forgets to look at the lease": (store) => {
      let last = 0
      return {
        acquire: () => Effect.sync(() => Checkpoint.Token(++last)),
        renew: () => Effect.succeed(true),
        append: (commits) => Effect.map(store.append(commits), (stored) => stored.map(() => true))
      }
    },
    "lets everybody claim": () => ({ claim: () => Effect.succeed(1) }),
    "says that all was stored": (store) => ({
      append: (commits) => Effect.map(store.append(commits), (stored) => stored.map(() => true))
    }),
    "stores the first of a group only": (store) => ({
      append: (commits) =>
        Effect.map(store.append(commits.slice(0, 1)), (stored) => commits.map((_, index) => stored[index] ?? true))
    }),
    "lists what is parked with the rest": (store) => ({
      unfinished: () => Stream.concat(store.unfinished({ parked: false }), store.unfinished({ parked: true }))
    }),
    "lets go of what is another's": (store) => ({
      release: (token, claims) =>
        claims === undefined
          ? store.release(token)
          : Effect.forEach([1, 2, 3], (any) => store.release(Checkpoint.Token(any), claims))
    }),
    "does not count the claims": (store) => ({
      claim: (executionId, token) =>
        Effect.map(store.claim(executionId, token), (fence) => fence === undefined ? undefined : 1)
    }),
    "forgets messages": () => ({ messages: () => Effect.succeed([]) }),
    "keeps messages for ever": (store) => ({
      append: (commits) => store.append(commits.map((commit) => ({ ...commit, taken: 0 })))
    }),
    "takes messages for what is finished": (store) => ({
      send: (message) => Effect.map(store.send(message), (number) => number ?? 1)
    }),
    "finishes what has messages": (store) => ({
      append: (commits) => store.append(commits.map((commit) => ({ ...commit, taken: Number.MAX_SAFE_INTEGER })))
    }),
    "lists none that have messages": () => ({ withMessages: () => Effect.succeed([]) }),
    "lists parked ones without messages": (store) => ({ unfinished: ({ parked }) => store.unfinished({ parked }) }),
    "enqueues again what is there": (store) => ({ enqueue: (start) => Effect.as(store.enqueue(start), undefined) }),
    "enqueues as if somebody drove it": (store) => ({
      enqueue: (start) =>
        Effect.tap(
          store.enqueue(start),
          () =>
            Effect.flatMap(store.acquire({ milliseconds: 3_600_000 }), (token) => store.claim(start.executionId, token))
        )
    }),
    "gives a worker more than it wants": (store) => ({
      claimNext: (wanted, token) => store.claimNext({ ...wanted, limit: 1000 }, token)
    }),
    "gives a worker what it leaves to others": (store) => ({
      claimNext: (wanted, token) => store.claimNext({ ...wanted, except: [] }, token)
    }),
    "gives a worker plans that it does not want": (store) => ({
      claimNext: (wanted, token) => store.claimNext({ ...wanted, plans: true }, token)
    }),
    "gives a worker the start of an execution that has gone on": (store) => ({
      claimNext: (wanted, token) =>
        Effect.flatMap(
          store.claimNext(wanted, token),
          (claimed) =>
            Effect.forEach(claimed, (execution) =>
              Effect.map(store.load(execution.executionId), ([first]) => ({ ...execution, start: first!.body })))
        )
    }),
    "tells a worker of no messages": (store) => ({
      claimNext: (wanted, token) =>
        Effect.map(
          store.claimNext(wanted, token),
          (claimed) => claimed.map((execution) => ({ ...execution, hasMessages: false }))
        )
    }),
    "gives a worker nothing": () => ({ claimNext: () => Effect.succeed([]) }),
    "forgets what waits": (store) => ({
      append: (commits) => store.append(commits.map((commit) => ({ ...commit, wakeIn: undefined })))
    }),
    "wakes what waits at once": (store) => ({
      append: (commits) =>
        store.append(commits.map((commit) => commit.status === "Waiting" ? { ...commit, wakeIn: -1 } : commit))
    }),
    "drives on what waits": (store) => ({
      append: (commits) =>
        store.append(commits.map((commit) => ({
          ...commit,
          status: commit.status === "Waiting" ? "Running" : commit.status
        })))
    }),
    "parks what waits": (store) => ({
      append: (commits) =>
        store.append(commits.map((commit) => ({
          ...commit,
          status: commit.status === "Waiting" ? "Parked" : commit.status
        })))
    }),
    "lets an execution wait that has messages": (store) => ({
      append: (commits) =>
        store.append(
          commits.map((commit) => commit.status === "Waiting" ? { ...commit, taken: Number.MAX_SAFE_INTEGER } : commit)
        )
    }),
    "does not wake what has a message": (store) => {
      const sent: Array<string> = []
      return {
        send: (message) => {
          sent.push(message.executionId)
          return store.send(message)
        },
        unfinished: (which) =>
          Stream.filter(
            store.unfinished(which),
            ({ executionId, status }) => status !== "Waiting" || !sent.includes(executionId)
          )
      }
    },
    "gives nobody what waits before it is due": (store) => {
      const waiting = new Set<string>()
      return {
        append: (commits) => {
          for (const { executionId, status } of commits) {
            if (status === "Waiting") waiting.add(executionId)
          }
          return store.append(commits)
        },
        claim: (executionId, token) =>
          waiting.has(executionId) ? Effect.succeed(undefined) : store.claim(executionId, token)
      }
    },
    "lists none of what is stored": () => ({ list: () => Effect.succeed([]) }),
    "lists the oldest first": (store) => ({
      list: (listing) => Effect.map(store.list(listing), (executions) => [...executions].reverse())
    }),
    "lists those of every saga": (store) => ({ list: (listing) => store.list({ ...listing, saga: undefined }) }),
    "lists those of every status": (store) => ({ list: (listing) => store.list({ ...listing, statuses: undefined }) }),
    "lists those of the first status only": (store) => ({
      list: (listing) => store.list({ ...listing, statuses: listing.statuses?.slice(0, 1) })
    }),
    "lists the same page again": (store) => ({ list: (listing) => store.list({ ...listing, before: undefined }) }),
    "lists more than it was asked for": (store) => ({ list: (listing) => store.list({ ...listing, limit: 1000 }) }),
    "forgets attributes": (store) => ({
      append: (commits) => store.append(commits.map((commit) => ({ ...commit, attributes: undefined })))
    }),
    "looks at one attribute only": (store) => ({
      list: (listing) =>
        store.list({
          ...listing,
          attributes: listing.attributes && Object.fromEntries(Object.entries(listing.attributes).slice(0, 1))
        })
    }),
    "takes a number and its text for the same": (store) => ({
      list: ({ attributes, ...listing }) =>
        Effect.map(
          store.list({ ...listing, attributes: undefined }),
          (executions) =>
            executions.filter((execution) =>
              Object.entries(attributes ?? {}).every(([name, value]) => `${execution.attributes[name]}` === `${value}`)
            )
        )
    }),
    "lists whatever started before": (store) => ({ list: (listing) => store.list({ ...listing, since: undefined }) }),
    "lists whatever started since": (store) => ({ list: (listing) => store.list({ ...listing, until: undefined }) }),
    "counts nothing": () => ({ count: () => Effect.succeed([]) }),
    "counts every saga": (store) => ({ count: () => store.count(undefined) }),
    "counts what is deleted": (store) => {
      const deleted: Array<Checkpoint.ExecutionCount> = []
      return {
        prune: (age) =>
          Effect.zipRight(
            Effect.map(store.count(undefined), (counts) => deleted.push(...counts)),
            store.prune(age)
          ),
        count: (saga) => deleted.length === 0 ? store.count(saga) : Effect.succeed(deleted)
      }
    },
    "prunes nothing": () => ({ prune: () => Effect.succeed(0) }),
    "prunes everything": (store) => ({ prune: () => store.prune({ milliseconds: -1000 }) })
  }
  for (const [bug, spoil] of Object.entries(broken)) {
    it.effect(`are broken by one that ${bug}`, () =>
      Effect.gen(function*() {
        const laws = yield* CheckpointLaws.check(
          Effect.map(Checkpoint.makeMemory, (store): Checkpoint.Store => ({ ...store, ...spoil(store) }))
        )
        expect(laws.length).toBeGreaterThan(0)
        expect(laws[0]!.message).toMatch(/^a store .*: expected .*, but got /)
      }))
  }
})

describe("the kit does not look away", () => {
  it.effect("where a scenario is asked for that there is none of", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(SagaTest.explore(trip, { ...options, only: [`action of "hotle" fails`] }))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
        `this saga has no scenario of the name 'action of "hotle" fails'`
      )
    }))

  it("where a fault has a step that there is none of, or a compensation", () => {
    expect(() => Faults.failAt(trip, "hotle")).toThrow(SagaError.InvalidSaga)
    expect(() => Faults.failAt(trip, "policy")).toThrow(
      `it has no step "policy" for a fault, but "quote", "flight", "hotel", "car", "insurance/policy", "charge", "email"`
    )
    expect(() => Faults.failUndoAt(trip, "charge")).toThrow(`step "charge" has no compensation for a fault`)
    expect(() => Faults.inject(trip, [{ _tag: "Action", step: "flight", how: "hangs", calls: 1 }])).toThrow(
      `the action of "flight" would hang for ever: it has no timeout`
    )
  })

  it.effect("where nobody writes to the ledger: it says so, and goes by what the steps come to", () =>
    Effect.gen(function*() {
      const silent = Saga.make("Silent")
        .compensatable("room", { action: () => Effect.void, compensate: () => Effect.fail("no" as const) })
        .compensatable("table", { action: () => Effect.void, compensate: () => Effect.void })
        .final("pay", { action: () => Effect.void, inDoubt: "retry" })
        .build()
      const { summary, violations: [first] } = yield* SagaTest.explore(silent, { input: undefined, layer: Layer.empty })
      expect(first).toMatchObject({
        name: `action of "table" fails`,
        effectsFrom: "Steps",
        violations: [{ _tag: "CannotUndo", message: `the compensation of "room" failed: no` }]
      })
      expect(summary).toMatch(/no service wrote to the Ledger: effects are known only from what the steps came to$/)
    }))

  it.effect("and says the same mistake once", () =>
    Effect.gen(function*() {
      const keyless = Saga.make("Keyless")
        .compensatable("flight", {
          ...book("flight"),
          action: () => Effect.flatMap(Booking, ({ bookWithoutKey }) => bookWithoutKey("flight"))
        })
        .build()
      const { summary, violations } = yield* SagaTest.explore(keyless, { input: undefined, layer: Booking.layer })
      expect(violations.length).toBeGreaterThan(2)
      // Once by itself, and once with the orphan that it may leave.
      expect(summary.split("\n").filter((line) => line.includes("was done twice")).length).toBe(2)
      expect(summary).toMatch(/\n {2}and \d+ more, which show nothing else$/)
    }))
})

describe("a ledger", () => {
  it.effect("undoes what was done under a key, and says what it was asked to do", () =>
    Effect.gen(function*() {
      const ledger = yield* Ledger.Ledger
      yield* ledger.do("room", "1")
      yield* ledger.do("room", "2")
      expect(yield* ledger.undo("room", "1")).toBe(true)
      expect(yield* ledger.undo("room", "1")).toBe(false)
      expect(yield* ledger.undo("room", "3")).toBe(false)
      expect(yield* ledger.standing).toEqual(["room"])
      expect(yield* ledger.has("2")).toBe(true)
      expect((yield* ledger.calls).map(({ _tag, changed, key }) => [_tag, key, changed])).toEqual([
        ["Do", "1", true],
        ["Do", "2", true],
        ["Undo", "1", true],
        ["Undo", "1", false],
        ["Undo", "3", false]
      ])
      expect((yield* ledger.violations).map(({ message }) => message)).toEqual([
        `"room" was done twice, under two keys`,
        `"room" was undone, and had never been done under the key "3"`
      ])
    }).pipe(Effect.provide(Ledger.layer)))
})
