/** Functions of a parallel block. */
import { book, cancel, trip } from "./world.ts"

// a parallel block whose function returns nothing
trip.parallel((branch) => {
  branch.compensatable("flight", {
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey)
  })
})

// a parallel block without steps
trip.parallel((branch) => branch)

// a parallel block that returns another builder
trip.parallel(() => trip)
