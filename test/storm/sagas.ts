/** The sagas of the storm, see `shapes.ts`. Each step asks the bank, under its key. */
import { Effect, Schedule, Schema } from "effect"
import { Saga } from "effect-saga"
import type { Customer, Declined } from "./customer.ts"
import type { Odds } from "./messages.ts"
import { chanceOf } from "./random.ts"
import { isEven, type ShapeName } from "./shapes.ts"

const Input = Schema.Struct({ amount: Schema.Int })
const input = ({ input }: { readonly input: typeof Input.Type }) => input
const DeclinedSchema = Schema.Literal("refused", "busy", "too late")
const success = Schema.String
const soon = Schedule.spaced("20 millis")

export const sagasOf = ({ act, actOrDoubt, undo, verify }: Customer) => {
  /** A step that has no policy for a doubt: a crash runs it again. */
  const book = (step: string, odds: Odds = {}) => ({
    success,
    error: DeclinedSchema,
    action: act(step, { refused: 0.03, busy: 0.05, dead: 0.004, ...odds }),
    compensate: undo(step, odds),
    retry: { times: 2, while: (error: Declined) => error === "busy" },
    compensationRetry: { times: 2, schedule: soon }
  })
  const onlyBusy = { times: 2, while: (error: unknown) => error === "busy" }
  const verifyOdds = { unknown: 0.04 }
  /** A look that may find nothing, from an execution's id, so that it needs nobody. */
  const look = (step: string, refused: number) => ({
    success,
    error: DeclinedSchema,
    action: ({ executionId }: { readonly executionId: string }): Effect.Effect<string, Declined> =>
      Effect.zipRight(
        Effect.sleep(5 * chanceOf(executionId)),
        chanceOf(`${executionId} ${step}`) < refused ? Effect.fail("refused" as const) : Effect.succeed("seen")
      )
  })

  const Order = Saga.make("Order", { input: Input })
    .readOnly("quote", look("quote", 0.02))
    .compensatable("flight", book("flight"))
    .compensatable("hotel", {
      success,
      action: actOrDoubt("hotel", { refused: 0.03, busy: 0.05, unknown: 0.05, lost: 0.03 }),
      error: "asRecoveredFailure",
      compensate: undo("hotel", { busy: 0.1, lost: 0.02 }),
      retry: onlyBusy,
      timeout: "400 millis",
      inDoubt: "verify",
      verify: verify("hotel", verifyOdds),
      compensationRetry: { times: 3, schedule: soon },
      compensationTimeout: "400 millis"
    })
    .readOnly("risk", look("risk", 0.1))
    .final("charge", {
      success,
      action: actOrDoubt("charge", { refused: 0.1, busy: 0.05, unknown: 0.05, lost: 0.03 }),
      error: "asRecoveredFailure",
      retry: onlyBusy,
      timeout: "400 millis",
      inDoubt: "verify",
      verify: verify("charge", verifyOdds)
    })
    .final("email", {
      success,
      action: act("email", { busy: 0.2 }),
      error: "asRecoveredFailure",
      inDoubt: "retry",
      retry: { schedule: Schedule.spaced("50 millis") }
    })
    .build()

  const insure = Saga.make("Insure", { input: Input })
    .compensatable("policy", book("insurance/policy"))
    .compensatable("extra", { ...book("insurance/extra"), when: ({ input }) => isEven(input.amount) })
    .build()

  const Trip = Saga.make("Trip", { input: Input })
    .parallel((branch) =>
      branch
        .compensatable("room", book("room"))
        .compensatable("car", {
          success,
          action: actOrDoubt("car", { refused: 0.05, unknown: 0.05, lost: 0.03 }),
          error: "asRecoveredFailure",
          compensate: undo("car", { busy: 0.1 }),
          timeout: "400 millis",
          inDoubt: "verify",
          verify: verify("car", verifyOdds),
          compensationRetry: { times: 3, schedule: soon }
        })
        .saga("insurance", insure, { input })
    )
    .compensatable("lounge", { ...book("lounge"), when: ({ input }) => isEven(input.amount) })
    .final("pay", {
      success,
      action: actOrDoubt("pay", { refused: 0.1, busy: 0.05, unknown: 0.05, lost: 0.03 }),
      error: "asRecoveredFailure",
      timeout: "400 millis",
      inDoubt: "retry",
      retry: { times: 3, schedule: soon }
    })
    .build()

  const load = Saga.make("Load", { input: Input })
    .compensatable("crate", book("load/crate"))
    .compensatable("seal", book("load/seal", { stubborn: 0.1 }))
    .build()

  const Convoy = Saga.make("Convoy", { input: Input, onCompensationFailure: "stop" })
    .compensatable("truck", book("truck"))
    .parallel((branch) =>
      branch
        .compensatable("driver", book("driver", { stubborn: 0.1 }))
        .compensatable("guard", book("guard"))
        .saga("load", load, { input }), { unwind: "parallel" })
    .compensatable("permit", book("permit", { stubborn: 0.2 }))
    .readOnly("weather", look("weather", 0.5))
    .build()

  const Deposit = Saga.make("Deposit", { input: Input })
    .compensatable("reserve", {
      success,
      action: actOrDoubt("reserve", { refused: 0.05, unknown: 0.03 }),
      error: "asRecoveredFailure",
      compensate: undo("reserve", { stubborn: 0.2 }),
      inDoubt: "park",
      retry: onlyBusy
    })
    .final("wire", {
      success,
      action: actOrDoubt("wire", { refused: 0.2, unknown: 0.05, lost: 0.02 }),
      error: "asRecoveredFailure",
      timeout: "400 millis",
      inDoubt: "park"
    })
    .build()

  const Shipment = Saga.make("Shipment", { input: Input })
    .compensatable("stock", book("stock"))
    .final("invoice", {
      success,
      action: act("invoice", { refused: 0.1 }),
      error: "asRecoveredFailure",
      inDoubt: "retry"
    })
    .final("ship", {
      success,
      action: actOrDoubt("ship", { busy: 0.4, unknown: 0.05 }),
      error: "asRecoveredFailure",
      inDoubt: "verify",
      verify: verify("ship", verifyOdds),
      retry: { times: 1 }
    })
    .final("thank", {
      success,
      action: act("thank", { busy: 0.2 }),
      error: "asRecoveredFailure",
      inDoubt: "retry",
      retry: { times: 2, schedule: soon },
      when: ({ input }) => isEven(input.amount)
    })
    .build()

  const stay = Saga.make("Stay", { input: Input })
    .compensatable("tent", book("leg/stay/tent"))
    .compensatable("meal", book("leg/stay/meal", { stubborn: 0.1 }))
    .final("fee", {
      success,
      action: act("leg/stay/fee", { refused: 0.2 }),
      error: "asRecoveredFailure",
      inDoubt: "verify",
      verify: verify("leg/stay/fee", verifyOdds)
    })
    .build()

  const leg = Saga.make("Leg", { input: Input })
    .compensatable("boat", book("leg/boat"))
    .saga("stay", stay, { input })
    .build()

  const Tour = Saga.make("Tour", { input: Input })
    .compensatable("guide", book("guide", { busy: 0.2 }))
    .saga("leg", leg, { input })
    .final("book", {
      success,
      action: act("book", { busy: 0.3 }),
      error: "asRecoveredFailure",
      inDoubt: "retry",
      retry: { schedule: Schedule.spaced("50 millis") }
    })
    .build()

  const all = { Order, Trip, Convoy, Deposit, Shipment, Tour } satisfies Record<ShapeName, Saga.Any>
  return { all, recovered: [Order, Trip, Convoy, Deposit, Shipment, Tour] as const }
}

export type Sagas = ReturnType<typeof sagasOf>
