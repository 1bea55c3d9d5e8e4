/**
 * Parallel, nested, conditional, and in doubt: an order reserves its goods and a courier at the same time, insures the parcel
 * if it is dear (a saga of its own), and charges a bank that sometimes gives no answer.
 */
import { Effect, Option, Schema } from "effect"
import { Saga, SagaError } from "effect-saga"

class NoCourier extends Schema.TaggedError<NoCourier>()("NoCourier", { city: Schema.String }) {}

const say = (line: string) => Effect.sync(() => console.log(`   ${line}`))

/** A bank that honours idempotency keys, and loses its first answer to a big charge. */
const bank = {
  charged: new Map<string, number>(),
  charge: (key: string, amount: number) =>
    Effect.suspend(() => {
      const first = !bank.charged.has(key)
      bank.charged.set(key, amount)
      return amount > 500 && first
        ? Effect.fail(new SagaError.OutcomeUnknown({ reason: "the connection broke after the request was sent" }))
        : Effect.succeed(`receipt over ${amount}`)
    }),
  find: (key: string) =>
    Effect.sync(() => Option.map(Option.fromNullable(bank.charged.get(key)), (n) => `receipt over ${n}`))
}

const insure = Saga.make("Insure", { input: Schema.Struct({ value: Schema.Int }) })
  .readOnly("premium", { action: ({ input }) => Effect.succeed(Math.ceil(input.value / 100)) })
  .compensatable("policy", {
    action: ({ input, outputs }) => Effect.as(say(`insured ${input.value} for ${outputs.premium}`), outputs.premium),
    compensate: () => say("insurance cancelled")
  })
  .build(({ outputs }) => outputs.premium)

const order = Saga.make("Order", { input: Schema.Struct({ city: Schema.String, price: Schema.Int }) })
  .parallel((branch) =>
    branch
      .compensatable("goods", {
        action: () => say("goods reserved"),
        compensate: () => say("goods released")
      })
      .compensatable("courier", {
        action: ({ input }) =>
          input.city === "Atlantis"
            ? Effect.fail(new NoCourier({ city: input.city }))
            : say(`courier to ${input.city} booked`),
        compensate: () => say("courier cancelled")
      })
  )
  .compensatable("gift", {
    when: ({ input }) => input.price > 500,
    action: () => Effect.as(say("a gift is added"), "chocolate"),
    compensate: () => say("the gift is taken out")
  })
  .saga("insurance", insure, { input: ({ input }) => ({ value: input.price }) })
  .final("charge", {
    action: ({ idempotencyKey, input, outputs }) => bank.charge(idempotencyKey, input.price + outputs.insurance),
    timeout: "5 seconds",
    inDoubt: "verify",
    verify: ({ idempotencyKey }) => Effect.tap(bank.find(idempotencyKey), () => say("no answer, so the bank is asked"))
  })
  .build(({ outputs }) => ({
    receipt: outputs.charge,
    gift: Option.getOrElse(outputs.gift, () => "none")
  }))

const place = (city: string, price: number) =>
  Effect.gen(function*() {
    console.log(`An order over ${price} to ${city}`)
    const report = yield* Saga.report(order, { city, price })
    if (report._tag === "Succeeded") yield* say(`${report.output.receipt}, gift: ${report.output.gift}`)
    yield* say(report.summary)
  })

void Effect.runPromise(Effect.all([place("Rome", 40), place("Oslo", 900), place("Atlantis", 40)]))
