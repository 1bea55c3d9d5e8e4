import { describe, expect, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { Journal } from "effect-saga"

const at = 0
const started: Journal.Event = { _tag: "Started", saga: "Trip", version: 1, fingerprint: "[]", at }
const stepStarted = (step: string, classification: Journal.Classification = "Compensatable"): Journal.Event => ({
  _tag: "StepStarted",
  step,
  classification,
  at
})
const succeeded = (step: string): Journal.Event => ({ _tag: "StepSucceeded", step, attempts: 1, at })
const failed = (step: string): Journal.Event => ({ _tag: "StepFailed", step, failures: [], attempts: 1, at })
const inDoubt = (step: string): Journal.Event => ({ _tag: "StepInDoubt", step, reason: "", attempts: 1, at })
const unwinding: Journal.Event = { _tag: "UnwindingStarted", failures: [], at }
const undoing = (step: string): Journal.Event => ({ _tag: "CompensationStarted", step, at })
const undone = (step: string): Journal.Event => ({ _tag: "CompensationSucceeded", step, attempts: 1, at })
const undoFailed = (step: string): Journal.Event => ({
  _tag: "CompensationFailed",
  step,
  failures: [],
  attempts: 1,
  at
})
const parkedFor = (reason: Journal.ParkedReason): Journal.Event => ({ _tag: "Parked", reason, at })
const parked = parkedFor("PartlyUndone")
const resumed: Journal.Event = { _tag: "Resumed", at }
const waitStarted = (step: string): Journal.Event => ({ _tag: "WaitStarted", step, signal: "m", until: 9, at })
const waits: Journal.Event = { _tag: "Waiting", at }
const received = (signal: string, message: number, more: { readonly step?: string; readonly id?: string } = {}) =>
  ({ _tag: "SignalReceived", signal, message, by: "", ...more, at }) satisfies Journal.Event
const finished = (result: "Succeeded" | "Undone"): Journal.Event => ({ _tag: "Finished", result, at })

const listed = (...keys: ReadonlyArray<string>): Journal.Event => ({
  _tag: "ItemsListed",
  list: "lines",
  items: keys.map((key) => ({ key, item: { sku: key } })),
  at
})

const hotelDone = [started, stepStarted("hotel"), succeeded("hotel")]

const statusAfter = (...events: ReadonlyArray<Journal.Event>) => {
  const state = Journal.fold(events)
  if (state === undefined || state instanceof Journal.InvalidTransition) throw new Error(JSON.stringify(state))
  return state
}

const problemAfter = (...events: ReadonlyArray<Journal.Event>) => {
  const state = Journal.fold(events)
  return state instanceof Journal.InvalidTransition ? `${state.event}: ${state.problem}` : "no problem"
}

describe("the transition table takes", () => {
  it("an execution that succeeds", () => {
    expect(statusAfter(...hotelDone, finished("Succeeded"))).toMatchObject({ status: "Succeeded", endedAt: at })
  })

  it("an execution that fails and is undone", () => {
    const events = [...hotelDone, stepStarted("flight"), failed("flight"), unwinding, undoing("hotel"), undone("hotel")]
    expect(statusAfter(...events)).toMatchObject({ status: "Unwinding", direction: "Back" })
    expect(statusAfter(...events, finished("Undone")).status).toBe("Undone")
  })

  it("an execution that waits, and goes on", () => {
    const events = [started, waitStarted("a"), waits]
    expect(statusAfter(...events)).toMatchObject({
      status: "Waiting",
      direction: "Forward",
      waits: { step: "a", signal: "m", until: 9 }
    })
    const on = statusAfter(...events, resumed)
    expect(on).toMatchObject({ status: "Running", waits: { step: "a" } })
    expect(statusAfter(...events, resumed, waits).status).toBe("Waiting")
    expect(statusAfter(...events, resumed, succeeded("a"), finished("Succeeded")).status).toBe("Succeeded")
    expect(statusAfter(...events, resumed, failed("a"), unwinding)).toMatchObject({
      status: "Unwinding",
      waits: undefined
    })
  })

  it("a signal, which a step uses that waits for it, once, and in the order in which they came", () => {
    const kept = statusAfter(
      started,
      received("m", 1),
      received("n", 2),
      received("m", 3, { step: "b" }),
      received("m", 4)
    )
    expect(kept.signals.map(({ message }) => message)).toEqual([1, 2, 3, 4])
    expect(kept.taken).toBe(4)
    const signalsAfter = (...events: ReadonlyArray<Journal.Event>) =>
      statusAfter(
        started,
        received("m", 1),
        received("n", 2),
        received("m", 3, { step: "b" }),
        received("m", 4),
        ...events
      ).signals.map(({ message }) => message)
    expect(signalsAfter(waitStarted("a"), succeeded("a"))).toEqual([2, 3, 4])
    expect(signalsAfter(waitStarted("a"), succeeded("a"), waitStarted("c"), succeeded("c"))).toEqual([2, 3])
    expect(signalsAfter(waitStarted("a"), succeeded("a"), waitStarted("b"), succeeded("b"))).toEqual([2, 4])
    // Another step's end uses none.
    expect(signalsAfter(stepStarted("z", "ReadOnly"), succeeded("z"))).toEqual([1, 2, 3, 4])
  })

  it("a signal of an id that has come before, which is not kept", () => {
    const state = statusAfter(started, received("m", 1, { id: "7" }), received("m", 2, { id: "7" }), received("m", 3))
    expect(state.signals.map(({ message }) => message)).toEqual([1, 3])
    expect(state.taken).toBe(3)
  })

  it("a compensation that fails, parks the execution, and is tried again", () => {
    const events = [...hotelDone, unwinding, undoing("hotel"), undoFailed("hotel"), parked]
    expect(statusAfter(...events)).toMatchObject({ status: "Parked", parked: "PartlyUndone", direction: "Back" })
    expect(statusAfter(...events, resumed).status).toBe("Unwinding")
    expect(statusAfter(...events, resumed, undoing("hotel"), undone("hotel"), finished("Undone")).status).toBe("Undone")
  })

  it("a step in doubt that runs again, and a step whose process died during it", () => {
    expect(
      statusAfter(started, stepStarted("hotel"), inDoubt("hotel"), stepStarted("hotel"), succeeded("hotel")).status
    )
      .toBe("Running")
    expect(statusAfter(started, stepStarted("hotel"), stepStarted("hotel"), succeeded("hotel")).status).toBe("Running")
  })

  it("a step that starts again as the one that it was: its place, and the time of its first start", () => {
    const first = [started, stepStarted("hotel"), stepStarted("flight")]
    const state = statusAfter(...first, inDoubt("hotel"), { ...stepStarted("hotel"), at: 7 } as Journal.Event)
    expect(state.steps.get("hotel")).toMatchObject({ index: 0, startedAt: 0, doubt: "", status: "Started" })
    expect(state.steps.get("flight")).toMatchObject({ index: 1 })
  })

  it("an execution that goes on after it was parked without what it was parked for", () => {
    const failures = [{ kind: "Die", tag: "TypeError", message: "projection" }] as const
    const parked: Journal.Event = { _tag: "Parked", reason: "KeepsFailing", failures, claims: 11, at }
    expect(statusAfter(...hotelDone, parked)).toMatchObject({ parked: "KeepsFailing", claims: 11, failures })
    expect(statusAfter(...hotelDone, parked, resumed)).toMatchObject({ parked: undefined, claims: 0, failures: [] })
    // On the way back there is still the reason for that.
    const back: Journal.Event = { _tag: "UnwindingStarted", failures, at }
    expect(statusAfter(...hotelDone, back, undoing("hotel"), undoFailed("hotel"), parkedFor("PartlyUndone"), resumed))
      .toMatchObject({ parked: undefined, failures })
  })

  it("a compensation that is tried again as one that began with its first try, and has no failure once it has succeeded", () => {
    const failures = [{ kind: "Die", tag: "Error", message: "busy" }] as const
    const failed = { ...undoFailed("hotel"), failures, at: 2 } as Journal.Event
    const events = [...hotelDone, unwinding, { ...undoing("hotel"), at: 1 } as Journal.Event, failed]
    expect(statusAfter(...events).steps.get("hotel")).toMatchObject({ undoStartedAt: 1, undoFailures: failures })
    const again = [{ ...undoing("hotel"), at: 3 } as Journal.Event, { ...undone("hotel"), at: 4 } as Journal.Event]
    expect(statusAfter(...events, parked, resumed, ...again).steps.get("hotel")).toMatchObject({
      undoStartedAt: 1,
      undoEndedAt: 4,
      undoFailures: []
    })
  })

  it("an end as undone while a step that only reads is open, or skipped", () => {
    const skipped: Journal.Event = { _tag: "StepSkipped", step: "car", classification: "Compensatable", at }
    const events = [started, stepStarted("look", "ReadOnly"), skipped, unwinding, finished("Undone")]
    expect(statusAfter(...events).status).toBe("Undone")
  })

  it("the items of a list, which all later states have", () => {
    const items = [{ key: "a", item: { sku: "a" } }, { key: "b", item: { sku: "b" } }]
    const other: Journal.Event = { _tag: "ItemsListed", list: "others", items: [], at }
    const state = statusAfter(...hotelDone, listed("a", "b"), other, finished("Succeeded"))
    expect(Array.from(state.lists)).toEqual([["lines", items], ["others", []]])
    const before = statusAfter(...hotelDone, listed("a", "b"))
    Journal.transition(before, other)
    expect(before.lists.size).toBe(1)
  })

  it("nothing, as nothing", () => {
    expect(Journal.fold([])).toBeUndefined()
  })

  it("any events one by one, as it takes them together, and leaves each state as it was", () => {
    const event = fc.oneof(
      fc.constantFrom(unwinding, parked, resumed, finished("Succeeded"), finished("Undone")),
      fc.tuple(
        fc.constantFrom(stepStarted, succeeded, failed, inDoubt, undoing, undone, undoFailed),
        fc.constantFrom("hotel", "flight")
      ).map(([make, step]) => make(step))
    )
    fc.assert(fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const fitting: Array<Journal.Event> = [started]
      let state = Journal.transition(undefined, started) as Journal.ExecutionState
      for (const event of events) {
        const before = structuredClone(state)
        const next = Journal.transition(state, event)
        expect(state).toEqual(before)
        if (next instanceof Journal.InvalidTransition) continue
        fitting.push(event)
        state = next
      }
      expect(Journal.fold(fitting)).toEqual(state)
      expect(Journal.steps(state).map(({ index }) => index)).toEqual([...state.steps.keys()].map((_, index) => index))
    }))
  })
})

describe("the transition table refuses", () => {
  const refused: Record<string, readonly [events: ReadonlyArray<Journal.Event>, problem: string]> = {
    "a journal without a start": [[succeeded("hotel")], "StepSucceeded: the journal does not begin with Started"],
    "a second start": [[started, started], "Started: the execution has started before"],
    "an outcome without an intent": [[started, succeeded("hotel")], `StepSucceeded: step "hotel" has not started`],
    "a second outcome": [[...hotelDone, failed("hotel")], `StepFailed: step "hotel" is Succeeded`],
    "starting what has succeeded": [[...hotelDone, stepStarted("hotel")], `StepStarted: step "hotel" is Succeeded`],
    "a compensation before the decision to unwind": [
      [...hotelDone, undoing("hotel")],
      "CompensationStarted: no decision to unwind has been stored"
    ],
    "a compensation of what has not succeeded": [
      [started, stepStarted("hotel"), failed("hotel"), unwinding, undoing("hotel")],
      `CompensationStarted: Compensatable step "hotel" is Failed`
    ],
    "a compensation of a Final": [
      [started, stepStarted("charge", "Final"), failed("charge"), unwinding, undoing("charge")],
      `CompensationStarted: Final step "charge" is Failed`
    ],
    "a compensation's outcome without its intent": [
      [...hotelDone, unwinding, undone("hotel")],
      `CompensationSucceeded: step "hotel" is Succeeded`
    ],
    "undoing twice": [
      [...hotelDone, unwinding, undoing("hotel"), undone("hotel"), undoing("hotel")],
      `CompensationStarted: Compensatable step "hotel" is Undone`
    ],
    "going forward after the decision to unwind": [
      [...hotelDone, unwinding, stepStarted("flight")],
      "StepStarted: the execution is being unwound"
    ],
    "a forward outcome after the decision to unwind": [
      [...hotelDone, stepStarted("flight"), unwinding, succeeded("flight")],
      "StepSucceeded: the execution is being unwound"
    ],
    "a second decision to unwind": [
      [...hotelDone, unwinding, unwinding],
      "UnwindingStarted: the execution is being unwound already"
    ],
    "unwinding under a Final that has taken effect": [
      [started, stepStarted("charge", "Final"), succeeded("charge"), unwinding],
      `UnwindingStarted: Final step "charge" has taken effect`
    ],
    "an end in success while a step is open": [
      [started, stepStarted("hotel"), finished("Succeeded")],
      `Finished: step "hotel" is Started`
    ],
    "an end in success after a step failed": [
      [started, stepStarted("hotel"), failed("hotel"), finished("Succeeded")],
      `Finished: step "hotel" is Failed`
    ],
    "an end undone while something stands": [
      [...hotelDone, unwinding, finished("Undone")],
      `Finished: step "hotel" is Succeeded`
    ],
    "an end undone while a step is in doubt": [
      [started, stepStarted("hotel"), inDoubt("hotel"), unwinding, finished("Undone")],
      `Finished: step "hotel" is InDoubt`
    ],
    "an end that is not where the execution goes": [
      [started, finished("Undone")],
      "Finished: an execution that goes forward cannot end Undone"
    ],
    "an end undone with an output": [
      [...hotelDone, unwinding, undoing("hotel"), undone("hotel"), {
        _tag: "Finished",
        result: "Undone",
        output: {},
        at
      }],
      "Finished: an execution that was undone has no output"
    ],
    "anything but Resumed while parked": [
      [...hotelDone, parked, stepStarted("flight")],
      "StepStarted: the execution is parked"
    ],
    "the items of a list twice": [
      [started, listed("a"), listed("b")],
      `ItemsListed: the items of "lines" are known already`
    ],
    "two items of one key": [[started, listed("a", "b", "a")], `ItemsListed: two items of "lines" have the same key`],
    "the items of a list on the way back": [
      [...hotelDone, unwinding, listed("a")],
      "ItemsListed: the execution is being unwound"
    ],
    "Resumed while neither parked nor waiting": [
      [started, resumed],
      "Resumed: the execution is neither parked nor waiting"
    ],
    "a wait of an execution of which no step waits": [[started, waits], "Waiting: no step waits"],
    "anything but Resumed while it waits": [
      [started, waitStarted("a"), waits, received("m", 1)],
      "SignalReceived: the execution waits"
    ],
    "a second step that waits": [[started, waitStarted("a"), waitStarted("b")], `WaitStarted: step "a" waits already`],
    "a step that waits while it goes back": [
      [started, unwinding, waitStarted("a")],
      "WaitStarted: the execution is being unwound"
    ],
    "anything after the end": [
      [...hotelDone, finished("Succeeded"), unwinding],
      "UnwindingStarted: the execution is finished"
    ]
  }
  for (const [what, [events, problem]] of Object.entries(refused)) {
    it(what, () => expect(problemAfter(...events)).toBe(problem))
  }
})

describe("a commit", () => {
  const event = fc.oneof(
    fc.constantFrom(started, unwinding, parked, resumed, finished("Undone")),
    fc.record({ step: fc.string(), output: fc.jsonValue() }).map(({ output, step }): Journal.Event => ({
      _tag: "StepSucceeded",
      step,
      output: JSON.parse(JSON.stringify(output)),
      attempts: 2,
      at: 5
    })),
    fc.string().map(stepStarted),
    fc.string().map((step): Journal.Event => ({ _tag: "StepSucceeded", step, attempts: 1, at: 6 })),
    fc.jsonValue().map((value): Journal.Event => ({
      _tag: "Finished",
      result: "Succeeded",
      output: { value: JSON.parse(JSON.stringify(value)) },
      at: 7
    }))
  )

  it.prop("is read back as it was written", [fc.array(event)], ([events]) => {
    const text = Journal.encodeCommit(events)
    expect(Effect.runSync(Journal.decodeCommit(text))).toEqual(events)
    expect(text).toBe(JSON.stringify({ format: 1, events }))
  })

  it.prop("is the same where the output is text already", [fc.jsonValue()], ([value]) => {
    const ended: Journal.Event = { _tag: "Finished", result: "Succeeded", output: { value }, at }
    expect(Journal.encodeEvent(ended, JSON.stringify(value))).toBe(JSON.stringify(ended))
  })

  it("is plain JSON with a format number, and no event is changed by encoding it", () => {
    expect(JSON.parse(Journal.encodeCommit(hotelDone))).toEqual({ format: 1, events: hotelDone })
    expect(Schema.encodeSync(Schema.Array(Journal.Event))(hotelDone)).toEqual(hotelDone)
  })
})
