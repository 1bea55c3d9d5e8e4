/** S20: waiting costs nothing and forgets nothing. */
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  type Clock,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schema,
  Stream,
  TestClock
} from "effect"
import { Checkpoint, Executions, Recovery, Saga, SagaError, SagaEvents, Signal, Timeline, Worker } from "effect-saga"
import { eventsOf, recoverAll } from "../support/store.ts"

const Approval = Signal.make("approval", { success: Schema.Struct({ clerk: Schema.String }) })
const approved = { clerk: "Ada" }

const text = Schema.String

/** An order that waits for a person between two steps with a side effect; `log` hears of these. */
const order = (log: Array<string>) =>
  Saga.make("Order")
    .compensatable("reserve", {
      success: text,
      action: () => Effect.sync(() => (log.push("reserve"), "lot 1")),
      compensate: () => Effect.sync(() => void log.push("free"))
    })
    .wait("approve", Approval)
    .final("charge", {
      success: text,
      inDoubt: "retry",
      action: ({ outputs }) => Effect.sync(() => (log.push("charge"), `charged, approved by ${outputs.approve.clerk}`))
    })
    .build(({ outputs }) => outputs.charge)

/** The same, but for not longer than two days. */
const hurried = (log: Array<string>, onTimeout: "fail" | { readonly value: typeof approved }) =>
  Saga.make("Hurried")
    .compensatable("reserve", {
      success: text,
      action: () => Effect.sync(() => (log.push("reserve"), "lot 1")),
      compensate: () => Effect.sync(() => void log.push("free"))
    })
    .wait("approve", Approval, { timeout: "2 days", onTimeout })
    .build(({ outputs }) => outputs.approve.clerk)

const id = { executionId: "1" }
const to = { ...id, by: "clerk 1" }

const events = Effect.flatMap(Checkpoint.Checkpoint, (store) => eventsOf(store, "1"))
const tags = Effect.map(events, (events) => events.map(({ _tag }) => _tag))

const statusOf = (saga: Saga.Any) => Effect.map(Saga.inspect(saga, "1"), ({ status }) => status)

const turn = Effect.zipRight(
  Effect.repeatN(Effect.yieldNow(), 10),
  Effect.async<void>((resume) => void setTimeout(() => resume(Effect.void), 0))
)

/** Lets everything run that needs no time: until nothing has been stored for some turns of the event loop. */
const settle = Effect.gen(function*() {
  const checkpoint = yield* Effect.serviceOption(Checkpoint.Checkpoint)
  const lengths = Option.isNone(checkpoint) ? Effect.succeed("") : Effect.map(
    Effect.forEach(["1", "2", "past"], (id) => checkpoint.value.load(id)),
    (journals) => journals.map(({ length }) => length).join(" ")
  )
  let before: string | undefined
  for (let quiet = 0; quiet < 20;) {
    yield* turn
    const now = yield* lengths
    quiet = now === before ? quiet + 1 : 0
    before = now
  }
})

const failureOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

const tagOfFailure = <A, E>(exit: Exit.Exit<A, E>) => (failureOf(exit) as { readonly _tag?: string } | undefined)?._tag

const inMemory = Effect.provide(Checkpoint.layerMemory)

describe("S20: an execution that waits for a signal", () => {
  it.effect("has no driver and no claim, and goes on when the signal comes", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      const store = yield* Checkpoint.Checkpoint
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      expect(yield* statusOf(saga)).toBe("Waiting")
      expect(store.findDriven("1")).toBe(undefined)
      expect(log).toEqual(["reserve"])
      yield* Signal.deliver(Approval, to, approved)
      expect(yield* Fiber.join(call)).toBe("charged, approved by Ada")
      expect(log).toEqual(["reserve", "charge"])
      expect(yield* tags).toEqual([
        "Started",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "Waiting",
        "Resumed",
        "SignalReceived",
        "StepSucceeded",
        "StepStarted",
        "StepSucceeded",
        "Finished"
      ])
    }).pipe(inMemory))

  it.effect("keeps a signal that comes before its step, and then does not wait", () =>
    Effect.gen(function*() {
      const saga = order([])
      yield* Saga.enqueue(saga, undefined, id)
      yield* Signal.deliver(Approval, to, approved)
      expect(yield* Saga.execute(saga, undefined, id)).toBe("charged, approved by Ada")
      expect(yield* tags).not.toContain("Waiting")
    }).pipe(inMemory))

  it.effect("keeps a signal that comes while a step before it runs", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Slow")
        .compensatable("pack", {
          success: text,
          action: () => Effect.delay(Effect.succeed("box"), "1 hour"),
          compensate: () => Effect.void
        })
        .wait("approve", Approval)
        .build(({ outputs }) => outputs.approve.clerk)
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      yield* Signal.deliver(Approval, to, approved)
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(call)).toBe("Ada")
      expect(yield* tags).not.toContain("Waiting")
    }).pipe(inMemory))

  it.effect("fails the step when the time is over, and everything is undone", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = hurried(log, "fail")
      const call = yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, id)))
      yield* settle
      yield* TestClock.adjust("47 hours")
      expect(yield* statusOf(saga)).toBe("Waiting")
      yield* TestClock.adjust("1 hour")
      const exit = yield* Fiber.join(call)
      const error = failureOf(exit)
      expect(error).toBeInstanceOf(SagaError.SignalTimeout)
      expect(error).toMatchObject({ signal: "approval", step: "approve", until: Duration.toMillis("2 days") })
      expect(log).toEqual(["reserve", "free"])
      // A later call gets the same error.
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, id)))).toEqual(error)
      const refused = yield* Effect.flip(Signal.deliver(Approval, to, approved))
      expect(refused).toMatchObject({ _tag: "SignalRefused", reason: "Finished" })
    }).pipe(inMemory))

  it.effect("ends the step with a value when the time is over, if the saga says so", () =>
    Effect.gen(function*() {
      const saga = hurried([], { value: { clerk: "nobody" } })
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      yield* TestClock.adjust("2 days")
      expect(yield* Fiber.join(call)).toBe("nobody")
    }).pipe(inMemory))

  it.effect("gives each of two steps its own signal, in order, or the step that is named", () =>
    Effect.gen(function*() {
      const twice = Saga.make("Twice")
        .wait("first", Approval)
        .wait("second", Approval)
        .build(({ outputs }) => `${outputs.first.clerk}, ${outputs.second.clerk}`)
      yield* Saga.enqueue(twice, undefined, id)
      yield* Signal.deliver(Approval, { ...to, step: "second" }, { clerk: "Grace" })
      const again = yield* Effect.flip(Signal.deliver(Approval, { ...to, step: "second" }, { clerk: "Joan" }))
      expect(again).toMatchObject({ _tag: "SignalRefused", reason: "Answered" })
      yield* Signal.deliver(Approval, to, { clerk: "Ada" })
      expect(yield* Saga.execute(twice, undefined, id)).toBe("Ada, Grace")
    }).pipe(inMemory))

  it.effect("waits within a nested saga, whose step the signal names by its path", () =>
    Effect.gen(function*() {
      const inner = Saga.make("Inner").wait("approve", Approval).build(({ outputs }) => outputs.approve.clerk)
      const outer = Saga.make("Outer").saga("inner", inner, { input: () => {} }).build(({ outputs }) => outputs.inner)
      const call = yield* Effect.fork(Saga.execute(outer, undefined, id))
      yield* settle
      const other = yield* Effect.flip(Signal.deliver(Approval, { ...to, step: "approve" }, approved))
      expect(other).toMatchObject({ reason: "NoStep" })
      yield* Signal.deliver(Approval, { ...to, step: "inner/approve" }, approved)
      expect(yield* Fiber.join(call)).toBe("Ada")
    }).pipe(inMemory))

  it.effect("can wait after a Final, and cannot be cancelled then", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Ship")
        .final("charge", { success: text, inDoubt: "retry", action: () => Effect.succeed("paid") })
        .sleep("pause", "1 hour")
        .wait("collect", Approval, { timeout: "1 day", onTimeout: { value: { clerk: "nobody" } } })
        .final("ship", { inDoubt: "retry", action: () => Effect.void })
        .build(({ outputs }) => outputs.collect.clerk)
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      expect(yield* statusOf(saga)).toBe("Waiting")
      expect(yield* Effect.flip(Saga.cancel("1", { by: "clerk 1" }))).toMatchObject({ reason: "Committed" })
      yield* TestClock.adjust("1 hour")
      yield* settle
      yield* TestClock.adjust("1 day")
      expect(yield* Fiber.join(call)).toBe("nobody")
    }).pipe(inMemory))

  it.effect("goes on through many waits, each of which counts as progress", () =>
    Effect.gen(function*() {
      let builder: any = Saga.make("Long")
      for (let index = 0; index < 25; index++) builder = builder.sleep(`day ${index}`, "1 day")
      const saga = builder.build(() => "through") as Saga.Saga<void, string, never, never>
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      for (let day = 0; day < 25; day++) {
        yield* settle
        yield* TestClock.adjust("1 day")
      }
      expect(yield* Fiber.join(call)).toBe("through")
    }).pipe(inMemory))
})

describe("S20: a signal", () => {
  it.effect("has its effect once, however often it is sent under one id", () =>
    Effect.gen(function*() {
      const twice = Saga.make("Twice")
        .wait("first", Approval)
        .wait("second", Approval)
        .build(({ outputs }) => `${outputs.first.clerk}, ${outputs.second.clerk}`)
      const call = yield* Effect.fork(Saga.execute(twice, undefined, id))
      yield* settle
      const deliver = Signal.deliver(Approval, { ...to, id: "mail 7" }, approved)
      yield* deliver
      yield* deliver
      yield* settle
      yield* deliver
      yield* settle
      expect(yield* statusOf(twice)).toBe("Waiting")
      yield* Signal.deliver(Approval, { ...to, id: "mail 8" }, { clerk: "Grace" })
      expect(yield* Fiber.join(call)).toBe("Ada, Grace")
      // Also after the end.
      yield* deliver
      expect((yield* events).filter(({ _tag }) => _tag === "SignalReceived")).toHaveLength(2)
    }).pipe(inMemory))

  it.effect("is another one under the same id if it is of another name, or names another step", () =>
    Effect.gen(function*() {
      const Answer = Signal.make("answer", { success: text })
      const saga = Saga.make("Two").wait("a", Approval).wait("b", Answer).wait("c", Answer).build(({ outputs }) =>
        `${outputs.a.clerk}, ${outputs.b}, ${outputs.c}`
      )
      yield* Saga.enqueue(saga, undefined, { executionId: "1" })
      const to = { executionId: "1", by: "clerk", id: "ticket 7" }
      yield* Signal.deliver(Approval, to, approved)
      yield* Signal.deliver(Answer, { ...to, step: "b" }, "yes")
      yield* Signal.deliver(Answer, { ...to, step: "c" }, "no")
      yield* Signal.deliver(Answer, { ...to, step: "c" }, "again")
      expect(yield* Saga.execute(saga, undefined, { executionId: "1" })).toBe("Ada, yes, no")
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("that came twice into the store under one id has its effect once", () =>
    Effect.gen(function*() {
      const twice = Saga.make("Twice").wait("first", Approval).wait("second", Approval).build()
      const store = yield* Checkpoint.Checkpoint
      yield* Saga.enqueue(twice, undefined, id)
      // Two senders that have looked at the same moment.
      const body = JSON.stringify({ _tag: "Signal", signal: "approval", value: approved, by: "clerk 1", id: "mail 7" })
      yield* store.send({ executionId: "1", body })
      yield* store.send({ executionId: "1", body })
      const call = yield* Effect.fork(Saga.execute(twice, undefined, id))
      yield* settle
      expect(yield* statusOf(twice)).toBe("Waiting")
      expect(yield* store.messages("1")).toEqual([])
      yield* Signal.deliver(Approval, to, { clerk: "Grace" })
      expect(yield* Fiber.join(call)).toEqual({ first: approved, second: { clerk: "Grace" } })
    }).pipe(inMemory))

  it.effect("is refused where nobody waits for it, or ever will, and nothing is stored", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const refusal = (effect: Effect.Effect<void, unknown, Checkpoint.Checkpoint>) =>
        Effect.map(Effect.flip(effect), (error) => error as { readonly _tag: string; readonly reason?: string })
      const deliver = Signal.deliver(Approval, to, approved)
      expect(yield* refusal(deliver)).toMatchObject({ _tag: "ExecutionNotFound" })
      const saga = order([])
      yield* Saga.start(saga, undefined, id)
      yield* settle
      const Other = Signal.make("other", { success: Schema.Void })
      expect(yield* refusal(Signal.deliver(Other, to, undefined))).toMatchObject({ reason: "NoStep" })
      expect(yield* refusal(Signal.deliver(Approval, { ...to, by: " " }, approved))).toMatchObject({
        reason: "Unnamed"
      })
      expect(yield* refusal(Signal.deliver(Approval, { ...to, id: "" }, approved))).toMatchObject({ reason: "Unnamed" })
      const wrong = Signal.deliver(Approval, to, { clerk: 7 as never })
      expect(yield* refusal(wrong)).toMatchObject({ _tag: "NotStorable", value: "the value of signal \"approval\"" })
      expect(yield* store.messages("1")).toEqual([])
      yield* Saga.cancel("1", { by: "clerk 2" })
      yield* Effect.exit(Saga.resume(saga, "1"))
      expect(yield* refusal(deliver)).toMatchObject({ _tag: "SignalRefused", reason: "Finished" })
      expect(yield* store.messages("1")).toEqual([])
    }).pipe(inMemory))

  it.effect("is refused while the execution is undone", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Back")
        .compensatable("reserve", {
          success: text,
          action: () => Effect.succeed("lot"),
          compensate: () => Effect.sleep("1 hour")
        })
        .wait("approve", Approval, { timeout: "1 day" })
        .build()
      const call = yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, id)))
      yield* settle
      yield* TestClock.adjust("1 day")
      yield* settle
      expect(yield* Effect.flip(Signal.deliver(Approval, to, approved))).toMatchObject({ reason: "Unwinding" })
      yield* TestClock.adjust("1 hour")
      expect(tagOfFailure(yield* Fiber.join(call))).toBe("SignalTimeout")
    }).pipe(inMemory))

  it.effect("that comes into the store while the execution is undone does not keep it from its end", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const saga = Saga.make("Back")
        .compensatable("reserve", {
          success: text,
          action: () => Effect.succeed("lot"),
          compensate: () =>
            Effect.asVoid(store.send({
              executionId: "1",
              body: JSON.stringify({ _tag: "Signal", signal: "approval", value: approved, by: "clerk 1" })
            }))
        })
        .readOnly("look", { error: "asRecoveredFailure", action: () => Effect.fail("no") })
        .build()
      expect(failureOf(yield* Effect.exit(Saga.execute(saga, undefined, id)))).toBe("no")
      expect(yield* tags).toContain("SignalReceived")
      expect(yield* store.messages("1")).toEqual([])
    }).pipe(inMemory))

  it.effect("whose value the driver's schema cannot read leaves the execution where it is", () =>
    Effect.gen(function*() {
      const saga = order([])
      yield* Saga.enqueue(saga, undefined, id)
      yield* Signal.deliver(Signal.make("approval", { success: Schema.Number }), to, 7)
      const error = yield* Effect.flip(Saga.execute(saga, undefined, id))
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect(String(error)).toContain("signal \"approval\"")
      expect(yield* statusOf(saga)).toBe("Running")
      expect(yield* tags).toContain("SignalReceived")
    }).pipe(inMemory))
})

describe("S21: messages of an execution", () => {
  it.effect("are taken in the order in which they came, also where one of them has to wait", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Ship")
        .final("charge", {
          success: text,
          inDoubt: "retry",
          action: () => Effect.delay(Effect.succeed("paid"), "1 hour")
        })
        .wait("collect", Approval)
        .build(({ outputs }) => outputs.collect.clerk)
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      // The Final that is being called decides about this one.
      yield* Saga.cancel("1", { by: "clerk 2" })
      yield* Signal.deliver(Approval, to, approved)
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(call)).toBe("Ada")
      expect((yield* tags).filter((tag) => tag === "CancellationRefused" || tag === "SignalReceived")).toEqual([
        "CancellationRefused",
        "SignalReceived"
      ])
    }).pipe(inMemory))
})

describe("S20: a sleep", () => {
  const nap = (howLong: Parameters<ReturnType<typeof Saga.make<"Nap", number, number>>["sleep"]>[1]) =>
    Saga.make("Nap", { input: Schema.Number }).sleep("night", howLong as never).build(() => "awake")

  it.effect("lasts as long as its function says of the input, which is asked once", () =>
    Effect.gen(function*() {
      let asked = 0
      const saga = nap(({ input }) => {
        asked++
        return Duration.days(input)
      })
      yield* Saga.start(saga, 3, id)
      yield* settle
      yield* TestClock.adjust("2 days")
      const call = yield* Effect.fork(Saga.execute(saga, 3, id))
      yield* settle
      expect(yield* statusOf(saga)).toBe("Waiting")
      yield* TestClock.adjust("1 day")
      expect(yield* Fiber.join(call)).toBe("awake")
      expect(asked).toBe(1)
    }).pipe(inMemory))

  it.effect("ends at a point in time, and does not begin where that has passed", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const until = (day: string) => nap(() => DateTime.unsafeMake(day))
      expect(yield* Saga.execute(until("2025-12-31"), 1, { executionId: "past" })).toBe("awake")
      const call = yield* Effect.fork(Saga.execute(until("2026-01-03T00:00:00Z"), 1, id))
      yield* settle
      yield* TestClock.adjust("47 hours")
      expect(call.unsafePoll()).toBe(null)
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(call)).toBe("awake")
    }).pipe(inMemory))

  it.effect("lasts longer than any timer goes, in process and durably", () =>
    Effect.gen(function*() {
      const saga = nap("100 days")
      const runs = [Saga.run(saga, 1), Saga.execute(saga, 1, id)]
      const clock = yield* Effect.clock
      // As that of the machine: a sleep that is longer than a timer goes never ends.
      const limited = Object.create(clock, {
        sleep: {
          value: (duration: Duration.Duration) =>
            Duration.toMillis(duration) < 2 ** 31 ? clock.sleep(duration) : Effect.never
        }
      }) as Clock.Clock
      const fibers = yield* Effect.forEach(runs, (run) => Effect.fork(Effect.withClock(run, limited)))
      yield* settle
      yield* TestClock.adjust("99 days")
      yield* settle
      expect(fibers.map((fiber) => fiber.unsafePoll())).toEqual([null, null])
      yield* TestClock.adjust("1 day")
      expect(yield* Effect.forEach(fibers, Fiber.join)).toEqual(["awake", "awake"])
    }).pipe(inMemory))

  it.effect("ends late, and not never, where its time passes while nothing runs", () =>
    Effect.gen(function*() {
      const saga = nap("1 hour")
      yield* Saga.start(saga, 1, id)
      yield* settle
      yield* TestClock.adjust("1000 days")
      expect(yield* Saga.execute(saga, 1, id)).toBe("awake")
    }).pipe(inMemory))

  it.effect("that gives no time is a defect, and everything is undone", () =>
    Effect.gen(function*() {
      const saga = nap(() => Infinity)
      const exit = yield* Effect.exit(Saga.execute(saga, 1, id))
      expect(String(Exit.isFailure(exit) && Cause.squash(exit.cause))).toContain("the end of step \"night\" is no time")
      expect(yield* statusOf(saga)).toBe("Undone")
    }).pipe(inMemory))

  it.effect("sleeps in process, and is undone when it is interrupted", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = Saga.make("Nap")
        .compensatable("bed", {
          action: () => Effect.succeed("bed 1"),
          compensate: () => Effect.sync(() => void log.push("made"))
        })
        .sleep("night", "8 hours")
        .build(() => "awake")
      const run = yield* Effect.fork(Saga.run(saga))
      yield* settle
      yield* TestClock.adjust("8 hours")
      expect(yield* Fiber.join(run)).toBe("awake")
      const report = yield* Effect.fork(Saga.report(saga))
      yield* settle
      yield* TestClock.adjust("8 hours")
      const { steps, summary } = yield* Fiber.join(report)
      expect(summary).toBe("Nap succeeded: 2 steps took effect")
      expect(steps[1]).toMatchObject({
        step: "night",
        classification: "ReadOnly",
        duration: Duration.toMillis("8 hours")
      })
      const interrupted = yield* Effect.fork(Saga.run(saga))
      yield* settle
      yield* TestClock.adjust("4 hours")
      yield* Fiber.interrupt(interrupted)
      expect(log).toEqual(["made"])
    }))

  it.effect("after the point of no return is not cut short in process", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const final = { action: () => Effect.sync(() => void log.push("done")) }
      const saga = Saga.make("Nap").final("one", final).sleep("night", "8 hours").final("two", final).build()
      const run = yield* Effect.fork(Saga.run(saga))
      yield* settle
      yield* Fiber.interruptFork(run)
      yield* settle
      expect(log).toEqual(["done"])
      yield* TestClock.adjust("8 hours")
      yield* Fiber.await(run)
      expect(log).toEqual(["done", "done"])
    }))
})

describe("S20: a deadline", () => {
  const saga = (log: Array<string>) =>
    Saga.make("Offer", { deadline: "3 days" })
      .compensatable("hold", {
        success: text,
        action: () => Effect.succeed("seat"),
        compensate: () => Effect.sync(() => void log.push("free"))
      })
      .wait("approve", Approval, { timeout: "10 days" })
      .build()

  it.effect("cancels an execution that waits when it passes", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const call = yield* Effect.fork(Effect.exit(Saga.execute(saga(log), undefined, id)))
      yield* settle
      yield* TestClock.adjust("71 hours")
      expect(log).toEqual([])
      yield* TestClock.adjust("1 hour")
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "Cancelled", by: "its deadline" })
      expect(log).toEqual(["free"])
    }).pipe(inMemory))

  it.effect("cancels an execution that is driven when it passes", () =>
    Effect.gen(function*() {
      const busy = Saga.make("Busy", { deadline: "1 hour" })
        .readOnly("look", { action: () => Effect.sleep("1 day") })
        .build()
      yield* Saga.start(busy, undefined, id)
      const call = yield* Effect.fork(Effect.exit(Saga.execute(busy, undefined, id)))
      yield* settle
      yield* TestClock.adjust("1 hour")
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "Cancelled", by: "its deadline" })
    }).pipe(inMemory))

  it.effect("that has passed while nothing ran cancels the execution when somebody drives it", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* Saga.enqueue(saga(log), undefined, id)
      yield* TestClock.adjust("4 days")
      yield* Signal.deliver(Approval, to, approved)
      expect(tagOfFailure(yield* Effect.exit(Saga.execute(saga(log), undefined, id)))).toBe("Cancelled")
    }).pipe(inMemory))

  it.effect("means nothing after the point of no return", () =>
    Effect.gen(function*() {
      const sold = Saga.make("Sold", { deadline: "1 hour" })
        .final("charge", { success: text, inDoubt: "retry", action: () => Effect.succeed("paid") })
        .sleep("pause", "2 hours")
        .final("ship", { inDoubt: "retry", action: () => Effect.sleep("1 hour") })
        .build(({ outputs }) => outputs.charge)
      const call = yield* Effect.fork(Saga.execute(sold, undefined, id))
      yield* settle
      yield* TestClock.adjust("2 hours")
      yield* settle
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(call)).toBe("paid")
      expect(yield* tags).not.toContain("CancellationRefused")
    }).pipe(inMemory))
})

describe("S20: calls for an execution that waits", () => {
  it.effect("poll gives none, await and resume wait, start and enqueue do nothing", () =>
    Effect.gen(function*() {
      const saga = order([])
      yield* Saga.start(saga, undefined, id)
      yield* settle
      expect(yield* Saga.poll(saga, "1")).toEqual(Option.none())
      yield* Saga.start(saga, undefined, id)
      yield* Saga.enqueue(saga, undefined, id)
      const awaits = yield* Effect.fork(Saga.await(saga, "1"))
      const resumes = yield* Effect.fork(Saga.resume(saga, "1"))
      yield* settle
      expect(yield* statusOf(saga)).toBe("Waiting")
      yield* Signal.deliver(Approval, to, approved)
      expect(yield* Fiber.join(resumes)).toBe("charged, approved by Ada")
      expect(yield* Fiber.join(awaits)).toBe("charged, approved by Ada")
    }).pipe(inMemory))

  it.effect("an interruption ends the call, and cancels the execution where it says so", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      for (const onInterrupt of [undefined, "suspend"] as const) {
        const call = yield* Effect.fork(
          Saga.execute(saga, undefined, onInterrupt === undefined ? id : { ...id, onInterrupt })
        )
        yield* settle
        yield* Fiber.interrupt(call)
        expect(yield* statusOf(saga)).toBe("Waiting")
      }
      const call = yield* Effect.fork(Saga.execute(saga, undefined, { ...id, onInterrupt: "cancel" }))
      yield* settle
      yield* Fiber.interrupt(call)
      expect(yield* statusOf(saga)).toBe("Undone")
      expect(log).toEqual(["reserve", "free"])
    }).pipe(inMemory))

  it.effect("a cancellation undoes it at once where a call waits", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      const call = yield* Effect.fork(Effect.exit(Saga.execute(saga, undefined, id)))
      yield* settle
      yield* Saga.cancel("1", { by: "clerk 2" })
      expect(failureOf(yield* Fiber.join(call))).toMatchObject({ _tag: "Cancelled", by: "clerk 2" })
      expect(log).toEqual(["reserve", "free"])
      expect((yield* Saga.inspect(saga, "1")).steps[1]).toMatchObject({ status: "Failed", reason: "interrupted" })
    }).pipe(inMemory))

  it.effect("Recovery leaves what is not due, and goes on with what is", () =>
    Effect.gen(function*() {
      const saga = hurried([], { value: approved })
      yield* Saga.start(saga, undefined, id)
      yield* settle
      expect(yield* recoverAll([saga])).toEqual([])
      yield* TestClock.adjust("2 days")
      expect(yield* recoverAll([saga])).toMatchObject([{ _tag: "Succeeded", output: "Ada" }])
      const twice = Saga.make("Twice").sleep("one", "1 day").sleep("two", "1 day").build()
      yield* Saga.start(twice, undefined, { executionId: "2" })
      yield* settle
      yield* TestClock.adjust("1 day")
      expect((yield* Recovery.run([twice])).waiting).toBe(1)
    }).pipe(inMemory))

  it.effect("S25: one that ends its process each time it goes on is parked, and waits no longer when it is resumed", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Fatal").sleep("night", "1 hour").build(() => "awake")
      const store = yield* Checkpoint.Checkpoint
      yield* Saga.start(saga, undefined, id)
      yield* settle
      yield* TestClock.adjust("1 hour")
      for (let process = 0; process < 10; process++) yield* store.claim({ executionId: "1", saga: "Fatal" })
      expect((yield* Recovery.run([saga])).parked).toBe(1)
      const report = yield* Saga.inspect(saga, "1")
      expect(report.summary).toBe("Fatal is parked (KeepsFailing)")
      expect(report.steps[0]).toMatchObject({ status: "Started" })
      expect(yield* Saga.resume(saga, "1")).toBe("awake")
    }).pipe(inMemory))

  it.effect("Executions finds it by its status", () =>
    Effect.gen(function*() {
      const saga = order([])
      yield* Saga.start(saga, undefined, id)
      yield* settle
      const { executions } = yield* Executions.list({ status: "Waiting" })
      expect(executions).toMatchObject([{ executionId: "1", status: "Waiting" }])
    }).pipe(inMemory))
})

describe("S20: a worker", () => {
  it.effect("goes on with what is due, and at once with what has a signal", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const saga = order(log)
      const nap = Saga.make("Nap").sleep("night", "1 day").build(() => "awake")
      yield* Effect.gen(function*() {
        yield* Saga.enqueue(saga, undefined, id)
        yield* Saga.enqueue(nap, undefined, { executionId: "2" })
        yield* settle
        expect(yield* statusOf(saga)).toBe("Waiting")
        yield* Signal.deliver(Approval, to, approved)
        yield* settle
        expect(yield* statusOf(saga)).toBe("Succeeded")
        yield* TestClock.adjust("1 day")
        yield* settle
        expect(yield* Saga.poll(nap, "2")).toEqual(Option.some(Exit.succeed("awake")))
      }).pipe(Effect.provide(Worker.layer([saga, nap], { interval: "1 hour" })))
    }).pipe(inMemory))
})

describe("S20: what is told", () => {
  it.effect("a report and a timeline say for what it waits, and until when", () =>
    Effect.gen(function*() {
      const saga = hurried([], "fail")
      yield* Saga.start(saga, undefined, id)
      yield* settle
      const report = yield* Saga.inspect(saga, "1")
      const time = "1970-01-03T00:00:00.000Z"
      expect(report.summary).toBe(`Hurried is waiting: step "approve" waits for signal "approval" until ${time}`)
      expect(report.steps[1]).toMatchObject({
        step: "approve",
        classification: "ReadOnly",
        status: "Waiting",
        reason: `for signal "approval" until ${time}`
      })
      expect(Timeline.pretty(report)).toContain(`… approve  ReadOnly, waiting`)
    }).pipe(inMemory))

  it.effect("listeners hear of the wait, and of the signal without its value", () =>
    Effect.gen(function*() {
      const saga = order([])
      const heard = yield* Effect.fork(
        Stream.runCollect(Stream.takeUntil(SagaEvents.stream, ({ _tag }) => _tag === "Finished"))
      )
      yield* settle
      const call = yield* Effect.fork(Saga.execute(saga, undefined, id))
      yield* settle
      yield* Signal.deliver(Approval, to, approved)
      yield* Fiber.join(call)
      const told = Chunk.toReadonlyArray(yield* Fiber.join(heard))
      expect(told.map(({ _tag }) => _tag)).toEqual([
        "Started",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "Waiting",
        // The driver takes its messages before it does anything.
        "SignalReceived",
        "Started",
        "StepSucceeded",
        "StepStarted",
        "StepSucceeded",
        "Finished"
      ])
      expect(JSON.stringify(told)).not.toContain("Ada")
    }).pipe(Effect.provide(Layer.merge(Checkpoint.layerMemory, SagaEvents.layer))))
})
