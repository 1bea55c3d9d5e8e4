/**
 * The smallest saga that shows it: reserve seats, then charge. The card is declined, so the seats are released again.
 */
import { Effect, Schema } from "effect"
import { Saga } from "effect-saga"

class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { card: Schema.String }) {}

const Order = Schema.Struct({ card: Schema.String, seats: Schema.Int })

const buyTickets = Saga.make("BuyTickets", { input: Order })
  .readOnly("price", {
    action: ({ input }) => Effect.succeed(input.seats * 25)
  })
  .compensatable("reservation", {
    action: ({ input }) =>
      Effect.sync(() => {
        console.log(`reserved ${input.seats} seats`)
        return { id: "reservation-1" }
      }),
    compensate: ({ output }) => Effect.sync(() => console.log(`released ${output.id}`))
  })
  .final("charge", {
    action: ({ input, outputs }) =>
      input.card === "empty"
        ? Effect.fail(new CardDeclined({ card: input.card }))
        : Effect.sync(() => {
          console.log(`charged ${outputs.price} for ${outputs.reservation.id}`)
          return { receipt: "receipt-1" }
        })
  })
  .build(({ outputs }) => outputs.charge.receipt)

const buy = (card: string) =>
  Saga.run(buyTickets, { card, seats: 2 }).pipe(
    Effect.tap((receipt) => Effect.sync(() => console.log(`done: ${receipt}`))),
    Effect.catchTag("CardDeclined", ({ card }) =>
      Effect.sync(() => console.log(`the card ${card} was declined; nothing is reserved`)))
  )

void Effect.runPromise(Effect.andThen(buy("full"), buy("empty")))
