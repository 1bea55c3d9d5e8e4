/** Grants, renews and ends leases, and claims executions under them. */
import { Effect } from "effect"
import type { CheckpointError } from "../SagaError.ts"
import { type ClaimedExecution, type Store, Token } from "../store/Checkpoint.ts"
import type { Database } from "./connections.ts"
import { numberOf } from "./dialect.ts"

// A lease without an end has one after three thousand years.
const longest = 1e14

/** Deletes the leases that have run out, and those of processes that have certainly ended. */
export const tidy = (
  { dialect: { now }, query }: Database,
  isGone: ((owner: string) => boolean) | undefined
): Effect.Effect<void, CheckpointError> =>
  Effect.gen(function*() {
    // If the clock was set back, a lease would last longer than anybody asked for.
    yield* query(
      "lease",
      `UPDATE effect_saga_lease SET expires_at = ${now} + milliseconds
      WHERE expires_at > ${now} + milliseconds`
    )
    yield* query("lease", `DELETE FROM effect_saga_lease WHERE expires_at <= ${now}`)
    if (isGone === undefined) return
    for (const { owner, token } of yield* query("lease", "SELECT token, owner FROM effect_saga_lease")) {
      if (isGone(owner)) yield* query("lease", "DELETE FROM effect_saga_lease WHERE token = ?", token)
    }
  })

export const acquire =
  ({ dialect: { now }, query }: Database, owner: string): Store["acquire"] => ({ milliseconds }) => {
    const length = Math.min(Math.ceil(milliseconds), longest)
    return Effect.map(
      query(
        "lease",
        `INSERT INTO effect_saga_lease (owner, milliseconds, expires_at) VALUES (?, ?, ${now} + ?) RETURNING token`,
        owner,
        length,
        length
      ),
      ([{ token }]) => Token(Number(token))
    )
  }

export const renew = ({ dialect: { now }, query }: Database): Store["renew"] => (token) =>
  Effect.map(
    query(
      "lease",
      `UPDATE effect_saga_lease SET expires_at = ${now} + milliseconds
      WHERE token = ? AND expires_at > ${now} RETURNING token`,
      token
    ),
    (rows) => rows.length === 1
  )

export const release = ({ query }: Database): Store["release"] => (token, claims) =>
  claims === undefined
    ? query("lease", "DELETE FROM effect_saga_lease WHERE token = ?", token)
    : Effect.forEach(
      claims,
      ({ executionId, fence }) =>
        query(
          "lease",
          `UPDATE effect_saga_unfinished SET token = NULL WHERE execution = ${numberOf} AND token = ? AND fence = ?`,
          executionId,
          token,
          fence
        ),
      { discard: true }
    )

export const claim = ({ dialect: { now }, perform }: Database): Store["claim"] => (executionId, token) =>
  Effect.map(
    perform("lease", {
      // Compare-and-swap on the fence: fails if another claim came between.
      text: `UPDATE effect_saga_unfinished SET token = ?, fence = fence + 1, wake_at = NULL
        WHERE execution = ${numberOf}
          AND fence = (SELECT seen.fence FROM effect_saga_unfinished AS seen WHERE seen.execution = ${numberOf})
          AND (token IS NULL OR token = ? OR NOT EXISTS (
            SELECT 1 FROM effect_saga_lease AS lease
            WHERE lease.token = effect_saga_unfinished.token AND lease.expires_at > ${now}
          ))
          AND EXISTS (SELECT 1 FROM effect_saga_lease AS lease WHERE lease.token = ? AND lease.expires_at > ${now})
        RETURNING fence`,
      parameters: [token, executionId, executionId, token, token]
    }, executionId),
    ([claimed]) => claimed === undefined ? undefined : Number(claimed.fence)
  )

export const claimNext = ({ dialect, perform }: Database): Store["claimNext"] => (wanted, token) =>
  Effect.map(perform("lease", dialect.claimNext(wanted, token)), (rows) =>
    // The databases return them in any order.
    [...rows].sort((a, b) => Number(a.execution) - Number(b.execution)).map((row): ClaimedExecution => ({
      executionId: row.execution_id,
      saga: row.saga,
      version: Number(row.version),
      isPlan: Boolean(row.is_plan),
      status: row.status,
      fence: Number(row.fence),
      start: row.start ?? undefined,
      hasMessages: Boolean(row.has_messages)
    })))
