import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Stream, TestClock } from "effect"
import { Checkpoint, Saga, SagaError, SagaEvents, SagaMetrics, type SagaReport } from "effect-saga"
import { Ledger, SagaArbitrary } from "effect-saga/testing"
import { heard, inWords, makeTracer } from "./support/observed.ts"
import { failingStore, recoverAll } from "./support/store.ts"

const compensatable = (action: Effect.Effect<string, string> = Effect.succeed("ok")) => ({
  success: Schema.String,
  action: () => action,
  compensate: () => Effect.void
})

const stuck = { ...compensatable(), compensate: () => Effect.fail("no") }

const wordsOf = <A, E, R>(run: Effect.Effect<A, E, R>) => Effect.map(heard(run), ({ events }) => inWords(events))

describe("a run is told step by step, in order", () => {
  const trip = (charge: Effect.Effect<void, string>) =>
    Saga.make("Trip")
      .readOnly("quote", { success: Schema.Number, action: () => Effect.succeed(1) })
      .compensatable("flight", { ...compensatable(), error: "asRecoveredFailure" })
      .compensatable("seats", { ...compensatable(), when: () => false, error: "asRecoveredFailure" })
      .final("charge", { action: () => charge, inDoubt: "retry", error: "asRecoveredFailure" })
      .build()

  const forward = [
    "Started",
    "StepStarted quote",
    "StepSucceeded quote",
    "StepStarted flight",
    "StepSucceeded flight",
    "StepSkipped seats",
    "StepStarted charge"
  ]
  const ways = {
    "in process": (saga: ReturnType<typeof trip>) => Effect.exit(Saga.run(saga, undefined)),
    "as a report": (saga: ReturnType<typeof trip>) => Effect.exit(Saga.report(saga, undefined)),
    durably: (saga: ReturnType<typeof trip>) => Effect.exit(Saga.execute(saga, undefined, { executionId: "1" }))
  }
  for (const [way, run] of Object.entries(ways)) {
    it.effect(`${way}: to the end`, () =>
      Effect.gen(function*() {
        expect(yield* wordsOf<unknown, never, Checkpoint.Checkpoint>(run(trip(Effect.void)))).toEqual([
          ...forward,
          "StepSucceeded charge",
          "Finished Succeeded"
        ])
      }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))

    it.effect(`${way}: undone`, () =>
      Effect.gen(function*() {
        expect(yield* wordsOf<unknown, never, Checkpoint.Checkpoint>(run(trip(Effect.fail("declined"))))).toEqual([
          ...forward,
          "StepFailed charge",
          "UnwindingStarted",
          "CompensationStarted flight",
          "CompensationSucceeded flight",
          "Finished Undone"
        ])
      }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))
  }

  it.effect("in a scope: to its end", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Scoped").compensatable("a", { ...compensatable(), error: "asRecoveredFailure" }).build()
      const forward = ["Started", "StepStarted a", "StepSucceeded a"]
      expect(yield* wordsOf(Effect.scoped(Saga.scoped(saga, undefined)))).toEqual([...forward, "Finished Succeeded"])
      expect(yield* wordsOf(Effect.scoped(Effect.andThen(Saga.scoped(saga, undefined), Effect.fail("outside")))))
        .toEqual([
          ...forward,
          "UnwindingStarted",
          "CompensationStarted a",
          "CompensationSucceeded a",
          "Finished Undone"
        ])
      const fails = Saga.make("Fails").compensatable("a", {
        ...compensatable(Effect.fail("no")),
        error: "asRecoveredFailure"
      }).build()
      expect(yield* wordsOf(Effect.scoped(Saga.scoped(fails, undefined)))).toEqual([
        "Started",
        "StepStarted a",
        "StepFailed a",
        "UnwindingStarted",
        "Finished Undone"
      ])
    }).pipe(Effect.provide(SagaEvents.layer)))

  it.effect("with whose, when, how often tried, and why it failed", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Slow", { version: 3 })
        .compensatable("a", {
          success: Schema.String,
          action: ({ attempt }) => Effect.delay(attempt === 1 ? Effect.fail("once") : Effect.succeed("ok"), "1 second"),
          retry: { times: 1 },
          compensate: () => Effect.fail(new Error("stuck")),
          error: "asRecoveredFailure"
        })
        .final("b", {
          action: () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" })),
          inDoubt: "park"
        })
        .build()
      const fiber = yield* Effect.fork(heard(Saga.execute(saga, undefined, { executionId: "x" })))
      yield* TestClock.adjust("1 minute")
      const whose = { saga: "Slow", version: 3, executionId: "x" }
      expect((yield* Fiber.join(fiber)).events).toEqual([
        { _tag: "Started", ...whose, at: 0, resumed: false },
        { _tag: "StepStarted", ...whose, step: "a", classification: "Compensatable", at: 0 },
        {
          _tag: "StepRetried",
          ...whose,
          step: "a",
          attempts: 1,
          failures: [{ tag: "string", message: "once" }],
          at: 1000,
          nextAt: 1000
        },
        { _tag: "StepSucceeded", ...whose, step: "a", attempts: 2, at: 2000 },
        { _tag: "StepStarted", ...whose, step: "b", classification: "Final", at: 2000 },
        { _tag: "StepInDoubt", ...whose, step: "b", reason: "no reply", attempts: 1, at: 2000 },
        { _tag: "Parked", ...whose, reason: "OutcomeUnknown", at: 2000 }
      ])
      const again = yield* heard(Saga.resume(saga, "x", { found: { step: "b", happened: false } }))
      expect(inWords(again.events)).toEqual([
        "Started again",
        "StepFailed b",
        "StepStarted b",
        "StepInDoubt b",
        "Parked OutcomeUnknown"
      ])
    }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))

  it.effect("with the path of a nested step, and siblings as they come", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const inner = Saga.make("Inner").compensatable("x", stuck).build()
      const saga = Saga.make("Outer")
        .saga("inner", inner, { input: () => undefined })
        .parallel((block) =>
          block
            .compensatable("slow", compensatable(Effect.as(Deferred.await(gate), "ok")))
            .compensatable("fast", compensatable(Effect.zipRight(Deferred.succeed(gate, undefined), Effect.fail("no"))))
        )
        .build()
      expect(yield* wordsOf(Saga.run(saga, undefined))).toEqual([
        "Started",
        "StepStarted inner/x",
        "StepSucceeded inner/x",
        "StepStarted slow",
        "StepStarted fast",
        "StepFailed fast",
        "StepSucceeded slow",
        "UnwindingStarted",
        "CompensationStarted slow",
        "CompensationSucceeded slow",
        "CompensationStarted inner/x",
        "CompensationFailed inner/x",
        "Parked PartlyUndone"
      ])
    }).pipe(Effect.provide(SagaEvents.layer)))

  it.effect("and one that is finished, or refused, is not told again", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Once", { input: Schema.Number }).compensatable("a", {
        ...compensatable(),
        error: "asRecoveredFailure"
      }).build()
      const run = (input: number) => heard(Saga.execute(saga, input, { executionId: "1" }))
      expect((yield* run(1)).events).toHaveLength(4)
      expect(yield* run(1)).toMatchObject({ exit: { _tag: "Success" }, events: [] })
      expect(yield* run(2)).toMatchObject({ exit: { _tag: "Failure" }, events: [] })
      expect((yield* heard(Saga.run(saga, "one" as never))).events).toEqual([])
      expect((yield* heard(Saga.report(saga, "one" as never))).events).toEqual([])
    }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))

  it.effect("and two callers of one execution are told of once", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const saga = Saga.make("Joined").compensatable("a", {
        ...compensatable(Deferred.await(gate)),
        error: "asRecoveredFailure"
      }).build()
      const execute = Saga.execute(saga, undefined, { executionId: "1" })
      const words = yield* wordsOf(
        Effect.all([execute, execute, Deferred.succeed(gate, "ok")], { concurrency: "unbounded" })
      )
      expect(words).toEqual(["Started", "StepStarted a", "StepSucceeded a", "Finished Succeeded"])
    }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))
})

describe("a retry is told with the failure and the time of the next call", () => {
  const policy = { schedule: Schedule.addDelay(Schedule.recurs(2), (n) => `${n + 1} seconds`) }
  const down = { tag: "Error", message: "down" }
  const fails = Effect.fail(new Error("down"))
  const retriesOf = (events: ReadonlyArray<SagaEvents.SagaEvent>) =>
    events.flatMap((event) =>
      event._tag === "StepRetried" || event._tag === "CompensationRetried"
        ? [
          `${event._tag} ${event.step} ${event.attempts} at ${event.at}, next at ${event.nextAt}: ${
            event.failures.map(({ message, tag }) => `${tag} ${message}`).join()
          }`
        ]
        : []
    )
  const later = <A, E, R>(run: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(heard(run))
      yield* TestClock.adjust("1 hour")
      return yield* Fiber.join(fiber)
    })

  for (
    const [kind, saga] of Object.entries({
      "a ReadOnly step": Saga.make("S").readOnly("a", { action: () => fails, retry: policy }).build(),
      "a ReadOnly step with a timeout": Saga.make("S")
        .readOnly("a", { action: () => fails, retry: policy, timeout: "1 minute" }).build(),
      "a ReadOnly step of so many attempts": Saga.make("S")
        .readOnly("a", { action: () => fails, retry: { schedule: Schedule.linear("1 second"), times: 2 } }).build(),
      "a Compensatable step": Saga.make("S")
        .compensatable("a", { action: () => fails, compensate: () => Effect.void, retry: policy }).build(),
      "a Final": Saga.make("S").final("a", { action: () => fails, retry: policy, inDoubt: "retry" }).build()
    })
  ) {
    it.effect(kind, () =>
      Effect.gen(function*() {
        const { events } = yield* later(Saga.run(saga, undefined))
        expect(retriesOf(events)).toEqual([
          "StepRetried a 1 at 0, next at 1000: Error down",
          "StepRetried a 2 at 1000, next at 3000: Error down"
        ])
        expect(inWords(events)).toEqual([
          "Started",
          "StepStarted a",
          "StepRetried a",
          "StepRetried a",
          "StepFailed a",
          "UnwindingStarted",
          "Finished Undone"
        ])
        expect(events.find(({ _tag }) => _tag === "StepFailed")).toMatchObject({ attempts: 3, at: 3000 })
      }).pipe(Effect.provide(SagaEvents.layer)))
  }

  it.effect("but not an error that is not worth another call", () =>
    Effect.gen(function*() {
      const saga = Saga.make("S")
        .readOnly("a", { action: () => fails, retry: { ...policy, while: () => false } }).build()
      expect(retriesOf((yield* later(Saga.run(saga, undefined))).events)).toEqual([])
      const final = Saga.make("S")
        .final("a", { action: () => fails, retry: { ...policy, while: () => false } }).build()
      expect(retriesOf((yield* later(Saga.run(final, undefined))).events)).toEqual([])
    }).pipe(Effect.provide(SagaEvents.layer)))

  it.effect("a compensation, and the journal has none of it", () =>
    Effect.gen(function*() {
      const saga = Saga.make("S")
        .compensatable("a", {
          success: Schema.Void,
          action: () => Effect.void,
          compensate: () => fails,
          compensationRetry: policy
        })
        .readOnly("b", { success: Schema.Void, action: () => Effect.fail("no"), error: "asRecoveredFailure" })
        .build()
      const { events } = yield* later(Saga.execute(saga, undefined, { executionId: "1" }))
      expect(retriesOf(events)).toEqual([
        "CompensationRetried a 1 at 0, next at 1000: Error down",
        "CompensationRetried a 2 at 1000, next at 3000: Error down"
      ])
      expect(events.find(({ _tag }) => _tag === "CompensationFailed")).toMatchObject({ attempts: 3, failures: [down] })
      const commits = yield* (yield* Checkpoint.Checkpoint).load("1")
      expect(commits.map(({ body }) => body).join()).not.toContain("Retried")
    }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))
})

describe("a durable run whose store is lost", () => {
  const saga = Saga.make("Lost")
    .compensatable("a", { ...compensatable(), error: "asRecoveredFailure" })
    .final("b", {
      success: Schema.String,
      action: () => Effect.fail("no" as const),
      inDoubt: "retry",
      error: "asRecoveredFailure"
    })
    .build()

  for (
    const [failAt, lost] of [
      [1, "that the next step starts"],
      [2, "that it is undone"],
      [3, "that the execution is undone"]
    ] as const
  ) {
    it.effect(`does not tell ${lost} when that cannot be stored`, () =>
      Effect.gen(function*() {
        const store = yield* Checkpoint.Checkpoint
        const told: Array<SagaEvents.SagaEvent> = []
        const run = Effect.exit(Saga.execute(saga, undefined, { executionId: "1" })).pipe(
          Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt }))
        )
        yield* SagaEvents.listen(run, (event) => Effect.sync(() => told.push(event)))
        expect(inWords(told)).toEqual(
          [
            "Started",
            "StepStarted a",
            "StepSucceeded a",
            ...failAt === 1 ? [] : ["StepStarted b", "StepFailed b"],
            ...failAt === 3 ? ["UnwindingStarted", "CompensationStarted a", "CompensationSucceeded a"] : []
          ]
        )
      }).pipe(Effect.provide(Checkpoint.layerMemory)))
  }
})

describe("SagaEvents.listen", () => {
  const fails = Saga.make("Fails").compensatable("a", { ...compensatable(), error: "asRecoveredFailure" })
    .final("b", { action: () => Effect.fail("no" as const), inDoubt: "park", error: "asRecoveredFailure" }).build()

  it.effect("tells all that happens, ends as the effect does, and when the listener has been told of the last thing", () =>
    Effect.gen(function*() {
      const told: Array<SagaEvents.SagaEvent> = []
      const slowly = (event: SagaEvents.SagaEvent) =>
        Effect.zipRight(Effect.yieldNow(), Effect.sync(() => told.push(event)))
      expect(yield* Effect.flip(SagaEvents.listen(Saga.run(fails, undefined), slowly))).toBe("no")
      expect(inWords(told)).toEqual([
        "Started",
        "StepStarted a",
        "StepSucceeded a",
        "StepStarted b",
        "StepFailed b",
        "UnwindingStarted",
        "CompensationStarted a",
        "CompensationSucceeded a",
        "Finished Undone"
      ])
    }))

  it.effect("leaves the scope of the effect to the effect", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const note = (what: string) => Effect.sync(() => void log.push(what))
      const armed = Saga.make("Armed").compensatable("a", {
        action: () => note("+a"),
        compensate: () => note("-a")
      }).build()
      const resource = Effect.acquireRelease(note("open"), () => note("close"))
      const both = SagaEvents.listen(Effect.zipRight(resource, Saga.scoped(armed, undefined)), () => Effect.void)
      yield* Effect.exit(Effect.scoped(Effect.zipRight(both, Effect.zipRight(note("use"), Effect.fail("no")))))
      expect(log).toEqual(["open", "+a", "use", "-a", "close"])
    }))

  it.effect("does not tell of what is not under it, and an interruption does not wait for the listener", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const hear = (who: string) => (event: SagaEvents.SagaEvent) =>
        Effect.sync(() => void told.push(`${who}: ${event.saga}`))
      const quick = (name: string) => Saga.make(name).readOnly("a", { action: () => Effect.yieldNow() }).build()
      yield* Effect.all([
        SagaEvents.listen(Saga.run(quick("A"), undefined), hear("a")),
        SagaEvents.listen(Saga.run(quick("B"), undefined), hear("b"))
      ], { concurrency: 2 })
      expect(Array.from(new Set(told)).sort()).toEqual(["a: A", "b: B"])
      const stuck = yield* Effect.fork(SagaEvents.listen(Saga.run(quick("C"), undefined), () => Effect.never))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(stuck)
    }).pipe(Effect.provide(SagaEvents.layer)))

  it.effect("tells of what an interruption has undone, too", () =>
    Effect.gen(function*() {
      const told: Array<SagaEvents.SagaEvent> = []
      const finished = yield* Deferred.make<void>()
      const waits = Saga.make("Waits").compensatable("a", { ...compensatable(), error: "asRecoveredFailure" }).readOnly(
        "b",
        { action: () => Effect.never }
      )
        .build()
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(SagaEvents.listen(Saga.run(waits, undefined), (event) =>
        Effect.sync(() => told.push(event)).pipe(
          Effect.zipRight(
            event._tag === "StepStarted" && event.step === "b"
              ? Deferred.succeed(begun, undefined)
              : event._tag === "Finished"
              ? Deferred.succeed(finished, undefined)
              : Effect.void
          )
        )))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(finished)
      expect(inWords(told).slice(-3)).toEqual(["CompensationStarted a", "CompensationSucceeded a", "Finished Undone"])
    }))

  it.effect("leaves those who listen already what they hear", () =>
    Effect.scoped(Effect.gen(function*() {
      const outer = yield* SagaEvents.subscribe
      const inner: Array<SagaEvents.SagaEvent> = []
      yield* Effect.exit(SagaEvents.listen(Saga.run(fails, undefined), (event) => Effect.sync(() => inner.push(event))))
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(outer, 9)))).toEqual(inner)
    })).pipe(Effect.provide(SagaEvents.layer)))
})

describe("a listener", () => {
  const many = Saga.make("Many")
    .compensatable("a", { ...compensatable(), error: "asRecoveredFailure" })
    .compensatable("b", { ...compensatable(), error: "asRecoveredFailure" })
    .compensatable("c", compensatable())
    .build()

  it.effect("that is slow never slows a saga, and loses the oldest only", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const events = yield* SagaEvents.SagaEvents
      const busy = yield* Deferred.make<void>()
      const listener = yield* SagaEvents.stream.pipe(
        Stream.tap(() => Effect.zipRight(Deferred.succeed(busy, undefined), Deferred.await(gate))),
        Stream.takeUntil(({ _tag, saga }) => _tag === "Finished" && saga === "Last"),
        Stream.runCollect,
        Effect.fork
      )
      while (!events.isHeard()) yield* Effect.yieldNow()
      events.tell({ _tag: "Finished", saga: "First", version: 1, executionId: "", at: 0, result: "Succeeded" })
      yield* Deferred.await(busy)
      yield* Saga.run(many, undefined)
      yield* Saga.run(many, undefined)
      events.tell({ _tag: "Finished", saga: "Last", version: 1, executionId: "", at: 0, result: "Succeeded" })
      yield* Deferred.succeed(gate, undefined)
      const words = inWords(Chunk.toReadonlyArray(yield* Fiber.join(listener)))
      expect(words).toEqual(["Finished Succeeded", "StepSucceeded c", "Finished Succeeded", "Finished Succeeded"])
    }).pipe(Effect.provide(SagaEvents.layerWith({ capacity: 3 }))))

  it.effect("hears all that another hears, and leaves alone", () =>
    Effect.gen(function*() {
      const events = yield* SagaEvents.SagaEvents
      const leaves = yield* Effect.fork(Stream.runDrain(SagaEvents.stream))
      while (!events.isHeard()) yield* Effect.yieldNow()
      const listen = Effect.flatMap(SagaEvents.subscribe, (stream) =>
        stream.pipe(Stream.takeUntil(({ _tag }) => _tag === "Finished"), Stream.runCollect, Effect.fork))
      const listeners = [yield* listen, yield* listen]
      yield* Saga.run(many, undefined)
      const [one, other] = (yield* Fiber.joinAll(listeners)).map(Chunk.toReadonlyArray)
      expect(one).toHaveLength(8)
      expect(other).toEqual(one)
      yield* Fiber.interrupt(leaves)
    }).pipe(
      Effect.scoped,
      Effect.zipRight(Effect.map(SagaEvents.SagaEvents, (events) =>
        expect(events.isHeard()).toBe(false))),
      Effect.provide(SagaEvents.layer)
    ))

  it.effect("that comes while an execution is under way hears the rest of it, but for a plain run", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const saga = Saga.make("Late").compensatable("a", {
        ...compensatable(Deferred.await(gate)),
        error: "asRecoveredFailure"
      }).build()
      const plain = yield* Effect.fork(Saga.run(saga, undefined))
      const durable = yield* Effect.fork(Saga.execute(saga, undefined, { executionId: "1" }))
      const store = yield* Checkpoint.Checkpoint
      while ((yield* store.load("1")).length === 0) yield* Effect.yieldNow()
      expect(
        yield* wordsOf(Effect.zipRight(Deferred.succeed(gate, "ok"), Fiber.joinAll([plain, durable])))
      ).toEqual(["StepSucceeded a", "Finished Succeeded"])
    }).pipe(Effect.provide([SagaEvents.layer, Checkpoint.layerMemory])))
})

type Statuses = Readonly<Record<string, string>>

/** What became of each step and each compensation, by the events. */
const folded = (events: ReadonlyArray<SagaEvents.SagaEvent>): { readonly steps: Statuses; readonly undo: Statuses } => {
  const steps: Record<string, string> = {}
  const undo: Record<string, string> = {}
  for (const event of events) {
    if (!("step" in event)) continue
    const [, what, status = ""] = /^(Step|Compensation)(.*)$/.exec(event._tag) ?? []
    if (event.step === undefined) continue
    if (event._tag === "WaitStarted") steps[event.step] = "Waiting"
    else if (what === "Step") steps[event.step] = status
    else undo[event.step] = status === "Succeeded" ? "Undone" : status
  }
  return { steps, undo }
}

const reported = (report: Pick<SagaReport.Recorded, "steps" | "compensations">): ReturnType<typeof folded> => ({
  steps: Object.fromEntries(
    report.steps.flatMap(({ status, step }) => status === "NotStarted" ? [] : [[step, status]])
  ),
  undo: Object.fromEntries(
    report.compensations.flatMap(({ status, step }) => status === "NotTried" ? [] : [[step, status]])
  )
})

const programs = SagaArbitrary.program({ sleeps: true })
const world = Layer.mergeAll(Checkpoint.layerMemory, Ledger.layer, SagaEvents.layer)

const checkSchema = (events: ReadonlyArray<SagaEvents.SagaEvent>) =>
  Effect.map(
    Schema.decodeUnknown(Schema.Array(SagaEvents.SagaEvent), { onExcessProperty: "error" })(
      JSON.parse(JSON.stringify(events))
    ),
    (decoded) => expect(decoded).toEqual(events)
  )

describe("whatever a saga is made of, its events add up to what is known of it otherwise", () => {
  it.effect.prop("in process", [programs], ([program]) =>
    Effect.gen(function*() {
      const { events, exit } = yield* heard(
        Effect.flatten(SagaArbitrary.exit(Saga.report(SagaArbitrary.build(program), undefined)))
      )
      if (Exit.isFailure(exit)) throw new Error(Cause.pretty(exit.cause))
      expect(folded(events)).toEqual(reported(exit.value))
      yield* checkSchema(events)
      expect(events.filter(({ _tag }) => _tag === "Started")).toHaveLength(1)
      expect(events.at(-1)!._tag).toBe(
        exit.value._tag === "Succeeded" || exit.value._tag === "Undone" ? "Finished" : "Parked"
      )
    }).pipe(Effect.provide(world)), { timeout: 180_000, fastCheck: { numRuns: 80 } })

  it.effect.prop(
    "durably, also when the store is lost and the execution recovered",
    [programs, Schema.Int.pipe(Schema.between(0, 20))],
    ([program, failAt]) =>
      Effect.gen(function*() {
        const saga = SagaArbitrary.build(program)
        const store = yield* Checkpoint.Checkpoint
        const { events } = yield* heard(Effect.zipRight(
          SagaArbitrary.exit(Effect.provideService(
            Saga.execute(saga, undefined, { executionId: "1" }),
            Checkpoint.Checkpoint,
            failingStore(store, { failAt })
          )),
          SagaArbitrary.exit(recoverAll([saga]))
        ))
        yield* checkSchema(events)
        if ((yield* store.load("1")).length === 0) return
        expect(folded(events)).toEqual(reported(yield* Saga.inspect(saga, "1")))
      }).pipe(Effect.provide(world)),
    { timeout: 180_000, fastCheck: { numRuns: 80 } }
  )
})

describe("whoever observes a run changes nothing about it", () => {
  const everybody = Layer.merge(SagaMetrics.layer, makeTracer().layer)
  const ends = (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isSuccess(exit) ? exit.value : Option.getOrElse(Cause.failureOption(exit.cause), () => String(exit.cause))

  it.effect.prop("neither how it ends nor what it does", [programs], ([program]) =>
    Effect.gen(function*() {
      const saga = SagaArbitrary.build(program)
      const run = Effect.gen(function*() {
        const exit = yield* SagaArbitrary.exit(Saga.execute(saga, undefined, { executionId: "1" }))
        const durable = yield* Effect.flatMap(Ledger.Ledger, ({ calls }) => calls)
        const plain = yield* SagaArbitrary.exit(Saga.run(saga, undefined))
        const calls = yield* Effect.flatMap(Ledger.Ledger, ({ calls }) => calls)
        return { exit, plain, durable, calls: calls.map(({ _tag, what }) => `${_tag} ${what}`) }
      })
      const alone = yield* Effect.provide(run, Layer.merge(Checkpoint.layerMemory, Ledger.layer))
      const { exit } = yield* Effect.provide(heard(run), Layer.merge(world, everybody))
      if (Exit.isFailure(exit)) throw new Error(Cause.pretty(exit.cause))
      const observed = exit.value
      expect(observed.durable).toEqual(alone.durable)
      expect(observed.calls).toEqual(alone.calls)
      expect(ends(observed.exit)).toEqual(ends(alone.exit))
      expect(observed.plain._tag).toBe(alone.plain._tag)
    }), { timeout: 180_000, fastCheck: { numRuns: 60 } })
})
