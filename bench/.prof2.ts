import Database from "better-sqlite3"
import { mkdtempSync, rmSync } from "node:fs"
import { openOurs } from "./order.ts"
const d = new Database(":memory:")
const S: any = Object.getPrototypeOf(d.prepare("SELECT 1"))
const acc = new Map<string, [number, number]>()
for (const k of ["run", "all"]) {
  const o = S[k]
  S[k] = function(...a: any[]) {
    const t = process.hrtime.bigint()
    try {
      return o.apply(this, a)
    } finally {
      const key = k + " " + this.source.slice(0, 28) + " " + a.length
      const e = acc.get(key) ?? [0, 0]
      e[0]++
      e[1] += Number(process.hrtime.bigint() - t) / 1000
      acc.set(key, e)
    }
  }
}
const dir = mkdtempSync("/tmp/prof-")
const C = Number(process.argv[2] ?? 64)
const s = openOurs(`${dir}/a.db`, process.argv[3] === "FULL" ? "power-loss" : "process")
await s.drive(C, 1500)
acc.clear()
const r = await s.drive(C, 4000)
console.log(C, (r.seconds * 1e6 / r.sagas).toFixed(1), "us/saga")
let sum = 0
for (const [k, [n, t]] of [...acc].sort((a, b) => b[1][1] - a[1][1]).slice(0, 12)) {
  console.log(k.padEnd(45), (n / r.sagas).toFixed(3), "calls/saga", (t / r.sagas).toFixed(2), "us/saga")
  sum += t / r.sagas
}
console.log("sql", sum.toFixed(1))
await s.close()
rmSync(dir, { recursive: true })
