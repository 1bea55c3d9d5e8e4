/** How far a plan may go: as far as the owners of its tools and its host allow, and no further. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Schema, TestClock } from "effect"
import { Checkpoint, Plan, Saga, SagaError, ToolExecutor } from "effect-saga"
import { failingStore, process } from "./support/store.ts"
import { decoded, final, makeTools, planOf, readOnly, write } from "./support/tools.ts"

const lost = () => Effect.fail(new SagaError.OutcomeUnknown({ reason: "no reply" }))

/** A tool `pay` that somebody owns, and `ask`, which says that nothing happened. */
const owned = (
  said: Pick<Parameters<typeof ToolExecutor.tool>[0], "inDoubt" | "limits" | "classification">,
  host: ToolExecutor.Options = {},
  run: () => Effect.Effect<void, unknown> = lost
) => {
  const calls: Array<number> = []
  const pay = ToolExecutor.tool({
    ...said,
    parameters: Schema.Unknown,
    run: () =>
      Effect.clockWith((clock) => {
        calls.push(clock.unsafeCurrentTimeMillis())
        return run()
      })
  })
  const ask = ToolExecutor.tool({
    parameters: Schema.Unknown,
    success: Schema.Unknown,
    classification: ["ReadOnly", "Compensatable", "Final"],
    run: () => Effect.succeed({ happened: false })
  })
  return { calls, layer: ToolExecutor.layer({ pay, ask, refund: pay }, host) }
}

const ask = { tool: "ask", arguments: {} }
const undo = { tool: "ask", arguments: {} }

const refusal = (tools: { readonly layer: ReturnType<typeof owned>["layer"] }, ...steps: ReadonlyArray<object>) =>
  Effect.match(Effect.provide(Plan.decode(planOf(...steps)), tools.layer), {
    onFailure: ({ problems }) => problems.map(({ _tag, at, message }) => `${_tag} ${at}: ${message}`),
    onSuccess: () => ["accepted"]
  })

const compensatable = (more: object) => ({
  ...write("a"),
  action: { tool: "pay", arguments: {} },
  compensation: undo,
  ...more
})

describe("the owner of a tool who leaves its doubts to a person", () => {
  const tools = owned({ inDoubt: "park" })

  it.effect("is not overruled: a plan may say nothing else", () =>
    Effect.gen(function*() {
      for (const step of [final("a", "pay"), compensatable({})]) {
        for (const more of [{ inDoubt: "retry" }, { inDoubt: "verify", verify: ask }]) {
          expect(yield* refusal(tools, { ...step, ...more, retry: { times: 20 }, timeout: "10 millis" })).toEqual([
            `BeyondLimit /steps/0/inDoubt: step "a" says inDoubt: "${more.inDoubt}", but the owner of tool "pay" says "park": ` +
            "a plan may be stricter, never laxer"
          ])
        }
        expect(yield* refusal(tools, { ...step, inDoubt: "park" })).toEqual(["accepted"])
        expect(yield* refusal(tools, step)).toEqual(["accepted"])
      }
    }))

  it.effect("has his tool called once, whatever retries and time-outs the plan asks for", () =>
    Effect.gen(function*() {
      const { calls, layer } = owned({ inDoubt: "park" })
      yield* Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(final("a", "pay", {}, { retry: { times: 20 }, timeout: "10 millis" })))
        expect(yield* Effect.flip(Saga.run(plan, undefined))).toMatchObject({ _tag: "OutcomeUnknown", step: "a" })
        expect(calls).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    }))

  it.effect("does not have it called as a compensation, which is called again after a crash", () =>
    Effect.gen(function*() {
      expect(yield* refusal(tools, { ...write("a"), action: ask, compensation: { tool: "refund", arguments: {} } }))
        .toEqual([
          "BeyondLimit /steps/0/compensation/tool: step \"a\" is undone by tool \"refund\", whose owner says inDoubt: \"park\": " +
          "a compensation is called again after a crash"
        ])
    }))

  it.effect("is not overruled by a plan that was stored when he said nothing", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const before = owned({}, {}, () => Effect.void)
      yield* decoded(
        planOf(final("a", "pay", {}, { inDoubt: "retry" })),
        (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "1" }))
      ).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 })),
        Effect.provide(before.layer)
      )
      expect(before.calls).toHaveLength(1)
      const now = owned({ inDoubt: "park" })
      expect(yield* Effect.flip(Effect.provide(Plan.resume("1"), now.layer))).toMatchObject({
        _tag: "OutcomeUnknown",
        parked: true
      })
      expect(now.calls).toEqual([])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

it.effect("a doubt about which a plan says nothing is settled as the owner of the tool says", () =>
  Effect.gen(function*() {
    for (const inDoubt of ["park", "retry"] as const) {
      const store = yield* Checkpoint.makeMemory
      const { calls, layer } = owned({ inDoubt }, {}, () => Effect.void)
      yield* process(
        store,
        Effect.flatMap(Checkpoint.Checkpoint, (service) =>
          decoded(
            planOf(compensatable({})),
            (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "1" }))
          ).pipe(Effect.provideService(Checkpoint.Checkpoint, failingStore(service, { failAt: 1 }))))
      ).pipe(Effect.provide(layer))
      const exit = yield* Effect.exit(process(store, Plan.resume("1"))).pipe(Effect.provide(layer))
      expect(Exit.isSuccess(exit)).toBe(inDoubt === "retry")
      expect(calls).toHaveLength(inDoubt === "retry" ? 2 : 1)
    }
  }))

it.effect("a plan may be stricter than the owner of a tool who vouches for its key", () =>
  Effect.gen(function*() {
    const tools = owned({ inDoubt: "retry" })
    for (const inDoubt of ["retry", "park", "verify"]) {
      const step = final("a", "pay", {}, inDoubt === "verify" ? { inDoubt, verify: ask } : { inDoubt })
      expect(yield* refusal(tools, step)).toEqual(["accepted"])
    }
  }))

describe("a policy that goes further than the limits", () => {
  const limits = { maxRetries: 3, minDelay: "1 second", minTimeout: "5 seconds", maxTimeout: "1 minute" } as const
  const sides = {
    "of the owner": owned({ inDoubt: "retry", limits }),
    "of the host": owned({ inDoubt: "retry" }, { limits })
  }
  for (const [whose, tools] of Object.entries(sides)) {
    it.effect(`is refused, each member where it is: ${whose}`, () =>
      Effect.gen(function*() {
        const lax = { times: 4, delay: "999 millis", maxDelay: "0.5 seconds" }
        expect(
          yield* refusal(
            tools,
            compensatable({
              retry: lax,
              timeout: "4 seconds",
              ...whose === "of the host" ? { compensationRetry: { times: 9e15 }, compensationTimeout: "2 minutes" } : {}
            })
          )
        ).toEqual([
          ...whose === "of the host"
            ? [
              "BeyondLimit /steps/0/compensationRetry/times: step \"a\" asks for more further calls of tool \"ask\" than are allowed: at most 3",
              "BeyondLimit /steps/0/compensationTimeout: step \"a\" gives tool \"ask\" more time than is allowed: each call may take at most 1m"
            ]
            : [],
          "BeyondLimit /steps/0/retry/delay: step \"a\" calls tool \"pay\" again after too short a pause: at least 1s are required",
          "BeyondLimit /steps/0/retry/maxDelay: step \"a\" calls tool \"pay\" again after too short a pause: at least 1s are required",
          "BeyondLimit /steps/0/retry/times: step \"a\" asks for more further calls of tool \"pay\" than are allowed: at most 3",
          "BeyondLimit /steps/0/timeout: step \"a\" cuts off tool \"pay\" too soon: each call must be given at least 5s"
        ])
        const right = { retry: { times: 3, delay: "1 second", maxDelay: "1 second" }, timeout: "5 seconds" }
        expect(yield* refusal(tools, compensatable(right))).toEqual(["accepted"])
        expect(yield* refusal(tools, compensatable({ ...right, retry: {} }))).toEqual([
          "EndlessRetry /steps/0: the retry of step \"a\" needs times or a schedule: without both it would try for ever, without a pause"
        ])
      }))
  }

  it.effect("is held against the stricter of the owner's and the host's", () =>
    Effect.gen(function*() {
      const lax = { maxRetries: 50, minDelay: 0, minTimeout: 0, maxTimeout: Duration.infinity }
      const step = final("a", "pay", {}, { retry: { times: 4, delay: "10 millis" }, timeout: "2 minutes" })
      for (
        const tools of [
          owned({ inDoubt: "retry", limits }, { limits: lax }),
          owned({ inDoubt: "retry", limits: lax }, { limits })
        ]
      ) {
        expect((yield* refusal(tools, step)).map((problem) => problem.split(":", 1)[0])).toEqual([
          "BeyondLimit /steps/0/retry/delay",
          "BeyondLimit /steps/0/retry/times",
          "BeyondLimit /steps/0/timeout"
        ])
      }
    }))

  it.effect("and so is a timeout that is too short", () =>
    Effect.gen(function*() {
      const lax = { minTimeout: 0 }
      for (
        const tools of [
          owned({ inDoubt: "retry", limits }, { limits: lax }),
          owned({ inDoubt: "retry", limits: lax }, { limits })
        ]
      ) {
        const said = yield* refusal(tools, final("a", "pay", {}, { timeout: "1 second" }))
        expect(said.map((problem) => problem.split(":", 1)[0])).toEqual(["BeyondLimit /steps/0/timeout"])
      }
    }))

  it.effect("is missing: then a call is cut off after the longest time all the same, and has to say what that means", () =>
    Effect.gen(function*() {
      const never = owned({ limits: { maxTimeout: "1 minute" } }, {}, () => Effect.never)
      expect(yield* refusal(never, compensatable({}))).toEqual([
        "MissingInDoubt /steps/0: every run needs inDoubt on step \"a\": its action can end with OutcomeUnknown"
      ])
      yield* decoded(planOf(compensatable({ inDoubt: "park" })), (plan) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.flip(Saga.run(plan, undefined)))
          yield* TestClock.adjust("1 minute")
          expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "OutcomeUnknown", step: "a" })
        })).pipe(Effect.provide(never.layer))
    }))
})

describe("the retries of a plan for which nobody sets limits", () => {
  const busy = () => {
    const times: Array<number> = []
    const layer = ToolExecutor.layerFunction(({ role }) =>
      Effect.clockWith((clock) => {
        times.push(clock.unsafeCurrentTimeMillis())
        return role === "compensation" ? Effect.fail("busy") : Effect.fail("busy")
      })
    )
    return { times, layer }
  }
  const timesOf = (retry: object) =>
    Effect.suspend(() => {
      const { layer, times } = busy()
      return decoded(planOf(readOnly("a", "any", {}, { retry })), (plan) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.exit(Saga.run(plan, undefined)))
          yield* TestClock.adjust("20 days")
          yield* Fiber.join(fiber)
          return times
        })).pipe(Effect.provide(layer))
    })
  /** A clock starts anew for each. */
  const alone = (retry: object, check: (times: ReadonlyArray<number>) => void) => () =>
    Effect.map(timesOf(retry), check)

  it.effect(
    "end after a hundred, where the plan gives no number",
    alone({ delay: "1 second" }, (times) => {
      expect(times).toHaveLength(101)
    })
  )

  it.effect(
    "have a pause of 100 ms, where the plan asks for none",
    alone({ times: 3 }, (times) => {
      expect(times).toEqual([0, 100, 200, 300])
    })
  )

  it.effect(
    "grow from the plan's pause, never beyond what a timer can count",
    alone({ times: 5, delay: "1 day", factor: 1e300, maxDelay: "2 days" }, (times) => {
      const day = 86_400_000
      expect(times).toEqual([0, 1, 3, 5, 7, 9].map((days) => days * day))
    })
  )

  it.effect("are refused where they ask for more, or for less of a pause", () =>
    Effect.gen(function*() {
      const tools = { layer: busy().layer }
      const said = (retry: object) => refusal(tools, readOnly("a", "any", {}, { retry }))
      expect(yield* said({ times: 9e15 })).toEqual([
        "BeyondLimit /steps/0/retry/times: step \"a\" asks for more further calls of tool \"any\" than are allowed: at most 100"
      ])
      expect(yield* said({ delay: "0.0001 millis" })).toEqual([
        "BeyondLimit /steps/0/retry/delay: step \"a\" calls tool \"any\" again after too short a pause: at least 100ms are required"
      ])
      expect(yield* said({ times: 100, delay: "100 millis" })).toEqual(["accepted"])
      // A pause of no length asks for none, and gets the shortest.
      expect(yield* said({ times: 100, delay: "0 millis" })).toEqual(["accepted"])
      const unsaid = { layer: owned({}, { limits: { maxRetries: undefined } as {} }).layer }
      expect((yield* refusal(unsaid, readOnly("a", "ask", {}, { retry: { times: 101 } }))).map((problem) =>
        problem.split(":", 1)[0]
      )).toEqual(["BeyondLimit /steps/0/retry/times"])
    }))

  it.effect("hold for a stored plan that was accepted under other limits", () =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.Checkpoint
      const policies = { inDoubt: "retry", retry: { times: 5, delay: "1 millis" }, timeout: "1 day" }
      const before = owned({}, { limits: { minDelay: 0 } }, () => Effect.void)
      yield* decoded(
        planOf(final("a", "pay", {}, policies)),
        (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "1" }))
      ).pipe(
        Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 })),
        Effect.provide(before.layer)
      )
      const now = owned({}, { limits: { maxRetries: 2, minDelay: "1 minute" } })
      const fiber = yield* Effect.fork(Effect.exit(Effect.provide(Plan.resume("1"), now.layer)))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      const [first] = now.calls
      expect(now.calls.map((time) => time - first!)).toEqual([0, 60_000, 120_000])
    }).pipe(Effect.provide(Checkpoint.layerMemory)))
})

it.effect("a stored plan that was accepted with a shorter timeout has its calls cut off no sooner than allowed today", () =>
  Effect.gen(function*() {
    const store = yield* Checkpoint.Checkpoint
    yield* decoded(
      planOf(final("a", "pay", {}, { inDoubt: "retry", timeout: "10 millis" })),
      (plan) => Effect.exit(Saga.execute(plan, undefined, { executionId: "1" }))
    ).pipe(
      Effect.provideService(Checkpoint.Checkpoint, failingStore(store, { failAt: 1 })),
      Effect.provide(owned({}, {}, () => Effect.void).layer)
    )
    const now = owned({}, { limits: { minTimeout: "5 seconds" } }, () => Effect.sleep("1 second"))
    const fiber = yield* Effect.fork(Effect.exit(Effect.provide(Plan.resume("1"), now.layer)))
    yield* TestClock.adjust("1 minute")
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    expect(now.calls).toHaveLength(1)
  }).pipe(Effect.provide(Checkpoint.layerMemory)))

describe("times that are none", () => {
  it.effect("are refused in a plan", () =>
    Effect.gen(function*() {
      const tools = { layer: makeTools().layer }
      const said = (more: object) => refusal(tools, readOnly("a", "stat", { path: "a" }, more))
      expect(yield* said({ retry: { times: NaN } })).toEqual([
        "Malformed : the plan.steps[0].retry.times is NaN, which is not plain JSON"
      ])
      expect(yield* said({ retry: { times: 1.5, factor: 0.5 } })).toEqual([
        "Malformed /steps/0/retry/factor: retry.factor must be a number of at least 1",
        "Malformed /steps/0/retry/times: retry.times must be a whole number of at least 0"
      ])
      for (const timeout of ["0 seconds", "0.0 days"]) {
        expect(yield* said({ timeout })).toEqual([
          "Malformed /steps/0/timeout: a timeout of no length would cut off every call"
        ])
      }
      for (const timeout of ["25 days", `${"9".repeat(400)} days`]) {
        expect(yield* said({ timeout })).toEqual(["Malformed /steps/0/timeout: is longer than 24 days"])
      }
      expect(yield* said({ retry: { times: 1, delay: "30 days", maxDelay: "1e9 days" } })).toEqual([
        "Malformed /steps/0/retry/maxDelay: retry.maxDelay is not a time such as \"5 seconds\""
      ])
      expect(yield* said({ retry: { times: 1, delay: "30 days" } })).toEqual([
        "Malformed /steps/0/retry/delay: is longer than 24 days"
      ])
      for (const timeout of [5, null, "-1 seconds", "NaN millis", "5 secs"]) {
        expect((yield* said({ timeout })).map((problem) => problem.split(":", 1)[0])).toEqual([
          "Malformed /steps/0/timeout"
        ])
      }
    }))

  it("are refused as limits, all at once, by a tool and by every layer", () => {
    const limits = { maxRetries: NaN, minDelay: -1, minTimeout: NaN, maxTimeout: "soon" as "1 second" }
    const parameters = Schema.Unknown
    const ways = [
      () => ToolExecutor.tool({ parameters, limits, run: () => Effect.void }),
      () => ToolExecutor.layer({}, { limits }),
      () => ToolExecutor.layerFunction(() => Effect.void, { limits })
    ]
    for (const way of ways) {
      expect(way).toThrow(
        "these limits of plans cannot be kept: minDelay is not a time; minTimeout is not a time; maxTimeout is not a time; " +
          "maxRetries is NaN, and not a whole number of at least 0"
      )
      expect(way).toThrow(ToolExecutor.InvalidLimits)
    }
    expect(() => ToolExecutor.layer({}, { limits: { maxRetries: Infinity, minDelay: 0 } })).not.toThrow()
    const own = Layer.succeed(ToolExecutor.ToolExecutor, { describe: () => ({}), limits, execute: () => Effect.void })
    const plan = Plan.decode(planOf(readOnly("a", "any", {}, { retry: { times: 1 } })))
    expect(() => Effect.runSync(Effect.provide(plan, own))).toThrow("these limits of plans cannot be kept")
  })

  const noTime = [
    [{ maxTimeout: 0 }, "maxTimeout is 0, so that every call would be cut off at once"],
    [
      { minTimeout: "1 second", maxTimeout: "0 millis" },
      "maxTimeout is 0, so that every call would be cut off at once"
    ],
    [
      { minTimeout: "6 seconds", maxTimeout: "5 seconds" },
      "minTimeout is 6s and maxTimeout 5s, so that no timeout keeps both"
    ]
  ] as const
  for (const [limits, problem] of noTime) {
    it(`are refused as limits where they leave a call no time: ${JSON.stringify(limits)}`, () => {
      const ways = [
        () => ToolExecutor.tool({ parameters: Schema.Unknown, limits, run: () => Effect.void }),
        () => ToolExecutor.layer({}, { limits }),
        () => ToolExecutor.layerFunction(() => Effect.void, { limits })
      ]
      for (const way of ways) {
        expect(way).toThrow(new ToolExecutor.InvalidLimits({ problems: [problem] }))
        expect(way).toThrow(ToolExecutor.InvalidLimits)
      }
    })
  }

  it("are refused, and so is a policy for doubts that nobody knows, as code without types may name one", () => {
    expect(() => owned({ inDoubt: "foo" as never })).toThrow(
      new ToolExecutor.InvalidLimits({
        problems: [`the inDoubt of tool "pay" is "foo", and neither "retry" nor "park"`]
      })
    )
    for (const inDoubt of ["retry", "park"] as const) expect(() => owned({ inDoubt })).not.toThrow()
    const own = Layer.succeed(ToolExecutor.ToolExecutor, {
      describe: () => ({ inDoubt: "foo" as never }),
      execute: () => Effect.void
    })
    const plan = Plan.decode(planOf(readOnly("a", "any", {}, { retry: { times: 1 } })))
    expect(() => Effect.runSync(Effect.provide(plan, own))).toThrow(`the inDoubt of tool "any" is "foo"`)
  })

  it("are refused, and so is a word that is no classification: a plan would be believed", () => {
    expect(() => owned({ classification: "no" as never })).toThrow(
      `the classification of tool "pay" is "no", and not one of "ReadOnly", "Compensatable", "Final"`
    )
    expect(() => owned({ classification: "ReadOnly" })).not.toThrow()
  })

  it("are refused as limits where those of a tool's owner and of the host leave it no time together", () => {
    const together = { limits: { maxTimeout: "5 seconds" } } as const
    expect(() => owned({ limits: { minTimeout: "6 seconds" } }, together)).toThrow(
      `these limits of plans cannot be kept: of tool "pay" and the host together, minTimeout is 6s and maxTimeout 5s, ` +
        "so that no timeout keeps both"
    )
    expect(() => owned({ limits: { maxTimeout: "5 seconds" } }, { limits: { minTimeout: "6 seconds" } })).toThrow(
      ToolExecutor.InvalidLimits
    )
    expect(() => owned({ limits: { minTimeout: "5 seconds" } }, together)).not.toThrow()
    expect(() => owned({ limits: { minTimeout: "1 hour" } })).not.toThrow()
  })
})
