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

/** When a process started, which tells it from a later one of the same number, and whether it has ended and waits to be buried. */
const statOf = (pid: number) => {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
  // The second field is the command in parentheses, which may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields === undefined ? undefined : { start: fields[19], isZombie: fields[0] === "Z" }
}

const unknown = "unknown"

/** Names this process; where the machine cannot be told (it is told by `/proc`, of Linux), it says only that. */
export const thisProcess = (): string => {
  const here = machine()
  const start = statOf(process.pid)?.start
  return here === undefined || start === undefined ? unknown : `${here} ${process.pid} ${start}`
}

/** Whether the process of this name has certainly ended: it was one of this machine, and is not there any more. */
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
