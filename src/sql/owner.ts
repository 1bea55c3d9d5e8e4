/// <reference types="node" />
/** Who holds a lease on a SQLite file: which process of which machine, so that a dead one is known at once. */
import { readFileSync, readlinkSync } from "node:fs"

const attempt = (read: () => string): string | undefined => {
  try {
    return read().trim()
  } catch {
    return undefined
  }
}

/** Which numbering of processes this is: containers of one machine can have one each. */
const machine = () => {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"))
  return boot === undefined || namespace === undefined ? undefined : `${boot} ${namespace}`
}

/** When a process started, which tells it from a later one of the same number. */
const startOf = (pid: number) => {
  const fields = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
  // The second field is the command in parentheses, which may hold anything.
  return fields?.slice(fields.lastIndexOf(")") + 2).split(" ")[19]
}

/** Names this process; where the machine cannot be told (it is told by `/proc`, of Linux), it says only that. */
export const thisProcess = (): string => {
  const here = machine()
  return here === undefined ? "unknown" : JSON.stringify([here, process.pid, startOf(process.pid)])
}

/** Whether the process of this name has certainly ended: it was one of this machine, and is not there any more. */
export const isGone = (owner: string): boolean => {
  if (!owner.startsWith("[")) return false
  const [there, pid, start] = JSON.parse(owner) as [string, number, string | undefined]
  if (there !== machine()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ESRCH"
  }
  const now = startOf(pid)
  return now !== undefined && start !== undefined && now !== start
}
