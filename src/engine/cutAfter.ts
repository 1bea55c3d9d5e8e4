/** Cuts off what takes too long where nothing else may interrupt it. */
import { type Duration, Effect, Exit, Fiber } from "effect"
import type { AnyEffect } from "../values/anyEffect.ts"

/**
 * Cuts an effect off after `timeout`. It runs in a daemon fiber, because an interruption of this fiber would reach its children
 * even while it is uninterruptible. An effect that succeeds in the same moment has succeeded. Where `restore` lets an interruption arrive,
 * it ends the effect too.
 */
export const cutAfter = (
  effect: AnyEffect,
  timeout: Duration.DurationInput,
  onCut: () => unknown,
  restore: <A>(waiting: AnyEffect<A>) => AnyEffect<A> = (waiting) => waiting
): AnyEffect =>
  Effect.gen(function*() {
    let cut = false
    const fiber = yield* Effect.forkDaemon(Effect.interruptible(effect))
    const timer = yield* Effect.forkDaemon(Effect.interruptible(
      Effect.zipRight(
        Effect.sleep(timeout),
        Effect.suspend(() => {
          cut = true
          return Fiber.interruptFork(fiber)
        })
      )
    ))
    const exit = yield* Effect.ensuring(
      Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber)),
      Fiber.interruptFork(timer)
    )
    if (Exit.isSuccess(exit)) yield* Fiber.inheritAll(fiber)
    return yield* cut && Exit.isInterrupted(exit) ? Effect.fail(onCut()) : exit
  })
