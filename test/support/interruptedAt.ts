/** An interruption at an operation of one's choice. */
import { Effect, Exit, Fiber, FiberId, Scheduler } from "effect"

/**
 * Interrupts a run at its n-th operation, at which it yields too, as a fiber does now and then; tells how it ended, and whether
 * it had so many operations. What the run forks counts as well. Only for runs that do one thing at a time: a concurrent
 * `Effect.forEach` alone, without a saga, never ends when it is interrupted so at some of its operations (Effect 3.22.4).
 */
export const interruptedAt = <A, E, R>(n: number, run: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    let count = 0
    let fiber: Fiber.RuntimeFiber<A, E> | undefined
    const usual = new Scheduler.MixedScheduler(2048)
    const scheduler: Scheduler.Scheduler = {
      scheduleTask: (task, priority, fiber) => usual.scheduleTask(task, priority, fiber),
      shouldYield: (current) => {
        if (++count !== n) return usual.shouldYield(current)
        fiber!.unsafeInterruptAsFork(FiberId.none)
        return 0
      }
    }
    fiber = yield* Effect.fork(Effect.withScheduler(run, scheduler))
    const exit: Exit.Exit<A, E> = yield* Fiber.await(fiber)
    return { exit, reached: count >= n }
  })
