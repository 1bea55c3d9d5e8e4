import { mkdtempSync, rmSync } from "node:fs"
import { openOurs } from "./order.ts"
const dir = mkdtempSync("/tmp/prof-")
const C = Number(process.argv[2] ?? 64)
const sync = process.argv[3] === "FULL" ? "power-loss" as const : "process" as const
const fail = process.argv[4] === "fail"
const s = openOurs(`${dir}/a.db`, sync)
await s.drive(C, 1000, fail)
for (let i = 0; i < 3; i++) {
  const c0 = process.cpuUsage()
  const r = await s.drive(C, 2000, fail)
  const c = process.cpuUsage(c0)
  console.log(C, (r.sagas / r.seconds).toFixed(0), "sagas/s", ((c.user + c.system) / r.sagas).toFixed(1), "us cpu")
}
await s.close()
rmSync(dir, { recursive: true })
