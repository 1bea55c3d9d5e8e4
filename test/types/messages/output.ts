/** The output of a saga that is not what its schema says. */
import { Effect, Schema } from "effect"
import { Airline, Flight, trip } from "./world.ts"

// the projection makes something else than the success schema of the saga
trip.build(({ outputs }) => outputs.quote, { success: Schema.String })

// the projection leaves out a member of the success schema of the saga
trip.build(({ outputs }) => ({ price: outputs.quote }), {
  success: Schema.Struct({ price: Schema.Number, currency: Schema.String })
})

// the success schema of the saga is none
trip.build(({ outputs }) => ({ id: String(outputs.quote) }), { success: { id: Schema.String } })

// the success schema of the saga needs a service
trip.build(({ outputs }) => String(outputs.quote), {
  success: Schema.transformOrFail(Schema.String, Schema.String, {
    strict: true,
    decode: (id) => Effect.as(Airline, id),
    encode: (id) => Effect.succeed(id)
  })
})

// a success schema of the saga, and no projection
trip.build({ success: Flight })

// an option of build() that does not exist
trip.build(({ outputs }) => String(outputs.quote), { sucess: Schema.String })
