/** No message of ours about a value that cannot be stored or read back has the value in it, and no log line. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Inspectable, Logger, ParseResult, Schema } from "effect"
import { Checkpoint, Journal, Recovery, Saga } from "effect-saga"
import { failureOf } from "./support/exit.ts"
import { process } from "./support/store.ts"

const secret = "4111 1111"
const Card = Schema.Struct({ card: Schema.String })
const NewCard = Schema.Struct({ card: Schema.Number })
const one = { executionId: "1" }

/** A later definition of the same steps, whose schemas cannot read what the earlier one has stored. */
const payOf = (schemas: {
  readonly input: Schema.Schema<any>
  readonly output: Schema.Schema<any>
  readonly version?: number
  readonly success?: Schema.Schema<any>
}) =>
  Saga.make("Pay", { input: schemas.input, version: schemas.version ?? 1 })
    .compensatable("reserve", {
      success: schemas.output,
      action: () => Effect.succeed({ card: secret }),
      compensate: () => Effect.void
    })
    .final("charge", { inDoubt: "park", action: () => Effect.never, timeout: "1 millis" })
    .build(() => undefined)

const doneOf = (version: number, success: Schema.Schema<any>) =>
  Saga.make("Done", { version })
    .final("charge", { inDoubt: "retry", action: () => Effect.void })
    .build(() => ({ card: secret }), { success })

const Strange: Schema.Schema<any> = Schema.transformOrFail(Schema.Unknown, Schema.Unknown, {
  decode: (value) => {
    throw new Error(`no sense in ${JSON.stringify(value)}`)
  },
  encode: (value, _, ast) => ParseResult.fail(new ParseResult.Type(ast, value, `no sense in ${JSON.stringify(value)}`))
})

/** The log of a program as text, with what it returns. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ annotations, cause, message }) => {
    lines.push(Inspectable.toStringUnknown([message, cause, annotations]))
  })
  return Effect.map(
    Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
    (value) => ({ value, log: lines.join("\n") })
  )
}

/** Until this process does not drive the execution any more. */
const untilLeft = Effect.flatMap(
  Checkpoint.Checkpoint,
  ({ findDriven }) =>
    Effect.repeat(Effect.as(Effect.yieldNow(), undefined), { until: () => findDriven("1") === undefined })
)

const messageOf = (error: unknown): string => (error as { readonly message: string }).message

describe("a message about a stored value says where and what was expected, and not the value", () => {
  const unreadable = (later: Parameters<typeof payOf>[0]) =>
    Effect.gen(function*() {
      const store = yield* Checkpoint.makeMemory
      const card = { card: secret }
      yield* process(store, Effect.exit(Saga.execute(payOf({ input: Card, output: Card }), card, one)))
      const error = failureOf(yield* process(store, Effect.exit(Saga.poll(payOf(later), "1"))))
      const { log } = yield* logged(process(store, Recovery.run([payOf(later)])))
      return { error, log }
    })

  it.live("of an input", () =>
    Effect.gen(function*() {
      const { error, log } = yield* unreadable({ input: NewCard, output: Card })
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect(messageOf(error)).toContain(
        `the input: { readonly card: number }␊└─ ["card"]␊   └─ Expected number, actual`
      )
      expect(messageOf(error)).not.toContain(secret)
      expect(log).not.toContain(secret)
    }))

  it.live("of an output", () =>
    Effect.gen(function*() {
      const { error, log } = yield* unreadable({ input: Card, output: NewCard })
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
      expect(messageOf(error)).toContain(`the output of step "reserve": { readonly card: number }␊└─ ["card"]`)
      expect(messageOf(error)).not.toContain(secret)
      expect(log).not.toContain(secret)
    }))

  it.live("also if the schema itself quotes it", () =>
    Effect.gen(function*() {
      const { error, log } = yield* unreadable({ input: Card, output: Strange })
      expect(messageOf(error)).toContain(`the output of step "reserve": the schema threw: Error`)
      expect(messageOf(error)).not.toContain(secret)
      expect(log).not.toContain(secret)
    }))

  it.effect("of the output of a saga, by this definition and by a later one", () =>
    Effect.gen(function*() {
      yield* Saga.execute(doneOf(1, Card), undefined, one)
      const corrupt = failureOf(yield* Effect.exit(Saga.await(doneOf(1, NewCard), "1")))
      expect(corrupt).toMatchObject({ _tag: "JournalCorrupt" })
      expect(messageOf(corrupt)).toContain("the output: { readonly card: number }")
      const changed = failureOf(yield* Effect.exit(Saga.await(doneOf(2, NewCard), "1")))
      expect(changed).toMatchObject({ _tag: "DefinitionChanged", finished: true })
      expect(messageOf(changed)).toContain("cannot read the stored output: { readonly card: number }")
      for (const error of [corrupt, changed]) expect(messageOf(error)).not.toContain(secret)
    }).pipe(Effect.provide(Checkpoint.layerMemory)))

  it.effect("of an output that cannot be stored, in the log of an execution that nobody waits for", () =>
    Effect.gen(function*() {
      const saga = Saga.make("Pay")
        .final("charge", {
          inDoubt: "park",
          success: NewCard,
          action: () => Effect.succeed({ card: secret } as unknown as { readonly card: number })
        })
        .build(() => undefined)
      const store = yield* Checkpoint.makeMemory
      const { log } = yield* logged(process(store, Effect.zipRight(Saga.start(saga, undefined, one), untilLeft)))
      expect(log).toContain("cannot be stored")
      expect(log).not.toContain(secret)
      const quoting = Saga.make("Pay")
        .final("charge", { inDoubt: "park", success: Strange, action: () => Effect.succeed({ card: secret }) })
        .build(() => undefined)
      const error = failureOf(
        yield* Effect.exit(
          process(yield* Checkpoint.makeMemory, Saga.execute(quoting, undefined, one))
        )
      )
      expect(error).toMatchObject({ _tag: "NotStorable", step: "charge" })
      expect(messageOf(error)).not.toContain(secret)
    }))

  it.effect("of a journal that is damaged", () =>
    Effect.gen(function*() {
      const damaged: ReadonlyArray<readonly [string, string]> = [
        [secret, "its text is no JSON"],
        [`{"format":"${secret}","events":[]}`, "Expected number, actual <redacted> at format"],
        [
          `{"format":1,"events":[{"_tag":"StepStarted","step":["${secret}"],"classification":"Final","at":1}]}`,
          "Expected string, actual <redacted> at events.0.step"
        ]
      ]
      for (const [body, problem] of damaged) {
        const error = yield* Effect.either(Journal.decodeCommit(body))
        expect(Either.getLeft(error).pipe((left) => left._tag === "Some" ? left.value : undefined)).toBe(problem)
      }
    }))
})
