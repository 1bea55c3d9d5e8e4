/** A store in this process. */
import { Effect, Stream } from "effect"
import type { Status } from "../Journal.ts"
import { isDriven, isFinished, isWaiting, leavesNoMessage } from "../journal/statuses.ts"
import {
  type Attributes,
  type ClaimedExecution,
  type Commit,
  type ExecutionCount,
  type Listing,
  type Store,
  type StoredCommit,
  type StoredExecution as ListedExecution,
  type StoredMessage,
  Token,
  type UnfinishedExecution
} from "./store.ts"

interface StoredExecution {
  readonly number: number
  readonly commits: Array<StoredCommit>
  readonly saga: string
  readonly version: number
  readonly isPlan: boolean
  readonly attributes: Attributes
  readonly startedAt: number
  status: Status
  token: Token | undefined
  fence: number
  endedAt: number | undefined
  /** When one that waits is due; undefined for any other, and once somebody has claimed it or sent it a message. */
  wakeAt: number | undefined
  messages: Array<StoredMessage>
}

const isListed = (
  { attributes, number, saga, startedAt, status }: StoredExecution,
  listing: Listing
): boolean =>
  (listing.before === undefined || number < listing.before) &&
  (listing.saga === undefined || saga === listing.saga) &&
  (listing.statuses === undefined || listing.statuses.includes(status)) &&
  (listing.since === undefined || startedAt >= listing.since) &&
  (listing.until === undefined || startedAt < listing.until) &&
  Object.entries(listing.attributes ?? {}).every(([name, value]) =>
    Object.hasOwn(attributes, name) && attributes[name] === value
  )

const listed = (
  executionId: string,
  { attributes, endedAt, number, saga, startedAt, status, version }: StoredExecution
): ListedExecution => ({ number, executionId, saga, version, status, attributes, startedAt, endedAt })

// oxlint-disable-next-line max-lines-per-function -- the members of one object over shared maps: apart they would say less
export const makeMemoryStore: Effect.Effect<Store> = Effect.map(Effect.clock, (clock) => {
  const now = () => clock.unsafeCurrentTimeMillis()
  const executions = new Map<string, StoredExecution>()
  const leases = new Map<Token, { readonly milliseconds: number; expiresAt: number }>()
  let lastToken = 0
  const lastsFor = (token: Token | undefined) =>
    token === undefined ? 0 : Math.max(0, (leases.get(token)?.expiresAt ?? 0) - now())
  let lastMessage = 0
  let lastExecution = 0
  const appendOne = (commit: Commit): boolean => {
    const { attributes = {}, body, executionId, fence, isPlan, saga, sequence, status, taken, token, version, wakeIn } =
      commit
    const known = executions.get(executionId)
    const mine = lastsFor(token) > 0 &&
      (known === undefined ? fence === 0 : known.token === token && known.fence === fence)
    if (!mine || (known?.commits.length ?? 0) !== sequence) return false
    const untaken = known?.messages.filter(({ number }) => number > taken) ?? []
    if (leavesNoMessage(status) && untaken.length > 0) return false
    const execution: StoredExecution = known ?? {
      number: ++lastExecution,
      commits: [],
      saga,
      version,
      isPlan,
      attributes: { ...attributes },
      startedAt: now(),
      status,
      token,
      fence,
      endedAt: undefined,
      wakeAt: undefined,
      messages: []
    }
    execution.messages = untaken
    execution.commits.push({ sequence, body })
    execution.status = status
    execution.token = isDriven(status) ? token : undefined
    execution.endedAt = isFinished(status) ? now() : undefined
    execution.wakeAt = isWaiting(status) ? now() + (wakeIn ?? Infinity) : undefined
    executions.set(executionId, execution)
    return true
  }
  return {
    append: (commits) => Effect.sync(() => commits.map(appendOne)),
    enqueue: ({ attributes = {}, body, executionId, isPlan, saga, version }) =>
      Effect.sync(() => {
        const known = executions.get(executionId)
        if (known !== undefined) return known.commits[0]!.body
        executions.set(executionId, {
          number: ++lastExecution,
          commits: [{ sequence: 0, body }],
          attributes: { ...attributes },
          startedAt: now(),
          saga,
          version,
          isPlan,
          status: "Running",
          token: undefined,
          fence: 0,
          endedAt: undefined,
          wakeAt: undefined,
          messages: []
        })
        return undefined
      }),
    transactions: undefined,
    load: (executionId) => Effect.sync(() => executions.get(executionId)?.commits.slice() ?? []),
    unfinished: ({ parked, withMessages = false }) =>
      Stream.suspend(() => {
        const found: Array<UnfinishedExecution> = []
        const due: Array<UnfinishedExecution> = []
        for (const [executionId, { fence, isPlan, messages, saga, status, token, version, wakeAt }] of executions) {
          if (isFinished(status) || (status === "Parked") !== parked || (wakeAt !== undefined && wakeAt > now())) {
            continue
          }
          if (withMessages && messages.length === 0) continue
          const execution = { executionId, saga, version, isPlan, status, leasedFor: lastsFor(token), token, fence }
          if (wakeAt === undefined) found.push(execution)
          else due.push(execution)
        }
        return Stream.fromIterable([...found, ...due])
      }),
    acquire: ({ milliseconds }) =>
      Effect.sync(() => {
        const token = Token(++lastToken)
        leases.set(token, { milliseconds, expiresAt: now() + milliseconds })
        return token
      }),
    renew: (token) =>
      Effect.sync(() => {
        const lease = leases.get(token)
        if (lease === undefined || lastsFor(token) === 0) return false
        lease.expiresAt = now() + lease.milliseconds
        return true
      }),
    release: (token, claims) =>
      Effect.sync(() => {
        if (claims === undefined) leases.delete(token)
        for (const { executionId, fence } of claims ?? []) {
          const execution = executions.get(executionId)
          if (execution?.token === token && execution.fence === fence) execution.token = undefined
        }
      }),
    claim: (executionId, token) =>
      Effect.sync(() => {
        const execution = executions.get(executionId)
        if (execution === undefined || isFinished(execution.status) || lastsFor(token) === 0) return undefined
        if (execution.token !== token && lastsFor(execution.token) > 0) return undefined
        execution.token = token
        execution.wakeAt = undefined
        return ++execution.fence
      }),
    send: ({ body, executionId }) =>
      Effect.sync(() => {
        const execution = executions.get(executionId)
        if (execution === undefined || isFinished(execution.status)) return undefined
        execution.messages.push({ number: ++lastMessage, body })
        execution.wakeAt = undefined
        return lastMessage
      }),
    messages: (executionId) => Effect.sync(() => executions.get(executionId)?.messages.slice() ?? []),
    withMessages: (token) =>
      Effect.sync(() =>
        Array.from(executions).flatMap(([executionId, execution]) =>
          execution.token === token && execution.messages.length > 0 ? [executionId] : []
        )
      ),
    claimNext: ({ except, limit, plans, sagas }, token) =>
      Effect.sync(() => {
        const claimed: Array<ClaimedExecution> = []
        if (lastsFor(token) === 0) return claimed
        for (const [executionId, execution] of executions) {
          if (claimed.length >= limit) break
          const { commits, isPlan, messages, saga, status, version, wakeAt } = execution
          const isWanted = isPlan ? plans : sagas.some((known) => known.name === saga && known.version === version)
          if (isFinished(status) || !isWanted || except.includes(executionId) || lastsFor(execution.token) > 0) continue
          if (status === "Parked" && messages.length === 0) continue
          if (wakeAt !== undefined && wakeAt > now()) continue
          execution.token = token
          execution.wakeAt = undefined
          claimed.push({
            executionId,
            saga,
            version,
            isPlan,
            status,
            fence: ++execution.fence,
            start: commits.length === 1 ? commits[0]!.body : undefined,
            hasMessages: messages.length > 0
          })
        }
        return claimed
      }),
    arrivals: Stream.empty,
    list: (listing) =>
      Effect.sync(() =>
        Array.from(executions)
          .filter(([, execution]) => isListed(execution, listing))
          .slice(-listing.limit).reverse()
          .map(([executionId, execution]) => listed(executionId, execution))
      ),
    count: (saga) =>
      Effect.sync(() => {
        const counts = new Map<string, ExecutionCount>()
        for (const execution of executions.values()) {
          if (saga !== undefined && execution.saga !== saga) continue
          const { saga: name, status } = execution
          const key = `${status} ${name}`
          counts.set(key, { saga: name, status, count: (counts.get(key)?.count ?? 0) + 1 })
        }
        return Array.from(counts.values())
      }),
    prune: ({ milliseconds }) =>
      Effect.sync(() => {
        const before = now() - milliseconds
        const old = Array.from(executions).filter(([, { endedAt }]) => endedAt !== undefined && endedAt < before)
        for (const [executionId] of old) executions.delete(executionId)
        return old.length
      })
  }
})
