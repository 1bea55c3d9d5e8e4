/** A contender in a process of its own: neither its garbage nor its timers disturb the others. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { world } from "../order.ts"
import { openDbos } from "./dbos.ts"
import { openGrouped, openUngrouped } from "./handWritten.ts"
import { openOurs } from "./ours.ts"
import type { Peer } from "./peer.ts"
import { openWorkflow } from "./workflow.ts"

export const contenders = {
  "ours": openOurs,
  "by hand, grouped": openGrouped,
  "by hand, a commit each": openUngrouped,
  "DBOS": openDbos,
  "@effect/workflow": openWorkflow
}

export type Name = keyof typeof contenders

export interface Drive {
  readonly concurrency: number
  readonly milliseconds: number
  readonly declined: boolean
}

export interface Driven {
  readonly sagas: number
  readonly seconds: number
  /** Milliseconds of this process. */
  readonly processor: number
}

type Answer = { readonly driven: Driven } | { readonly failed: string } | { readonly done: true }

const variable = "EFFECT_SAGA_BENCH_CONTENDER"

/** Whether this process is that of a contender; then it serves until it is told to end. */
export const isContender = (): boolean => process.env[variable] !== undefined

export const serve = async (): Promise<void> => {
  const { name, url } = JSON.parse(process.env[variable]!) as { name: Name; url: string }
  const answer = (answer: Answer) => process.send!(answer)
  const failed = (error: unknown) =>
    answer({ failed: error instanceof Error ? error.stack ?? error.message : String(error) })
  try {
    const peer = await contenders[name](url)
    const sagas = { succeeded: 0, declined: 0 }
    process.on("disconnect", () => process.exit())
    process.on("message", (asked: Drive | "end") => {
      const answered = asked === "end" ? end(peer, sagas) : drive(peer, asked, sagas)
      answered.then(answer, failed)
    })
    answer({ done: true })
  } catch (error) {
    failed(error)
  }
}

const drive = async (peer: Peer, asked: Drive, sagas: { succeeded: number; declined: number }): Promise<Answer> => {
  const { concurrency, declined, milliseconds } = asked
  const before = world.effects
  globalThis.gc?.()
  const start = process.cpuUsage()
  const timing = await peer.drive(concurrency, milliseconds, declined)
  const { system, user } = process.cpuUsage(start)
  sagas[declined ? "declined" : "succeeded"] += timing.sagas
  const stand = declined ? 0 : timing.sagas * 4
  if (world.effects - before !== stand) {
    throw new Error(`${world.effects - before} effects stand of ${timing.sagas} sagas, and should be ${stand}`)
  }
  return { driven: { ...timing, processor: (system + user) / 1000 } }
}

const end = async (peer: Peer, sagas: { succeeded: number; declined: number }): Promise<Answer> => {
  await peer.check(sagas)
  await peer.close()
  return { done: true }
}

const ask = async (child: ChildProcess, name: Name, what?: Drive | "end"): Promise<Answer> => {
  const answer = Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => [{ failed: `its process ended with ${String(code)}` }])
  ])
  if (what !== undefined) child.send(what)
  const [got] = await answer as [Answer]
  if ("failed" in got) throw new Error(`${name}: ${got.failed}`)
  return got
}

/** Starts a contender, and ends it when `use` has. */
export const withContender = async (
  name: Name,
  url: string,
  use: (drive: (what: Drive) => Promise<Driven>) => Promise<void>
): Promise<void> => {
  const child = fork(process.argv[1]!, [], {
    env: { ...process.env, [variable]: JSON.stringify({ name, url }) },
    // DBOS uses its driver in a way that this would complain of in each round.
    execArgv: [...process.execArgv, "--no-deprecation"]
  })
  try {
    await ask(child, name)
    await use(async (what) => {
      const answer = await ask(child, name, what)
      if (!("driven" in answer)) throw new Error(`${name} has not said what it did`)
      return answer.driven
    })
    await ask(child, name, "end")
  } finally {
    child.kill("SIGKILL")
  }
}
