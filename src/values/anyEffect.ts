import type { Effect } from "effect"

/** An effect of a user's function. The builder has checked its types; inside the library they are opaque. */
export type AnyEffect<A = unknown> = Effect.Effect<A, unknown, any>
