/** All benchmarks, one after the other; each compares its contenders in one run. `npm run bench` */
import { inProcess } from "./inProcess.ts"

const milliseconds = 1000

console.log(
  "In process: median time of a saga (ours, hand-written with an own undo stack, Effect.scoped + acquireRelease)"
)
console.log((await inProcess(milliseconds)).join("\n"))
