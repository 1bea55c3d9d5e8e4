import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Schedule, TestClock } from "effect"
import { Saga, type SagaReport, Timeline } from "effect-saga"

const takes = (millis: number) => () => Effect.sleep(millis)

const trip = Saga.make("BookTrip")
  .readOnly("quote", { action: takes(50) })
  .compensatable("flight", { action: takes(500), compensate: takes(100) })
  .parallel((branch) =>
    branch
      .compensatable("hotel", { action: takes(1250), compensate: () => Effect.fail("no answer\n\u001b[31m") })
      .compensatable("car 🚗 車", { action: takes(300), compensate: takes(200) })
  )
  .compensatable("lounge", { when: () => false, action: takes(1), compensate: takes(1) })
  .final("charge", {
    action: () => Effect.zipRight(Effect.sleep(100), Effect.fail(new Error("declined"))),
    retry: { times: 2, schedule: Schedule.spaced("100 millis") }
  })
  .final("email", { action: () => Effect.void, retry: { times: 1 } })
  .build()

const reported = Effect.gen(function*() {
  const fiber = yield* Effect.fork(Saga.report(trip, undefined))
  yield* TestClock.adjust("1 hour")
  return yield* fiber
})

describe("Timeline.pretty", () => {
  it.effect("aligns what became of each step and compensation, and draws when", () =>
    Effect.map(reported, (report) =>
      expect(`\n${Timeline.pretty(report)}\n`).toBe(`
BookTrip failed with Error at step "charge"; undone: "car 🚗 車", "flight"; still in effect: "hotel"
  ✓ quote      ReadOnly, done            +0 ms   50 ms  ▇
  ✓ flight     Compensatable, done      +50 ms  500 ms  ▇▇▇▇▇
  ✓ hotel      Compensatable, done     +550 ms   1.3 s       ▇▇▇▇▇▇▇▇▇▇▇▇
  ✓ car 🚗 車  Compensatable, done     +550 ms  300 ms       ▇▇▇
  ○ lounge     Compensatable, skipped   +1.8 s
  ✗ charge     Final, failed            +1.8 s  500 ms                   ▇▇▇▇▇    3 attempts: Error: declined
  · email      Final, not started
  ↩ car 🚗 車  compensation, undone     +2.3 s  200 ms                       ▇▇
  ✗ hotel      compensation, failed     +2.5 s    0 ms                         ▇  string: no answer  [31m
  ↩ flight     compensation, undone     +2.5 s  100 ms                         ▇
`)))

  it.effect("has no byte outside of ASCII but for the user's own, where it is asked to", () =>
    Effect.map(reported, (report) => {
      const text = Timeline.pretty(report, { ascii: true, width: 10 })
      expect(text.replaceAll("🚗 車", "")).toMatch(/^[\n\x20-\x7e]*$/)
      expect(text).toContain(
        "  x charge     Final, failed            +1.8 s  500 ms         ##   3 attempts: Error: declined"
      )
    }))

  it.effect("colours what went wrong, and nothing that is not said by a sign too", () =>
    Effect.map(reported, (report) => {
      const text = Timeline.pretty(report, { color: true })
      expect(text).toContain("\u001b[31m✗\u001b[0m charge")
      // oxlint-disable-next-line no-control-regex -- these are the colours
      expect(text.replace(/\u001b\[\d+m/g, "").replace(/ +$/gm, "")).toBe(Timeline.pretty(report))
    }))
})

describe("a timeline of a clock that went back", () => {
  it("is drawn all the same, whatever its width", () => {
    const step = { step: "a", classification: "ReadOnly", status: "Succeeded", attempts: 1, reason: undefined } as const
    const report = (startedAt: number, duration: number): SagaReport.ReportDetails => ({
      saga: "S",
      version: 1,
      executionId: "1",
      steps: [{ ...step, startedAt, duration }],
      compensations: [],
      startedAt: 5000,
      duration: 0,
      summary: "S succeeded"
    })
    for (const width of [0, -1, 0.5, NaN, Infinity, 24]) {
      for (const [startedAt, duration] of [[0, -3000], [0, 1], [5000, Number.MAX_VALUE], [NaN, NaN]] as const) {
        expect(Timeline.pretty(report(startedAt, duration), { width }).split("\n")).toHaveLength(2)
      }
    }
  })
})

describe("Timeline.print", () => {
  const printed = (report: SagaReport.ReportDetails, env: Record<string, string>, options?: Timeline.Options) =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const console = {
        ...globalThis.console,
        unsafe: globalThis.console,
        log: (line: unknown) => Effect.sync(() => lines.push(line))
      }
      yield* Timeline.print(report, options).pipe(
        Effect.withConsole(console as any as Console.Console),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))
      )
      return lines.join("\n")
    })

  /** As if standard output were a terminal. */
  const onTerminal = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = process.stdout.isTTY
        process.stdout.isTTY = true
        return before
      }),
      () => effect,
      (before) => Effect.sync(() => process.stdout.isTTY = before)
    )

  it.effect("uses colours on a terminal, unless NO_COLOR or TERM says not to", () =>
    onTerminal(Effect.gen(function*() {
      const report = yield* reported
      expect(yield* printed(report, {})).toBe(Timeline.pretty(report, { color: true }))
      expect(yield* printed(report, { NO_COLOR: "1" })).toBe(Timeline.pretty(report))
      expect(yield* printed(report, { NO_COLOR: "" })).toBe(Timeline.pretty(report, { color: true }))
      expect(yield* printed(report, { TERM: "dumb" })).toBe(Timeline.pretty(report, { ascii: true }))
      expect(yield* printed(report, { NO_COLOR: "1" }, { color: true })).toBe(Timeline.pretty(report, { color: true }))
    })))

  it.effect("uses no colours into a file or a pipe", () =>
    Effect.gen(function*() {
      const report = yield* reported
      expect(yield* printed(report, {})).toBe(Timeline.pretty(report))
    }))

  it.effect("keeps to ASCII where the locale cannot show more", () =>
    Effect.gen(function*() {
      const report = yield* reported
      const ascii = Timeline.pretty(report, { ascii: true })
      expect(yield* printed(report, { LANG: "C" })).toBe(ascii)
      expect(yield* printed(report, { LANG: "en_US.UTF-8", LC_ALL: "POSIX" })).toBe(ascii)
      expect(yield* printed(report, { LANG: "en_US.UTF-8" })).toBe(Timeline.pretty(report))
      expect(yield* printed(report, { LANG: "C", LC_CTYPE: "C.utf8" })).toBe(Timeline.pretty(report))
    }))
})
