/** The checker of the storm finds what is wrong: an execution as it must be, and what is said of it when one thing is changed. */
import { describe, expect, it } from "@effect/vitest"
import type { Effect, Line } from "./bank.ts"
import { check, checkLate, type Evidence } from "./checker.ts"
import type { Call, CancelAnswer, Inspected } from "./messages.ts"
import type { Stored } from "./rows.ts"

type Mutable<A> = A extends (infer B)[] ? Array<Mutable<B>>
  : A extends ReadonlyMap<infer K, infer V> ? Map<K, V>
  : A extends object ? { -readonly [K in keyof A]: Mutable<A[K]> }
  : A

/** What stands in the ledger and in the store after an execution of `Deposit`: one that succeeded, or one that was undone. */
const deposit = (ended: "Succeeded" | "Undone") => {
  const lines: Array<Line> = []
  const call = (at: number, role: Call["role"], step: string, effect: "took" | "nothing"): Line => {
    const actionKey = `d/${step}/action`
    const line: Line = {
      sequence: lines.length,
      at,
      process: 1,
      said: {
        _tag: "Call",
        id: lines.length,
        role,
        executionId: "d",
        step,
        key: role === "undo" ? `d/${step}/compensation` : actionKey,
        actionKey,
        ...(role === "undo" ? { receipt: `receipt of ${step}` } : {}),
        fence: 0,
        begunAt: at,
        odds: {}
      },
      came: {
        effect,
        answer: effect === "took" ? { _tag: "Done", receipt: `receipt of ${step}` } : { _tag: "Refused" },
        late: false
      }
    }
    lines.push(line)
    return line
  }
  const effectOf = (took: Line): Effect => {
    const { executionId, key, step } = took.said as Call
    return { key, executionId, step, receipt: `receipt of ${step}`, took }
  }
  const started = (step: string, classification: string, at: number) => ({
    _tag: "StepStarted",
    step,
    classification,
    at
  })
  const reserved = effectOf(call(20, "do", "reserve", "took"))
  const effects = [reserved]
  const events: Array<Stored["events"][number]> = [
    { _tag: "Started", input: { amount: 1 }, at: 10 },
    started("reserve", "Compensatable", 10),
    { _tag: "StepSucceeded", step: "reserve", output: "receipt of reserve", at: 25 },
    started("wire", "Final", 30)
  ]
  const wire = call(40, "do", "wire", ended === "Succeeded" ? "took" : "nothing")
  if (ended === "Succeeded") {
    effects.push(effectOf(wire))
    events.push({ _tag: "StepSucceeded", step: "wire", output: "receipt of wire", at: 45 })
  } else {
    events.push(
      { _tag: "StepFailed", step: "wire", failures: [], at: 45 },
      { _tag: "UnwindingStarted", failures: [], at: 50 },
      { _tag: "CompensationStarted", step: "reserve", at: 50 }
    )
    reserved.undone = call(60, "undo", "reserve", "took")
    events.push({ _tag: "CompensationSucceeded", step: "reserve", at: 65 })
  }
  events.push({ _tag: "Finished", result: ended, at: 70 })
  const outcome = ended === "Succeeded"
    ? { _tag: "Succeeded" as const, output: { reserve: "receipt of reserve", wire: "receipt of wire" } }
    : { _tag: "Failed" as const, tag: "refused", reason: undefined, parked: false, message: "refused" }
  lines.push({
    sequence: lines.length,
    at: 80,
    process: 1,
    said: { _tag: "Ended", by: "execute", executionId: "d", outcome }
  })
  const stored: Stored = {
    executionId: "d",
    saga: "Deposit",
    status: ended,
    unfinished: undefined,
    tokens: [1],
    events,
    problems: []
  }
  const inspected: Inspected = {
    executionId: "d",
    status: ended,
    steps: [
      { step: "reserve", status: "Succeeded" },
      { step: "wire", status: ended === "Succeeded" ? "Succeeded" : "Failed" }
    ],
    compensations: ended === "Succeeded" ? [] : [{ step: "reserve", status: "Undone" }]
  }
  return { lines, effects, stored: [stored], inspected: [inspected], isSettled: true } as unknown as Mutable<
    Omit<Evidence, "effects"> & { readonly effects: ReadonlyArray<Effect> }
  >
}

type Deposit = ReturnType<typeof deposit>

const kinds = (evidence: Deposit) =>
  Array.from(new Set(check(evidence as unknown as Evidence).map(({ kind }) => kind))).sort()

const callOf = ({ lines }: Deposit, role: string) =>
  lines.find(({ said }) => said._tag === "Call" && said.role === role)!
const without = ({ stored }: Deposit, tag: string) =>
  void (stored[0]!.events = stored[0]!.events.filter(({ _tag }) => _tag !== tag))

/** Somebody has asked for its cancellation before the Final was called, and got this answer. */
const ask = (it: Deposit, answer: CancelAnswer, name = "w9/1") => {
  const line = (said: Line["said"], at: number) => ({ sequence: it.lines.length, at, process: 2, said })
  it.lines.push(line({ _tag: "Asking", executionId: "d", name }, 26))
  it.lines.push(line({ _tag: "Asked", executionId: "d", name, answer }, 27))
}
const event = (it: Deposit, before: string, _tag: string, more: object) => {
  const { events } = it.stored[0]!
  events.splice(events.findIndex((event) => event._tag === before), 0, {
    _tag,
    at: 46,
    by: "w9/1",
    message: 1,
    ...more
  })
}
/** Its driver has taken a request. */
const accepted = (it: Deposit, more: object = {}) => event(it, "UnwindingStarted", "CancellationRequested", more)
/** Its driver has refused a request. */
const refused = (it: Deposit, more: object = {}) =>
  event(it, "Finished", "CancellationRefused", { why: "Committed", ...more })
const answers = (it: Deposit, by: "await" | "poll" | "execute", tag: string, reason?: string) =>
  void it.lines.push({
    sequence: it.lines.length,
    at: 90,
    process: 2,
    said: { _tag: "Ended", by, executionId: "d", outcome: { _tag: "Failed", tag, reason, parked: false, message: tag } }
  })

/** What may be said of requests, and contradicts nothing. */
const right: ReadonlyArray<
  readonly [what: string, ended: "Succeeded" | "Undone", change: (evidence: Deposit) => void]
> = [
  ["a request that was taken before the decision", "Undone", (it) => {
    ask(it, { _tag: "Stored" })
    accepted(it)
    answers(it, "await", "Cancelled")
  }],
  ["a request that was refused after the point of no return", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    refused(it)
  }],
  [
    "a request that was accepted while the Final was in doubt, and refused when it had taken effect",
    "Succeeded",
    (it) => {
      ask(it, { _tag: "Stored" })
      event(it, "StepStarted", "CancellationRequested", {})
      refused(it, { message: undefined })
    }
  ],
  ["a request of which nobody knows whether it is stored", "Succeeded", (it) => ask(it, { _tag: "Unsure" })],
  ["a request of the call itself, by its interruption", "Undone", (it) => {
    accepted(it, { by: "its caller", message: undefined })
  }],
  ["a request of a call that was interrupted while another process drove the execution", "Undone", (it) => {
    accepted(it, { by: "its caller" })
  }],
  ["a request of a process that was killed before it could tell the answer", "Undone", (it) => {
    ask(it, { _tag: "Stored" })
    it.lines.pop()
    accepted(it)
  }]
]

const wrong: ReadonlyArray<
  readonly [
    what: string,
    ended: "Succeeded" | "Undone",
    change: (evidence: Deposit) => void,
    found: ReadonlyArray<string>
  ]
> = [
  ["an effect of one that succeeded does not stand", "Succeeded", ({ effects }) => void effects.pop(), ["World"]],
  ["an effect of one that is undone stands", "Undone", ({ effects }) => void delete effects[0]!.undone, ["World"]],
  ["an effect of which nothing is stored", "Succeeded", (it) => void (it.stored = []), ["Lost"]],
  ["an answer that is not stored", "Succeeded", (it) => {
    it.stored = []
    it.effects = []
  }, ["Lost"]],
  ["an answer that is not the stored one", "Undone", ({ lines }) => {
    const said = lines.at(-1)!.said
    if (said._tag === "Ended") said.outcome = { _tag: "Succeeded", output: {} }
  }, ["Answer"]],
  ["a defect that no step has died of", "Undone", ({ lines }) => {
    const said = lines.at(-1)!.said
    if (said._tag === "Ended") said.outcome = { _tag: "Died", message: "TypeError" }
  }, ["Defect"]],
  ["an undo before the decision", "Undone", (it) => void (callOf(it, "undo").at = 47), [
    "NoIntent",
    "UndoneBeforeDecision"
  ]],
  ["a call without an intent", "Succeeded", (it) => void (callOf(it, "do").at = 7), ["NoIntent"]],
  ["a Final after an undo", "Undone", (it) => {
    const wire = it.lines.splice(1, 1)[0]!
    wire.came!.effect = "took"
    wire.sequence = 2
    callOf(it, "undo").sequence = 1
    it.lines.splice(2, 0, wire)
  }, ["ActedAfterUndo"]],
  ["an undo of nothing", "Undone", (it) => void (callOf(it, "undo").came!.effect = "nothing"), ["UndidNothing"]],
  ["another key for the same step", "Succeeded", (it) => {
    const { said } = callOf(it, "do")
    if (said._tag === "Call") said.key = "d/reserve/action2"
  }, ["Key"]],
  ["another output than was returned", "Succeeded", ({ effects }) => void (effects[0]!.receipt = "another"), [
    "Output"
  ]],
  ["one that does not end", "Succeeded", (it) => {
    without(it, "Finished")
    Object.assign(it.stored[0]!, { status: "Running", unfinished: "Running" })
    it.inspected[0]!.status = "Running"
    it.lines.pop()
  }, ["Unfinished"]],
  ["a write under a lease that had not claimed it", "Succeeded", ({ stored }) => void stored[0]!.tokens.push(2, 1), [
    "Writers"
  ]],
  ["a finished one among those that are not", "Succeeded", ({ stored }) => void (stored[0]!.unfinished = "Running"), [
    "Rows"
  ]],
  ["an acknowledged start of which nothing is stored", "Succeeded", (it) => {
    it.stored = []
    it.effects = []
    it.lines = [{ sequence: 0, at: 20, process: 1, said: { _tag: "Begun", executionId: "d" } }]
  }, ["Lost"]],
  ["an acknowledged request that nobody has taken", "Undone", (it) => ask(it, { _tag: "Stored" }), ["Cancellation"]],
  ["an acknowledged request that was taken, and it went forward", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    event(it, "StepStarted", "CancellationRequested", {})
  }, ["Cancellation"]],
  ["a request that was taken twice", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    refused(it)
    refused(it)
  }, ["Cancellation"]],
  ["a refused request that was taken", "Undone", (it) => {
    ask(it, { _tag: "Refused", reason: "Requested" })
    accepted(it)
  }, ["Cancellation"]],
  ["a request that was refused for no reason", "Succeeded", (it) => ask(it, { _tag: "Refused", reason: "Unwinding" }), [
    "Cancellation"
  ]],
  ["a request that was refused before there was a reason", "Succeeded", (it) => {
    ask(it, { _tag: "Refused", reason: "Finished" })
  }, ["Cancellation"]],
  ["a request that its driver has refused too early", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    event(it, "StepSucceeded", "CancellationRefused", { why: "Committed" })
  }, ["Cancellation"]],
  ["a request that its driver has accepted too late", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    event(it, "Finished", "CancellationRequested", {})
  }, ["Cancellation"]],
  ["a request that nobody has made", "Undone", (it) => accepted(it), ["Cancellation"]],
  ["a request that failed in an unknown way", "Undone", (it) => ask(it, { _tag: "Failed", message: "TypeError" }), [
    "Cancellation"
  ]],
  ["a request that does not find what was started", "Succeeded", (it) => {
    it.lines.unshift({ sequence: -1, at: 10, process: 1, said: { _tag: "Begun", executionId: "d" } })
    ask(it, { _tag: "NotFound" })
  }, ["Cancellation"]],
  ["a step that begins under a claim after an acknowledged request", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    refused(it)
    const claimed = { _tag: "Claimed", executionId: "d", fence: 1, token: 2 } as const
    it.lines.push({ sequence: it.lines.length, at: 500, process: 2, said: claimed })
    it.stored[0]!.tokens.push(2)
    const wire = it.lines.splice(1, 1)[0]!
    Object.assign(wire, { at: 700, sequence: it.lines.length + 1 })
    if (wire.said._tag === "Call") wire.said.fence = 1
    it.lines.push(wire)
    for (const event of it.stored[0]!.events.slice(3)) event.at += 600
  }, ["NotTaken"]],
  ["a cancellation that is told to a caller, and that nobody has asked for", "Undone", (it) => {
    answers(it, "execute", "Cancelled")
  }, ["Answer"]],
  ["a cancellation that is told to a caller of one that succeeded", "Succeeded", (it) => {
    ask(it, { _tag: "Stored" })
    refused(it)
    answers(it, "await", "Cancelled")
  }, ["Answer"]],
  ["a message that kept a driver from ending, told to a caller", "Succeeded", (it) => {
    answers(it, "execute", "ExecutionConflict", "HasMessages")
  }, ["Answer"]],
  ["another driver, told to one who only waits", "Succeeded", (it) => {
    answers(it, "await", "ExecutionConflict", "OtherDriver")
  }, ["Answer"]],
  ["one that a waiter does not find", "Succeeded", (it) => answers(it, "poll", "ExecutionNotFound"), ["Answer"]],
  ["an inspection that says something else", "Undone", (it) => void (it.inspected[0]!.status = "Succeeded"), [
    "Inspected"
  ]]
]

describe("the checker of the storm", () => {
  it("has nothing to say of an execution as it must be", () => {
    expect(kinds(deposit("Succeeded"))).toEqual([])
    expect(kinds(deposit("Undone"))).toEqual([])
  })

  for (const [what, ended, change] of right) {
    it(`has nothing to say of ${what}`, () => {
      const evidence = deposit(ended)
      change(evidence)
      expect(check(evidence as unknown as Evidence)).toEqual([])
    })
  }

  for (const [what, ended, change, found] of wrong) {
    it(`finds ${what}`, () => {
      const evidence = deposit(ended)
      change(evidence)
      expect(kinds(evidence)).toEqual(found)
    })
  }

  it("takes a call for late that arrives after another process has claimed the execution, whatever it did", () => {
    const { lines } = deposit("Succeeded") as unknown as Evidence
    expect(checkLate(lines, [])).toEqual({ refused: 0, violations: [] })
    lines[0]!.came = { ...lines[0]!.came!, late: true }
    expect(checkLate(lines, []).violations.map(({ kind }) => kind)).toEqual(["LateCall"])
  })

  it("excuses a call that was refused by its deadline and had begun before it, or is the first after a pause", () => {
    const late = (begunAt: number, id: number): Line => {
      const line = deposit("Succeeded").lines[0]! as unknown as Line
      const said: Call = { ...line.said as Call, id, begunAt, deadline: 100 }
      return { ...line, at: 200, said, came: { effect: "nothing", answer: { _tag: "TooLate" }, late: true } }
    }
    expect(checkLate([late(90, 0)], []).refused).toBe(1)
    expect(checkLate([late(150, 0)], []).violations).toHaveLength(1)
    const pauses = [{ process: 1, from: 95, to: 149 }]
    expect(checkLate([late(150, 0)], pauses).refused).toBe(1)
    const two = checkLate([late(150, 0), late(151, 1)], pauses)
    expect([two.refused, two.violations.length]).toEqual([1, 1])
  })
})
