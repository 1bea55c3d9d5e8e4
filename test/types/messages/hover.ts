/** How the type of a saga is shown: its debts are short, and no sentence reads as an error. */
import { book, cancel, charge, trip } from "./world.ts"

const saga = trip
  .compensatable("flight", {
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })
  .final("charge", { action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey) })
  .build()

// the type of a saga that was only meant for Saga.run
export const shown: never = saga
