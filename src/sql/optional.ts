/** Loads packages that are there only where an application uses them. */
import { Effect } from "effect"

/**
 * Follows each `import()` of an optional package: a bundler takes a missing package for an error unless something catches it.
 */
export const thrown = (error: unknown): never => {
  throw error
}

/** Loads a package, or fails with the error that says that it is not there. */
export const loaded = <A>(name: string, load: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({
    try: load,
    catch: (cause) => new Error(`the package ${name} cannot be loaded: install it beside effect-saga`, { cause })
  })
