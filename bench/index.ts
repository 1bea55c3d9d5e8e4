/** All benchmarks, one after the other; each compares its contenders in one run. `npm run bench` */
import { inProcess } from "./inProcess.ts"

const milliseconds = 1000

console.log("In process: the median time of a saga, then ours as a multiple of each of the others'")
console.log("               ours   hand-written  one region  acquireRelease")
console.log((await inProcess(milliseconds)).join("\n"))
