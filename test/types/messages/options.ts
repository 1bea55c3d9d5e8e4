/** Options that are not what they should be: the error is at the option, and the action is not blamed. */
import { Schedule, Schema } from "effect"
import { book, cancel, CardDeclined, charge, Flight, trip } from "./world.ts"

// retry is a number, of a Compensatable step
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  retry: 3
})

// retry is a number, of a ReadOnly step
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  retry: 3
})

// retry is a number, of a Final step
trip.final("charge", {
  action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey),
  retry: 3
})

// retry is a number, in a parallel block
trip.parallel((branch) =>
  branch.compensatable("flight", {
    action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
    compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
    retry: 3
  })
)

// retry is a number, of a step with a success schema
trip.compensatable("flight", {
  success: Flight,
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  retry: 3
})

// retry is a schedule, of a Compensatable step
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  retry: Schedule.exponential("100 millis")
})

// retry is a schedule, of a ReadOnly step
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  retry: Schedule.exponential("100 millis")
})

// retry is a schedule, of a Final step
trip.final("charge", {
  action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey),
  retry: Schedule.exponential("100 millis")
})

// retry.times is a text
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  retry: { times: "3" }
})

// compensationRetry is a number
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  compensationRetry: 3
})

// timeout is no duration, of a Compensatable step
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  timeout: "5 secs",
  inDoubt: "retry"
})

// timeout is no duration, of a ReadOnly step
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  timeout: "5 secs"
})

// timeout is no duration, of a Final step
trip.final("charge", {
  action: ({ idempotencyKey, outputs }) => charge(outputs.quote, idempotencyKey),
  timeout: "5 secs",
  inDoubt: "park"
})

// compensationTimeout is no duration
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  compensationTimeout: "5 secs"
})

// inDoubt is no policy
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  inDoubt: "ignore"
})

// an option that does not exist
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  compensate: ({ idempotencyKey, output }) => cancel(output.id, idempotencyKey),
  retries: 3
})

// success has fields and no schema
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  success: { id: Schema.String }
})

// success is the schema of something else
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  success: Schema.Number
})

// error is the schema of something else
trip.readOnly("look", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey),
  error: CardDeclined
})

// no compensation
trip.compensatable("flight", {
  action: ({ idempotencyKey, input }) => book(input, idempotencyKey)
})

// an action that is a promise
trip.readOnly("look", {
  action: async ({ input }) => input.length
})
