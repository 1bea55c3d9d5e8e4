/// <reference types="node" />
/** Names the process that holds a lease on a SQLite file, so that other processes of the machine know at once when it has died. */
import { readFileSync, readlinkSync } from "node:fs"

const attempt = (read: () => string): string | undefined => {
  try {
    return read().trim()
  } catch {
    return undefined
  }
}

/** Names the machine and its numbering of processes: each container can have a numbering of its own. */
const machine = () => {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"))
  return boot === undefined || namespace === undefined ? undefined : `${boot} ${namespace}`
}

/** When a process started, which tells it from a later process of the same number; and whether it is a zombie. */
const statOf = (pid: number) => {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
  // The second field is the command in parentheses, which may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields === undefined ? undefined : { start: fields[19], isZombie: fields[0] === "Z" }
}

const unknown = "unknown"

/** Names this process; "unknown" if the machine has no name, which only Linux gives it, in `/proc`. */
export const thisProcess = (): string => {
  const here = machine()
  const start = statOf(process.pid)?.start
  return here === undefined || start === undefined ? unknown : `${here} ${process.pid} ${start}`
}

/** Whether the process of this name has certainly ended: it ran on this machine, and does not any more. */
export const isGone = (owner: string): boolean => {
  const here = machine()
  if (here === undefined || !owner.startsWith(`${here} `)) return false
  const [pid, start] = owner.slice(here.length + 1).split(" ")
  if (pid === undefined || !/^[0-9]+$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ESRCH"
  }
  const now = statOf(Number(pid))
  return now !== undefined && (now.isZombie || (now.start !== undefined && now.start !== start))
}
