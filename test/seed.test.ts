/**
 * What the seed of this project did, held against plans: the table of it in `docs/seed.md`, and what is checked before anything
 * runs. `test/seed/` has the rest.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Plan } from "effect-saga"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { announce, look, once, planOf, store, withTools } from "./support/tools.ts"

/** Not by `Effect.flip`, which would fail with the plan where there is one: vitest takes a minute to print that. */
const problemsOf = (...steps: ReadonlyArray<unknown>) =>
  Effect.match(Plan.decode(planOf(...steps)), { onFailure: ({ problems }) => problems, onSuccess: () => [] })

describe("a plan is checked before anything runs", () => {
  it.effect(
    "steps of every classification make a plan, which knows how many there are",
    withTools((tools) =>
      Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(look("check"), store("draft"), store("notes"), announce("publish")))
        expect(Plan.explain(plan).stepCount).toBe(4)
        expect(plan.steps).toEqual([
          { name: "check", classification: "ReadOnly" },
          { name: "draft", classification: "Compensatable" },
          { name: "notes", classification: "Compensatable" },
          { name: "publish", classification: "Final" }
        ])
        expect(tools.calls).toEqual([])
      })
    )
  )

  it.effect(
    "its steps are counted by classification, also where there are none of one",
    withTools(() =>
      Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(look("a"), store("b"), store("c"), announce("d")))
        expect(Plan.explain(plan).counts).toEqual({ ReadOnly: 1, Compensatable: 2, Final: 1 })
        const reading = yield* Plan.decode(planOf(look("a")))
        expect(Plan.explain(reading).counts).toEqual({ ReadOnly: 1, Compensatable: 0, Final: 0 })
      })
    )
  )

  it.effect(
    "a ReadOnly or Compensatable step after a Final one is refused, each with its place and the reason",
    withTools(() =>
      Effect.gen(function*() {
        expect(yield* problemsOf(store("draft"), announce("publish"), look("check"), store("notes"))).toEqual([
          {
            _tag: "InvalidStepOrder",
            at: "/steps/2",
            message: "ReadOnly step \"check\" stands after Final step \"publish\": " +
              "after the point of no return only Final steps may follow"
          },
          {
            _tag: "InvalidStepOrder",
            at: "/steps/3",
            message: "Compensatable step \"notes\" stands after Final step \"publish\": " +
              "after the point of no return only Final steps may follow"
          }
        ])
      })
    )
  )

  it.effect(
    "a Final step may follow a Final one, if it has a retry: from there a plan can only go forward",
    withTools(() =>
      Effect.gen(function*() {
        const plan = yield* Plan.decode(planOf(announce("publish"), { ...announce("mail"), ...once }))
        expect(Plan.explain(plan).pointOfNoReturn).toBe("publish")
        expect(yield* problemsOf(announce("publish"), announce("mail"))).toMatchObject([
          { _tag: "MissingRetry", at: "/steps/1" }
        ])
      })
    )
  )

  it.effect(
    "a Final step that does not say what a doubt about it means is refused",
    withTools(() =>
      Effect.gen(function*() {
        const { inDoubt: _, ...silent } = announce("publish")
        expect(yield* problemsOf(silent)).toMatchObject([{ _tag: "MissingInDoubt", at: "/steps/0" }])
      })
    )
  )

  it.effect(
    "a Compensatable step without a compensation is refused by name",
    withTools(() =>
      Effect.gen(function*() {
        const { compensation: _, ...bare } = store("draft")
        expect(yield* problemsOf(bare)).toEqual([
          {
            _tag: "MissingCompensation",
            at: "/steps/0",
            message: "Compensatable step \"draft\" has no compensation"
          }
        ])
      })
    )
  )

  it.effect(
    "a compensation that would never run, of a ReadOnly or a Final step, is refused",
    withTools(() =>
      Effect.gen(function*() {
        const { compensation } = store("draft")
        expect(yield* problemsOf({ ...look("check"), compensation }, { ...announce("publish"), compensation }))
          .toMatchObject([
            { _tag: "Malformed", at: "/steps/0/compensation" },
            { _tag: "Malformed", at: "/steps/1/compensation" }
          ])
      })
    )
  )

  it.effect(
    "everything that is wrong is named at once, no steps and names used twice included",
    withTools(() =>
      Effect.gen(function*() {
        const { compensation: _, ...bare } = store("draft")
        const problems = yield* problemsOf(bare, announce("publish"), look("draft"))
        expect(problems.map(({ _tag, at }) => `${at} ${_tag}`)).toEqual([
          "/steps/0 MissingCompensation",
          "/steps/2 DuplicateStep",
          "/steps/2 InvalidStepOrder"
        ])
        expect(yield* problemsOf()).toMatchObject([{ _tag: "NoSteps", at: "/steps" }])
      })
    )
  )

  it.effect(
    "a classification that is none of the three is refused",
    withTools(() =>
      Effect.gen(function*() {
        expect(yield* problemsOf({ ...look("check"), classification: "Reversible" })).toMatchObject([
          { _tag: "Malformed", at: "/steps/0/classification" }
        ])
      })
    )
  )

  it.effect(
    "a plan is JSON: what it was read from can be written down and read again",
    withTools(() =>
      Effect.gen(function*() {
        const json = planOf(look("check"), store("draft"), announce("publish"))
        const plan = yield* Plan.decode(json)
        const again = yield* Plan.decode(JSON.parse(JSON.stringify(plan.document)))
        expect(again.document).toEqual({ version: 1, ...json })
      })
    )
  )
})

const root = fileURLToPath(new URL("..", import.meta.url))

/** The public items of the seed, and its tests. */
const items = [
  "StepClassification",
  "StepClassification::ReadOnly",
  "StepClassification::Compensatable",
  "StepClassification::Final",
  "SagaStep",
  "SagaStep::name",
  "SagaStep::classification",
  "SagaStep::action",
  "SagaStep::compensation",
  "SagaAction",
  "SagaAction::tool_name",
  "SagaAction::arguments",
  "StepResult",
  "StepResult::name",
  "StepResult::success",
  "StepResult::output",
  "StepResult::error",
  "SagaResult",
  "SagaResult::success",
  "SagaResult::step_results",
  "SagaResult::compensation_results",
  "SagaResult::summary",
  "IdempotencyKey",
  "IdempotencyKey::generate",
  "SagaCheckpoint",
  "SagaCheckpoint::record_intent",
  "SagaCheckpoint::record_outcome",
  "SagaCheckpoint::pending_intents",
  "InMemoryCheckpoint",
  "InMemoryCheckpoint::new",
  "InMemoryCheckpoint::default",
  "SagaOrchestrator",
  "SagaOrchestrator::new",
  "SagaOrchestrator::execute",
  "SagaOrchestrator::execute_with_checkpoint",
  "SagaOrchestrator::recover",
  "SagaOrchestrator::step_count",
  "SagaOrchestrator::steps_by_classification",
  "SagaError",
  "SagaError::InvalidStepOrder",
  "SagaError::MissingCompensation",
  "SagaError::CheckpointFailed",
  "test_valid_saga_creation",
  "test_invalid_order_non_final_after_final",
  "test_missing_compensation",
  "test_saga_all_succeed",
  "test_saga_fail_at_step_3_compensates_2_and_1",
  "test_saga_fail_at_readonly_no_compensation",
  "test_steps_by_classification",
  "test_final_step_with_checkpoint_records_intent_and_outcome",
  "test_simulated_crash_leaves_pending_intent",
  "test_recovery_re_executes_pending_final_step",
  "test_idempotency_key_prevents_double_execution",
  "test_execute_without_checkpoint_backward_compat"
]

/** The titles of a file's tests, where none of them is left out of a run. */
const titlesIn = (file: string): ReadonlyArray<string> => {
  if (!/^test\/[\w./-]+\.test\.ts$/.test(file) || !existsSync(root + file)) return []
  const text = readFileSync(root + file, "utf8")
  if (/\b(it|describe)(\.\w+)*\.(skip|only|todo|fails)\b/.test(text)) return []
  return Array.from(
    text.matchAll(/\bit(?:\.\w+)?\(\s*("(?:[^"\\]|\\.)*")/g),
    ([, title]) => JSON.parse(title!) as string
  )
}

const wrongWith = (table: string) => {
  const rows = table.split("\n")
    .filter((line) => line.startsWith("|") && !/^\| (seed|---) \|/.test(line))
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()))
  const inRows = rows.flatMap((cells) => {
    const [seed = "", here = "", why = "", tests = ""] = cells
    if (cells.length !== 4 || [seed, here, why].includes("")) {
      return [`${seed}: a row has four cells, and none is empty`]
    }
    return tests.split("<br>").flatMap((test) => {
      const [, file, title] = /^`(.+?)` › (.+)$/.exec(test) ?? []
      if (file === undefined || title === undefined) return [`${seed}: it names no test`]
      return titlesIn(file).includes(title) ? [] : [`${seed}: ${file} has no test "${title}"`]
    })
  })
  const named = new Set(rows.map(([seed]) => seed))
  return [...inRows, ...items.flatMap((item) => named.has(`\`${item}\``) ? [] : [`${item}: it has no row`])]
}

describe("the table of the seed, docs/seed.md", () => {
  const table = readFileSync(`${root}docs/seed.md`, "utf8")

  it("would not pass without a row, with a row without a test, or with a test that is not there", () => {
    const withoutRow = table.replace(/^\| `SagaOrchestrator::recover` \|.*\n/m, "")
    expect(wrongWith(withoutRow)).toEqual(["SagaOrchestrator::recover: it has no row"])
    expect(wrongWith(`${table}| a | b | c | |`)).toEqual(["a: it names no test"])
    expect(wrongWith(`${table}| a | b | | d |`)).toEqual(["a: a row has four cells, and none is empty"])
    expect(wrongWith(`${table}| a | b | c | \`test/seed.test.ts\` › no such test |`)).toEqual([
      "a: test/seed.test.ts has no test \"no such test\""
    ])
  })

  it("has a row for each item of the seed, and each row names tests that are there", () => {
    expect(wrongWith(table)).toEqual([])
  })
})
